"""The view's numbers as people paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.errors import BadInput
from kpr.mirror.compare import Given
from kpr.mirror.pasted import read_view
from kpr.mirror.rows import ALL, Row

ROWS = (
    Row("T1", "6", "Hjemmesykepleie", 1250),
    Row("T1", "7", "Brukerstyrt personlig assistanse", 9),
    Row("T1", "21", "Langtidsopphold i institusjon", 310),
    Row("T1", ALL, "Brukere i alt", 1300),
    Row("T2", ALL, "Langtidsopphold", 300),
    Row("T2", "poHusstand", "Husstand", 135, of=300),
    Row("T3", ALL, "Hjemmeboende", 900),
    Row("T3", "poHusstand", "Husstand", 90, of=900),
)


def read(text: str) -> dict[str, float | None]:
    """The numbers by row."""
    return {name: given.number for name, given in read_view(text.encode(), ROWS, data_year=2020).numbers.items()}


@pytest.mark.parametrize(
    "text",
    [
        "6;1250",
        "6;1 250",
        "06\t1.250",
        "tjTjenType 6\t1 250",
        "6\tHjemmesykepleie\t1\u00a0250",
        "6\tHjemmesykepleie\t\t1250\t+3,0 %",
        "6 Hjemmesykepleie 1 250",
        "6 Hjemmesykepleie  1\u202f250",
        "6 1 250",
        "Hjemmesykepleie\t1250",
        "HJEMMESYKEPLEIE 1250",
        "T1.6=1250",
        "t1.6 1250",
        "\ufeff6;1250",
        "Type;Tjeneste;I fjor;I år;Endring\n6;Hjemmesykepleie;1100;1250;13,6 %",
        "Type\tTjeneste\tI år\tI fjor\tEndring\n6\tHjemmesykepleie\t1250\t1100\t13,6 %",
        "Kode;2019;2020\n6;1100;1250",
        "Vår oversikt 2020\n\n6;1250\n;;\nSlutt på tabellen.",
        "Kode;Tjeneste;Endring;I fjor;I år\n6;Hjemmesykepleie;7,1;21;1250",
        "Kode;Antall brukere 2019;Antall brukere 2020\n6;1100;1250",
        "Kode\tBrukere 2020\tBrukere 2019\n6\t1250\t1100",
        "Kode;Fjoråret;Dette året\n6;1100;1250",
        "Kode;I fjor;I år (2020);Norge 2020\n6;1100;1250;90000",
        "Kode;Antall;Andel\n6;1250;45,0",
        'Kode;Tjeneste;I fjor;I år\n6;"Hjemmesykepleie; hele døgnet";1100;1250',
        ";;I fjor;I år\nKode;Tjeneste;Antall;Antall\n6;Hjemmesykepleie;1100;1250",
        "Kode  Tjeneste  I fjor  I år  Endring\n6  Hjemmesykepleie  1100  1250  13,6 %",
        "Kode  Tjeneste  I fjor  I år\n6  Hjemmesykepleie  1100  1250  13,6 %",
        "Kode;I fjor;I år\nT1.6=1250",
        "Brukere;Antall\n6;1250",
        "Brukere  2019  2020\n6  1100  1250",
    ],
)
def test_a_count_is_read_however_it_is_written(text: str) -> None:
    """Tabs, semicolons, blanks, headings, thousand separators and typed rows all give the same number."""
    assert read(text) == {"T1.6": 1250}


@pytest.mark.parametrize(
    "text",
    [
        "Kode;Tjeneste;I fjor;I år\n7;Brukerstyrt personlig assistanse;35;",
        "Kode\tTjeneste\tI fjor\tI år\t\n7\tBrukerstyrt personlig assistanse\t35\t\t",
        "Kode;Tjeneste;I fjor;I år\n7;35",
        "Kode;Tjeneste;I fjor\n7;Brukerstyrt personlig assistanse;35",
        "I fjor;I år\n7;35;36",
        "I fjor;I år\n7;35",
        "Kode;Antall;Antall\n7;35;36",
        "Kode  Tjeneste  I fjor  I år\n7  Brukerstyrt personlig assistanse  35",
        "Kode  Tjeneste  Utfall  I fjor  I år\n7  Brukerstyrt personlig assistanse  7,1  35  36",
        "Kode Tjeneste I fjor I år\n7 Brukerstyrt personlig assistanse 35",
        "Kode;I fjor;I år\n7 Brukerstyrt personlig assistanse 35",
    ],
)
def test_last_years_number_is_never_taken_for_this_years(text: str) -> None:
    """A row without this year's number, or whose columns are not the heading's, is refused with its line."""
    with pytest.raises(BadInput, match=r"mangler årets tall|sier ikke hvilken kolonne") as told:
        read(text)
    assert told.value.place == "linje 2"
    assert told.value.remedy


def test_a_row_that_the_view_shows_empty_beside_the_change_reads_this_years_column() -> None:
    """A change without its sign for per cent stands before the years, and does not move them."""
    assert read("Kode;Tjeneste;Endring;I fjor;I år\n7;Brukerstyrt personlig assistanse;7,1;21;75") == {"T1.7": 75}


@pytest.mark.parametrize("line", ["Sum;200", "Totalt\t200", "Alle brukere 200", "personer;200", "I alt\t\t200"])
def test_the_line_of_all_recipients_has_many_names(line: str) -> None:
    """It may be called whatever it may be called in last year's table."""
    assert read(f"6;1250\n{line}") == {"T1.6": 1250, "T1.personer": 200}


def test_a_code_that_is_not_there_is_no_heading() -> None:
    """As many persons as the year has a number: the line is refused, not passed over."""
    with pytest.raises(BadInput, match="Raden 99 finnes ikke"):
        read("6;1250\n99;2020")


def test_shares_and_counts_have_columns_of_their_own() -> None:
    """Where a table of the view shows both, a share is read from the share's column."""
    page = "Langtidsopphold\nFakta\tAntall 2020\tAndel 2020\tAndel 2019\nHusstand\t30\t45,0 %\t50,0 %\n"
    assert read(page) == {"T2.poHusstand": 45.0}


@pytest.mark.parametrize("text", ["<5", "–", "-", "..", ":", "under 5", "< 5"])
def test_a_hidden_count_is_known_as_hidden(text: str) -> None:
    """What the view does not show is no number, and not nought."""
    assert read(f"7;{text}") == {"T1.7": None}


def test_a_whole_page_is_read() -> None:
    """Headings say which table follows, and what stands between the tables is left out and counted."""
    page = (
        "Registerets visning: kommune 1103, 2020\n"
        "Stedfortreder. Innsendt 10.01.2021 kl. 10.00, løpenummer 1. Tall fra 1 til 4 vises ikke.\n"
        "Brukere per tjenestetype\nType\tTjeneste\t\tI år\tI fjor\tEndring\n"
        "6\tHjemmesykepleie\t\t1250\t–\t–\n7\tBrukerstyrt personlig assistanse\t\t<5\t9\t–\n"
        "\tBrukere i alt\t\t1300\t1200\t+8,3 %\n"
        "Langtidsopphold\n300 personer per 31.12. Andel som er kartlagt:\nHusstand\t\t45,0 %\n"
        "Hjemmeboende\n900 personer per 31.12. Andel som er kartlagt:\nHusstand\t\t10 %\n"
    )
    seen = read_view(page.encode(), ROWS, data_year=2020)
    assert seen.numbers == {
        "T1.6": Given(1250.0),
        "T1.7": Given(None),
        "T1.personer": Given(1300.0),
        "T2.personer": Given(300.0),
        "T2.poHusstand": Given(45.0, 1),
        "T3.personer": Given(900.0),
        "T3.poHusstand": Given(10.0, 0),
    }
    assert seen.left_out == 2


def test_norway_beside_the_municipality_is_told_apart() -> None:
    """Where the view shows the whole country as well, the heading says which number is the municipality's."""
    page = "Langtidsopphold\nFakta\tNorge\tKommunen\nHusstand\t61,2 %\t45,0 %\n"
    assert read(page) == {"T2.poHusstand": 45.0}


@pytest.mark.parametrize(
    ("text", "said", "where"),
    [
        ("6;1250\n99;4", "Raden 99 finnes ikke", "linje 2"),
        ("6;1250\nTrolldom;4", "Raden finnes ikke", "linje 2"),
        ("6;mange", "T1.6 kan ikke leses", "linje 1"),
        ("6;12,5", "T1.6 kan ikke leses", "linje 1"),
        ("6;-4", "T1.6 kan ikke leses", "linje 1"),
        ("6;12345678", "T1.6 kan ikke leses", "linje 1"),
        ("6;1250\n6;1250", "T1.6 er gitt to ganger", "linje 2"),
        ("6;1250;1100", "flere tall", "linje 1"),
        ("T2.poHusstand=145", "fra 0 til 100", "linje 1"),
        ("T9.6=1\nT1.6=1\nT1.99=1", "Raden finnes ikke", "linje 3"),
        ("bare ord", "Ingen linje", ""),
        ("   \n", "tom", ""),
        ("6;1250\0", "ikke en tekstfil", ""),
    ],
)
def test_what_cannot_be_understood_gets_one_sentence(text: str, said: str, where: str) -> None:
    """The error says what is wrong and on which line, and shows nothing of what stood there."""
    with pytest.raises(BadInput, match=said) as told:
        read(text)
    assert told.value.place == where
    assert told.value.remedy


def test_what_is_shown_of_a_bad_line_is_never_a_number_of_a_person() -> None:
    """A national id pasted by mistake does not come back in the error."""
    with pytest.raises(BadInput) as told:
        read("6;1250\n41815512345;7")
    assert "41815512345" not in f"{told.value} {told.value.remedy}"


_SEPARATORS = st.sampled_from(["", " ", "\u00a0", "\u202f", "."])
_COLUMNS = st.sampled_from(["\t", ";", "  "])


@given(st.dictionaries(st.sampled_from(ROWS[:4]), st.integers(0, 999_999), min_size=1), _SEPARATORS, _COLUMNS)
def test_every_table_of_counts_is_read_back(counts: dict[Row, int], thousands: str, column: str) -> None:
    """Whatever the numbers and the separators are, each row gives its own number again."""
    lines = []
    for row, count in counts.items():
        number = f"{count:,}".replace(",", thousands)
        lines.append(column.join([row.text, number] if row.key == ALL else [row.key, row.text, number]))
    assert read("\n".join(lines)) == {row.name: count for row, count in counts.items()}


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No text whatever gives anything but numbers of known rows, or BadInput."""
    try:
        seen = read(text)
    except BadInput:
        return
    assert set(seen) <= {row.name for row in ROWS}
