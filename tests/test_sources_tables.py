"""Tables in a folder, CSV or Parquet: read as the message will carry them, or refused with file, line and column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow
import pytest
from extract_rows import SHAPE, SYNTHETIC_ID
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from kpr.errors import BadExtract
from kpr.sources.contract import BATCH_ROWS, Batch
from kpr.sources.tables import TableSource
from kpr.sources.typed_values import NoText, as_text

USUAL = {
    "innhinfo.csv": "iiKomnr\n1103\n",
    "person.csv": "pePeID\n1\n",
    "ident.csv": f"pid;fid;typeID\n1;{SYNTHETIC_ID};1\n",
}


def put(folder: Path, **files: str | bytes | None) -> Path:
    """A folder with a small extract; ``person_csv="…"`` puts a file in the place of it, None takes it away."""
    given = {name.replace("_", "."): content for name, content in files.items()}
    for name, content in (USUAL | given).items():
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(folder: Path) -> dict[str, list[Any]]:
    """The rows by table."""
    rows: dict[str, list[Any]] = {}
    for batch in TableSource(folder, SHAPE).batches():
        rows.setdefault(batch.table, []).extend(batch.rows)
    return rows


def refused(folder: Path) -> BadExtract:
    """What the reader says against the folder."""
    with pytest.raises(BadExtract) as said:
        read(folder)
    assert SYNTHETIC_ID not in str(said.value)
    assert said.value.exit_code == 2
    return said.value


def put_parquet(folder: Path, table: str = "person", **columns: pyarrow.Array) -> Path:
    """A folder in which one table is Parquet."""
    put(folder, **{f"{table}_csv": None})
    parquet.write_table(pyarrow.table(columns), folder / f"{table}.parquet")
    return folder


# -- CSV: what is read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "pePeID;peKjonn\n1;K\n",
        "pePeID,peKjonn\n1,K\n",
        "\ufeffpePeID;peKjonn\r\n1;K\r\n",
        '"pePeID";"peKjonn"\n"1";"K"\n',
        "pePeID;peKjonn\n1;K",
        "pePeID; peKjonn\n\n1;K\n\n",
    ],
)
def test_csv_is_read_as_programs_write_it(tmp_path: Path, content: str) -> None:
    """Semicolon or comma, byte-order mark, line ends of Windows, quotes, blank lines, no last line end."""
    assert read(put(tmp_path, person_csv=content))["person"] == [("1", "K")]


def test_the_separator_is_what_the_first_line_has(tmp_path: Path) -> None:
    """A comma in a text does not make a file with semicolons one with commas."""
    folder = put(tmp_path, iikontakt_csv="Type;Navn\n1;Rolle, første, andre, tredje\n")
    assert read(folder)["iikontakt"] == [("1", "Rolle, første, andre, tredje")]


def test_an_empty_field_is_no_value(tmp_path: Path) -> None:
    """In CSV nothing tells an empty text from no text, so both are none."""
    assert read(put(tmp_path, person_csv='pePeID;peKjonn\n1;\n2;""\n'))["person"] == [("1", None), ("2", None)]


def test_other_values_keep_their_exact_text(tmp_path: Path) -> None:
    """Leading zeros and blanks stay."""
    assert read(put(tmp_path, person_csv="pePeID;peKomnr\n007; 0301\n"))["person"] == [("007", " 0301")]


def test_rows_come_in_batches(tmp_path: Path) -> None:
    """A table of any length is given a batch at a time, and every row is in one of them."""
    total = BATCH_ROWS * 2 + 1
    folder = put(tmp_path, person_csv="pePeID\n" + "".join(f"{number}\n" for number in range(total)))
    batches: list[Batch] = [b for b in TableSource(folder, SHAPE).batches() if b.table == "person"]
    assert [len(batch.rows) for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]


def test_names_of_files_may_have_any_case(tmp_path: Path) -> None:
    """Person.CSV is the table person: file systems of Windows do not tell them apart."""
    folder = put(tmp_path, person_csv=None)
    (folder / "Person.CSV").write_text("pePeID\n5\n")
    assert read(folder)["person"] == [("5",)]


def test_a_file_that_is_no_table_file_is_left_alone(tmp_path: Path) -> None:
    """A note or a log beside the tables is nobody's business."""
    (put(tmp_path) / "les-meg.txt").write_text("hei")
    assert set(read(tmp_path)) == {"innhinfo", "person", "ident"}


# -- CSV: what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["innhinfo", "person", "ident"])
def test_a_table_that_must_be_there_is_asked_for(tmp_path: Path, table: str) -> None:
    """Without these three there is no extract."""
    said = refused(put(tmp_path, **{f"{table}_csv": None}))
    assert said.problem == f"The extract has no table {table}."
    assert f"{table}.csv" in said.remedy


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """It is not taken for an empty extract."""
    assert refused(tmp_path / "borte").problem == "There is no such folder."


def test_a_table_under_a_name_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    """tjenester.csv would lose every service in silence, so it stops the reading."""
    said = refused(put(tmp_path, tjenester_csv="tjPeID\n1\n"))
    assert said.place == "tjenester.csv"
    assert "tjeneste" in said.remedy


def test_a_table_twice_is_refused(tmp_path: Path) -> None:
    """Nobody can tell which of the two is meant."""
    folder = put(tmp_path)
    parquet.write_table(pyarrow.table({"pePeID": ["1"]}), folder / "person.parquet")
    assert "twice" in refused(folder).problem


@pytest.mark.parametrize(
    ("file", "content", "problem", "place"),
    [
        ("ident", f"{SYNTHETIC_ID};1;1\n", "Column 1 has a name that the table does not know.", "line 1"),
        ("ident", "pid;fid\n1;2\n", "The column typeID is missing.", "line 1"),
        ("person", "peKjonn\nK\n", "The column pePeID is missing.", "line 1"),
        ("tjeneste", "tjTjID\n1\n", "The column tjPeID is missing.", "line 1"),
        ("tjeneste", "tjPeID;tjTjenUnderType\n1;10\n", "Column 2 has a name that the table does not know.", "line 1"),
        ("person", "pePeID;pePeID\n1;1\n", "The column pePeID stands twice.", "line 1"),
        ("person", "", "The file does not begin with the names of its columns.", "line 1"),
        ("person", "pePeID;peKjonn\n1;K\n2\n", "A row has 1 fields instead of 2.", "line 3"),
        ("person", "pePeID;peKjonn\n1;K;x\n", "A row has 3 fields instead of 2.", "line 2"),
        ("person", 'pePeID;peKjonn\n1;K\n2;"K"x\n', "The file is not proper CSV from this line on.", "line 3"),
        ("person", 'pePeID;peKjonn\n1;"K\n', "The file is not proper CSV from this line on.", "line 2"),
        ("person", 'pePeID;"peKjonn\n1;K\n', "The file is not proper CSV.", "line 1"),
        ("person", "pePeID;peKjonn\n1;K\n2;ø\n".encode("latin-1"), "The file is not in UTF-8.", "line 3"),
        ("person", "pePeID\n1\n".encode("utf-16"), "The file is not in UTF-8.", "line 1"),
        ("tjeneste", "tjPeID;tjTimerUke\n1;3,5\n", "A number has a decimal comma.", "line 2, column tjTimerUke"),
        (
            "tjeneste",
            'tjPeID,tjResTimerUke\n1,"3,5"\n',
            "A number has a decimal comma.",
            "line 2, column tjResTimerUke",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, file: str, content: str | bytes, problem: str, place: str
) -> None:
    """One sentence, the file and the line, and never what stands there: it might be a national id."""
    said = refused(put(tmp_path, **{f"{file}_csv": content}))
    assert said.problem == problem
    assert said.place == f"{file}.csv, {place}"


def test_a_name_that_is_nearly_right_is_guessed(tmp_path: Path) -> None:
    """A slip in the name of a column is answered with the name that was meant."""
    assert "peFraDato" in refused(put(tmp_path, person_csv="pePeID;pefradato\n1;20200101\n")).remedy


# -- Parquet ---------------------------------------------------------------------------------------------------------


def test_typed_values_become_what_the_message_carries(tmp_path: Path) -> None:
    """Dates without dashes, whole numbers plain also after a tool made them 80.0, missing ones none."""
    folder = put_parquet(
        tmp_path,
        pePeID=pyarrow.array([1, 2]),
        peAlder=pyarrow.array([80.0, float("nan")]),
        peFraDato=pyarrow.array([date(2020, 1, 2), None]),
        peKjonn=pyarrow.array(["K", ""]).dictionary_encode(),
    )
    assert read(folder)["person"] == [("1", "80", "20200102", "K"), ("2", None, None, None)]


def test_dates_of_the_ident_head_are_written_with_dashes(tmp_path: Path) -> None:
    """The ident message's dates are xs:date."""
    folder = put_parquet(tmp_path, "melding", uttakDato=pyarrow.array([date(2021, 1, 4)]))
    assert read(folder)["melding"] == [("2021-01-04",)]


@pytest.mark.parametrize(
    "values",
    [
        pyarrow.array([b"1"]),
        pyarrow.array([True]),
        pyarrow.array([["1"]]),
        pyarrow.array([float("inf")]),
        pyarrow.array([2**30], pyarrow.date32()),
        pyarrow.array([1577923200000000001], pyarrow.timestamp("ns")),
    ],
)
def test_a_value_that_no_message_can_carry_is_refused_with_its_place(tmp_path: Path, values: pyarrow.Array) -> None:
    """Bytes, truth values, lists, the infinite and times finer than any clock: the row and the column are named."""
    usual = pyarrow.nulls(1, values.type)
    both = pyarrow.concat_arrays([usual, values])
    said = refused(put_parquet(tmp_path, pePeID=pyarrow.array(["1", "2"]), peEndrDato=both))
    assert said.place == "person.parquet, row 2, column peEndrDato"


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A file that only has the name is one sentence."""
    folder = put(tmp_path, person_csv=None)
    (folder / "person.parquet").write_bytes(b"pePeID\n1\n")
    assert refused(folder).problem == "The file is not proper Parquet."


# -- typed values, shared with SQL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "table", "column", "text"),
    [
        (None, "person", "peKjonn", None),
        ("", "person", "peKjonn", None),
        (" 0x ", "person", "peKjonn", " 0x "),
        (15, "tjeneste", "tjTjenType", "15"),
        (Decimal("3.50"), "tjeneste", "tjTimerUke", "3.50"),
        (3.5, "tjeneste", "tjTimerUke", "3.5"),
        (3.0, "tjeneste", "tjTimerUke", "3.0"),
        (Decimal("15.00"), "tjeneste", "tjTjenType", "15"),
        (1e22, "tjeneste", "tjTjID", "10000000000000000000000"),
        (1e-7, "tjeneste", "tjTimerUke", "0.0000001"),
        (date(2020, 1, 2), "tjeneste", "tjFraDato", "20200102"),
        (date(987, 1, 2), "tjeneste", "tjFraDato", "09870102"),
        (datetime(2020, 1, 2, 23, 59, tzinfo=UTC), "tjeneste", "tjFraDato", "20200102"),
        (date(2020, 1, 2), "personoppl", "poVurdLege", "202001"),
        (date(2020, 1, 2), "melding", "fraDatoPeriode", "2020-01-02"),
        (UUID(int=1), "ident", "pasientGUID", "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_becomes_its_text(value: object, table: str, column: str, text: str | None) -> None:
    """Each kind of value that databases and tables have, as the message writes it."""
    assert as_text(value, table, column) == text


@given(st.one_of(st.booleans(), st.binary(), st.lists(st.integers()), st.complex_numbers(), st.just(float("-inf"))))
def test_a_value_of_another_kind_is_not_guessed_at(value: object) -> None:
    """What has no text of its own is refused, without its value."""
    with pytest.raises(NoText) as said:
        as_text(value, "person", "peKjonn")
    assert str(said.value) == ""


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=999, places=2))
def test_a_decimal_is_written_with_a_point_and_its_own_digits(value: Decimal) -> None:
    """No comma, no exponent, and it is the same number."""
    text = as_text(value, "tjeneste", "tjTimerUke")
    assert text is not None
    assert Decimal(text) == value
    assert set(text) <= set("0123456789.")
