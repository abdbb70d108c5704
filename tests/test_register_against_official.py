"""Our rows of the register's checks against the official annotation files, attribute by attribute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from kpr.checks.register_data import Attribute, attributes
from kpr.years import load_year

FILES = {"3.5": "iplos-2018/iplos_2018_Annotations.xsd", "3.7": "iplos-2019/iplos_2019_Annotations.xsd"}
COUNTS = {"3.5": 84, "3.7": 88}

#: The file's names for what the schema calls otherwise, and the classes' names.
RENAMED = {"tjVedtaksID": "tjVeID", "tjVedtaksIDnummerering": "tjVeNrID"}

#: The register's conditions of obligation, as sets of service types (register-checks.md section 3).
S = {1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 17, 18, 19, 20, 21, 22, 29}
CONDITIONS = {
    "S": S,
    "D": S | {14, 23, 24},
    "V": S | {14, 23},
    "T": {1, 2, 3, 4, 7, 9, 11, 15, 17, 22},
    "R": {8},
}


def annotations(official: Path, version: str) -> dict[tuple[str, str], dict[str, str]]:
    """The annotation file as values by class and attribute."""
    root = etree.parse(official / "schemas" / FILES[version]).getroot()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for info in root.iter("{*}appinfo"):
        values = {node.get("name", ""): node.get("value") or node.text or "" for node in info}
        if "attributeShortName" in values:
            element = RENAMED.get(values["attributeShortName"], values["attributeShortName"])
            found[values["classShortName"], element] = values
    return found


def ours(version: str) -> dict[tuple[str, str], Attribute]:
    """Our rows by class and attribute."""
    return {(row.cls, row.element): row for row in attributes(version)}


@pytest.mark.parametrize("version", FILES)
def test_the_same_attributes(official: Path, version: str) -> None:
    """84 attributes for 3.5 and 88 for 3.7, the very same as in the official file."""
    theirs = {
        (cls.replace("Kontakt", "iiKontakt") if cls == "Kontakt" else cls, name)
        for cls, name in annotations(official, version)
    }
    assert len(attributes(version)) == COUNTS[version]
    assert {name for _cls, name in theirs} == {name for _cls, name in ours(version)}


@pytest.mark.parametrize("version", FILES)
def test_type_checks_are_the_official_ones(official: Path, version: str) -> None:
    """Data type id and consequence of every type check."""
    theirs = annotations(official, version)
    for (_cls, element), row in ours(version).items():
        values = next(found for (_, name), found in theirs.items() if name == element)
        assert (row.type, row.type_fate) == (values["datatypeID"], values["handlingTypeID"]), element


@pytest.mark.parametrize("version", FILES)
def test_obligation_checks_are_the_official_ones(official: Path, version: str) -> None:
    """Always, conditional, off or none, with the consequence."""
    theirs = annotations(official, version)
    for (_cls, element), row in ours(version).items():
        values = next(found for (_, name), found in theirs.items() if name == element)
        switched = values["merketForObligat"]
        if row.obligation in CONDITIONS:
            assert {int(code) for code in re.findall(r"@tjTjenType='(\d+)'", switched)} == CONDITIONS[row.obligation]
            assert row.obligation_fate == values["handlingObligatID"], element
        elif row.obligation == "always":
            assert (switched, row.obligation_fate) == ("1", values["handlingObligatID"]), element
        elif row.obligation == "off":
            assert (switched != "1", row.obligation_fate) == (True, values["handlingObligatID"]), element
        else:
            assert switched != "1", element


def test_the_conditions_are_those_of_the_service_types() -> None:
    """The letters S, D, V, T, R of our service types are the official sets."""
    types = load_year(2020).all_service_types
    for letter, codes in CONDITIONS.items():
        assert {int(code) for code, kind in types.items() if letter in kind.obligations} == codes


@pytest.mark.parametrize("version", FILES)
def test_code_checks_are_the_official_ones(official: Path, version: str) -> None:
    """Which code lists, and the consequence, of every code check that is switched on."""
    theirs = annotations(official, version)
    for (_cls, element), row in ours(version).items():
        values = next(found for (_, name), found in theirs.items() if name == element)
        assert (values["merketForKodeverk"] == "1") == bool(row.lists), element
        if row.lists:
            assert row.code_fate == values["handlingKodeverkID"], element
            if row.lists != ("diKodeVersjon",):
                assert all(number in values["codeOID"] for number in row.lists), element


@pytest.mark.parametrize("version", FILES)
def test_range_checks_are_the_official_ones(official: Path, version: str) -> None:
    """Which ranges are switched on, and the consequence."""
    theirs = annotations(official, version)
    for (_cls, element), row in ours(version).items():
        values = next(found for (_, name), found in theirs.items() if name == element)
        assert (values["merketForRangeCheck"] == "1") == (bool(row.range) and not row.range_off), element
        if row.range and not row.range_off:
            assert row.range_fate == values["handlingRangeCheckID"], element
