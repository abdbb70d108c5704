"""Last year's figures as the officer gives them: read as people write them, or refused with the line and the remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.errors import BadInput
from kpr.pasted_text import MAX_BYTES
from kpr.plausibility.last_year_table import read_last_year_table
from kpr.years import load_year

Y2019, Y2018 = load_year(2019), load_year(2018)
CODES = sorted(Y2019.codes("tjTjenType"), key=int)


def lines(text: str, year: int = 2019) -> dict[str, int]:
    """What a table in UTF-8 says."""
    return read_last_year_table(text.encode(), load_year(year), "fjor.csv").lines


def refused(raw: bytes | str, year: int = 2019) -> BadInput:
    """What is said about a table that cannot be read."""
    with pytest.raises(BadInput) as caught:
        read_last_year_table(raw.encode() if isinstance(raw, str) else raw, load_year(year), "fjor.csv")
    assert caught.value.remedy
    return caught.value


# -- what is read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "6;1250\n15;2000\n",
        "6;1 250\n15;2 000",
        "6;1\u00a0250\r\n15;2\u202f000\r\n",
        "6;1.250\n15;2'000",
        "6,1250\n15,2000",
        "6\t1,250\n15\t2,000\n",
        '"6";"1 250"\n"15";"2 000"\n',
        "06;1250\n015;2000",
        "Kode;Tjeneste;Antall\n6;Trygghetsalarm;1250\n15;Helsetjenester i hjemmet;2000",
        "Tjenestetype;Brukere 2019\n6;1250\n15;2000",
        "6 Trygghetsalarm 1250\n15 Helsetjenester i hjemmet 2 000",
        "6   1250\n\n15   2000\n",
        "tjTjenType 6;1250\ntjTjenType 15;2000;;\n",
        "\n;;\n6;1250\n15;2000\n",
    ],
)
def test_a_table_is_read_as_people_write_it(text: str) -> None:
    """Separators, headings, thousand separators, quotes and pasted text: the same two lines."""
    assert lines(text) == {"6": 1250, "15": 2000}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_is_read_as_spreadsheets_save_it(encoding: str) -> None:
    """With or without a byte-order mark, and in the old Western encoding."""
    raw = "Kode;Tjeneste;Antall\n29;Bolig på ett sted;31\n".encode(encoding)
    assert read_last_year_table(raw, Y2019).lines == {"29": 31}


@pytest.mark.parametrize("name", ["personer", "Personer", "Alle", "i alt", "Totalt", "persons", "pePeID"])
def test_the_line_of_all_recipients_has_many_names(name: str) -> None:
    """However the sum of persons is called, it is the line of all recipients."""
    assert lines(f"6;10\n{name};4 000") == {"6": 10, "persons": 4000}
    assert lines(f"6 10\n{name} 4 000") == {"6": 10, "persons": 4000}


def test_the_two_fields_may_be_given() -> None:
    """Round-the-clock services and rehabilitation are no service types, and are compared too."""
    assert lines("poHeldg;12\npohab;3") == {"poHeldg": 12, "poHab": 3}


def test_dwellings_of_2018_count_as_29() -> None:
    """12 and 13 became 29, so that a year's dwellings can be compared with them; a 29 that is given stands."""
    assert lines("12;40\n13;21", 2018) == {"12": 40, "13": 21, "29": 61}
    assert lines("13;21", 2018) == {"13": 21, "29": 21}
    assert lines("12;40\n13;21\n29;58", 2018) == {"12": 40, "13": 21, "29": 58}


def test_missing_codes_are_told() -> None:
    """What was not given is not guessed: it is named, and compared with nothing."""
    table = read_last_year_table(b"6;1250", Y2019)
    assert table.data_year == 2019
    assert set(table.missing) == set(CODES) - {"6"}


@given(st.dictionaries(st.sampled_from(CODES), st.integers(0, 9_999_999), min_size=1), st.sampled_from(" .\u00a0"))
def test_whatever_is_written_is_read(said: dict[str, int], thousands: str) -> None:
    """Any numbers, with any thousand separator: the same numbers."""
    text = "\n".join(f"{code};{persons:,}".replace(",", thousands) for code, persons in said.items())
    assert lines(text) == said


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("6;1250\n12;4", "Tjenestekoden 12 finnes ikke i 2019"),
        ("6;1250\n99;4", "Tjenestekoden 99 finnes ikke i 2019"),
        ("6;1250\nBolig;4", "Tjenestekoden finnes ikke i 2019"),
        ("6;1250\n15", "både en kode og et antall"),
        ("6;1250\n15;", "både en kode og et antall"),
        ("6;1250\n15;mange", "ikke et helt tall"),
        ("6;1250\n15;12,5", "ikke et helt tall"),
        ("6;1250\n15;-4", "ikke et helt tall"),
        ("6;1250\n15;1 00", "ikke et helt tall"),
        ("6;1250\n15;123456789", "ikke et helt tall"),
        ("6;1250\n15;900;1000", "flere tall"),
        ("6 Trygghetsalarm 1 250\n15 Hjelp i hjemmet 1 250 1 300", "flere tall"),
        ("6 1250\n15 1250 1300", "flere tall"),
        ("6,1250\n15,1,234", "flere tall"),
        ("6;1250\n06;4", "gitt to ganger"),
        ('6;1250\n"15;4', "anførselstegn"),
    ],
)
def test_a_wrong_line_is_named(text: str, said: str) -> None:
    """One sentence about what is wrong, the file and the line, and what to do."""
    error = refused(text)
    assert said in error.problem
    assert error.place == "fjor.csv, linje 2"


def test_the_codes_of_the_year_are_told() -> None:
    """A code of another year: the remedy lists those that the year has."""
    assert all(code in refused("6;1\n16;4").remedy for code in CODES)
    assert lines("16;4", 2018) == {"16": 4}


@pytest.mark.parametrize("raw", [b"", b"  \n \n", b";;\n;\n", b"\xef\xbb\xbf", "Kode;Antall\n"])
def test_an_empty_table_is_refused(raw: bytes | str) -> None:
    """Nothing, or a heading alone."""
    assert "tom" in refused(raw).problem or "ingen linjer" in refused(raw).problem


@pytest.mark.parametrize(
    "raw", [b"PK\x03\x04\x14\x00\x06\x00", b"\x89PNG\r\n\x1a\n", b"6;12\x0050", b"\xff\xfe6", bytes(range(256))]
)
def test_a_binary_file_is_refused(raw: bytes) -> None:
    """A spreadsheet or picture as it is: save it as CSV."""
    error = refused(raw)
    assert "ikke en tekstfil" in error.problem
    assert "CSV" in error.remedy


def test_a_huge_file_is_refused() -> None:
    """Whatever is larger than a table of service types is another file."""
    assert "for stor" in refused(b"6;1\n" * MAX_BYTES).problem


def test_nothing_that_may_be_an_id_is_repeated() -> None:
    """Somebody pastes a list of persons: the sentence names the line and shows none of it."""
    error = refused("6;1250\n01818012337;Rolle A;15")
    assert "01818012337" not in str(error)
    assert "Rolle" not in str(error)
    assert error.place == "fjor.csv, linje 2"


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_input_is_read_or_refused(raw: bytes) -> None:
    """Whatever is given: lines of the year's codes, or a sentence with a remedy."""
    try:
        lines, remedy = read_last_year_table(raw, Y2018).lines, "not needed"
    except BadInput as error:
        lines, remedy = {}, error.remedy
    assert remedy
    assert set(lines) <= {*Y2018.codes("tjTjenType"), "29", "persons", "poHeldg", "poHab"}
    assert all(0 <= persons < 10**7 for persons in lines.values())
