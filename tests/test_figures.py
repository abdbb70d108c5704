"""The figures that next year is compared with, and the keys that the next extract is: counted, kept, read again."""

from __future__ import annotations

import json
from datetime import date

import pytest
from clean_extract import clean, synthetic
from hypothesis import given
from hypothesis import strategies as st

from kpr.checks.fact import Fact, FactLine
from kpr.checks.finding import Text
from kpr.errors import BadMessage
from kpr.plausibility.drift import PERSONS, SERVICES, drift, keys_json, read_keys, services_per_person
from kpr.plausibility.figures import (
    GROUP,
    Count,
    Figures,
    Part,
    count_figures,
    figures_json,
    figures_of_lines,
    read_figures,
    with_facts,
    with_last_year,
)

NUMBERS = st.integers(0, 10**7)
COUNTS = st.builds(Count, NUMBERS, st.none() | NUMBERS)
LINES = st.dictionaries(st.text(max_size=12), COUNTS, max_size=5)
FIGURES = st.builds(
    Figures,
    st.integers(2018, 2100),
    st.dictionaries(st.sampled_from(Part), LINES, max_size=6),
    st.dictionaries(st.text(max_size=8), NUMBERS, max_size=4),
    st.tuples(st.text(max_size=8), st.text(max_size=8)),
    st.dictionaries(st.sampled_from([PERSONS, SERVICES]), COUNTS),
)


# -- counting ----------------------------------------------------------------------------------------------------------


def test_every_part_is_counted() -> None:
    """Two persons, one at home with an alarm and one in long-term stay: each table of the view has its number."""
    extract = clean()
    figures = count_figures(extract.work(), extract.year)
    assert set(figures.counts) == set(Part)
    services = {line: persons for line, persons in figures.lines.items() if persons}
    assert services == {"6": 1, "15": 1, "21": 1, "persons": 2, "poHeldg": 2, "poHab": 2}
    assert figures.counts[Part.LONG_TERM_STAY][GROUP] == Count(1)
    assert figures.counts[Part.LONG_TERM_STAY]["poVurdLege"] == Count(1, 1)
    assert figures.counts[Part.HOME_DWELLING][GROUP] == Count(1)
    assert figures.counts[Part.DISTRICTS] == {"00": Count(2)}
    assert figures.counts[Part.PROVIDERS] == {"123456785": Count(2)}
    assert figures.counts[Part.REFUSALS] == {"15": Count(0, 1), "21": Count(0, 1)}
    assert figures.system == ("EPJ", "5.2")


@pytest.mark.parametrize("garbage", ["01010112345", "Rolle A", "123456789", "-1"])
def test_what_is_no_unit_is_not_carried_on(garbage: str) -> None:
    """Whatever stands where a district or a provider should, no text of it lands among the figures."""
    extract = clean()
    extract.tables["person"][0]["peBydelsnr"] = garbage
    extract.of("tjeneste", "1")[0]["tjInstOrgnr"] = garbage
    extract.of("tjeneste", "1")[0]["tjTjenType"] = garbage
    figures = count_figures(extract.work(), extract.year)
    assert figures.counts[Part.DISTRICTS] == {"00": Count(1)}
    assert figures.counts[Part.PROVIDERS] == {"123456785": Count(1)}
    assert garbage not in figures_json(figures).decode()


def test_a_refusal_counts_in_the_share_though_nobody_receives() -> None:
    """One refused and one granted of a type: one of two."""
    extract = clean()
    extract.add("tjeneste", "2", tjTjenType="15", tjVedtak="1", tjVedtDato="20200301")
    assert count_figures(extract.work(), extract.year).counts[Part.REFUSALS]["15"] == Count(1, 2)


# -- kept and read -----------------------------------------------------------------------------------------------------


@given(FIGURES)
def test_figures_come_back_as_they_were(figures: Figures) -> None:
    """Written and read again they are the same, and the same figures are the same bytes."""
    raw = figures_json(figures)
    assert read_figures(raw) == figures
    assert figures_json(read_figures(raw)) == raw


def test_the_order_of_counting_does_not_change_the_bytes() -> None:
    """The same lines in another order are the same document."""
    one = Figures(2020, {Part.SERVICES: {"6": Count(1), "15": Count(2)}, Part.DISTRICTS: {}}, {"a": 1, "b": 2})
    other = Figures(2020, {Part.DISTRICTS: {}, Part.SERVICES: {"15": Count(2), "6": Count(1)}}, {"b": 2, "a": 1})
    assert figures_json(one) == figures_json(other)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"\x00\xff", b'{"data_year": "x", "counts": {}}', b'{"data_year": 2020}']
)
def test_something_else_is_no_figures(raw: bytes) -> None:
    """A clear sentence, and none of the content in it."""
    with pytest.raises(BadMessage, match="cannot be read"):
        read_figures(raw)


def test_a_table_gives_persons_by_service_alone() -> None:
    """What comes from a table has lines, and nothing about units or shares."""
    figures = figures_of_lines(2019, {"6": 1250, "persons": 4000})
    assert figures.lines == {"6": 1250, "persons": 4000}
    assert set(figures.counts) == {Part.SERVICES}


# -- the letter's facts ------------------------------------------------------------------------------------------------


def fact(*lines: FactLine) -> Fact:
    """A point of the letter with these lines."""
    return Fact("D4", "L9", Text("Bolig", "Dwelling"), lines)


def line(name: str, value: int | str | None, last_year: int | None = None) -> FactLine:
    """A line of a point."""
    return FactLine(name, Text("rader", "rows"), value, last_year)


def test_facts_get_last_years_numbers() -> None:
    """A line that was a number last year shows it; one that was not keeps what it had."""
    before = with_facts(Figures(2019, {}), [fact(line("D4.old", 7), line("D8.iiSysVersjon", "5.2"))])
    assert before.facts == {"D4.old": 7}
    now = with_last_year([fact(line("D4.old", 0), line("D4.in_year", 3, 9), line("D4.new", 1))], before)
    assert [each.last_year for each in now[0].lines] == [7, 9, None]


def test_without_last_year_the_facts_stand() -> None:
    """Nothing known of last year, nothing changed."""
    facts = [fact(line("D4.in_year", 3, 9))]
    assert with_last_year(facts, None) == facts


# -- the former extract ------------------------------------------------------------------------------------------------


def test_services_are_counted_per_person() -> None:
    """A person without services is there too, with none; a key that stands twice is one person."""
    extract = clean()
    extract.add_person("3", synthetic(date(1980, 1, 1), 201))
    extract.tables["person"].append(dict(extract.tables["person"][0]))
    assert services_per_person(extract.work()) == {"1": 2, "2": 1, "3": 0}


def test_drift_counts_who_and_what_is_left() -> None:
    """One of three persons is gone with two services, another lost one; what came new changes nothing."""
    assert drift({"1": 2, "2": 3, "3": 1}, {"2": 2, "3": 4, "9": 5}) == {PERSONS: Count(2, 3), SERVICES: Count(3, 6)}


def test_no_former_extract_no_drift() -> None:
    """The first extract of a year is compared with nothing."""
    assert drift({}, {"1": 2}) == {}


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.integers(0, 400), max_size=9))
def test_keys_come_back_as_they_were(services: dict[str, int]) -> None:
    """Written and read again they are the same, and nothing has drifted from itself."""
    assert read_keys(keys_json(services)) == services
    assert all(count.now == count.of for count in drift(services, services).values())


@pytest.mark.parametrize("raw", [b"", b"[1]", b"\xff", b'{"1": "x"}', json.dumps("1").encode()])
def test_something_else_is_no_keys(raw: bytes) -> None:
    """A clear sentence."""
    with pytest.raises(BadMessage, match="cannot be read"):
        read_keys(raw)
