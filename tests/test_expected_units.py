"""Municipalities that are expected to report, mergers included (Y4, E1)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kpr.plausibility.units import expected_units, not_reported, numbers_in
from kpr.years import known_years, load_year


@dataclass(frozen=True)
class Entry:
    """One who reports."""

    number: str
    data_year: int


def missing(data_year: int, *entries: tuple[str, int]) -> list[str]:
    """The numbers that nobody reports for."""
    return [unit.number for unit in expected_units(load_year(data_year), (Entry(*entry) for entry in entries))]


@pytest.mark.parametrize(
    ("data_year", "number", "known_in", "numbers"),
    [
        (2019, "3014", 2020, ("0122", "0123", "0124", "0125", "0138")),
        (2024, "0122", 2018, ("3118",)),
        (2018, "5061", 2020, ("1567",)),
        (2019, "3001", 2020, ("0101",)),
        (2020, "0101", 2019, ("3001",)),
        (2020, "0137", 2019, ("3018",)),
        (2020, "1850", 2019, ("1806", "1875")),  # divided
        (2023, "1580", 2024, ("1507",)),
        (2024, "1507", 2023, ("1508", "1580")),
        (2019, "1103", 2020, ("1103", "1141", "1142")),
        (2021, "0301", 2018, ("0301",)),
        (2020, "0101", 2020, ()),  # no such number that year
        (2017, "0101", 2019, ("0101",)),  # nothing is known of that year
    ],
)
def test_a_municipality_is_followed_through_the_years(
    data_year: int, number: str, known_in: int, numbers: tuple[str, ...]
) -> None:
    """Mergers, new numbers and divisions, backwards and forwards."""
    assert numbers_in(data_year, number, known_in) == numbers


@pytest.mark.parametrize("data_year", known_years()[:-1])
def test_nobody_is_lost_on_the_way(data_year: int) -> None:
    """From one year to the next, and back, every municipality of the country is reached."""
    for there, here in ((data_year, data_year + 1), (data_year + 1, data_year)):
        reached = {number for one in load_year(here).municipalities for number in numbers_in(there, one.number, here)}
        assert reached == {one.number for one in load_year(there).municipalities}


def test_e1_one_of_the_merging_ones_is_left_out() -> None:
    """E1: the new municipality reports for four of the five that it was in 2019; the fifth is named, with the reason."""
    entries = [("3014", 2020), *((number, 2019) for number in ("0122", "0123", "0124", "0138"))]
    assert missing(2019, *entries) == ["0125"]
    (unit,) = expected_units(load_year(2019), (Entry(*entry) for entry in entries))
    assert unit.text.nb == "Ingen rapporterer for 0125 Eidsberg (den hører til 3014)."


def test_who_reported_last_year_reports_this_year() -> None:
    """Under the same number, or under the new one."""
    assert missing(2021, ("0301", 2020), ("1103", 2020), ("1103", 2021)) == ["0301"]
    assert missing(2020, ("0101", 2019), ("0301", 2020)) == ["3001"]
    assert missing(2020, ("0101", 2019), ("3001", 2020)) == []


def test_a_whole_installation_misses_nobody() -> None:
    """One year alone is complete in itself, and an empty one expects nothing."""
    assert missing(2020, ("0301", 2020), ("1103", 2020)) == []
    assert missing(2020) == []


def test_the_country_is_counted_by_the_data_year() -> None:
    """All but those sent, by the numbers of the data year: 422 municipalities in 2019, 356 in 2020."""
    assert len(not_reported(load_year(2019), [])) == 422
    assert len(not_reported(load_year(2020), ["0301", "0101"])) == 355
