"""Where a number swings and where it does not: the limits of each kind of line, and what a line is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.plausibility.drift import PERSONS
from kpr.plausibility.figures import GROUP, Count, Figures, Part, figures_of_lines
from kpr.plausibility.swings import Limits, Swing, asking_rules, line_name, line_text, swings
from kpr.years import load_year

LIMITS = Limits()


def found(part: Part, line: str, before: Count | None, now: Count | None, limits: Limits = LIMITS) -> list[str]:
    """The rules that one line of a part makes speak."""
    old = Figures(2019, {part: {line: before} if before else {}})
    new = Figures(2020, {part: {line: now} if now else {}})
    return [swing.rule for swing in swings(new, old, limits)]


# -- the limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "rules"),
    [
        (100, 120, []),
        (100, 121, ["X32a"]),
        (100, 80, []),
        (100, 79, ["X32a"]),
        (20, 30, []),
        (20, 31, ["X32a"]),
        (0, 10, []),
        (0, 11, ["X32a"]),
        (9, 56, ["X32a"]),
        (5, 0, ["Y1"]),
        (4, 0, ["Y1"]),
        (1, 0, ["Y1"]),
        (500, 0, ["Y1"]),
        (0, 0, []),
    ],
)
def test_a_service_swings_beyond_both_limits(before: int, now: int, rules: list[str]) -> None:
    """More than 20 per cent and more than ten persons, up or down; from anybody to none is a zero."""
    assert found(Part.SERVICES, "6", Count(before), Count(now)) == rules


def test_the_limits_are_the_municipalitys_own() -> None:
    """With other limits in the settings another change swings."""
    assert found(Part.SERVICES, "6", Count(100), Count(106), Limits(swing_percent=5, swing_persons=5)) == ["X32a"]
    assert found(Part.SERVICES, "6", Count(100), Count(300), Limits(swing_percent=500)) == []


@pytest.mark.parametrize(("before", "rules"), [(5, ["Y1"]), (4, ["Y1b"]), (1, ["Y1b"])])
def test_a_small_zero_may_be_let_go(before: int, rules: list[str]) -> None:
    """Whoever wants no reason for a service that fewer than five had says so in the settings; it is told all the same."""
    assert found(Part.SERVICES, "29", Count(before), Count(0), Limits(zero_from=5)) == rules


def test_a_code_that_ended_is_no_zero() -> None:
    """Type 16 ended with 2018 and 27 began with 2019: neither is compared across."""
    assert swings(figures_of_lines(2019, {"27": 90}), figures_of_lines(2018, {"16": 90}), LIMITS) == ()


@pytest.mark.parametrize(("before", "now", "rules"), [(100, 121, ["Y2"]), (100, 120, []), (60, 0, ["Y2"]), (9, 0, [])])
@pytest.mark.parametrize("part", [Part.LONG_TERM_STAY, Part.HOME_DWELLING])
def test_a_group_of_the_view_swings_as_a_service(part: Part, before: int, now: int, rules: list[str]) -> None:
    """How many are in long-term stay, or live at home, on 31 December."""
    assert found(part, GROUP, Count(before), Count(now)) == rules


@pytest.mark.parametrize(
    ("before", "now", "rules"),
    [
        (Count(80, 100), Count(160, 200), []),  # twice as many, the same share
        (Count(80, 100), Count(60, 100), []),  # 20 points
        (Count(80, 100), Count(59, 100), ["Y2"]),
        (Count(80, 100), Count(0, 100), ["Y2"]),
        (Count(0, 100), Count(21, 100), ["Y2"]),
        (Count(10, 20), Count(4, 20), []),  # 30 points, and only six persons
        (Count(0, 0), Count(80, 100), []),  # nobody was in the group
    ],
)
def test_a_fact_that_is_mapped_swings_by_its_share(before: Count, now: Count, rules: list[str]) -> None:
    """By percentage points, and by persons: a group that grows has more of everything."""
    assert found(Part.LONG_TERM_STAY, "poVurdLege", before, now) == rules


@pytest.mark.parametrize(("before", "rules"), [(11, ["Y4"]), (10, [])])
@pytest.mark.parametrize("now", [None, Count(0)])
@pytest.mark.parametrize("part", [Part.DISTRICTS, Part.PROVIDERS])
def test_a_unit_that_is_not_there_is_missed(part: Part, now: Count | None, before: int, rules: list[str]) -> None:
    """A district or provider with more than ten recipients last year and none now; a small one may end."""
    assert found(part, "03", Count(before), now) == rules


@pytest.mark.parametrize(
    ("before", "now", "rules"), [(500, 1, ["Y4"]), (500, 99, ["Y4"]), (500, 100, []), (12, 1, ["Y4"]), (11, 1, [])]
)
def test_a_unit_that_is_nearly_gone_is_missed(before: int, now: int, rules: list[str]) -> None:
    """Less than a fifth of last year's, and more than ten persons fewer: one recipient left is no unit that reports."""
    assert found(Part.PROVIDERS, "987654325", Count(before), Count(now)) == rules


@pytest.mark.parametrize("before", [None, figures_of_lines(2019, {"6": 9})])
def test_an_expected_unit_is_missed_without_last_years_figures(before: Figures | None) -> None:
    """In the first year, or with a table of services only, those that the settings name must have recipients."""
    now = Figures(2020, {Part.SERVICES: {"6": Count(9)}, Part.DISTRICTS: {"01": Count(3)}})
    expected = {Part.DISTRICTS: ("01", "02"), Part.PROVIDERS: ("987654325",)}
    seen = swings(now, before, Limits(expected=expected))
    assert [(swing.rule, swing.line) for swing in seen] == [
        ("Y4", "peBydelsnr 02"),
        ("Y4", "tjInstOrgnr 987654325"),
    ]


def test_an_expected_unit_is_missed_once() -> None:
    """Known of last year too: one line with last year's number."""
    old = Figures(2019, {Part.DISTRICTS: {"02": Count(40), "03": Count(2)}})
    limits = Limits(expected={Part.DISTRICTS: ("02", "03")})
    seen = swings(Figures(2020, {}), old, limits)
    assert [(swing.line, swing.now, swing.before) for swing in seen] == [
        ("peBydelsnr 02", 0, 40),
        ("peBydelsnr 03", 0, 2),
    ]


@pytest.mark.parametrize(
    ("before", "now", "rules"),
    [
        (Count(14, 200), Count(186, 200), ["Y5b"]),  # the codes are swapped
        (Count(186, 200), Count(14, 200), ["Y5b"]),  # and mended
        (Count(14, 200), Count(40, 200), []),
        (Count(1, 12), Count(6, 12), []),  # 42 points, and five refusals
        (Count(14, 200), Count(0, 0), []),
    ],
)
def test_refusals_far_from_last_years_swing(before: Count, now: Count, rules: list[str]) -> None:
    """Swapped codes of 9171 pass every other check; a few refusals more do not count."""
    assert found(Part.REFUSALS, "15", before, now) == rules


@pytest.mark.parametrize(("left", "rules"), [(95, []), (94, ["Y3b"]), (0, ["Y3b"]), (100, [])])
def test_many_who_are_gone_swing_even_without_last_year(left: int, rules: list[str]) -> None:
    """More than five per cent of the former extract of the same year."""
    now = Figures(2020, {}, drift={PERSONS: Count(left, 100)})
    assert [(swing.rule, swing.now, swing.before) for swing in swings(now, None, LIMITS)] == [
        (rule, left, 100) for rule in rules
    ]


def test_lines_stand_in_the_order_of_their_codes() -> None:
    """Everybody first, then the codes by number, however the figures were kept."""
    now, before = (dict.fromkeys(("poHab", "15", "6", "persons"), persons) for persons in (100, 200))
    found = swings(figures_of_lines(2020, now), figures_of_lines(2019, before), LIMITS)
    assert [swing.line for swing in found] == ["pePeID", "tjTjenType 6", "tjTjenType 15", "poHab"]


# -- what holds for any number -----------------------------------------------------------------------------------------

COUNTS = st.dictionaries(st.sampled_from(["1", "6", "15", "21", "29", "persons"]), st.integers(0, 100_000), min_size=1)


@given(COUNTS, st.data())
def test_an_ordinary_change_asks_for_nothing(before: dict[str, int], data: st.DataObject) -> None:
    """Every line within ten per cent of last year's, up or down, and none gone: no reason is asked for."""
    now = {
        line: data.draw(st.integers(persons - persons // 10, persons + persons // 10)) if persons else 0
        for line, persons in before.items()
    }
    assert [s for s in swings(figures_of_lines(2020, now), figures_of_lines(2019, before), LIMITS) if s.asks] == []


@given(COUNTS)
def test_nothing_swings_from_itself(lines: dict[str, int]) -> None:
    """The same figures again: nothing."""
    assert swings(figures_of_lines(2020, lines), figures_of_lines(2019, lines), LIMITS) == ()


@given(COUNTS, st.sampled_from(["6", "29"]), st.integers(1, 100_000))
def test_a_service_that_is_gone_always_asks(others: dict[str, int], gone: str, before: int) -> None:
    """Whatever the others are, one or more who became none ask for a reason."""
    now, old = figures_of_lines(2020, others | {gone: 0}), figures_of_lines(2019, others | {gone: before})
    assert [(s.rule, s.now, s.before, s.asks) for s in swings(now, old, LIMITS)] == [("Y1", 0, before, True)]


# -- words -------------------------------------------------------------------------------------------------------------


def test_the_rules_that_ask_are_those_of_the_rule_file() -> None:
    """Every rule that a swing carries is there, and all but the zero that is let go ask for a reason."""
    assert asking_rules() == {"X32a", "Y1", "Y2", "Y3b", "Y4", "Y5b"}
    assert not Swing("Y1b", "tjTjenType 6", 0, 1).asks


def test_a_swing_tells_its_change() -> None:
    """In per cent of last year's; from nobody there is none."""
    assert Swing("X32a", "tjTjenType 6", 80, 120).percent == -33.3
    assert Swing("X32a", "tjTjenType 6", 80, 0).percent is None


@pytest.mark.parametrize(
    ("part", "line", "name", "text"),
    [
        (Part.SERVICES, "6", "tjTjenType 6", "6 Trygghetsalarm"),
        (Part.SERVICES, "persons", "pePeID", "Alle brukere"),
        (Part.SERVICES, "poHeldg", "poHeldg", "Heldøgnstjenestetilbud"),
        (Part.LONG_TERM_STAY, GROUP, "T2 persons", "Langtidsopphold 31. desember: personer"),
        (Part.HOME_DWELLING, "poVurdLege", "T3 poVurdLege", "Hjemmeboende 31. desember: vurdert av lege"),
        (Part.DISTRICTS, "03", "peBydelsnr 03", "Bydel: 03"),
        (Part.PROVIDERS, "987654325", "tjInstOrgnr 987654325", "Virksomhet: 987654325"),
        (Part.REFUSALS, "6", "tjVedtak 6", "Avslag på tjeneste: 6 Trygghetsalarm"),
    ],
)
def test_a_line_has_a_name_and_words(part: Part, line: str, name: str, text: str) -> None:
    """The name is what a finding shows and a person types; the words are what it means."""
    assert line_name(part, line) == name
    assert line_text(name, load_year(2020)).nb == text
