"""The rows of the view, each with a name that a person can type: ``T1.6``, ``T1.personer``, ``T2.poHusstand``. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kpr.checks.view_tables import GroupTable, ViewTables

#: Counts below this are not shown in public tables, and never compared exactly (KPR statistics, small numbers).
SMALL = 5

#: The row for all persons of a table.
ALL = "personer"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the view as we count it: persons, or for a share (``of`` is set) persons out of so many."""

    table: str
    key: str
    text: str
    persons: int
    of: int | None = None
    last_year: int | None = None

    @property
    def name(self) -> str:
        """What a person types to mean this row."""
        return f"{self.table}.{self.key}"

    @property
    def percent(self) -> float | None:
        """The share in per cent; None for a count, and for a share of nobody."""
        return self.persons * 100 / self.of if self.of else None

    @property
    def is_small(self) -> bool:
        """Whether the view hides it: a count from 1 to 4, or a share from which one could be reckoned."""
        if self.of is None:
            return 0 < self.persons < SMALL
        return any(0 < count < SMALL for count in (self.of, self.persons, self.of - self.persons))


def rows_of(tables: ViewTables) -> tuple[Row, ...]:
    """All rows of T1, T2 and T3 in the view's order."""
    services = (
        Row("T1", line.code, line.text_nb, line.change.now, last_year=line.change.last_year) for line in tables.services
    )
    everybody = Row("T1", ALL, "Brukere i alt", tables.persons.now, last_year=tables.persons.last_year)
    return (
        *services,
        everybody,
        *_group("T2", "Langtidsopphold", tables.long_term_stay),
        *_group("T3", "Hjemmeboende", tables.home_dwelling),
    )


def _group(table: str, text: str, group: GroupTable) -> Iterator[Row]:
    yield Row(table, ALL, text, group.persons)
    for share in group.shares:
        yield Row(table, share.fact, share.text_nb, share.persons, of=group.persons)
