"""The work rows: an extract in memory, tied together, and nothing of it on the disk."""

from __future__ import annotations

import pytest
from extract_rows import SHAPE, Rows, everything, small

from kpr.errors import BadExtract
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import TABLES, Batch, table_columns
from kpr.sources.work_rows import WorkRows, load


def column(work: WorkRows, table: str, name: str) -> list[object]:
    """One column of a table, in the order of the rows."""
    return [row[0] for row in work.select(table, (name,))]


@pytest.mark.parametrize("version", ["3.5", "3.7"])
def test_every_table_of_the_contract_stands_with_its_columns(version: str) -> None:
    """Even an empty extract has all tables of the format's version, so no rule meets a missing one."""
    work = WorkRows(iplos_shape(version))
    for table, columns in table_columns(iplos_shape(version)).items():
        assert list(work.select(table, columns)) == []
        assert work.count(table) == 0
    assert tuple(work.columns) == TABLES


def test_rows_are_numbered_from_one_over_all_batches() -> None:
    """The row number is the ordinal of the row in its table, not in its batch."""
    work = WorkRows(SHAPE)
    work.add(Batch("person", ("pePeID",), [("7",), ("8",)]))
    work.add(Batch("person", ("pePeID",), [("9",)]))
    assert list(work.select("person", ("row_no", "pePeID"))) == [(1, "7"), (2, "8"), (3, "9")]


def test_a_row_is_tied_to_its_person_by_key() -> None:
    """Where a source tells no parent, the key says whose row it is."""
    work = WorkRows(SHAPE)
    work.add(Batch("person", ("pePeID",), [("7",), ("8",)]))
    work.add(Batch("tjeneste", ("tjTjID", "tjPeID"), [("1", "8"), ("2", "7")]))
    assert column(work, "tjeneste", "person_row") == [2, 1]


def test_nesting_wins_over_the_key() -> None:
    """Where a source tells the parent, a wrong key does not move the row: rule X01 must find it there."""
    work = WorkRows(SHAPE)
    work.add(Batch("person", ("pePeID",), [("7",), ("8",)]))
    work.add(Batch("tjeneste", ("tjPeID",), [("8",)], persons=[1]))
    assert column(work, "tjeneste", "person_row") == [1]


def test_a_row_of_nobody_is_kept_as_an_orphan() -> None:
    """A row whose person is not there stays, with no person, so that it is found and not lost."""
    extract = small(tjeneste=[{"tjPeID": "404", "tjTjID": "1"}])
    assert everything(extract)["tjeneste"][0][:2] == (None, "404")


def test_a_key_twice_is_no_reading_error() -> None:
    """Two persons with one key are both read; what hangs on the key belongs to the first."""
    work = load(small(person=[{"pePeID": "1"}, {"pePeID": "1"}]), SHAPE)
    assert work.count("person") == 2
    assert column(work, "tjeneste", "person_row") == [1]


def test_columns_that_a_source_leaves_out_are_empty() -> None:
    """What is not given is NULL, not an empty text."""
    assert column(load(small(), SHAPE), "person", "peAlder") == [None]


def test_values_keep_their_exact_text() -> None:
    """Leading zeros, blanks and wrong values come through: the checks must see what was given."""
    given = ["007", " 1 ", "3,5", "æøå", "99991231"]
    extract = small(tjeneste=[{"tjPeID": "1", "tjVedtDato": text} for text in given])
    assert column(load(extract, SHAPE), "tjeneste", "tjVedtDato") == given


def test_an_image_brings_the_whole_extract_back() -> None:
    """What the vault keeps between steps gives the same rows, and can be asked in the same way."""
    work = load(small(), SHAPE)
    again = WorkRows(SHAPE, work.image())
    for table, columns in work.columns.items():
        assert list(again.select(table, columns)) == list(work.select(table, columns))


def test_a_row_that_stands_once_is_given_by_name() -> None:
    """The head of each message is asked for by column name, and is empty when it is not there."""
    assert load(small(), SHAPE).single("innhinfo")["iiKomnr"] == "1103"
    assert WorkRows(SHAPE).single("innhinfo") == {}


def test_nothing_is_left_of_a_source_that_breaks_off() -> None:
    """A source that fails half-way gives no work rows at all."""

    class Breaks(Rows):
        def batches(self):
            yield from list(super().batches())[:2]
            raise BadExtract("The file ends too early.")

    with pytest.raises(BadExtract):
        load(Breaks(small().tables), SHAPE)


def test_no_temporary_table_may_reach_the_disk() -> None:
    """SQLite keeps what it sorts in memory: plain care data never touches the disk."""
    assert WorkRows(SHAPE).connection.execute("PRAGMA temp_store").fetchone() == (2,)
