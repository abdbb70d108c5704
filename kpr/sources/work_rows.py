"""The work rows: one extract in an SQLite database in memory, where every check and the writer find it.

Plain care data never touches the disk. What is kept between steps is the image (:meth:`WorkRows.image`), which the
vault encrypts. All columns are text, as the message will carry them; ``row_no`` counts a table's rows from 1 in
the order of the source, and ``person_row`` is the row number of the PERSON that a row belongs to (NULL: orphan).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from kpr.messages.shape import CHILD_CLASSES, PayloadShape
from kpr.sources.contract import Batch, Row, Source, table_columns

_CHILDREN = frozenset(name.lower() for name in CHILD_CLASSES)


class WorkRows:
    """One extract in memory. Make it with :func:`load`, or from an image that the vault gave back."""

    def __init__(self, shape: PayloadShape, image: bytes | None = None, copy_of: WorkRows | None = None) -> None:
        self.shape = shape
        self.columns = table_columns(shape)
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA temp_store = MEMORY")  # no temporary table may spill to the disk
        self._person_rows: dict[str | None, int] = {}
        self._filled = dict.fromkeys(self.columns, 0)
        if image is not None:
            self.connection.deserialize(image)
        elif copy_of is not None:
            copy_of.connection.backup(self.connection)
        else:
            self._create_tables()

    def _create_tables(self) -> None:
        for table, columns in self.columns.items():
            link = ["person_row INTEGER"] if table in _CHILDREN else []
            fields = ["row_no INTEGER PRIMARY KEY", *link, *(f'"{name}" TEXT' for name in columns)]
            self.connection.execute(f"CREATE TABLE {table} ({', '.join(fields)})")

    def add(self, batch: Batch) -> None:
        """Append the rows of one batch; rows of a child class are tied to their person."""
        names = [f'"{name}"' for name in batch.columns]
        first = self._filled[batch.table] + 1
        self._filled[batch.table] += len(batch.rows)
        rows: Sequence[Row | tuple[int | str | None, ...]] = batch.rows
        if batch.table == "person":
            key = batch.columns.index("pePeID")
            for number, row in enumerate(batch.rows, first):
                self._person_rows.setdefault(row[key], number)
        elif batch.table in _CHILDREN:
            names.insert(0, "person_row")
            rows = [(parent, *row) for parent, row in zip(self._parents(batch), batch.rows, strict=True)]
        marks = ", ".join("?" * len(names))
        # Table and column names come from our own schema, never from the input.
        statement = f"INSERT INTO {batch.table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        self.connection.execute("BEGIN")
        self.connection.executemany(statement, rows)
        self.connection.execute("COMMIT")

    def _parents(self, batch: Batch) -> Sequence[int | None]:
        if batch.persons is not None:
            return batch.persons
        key = batch.columns.index(self.shape[batch.table.upper()].keys[0])
        return [self._person_rows.get(row[key]) for row in batch.rows]

    def finish(self) -> None:
        """Build the indexes that checks and writer lean on, after the last row is in."""
        for table in sorted(_CHILDREN):
            self.connection.execute(f"CREATE INDEX {table}_person ON {table} (person_row)")
        self.connection.execute("CREATE INDEX person_key ON person (pePeID)")
        self.connection.execute("CREATE INDEX ident_pid ON ident (pid)")
        self.connection.execute("ANALYZE")
        self._person_rows.clear()

    def select(self, table: str, columns: Sequence[str], order: str = "row_no") -> Iterator[Row]:
        """Stream the named columns of a table in the given order."""
        names = ", ".join(f'"{name}"' for name in columns)
        yield from self.connection.execute(f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608

    def single(self, table: str) -> dict[str, str | None]:
        """The first row of a one-row table (``innhinfo``, ``melding``) by column name; empty when there is none."""
        columns = self.columns[table]
        row = next(self.select(table, columns), None)
        return dict(zip(columns, row, strict=True)) if row else {}

    def count(self, table: str) -> int:
        """How many rows the table holds."""
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    def close(self) -> None:
        """Let go of the memory."""
        self.connection.close()

    def image(self) -> bytes:
        """The whole extract as one SQLite image: plain text, so only ever handed to the vault."""
        return self.connection.serialize()


def load(source: Source, shape: PayloadShape) -> WorkRows:
    """Read a whole source into work rows; BadExtract when the source cannot be read."""
    work = WorkRows(shape)
    for batch in source.batches():
        work.add(batch)
    work.finish()
    return work
