"""The board: where every municipality stands, the most urgent first (calendar.md K11). Pure; the clock is passed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kpr.calendar import last_safe_send, next_milestone
from kpr.checks.finding import Text
from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState
from kpr.years import Year

_S, _I, _R, _A = SubmissionState, IdentLeg, ReceiptLeg, AttemptState
_TROUBLE = (_A.REFUSED, _A.FAILED, _A.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Standing:
    """One municipality as its store has it. ``error``: it could not be asked, and why, in a sentence."""

    number: str
    name: str
    data_year: int
    state: SubmissionState | None = None
    version: int = 0
    ident_leg: IdentLeg = IdentLeg.NOT_SENT
    receipt_leg: ReceiptLeg = ReceiptLeg.NONE
    attempts: frozenset[AttemptState] = frozenset()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the board. ``hours``: to the last safe sending of the next deadline; None when there is none left."""

    standing: Standing
    place: str
    person: str
    text: Text
    hours: float | None

    @property
    def needs_person(self) -> bool:
        """Whether anybody has to do anything: what the board shows first."""
        return self.person != "nobody"


@cache
def _rows() -> dict[str, dict[str, Any]]:
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {row["id"]: row | {"rank": rank} for rank, row in enumerate(rows)}


def places() -> tuple[str, ...]:
    """Everywhere a municipality can stand, worst first."""
    return tuple(_rows())


#: Submission state -> where it stands, when neither the legs nor the transport say more.
_BY_STATE: Mapping[SubmissionState | None, str] = {
    None: "NOT_EXTRACTED",
    _S.DRAFT: "NOT_EXTRACTED",
    _S.EXTRACTED: "NOT_EXTRACTED",
    _S.BLOCKED: "RED_FINDINGS",
    _S.CHECKED: "NOT_APPROVED",
    _S.APPROVED: "NOT_SENT",
    _S.SENDING: "NOT_SENT",
    _S.REJECTED: "REJECTED",
    _S.WITHDRAWN: "REJECTED",
    _S.ACCEPTED: "DONE",
    _S.SUPERSEDED: "DONE",
}


def place_of(standing: Standing) -> str:
    """Where one municipality stands: the id of a row of ``board.yaml``."""
    if standing.error:
        return "FAULT"
    if standing.state is not _S.AWAITING:
        return _BY_STATE[standing.state]
    if standing.attempts & set(_TROUBLE) or standing.receipt_leg in (_R.UNREADABLE, _R.POSITIVE_PART):
        return "FAULT"
    if standing.receipt_leg in (_R.NEGATIVE, _R.WITHDRAWN):
        return "REJECTED"
    return _awaiting(standing.ident_leg, standing.receipt_leg)


def _awaiting(ident: IdentLeg, receipt: ReceiptLeg) -> str:
    if _I.OVERDUE is ident or _R.OVERDUE is receipt:
        return "OVERDUE"
    if ident is _I.FEEDBACK_FAULTS:
        return "IDENT_FAULTS"
    if receipt is _R.POSITIVE:
        return "AWAITING_IDENT"
    return "AWAITING_RECEIPT" if ident is _I.FEEDBACK_OK else "AWAITING_BOTH"


def board(standings: Iterable[Standing], year: Year, now: datetime) -> tuple[Row, ...]:
    """Every municipality, sorted by hours to the nearest last safe sending, then worst first; the done ones last."""
    hours = _hours_left(year, now)
    return tuple(sorted((_row(each, hours) for each in standings), key=_urgency))


def _hours_left(year: Year, now: datetime) -> float | None:
    coming = next_milestone((m for m in year.milestones if m.is_deadline), now)
    if coming is None:
        return None
    return (last_safe_send(coming, year.ack_hours.value) - now).total_seconds() / 3600


def _row(standing: Standing, hours: float | None) -> Row:
    place = place_of(standing)
    said = _rows()[place]
    error = standing.error or "se tidslinjen"
    text = Text(said["nb"].format(error=error), said["en"].format(error=error))
    return Row(standing, place, said["person"], text, None if place == "DONE" else hours)


def _urgency(row: Row) -> tuple[float, int, str]:
    hours = row.hours if row.hours is not None else float("inf")
    return hours, _rows()[row.place]["rank"], row.standing.number


def faults_only(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Those that need a person: what the board shows first."""
    return tuple(row for row in rows if row.needs_person)


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many stand where, worst first; only where somebody stands."""
    counted = Counter(row.place for row in rows)
    return {place: counted[place] for place in places() if counted[place]}


def sentence(rows: tuple[Row, ...]) -> str:
    """The board in one Norwegian sentence."""
    waiting, done = len(faults_only(rows)), sum(row.place == "DONE" for row in rows)
    first = next(iter(faults_only(rows)), None)
    call = f" Ring først: {first.standing.number} {first.standing.name}." if first else " Gjør ingenting nå."
    return f"{done} av {len(rows)} er godtatt, {waiting} trenger en person.{call}"
