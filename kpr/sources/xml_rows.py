"""What the readers of both XML files share: rows collected into batches, and the refusal of what does not belong."""

from __future__ import annotations

from collections.abc import Iterator

from kpr.errors import BadMessage
from kpr.sources.contract import BATCH_ROWS, Batch, Row


class Rows:
    """Collects rows per table and gives them out in batches."""

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        self.columns = columns
        self.rows: dict[str, list[Row]] = {table: [] for table in columns}
        self.persons: dict[str, list[int]] = {table: [] for table in columns}

    def add(self, table: str, row: Row, person: int | None = None) -> None:
        """Keep a row, with the row number of the person around it."""
        self.rows[table].append(row)
        if person is not None:
            self.persons[table].append(person)

    def full(self) -> Iterator[Batch]:
        """Everything, as soon as one table has a whole batch; persons first."""
        if any(len(rows) >= BATCH_ROWS for rows in self.rows.values()):
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """Everything that is kept; persons first."""
        for table, rows in self.rows.items():
            if rows:
                yield Batch(table, self.columns[table], rows, self.persons[table] or None)
                self.rows[table], self.persons[table] = [], []


def foreign(tag: str, place: str, *, twice: bool = False) -> BadMessage:
    """An element that the format does not have there, or has once; its name is told, never what it holds."""
    name = tag.rpartition("}")[2]
    problem = f"The element {name} stands twice." if twice else f"The element {name} does not belong here."
    return BadMessage(problem, place=place, remedy="Have the vendor export in the format of the data year.")


def unknown_attribute(name: str, number: int) -> BadMessage:
    """An attribute that the format does not have; not even its name is told."""
    return BadMessage(
        f"{name} has an attribute that the format does not know.",
        place=f"{name}, row {number}",
        remedy="Have the vendor export in the format of the data year.",
    )
