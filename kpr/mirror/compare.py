"""Our rows against the view's, one by one. Pure.

Small counts are hidden in public tables, so they are never compared exactly. A row that was not given is never taken
as equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kpr.mirror.rows import SMALL, Row


class Agreement(StrEnum):
    """How a row of ours stands to the view's."""

    EQUAL = "EQUAL"
    SMALL = "SMALL"  #: both are too small to be compared
    DIFFERS = "DIFFERS"
    NOT_GIVEN = "NOT_GIVEN"


@dataclass(frozen=True, slots=True)
class Given:
    """A number of the view. ``number`` is None where the view hides it; ``decimals`` are those that were written."""

    number: float | None
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a row may differ, or why it could not be given."""

    who: str
    at: str
    why: str
    #: What the view said when it was written: another number later asks again.
    given: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One row with both numbers."""

    row: Row
    given: Given | None
    agreement: Agreement
    explanation: Explanation | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it stands in nobody's way: equal, small or explained. Of T2 and T3 also what was not given."""
        if self.agreement in (Agreement.EQUAL, Agreement.SMALL) or self.explanation is not None:
            return True
        return self.agreement is Agreement.NOT_GIVEN and self.row.table != "T1"

    @property
    def difference(self) -> float | None:
        """The view's number less ours, in persons or per cent points; None where there is nothing to subtract."""
        ours = self.row.percent if self.row.of is not None else self.row.persons
        if self.agreement is not Agreement.DIFFERS or self.given is None or self.given.number is None or ours is None:
            return None
        return round(self.given.number - ours, 1)


def compare(
    rows: Sequence[Row], given: Mapping[str, Given], explanations: Mapping[str, Explanation]
) -> tuple[Compared, ...]:
    """Every row of ours with the view's number by its name. An explanation holds for the number it was given for."""
    return tuple(_compared(row, given.get(row.name), explanations.get(row.name)) for row in rows)


def _compared(row: Row, given: Given | None, explanation: Explanation | None) -> Compared:
    if given is None:
        return Compared(row, None, Agreement.NOT_GIVEN, explanation if _was_of(explanation, None) else None)
    agreement = _share(row, given) if row.of is not None else _count(row, given)
    return Compared(row, given, agreement, explanation if _was_of(explanation, given.number) else None)


def _was_of(explanation: Explanation | None, number: float | None) -> bool:
    return explanation is not None and explanation.given == number


def _count(row: Row, given: Given) -> Agreement:
    if row.persons < SMALL and (given.number is None or given.number < SMALL):
        return Agreement.EQUAL if row.persons == given.number else Agreement.SMALL
    return Agreement.EQUAL if given.number == row.persons else Agreement.DIFFERS


def _share(row: Row, given: Given) -> Agreement:
    if given.number is None:
        return Agreement.SMALL if row.is_small or row.percent is None else Agreement.DIFFERS
    if row.percent is None:
        return Agreement.EQUAL if given.number == 0 else Agreement.DIFFERS
    if row.is_small:
        return Agreement.SMALL
    # Half of the last digit that was written, and a hair: 12.5 may be shown as 12 or as 13.
    return Agreement.EQUAL if abs(row.percent - given.number) <= 0.5 * 10**-given.decimals + 1e-9 else Agreement.DIFFERS
