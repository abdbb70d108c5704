"""Which letter fits, and what stands in it. Pure: values in, words out; no person, no free text of the records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.log import blot
from kpr.yaml_file import read_yaml


@dataclass(frozen=True, slots=True)
class Trip:
    """One attempt at transport."""

    at: datetime
    message_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One message with its ids and attempts."""

    type: str
    msg_id: str
    trips: tuple[Trip, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """How it stands: what decides which letter fits (``standing``), and what is told of it."""

    number: str
    name: str
    data_year: int
    #: state, ident, receipt, ident_receipt, withdrawn, transport, contradicted, late: as in ``when`` of letters.yaml.
    standing: Mapping[str, str | bool]
    version: int = 0
    sequence: int = 0
    codes: str = ""
    sent: tuple[Sent, ...] = ()
    milestone: Text | None = None
    date: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A draft. ``use`` says which of the register's mailboxes it is for."""

    kind: str
    use: str
    subject: str
    body: str


@cache
def _data() -> dict[str, Any]:
    return dict(read_yaml(Path(__file__).with_name("letters.yaml")))


def kinds() -> tuple[str, ...]:
    """Every kind of letter, the most pressing first."""
    return tuple(_data()["kinds"])


def fitting(case: Case) -> tuple[str, ...]:
    """The kinds that fit, the most pressing first; none: no letter is needed now."""
    return tuple(kind for kind, row in _data()["kinds"].items() if _fits(row["when"], case.standing))


def _fits(when: Mapping[str, list[str | bool]], standing: Mapping[str, str | bool]) -> bool:
    return all(standing.get(what) in values for what, values in when.items())


def draft(case: Case, kind: str, language: str = "nb") -> Letter:
    """The letter of this kind in Norwegian, or with ``en`` in English."""
    row, frame = _data()["kinds"][kind], _data()["frame"]
    values = _values(case, language) | {"facts": _facts(case, language)}
    values |= {"title": row["title"][language], "text": row[language].format(**values)}
    subject = " ".join(frame["subject"][language].format(**values).split())
    return Letter(kind, row["use"], subject, frame["body"][language].format(**values))


def _values(case: Case, language: str) -> dict[str, str]:
    standing = case.standing
    return {
        "number": case.number,
        "name": blot(case.name),
        "year": str(case.data_year),
        "version": str(case.version),
        "sequence": str(case.sequence),
        "state": str(standing.get("state") or "–"),
        "ident": str(standing.get("ident") or "–"),
        "receipt": str(standing.get("receipt") or "–"),
        "codes": blot(case.codes) or "–",
        "milestone": (case.milestone.en if language == "en" else case.milestone.nb) if case.milestone else "",
        "date": case.date,
        "contact": blot(case.contact),
    }


def _facts(case: Case, language: str) -> str:
    frame, values = _data()["frame"], _values(case, language)
    if not case.version:
        return f"- {frame['nothing'][language]}"
    names = ["version", "legs", *(["codes"] if case.codes else [])]
    lines = [f"- {frame[name][language].format(**values)}" for name in names]
    for sent in case.sent:
        lines.append(f"- {frame['message'][language].format(type=sent.type, msg_id=sent.msg_id)}")
        lines += [
            frame["trip"][language].format(
                at=f"{trip.at.astimezone(OSLO):%d.%m.%Y %H.%M}", message_id=trip.message_id, state=trip.state
            )
            for trip in sent.trips
        ]
    return "\n".join(lines)


def kinds_for_alarm(row: str, *, escalated: bool = False) -> tuple[str, ...]:
    """The kinds of letter that an alarm may carry, by its row in due.yaml; ``escalated``: at the loudest level (K7)."""
    named = _data()["alarms"] | (_data()["escalated"] if escalated else {})
    return tuple(named.get(row, ()))


def mark_of(case: Case, kind: str) -> str:
    """The same while nothing has changed: a letter of one kind about one standing is sent once."""
    told = [kind, case.version, case.codes, sorted((name, str(value)) for name, value in case.standing.items())]
    told += [(sent.msg_id, [trip.message_id for trip in sent.trips]) for sent in case.sent]
    if "late" in _data()["kinds"][kind]["when"]:
        told.append(case.date)  # the next deadline that passes is news; to the other letters it is not
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
