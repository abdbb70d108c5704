"""SQL over any database that SQLAlchemy knows: one named query per table, columns named, never ``*``.

The queries stand in a YAML file, table to query, and give columns under the contract's names. Rows are streamed, and
the transaction is rolled back at the end: an extract changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from kpr.errors import BadExtract, BadSettings
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import BATCH_ROWS, REQUIRED_TABLES, TABLES, Batch, table_columns
from kpr.sources.tables import as_text, check_columns, required_columns

#: ``select *``, ``select t.*`` and their like, but not ``count(*)``.
_STAR = re.compile(r"(select|,|\.)\s*\*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SqlSource:
    """One query per table against a database."""

    url: SecretStr
    queries: dict[str, str]
    shape: PayloadShape

    def batches(self) -> Iterator[Batch]:
        """All rows, table by table; BadExtract names the query, never the address or a value."""
        known = table_columns(self.shape)
        try:
            engine = create_engine(self.url.get_secret_value())
        except (SQLAlchemyError, ImportError, ValueError):
            raise BadSettings(
                "The address of the care-record database is not understood.",
                place="source.url",
                remedy="Write it as SQLAlchemy wants it, and install the database's driver.",
            ) from None
        try:
            with engine.connect() as connection:
                for table in TABLES:
                    if table in self.queries:
                        yield from self._rows(connection, table, known[table])
                connection.rollback()
        finally:
            engine.dispose()

    def _rows(self, connection: Connection, table: str, known: tuple[str, ...]) -> Iterator[Batch]:
        try:
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(text(self.queries[table]))
            columns = tuple(result.keys())
            check_columns(columns, known, required_columns(table, self.shape), f"query {table}")
            for part in result.partitions():
                yield Batch(table, columns, [tuple(as_text(value, table) for value in row) for row in part])
        except SQLAlchemyError:
            raise BadExtract(
                f"The query for {table} failed in the database.",
                place=f"query {table}",
                remedy="Run it by hand in the database's own tool to see why.",
            ) from None


def read_queries(path: Path) -> dict[str, str]:
    """The queries of a YAML file; BadSettings when a table is unknown or missing, or a query takes every column."""
    try:
        queries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings(
            "The file with queries cannot be read.", place=path.name, remedy="See docs/extract.md."
        ) from None
    if not isinstance(queries, dict):
        raise BadSettings("The file holds no queries.", place=path.name, remedy="See docs/extract.md.")
    for table, query in queries.items():
        if table not in TABLES:
            raise BadSettings(
                f"There is no table {table!r}.", place=path.name, remedy=f"Tables are {', '.join(TABLES)}."
            )
        if not isinstance(query, str) or _STAR.search(query):
            raise BadSettings(
                f"The query for {table} does not name its columns.", place=path.name, remedy="Name each, never *."
            )
    missing = [table for table in REQUIRED_TABLES if table not in queries]
    if missing:
        raise BadSettings(f"There is no query for {missing[0]}.", place=path.name, remedy="Add it (docs/extract.md).")
    return dict(queries)
