"""Suspects: each reason finds its person and no other, names are compared and not kept, and the published set holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from extract_rows import SHAPE, Values, small
from hypothesis import given
from hypothesis import strategies as st

from kpr.checks.content import content_rules
from kpr.errors import BadInput
from kpr.national_id import check_digits, make_synthetic
from kpr.persons.measure import as_table, measure
from kpr.persons.names import LIKELY, LISTED, MARKED, known_marks, read_names
from kpr.persons.suspects import Suspects, is_certain, keys_of, known_reasons, suspects
from kpr.sources.work_rows import load
from kpr.synth import SyntheticMunicipality
from kpr.synth.test_persons import KINDS, TestPersonSet
from kpr.years import load_year

YEAR = load_year(2020)
DOC = Path(__file__).parents[1] / "docs" / "test-persons.md"

#: Published synthetic numbers and computed ones (identifiers.md s. 5).
PLUS_80, PLUS_40, PLUS_65, D_PLUS_80 = "01818012337", "01418012354", "01668012058", "41818012088"


def found(
    *, production: bool = True, named: dict[str, frozenset[str]] | None = None, **tables: list[Values]
) -> Suspects:
    """Who is pointed at among these rows."""
    return suspects(load(small(**tables), SHAPE), YEAR, production=production, named=named)


def ident(fid: str, type_id: str = "1", pid: str = "1") -> list[Values]:
    """One row of the ident message."""
    return [{"pid": pid, "fid": fid, "typeID": type_id}]


# -- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fid", "type_id", "reason", "certain"),
    [
        (PLUS_80, "1", "SYNTHETIC_80", True),
        (D_PLUS_80, "2", "SYNTHETIC_80", True),
        (PLUS_65, "1", "SYNTHETIC_65", False),
        (PLUS_40, "1", "H_OR_SYNTHETIC_40", False),
        (PLUS_40, "3", "H_OR_SYNTHETIC_40", False),
        ("32138012345", "1", "NO_BIRTH_DATE", True),
    ],
)
def test_synthetic_ranges_are_told_apart(fid: str, type_id: str, reason: str, certain: bool) -> None:
    """+80 stops, +65 and +40 only ask: the last may be a lawful H-number."""
    assert found(ident=ident(fid, type_id)) == {"1": {reason}}
    assert is_certain([reason]) is certain


def test_synthetic_ids_are_welcome_where_nobody_is_real() -> None:
    """In simulator, test and QA everybody has an id with +80."""
    assert found(production=False) == {}


@pytest.mark.parametrize(("fid", "type_id"), [("80000000179", "12"), ("010180", "9"), ("123456789012", "10")])
def test_lawful_ids_are_passed_over(fid: str, type_id: str) -> None:
    """A common aid number, a birth date for someone without an id, a DUF number."""
    assert found(ident=ident(fid, type_id)) == {}


def test_one_id_under_several_keys_is_asked_about() -> None:
    """Both keys are named; the same free text under two keys says nothing."""
    persons: list[Values] = [{"pePeID": "1"}, {"pePeID": "2"}]
    twice = ident(PLUS_80) + ident(PLUS_80, pid="2")
    assert found(production=False, person=persons, ident=twice) == {"1": {"SAME_ID"}, "2": {"SAME_ID"}}
    assert found(person=persons, ident=ident("010180", "9") + ident("010180", "9", "2")) == {}


def test_a_name_in_place_of_the_id_is_compared_too() -> None:
    """The letter's own example, written where the id should be."""
    assert found(ident=ident("Donald Duck", "9")) == {"1": {"NAME_LISTED"}}
    assert found(ident=ident("Kari Nordmann", "9")) == {"1": {"NAME_LIKELY"}}


# -- keys, services, death -------------------------------------------------------------------------------------------


def test_the_vendors_keys_stand_out_of_the_municipalitys_own() -> None:
    """9999… points at the vendor only while no other key is as long: a municipality may count its way there."""
    persons: list[Values] = [{"pePeID": key} for key in ("1", "9998", "999901")]
    assert found(person=persons, ident=[], tjeneste=[]) == {"999901": {"VENDOR_KEY"}}
    persons.append({"pePeID": "100000"})
    assert found(person=persons, ident=[], tjeneste=[]) == {}


def test_services_of_a_test_organisation_point_at_a_test_person() -> None:
    """777777777 is the register family's test value."""
    service: list[Values] = [{"tjPeID": "1", "tjTjID": "1", "tjTjenType": "15", "tjInstOrgnr": "777777777"}]
    assert found(production=False, tjeneste=service) == {"1": {"TEST_UNIT"}}


@pytest.mark.parametrize(
    ("death", "end", "decision", "reasons"),
    [
        ("20191231", "20190601", "2", {"DEAD_BEFORE_YEAR"}),
        ("20200101", "20200101", "2", set()),
        ("20200301", "20200302", "2", {"SERVICE_AFTER_DEATH"}),
        ("20200301", None, "2", {"SERVICE_AFTER_DEATH"}),
        ("20200301", None, "1", set()),
        ("20210101", None, "2", {"SERVICE_AFTER_DEATH"}),
        ("", None, "2", set()),
    ],
)
def test_dead_persons(death: str, end: str | None, decision: str, reasons: set[str]) -> None:
    """E8: dead before the year, or a granted service that goes on after death; the day of death itself is in order."""
    person: list[Values] = [{"pePeID": "1", "peDodDato": death}]
    service: list[Values] = [
        {"tjPeID": "1", "tjTjID": "1", "tjVedtak": decision, "tjFraDato": "20190101", "tjTilDato": end}
    ]
    expected = {"1": reasons} if reasons else {}
    assert found(production=False, person=person, tjeneste=service) == expected


def test_e7_and_e8_fire_and_a_normal_year_is_quiet() -> None:
    """The public cases are found by their reasons; 300 ordinary persons give nobody, and no table is left behind."""
    faults = {"test-person": 3, "dead-before-year": 2, "active-after-death": 2, "no-birth-date": 1}
    work = load(SyntheticMunicipality(YEAR, 300, faults=faults), SHAPE)
    by_reason = [reason for reasons in suspects(work, YEAR, production=False).values() for reason in reasons]
    assert {reason: by_reason.count(reason) for reason in by_reason} == {
        "VENDOR_KEY": 3,
        "DEAD_BEFORE_YEAR": 2,
        "SERVICE_AFTER_DEATH": 2,
        "NO_BIRTH_DATE": 1,
    }
    clean = load(SyntheticMunicipality(YEAR, 300), SHAPE)
    assert suspects(clean, YEAR, production=False) == {}
    assert clean.connection.execute("SELECT count(*) FROM temp.sqlite_master").fetchone() == (0,)


def test_every_reason_names_a_rule_that_there_is() -> None:
    """A reason that stops is also told by a content rule; else nothing would stop."""
    rules = {rule.id for rule in content_rules(YEAR)}
    for name, reason in known_reasons().items():
        assert reason.rule in rules or (reason.rule is None and not reason.certain), name


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Donald Duck", LISTED),
        ("DUCK,  Donald 2", LISTED),
        ("Donald Fauntleroy Duck", LISTED),
        ("Testpasient12 Sone Vest", LISTED),
        ("Ola Nordmann", LIKELY),
        ("Donald Hansen", None),
        ("Tester Attesten", None),
        ("", None),
    ],
)
def test_names_are_compared_loosely(name: str, reason: str | None) -> None:
    """Capitals, order, digits and middle names do not matter; half a name is nobody."""
    assert known_marks().reason(name) == reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_list_of_names_is_read(encoding: str) -> None:
    """Name in one column or several, with or without marks, as spreadsheets save it; only keys and reasons come back."""
    text = "pid;Fornavn;Etternavn;Merke\r\n1;Pippi;Langstrømpe;\r\n2;Bjørn;Hansen;J\r\n3;Bjørn;Hansen;nei\r\n;;;\r\n"
    assert read_names(text.encode(encoding), known_marks(), "navn.csv") == {"1": {LISTED}, "2": {MARKED}}


@pytest.mark.parametrize(
    ("raw", "said", "place"),
    [
        (b"", "tom", "navn.csv"),
        (b"\x00\x01\x02", "ikke en tekstfil", "navn.csv"),
        (b"1;Donald Duck\n", "Overskriften", "linje 1"),
        (b"pid;navn;pid\n", "Overskriften", "linje 1"),
        (b"pid;navn\n1\n", "kolonner", "linje 2"),
        (b"pid;navn\n1;a\n;Donald Duck\n", "lokal", "linje 3"),
        (b'pid;navn\n1;"a\n', "CSV", "linje"),
    ],
)
def test_a_list_that_is_none_gets_one_sentence(raw: bytes, said: str, place: str) -> None:
    """The line is named, its content never."""
    with pytest.raises(BadInput) as caught:
        read_names(raw, known_marks(), "navn.csv")
    assert said in caught.value.problem
    assert place in caught.value.place
    assert caught.value.remedy
    assert "Duck" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_are_refused(raw: bytes) -> None:
    """Nothing else than BadInput comes of whatever file is given."""
    try:
        read = read_names(raw, known_marks(), "navn.csv")
    except BadInput:
        return
    assert all(reasons for reasons in read.values())


def test_names_of_others_are_passed_over() -> None:
    """The care-record system's list may hold people who are not in the extract."""
    named = {"1": frozenset({LISTED}), "77": frozenset({LISTED})}
    assert found(production=False, named=named) == {"1": {LISTED}}


# -- the published set -------------------------------------------------------------------------------------------------


def test_the_published_set_is_the_same_each_time() -> None:
    """The seed alone decides; every kind is there, and the rest is lawful."""
    small_set = TestPersonSet(YEAR, lawful=100, of_each=5)
    again = TestPersonSet(YEAR, lawful=100, of_each=5)
    assert [batch.rows for batch in small_set.batches()] == [batch.rows for batch in again.batches()]
    assert small_set.names() == again.names()
    assert sorted(small_set.truth.values()) == sorted(kind for kind in KINDS for _ in range(5))
    assert len(keys_of(load(small_set, SHAPE))) == 100 + 5 * len(KINDS)


def test_no_id_of_the_published_set_can_be_anybodys() -> None:
    """Every id of eleven digits has wrong check digits, by the old rule and by that of 2032."""
    ids = [row[0] for row in load(TestPersonSet(YEAR, lawful=600, of_each=20), SHAPE).select("ident", ["fid"])]
    long = [fid for fid in ids if fid is not None and len(fid) == 11]
    assert len(long) > 500
    assert {check_digits(fid) for fid in long} == {(False, False)}
    assert make_synthetic(YEAR.first_day, 500) not in long


def test_the_docs_carry_the_measured_numbers() -> None:
    """Precision and recall stand in docs/test-persons.md as ``kpr persons measure`` gives them."""
    text = DOC.read_text("utf-8")
    between = re.search(r"<!-- measured -->\n\n(.*?)\n\n<!-- /measured -->", text, re.DOTALL)
    assert between is not None
    assert between[1] == as_table(measure())


def test_the_measure_finds_what_can_be_found() -> None:
    """Every kind with a mark in the extract is found whole; names need their list; the unmarked are nobody's to find."""
    measured = measure()
    whole = {"synthetic-80", "synthetic-65", "synthetic-40", "no-birth-date", "vendor-key", "test-unit"}
    assert {measured.kinds[kind] for kind in whole} == {(measured.of_each, measured.of_each)}
    assert measured.kinds["marked"] == (0, measured.of_each)
    assert 0 == measured.kinds["named"][0] < measured.kinds["named"][1] < measured.of_each
    assert measured.kinds["unmarked"] == (0, 0)
    certain = measured.totals[1]
    assert certain.precision is not None
    assert certain.precision > 0.99
