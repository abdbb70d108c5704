"""Letter facts D1-D8 (letter L5-L12), the counts behind them, and the register's view computed from our rows."""

from __future__ import annotations

import json

import pytest
from clean_extract import Extract, clean, findings
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks.content import ContentOptions, content_rules, run_content_rules
from kpr.checks.counting import counting_tables
from kpr.checks.facts import Fact, FactOptions, compare, fact_json, letter_facts, service_type_counts
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.checks.run import check
from kpr.checks.view_tables import view_json, view_tables
from kpr.years import load_year


def facts_of(
    extract: Extract, last_year=None, options: FactOptions | None = None, **content: object
) -> dict[str, Fact]:
    """The facts by id, after the content rules have run."""
    work = extract.work()
    create_finding_table(work)
    catalogue = Catalogue(content_rules(extract.year))
    run_content_rules(work, extract.year, catalogue, ContentOptions(**content))  # type: ignore[arg-type]
    return {fact.id: fact for fact in letter_facts(work, extract.year, last_year, options)}


def value(facts: dict[str, Fact], line: str) -> object:
    """The value of one line, by its id."""
    return next(item.value for item in facts[line.split(".")[0]].lines if item.id == line)


def must_look(facts: dict[str, Fact]) -> set[str]:
    """The lines that somebody should look at."""
    return {line.id for fact in facts.values() for line in fact.lines if line.look_at_it}


def test_every_point_of_the_letter_is_there() -> None:
    """L5-L12 each have a fact in the letter's year."""
    facts = facts_of(clean())
    assert list(facts) == ["D1", "D2a", "D2b", "D2c", "D2d", "D3", "D4", "D5", "D6", "D7a", "D7b", "D8"]
    assert {fact.letter for fact in facts.values()} == {f"L{number}" for number in range(5, 13)}


def test_points_without_a_format_are_left_out() -> None:
    """In 2018 the format has no heldøgn, no new variables and no new codes."""
    assert list(facts_of(clean(2018))) == ["D1", "D2a", "D2b", "D3", "D4", "D8"]


def test_clean_extract() -> None:
    """A clean extract is counted right, and only the empty answers ask to be looked at."""
    facts = facts_of(clean())
    assert value(facts, "D2a.in_year") == value(facts, "D2a.on_last_day") == 1
    assert value(facts, "D3.persons") == value(facts, "D5.persons") == 2
    assert value(facts, "D6.persons") == value(facts, "D6.19") == value(facts, "D6.20") == 2
    assert value(facts, "D7a.4") == value(facts, "D7b.14") == 2
    assert value(facts, "D8.iiSysVersjon") == value(facts, "D8.versjonEPJ") == "5.2"
    assert must_look(facts) == set()


def test_facts_are_plain_data() -> None:
    """Facts serialise to JSON and say themselves whether to look."""
    data = json.loads(json.dumps([fact_json(fact) for fact in facts_of(clean()).values()]))
    assert data[0]["id"] == "D1"
    assert data[0]["look_at_it"] is False
    assert set(data[1]["lines"][0]) == {"id", "text", "value", "last_year", "share", "look_at_it"}


def test_d1_test_persons() -> None:
    """D1 counts the persons that the rules on test persons hit, by reason, and those left out."""
    facts = facts_of(clean(), None, FactOptions(persons_left_out=3), environment="production")
    assert value(facts, "D1.X29a") == 2
    assert value(facts, "D1.left_out") == 3
    assert must_look(facts) == {"D1.X29a"}


def test_d1_is_unknown_before_the_rules_have_run() -> None:
    """Without findings D1 has no count, instead of a false nought."""
    extract = clean()
    d1 = letter_facts(extract.work(), extract.year)[0]
    assert d1.id == "D1"
    assert d1.lines[0].value is None


def test_d2_technology_gone_or_swung() -> None:
    """D2: a technology that all have lost, or that swings, is looked at; nobody in both years is not."""
    facts = facts_of(clean(), {"6": 40, "26": 4, "27": 0, "28": 0})
    assert must_look(facts) == {"D2a.in_year", "D2b.in_year"}
    assert next(line.last_year for line in facts["D2a"].lines) == 40


def test_d3_rehabilitation() -> None:
    """D3: missing dates are counted, and the code that ended with 2018 is looked at."""
    extract = clean()
    extract.of("personoppl", "1")[0]["poHabDato"] = None
    extract.add_service("1", "16", tjTimerUke=None)
    facts = facts_of(extract)
    assert (value(facts, "D3.undated"), value(facts, "D3.type_16")) == (1, 1)
    assert must_look(facts) == {"D3.type_16"}


def test_d4_dwelling() -> None:
    """D4: 61 dwellings last year and none now is looked at, and so are the old codes."""
    extract = clean()
    extract.add_service("1", "12", tjTimerUke=None)
    assert must_look(facts_of(extract, {"29": 61})) == {"D4.in_year", "D4.old"}


def test_d4_counts_12_and_13_together_in_2018() -> None:
    """In 2018 a person with both old kinds of dwelling counts once as dwelling, and the codes are right."""
    extract = clean(2018)
    for code in ("12", "13"):
        extract.add_service("1", code, tjTimerUke=None)
    facts = facts_of(extract)
    assert value(facts, "D4.in_year") == 1
    assert must_look(facts) == set()


def test_d5_round_the_clock() -> None:
    """D5: nobody, or another answer than yes, is looked at; with dwelling they are counted together."""
    extract = clean()
    extract.add_service("1", "29", tjTimerUke=None)
    assert value(facts_of(extract), "D5.dwelling") == 1
    for key in ("1", "2"):
        extract.of("personoppl", key)[0]["poHeldg"] = "2"
    assert must_look(facts_of(extract)) == {"D5.persons", "D5.others"}


def test_d6_new_variables() -> None:
    """D6: fewer than half as many scores as on the old variables, or nines only, is looked at."""
    extract = clean()
    extract.tables["funksjon"] = [row for row in extract.tables["funksjon"] if row["fnFunkType"] != "19"]
    for row in extract.tables["funksjon"]:
        if row["fnFunkType"] == "20":
            row["fnFunkVerdi"] = "9"
    facts = facts_of(extract)
    assert must_look(facts) == {"D6.19", "D6.20.nine"}
    assert next(line.share for line in facts["D6"].lines if line.id == "D6.20") == 100.0


def test_d7_plan_and_coordinator() -> None:
    """D7: old codes, and nobody with the new code 4, are looked at; missing answers are counted."""
    extract = clean()
    extract.of("personoppl", "1")[0].update(poIndPlan="9", poHarKoordinator="2")
    extract.of("personoppl", "2")[0].update(poIndPlan=None, poHarKoordinator="11")
    facts = facts_of(extract)
    assert (value(facts, "D7a.old"), value(facts, "D7a.missing"), value(facts, "D7b.11")) == (1, 1, 1)
    assert must_look(facts) == {"D7a.4", "D7a.old", "D7b.old"}


@pytest.mark.parametrize(("least", "old"), [("5.2", False), ("5.10", True), ("5.1.9", False), ("", False)])
def test_d8_version_of_the_system(least: str, old: bool) -> None:
    """D8: a version below the vendor's version for the year is looked at; numbers compare as numbers."""
    facts = facts_of(clean(), None, FactOptions(least_system_version=least))
    assert facts["D8"].look_at_it == old


# -- who counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "values", "counts"),
    [
        ("active all year", {}, True),
        ("ended on 1 January", {"tjTilDato": "20200101"}, True),
        ("ended before", {"tjTilDato": "20191231"}, False),
        ("begins on the last day", {"tjFraDato": "20201231"}, True),
        ("begins after", {"tjFraDato": "20210101"}, False),
        ("no start", {"tjFraDato": None}, False),
        ("refused", {"tjVedtak": "1"}, False),
        ("no decision where one is needed", {"tjVedtak": None}, False),
        ("start before 1980", {"tjFraDato": "19791231"}, False),
        ("end before start", {"tjFraDato": "20200301", "tjTilDato": "20200201"}, False),
    ],
)
def test_who_counts_through_the_year(what: str, values: dict[str, str | None], counts: bool) -> None:
    """A granted service that overlaps the year counts; others do not."""
    extract = clean()
    extract.add_service("1", "9", **values)
    assert service_type_counts(extract.work(), extract.year)["9"] == int(counts)


def test_no_decision_is_needed_for_alarm() -> None:
    """A safety alarm without a decision counts as granted."""
    assert service_type_counts(clean().work(), load_year(2020))["6"] == 1


def test_dead_before_the_year_does_not_count() -> None:
    """A person dead before the year is not counted; one who died in the year is."""
    extract = clean()
    for died, persons in (("20191231", 1), ("20200101", 2)):
        extract.tables["person"][1]["peDodDato"] = died
        assert service_type_counts(extract.work(), extract.year)["persons"] == persons


def test_person_counts_once_per_line() -> None:
    """Two rows of one type are one person."""
    extract = clean()
    extract.add_service("1", "15")
    counts = service_type_counts(extract.work(), extract.year)
    assert (counts["15"], counts["persons"], counts["29"]) == (1, 2, 0)


@pytest.mark.parametrize(
    ("now", "before", "look"),
    [(0, 1, True), (0, 0, False), (60, 100, True), (80, 100, False), (56, 9, True), (19, 9, False), (9, 19, False)],
)
def test_compare(now: int, before: int, look: bool) -> None:
    """Everybody gone, or more than 20 per cent and 10 persons, is looked at (E3-E6)."""
    assert compare({"6": now}, {"6": before})["6"].look_at_it == look


def test_compare_without_last_year() -> None:
    """Without last year's number there is nothing to look at, and no change."""
    change = compare({"6": 5}, None)["6"]
    assert (change.last_year, change.percent, change.look_at_it) == (None, None, False)
    assert compare({"6": 5}, {"6": 0})["6"].percent is None


_rows = st.lists(
    st.tuples(
        st.sampled_from(["1", "2"]),
        st.sampled_from(["9", "21", "6"]),
        st.sampled_from(["20190101", "20200601", "20201231", "20210101"]),
        st.sampled_from([None, "", "20191231", "20200101", "20201230", "20201231", "99991231"]),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(_rows)
def test_counts_equal_the_slow_way(rows: list[tuple[str, str, str, str | None]]) -> None:
    """Counting in SQL gives what counting by hand gives."""
    extract = clean()
    extract.tables["tjeneste"] = []
    for key, kind, begins, ends in rows:
        extract.add_service(key, kind, tjFraDato=begins, tjTilDato=ends)
    valid = [(key, kind, begins, ends or "99991231") for key, kind, begins, ends in rows]
    valid = [row for row in valid if row[2] <= row[3]]
    counts = service_type_counts(extract.work(), extract.year)
    for kind in ("9", "21", "6"):
        active = {key for key, of, a, b in valid if of == kind and a <= "20201231" and b >= "20200101"}
        assert counts[kind] == len(active)
    stay = {key for key, of, a, b in valid if of == "21" and a <= "20201231" <= b}
    home = {key for key, _, a, b in valid if a <= "20201231" <= b} - stay
    tables = view_tables(extract.work(), extract.year)
    assert (tables.long_term_stay.persons, tables.home_dwelling.persons) == (len(stay), len(home))


# -- the register's view (letter L2) ----------------------------------------------------------------------------------


def test_view_tables() -> None:
    """T1-T3: users by type with change, long-term stay and home-dwelling with the share mapped."""
    extract = clean()
    extract.of("personoppl", "2")[0]["poHusstand"] = None
    tables = view_tables(extract.work(), extract.year, {"15": 2, "persons": 2})
    lines = {line.code: line for line in tables.services}
    assert (lines["15"].change.now, lines["15"].change.percent) == (1, -50.0)
    assert lines["15"].text_nb == "Helsetjenester i hjemmet"
    assert (tables.persons.now, tables.long_term_stay.persons, tables.home_dwelling.persons) == (2, 1, 1)
    stay = {share.fact: share.percent for share in tables.long_term_stay.shares}
    home = {share.fact: share.percent for share in tables.home_dwelling.shares}
    assert (stay["poHusstand"], home["poHusstand"]) == (0.0, 100.0)
    assert (stay["any_score"], stay["full_set"]) == (100.0, 100.0)
    assert json.loads(json.dumps(view_json(tables)))["long_term_stay"]["persons"] == 1


def test_view_of_what_the_register_keeps() -> None:
    """A person whom the register deletes is not in its view, with nothing of what lies under it."""
    extract = clean()
    extract.tables["person"][0]["peKjonn"] = "X"
    work = extract.work()
    check(work, extract.year)
    kept = view_tables(work, extract.year, kept_only=True)
    assert (kept.persons.now, kept.home_dwelling.persons, kept.long_term_stay.persons) == (1, 0, 1)
    assert view_tables(work, extract.year).persons.now == 2
    assert service_type_counts(work, extract.year, kept_only=True)["6"] == 0


def test_view_of_nobody() -> None:
    """An empty group has no share, instead of a division by nought."""
    extract = clean()
    extract.tables["tjeneste"] = []
    tables = view_tables(extract.work(), extract.year)
    assert tables.long_term_stay.persons == 0
    assert {share.percent for share in tables.long_term_stay.shares} == {None}


def test_snapshot_is_the_newest_row() -> None:
    """Of several PERSONOPPL valid on 31 December the newest counts; one that has ended does not."""
    extract = clean()
    old = dict(extract.of("personoppl", "1")[0])
    extract.of("personoppl", "1")[0].update(poIndPlan="1", poFraDato="20200701")
    extract.add("personoppl", "1", **{**old, "poPoID": "2", "poIndPlan": "2"})
    extract.add(
        "personoppl", "1", **{**old, "poPoID": "3", "poIndPlan": "3", "poFraDato": "20200801", "poTilDato": "20200901"}
    )
    facts = facts_of(extract)
    assert [value(facts, f"D7a.{code}") for code in "1234"] == [1, 0, 0, 1]


def test_nothing_is_left_behind() -> None:
    """Counting leaves no table in the work database, whatever happens inside."""
    work = clean().work()
    with pytest.raises(ZeroDivisionError), counting_tables(work, load_year(2020)):
        raise ZeroDivisionError
    assert work.connection.execute("SELECT count(*) FROM sqlite_temp_master").fetchone() == (0,)


def test_clean_findings_do_not_count_as_test_persons() -> None:
    """The clean extract used here has no finding on test persons."""
    assert not [row for row in findings(clean()) if str(row[0]).startswith("X29")]
