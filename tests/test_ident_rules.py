"""Ident rules: each fault in ids, contacts or the link between the two messages makes exactly its rule speak (I01-I16)."""

from __future__ import annotations

from datetime import date

import pytest
from clean_extract import MAN, Extract, clean, findings, numbered, synthetic
from hypothesis import given
from hypothesis import strategies as st

from kpr.checks.ident_facts import IdentFact, judge
from kpr.checks.rule_data import rule_rows

OTHER_MAN = synthetic(date(1980, 1, 1), 201)


def ident(**values: str | None):
    """A fault in the first ident row."""

    def spoil(extract: Extract) -> None:
        extract.tables["ident"][0].update(values)

    return spoil


def melding(**values: str | None):
    """A fault in the header of the ident message."""

    def spoil(extract: Extract) -> None:
        extract.tables["melding"][0].update(values)

    return spoil


def one_more(key: str, fid: str | None, **values: str):
    """One more person."""

    def spoil(extract: Extract) -> None:
        extract.add_person(key, fid, **values)

    return spoil


def _no_ids(extract: Extract) -> None:
    extract.tables["ident"] = []


def _one_id_less(extract: Extract) -> None:
    extract.tables["ident"].pop()


def _same_id_row_twice(extract: Extract) -> None:
    extract.tables["ident"].append(dict(extract.tables["ident"][0]))


def _id_without_person(extract: Extract) -> None:
    extract.tables["ident"].append({"pid": "77", "fid": OTHER_MAN, "typeID": "1"})


def _other_municipality(extract: Extract) -> dict[str, object]:
    return {"municipality_number": "4601"}


def _key_of_before(extract: Extract) -> dict[str, object]:
    return {"former_ident": {MAN: "5"}}


def _contact(kind: str | None):
    def spoil(extract: Extract) -> None:
        contacts = extract.tables["kontaktperson"]
        extract.tables["kontaktperson"] = [row for row in contacts if row["typeKontaktperson"] != "15"]
        if kind:
            extract.tables["kontaktperson"] = [*contacts, {"kontPerson": "Rolle B", "typeKontaktperson": kind}]

    return spoil


#: Rules that must fire and no others, fault, data year.
CASES = [
    ({"I01"}, _no_ids, 2020),
    ({"I02"}, melding(lopenr="2"), 2020),
    ({"I03a"}, melding(fraDatoPeriode="2019-01-01"), 2020),
    ({"I03a"}, melding(tilDatoPeriode="2019-12-31"), 2020),
    ({"I03b"}, _other_municipality, 2020),
    ({"I04a"}, _one_id_less, 2020),
    ({"I04b"}, _same_id_row_twice, 2020),
    ({"I05"}, _id_without_person, 2020),
    ({"I06"}, one_more("3", MAN), 2020),
    ({"I07"}, _key_of_before, 2020),
    ({"I08"}, one_more("ABC", OTHER_MAN), 2020),
    ({"I08"}, one_more("1" * 12, OTHER_MAN), 2020),
    ({"I09"}, one_more("9" * 11, OTHER_MAN), 2020),
    ({"I09", "I13a"}, one_more("4711", "4711", type_id="9"), 2020),
    ({"I10a"}, ident(fid=None), 2020),
    ({"I10a"}, ident(fid=""), 2020),
    ({"I10b"}, ident(fid=MAN[:-1] + "8"), 2020),
    ({"I10b"}, ident(fid=MAN[:-1]), 2020),
    ({"I10b"}, ident(typeID="2"), 2020),
    ({"I10c", "I13a"}, ident(typeID="12"), 2020),
    ({"I10c"}, ident(fid="1" * 11, typeID="10"), 2020),
    ({"I10d"}, ident(fid=numbered("018180", 123, (False, True))), 2020),
    ({"I13a"}, ident(fid="X123456", typeID="4"), 2020),
    ({"I13a"}, ident(fid="010180", typeID="9"), 2020),
    ({"I13a", "X29e"}, ident(fid="310280", typeID="9"), 2020),
    ({"I13b"}, ident(typeID="11"), 2020),
    ({"I13b"}, ident(typeID=None), 2020),
    ({"I14"}, _contact(None), 2020),
    ({"I15"}, _contact("17"), 2018),
    ({"I15"}, _contact("18"), 2020),
    ({"I16"}, ident(fid="Rolle A"), 2020),
    ({"I16", "I13a"}, ident(fid="Rolle", typeID="9"), 2020),
]


@pytest.mark.parametrize(("rules", "spoil", "data_year"), CASES, ids=[f"{min(c[0])}-{i}" for i, c in enumerate(CASES)])
def test_fault_makes_its_rule_speak(rules: set[str], spoil, data_year: int) -> None:
    """One fault makes exactly its own rules speak."""
    usual = clean(data_year).fired()
    extract = clean(data_year)
    said = spoil(extract) or {}
    assert extract.fired(**said) - usual == rules


def test_every_rule_has_a_case() -> None:
    """Every ident rule that is checked here has a fault that fires it, and I01-I16 are all there."""
    here = {row.id for row in rule_rows("ident-rules.yaml") if row.elsewhere is None}
    assert here <= {rule for rules, _, _ in CASES for rule in rules}
    assert {row.id[:3] for row in rule_rows("ident-rules.yaml")} == {f"I{number:02d}" for number in range(1, 17)}


@pytest.mark.parametrize(
    ("what", "fid", "type_id"),
    [
        ("a D-number, synthetic", numbered("418180"), "2"),
        ("a DUF number", "2" * 12, "10"),
        ("a number born on a leap day", synthetic(date(1984, 2, 29), 201), "1"),
    ],
)
def test_good_id_is_quiet(what: str, fid: str, type_id: str) -> None:
    """A lawful id of another kind makes no rule speak."""
    extract = clean()
    extract.tables["person"][0]["peAlder"] = "36" if "leap" in what else "40"
    extract.tables["ident"][0].update(fid=fid, typeID=type_id)
    assert extract.fired() <= clean().fired()


def test_headers_without_numbers_are_quiet() -> None:
    """An extract that leaves number and period to the tool is not compared with itself."""
    extract = clean()
    extract.tables["melding"] = []
    extract.tables["kontaktperson"] = []
    extract.tables["innhinfo"][0].update(versjon=None, iiLopenr=None)
    assert extract.fired() <= clean().fired()


def test_same_municipality_is_quiet() -> None:
    """The municipality of the settings in the header is no fault."""
    assert clean().fired(municipality_number="0301") <= clean().fired()


def test_same_key_with_new_number_is_quiet() -> None:
    """A D-number that has become a fødselsnummer keeps its key and is no fault."""
    assert clean().fired(former_ident={OTHER_MAN: "1", MAN: "1"}) <= clean().fired()


def test_long_key_is_told_by_row_only() -> None:
    """A key that may be a national id is not shown: row number only."""
    extract = clean()
    extract.add_person("9" * 11, OTHER_MAN)
    places = {(row[1], row[3], row[5]) for row in findings(extract) if row[0] == "I09"}
    assert places == {("PasientIdent", 3, None), ("PERSON", 3, None)}


@given(st.text(max_size=14), st.one_of(st.none(), st.sampled_from(["1", "2", "3", "4", "9", "10", "11", "12", "x"])))
def test_any_id_is_judged(fid: str, type_id: str | None) -> None:
    """Any text is judged without an error, and never holds the text itself."""
    fact = judge(fid, type_id)
    assert isinstance(fact, IdentFact)
    assert fid not in [part for part in fact if isinstance(part, str)] or fid in ("M", "K")


@given(st.dates(date(1940, 1, 1), date(1999, 12, 31)), st.integers(0, 400))
def test_synthetic_number_is_never_real(day: date, serial: int) -> None:
    """A number with month + 80 is valid, tells its year, and is not taken for a real person."""
    fact = judge(synthetic(day, serial), "1")
    assert (fact.kind, fact.birth_year, fact.real, fact.faulty) == ("SYNTHETIC_80", day.year, False, False)
    assert fact.sex == ("M" if serial % 2 else "K")
