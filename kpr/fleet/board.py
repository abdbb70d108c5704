"""The board: where every municipality stands, the most urgent first (calendar.md K11). Pure; the clock is passed in.

What there is to say and who is to be asked stand in board.yaml, a row for each combination of states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from kpr.calendar import last_safe_send, next_milestone
from kpr.checks.finding import Text
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.next_act import Trouble
from kpr.yaml_file import table_beside
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class Standing:
    """One municipality's year as its store has it: the newest version, and whether some version counts now (K9).

    ``right``: a person has signed that the register's view agrees with the newest version.
    ``contradicted``: a second receipt says something else than the first. ``error``: it could not be asked, and why.
    """

    number: str
    name: str
    data_year: int
    state: SubmissionState | None = None
    version: int = 0
    ident_leg: IdentLeg = IdentLeg.NOT_SENT
    receipt_leg: ReceiptLeg = ReceiptLeg.NONE
    trouble: Trouble = Trouble.OK
    accepted: bool = False
    contradicted: bool = False
    right: bool = False
    error: str = ""

    @property
    def label(self) -> str:
        """Number and name, as one says it."""
        return f"{self.number} {self.name}"

    @property
    def overdue(self) -> bool:
        """Whether an answer is overdue."""
        return self.ident_leg is IdentLeg.OVERDUE or self.receipt_leg is ReceiptLeg.OVERDUE

    @property
    def unfinished(self) -> bool:
        """Whether something that a person approved is not sent, or half sent."""
        return self.state in (SubmissionState.APPROVED, SubmissionState.SENDING)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the board.

    ``hours``: to the last safe sending of the next deadline, negative when that has passed; None when no deadline is
    left to be reached. ``rank``: how bad it is, 0 the worst.
    """

    standing: Standing
    place: str
    person: str
    text: Text
    hours: float | None
    rank: int = 0

    @property
    def needs_person(self) -> bool:
        """Whether anybody has to do anything: what the board shows first."""
        return self.person != "nobody"

    @property
    def whom(self) -> str:
        """Whom to phone, in Norwegian; a dash when nobody need be."""
        return str(_data()["persons"][self.person]["name"])

    @property
    def left(self) -> str:
        """How long there is to the last safe sending, in Norwegian words."""
        if self.hours is None:
            return "–"
        days = int(self.hours // 24)
        return "passert" if self.hours < 0 else {0: "under ett døgn", 1: "1 dag"}.get(days, f"{days} dager")


@dataclass(frozen=True, slots=True)
class Call:
    """One telephone call: to whom, and what about. Officers are called one by one, the others once about all."""

    person: str
    rows: tuple[Row, ...]

    @property
    def text(self) -> Text:
        """To whom and about whom, in words."""
        said = _data()["persons"][self.person]
        label = self.rows[0].standing.label
        more = len(self.rows) - 1
        nb, en = (f" og {more} til", f" and {more} more") if more else ("", "")
        return Text(said["nb"].format(label=label) + nb, said["en"].format(label=label) + en)


@cache
def _data() -> dict[str, Any]:
    return dict(table_beside(__file__))


def places() -> tuple[str, ...]:
    """Everywhere a municipality can stand, worst first."""
    return tuple(_data()["places"])


def name_of(place: str) -> Text:
    """What a place is called."""
    said = _data()["places"][place]
    return Text(said["nb"], said["en"])


def place_of(standing: Standing) -> str:
    """Where one municipality stands."""
    return _row(standing, None).place


def board(standings: Iterable[Standing], year: Year, now: datetime) -> tuple[Row, ...]:
    """Every municipality, by hours to the nearest last safe sending that it has not reached, then worst first."""
    hours = _hours_left(year, now)
    rows = (_row(each, None if each.accepted else hours) for each in standings)
    return tuple(sorted(rows, key=_urgency))


def _hours_left(year: Year, now: datetime) -> float | None:
    coming = next_milestone((m for m in year.milestones if m.is_deadline), now)
    if coming is None:
        return None
    return (last_safe_send(coming, year.ack_hours.value) - now).total_seconds() / 3600


def _row(standing: Standing, hours: float | None) -> Row:
    asked = {
        "error": bool(standing.error),
        "contradicted": standing.contradicted,
        "right": standing.right,
        "state": standing.state.value if standing.state else "NONE",
        "ident": standing.ident_leg.value,
        "receipt": standing.receipt_leg.value,
        "transport": standing.trouble.value,
    }
    rank, said = next(
        (rank, row)
        for rank, row in enumerate(_data()["rows"])
        if all(value in row.get(name, [value]) for name, value in asked.items())
    )
    text = Text(said["nb"].format(error=standing.error), said["en"].format(error=standing.error))
    return Row(standing, said["place"], said["person"], text, hours, rank)


def _urgency(row: Row) -> tuple[float, int, str, int]:
    hours = row.hours if row.hours is not None else float("inf")
    return hours, row.rank, row.standing.number, row.standing.data_year


def faults_only(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Those that need a person: what the board shows first."""
    return tuple(row for row in rows if row.needs_person)


def phone(rows: Iterable[Row]) -> tuple[Call, ...]:
    """Whom to phone, first things first, for rows in the board's order."""
    calls: dict[tuple[str, str], list[Row]] = {}
    for row in faults_only(rows):
        own = row.standing.label if row.person == "officer" else ""
        calls.setdefault((row.person, own), []).append(row)
    return tuple(Call(person, tuple(about)) for (person, _), about in calls.items())


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many stand where, worst first; only where somebody stands."""
    counted = Counter(row.place for row in rows)
    return {place: counted[place] for place in places() if counted[place]}


def sentence(rows: tuple[Row, ...]) -> str:
    """The board in one Norwegian sentence."""
    waiting = len(faults_only(rows))
    right = sum(row.place == "RIGHT" for row in rows)
    done = right + sum(row.place == "DONE" for row in rows)
    first = next(iter(phone(rows)), None)
    call = f" Ring først: {first.text.nb}." if first else " Gjør ingenting nå."
    return f"{done} av {len(rows)} er godtatt, {right} av dem riktig; {waiting} trenger en person.{call}"
