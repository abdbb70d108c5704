"""Writes a synthetic extract as a vendor would give it: XML pair, CSV, Parquet or an SQLite database."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch, Row, Source, table_columns
from kpr.synth.xml_export import write_xml
from kpr.years import Year

__all__ = ["write_csv", "write_parquet", "write_sqlite", "write_xml"]

#: Rows of a table in one row group of its Parquet file.
_ROW_GROUP = 20_000


def write_csv(source: Source, folder: Path, delimiter: str = ";") -> Path:
    """A folder of CSV tables in UTF-8, one file per table that has rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[str, Any] = {}
        for batch in source.batches():
            if batch.table not in writers:
                out = files.enter_context((folder / f"{batch.table}.csv").open("w", encoding="utf-8", newline=""))
                writers[batch.table] = csv.writer(out, delimiter=delimiter)
                writers[batch.table].writerow(batch.columns)
            writers[batch.table].writerows(batch.rows)
    return folder


def write_parquet(source: Source, folder: Path) -> Path:
    """A folder of Parquet tables, one file per table that has rows, every column text."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[str, Any] = {}
        for batch in _gathered(source):
            schema = pyarrow.schema([(name, pyarrow.string()) for name in batch.columns])
            if batch.table not in writers:
                writer = parquet.ParquetWriter(folder / f"{batch.table}.parquet", schema)
                writers[batch.table] = files.enter_context(writer)
            values = [list(column) for column in zip(*batch.rows, strict=True)]
            writers[batch.table].write_table(pyarrow.table(values, schema=schema))
    return folder


def _gathered(source: Source) -> Iterator[Batch]:
    """Larger batches of the same rows: a row group has a price of its own."""
    kept: dict[str, list[Row]] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for batch in source.batches():
        columns[batch.table] = batch.columns
        rows = kept.setdefault(batch.table, [])
        rows.extend(batch.rows)
        if len(rows) >= _ROW_GROUP:
            yield Batch(batch.table, batch.columns, rows)
            kept[batch.table] = []
    yield from (Batch(table, columns[table], rows) for table, rows in kept.items() if rows)


def write_sqlite(source: Source, year: Year, path: Path) -> Path:
    """An SQLite database with one table per class, to try the SQL source on."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        for table, columns in table_columns(iplos_shape(year.iplos_version.value)).items():
            names = ", ".join(f'"{name}" TEXT' for name in columns)
            database.execute(f"CREATE TABLE {table} ({names})")
        for batch in source.batches():
            names, marks = ", ".join(f'"{name}"' for name in batch.columns), ", ".join("?" * len(batch.columns))
            # Table and column names come from our own schema, never from the input.
            database.executemany(f"INSERT INTO {batch.table} ({names}) VALUES ({marks})", batch.rows)  # noqa: S608
    return path
