"""Our rows of the register's checks against the official annotation files: every attribute, field by field."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree
from test_register_checks import CONDITIONS, EDGES, findings_of, is_day

from kpr.checks.register_data import DATA, attributes
from kpr.years import load_year

FILES = {"3.5": "iplos-2018/iplos_2018_Annotations.xsd", "3.7": "iplos-2019/iplos_2019_Annotations.xsd"}
COUNTS = {"3.5": 84, "3.7": 88}
NAMES = [(version, row.cls, row.element) for version in FILES for row in attributes(version)]

#: The file's names for what the schema calls otherwise.
RENAMED = {"tjVedtaksID": "tjVeID", "tjVedtaksIDnummerering": "tjVeNrID"}

#: The files were made for collecting data year 2019; ours name the year's own days. tjTilDato's is a column.
BOUNDS = {
    "2019-01-01": "first_day",
    "2019-12-31": "last_day",
    "xpath:/IPLOS/INNHINFO/@iiTilDato": "last_day",
    "xpath:./@tjFraDato": "tjFraDato",
}


@cache
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


@cache
def rows(version: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of our data file as they are written, by class and element."""
    written = yaml.safe_load((DATA / f"register-{version}.yaml").read_text(encoding="utf-8"))
    return {(row["class"], row["element"]): row for row in written}


def read(theirs: dict[str, str]) -> dict[str, Any]:
    """An official attribute as our data file would write it; a field that is empty there is not written here."""
    row: dict[str, Any] = {
        "class": theirs["classShortName"],
        "element": RENAMED.get(theirs["attributeShortName"], theirs["attributeShortName"]),
        "name": theirs["attributeName"],
        "base": theirs["attributeDataType"],
        "cardinality": theirs["cardinality"],
        "type": theirs["datatypeID"],
        "type_fate": theirs["handlingTypeID"],
    }
    if theirs["attributeShortName"] in RENAMED:
        row["name_in_file"] = theirs["attributeShortName"]
    return row | read_obligation(theirs) | read_code(theirs) | read_range(theirs)


def read_obligation(theirs: dict[str, str]) -> dict[str, Any]:
    """Always, a condition by its set of service types, off when only the consequence is prepared, or nothing."""
    switched, fate = theirs["merketForObligat"], theirs["handlingObligatID"]
    if switched == "1":
        return {"obligation": "always", "obligation_fate": fate}
    if switched:
        types = frozenset(re.findall(r"@tjTjenType='(\d+)'", switched))
        letters = [letter for letter, codes in CONDITIONS.items() if codes == types]
        return {"obligation": "".join(letters), "obligation_fate": fate}
    return {"obligation": "off", "obligation_fate": fate} if fate else {}


def read_code(theirs: dict[str, str]) -> dict[str, Any]:
    """The lists of a code check that is switched on."""
    if theirs["merketForKodeverk"] != "1":
        return {}
    lists = [name.removeprefix("xpath:./@") for name in theirs["codeOID"].split()]
    return {"lists": lists, "code_fate": theirs["handlingKodeverkID"]}


def read_range(theirs: dict[str, str]) -> dict[str, Any]:
    """Limits, with a mark where they are only prepared."""
    limits = theirs["valueRangeFrom"], theirs["valueRangeTo"]
    if not any(limits):
        return {}
    row = {"range": [BOUNDS.get(limit, limit) for limit in limits], "range_fate": theirs["handlingRangeCheckID"]}
    return row if theirs["merketForRangeCheck"] == "1" else row | {"range_off": True}


@pytest.mark.parametrize("version", FILES)
def test_the_same_attributes(official: Path, version: str) -> None:
    """84 attributes for 3.5 and 88 for 3.7, of the same classes, the very same as in the official file."""
    assert len(attributes(version)) == len(rows(version)) == COUNTS[version]
    assert set(rows(version)) == set(annotations(official, version))


@pytest.mark.parametrize(("version", "cls", "element"), NAMES, ids=["-".join(name) for name in NAMES])
def test_every_field_is_the_official_one(official: Path, version: str, cls: str, element: str) -> None:
    """Name, base type, cardinality, data type, all four checks, their consequences, lists and limits."""
    theirs = annotations(official, version)[cls, element]
    assert theirs["merketForTypesjekk"] == "1"
    assert rows(version)[cls, element] == read(theirs)


@pytest.mark.parametrize("version", FILES)
def test_what_is_read_is_what_is_written(version: str) -> None:
    """The attributes that the checks run on hold every field of the data file that a check depends on."""
    for attribute in attributes(version):
        row = rows(version)[attribute.cls, attribute.element]
        for name in ("name", "type", "type_fate", "obligation", "obligation_fate", "code_fate", "range_fate"):
            assert getattr(attribute, name) == row.get(name, ""), (attribute.element, name)
        assert (list(attribute.lists), list(attribute.range)) == (row.get("lists", []), row.get("range", []))
        assert attribute.range_off is row.get("range_off", False)


def test_the_conditions_are_those_of_the_service_types() -> None:
    """The letters S, D, V, T, R of our service types are the official sets."""
    types = load_year(2020).all_service_types
    for letter, codes in CONDITIONS.items():
        assert {code for code, kind in types.items() if letter in kind.obligations} == codes


# -- data types: the register's own expressions --------------------------------------------------------------------


def fails_officially(theirs: dict[str, str], value: str) -> bool:
    """The file's own SQL where it gives one, otherwise its regular expression, as .NET would match it."""
    sql, regex = theirs["sql"].strip(), theirs["regex"].strip()
    if sql == "1=2":
        return False
    if sql:
        length = re.search(r"LEN\(@attributtNavn\) (<> |NOT BETWEEN 1 AND )(\d+)$", sql)
        assert sql.startswith("@attributtNavn LIKE '%[^0-9]%'")
        wrong_length = length is not None and not (
            len(value) == int(length[2]) if length[1] == "<> " else 1 <= len(value) <= int(length[2])
        )
        return re.search(r"[^0-9]", value) is not None or wrong_length
    return re.search(regex, value, re.ASCII) is None


def is_ours(theirs: dict[str, str], value: str) -> bool:
    """Where we are stricter on purpose: a date is a whole value and a real day (A); the 611 expression asks neither."""
    return theirs["datatypeID"] == "611" and not is_day(value)


@pytest.mark.parametrize("version", FILES)
def test_types_fail_where_the_official_expressions_fail(official: Path, version: str) -> None:
    """On every edge value of every attribute, but for days that do not exist, which only we refuse."""
    for attribute in attributes(version):
        theirs = annotations(official, version)[attribute.cls, attribute.element]
        values = [value for value in EDGES if value and "\n" not in value]  # a dot matches no line break
        ours = findings_of(version, attribute.cls, [{attribute.element: value} for value in values])
        for number, value in enumerate(values, 1):
            fails = (f"R-{'iiKontakt' * (attribute.cls == 'iiKontakt')}{attribute.element}-T", number) in ours
            assert fails == (fails_officially(theirs, value) or is_ours(theirs, value)), (attribute.element, value)
