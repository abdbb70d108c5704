"""The synthetic care-record system: clean unless asked otherwise, the same for the same seed, and nobody real."""

from __future__ import annotations

import filecmp
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from extract_rows import everything
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks.content import ContentOptions
from kpr.checks.facts import service_type_counts
from kpr.checks.finding import Severity
from kpr.checks.rules import RuleCount
from kpr.checks.run import check
from kpr.errors import BadSettings
from kpr.messages.schemas import payload_schema
from kpr.messages.shape import iplos_shape
from kpr.national_id import IdKind, birth_date, check_digits, kind_of, sex_of
from kpr.sources.contract import Batch
from kpr.sources.open import source_from, spec_of
from kpr.sources.work_rows import WorkRows, load
from kpr.synth import SyntheticMunicipality
from kpr.synth.faults import FAULTS, HEAD_FAULTS
from kpr.synth.write import write_csv, write_sqlite, write_xml
from kpr.years import known_years, load_year

PERSONS = 60

#: Faults that show in the numbers of a whole municipality.
WHOLE = {"swapped-refusal", "no-dwelling", "no-alarm", "bpa-instead"}


def made(data_year: int = 2020, persons: int = PERSONS, **asked: object) -> WorkRows:
    """A synthetic municipality as work rows."""
    year = load_year(data_year)
    return load(SyntheticMunicipality(year, persons, **asked), iplos_shape(year.iplos_version.value))  # type: ignore[arg-type]


@cache
def options(data_year: int) -> ContentOptions:
    """What the officer of this municipality has set, and last year's numbers: those of the clean extract."""
    last_year = service_type_counts(made(data_year), load_year(data_year))
    return ContentOptions(municipality_number="1103", vendor_keys=("9999*",), last_year=last_year)


def counts(data_year: int, persons: int = PERSONS, **asked: object) -> dict[str, RuleCount]:
    """The rules that fire, with how often."""
    found = check(made(data_year, persons, **asked), load_year(data_year), options(data_year))
    return {count.rule: count for count in found.counts}


@cache
def clean_rules(data_year: int) -> frozenset[str]:
    """The rules that fire when nothing is wrong."""
    return frozenset(counts(data_year))


# -- clean -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_year", known_years())
def test_without_faults_nothing_is_found(data_year: int) -> None:
    """In every data year nothing is above INFO but that last year is not known, and the register keeps everything."""
    work = made(data_year, 400, services_per_person=4)
    found = check(work, load_year(data_year), ContentOptions(municipality_number="1103"))
    assert {count.rule for count in found.counts if count.severity is not Severity.INFO} == {"X32b"}
    assert found.prediction.persons_kept == found.prediction.persons == 400
    assert all(kept == rows for rows, kept in found.prediction.rows.values())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), data_year=st.sampled_from([2018, 2019, 2020, 2026]))
def test_every_seed_is_clean(seed: int, data_year: int) -> None:
    """Cleanness is no luck of one seed."""
    found = check(made(data_year, 40, seed=seed), load_year(data_year), ContentOptions(municipality_number="1103"))
    assert {count.rule for count in found.counts if count.severity is not Severity.INFO} == {"X32b"}


@pytest.mark.parametrize("data_year", [2018, 2020])
def test_the_exported_files_are_valid(tmp_path: Path, data_year: int) -> None:
    """What the synthetic system exports follows the schemas of its data year."""
    from lxml import etree

    year = load_year(data_year)
    paths = write_xml(SyntheticMunicipality(year, 200), year, tmp_path)
    versions = (("iplos", year.iplos_version.value), ("ident", year.ident_version.value))
    for path, (family, version) in zip(paths, versions, strict=True):
        payload_schema(family, version).assertValid(etree.parse(path))


def test_the_municipality_has_the_measures_that_were_asked_for() -> None:
    """About 2.2 types and 4 services per person, refusals among them, and a full set of scores for the assessed."""
    work = made(2020, 2000, services_per_person=4)
    persons = work.count("person")
    types = Counter(row[0] for row in set(work.select("tjeneste", ("person_row", "tjTjenType"))))
    refused = sum(row[0] == "1" for row in work.select("tjeneste", ("tjVedtak",)))
    scores = Counter(row[0] for row in work.select("funksjon", ("person_row",)))
    assert work.count("tjeneste") / persons == pytest.approx(4, abs=0.15)
    assert sum(types.values()) / persons == pytest.approx(2.4, abs=0.2)
    assert refused / work.count("tjeneste") == pytest.approx(0.07, abs=0.03)
    assert set(scores.values()) == {20}
    assert 0.8 < len(scores) / persons < 1
    assert 1 < work.count("personoppl") / persons < 2
    assert 0.3 < work.count("diagnose") / persons < 0.5
    assert 0.04 < work.count("dogntilbud") / persons < 0.12


@pytest.mark.parametrize("data_year", [2018, 2020])
def test_every_service_type_of_the_year_occurs(data_year: int) -> None:
    """Each type that may be sent that year has somebody, and no other type has anybody."""
    types = {row[0] for row in made(data_year, 8000).select("tjeneste", ("tjTjenType",))}
    assert types == set(load_year(data_year).service_types)


# -- nobody real, and always the same --------------------------------------------------------------------------------


def test_every_id_is_synthetic_its_own_and_fits_its_person() -> None:
    """Month + 80, right check digits, no id twice, and birth year and sex as the message says."""
    work = made(2020, 2000)
    ids = dict(work.select("ident", ("pid", "fid")))
    assert len(set(ids.values())) == 2000
    for key, age, sex in work.select("person", ("pePeID", "peAlder", "peKjonn")):
        fid = str(ids[key])
        born = birth_date(fid)
        assert kind_of(fid) is IdKind.SYNTHETIC_80
        assert check_digits(fid)[0]
        assert born is not None
        assert str(2020 - born.year) == age
        assert sex_of(fid) == sex


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs give equal files, another seed gives others."""
    year = load_year(2020)
    first, again, other = (
        write_xml(SyntheticMunicipality(year, 30, seed), year, tmp_path / name)
        for seed, name in ((1, "first"), (1, "again"), (2, "other"))
    )
    for one, two, three in zip(first, again, other, strict=True):
        assert filecmp.cmp(one, two, shallow=False)
        assert not filecmp.cmp(one, three, shallow=False)


def test_more_persons_are_the_same_persons_and_more() -> None:
    """The first persons do not depend on how many follow."""
    few, many = (list(made(persons=count).select("person", ("pePeID", "peAlder"))) for count in (20, 700))
    assert many[:20] == few


def test_marked_ids_are_given_to_the_first_persons() -> None:
    """A canary's ids stand on the first persons, whose age and sex are made to fit; nothing else is found."""
    marked = ("01818012337", "01818012094")
    work = made(marked=marked, role="Rolle Kanari")
    assert [row[0] for row in work.select("ident", ("fid",))][:2] == list(marked)
    assert list(work.select("person", ("peAlder", "peKjonn")))[:2] == [("40", "M"), ("40", "K")]
    assert {row[0] for row in work.select("iikontakt", ("Navn",))} == {"Rolle Kanari 1", "Rolle Kanari 2"}
    assert set(counts(2020, marked=marked)) == clean_rules(2020)


# -- faults ----------------------------------------------------------------------------------------------------------


def possible(data_year: int) -> list[str]:
    """The faults that can exist in the data year."""
    return [name for name, fault in FAULTS.items() if fault.first_year <= data_year]


@pytest.mark.parametrize(("data_year", "name"), [(year, name) for year in (2018, 2020) for name in possible(year)])
def test_a_fault_is_found_by_the_rules_that_it_names(data_year: int, name: str) -> None:
    """Every rule that the fault names fires, none of them fires without it, and it hits as many as were asked for."""
    asked = PERSONS if name in WHOLE else 3
    found = counts(data_year, faults={name: asked})
    new = set(found) - clean_rules(data_year)
    assert set(FAULTS[name].rules) <= new
    if name not in WHOLE:
        hit = found[FAULTS[name].rules[0]]
        assert (hit.persons or hit.count) == asked


@pytest.mark.parametrize("name", HEAD_FAULTS)
def test_a_fault_of_the_head_is_found_by_the_rules_that_it_names(name: str) -> None:
    """Faults of the rows that stand once are found too."""
    assert set(HEAD_FAULTS[name].rules) <= set(counts(2020, faults={name: 1})) - clean_rules(2020)
    assert set(counts(2020, faults={name: 0})) == clean_rules(2020)


def test_faults_touch_only_the_persons_that_they_are_given_to() -> None:
    """Everybody else is as in the clean extract."""
    clean, spoilt = (
        set(made(faults=faults).select("person", ("pePeID", "peKjonn"))) for faults in ({}, {"unknown-sex": 3})
    )
    assert len(clean - spoilt) == 3


def test_without_any_id_the_whole_ident_half_is_missed() -> None:
    """The case of a missing ident message (E12): nobody has an ident row, and rule I01 says so."""
    assert "I01" in counts(2020, faults={"missing-ident": PERSONS})


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ({"no-such-fault": 1}, "no fault called"),
        ({"unknown-sex": PERSONS + 1}, "more faults than persons"),
        ({"unknown-sex": PERSONS, "retired-code": 1}, "more faults than persons"),
    ],
)
def test_a_fault_that_cannot_be_had_is_refused(faults: dict[str, int], problem: str) -> None:
    """A slip in a name or a number is a sentence, not a clean extract."""
    with pytest.raises(BadSettings, match=problem):
        made(faults=faults)


def test_a_fault_that_the_year_cannot_have_is_refused() -> None:
    """Code 12 is no fault in 2018, so nobody gets it as one."""
    with pytest.raises(BadSettings, match="cannot exist in data year 2018"):
        made(2018, faults={"retired-code": 1})


def test_faults_come_through_every_way_out(tmp_path: Path) -> None:
    """XML and CSV of a spoilt municipality are read back to the rows that the checks see directly."""
    year, shape = load_year(2020), iplos_shape("3.7")
    ways_alike = [name for name in FAULTS if name not in ("row-of-another", "decimal-comma")]
    faults = dict.fromkeys(ways_alike, 1) | {"duplicate-key": 5, "other-number": 1}
    source = SyntheticMunicipality(year, 1200, faults=faults)  # more than one round of persons
    direct = everything(source)
    xml = source_from(spec_of(write_xml(source, year, tmp_path / "xml")[0]), shape)
    tables = source_from(spec_of(write_csv(source, tmp_path / "csv")), shape)
    assert everything(xml) == direct
    assert everything(tables) == direct


def test_a_database_is_written_anew(tmp_path: Path) -> None:
    """A second run in the same place leaves no row of the first."""
    import sqlite3
    from contextlib import closing

    year, path = load_year(2020), tmp_path / "epj.db"
    for persons in (5, 3):
        write_sqlite(SyntheticMunicipality(year, persons), year, path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM person").fetchone() == (3,)


def test_a_large_municipality_is_never_held_whole() -> None:
    """Batches stay small however many persons there are, and the first one comes at once."""
    batches = SyntheticMunicipality(load_year(2020), 400_000).batches()
    first: list[Batch] = [next(batches) for _ in range(20)]
    assert max(len(batch.rows) for batch in first) < 20_000
