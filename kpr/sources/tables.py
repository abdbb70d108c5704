"""A folder of tables, one file each, CSV or Parquet, named as in the contract: ``person.csv``, ``tjeneste.parquet``.

CSV: UTF-8 (a byte-order mark is fine), semicolon or comma as its first line has it, an empty field means no value.
Parquet: dates, numbers and texts become the text that the message will carry.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kpr.errors import BadExtract
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import BATCH_ROWS, REQUIRED_TABLES, TABLES, Batch, Row, table_columns

#: Columns that hold a decimal number: a comma in them would otherwise be found only row by row.
_DECIMALS = ("tjTimerUke", "tjResTimerUke")

#: Tables whose dates are written YYYY-MM-DD; all others YYYYMMDD.
_ISO_DATES = ("melding",)


@dataclass(frozen=True, slots=True)
class TableSource:
    """The tables in a folder. Tables that are not there are empty; three must be there."""

    folder: Path
    shape: PayloadShape

    def batches(self) -> Iterator[Batch]:
        """All rows, table by table; BadExtract with file, line and column when a table cannot be used."""
        files = {table: self._file(table) for table in TABLES}
        missing = [table for table in REQUIRED_TABLES if files[table] is None]
        if missing:
            raise BadExtract(
                f"The extract has no table {missing[0]}.",
                place=f"folder {self.folder.name}",
                remedy=f"It must hold {missing[0]}.csv or {missing[0]}.parquet (docs/extract.md).",
            )
        known = table_columns(self.shape)
        for table, path in files.items():
            if path is not None:
                reader = _parquet if path.suffix == ".parquet" else _csv
                yield from reader(path, table, known[table], required_columns(table, self.shape))

    def _file(self, table: str) -> Path | None:
        found = [path for ending in ("csv", "parquet") if (path := self.folder / f"{table}.{ending}").is_file()]
        if len(found) > 1:
            raise BadExtract(f"The table {table} is there twice.", place=found[0].name, remedy="Keep one of the files.")
        return found[0] if found else None


def required_columns(table: str, shape: PayloadShape) -> frozenset[str]:
    """The columns without which a table cannot be tied to anything else."""
    if table == "ident":
        return frozenset({"pid", "fid", "typeID"})
    name = table.upper()
    return frozenset(shape[name].keys[:1]) if name in shape.classes else frozenset()


def check_columns(columns: Sequence[str], known: Sequence[str], required: frozenset[str], place: str) -> None:
    """BadExtract when a column is unknown, doubled, or missing."""
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise BadExtract(
            f"The column {unknown[0]!r} is not known.", place=place, remedy="See docs/extract.md for the names."
        )
    if len(set(columns)) != len(columns):
        raise BadExtract("A column stands twice.", place=place, remedy="Give each column once.")
    missing = sorted(required - set(columns))
    if missing:
        raise BadExtract(f"The column {missing[0]} is missing.", place=place, remedy="Have the vendor add it.")


def _csv(path: Path, table: str, known: Sequence[str], required: frozenset[str]) -> Iterator[Batch]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            header = text.readline()
            delimiter = ";" if header.count(";") >= header.count(",") else ","
            columns = tuple(name.strip().strip('"') for name in header.rstrip("\r\n").split(delimiter))
            check_columns(columns, known, required, path.name)
            yield from _csv_rows(csv.reader(text, delimiter=delimiter, strict=True), table, columns, path.name)
    except UnicodeDecodeError:
        line = _line_of_bad_byte(path)
        raise BadExtract(
            "The file is not in UTF-8.", place=f"{path.name}, line {line}", remedy="Save it as UTF-8."
        ) from None
    except csv.Error:
        raise BadExtract("The file is not proper CSV.", place=path.name, remedy="Check quotes and line ends.") from None
    except OSError as error:
        raise BadExtract(f"The file cannot be read: {error.strerror}.", place=path.name) from None


def _csv_rows(rows: Any, table: str, columns: tuple[str, ...], name: str) -> Iterator[Batch]:
    decimals = [(index, column) for index, column in enumerate(columns) if column in _DECIMALS]
    batch: list[Row] = []
    for fields in rows:
        line = rows.line_num + 1  # the header was taken off before
        if not fields:
            continue
        if len(fields) != len(columns):
            raise BadExtract(
                f"A row has {len(fields)} fields instead of {len(columns)}.",
                place=f"{name}, line {line}",
                remedy="Check separators and quotes in that line.",
            )
        for index, column in decimals:
            if "," in fields[index]:
                place = f"{name}, line {line}, column {column}"
                raise BadExtract("A number has a decimal comma.", place=place, remedy="Write a point: 3.50.")
        batch.append(tuple(value or None for value in fields))
        if len(batch) == BATCH_ROWS:
            yield Batch(table, columns, batch)
            batch = []
    if batch:
        yield Batch(table, columns, batch)


def _line_of_bad_byte(path: Path) -> int:
    with path.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _parquet(path: Path, table: str, known: Sequence[str], required: frozenset[str]) -> Iterator[Batch]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = tuple(file.schema_arrow.names)
            check_columns(columns, known, required, path.name)
            for part in file.iter_batches(batch_size=BATCH_ROWS):
                values = [[as_text(value, table) for value in column.to_pylist()] for column in part.columns]
                yield Batch(table, columns, list(zip(*values, strict=True)))
    except (pyarrow.ArrowException, OSError):
        raise BadExtract("The file is not proper Parquet.", place=path.name, remedy="Write it again.") from None


def as_text(value: Any, table: str) -> str | None:
    """A typed value as the text that the message will carry."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat() if table in _ISO_DATES else f"{value:%Y%m%d}"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
