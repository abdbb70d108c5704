"""Cells and headings of a pasted table, each rule by itself."""

from __future__ import annotations

import pytest

from kpr.errors import BadInput
from kpr.mirror.cells import Cells, cells_of, is_number, split_by_number
from kpr.mirror.headings import Column, Heading, Kind, heading


def columns(line: str, data_year: int = 2020) -> tuple[Column, ...]:
    """The columns of numbers that a heading names."""
    found = heading(cells_of(line), data_year)
    assert found is not None
    return found.columns


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("6;Hjemmesykepleie;12", ("6", "Hjemmesykepleie", "12")),
        ('"6";"Hjemmesykepleie; dag";"12"', ("6", "Hjemmesykepleie; dag", "12")),
        ("6\t\u00a0Hjemmesykepleie\u202f\t 12 ", ("6", "Hjemmesykepleie", "12")),
        ("6  Hjemmesykepleie  12", ("6", "Hjemmesykepleie", "12")),
        ("6 Hjemmesykepleie  12", ("6", "Hjemmesykepleie", "12")),
        ("\u00a0Hjemmesykepleie  12\u2009", ("Hjemmesykepleie", "12")),
    ],
)
def test_a_line_is_divided_by_tabs_semicolons_or_several_blanks(line: str, cells: tuple[str, ...]) -> None:
    """Quotes and blanks of every width go; the code before the text is a cell of its own."""
    assert cells_of(line).all == cells
    assert cells_of(line).is_divided is (";" in line or "\t" in line)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("6 1 250", ("6", "1 250")),
        ("6 Hjemmesykepleie 1 250", ("6", "Hjemmesykepleie", "1 250")),
        ("Hjemmesykepleie\u00a0\u00a0under natt 12", ("Hjemmesykepleie\u00a0\u00a0under natt", "12")),
        ("Hjemmesykepleie <5", ("Hjemmesykepleie", "<5")),
        ("bare tekst", ("bare tekst",)),
    ],
)
def test_a_line_without_separators_is_divided_before_its_number(line: str, cells: tuple[str, ...]) -> None:
    """Code, text and number, as far as they are there."""
    assert split_by_number(line).all == cells


def test_that_a_number_is_hidden_may_be_said_in_capitals() -> None:
    """«UNDER 5» is what «under 5» is; a word is no number."""
    assert all(map(is_number, ("UNDER 5", "<5", "–", "1 250", "45,5 %", "-3")))
    assert not any(map(is_number, ("Hjemmesykepleie", "", "12a")))


def test_each_column_is_known_by_its_name() -> None:
    """This year's, another's, a change; and whether it is a share."""
    assert columns("Kode;Tjeneste;I år;I fjor;Endring;Endring %") == (
        Column(2, Kind.OURS),
        Column(3, Kind.OTHER),
        Column(4, Kind.CHANGE),
        Column(5, Kind.CHANGE, is_share=True),
    )
    assert columns("Tjeneste;Antall;Andel Norge") == (Column(1, Kind.COUNTED), Column(2, Kind.OTHER, is_share=True))
    assert columns("Tjeneste;2020;2019") == (Column(1, Kind.OURS), Column(2, Kind.OTHER))
    assert columns("Tjeneste;2020;2019", 0) == (Column(1, Kind.COUNTED), Column(2, Kind.COUNTED))


@pytest.mark.parametrize("line", ["Endring", "Tjeneste;Endring", "Tjeneste;Norgesbeste", "bare tekst", "6;12"])
def test_a_line_that_names_no_column_of_ours_is_no_heading(line: str) -> None:
    """Changes alone, words that only begin as one of ours, and rows."""
    assert heading(cells_of(line), 2020) is None


def test_a_heading_in_one_cell_names_rows_and_both_years() -> None:
    """«Kode Tjeneste I fjor I år» is one; without what names the rows, or with one year alone, it is text."""
    assert columns("Kode Tjeneste I fjor I år") == (Column(0, Kind.OTHER), Column(1, Kind.OURS))
    assert columns("Tjeneste 2019 2020") == (Column(0, Kind.OTHER), Column(1, Kind.OURS))
    for line in ("I fjor I år", "Tjeneste I år", "Tjeneste I fjor"):
        assert heading(cells_of(line), 2020) is None


def test_a_row_that_ends_before_this_years_column_has_no_number() -> None:
    """It is told, with what to do about it."""
    found = heading(cells_of("Kode;Tjeneste;I år"), 2020)
    assert found is not None
    assert found.ours(cells_of("6;Hjemmesykepleie;12"), "line 2", share=False) == "12"
    with pytest.raises(BadInput) as told:
        found.ours(Cells(("6", "Hjemmesykepleie"), is_divided=True), "line 2", share=False)
    assert told.value.place == "line 2"
    assert "mangler årets tall" in str(told.value)


def test_without_separators_the_numbers_are_counted_and_changes_left_out() -> None:
    """Where the row has as many numbers as there are columns of counts, per cents stand beside them."""
    found = Heading((Column(1, Kind.OTHER), Column(2, Kind.OURS), Column(3, Kind.CHANGE, is_share=True)), 4, False)
    assert found.ours(cells_of("6  Hjemmesykepleie  10  12  +20,0 %"), "line 2", share=False) == "12"
    assert found.ours(cells_of("6  Hjemmesykepleie  10  12"), "line 2", share=False) == "12"
    plain = Heading((Column(1, Kind.OURS), Column(2, Kind.CHANGE)), 3, False)
    assert plain.ours(cells_of("Hjemmesykepleie  12"), "line 2", share=False) == "12"
    with pytest.raises(BadInput):
        plain.ours(cells_of("Hjemmesykepleie  12"), "line 2", share=True)


def test_two_columns_of_this_year_cannot_be_told_apart() -> None:
    """Neither is guessed; a share is taken from a column of shares where there is one."""
    twice = Heading((Column(1, Kind.OURS), Column(2, Kind.OURS)), 3, is_divided=True)
    with pytest.raises(BadInput) as told:
        twice.ours(cells_of("6;12;13"), "line 2", share=False)
    assert "hvilken kolonne" in str(told.value)
    both = Heading((Column(1, Kind.OURS), Column(2, Kind.OURS, is_share=True)), 3, is_divided=True)
    assert both.ours(cells_of("6;12;45,5"), "line 2", share=True) == "45,5"
    assert both.ours(cells_of("6;12;45,5"), "line 2", share=False) == "12"
