"""Content rules: a clean extract is quiet, and each fault makes exactly its rule speak (X01-X34, L0, Y)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from clean_extract import Extract, clean, findings, numbered, synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks import content, diagnoses
from kpr.checks.catalogue_page import rules_markdown
from kpr.checks.content import content_rules
from kpr.checks.finding import Mode, Severity
from kpr.checks.rule_data import rule_rows
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.errors import BadSettings
from kpr.plausibility.figures import GROUP, Count, Figures, Part
from kpr.plausibility.swings import Limits
from kpr.years import known_years, load_year

E = Extract
LOUD = {Severity.FATAL.value, Severity.ERROR.value, Severity.WARNING.value}


def edit(table: str, key: str, number: int = 0, **values: str | None):
    """A fault in the person's row of this number."""

    def spoil(extract: E) -> None:
        extract.of(table, key)[number].update(values)

    return spoil


def person(key: str, **values: str | None):
    """A fault in the PERSON row."""

    def spoil(extract: E) -> None:
        extract.tables["person"][int(key) - 1].update(values)

    return spoil


def header(table: str, **values: str | None):
    """A fault in a header."""

    def spoil(extract: E) -> None:
        extract.tables[table][0].update(values)

    return spoil


def service(key: str, kind: str, **values: str | None):
    """One more service."""

    def spoil(extract: E) -> None:
        extract.add_service(key, kind, **values)

    return spoil


def ident(key: str, **values: str | None):
    """A fault in the ident row."""

    def spoil(extract: E) -> None:
        extract.tables["ident"][int(key) - 1].update(values)

    return spoil


def options(**values: object):
    """No fault in the extract, but something that the tool knows besides."""
    return lambda extract: values


def both(*faults):
    """Several faults that belong together."""

    def spoil(extract: E) -> dict[str, object]:
        said: dict[str, object] = {}
        for fault in faults:
            said |= fault(extract) or {}
        return said

    return spoil


def drop(table: str, key: str):
    """All the person's rows of a class gone."""
    return lambda extract: extract.drop(table, key)


def every(table: str, key: str, **values: str | None):
    """The same fault in all the person's rows of a class."""

    def spoil(extract: E) -> None:
        for row in extract.of(table, key):
            row.update(values)

    return spoil


def _same_person_twice(extract: E) -> None:
    extract.tables["person"].append(dict(extract.tables["person"][0]))
    extract.tables["diagnose"].append({**extract.of("diagnose", "1")[0], "person": "3"})


def _second_score(begins: str, ends: str = "99991231"):
    def spoil(extract: E) -> None:
        extract.add("funksjon", "1", fnFunkType="1", fnFunkVerdi="3", fnFraDato=begins, fnTilDato=ends)

    return spoil


def _person_without_anything(extract: E) -> None:
    extract.add_person("3", synthetic(date(1980, 1, 1), 201))
    extract.drop("diagnose", "3")


def _nobody(extract: E) -> None:
    for table in ("person", "personoppl", "funksjon", "tjeneste", "diagnose", "dogntilbud", "ident"):
        extract.tables[table] = []


def _twelve_refusals(extract: E) -> None:
    for _ in range(12):
        extract.add("tjeneste", "1", tjTjenType="15", tjVedtak="1", tjVedtDato="20200301")


def _refused_and_granted(extract: E) -> None:
    """Twelve refusals, and as many granted, one after the other."""
    _twelve_refusals(extract)
    extract.of("tjeneste", "1")[0]["tjTilDato"] = "20200131"
    for day in range(1, 13):
        extract.add_service("1", "15", tjFraDato=f"202002{day:02d}", tjTilDato=f"202002{day:02d}")


def _before(part: Part, line: str, count: Count) -> Figures:
    return Figures(2019, {part: {line: count}})


def _fewer_scores(extract: E) -> None:
    extract.tables["funksjon"].pop()


#: Rule, fault, data year. Each fault must make exactly this rule speak.
CASES = [
    ("L0-1", header("innhinfo", versjon="3.5"), 2020),
    ("L0-1", header("innhinfo", versjon="3.7"), 2018),
    ("X01a", edit("diagnose", "1", diPeID="999"), 2020),
    ("X01a", edit("diagnose", "1", diPeID="2", diDiID="7", person="1"), 2020),
    ("X01b", lambda e: e.add("diagnose", "1", **{**e.of("diagnose", "1")[0]}), 2020),
    ("X01c", _same_person_twice, 2020),
    ("X02a", edit("tjeneste", "1", tjKlageBesvart="20200231"), 2020),
    ("X02a", edit("tjeneste", "1", tjKlageBesvart="99991231"), 2020),
    ("X02a", edit("personoppl", "1", poHabDato="2020-0115"), 2020),
    ("X02a", edit("diagnose", "1", diTilDato="20190229"), 2020),
    ("X02b", edit("personoppl", "1", poVurdLege="202000"), 2020),
    ("X03", edit("dogntilbud", "2", dgTilDato="20191231"), 2020),
    ("X03", edit("tjeneste", "1", 1, tjTilDato="20200114"), 2020),
    ("X03", lambda e: e.add("personoppl", "1", poFraDato="20200601", poTilDato="20200531"), 2020),
    ("X03", edit("diagnose", "1", diTilDato="20150228"), 2020),
    ("X04", service("1", "9", tjFraDato="20190101", tjTilDato="20191231"), 2020),
    ("X05", edit("personoppl", "1", poFraDato="20041231"), 2020),
    ("X05", edit("tjeneste", "1", tjSoknadDato="20041231"), 2020),
    ("X06", edit("tjeneste", "1", tjKlageMottatt="20210101"), 2020),
    ("X06", edit("personoppl", "1", poVurdTann="202101"), 2020),
    ("X07a", service("1", "9", tjVedtak="1", tjFraDato=None), 2020),
    ("X07b", service("1", "9", tjFraDato=None), 2020),
    ("X08a", edit("tjeneste", "1", tjTimerUke="168.01"), 2020),
    ("X08b", edit("tjeneste", "1", tjTimerUke=None), 2020),
    ("X08b", edit("tjeneste", "1", tjTimerUke="0.00"), 2020),
    ("X09", service("1", "9", tjTimerUke="165.00"), 2020),
    ("X10a", edit("tjeneste", "1", tjTimerUke="3"), 2020),
    ("X10a", edit("tjeneste", "1", tjResTimerUke="3.555"), 2020),
    ("X10a", edit("tjeneste", "1", tjTimerUke="3."), 2020),
    ("X10a", edit("tjeneste", "1", tjTimerUke=".50", tjResTimerUke="1000.0"), 2020),
    ("X10b", edit("tjeneste", "1", tjTimerUke="3,5"), 2020),
    ("X11a", service("1", "8", tjTimerUke=None), 2020),
    ("X11b", edit("tjeneste", "1", tjRullerende="2"), 2020),
    ("X12a", edit("tjeneste", "1", tjInstOrgnr="123456786"), 2020),
    ("X12a", edit("dogntilbud", "2", dgInstOrgnr="0" * 9), 2020),
    ("X12b", edit("tjeneste", "1", tjInstOrgnr=None), 2020),
    ("X13", service("1", "16", tjTimerUke=None), 2020),
    ("X13", service("1", "29", tjTimerUke=None), 2018),
    ("X13", service("1", "12", tjTimerUke=None, tjTjenUnderType="19"), 2018),
    ("X14a", person("2", peDodDato="20200601"), 2020),
    ("X14b", both(person("2", peDodDato="20191231"), drop("tjeneste", "2")), 2020),
    ("X14c", both(person("2", peDodDato="20210101"), every("tjeneste", "2", tjTilDato="20201231")), 2020),
    ("X15", service("1", "15", tjFraDato="20200601"), 2020),
    ("X16", service("2", "1"), 2020),
    ("X17", drop("funksjon", "2"), 2020),
    ("X18", _fewer_scores, 2020),
    ("X18", _fewer_scores, 2018),
    ("X19a", _second_score("20200601"), 2020),
    ("X19b", every("funksjon", "2", fnFunkVerdi="9"), 2020),
    ("X19c", edit("funksjon", "1", 12, fnFunkVerdi="7"), 2020),
    ("X20", every("funksjon", "2", fnFraDato="20191230"), 2020),
    ("X21", edit("personoppl", "1", poVurdLege="201911"), 2020),
    ("X22a", edit("personoppl", "2", poErnKartlagt=None, poErnKartlagtDato=None), 2020),
    ("X22a", drop("personoppl", "2"), 2020),
    ("X22b", edit("personoppl", "1", poIndPlan=None), 2020),
    ("X23a", edit("personoppl", "1", poErnRisiko="1", poErnRisikoDato="20200615", poErnPlan=None), 2020),
    ("X23b", edit("personoppl", "1", poLegeMiddGjDato=None), 2020),
    ("X24a", edit("personoppl", "1", poArbBistMottar="1"), 2020),
    ("X24b", edit("personoppl", "1", poFriTranspBehov="1", poFriTranspMottar="9"), 2020),
    ("X24c", edit("personoppl", "1", poFriTranspBehov="1", poFriTranspMottar="3"), 2020),
    ("X25a", edit("personoppl", "1", poHarKoordinator="1"), 2020),
    ("X25a", edit("personoppl", "1", poHarKoordinator="11"), 2018),
    ("X25a", edit("personoppl", "1", poIndPlan="4"), 2018),
    ("X25b", edit("personoppl", "1", poIndPlan="9"), 2020),
    ("X25c", edit("personoppl", "1", poErnPlan="9"), 2020),
    ("X26a", person("1", peAlder="121"), 2020),
    ("X26b", person("1", peAlder="41"), 2020),
    ("X26c", person("1", peKjonn="K"), 2020),
    ("X28a", edit("diagnose", "1", diDiagKode="12F"), 2020),
    ("X28a", edit("diagnose", "1", diKodeVersjon="DSM-IV"), 2020),
    ("X28b", options(diagnosis_codes={"ICD-10": frozenset({"A00"})}), 2020),
    ("X29a", options(environment="production"), 2020),
    ("X29b", ident("1", fid=numbered("016680")), 2020),
    ("X29c", ident("1", fid=numbered("014180")), 2020),
    ("X29d", options(test_persons=frozenset({"2"})), 2020),
    ("X29e", ident("1", fid="0" * 11), 2020),
    ("X29e", ident("1", fid=numbered("318280")), 2020),
    ("X29f", options(vendor_keys=("2*",)), 2020),
    ("X29g", ident("1", fid=numbered("010180")), 2020),
    ("X30", options(last_sequence_number=1), 2020),
    ("X30", options(last_sequence_number=5, sequence_number=5), 2020),
    ("X31a", _person_without_anything, 2020),
    ("X31b", _nobody, 2020),
    ("X32a", options(last_year={"15": 100}), 2020),
    ("X32a", options(last_year={"persons": 100, "6": 1}), 2020),
    ("X33a", edit("personoppl", "1", poVenteliste="1"), 2020),
    ("X33b", edit("personoppl", "1", poVenteliste="1", poVentelisteDato="19991231"), 2020),
    ("X34", service("1", "9", tjVeID="11", tjVeNrID="3"), 2020),
    ("X32c", options(last_year={"15": 100}, reasons=frozenset({("X32a", "tjTjenType 15", 1, 100)})), 2020),
    ("X32d", options(last_year={"15": 1}, given_otherwise=("tjTjenType 15",)), 2020),
    ("Y1", options(last_year={"29": 5}), 2020),
    ("Y1", options(last_year={"29": 1}), 2020),
    ("Y1b", options(last_year={"29": 4}, limits=Limits(zero_from=5)), 2020),
    (
        "Y1",
        both(options(last_year={"poHab": 5}), every("personoppl", "1", poHab="2"), every("personoppl", "2", poHab="2")),
        2020,
    ),
    ("Y3", options(former_persons=frozenset({"1", "77"})), 2020),
    ("Y2", options(before=_before(Part.LONG_TERM_STAY, GROUP, Count(12))), 2020),
    ("Y3b", options(former_services={"1": 2, "2": 1, "77": 1}), 2020),
    ("Y4", options(before=_before(Part.PROVIDERS, "987654325", Count(11))), 2020),
    ("Y5", _twelve_refusals, 2020),
    ("Y5b", both(_refused_and_granted, options(before=_before(Part.REFUSALS, "15", Count(1, 20)))), 2020),
    ("Y6", options(before=Figures(2019, {}, system=("EPJ", "5.2"))), 2020),
]

#: What is close to a fault and is none.
QUIET = [
    ("a leap day", edit("tjeneste", "1", tjKlageBesvart="20200229")),
    ("an open end", edit("tjeneste", "1", tjTilDato="99991231")),
    ("a service that ends on the last day", edit("tjeneste", "1", tjTilDato="20201231")),
    ("a service that ended on the first day", service("1", "9", tjTilDato="20200101")),
    ("the first allowed date", edit("tjeneste", "1", tjSoknadDato="20050101")),
    ("the last allowed date", edit("tjeneste", "1", tjKlageMottatt="20201231")),
    ("168 hours", edit("tjeneste", "1", tjTimerUke="168.00")),
    ("168 hours together", service("1", "9", tjTimerUke="164.50")),
    ("one decimal", edit("tjeneste", "1", tjTimerUke="3.5")),
    ("a plain refusal", service("1", "9", tjVedtak="1", tjFraDato=None, tjTimerUke=None)),
    ("respite that says whether it is rolling", service("1", "8", tjTimerUke=None, tjRullerende="1")),
    ("a refused respite", service("1", "8", tjVedtak="1", tjFraDato=None, tjTimerUke=None)),
    ("a service that ends on the day of death",
     both(person("2", peDodDato="20200601"), every("tjeneste", "2", tjTilDato="20200601"))),
    ("a new row on the day the old one ends",
     both(edit("tjeneste", "1", tjTilDato="20200601"), service("1", "15", tjFraDato="20200601"))),
    ("a new score on the day the old one ends",
     both(edit("funksjon", "1", fnTilDato="20200601"), _second_score("20200601"))),
    ("one nine among the scores", edit("funksjon", "2", fnFunkVerdi="9")),
    ("an assessment a year old", every("funksjon", "2", fnFraDato="20191231")),
    ("a doctor twelve months ago", edit("personoppl", "1", poVurdLege="201912")),
    ("welfare technology without assessment",
     both(drop("funksjon", "1"), lambda e: e.of("tjeneste", "1")[0].update(tjTilDato="20200301"))),
    ("a code without its point", edit("diagnose", "1", diDiagKode="F000")),
    ("an ICPC-2 code", edit("diagnose", "1", diKodeVersjon="ICPC-2", diDiagKode="P70")),
    ("a known diagnosis", options(diagnosis_codes={"ICD-10": frozenset({"F000"})})),
    ("a synthetic number outside production", options(environment="qa")),
    ("a real number in production", both(
        ident("1", fid=numbered("010180")), ident("2", fid=numbered("010180", 122)), options(environment="production"))),
    ("a doubtful number that was decided on",
     both(ident("1", fid=numbered("014180")), options(real_persons=frozenset({"1"})))),
    ("the next sequence number", options(last_sequence_number=0)),
    ("a change of ten persons", options(last_year={"15": 11})),
    ("a change of ten per cent", options(last_year={"persons": 2})),
    ("a prolonged decision", service("1", "9", tjVeID="11", tjVeNrID="2")),
    ("two services of one decision", service("1", "9", tjVeID="11", tjVeNrID="1")),
    ("a chain whose start ended before the year", edit("tjeneste", "1", tjVeNrID="4")),
    ("a waiting list with its date", edit("personoppl", "1", poVenteliste="1", poVentelisteDato="20200301")),
]  # fmt: skip


@pytest.mark.parametrize("data_year", known_years())
def test_clean_extract_is_quiet(data_year: int) -> None:
    """A clean extract gives no warning, error or fatal finding in any data year."""
    loud = [row[:3] for row in findings(clean(data_year)) if row[7] in LOUD and row[0] != "X32b"]
    assert loud == []


@pytest.mark.parametrize(("rule", "spoil", "data_year"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_fault_makes_its_rule_speak(rule: str, spoil, data_year: int) -> None:
    """One fault makes exactly its own rule speak."""
    usual = clean(data_year).fired()
    extract = clean(data_year)
    said = spoil(extract)
    assert extract.fired(**(said if isinstance(said, dict) and rule_says_options(said) else {})) - usual == {rule}


def rule_says_options(said: dict[str, object]) -> bool:
    """Whether a fault gave options (a row that was added is a dict too)."""
    return set(said) <= set(content.ContentOptions.__dataclass_fields__)


@pytest.mark.parametrize(("what", "spoil"), QUIET, ids=[case[0] for case in QUIET])
def test_near_fault_is_quiet(what: str, spoil) -> None:
    """What is close to a fault and is none makes no rule speak."""
    usual = clean().fired()
    extract = clean()
    said = spoil(extract)
    assert extract.fired(**(said if isinstance(said, dict) and rule_says_options(said) else {})) <= usual


def test_every_rule_has_a_case() -> None:
    """Every content rule that is checked here has a fault that fires it."""
    here = {row.id for row in rule_rows("content-rules.yaml") if row.elsewhere is None}
    without = here - {rule for rule, _, _ in CASES}
    assert without == {"X27a", "X27b", "X27c", "X32b"}, "these depend on what is known and have tests of their own"


def test_catalogue_is_whole() -> None:
    """L0-1 to L0-5 and X01 to X34 are all there, each with both languages and one basis."""
    ids = {row.id.rstrip("abcdefg") for row in rule_rows("content-rules.yaml")}
    assert ids >= {f"L0-{n}" for n in range(1, 6)} | {f"X{n:02d}" for n in range(1, 35)}
    for rule in content_rules(load_year(2020)):
        assert all((rule.wrong.nb, rule.wrong.en, rule.remedy.nb, rule.remedy.en))


def test_ids_are_unique() -> None:
    """No two rows of the rule files have the same id."""
    ids = [row.id for row in rule_rows()]
    assert len(ids) == len(set(ids))


def test_what_stops_a_submission() -> None:
    """FATAL and ERROR rules may stop a submission, and those that ask for a reason; the others only show."""
    for rule in content_rules(load_year(2020)):
        stops = rule.severity in (Severity.FATAL, Severity.ERROR) or rule.asks_reason
        assert (rule.mode is Mode.BLOCK) == stops


@pytest.mark.parametrize(
    ("rule", "spoil"), [("X27a", header("innhinfo", iiKomnr="9999")), ("X27b", person("1", peKomnr="9999"))]
)
def test_municipality_that_did_not_exist(monkeypatch: pytest.MonkeyPatch, rule: str, spoil) -> None:
    """A number that no municipality had in the data year speaks where the list is known."""
    monkeypatch.setattr(content, "_municipalities", lambda year: ["0301", "1103"])
    assert clean().fired() == {"X32b"}
    extract = clean()
    spoil(extract)
    assert extract.fired() == {"X32b", rule}


def test_unknown_municipalities_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data year without a list of municipalities gives an INFO finding and no other."""
    monkeypatch.setattr(content, "_municipalities", lambda year: [])
    extract = clean()
    extract.tables["innhinfo"][0]["iiKomnr"] = "9999"
    assert {row[0]: row[7] for row in findings(extract)} == {"X27c": "INFO", "X32b": "WARNING"}


def test_no_comparison_is_said() -> None:
    """Without last year's numbers a warning says that nothing was compared, which stops nothing."""
    assert [(row[7], row[8]) for row in findings(clean()) if row[0] == "X32b"] == [("WARNING", 0)]
    assert "X32b" not in clean().fired(last_year={"15": 1})


def test_place_names_person_and_row() -> None:
    """A finding says class, element, row and local key, and what the register does."""
    extract = clean()
    extract.of("tjeneste", "2")[0]["tjSoknadDato"] = "20041231"
    found = [row for row in findings(extract) if row[0] == "X05"]
    assert found == [("X05", "TJENESTE", "tjSoknadDato", 3, 2, "2", "ROW_DELETED", "ERROR", 1)]


def test_finding_of_a_type_says_which() -> None:
    """A service type whose recipients are all gone is named, though no person can be."""
    found = [row[2:6] for row in findings(clean(), last_year={"29": 61}) if row[0] == "Y1"]
    assert found == [("tjTjenType 29", None, None, None)]


def test_lost_person_is_named_by_key() -> None:
    """A person of the former extract who is gone is named by the local key."""
    assert [row[5] for row in findings(clean(), former_persons=frozenset({"77"})) if row[0] == "Y3"] == ["77"]


def test_no_value_in_findings() -> None:
    """No finding holds a national id, not even when it was used as the person's key."""
    extract = clean()
    extract.add_person(synthetic(date(1980, 1, 1), 301), synthetic(date(1980, 1, 1), 301), sex="K")
    everything = str(findings(extract, environment="production"))
    assert "I09" in everything
    for row in extract.tables["ident"]:
        assert str(row["fid"]) not in everything


# -- the failures that really happened (process.md E3-E10) ------------------------------------------------------------


def test_e3_dwellings_are_gone() -> None:
    """E3: a municipality with dwellings last year and none now must give a reason."""
    assert "Y1" in clean().fired(last_year={"29": 120})


def test_e4_and_e6_users_fall() -> None:
    """E4, E6: 40 per cent fewer users than last year is shown."""
    extract = clean()
    for key in range(3, 61):
        extract.add_person(str(key), synthetic(date(1980, 1, 1), 1 + 2 * (key % 50)))
        extract.add_service(str(key), "15")
    assert "X32a" in extract.fired(last_year={"15": 100, "persons": 100})


def test_e5_bpa_users_rise() -> None:
    """E5: 56 users of BPA where there were fewer than ten is shown."""
    extract = clean()
    for key in range(3, 59):
        extract.add_person(str(key), synthetic(date(1980, 1, 1), 1 + 2 * (key % 50)))
        extract.add_service(str(key), "3")
    found = [row[2] for row in findings(extract, last_year={"3": 9, "persons": 58}) if row[0] == "X32a"]
    assert found == ["tjTjenType 3"]


def test_e7_test_persons() -> None:
    """E7: a synthetic number (+80) blocks in production; +40 is a lawful H-number and only warns."""
    extract = clean()
    extract.tables["ident"][0]["fid"] = numbered("014180")
    rules = {row[0]: (row[7], row[8]) for row in findings(extract, environment="production")}
    assert rules["X29a"] == ("ERROR", 1)
    assert rules["X29c"] == ("WARNING", 0)


def test_e8_service_of_the_dead() -> None:
    """E8: a service for a person dead before the year blocks."""
    extract = clean()
    extract.tables["person"][1]["peDodDato"] = "20190401"
    assert extract.fired() >= {"X14a", "X14b"}


@pytest.mark.parametrize(("begins", "ends", "rule"), [("20200601", "20200501", "X03"), ("19791231", None, "X05")])
def test_e9_impossible_dates(begins: str, ends: str | None, rule: str) -> None:
    """E9: a from-date after the to-date, or from before 1980, blocks."""
    extract = clean()
    extract.add_service("1", "9", tjFraDato=begins, tjTilDato=ends)
    assert rule in extract.fired()


@pytest.mark.parametrize("code", ["12", "13", "16"])
def test_e10_retired_codes(code: str) -> None:
    """E10: service codes that ended with 2018 block from 2019 on, and are right in 2018."""
    for data_year, wrong in ((2018, False), (2019, True), (2020, True)):
        extract = clean(data_year)
        extract.add_service("1", code, tjTimerUke=None)
        assert ("X13" in extract.fired()) == wrong


def test_e11_persons_fall_out() -> None:
    """E11: a person who fell out since the former extract is shown."""
    assert "Y3" in clean().fired(former_persons=frozenset({"1", "2", "3"}))


def test_e12_no_ident() -> None:
    """E12: an extract without ids blocks."""
    extract = clean()
    extract.tables["ident"] = []
    assert "I01" in extract.fired()


# -- against slow references ------------------------------------------------------------------------------------------

_DAYS = [f"2020{month:02d}{day:02d}" for month in (1, 2, 3) for day in (1, 15)] + ["99991231"]
_periods = st.lists(
    st.tuples(st.sampled_from(_DAYS[:-1]), st.sampled_from(_DAYS), st.sampled_from(["1", "2"])), max_size=7
)


def _overlapping(periods: list[tuple[str, str, str]]) -> set[int]:
    """Rows that begin before a former row of their kind has ended, or on the very day it began."""
    valid = [(begins, number, ends, kind) for number, (begins, ends, kind) in enumerate(periods) if begins <= ends]
    found = set()
    for at, (begins, number, _, kind) in enumerate(ordered := sorted(valid)):
        former = [row for row in ordered[:at] if row[3] == kind]
        if any(begins < row[2] or begins == row[0] for row in former):
            found.add(number)
    return found


@settings(max_examples=40, deadline=None)
@given(_periods)
def test_overlapping_scores_equal_the_slow_way(periods: list[tuple[str, str, str]]) -> None:
    """X19a finds the same rows as comparing every pair."""
    extract = clean()
    extract.tables["funksjon"] = []
    for begins, ends, kind in periods:
        extract.add("funksjon", "1", fnFunkType=kind, fnFunkVerdi="2", fnFraDato=begins, fnTilDato=ends)
    found = {int(row[3]) - 1 for row in findings(extract) if row[0] == "X19a"}
    assert found == _overlapping(periods)


@settings(max_examples=40, deadline=None)
@given(_periods)
def test_overlapping_services_equal_the_slow_way(periods: list[tuple[str, str, str]]) -> None:
    """X15 finds the same rows as comparing every pair."""
    extract = clean()
    extract.tables["tjeneste"] = []
    for begins, ends, kind in periods:
        extract.add_service("1", kind, tjFraDato=begins, tjTilDato=ends)
    found = {int(row[3]) - 1 for row in findings(extract) if row[0] == "X15"}
    assert found == _overlapping(periods)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(_DAYS[:-1]), st.sampled_from(_DAYS), st.sampled_from([50, 80, 100])), max_size=6)
)
def test_hours_together_equal_the_slow_way(rows: list[tuple[str, str, int]]) -> None:
    """X09 fires exactly when some day has more than 168 hours in two or more services."""
    extract = clean()
    extract.tables["tjeneste"] = []
    for begins, ends, hours in rows:
        extract.add_service("1", "9", tjFraDato=begins, tjTilDato=ends, tjTimerUke=f"{hours}.00")
    days = {begins for begins, _, _ in rows}
    sums = [[hours for begins, ends, hours in rows if begins <= day <= ends] for day in days]
    assert ("X09" in extract.fired()) == any(sum(hours) > 168 and len(hours) > 1 for hours in sums)


@given(st.text(max_size=12), st.sampled_from(["ICD-10", "ICPC-2", "", None]))
def test_diagnosis_form_takes_any_text(code: str, system: str | None) -> None:
    """Any text is judged without an error, and nothing but the two systems has a form."""
    assert diagnoses.has_form(system, code) in (True, False)
    assert system in ("ICD-10", "ICPC-2") or not diagnoses.has_form(system, code)


def test_diagnosis_file(tmp_path) -> None:
    """A code file gives codes by system, with or without their point; a wrong line is named."""
    path = tmp_path / "codes.csv"
    path.write_text("ICD-10;F00.0\n\nICPC-2;P70\n", encoding="utf-8")
    codes = diagnoses.load_codes(path)
    assert codes == {"ICD-10": frozenset({"F000"}), "ICPC-2": frozenset({"P70"})}
    assert diagnoses.known_in(codes)("ICD-10", "f00.0")
    assert not diagnoses.known_in(codes)("ICPC-2", "P71")
    path.write_text("ICD-10;F00.0\nDSM;1\n", encoding="utf-8")
    with pytest.raises(BadSettings, match="line 2"):
        diagnoses.load_codes(path)
    with pytest.raises(BadSettings, match="cannot be read"):
        diagnoses.load_codes(tmp_path / "absent.csv")


def test_rules_page_is_current() -> None:
    """docs/rules.md is what the rule files say for the letter's year."""
    page = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
    assert page.read_text(encoding="utf-8") == rules_markdown(load_year(2020))


def test_nothing_is_altered_or_left() -> None:
    """The rules alter no row, and leave no table behind but their findings."""
    extract = clean()
    work = extract.work()
    before = {table: list(work.select(table, columns)) for table, columns in work.columns.items()}
    create_finding_table(work)
    content.run_content_rules(work, extract.year, Catalogue(content_rules(extract.year)))
    assert {table: list(work.select(table, columns)) for table, columns in work.columns.items()} == before
    left = work.connection.execute("SELECT name FROM sqlite_temp_master").fetchall()
    assert left == []
