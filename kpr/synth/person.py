"""One invented recipient as rows by class, and the draws that all of them share."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

Values = dict[str, str | None]

#: The tables of the classes under PERSON, in the message's order; each is a list on :class:`Person`.
CHILDREN = ("personoppl", "funksjon", "tjeneste", "diagnose", "dogntilbud")

OPEN_END = "99991231"


@dataclass(slots=True)
class Person:
    """One recipient. ``ident`` None leaves the person out of the ident message.

    ``again`` and ``strange_idents`` are rows that should not be there: faults put them in.
    """

    person: Values
    ident: Values | None
    personoppl: list[Values] = field(default_factory=list)
    funksjon: list[Values] = field(default_factory=list)
    tjeneste: list[Values] = field(default_factory=list)
    diagnose: list[Values] = field(default_factory=list)
    dogntilbud: list[Values] = field(default_factory=list)
    again: list[Values] = field(default_factory=list)
    strange_idents: list[Values] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The local person key (pePeID, pid)."""
        return self.person["pePeID"] or ""


class Dice:
    """Draws that follow from the seed alone: the same seed gives the same people."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  (invented people need no secrets)
        self.choice, self.choices = self.random.choice, self.random.choices

    def happens(self, share: float) -> bool:
        """True in this share of all draws."""
        return self.random.random() < share

    def day(self, first: date, last: date) -> date:
        """A day from first to last, both included; first when last lies before it."""
        return first + timedelta(days=int(self.random.random() * (max(0, (last - first).days) + 1)))

    def times(self, mean: float) -> int:
        """A whole number whose mean over many draws is this."""
        return int(mean) + self.happens(mean % 1)


def as_text(day: date) -> str:
    """A date as the IPLOS message writes it: YYYYMMDD."""
    return f"{day:%Y%m%d}"


def as_date(text: str | None) -> date:
    """The date behind YYYYMMDD."""
    assert text is not None
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))
