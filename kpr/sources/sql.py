"""SQL over any database that SQLAlchemy knows: one named query per table, columns named, never ``*``.

The queries stand in a YAML file, table to query, and give columns under the contract's names. Rows are streamed, the
session is read-only where the database can be told so, and the transaction is rolled back at the end: an extract
changes nothing. No error shows the address, a query or a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from kpr.errors import BadExtract, BadSettings
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import BATCH_ROWS, REQUIRED_TABLES, TABLES, Batch, Row, table_columns
from kpr.sources.tables import check_columns, required_columns
from kpr.sources.typed_values import NoText, as_text
from kpr.yaml_file import read_yaml

#: What is no SQL in a query: quoted texts, quoted names, comments.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)

#: A star that stands for columns: ``select *``, ``distinct *``, ``t.*``; but not ``count(*)`` and not ``2 * 3``.
_STAR = re.compile(r"[^\s(]\s*\*\s*(?:,|\)|$|(?:from|into)\b)", re.IGNORECASE)

_READS = re.compile(r"\s*\(*\s*(?:select|with)\b", re.IGNORECASE)

#: How a database is told that nothing will be written; rolling back is not enough where DDL commits at once.
_READ_ONLY = {"sqlite": "PRAGMA query_only = 1", "postgresql": "SET TRANSACTION READ ONLY"}


@dataclass(frozen=True, slots=True)
class SqlSource:
    """One query per table against a database."""

    url: SecretStr
    queries: dict[str, str]
    shape: PayloadShape

    def batches(self) -> Iterator[Batch]:
        """All rows, table by table; BadExtract names the query, never the address or a value."""
        known = table_columns(self.shape)
        engine = self._engine()
        try:
            with _connected(engine) as connection:
                for table in TABLES:
                    if table in self.queries:
                        yield from self._rows(connection, table, known[table])
                connection.rollback()
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        try:
            engine = create_engine(self.url.get_secret_value())
        except (SQLAlchemyError, ImportError, ValueError):
            raise BadSettings(
                "The address of the care-record database is not understood.",
                place="source.url",
                remedy="Write it as SQLAlchemy wants it, and install the database's driver.",
            ) from None
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        if file and file != ":memory:" and not Path(file.removeprefix("file:").partition("?")[0]).is_file():
            # SQLite would make an empty database and find nothing in it.
            raise BadExtract("The database file is not there.", place="source.url", remedy="Check the address.")
        return engine

    def _rows(self, connection: Connection, table: str, known: tuple[str, ...]) -> Iterator[Batch]:
        place = f"query {table}"
        try:
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(text(self.queries[table]))
            columns = _named(tuple(result.keys()), known)
            check_columns(columns, known, required_columns(table, self.shape), place)
            for part in result.partitions(BATCH_ROWS):
                yield Batch(table, columns, [_texts(row, table, columns) for row in part])
        except (NoText, UnicodeDecodeError, OverflowError):
            raise BadExtract(
                "A value is of a kind that the message cannot carry.",
                place=place,
                remedy="Have the query give texts, dates, whole numbers or decimals.",
            ) from None
        except SQLAlchemyError:
            raise BadExtract(
                f"The query for {table} failed in the database.",
                place=place,
                remedy="Run it by hand in the database's own tool to see why.",
            ) from None


def _connected(engine: Engine) -> Connection:
    connection = None
    try:
        connection = engine.connect()
        if engine.dialect.name in _READ_ONLY:
            connection.exec_driver_sql(_READ_ONLY[engine.dialect.name])
    except SQLAlchemyError:
        if connection is not None:
            connection.close()
        raise BadExtract(
            "The care-record database does not let us in.",
            place="source.url",
            remedy="Check that it runs, the address, the user and the password.",
        ) from None
    return connection


def _named(columns: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    """The contract's spelling: many databases fold a name that is not quoted to one case."""
    spelling = {name.lower(): name for name in known}
    return tuple(spelling.get(name.lower(), name) for name in columns)


def _texts(row: Sequence[object], table: str, columns: tuple[str, ...]) -> Row:
    return tuple(as_text(value, table, column) for value, column in zip(row, columns, strict=True))


def read_queries(path: Path) -> dict[str, str]:
    """The queries of a YAML file; BadSettings when a table is unknown or missing, or a query is not as it must be."""
    try:
        queries = read_yaml(path)
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
        _check_query(table, query, path.name)
    missing = [table for table in REQUIRED_TABLES if table not in queries]
    if missing:
        raise BadSettings(f"There is no query for {missing[0]}.", place=path.name, remedy="Add it (docs/extract.md).")
    return dict(queries)


def _check_query(table: str, query: object, file: str) -> None:
    """BadSettings when a query does something else than read named columns."""
    bare = _QUOTED.sub(" ' ", query).strip().rstrip("; \n") if isinstance(query, str) else ""
    if not _READS.match(bare) or ";" in bare:
        raise BadSettings(
            f"The query for {table} is not one SELECT.", place=file, remedy="Write one SELECT (or WITH … SELECT)."
        )
    if _STAR.search(bare):
        raise BadSettings(f"The query for {table} does not name its columns.", place=file, remedy="Name each, never *.")
