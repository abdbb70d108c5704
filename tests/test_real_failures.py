"""The failures that became public, rebuilt with invented people: each fires, and an ordinary year does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kpr.checks.content import ContentOptions
from kpr.checks.run import CheckResult, check
from kpr.messages.shape import iplos_shape
from kpr.plausibility.drift import services_per_person
from kpr.plausibility.figures import Figures, count_figures
from kpr.plausibility.swings import asking_rules
from kpr.sources.contract import Source
from kpr.sources.work_rows import WorkRows, load
from kpr.synth.real_failures import RealFailure, YearBefore, ordinary_years, real_failures
from kpr.years import Year, load_year

CASES = ("E3", "E4", "E5", "E6", "E11")


def rows(source: Source, year: Year) -> WorkRows:
    """A source as work rows."""
    return load(source, iplos_shape(year.iplos_version.value))


def figures(source: Source, year: Year) -> Figures:
    """A source's figures."""
    return count_figures(rows(source, year), year)


def options(case: RealFailure) -> ContentOptions:
    """What the program knows when the extract comes: last year's figures, or the former extract's keys."""
    if case.same_year:
        services = services_per_person(rows(case.before, case.year))
        return ContentOptions(former_services=services, former_persons=frozenset(services))
    return ContentOptions(before=figures(case.before, load_year(case.year.data_year - 1)))


def fired(work: WorkRows) -> set[tuple[str, str]]:
    """Rules and lines of the findings that have a line."""
    return set(work.connection.execute("SELECT DISTINCT rule, element FROM finding WHERE element IS NOT NULL"))


def checked(case: RealFailure, known: ContentOptions) -> tuple[CheckResult, set[tuple[str, str]]]:
    """The check of the case's extract, and what fired."""
    work = rows(case.now, case.year)
    return check(work, case.year, known), fired(work)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("case_id", CASES)
def test_what_happened_is_caught_the_day_before(case_id: str, seed: int) -> None:
    """The rules that should have named each case's lines do so, and stop the submission until somebody says why."""
    case = next(case for case in real_failures(seed) if case.id == case_id)
    result, found = checked(case, options(case))
    assert set(case.fires) <= found
    assert {rule for rule, _ in case.fires} <= {count.rule for count in result.counts if count.blocks}


@pytest.mark.parametrize("case_id", ["E3", "E5", "E11"])
def test_nothing_else_is_named(case_id: str) -> None:
    """Where one thing went wrong, that one thing asks for a reason, and nothing beside it."""
    case = next(case for case in real_failures() if case.id == case_id)
    _, found = checked(case, options(case))
    assert {(rule, line) for rule, line in found if rule in asking_rules()} == set(case.fires)


def test_e5_and_e6_have_the_sizes_that_were_published() -> None:
    """56 users of BPA where there were fewer than ten; about 500 dwellings gone, and some left."""
    e5, e6 = (next(case for case in real_failures() if case.id == wanted) for wanted in ("E5", "E6"))
    assert figures(e5.before, load_year(2020)).lines["3"] < 10
    assert figures(e5.now, e5.year).lines["3"] == 56
    before, now = figures(e6.before, load_year(2021)).lines["29"], figures(e6.now, e6.year).lines["29"]
    assert 450 < before - now < 600
    assert now > 0


def test_e11_each_person_who_fell_out_is_named() -> None:
    """The persons that are gone are told by their local keys, one by one."""
    case = next(case for case in real_failures() if case.id == "E11")
    work = rows(case.now, case.year)
    check(work, case.year, options(case))
    gone = {key for (key,) in work.connection.execute("SELECT person FROM finding WHERE rule = 'Y3'")}
    before, now = services_per_person(rows(case.before, case.year)), services_per_person(work)
    assert gone == set(before) - set(now)
    assert gone


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("data_year", [2019, 2020, 2022, 2024])
def test_an_ordinary_year_asks_for_nothing(data_year: int, seed: int) -> None:
    """One in ten recipients is new, and they are a few more: no rule of plausibility speaks."""
    year = load_year(data_year)
    before, now = ordinary_years(year, 600, seed)
    known = ContentOptions(before=figures(before, load_year(data_year - 1)))
    result = check(rows(now, year), year, known)
    loud = [count.rule for count in result.counts if count.rule[0] == "Y" or count.rule.startswith("X32")]
    assert loud == []


@pytest.mark.parametrize("persons", [60, 250, 1500])
def test_an_ordinary_year_asks_for_nothing_whatever_the_size(persons: int) -> None:
    """A small municipality and a larger one, with several draws of people."""
    year = load_year(2021)
    for seed in range(10, 14):
        before, now = ordinary_years(year, persons, seed)
        known = ContentOptions(before=figures(before, load_year(2020)))
        work = rows(now, year)
        check(work, year, known)
        assert [pair for pair in fired(work) if pair[0] in asking_rules()] == []


def test_an_ordinary_year_has_changed() -> None:
    """The ordinary year is not last year's again: people came and went, and lines moved."""
    year = load_year(2021)
    before, now = ordinary_years(year, 600, 1)
    old, new = figures(before, load_year(2020)).lines, figures(now, year).lines
    assert new["persons"] > old["persons"]
    assert sum(old[line] != new[line] for line in old) > 10


def test_the_year_before_2019_is_in_its_own_format() -> None:
    """A 2018 made of 2019 has its codes: dwellings are of type 12, and are compared as 29."""
    case = next(case for case in real_failures() if case.id == "E3")
    assert isinstance(case.before, YearBefore)
    old = figures(case.before, load_year(2018)).lines
    assert old["12"] == old["29"] > 0


def test_a_reason_lifts_the_block_for_these_numbers_only() -> None:
    """With the reason for just these numbers the line is told as explained; with other numbers it stops again."""
    case = next(case for case in real_failures() if case.id == "E3")
    known = options(case)
    before = known.before
    assert before is not None
    key = ("Y1", "tjTjenType 29", 0, before.lines["29"])
    result, found = checked(case, replace(known, reasons=frozenset({key})))
    assert ("X32c", "tjTjenType 29") in found
    assert "Y1" not in {count.rule for count in result.counts}
    result, _ = checked(case, replace(known, reasons=frozenset({(*key[:3], key[3] + 1)})))
    assert "Y1" in {count.rule for count in result.counts if count.blocks}
