"""The mishaps: what goes wrong for whom, and what is done about it, row by row from mishaps.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from kpr.yaml_file import table_beside


class Do(StrEnum):
    """What somebody in a municipality does, or the shared centre does for it."""

    TRIAL = "trial"
    TRIAL_ANSWER = "trial_answer"
    CHECK = "check"
    REPORT = "report"
    CORRECT = "correct"
    SEEN = "seen"
    RENEW = "renew"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class When:
    """Days after a milestone (negative: before), up to ``spread`` more, and the hour; None: drawn in office hours."""

    of: str
    days: int
    spread: int = 0
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Scripted:
    """One act of a row. ``faults``: a new extract with these in it; None: the one that lies there.

    ``mended``: what the correction says. ``away``: the transport cannot be reached. ``second``: two persons ask.
    """

    do: Do
    when: When
    faults: Mapping[str, int] | None = None
    mended: str = ""
    away: bool = False
    second: bool = False


@dataclass(frozen=True, slots=True)
class Mishap:
    """One row: its Norwegian sentence, its share in per cent, what the register plays, and the acts in order.

    ``counts``: the version that must count at each deadline of the year, in order; None where nothing may.
    """

    id: str
    nb: str
    share: int
    counts: tuple[int | None, ...]
    acts: tuple[Scripted, ...]
    plays: tuple[Mapping[str, Any], ...] = ()
    certificate_ends: When | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The whole file: the rows, and what comes before and after for all, whatever goes wrong in between."""

    rows: tuple[Mishap, ...]
    trial_share: int
    trial: tuple[Scripted, ...]
    after: tuple[Scripted, ...]
    outcomes: Mapping[str, str] = field(repr=False)


@cache
def script() -> Script:
    """The script as the file has it."""
    raw = table_beside(__file__)
    trial = raw["before"]["trial"]
    return Script(
        rows=tuple(_mishap(row) for row in raw["rows"]),
        trial_share=trial["share"],
        trial=_acts(trial["acts"]),
        after=_acts(raw["after"]),
        outcomes=raw["outcomes"],
    )


def _mishap(row: dict[str, Any]) -> Mishap:
    ends = row.pop("certificate_ends", None)
    made = {"acts": _acts(row["acts"]), "plays": tuple(row.get("plays", ())), "counts": tuple(row["counts"])}
    return Mishap(**row | made, certificate_ends=When(**ends) if ends else None)


def _acts(rows: list[dict[str, Any]]) -> tuple[Scripted, ...]:
    return tuple(_act(dict(row)) for row in rows)


def _act(row: dict[str, Any]) -> Scripted:
    when = When(**{name: row.pop(name) for name in When.__slots__ if name in row})
    return Scripted(Do(row.pop("do")), when, **row)
