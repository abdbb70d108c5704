"""A folder of tables, one file each, CSV or Parquet, named as in the contract: ``person.csv``, ``tjeneste.parquet``.

CSV: UTF-8 (a byte-order mark is fine), semicolon or comma as its first line has it, an empty field means no value.
Parquet: dates, numbers and texts become the text that the message will carry (:mod:`kpr.sources.typed_values`).

No error repeats what stands in a file: a table without its header would have a national id where a name should be.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kpr.errors import BadExtract
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import BATCH_ROWS, REQUIRED_TABLES, TABLES, Batch, Row, table_columns
from kpr.sources.typed_values import DECIMALS, NoText, as_text

_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class TableSource:
    """The tables in a folder. Tables that are not there are empty; three must be there."""

    folder: Path
    shape: PayloadShape

    def batches(self) -> Iterator[Batch]:
        """All rows, table by table; BadExtract with file, line and column when a table cannot be used."""
        files = self._files()
        missing = [table for table in REQUIRED_TABLES if table not in files]
        if missing:
            raise BadExtract(
                f"The extract has no table {missing[0]}.",
                place=f"folder {self.folder.name}",
                remedy=f"It must hold {missing[0]}.csv or {missing[0]}.parquet (docs/extract.md).",
            )
        known = table_columns(self.shape)
        for table in TABLES:
            if table in files:
                reader = _parquet if files[table].suffix.lower() == ".parquet" else _csv
                yield from reader(files[table], table, known[table], required_columns(table, self.shape))

    def _files(self) -> dict[str, Path]:
        """File by table. A table under a name that nobody reads would be lost in silence, so it is refused."""
        if not self.folder.is_dir():
            raise BadExtract("There is no such folder.", place=self.folder.name, remedy="Check the name.")
        files: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            table = path.stem.lower()
            if path.suffix.lower() not in _ENDINGS or not path.is_file():
                continue
            if table not in TABLES:
                remedy = f"Tables are {', '.join(TABLES)}. Rename the file or take it away."
                raise BadExtract("The file is named after no table.", place=path.name, remedy=remedy)
            if table in files:
                raise BadExtract(f"The table {table} is there twice.", place=path.name, remedy="Keep one of the files.")
            files[table] = path
        return files


def required_columns(table: str, shape: PayloadShape) -> frozenset[str]:
    """The columns without which a table cannot be tied to anything else."""
    if table == "ident":
        return frozenset({"pid", "fid", "typeID"})
    name = table.upper()
    return frozenset(shape[name].keys[:1]) if name in shape.classes else frozenset()


def check_columns(columns: Sequence[str], known: Sequence[str], required: frozenset[str], place: str) -> None:
    """BadExtract when a column is unknown, doubled, or missing."""
    for number, name in enumerate(columns, 1):
        if name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"Is it meant to be {close[0]}? " if close else ""
            raise BadExtract(
                f"Column {number} has a name that the table does not know.",
                place=place,
                remedy=f"{meant}See docs/extract.md for the names.",
            )
    twice = sorted({name for name in columns if list(columns).count(name) > 1})
    if twice:
        raise BadExtract(f"The column {twice[0]} stands twice.", place=place, remedy="Give each column once.")
    missing = sorted(required - set(columns))
    if missing:
        raise BadExtract(f"The column {missing[0]} is missing.", place=place, remedy="Have the vendor add it.")


def _csv(path: Path, table: str, known: Sequence[str], required: frozenset[str]) -> Iterator[Batch]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            header = text.readline()
            if not header.strip():
                raise BadExtract("The file does not begin with the names of its columns.", place=f"{path.name}, line 1")
            delimiter = ";" if header.count(";") >= header.count(",") else ","
            columns = tuple(name.strip() for name in next(csv.reader([header], delimiter=delimiter, strict=True)))
            check_columns(columns, known, required, f"{path.name}, line 1")
            yield from _csv_rows(csv.reader(text, delimiter=delimiter, strict=True), table, columns, path.name)
    except UnicodeDecodeError:
        line = _line_of_bad_byte(path)
        raise BadExtract(
            "The file is not in UTF-8.", place=f"{path.name}, line {line}", remedy="Save it as UTF-8."
        ) from None
    except csv.Error:
        place = f"{path.name}, line 1"
        raise BadExtract("The file is not proper CSV.", place=place, remedy="Check its quotes.") from None
    except OSError as error:
        raise BadExtract(
            f"The file cannot be read: {error.strerror}.", place=path.name, remedy="Check the file and its rights."
        ) from None


def _csv_rows(rows: Any, table: str, columns: tuple[str, ...], name: str) -> Iterator[Batch]:
    decimals = [(index, column) for index, column in enumerate(columns) if column in DECIMALS]
    batch: list[Row] = []
    for fields in _proper(rows, name):
        if not fields:
            continue
        if len(fields) != len(columns):
            raise BadExtract(
                f"A row has {len(fields)} fields instead of {len(columns)}.",
                place=_line(rows, name),
                remedy="Check separators and quotes in that line.",
            )
        for index, column in decimals:
            if "," in fields[index]:
                place = f"{_line(rows, name)}, column {column}"
                raise BadExtract("A number has a decimal comma.", place=place, remedy="Write a point: 3.50.")
        batch.append(tuple(value or None for value in fields))
        if len(batch) == BATCH_ROWS:
            yield Batch(table, columns, batch)
            batch = []
    if batch:
        yield Batch(table, columns, batch)


def _proper(rows: Any, name: str) -> Iterator[list[str]]:
    """The rows, until one breaks the rules of CSV."""
    try:
        yield from rows
    except csv.Error:
        raise BadExtract(
            "The file is not proper CSV from this line on.", place=_line(rows, name), remedy="Check its quotes."
        ) from None


def _line(rows: Any, name: str) -> str:
    return f"{name}, line {rows.line_num + 1}"  # the header was taken off before


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
            first = 1
            for part in file.iter_batches(batch_size=BATCH_ROWS):
                named = zip(columns, part.columns, strict=True)
                values = [_column(column, table, name, path.name, first) for name, column in named]
                first += part.num_rows
                yield Batch(table, columns, list(zip(*values, strict=True)))
    except (pyarrow.ArrowException, OSError):
        raise BadExtract("The file is not proper Parquet.", place=path.name, remedy="Write it again.") from None


#: What reading a value may raise: ours, and pyarrow's for times and texts that Python cannot hold.
_UNREADABLE = (NoText, ValueError, OverflowError)


def _column(column: Any, table: str, name: str, file: str, first: int) -> list[str | None]:
    """The texts of a column's part; ``first`` is the row number of its first value."""
    try:
        return [as_text(value, table, name) for value in column.to_pylist()]
    except _UNREADABLE:
        unreadable = (index for index, value in enumerate(column) if not _is_readable(value, table, name))
        row = first + next(unreadable, 0)
        raise BadExtract(
            "A value is of a kind that the message cannot carry.",
            place=f"{file}, row {row}, column {name}",
            remedy="Write texts, dates, whole numbers or decimals.",
        ) from None


def _is_readable(value: Any, table: str, name: str) -> bool:
    try:
        as_text(value.as_py(), table, name)
    except _UNREADABLE:
        return False
    return True
