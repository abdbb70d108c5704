"""What a vendor can write, every reader reads to the same work rows; and no bytes make a reader do but refuse."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from extract_rows import Rows, everything, rows, small
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.errors import BadExtract, BadInput
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Source, table_columns
from kpr.sources.open import SourceSpec, source_from, spec_of
from kpr.sources.sql import read_queries
from kpr.synth.write import write_csv, write_parquet, write_sqlite, write_xml
from kpr.years import load_year

Way = Callable[[Rows, Path], Source]


def by_xml(extract: Rows, folder: Path) -> Source:
    """Both XML files, found from the one."""
    year = load_year(2018 if extract.shape.version == "3.5" else 2020)
    return source_from(spec_of(write_xml(extract, year, folder)[0]), extract.shape)


def by_csv(extract: Rows, folder: Path) -> Source:
    """A folder with semicolons."""
    return source_from(spec_of(write_csv(extract, folder)), extract.shape)


def by_comma(extract: Rows, folder: Path) -> Source:
    """A folder with commas, and a byte-order mark in each file."""
    for path in write_csv(extract, folder, ",").glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return source_from(spec_of(folder), extract.shape)


def by_parquet(extract: Rows, folder: Path) -> Source:
    """A folder of Parquet."""
    return source_from(spec_of(write_parquet(extract, folder)), extract.shape)


def by_sql(extract: Rows, folder: Path) -> Source:
    """An SQLite database, and a query for every table."""
    year = load_year(2018 if extract.shape.version == "3.5" else 2020)
    database = write_sqlite(extract, year, folder / "database")
    queries = {
        table: f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid"
        for table, columns in table_columns(extract.shape).items()
    }
    (folder / "queries.yaml").write_text(yaml.safe_dump(queries), encoding="utf-8")
    spec = SourceSpec(kind="sql", url=f"sqlite:///{database}", queries=folder / "queries.yaml")
    return source_from(spec, extract.shape)


WAYS = [by_xml, by_csv, by_comma, by_parquet, by_sql]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["3.5", "3.7"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_adapter_gives_the_rows_that_were_written(way: Way, version: str, data: st.DataObject) -> None:
    """Whatever text the values are, every adapter ends in the same work rows, each under its person."""
    extract = data.draw(rows(iplos_shape(version)))
    with tempfile.TemporaryDirectory() as folder:
        assert everything(way(extract, Path(folder)), extract.shape) == everything(extract, extract.shape)


def refusal(source: Source) -> BadExtract | None:
    """What the source says against being read; any other error goes through."""
    try:
        everything(source)
    except BadExtract as said:
        return said
    return None


def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Any bytes; or a good file that is cut, or has some bytes put in the place of others."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    start, end = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
    return whole[:start] + draw(st.binary(max_size=6)) + whole[end:]


@pytest.mark.parametrize("way", [by_xml, by_csv, by_parquet, by_sql])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_make_a_reader_do_but_refuse(way: Way, data: st.DataObject) -> None:
    """Arbitrary and damaged files are read, or refused with BadExtract that holds nothing of what stood in them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = way(small(), folder)
        chosen = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.suffix != ".yaml")))
        chosen.write_bytes(data.draw(st.composite(spoilt)(chosen.read_bytes())))
        said = refusal(source)
        assert said is None or (said.problem.endswith(".") and said.place)
        assert "018180" not in str(said)


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_bytes_make_the_query_file_do_but_be_refused(content: bytes) -> None:
    """Whatever stands in the file with queries, it is read, or refused in a sentence."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "queries.yaml"
        path.write_bytes(content)
        with contextlib.suppress(BadInput):
            assert read_queries(path)
