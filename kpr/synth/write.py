"""Writes a synthetic extract as a care-record system would give it: XML pair, CSV, Parquet or an SQLite database."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import Any

from lxml import etree

from kpr.messages.head import Payload
from kpr.messages.ident import IdentHeader, ident_payload
from kpr.messages.iplos import IplosHeader, iplos_payload
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Source, table_columns
from kpr.sources.work_rows import WorkRows, load
from kpr.years import Year


def write_xml(source: Source, year: Year, folder: Path) -> tuple[Path, Path]:
    """IPLOS.xml and IDENT.xml, not validated: faults come through as they would from a real system."""
    folder.mkdir(parents=True, exist_ok=True)
    work = load(source, iplos_shape(year.iplos_version.value))
    paths = folder / "IPLOS.xml", folder / "IDENT.xml"
    payloads: tuple[Payload, Payload] = (
        iplos_payload(work, _iplos_header(work, year), validate=False),
        ident_payload(work, _ident_header(work, year)),
    )
    for path, payload in zip(paths, payloads, strict=True):
        with path.open("wb") as out, etree.xmlfile(out, encoding="UTF-8") as xf:
            xf.write_declaration()
            payload.write(xf)
    return paths


def _contacts(work: WorkRows, table: str) -> list[dict[str, str | None]]:
    columns = work.columns[table]
    return [dict(zip(columns, row, strict=True)) for row in work.select(table, columns)]


def _iplos_header(work: WorkRows, year: Year) -> IplosHeader:
    said = work.single("innhinfo")
    made = said["iiLagetDato"] or ""
    return IplosHeader(
        said["iiKomnr"] or "",
        said["iiBydelsnr"] or "",
        _contacts(work, "iikontakt"),
        year.first_day,
        year.last_day,
        date(int(made[:4]), int(made[4:6]), int(made[6:])),
        said["iiSysID"] or "",
        said["iiSysVersjon"] or "",
        int(said["iiLopenr"] or 1),
    )


def _ident_header(work: WorkRows, year: Year) -> IdentHeader:
    said = work.single("melding")
    return IdentHeader(
        year.ident_version.value,
        year.first_day,
        year.last_day,
        date.fromisoformat(said["uttakDato"] or ""),
        said["leverandor"] or "",
        said["navnEPJ"] or "",
        said["versjonEPJ"] or "",
        said["versjonUt"] or "",
        int(said["lopenr"] or 1),
        "777777777",
        _contacts(work, "kontaktperson"),
    )


def write_csv(source: Source, folder: Path) -> Path:
    """A folder of CSV tables, semicolon-separated."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[str, Any] = {}
        for batch in source.batches():
            if batch.table not in writers:
                out = files.enter_context((folder / f"{batch.table}.csv").open("w", encoding="utf-8", newline=""))
                writers[batch.table] = csv.writer(out, delimiter=";")
                writers[batch.table].writerow(batch.columns)
            writers[batch.table].writerows(batch.rows)
    return folder


def write_parquet(source: Source, folder: Path) -> Path:
    """A folder of Parquet tables, every column text."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        writers: dict[str, Any] = {}
        for batch in source.batches():
            schema = pyarrow.schema([(name, pyarrow.string()) for name in batch.columns])
            if batch.table not in writers:
                writer = parquet.ParquetWriter(folder / f"{batch.table}.parquet", schema)
                writers[batch.table] = files.enter_context(writer)
            values = [list(column) for column in zip(*batch.rows, strict=True)]
            writers[batch.table].write_table(pyarrow.table(values, schema=schema))
    return folder


def write_sqlite(source: Source, year: Year, path: Path) -> Path:
    """An SQLite database with one table per class, to try the SQL source on."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        for table, columns in table_columns(iplos_shape(year.iplos_version.value)).items():
            names = ", ".join(f'"{name}" TEXT' for name in columns)
            database.execute(f"CREATE TABLE {table} ({names})")
        for batch in source.batches():
            marks = ", ".join("?" * len(batch.columns))
            database.executemany(f"INSERT INTO {batch.table} VALUES ({marks})", batch.rows)  # noqa: S608
    return path
