"""The data years: what each one says, how sure it is, and what a file outside the package may change."""

from __future__ import annotations

import copy
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from lxml import etree
from pydantic import ValidationError

from kpr.errors import BadSettings
from kpr.years import Mark, Marked, Milestone, Profile, Year, known_years, load_year
from kpr.years.load import DATA
from kpr.years.model import EbxmlNames

C, P, A = Mark.CONFIRMED, Mark.PROBABLE, Mark.ASSUMED

#: data year: IPLOS version, its mark, ident version, its mark
FORMATS = {
    2018: ("3.5", C, "53.1.2", C),
    2019: ("3.7", C, "53.1.3", P),
    2020: ("3.7", C, "53.1.3", A),
    2021: ("3.7", C, "53.1.3", A),
    2022: ("3.7", P, "53.1.3", A),
    2023: ("3.7", P, "53.1.3", A),
    2024: ("3.7", P, "53.1.3", A),
    2025: ("3.7", P, "53.1.3", A),
    2026: ("3.7", A, "53.1.3", A),
}
#: data year: receiver in production and its mark, QA, test
RECEIVERS = {
    2018: ("134197", C, None, None),
    2019: ("134197", C, None, None),
    2020: ("134197", C, None, None),
    2021: ("134197", C, None, None),
    2022: ("134197", P, None, None),
    2023: ("122612", C, "171479", "8133973"),
    2024: ("122612", A, "171479", "8133973"),
    2025: ("122612", A, "171479", "8133973"),
    2026: ("122612", A, "171479", "8133973"),
}
#: data year: its milestones in the order of the file
MILESTONES = {
    2018: {
        "trial_opens": "2018-11-01",
        "opens": "2019-01-02",
        "ordinary": "2019-01-15",
        "extended": "2019-02-15",
        "preliminary_publication": "2019-03-15",
        "final_publication": "2019-06-24",
    },
    2019: {
        "opens": "2020-01-02",
        "ordinary": "2020-01-15",
        "preliminary_publication": "2020-03-15",
        "absolute_last": "2020-03-31",
    },
    2020: {
        "opens": "2021-01-02",
        "ordinary": "2021-01-15",
        "corrections_preliminary": "2021-02-10",
        "preliminary_publication": "2021-03-15",
        "absolute_last": "2021-03-26",
    },
    2021: {},
    2022: {"opens": "2023-01-02", "final_publication": "2023-06-29"},
    2023: {
        "opens": "2024-01-02",
        "ordinary": "2024-01-15",
        "corrections": "2024-01-15",
        "preliminary_publication": "2024-03-15",
        "final_publication": "2024-06-17",
    },
    2024: {},
    2025: {},
    2026: {},
}

# -- what the package knows -------------------------------------------------------------------------------------


def test_known_years() -> None:
    """The package knows 2018, the first year to KPR, to 2026."""
    assert known_years() == tuple(range(2018, 2027))


@pytest.mark.parametrize("year", known_years())
def test_formats(year: int) -> None:
    """Versions and namespaces are those of the data year, and as sure as their sources."""
    known = load_year(year)
    said = known.iplos_version, known.ident_version
    assert tuple(part for version in said for part in (version.value, version.mark)) == FORMATS[year]
    assert known.iplos_namespace.value == f"http://www.npr.no/xmlstds/iplos/{2018 if year == 2018 else 2019}"
    ident = known.ident_version.value.replace(".", "_")
    assert known.ident_namespace.value == f"http://www.npr.no/xmlstds/{ident}_ide"


@pytest.mark.parametrize("year", known_years())
def test_formats_are_those_of_the_official_schemas(year: int, official: Path) -> None:
    """The official schema of the year declares the same namespace and fixes the same version."""
    known = load_year(year)
    iplos = "iplos-2018/iplos_2018_sender.xsd" if year == 2018 else "iplos-2019/iplos_2019.xsd"
    ident = f"ident-{known.ident_version.value}/XPR(ide).xsd"
    for file, namespace, version in (
        (iplos, known.iplos_namespace, known.iplos_version),
        (ident, known.ident_namespace, known.ident_version),
    ):
        root = etree.parse(official / "schemas" / file).getroot()
        assert root.get("targetNamespace") == namespace.value
        assert root.xpath("//*[@name='versjon']/@fixed") == [version.value]


@pytest.mark.parametrize("year", known_years())
def test_receivers(year: int) -> None:
    """The HER-ids are those of the register owner's pages; from 2024 on they are only assumed to hold."""
    known = load_year(year)
    qa, test = known.receiver_qa, known.receiver_test
    said = known.receiver_production.value, known.receiver_production.mark, qa and qa.value, test and test.value
    assert said == RECEIVERS[year]
    assert {item.mark for item in (qa, test) if item} <= {RECEIVERS[year][1]}
    assert known.edi_address.value == "kpr@edi.nhn.no"


@pytest.mark.parametrize("year", known_years())
def test_milestones(year: int) -> None:
    """Each year has the milestones that were found for it, and no other: unknown ones are absent."""
    known = load_year(year)
    assert {item.id: f"{item.date}" for item in known.milestones} == MILESTONES[year]
    assert all(item.source for item in known.milestones)
    assert not any(item.mark is A for item in known.milestones)


@pytest.mark.parametrize("year", known_years())
def test_what_does_not_differ(year: int) -> None:
    """Message types, limits and hours are the same in every year so far."""
    known = load_year(year)
    assert (known.message_type_ident.value, known.message_type_iplos.value) == ("KPR_IDE", "KPR_IPL")
    assert (known.ack_hours.value, known.ident_feedback_hours.value) == (96, 4)
    assert (known.max_bytes_amqp.value, known.max_bytes_edi.value) == (1_000_000, 50_000_000)
    assert known.not_receiving_code.value == "3"
    assert known.function_set.value == (18 if year == 2018 else 20)
    assert (known.data_year, known.first_day, known.last_day) == (year, date(year, 1, 1), date(year, 12, 31))


@pytest.mark.parametrize("year", known_years())
def test_every_value_has_a_source(year: int) -> None:
    """No value stands without a source."""
    values = [getattr(load_year(year).profile, name) for name in Profile.model_fields]
    marked = [value for value in values if isinstance(value, Marked)]
    assert len(marked) > 14
    assert all(value.source.strip() for value in marked)


# -- the letter -------------------------------------------------------------------------------------------------


def test_the_letters_dates() -> None:
    """The letter's three dates (L1, L3, L4) are confirmed milestones of data year 2020."""
    known = load_year(2020)
    for name, day, source in (
        ("ordinary", date(2021, 1, 15), "letter L1"),
        ("corrections_preliminary", date(2021, 2, 10), "letter L3"),
        ("preliminary_publication", date(2021, 3, 15), "letter L3"),
        ("absolute_last", date(2021, 3, 26), "letter L4"),
    ):
        milestone = known.milestone(name)
        assert milestone is not None
        assert (milestone.date, milestone.source, milestone.mark) == (day, source, C)


def test_what_the_corrections_count_in() -> None:
    """Corrections by 10 February count in the preliminary publication; the opening of the season is only probable."""
    known = load_year(2020)
    assert {item.id: item.counts_in for item in known.milestones if item.counts_in} == {
        "corrections_preliminary": "preliminary_publication"
    }
    assert [item.id for item in known.milestones if item.mark is not C] == ["opens"]
    assert known.milestone("extended") is None


# -- routes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "use", "address"),
    [
        (date(2021, 2, 1), "professional", "iplos@helsedir.no"),
        (date(2021, 2, 1), "technical", "registervakt@kundesenter.nhn.no"),
        (date(2021, 12, 31), "technical", "registervakt@kundesenter.nhn.no"),
        (date(2023, 11, 1), "test", "iplos.prosjekt@helsedir.no"),
        (date(2024, 1, 1), "all", "kpr@fhi.no"),
        (date(2024, 1, 1), "technical", "kpr@fhi.no"),
        (date(2030, 1, 1), "professional", "kpr@fhi.no"),
        (date(2017, 12, 31), "all", None),
    ],
)
def test_contact_on_a_day(day: date, use: str, address: str | None) -> None:
    """The route is the one valid on the day it is asked for, whatever the data year: the owner changed in 2024."""
    for year in (2020, 2023, 2026):
        route = load_year(year).contact_on(day, use)
        assert (route.address if route else None) == address


def test_the_owner_changed_in_2024() -> None:
    """The new owner's mailbox is not used before its first day, and a special use falls back to the one for all."""
    before = load_year(2023).contact_on(date(2023, 12, 31))
    assert before is None or before.address != "kpr@fhi.no"


# -- how sure ---------------------------------------------------------------------------------------------------

EBXML = {f"ebxml.{name}" for name in EbxmlNames.model_fields}
ALWAYS_ASSUMED = {"ident_version", "not_receiving_code", "ident_feedback_hours"} | EBXML
AFTER_2023 = {"receiver_production", "receiver_qa", "receiver_test", "edi_address"}
AFTER_2023 |= {"message_type_ident", "message_type_iplos"}


@pytest.mark.parametrize(
    ("year", "assumed"),
    [
        (2018, {"ident_feedback_hours"} | EBXML),
        (2019, ALWAYS_ASSUMED - {"ident_version"}),
        (2020, ALWAYS_ASSUMED),
        (2023, ALWAYS_ASSUMED),
        (2024, ALWAYS_ASSUMED | AFTER_2023),
        (2025, ALWAYS_ASSUMED | AFTER_2023),
        (2026, ALWAYS_ASSUMED | AFTER_2023 | {"iplos_version"}),
    ],
)
def test_assumed(year: int, assumed: set[str]) -> None:
    """What is only assumed is named, so that production can wait for a person to confirm it."""
    said = dict(load_year(year).assumed())
    assert set(said) == assumed
    assert all(value.mark is A for value in said.values())


def test_assumed_dates_are_named(tmp_path: Path) -> None:
    """A date that is only assumed is named among the assumed values, so that production waits for it too."""
    said = loaded(tmp_path, "milestones: [{id: ordinary, date: 2025-01-15, source: guess, mark: assumed}]", 2020)
    assert dict(said.assumed())["milestones.ordinary"].value == date(2025, 1, 15)


def test_ebxml_names_can_be_confirmed(tmp_path: Path) -> None:
    """A file that gives the names of the envelope with other marks takes them off the list of assumed values."""
    row = "{value: '{type}', source: mail from the register, mark: confirmed}"
    ours = loaded(tmp_path, "ebxml: {" + ", ".join(f"{name}: {row}" for name in EbxmlNames.model_fields) + "}")
    assert not EBXML & set(dict(ours.assumed()))
    assert load_year(2020).ebxml.service.value == "S-{type}"


# -- the object -------------------------------------------------------------------------------------------------


def test_a_year_is_loaded_once() -> None:
    """The same year is the same object, so that asking is free."""
    assert load_year(2020) is load_year(2020)


def test_unknown_attributes_are_errors() -> None:
    """A misspelt name is an AttributeError, never a silent None; a year can be copied."""
    for name in ("recieiver_production", "_nothing"):
        with pytest.raises(AttributeError):
            getattr(load_year(2020), name)
    assert copy.copy(load_year(2020)).data_year == 2020


def test_values_are_frozen() -> None:
    """Nobody can change a value of a year in passing."""
    with pytest.raises(ValidationError):
        load_year(2020).iplos_version.value = "3.8"


# -- overrides --------------------------------------------------------------------------------------------------


def loaded(folder: Path, text: str, year: int = 2020) -> Year:
    """The year with a file outside the package laid over it."""
    file = folder / "our-year.yaml"
    file.write_text(text, encoding="utf-8")
    return load_year(year, file)


def test_an_override_changes_what_it_names(tmp_path: Path) -> None:
    """A file with next year's ident version changes that alone."""
    text = """
      ident_version: {value: "54.0.1", source: "mail from the register", mark: confirmed}
      ident_namespace: {value: "http://www.npr.no/xmlstds/54_0_1_ide", source: "schema 54.0.1", mark: confirmed}
    """
    ours, packaged = loaded(tmp_path, text), load_year(2020)
    assert (ours.ident_version.value, ours.ident_version.mark) == ("54.0.1", C)
    differing = {name for name in Profile.model_fields if getattr(ours, name) != getattr(packaged, name)}
    assert differing == {"ident_version", "ident_namespace"}
    assert "ident_version" not in dict(ours.assumed())


def test_an_override_gives_milestones(tmp_path: Path) -> None:
    """A year without known dates gets them from the municipality's own file."""
    text = "milestones: [{id: ordinary, date: 2025-01-15, source: the register's page, mark: confirmed}]"
    assert loaded(tmp_path, text, 2024).milestones == (
        Milestone(id="ordinary", date=date(2025, 1, 15), source="the register's page", mark=C),
    )


def test_a_year_that_the_package_does_not_know(tmp_path: Path) -> None:
    """A file can add data year 2027, based on a known one."""
    ours = loaded(tmp_path, "{based_on: 2026, data_year: 2027, milestones: []}", 2027)
    assert (ours.data_year, ours.first_day, ours.last_day) == (2027, date(2027, 1, 1), date(2027, 12, 31))
    assert ours.receiver_production == load_year(2026).receiver_production
    assert ours.codes("tjTjenType") == load_year(2026).codes("tjTjenType")


def test_an_override_adds_codes(tmp_path: Path) -> None:
    """A service type and a whole list can be given from outside; the package's own stay as they were."""
    text = """
      service_types: [{code: '30', text: Ny tjeneste, group: velferdsteknologi, obligations: D, organisation: none}]
      lists: {"9335": {source: ours, codes: [{code: '4', text: Annet}]}}
    """
    ours = loaded(tmp_path, text)
    assert set(ours.service_types) == set(load_year(2020).service_types) | {"30"}
    assert list(ours.codes("poHusstand")) == ["4"]
    assert list(load_year(2020).codes("poHusstand")) == ["1", "2", "3"]


def test_an_override_changes_a_service_type(tmp_path: Path) -> None:
    """A service type with a known code takes the place of the package's own."""
    row = "{code: '6', text: Ny tekst, group: velferdsteknologi, obligations: D, organisation: none}"
    ours = loaded(tmp_path, f"service_types: [{row}]").service_types
    assert (ours["6"].text_nb, ours["6"].obligations) == ("Ny tekst", "D")
    assert set(ours) == set(load_year(2020).service_types)


@pytest.mark.parametrize(
    ("year", "text", "says"),
    [
        (2020, "nonsense: 1", "'nonsense'"),
        (2020, "data_year: 2021", "2021"),
        (2020, "ident_version: 57.0.1", "ident_version"),
        (2020, "ident_version: {value: 57, source: s, mark: confirmed}", "ident_version.value"),
        (2020, "ident_version: {value: '57.0.1', mark: confirmed}", "ident_version.source"),
        (2020, "ident_version: {value: '57.0.1', source: s, mark: sure}", "ident_version.mark"),
        (2020, "ident_version: {value: '57.0.1', source: s, mark: confirmed, by: me}", "ident_version.by"),
        (2020, "ack_hours: {value: many, source: s, mark: confirmed}", "ack_hours.value"),
        (2020, "milestones: null", "milestones"),
        (2020, "milestones: [{id: ordinary, date: soon, source: s, mark: confirmed}]", "milestones.0.date"),
        (2020, "contacts: [{address: a@b.no, use: all, source: s, mark: confirmed}]", "contacts.0.from"),
        (2020, "", "our-year.yaml"),
        (2020, "- a list", "our-year.yaml"),
        (2020, "{a: b", "our-year.yaml"),
        (2020, "milestones: [{id: a, date: 2021-13-01, source: s, mark: confirmed}]", "our-year.yaml"),
        (2020, "ident_version: {value: '57.0.1', source: s, mark: confirmed}", "ident_namespace"),
        (2020, "districts: 5", "districts"),
        (2020, "lists: null", "lists"),
        (2020, "elements: []", "elements"),
        (2020, "service_types: {code: '30'}", "service_types"),
        (2027, "milestones: []", "2018-2026"),
        (2027, "based_on: 2030", "2018-2026"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, year: int, text: str, says: str) -> None:
    """A wrong file is one BadSettings that names the place and the remedy."""
    with pytest.raises(BadSettings) as error:
        loaded(tmp_path, text, year)
    assert says in f"{error.value.problem} {error.value.place}"
    assert error.value.place
    assert error.value.remedy


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    """The error names the place of a wrong value, and does not print the value."""
    with pytest.raises(BadSettings) as error:
        loaded(tmp_path, "ack_hours: {value: 01818012337x, source: s, mark: confirmed}")
    assert "01818012337" not in str(error.value)


@pytest.mark.parametrize("year", [1999, 2017, 2027])
def test_a_year_without_a_file(year: int) -> None:
    """A year that nobody describes is BadSettings, which says which years are known."""
    with pytest.raises(BadSettings, match="2018-2026"):
        load_year(year)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing override is BadSettings and not a traceback."""
    with pytest.raises(BadSettings):
        load_year(2020, tmp_path / "absent.yaml")


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    """Each file shown in docs/years.md loads as the year that it names."""
    page = (Path(__file__).parents[1] / "docs" / "years.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    years = [yaml.safe_load(text)["data_year"] for text in examples]
    assert years == [2024, 2027]
    for number, (year, text) in enumerate(zip(years, examples, strict=True)):
        (tmp_path / str(number)).mkdir()
        assert loaded(tmp_path / str(number), text, year).data_year == year


def test_packaged_files_are_plain() -> None:
    """Each packaged file names its own year and only values that a year has."""
    for year in known_years():
        values = yaml.safe_load((DATA / f"{year}.yaml").read_text(encoding="utf-8"))
        assert values["data_year"] == year
        assert set(values) <= set(Profile.model_fields) | {"based_on"}
