"""A notice: one thing that needs a person, with who is to be told and what to do. Ids, counts and sentences only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kpr.checks.finding import Text


class Severity(StrEnum):
    """How much it hurries."""

    INFORMATION = "INFORMATION"
    WARNING = "WARNING"
    URGENT = "URGENT"


class Level(StrEnum):
    """Who is told: louder after every deadline that passed without an accepted report (K7, letter L25)."""

    OPERATOR = "operator"
    OFFICER = "officer"
    LEADER = "officer+leader"
    LETTER = "officer+leader+letter"


#: The groups of a level. Where nobody stands for any of them, the other side of the house is told: never nobody.
GROUPS: dict[Level, tuple[str, ...]] = {
    Level.OPERATOR: ("operator",),
    Level.OFFICER: ("officer",),
    Level.LEADER: ("officer", "leader"),
    Level.LETTER: ("officer", "leader"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """``id`` is the same each time the same thing is due; a daily one has the date in it.

    ``letter``: the draft that goes with it, put in by :func:`kpr.steps.letter.carrying_letter`.
    """

    id: str
    municipality: str
    name: str
    data_year: int
    severity: Severity
    level: Level
    text: Text
    do: Text
    letter: Text | None = None

    @property
    def row(self) -> str:
        """Its row in due.yaml."""
        return self.id.split(":")[1]

    @property
    def escalated(self) -> bool:
        """Whether so many deadlines have passed that the register is to be written to (K7)."""
        return self.level is Level.LETTER
