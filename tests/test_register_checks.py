"""The register's own checks: each attribute, each check, by an interpreter of its own, value by value."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks.finding import Fate
from kpr.checks.prediction import lost_persons, predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.register_data import Attribute, Check, Kind, attributes
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows
from kpr.years import Year, load_year

YEARS = {"3.5": load_year(2018), "3.7": load_year(2020)}

# -- a slow interpreter, written from the facts and not from the SQL ------------------------------------------------

TYPES = {
    "101": r"\d", "109": r"\d+", "152": r"\d{1,2}", "153": r"\d{1,3}", "160": r"\d{1,10}", "199": r"\d+",
    "232": r"\d{1,3}\.\d{1,2}", "1001": r".{0,1}", "1006": r".{0,6}", "1010": r".{0,10}", "1015": r".{0,15}",
    "1999": r".*", "2002": r"\d{9}0?", "2003": r"\d{4}", "2004": r"\d{2}",
}  # fmt: skip


def is_date(value: str) -> bool:
    """99991231, or a real day of 1900-2099 written YYYYMMDD."""
    if value == "99991231":
        return True
    if not re.fullmatch(r"(19|20)\d{6}", value, re.ASCII):
        return False
    try:
        datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007
    except ValueError:
        return False
    return True


def is_of_type(attribute: Attribute, value: str) -> bool:
    """The data type by its expression."""
    if attribute.type == "611":
        return is_date(value)
    return re.fullmatch(TYPES[attribute.type], value, re.ASCII | re.DOTALL) is not None


def fails(check: Check, year: Year, value: str | None, service_type: str | None) -> bool:
    """Whether the register's check fails on this value."""
    attribute = check.attribute
    if check.kind is Kind.OBLIGATION:
        asked = attribute.obligation in ("always", "off")
        types = year.all_service_types
        conditional = service_type in types and attribute.obligation in types[service_type].obligations
        return not value and (asked or conditional)
    if not value:
        return False
    if check.kind is Kind.TYPE:
        return not is_of_type(attribute, value)
    if check.kind is Kind.CODE:
        return attribute.lists != ("diKodeVersjon",) and value not in year.register_codes(attribute.lists)
    return out_of_range(attribute, year, value)


def out_of_range(attribute: Attribute, year: Year, value: str) -> bool:
    """Both ends count; months against months; a value that is none is not judged."""
    last = f"{year.last_day:%Y%m%d}"
    if attribute.type == "232":
        return is_of_type(attribute, value) and not 0.01 <= float(value) <= 168
    if attribute.type == "1006":
        return re.fullmatch(r"[12]\d{3}[01]\d", value) is not None and not "200501" <= value <= last[:6]
    low = {"first_day": f"{year.first_day:%Y%m%d}", "last_day": last, "tjFraDato": ""}.get(
        attribute.range[0], "20050101"
    )
    high = {"first_day": f"{year.first_day:%Y%m%d}", "last_day": last, "": "99999999"}[attribute.range[1]]
    return is_date(value) and not low <= value <= high


# -- one value in one row ------------------------------------------------------------------------------------------


def work_rows(version: str, cls: str, values: dict[str, str | None]) -> WorkRows:
    """One person, and one row of a class with these values."""
    work = WorkRows(iplos_shape(version))
    table = {"IPLOS": "innhinfo"}.get(cls, cls.lower())
    if table == "person":
        values = {"pePeID": "1"} | values
    else:
        work.add(Batch("person", ("pePeID", "peKjonn"), [("1", "K")]))
    persons = [1] if table in ("personoppl", "funksjon", "tjeneste", "diagnose", "dogntilbud") else None
    work.add(Batch(table, tuple(values), [tuple(values.values())], persons))
    work.finish()
    return work


def found(work: WorkRows, version: str) -> set[str]:
    """The rules that fire."""
    year = YEARS[version]
    create_finding_table(work)
    run_register_checks(work, year, Catalogue(register_rules(year)))
    return {row[0] for row in work.connection.execute("SELECT DISTINCT rule FROM finding")}


ALL = [(version, attribute) for version in YEARS for attribute in attributes(version)]
EDGES = st.sampled_from(
    [None, "", "0", "1", "2", "9", "10", "11", "29", "99", "100", "X", "x1", "-1", "M", "K", "Æ", "3.7", "0.00", "0.01",
     "168.00", "168.01", "3,5", "3.555", "12345678901", "123456789", "1234567890", "1234567891", "0301", "20200229",
     "20190229", "20200231", "20041231", "20050101", "20201231", "20210101", "20181231", "20190101", "99991231", "200412",
     "200501", "202012", "202101", "201812", "19991301", "18991231", "ICPC-2", "ICD-10", "longer than fifteen", " 1"]
)  # fmt: skip


@pytest.mark.parametrize(("version", "attribute"), ALL, ids=[f"{v}-{a.cls}-{a.element}" for v, a in ALL])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_sql_and_interpreter_agree(version: str, attribute: Attribute, data: st.DataObject) -> None:
    """On every edge value of every attribute the SQL finds what the slow interpreter finds, no more and no less."""
    value = data.draw(EDGES)
    values: dict[str, str | None] = {attribute.element: value}
    service_type = None
    if attribute.cls == "TJENESTE" and attribute.element != "tjTjenType":
        service_type = data.draw(st.sampled_from(["1", "8", "14", "21", "24", "25", "12"]))
        values["tjTjenType"] = service_type
    fired = found(work_rows(version, attribute.cls, values), version)
    own = {rule for rule in fired if rule.split("-")[1].removeprefix("iiKontakt") == attribute.element}
    expected = {check.rule_id for check in attribute.checks() if fails(check, YEARS[version], value, service_type)}
    assert own == expected


def test_fates_are_written_down() -> None:
    """A finding carries what the register will do with it."""
    work = work_rows("3.7", "TJENESTE", {"tjTjenType": "77", "tjFraDato": "20210104"})
    found(work, "3.7")
    fates = dict(work.connection.execute("SELECT rule, fate FROM finding WHERE tab = 'TJENESTE'").fetchall())
    assert fates["R-tjTjenType-K"] == Fate.VALUE_LOST.name
    assert fates["R-tjFraDato-R"] == Fate.ROW_DELETED.name


# -- the prediction ------------------------------------------------------------------------------------------------


def predicted(
    persons: list[tuple[str, str]], services: list[tuple[str, str | None, str | None]], first: str = "20200101"
) -> tuple:  # type: ignore[type-arg]
    """Persons (key, sex) and services (person, type, from), and what the register will keep of them."""
    work = WorkRows(iplos_shape("3.7"))
    header = {"versjon": "3.7", "iiInnhType": "P", "iiKomnr": "1103", "iiFraDato": first, "iiTilDato": "20201231"}
    work.add(Batch("innhinfo", tuple(header), [tuple(header.values())]))
    work.add(Batch("person", ("pePeID", "peKjonn"), list(persons)))
    rows = [(person, str(number), kind, start) for number, (person, kind, start) in enumerate(services, 1)]
    work.add(Batch("tjeneste", ("tjPeID", "tjTjID", "tjTjenType", "tjFraDato"), rows))
    work.finish()
    found(work, "3.7")
    return predict(work), list(lost_persons(work))


def test_an_unknown_sex_takes_the_person_with_everything() -> None:
    """peKjonn outside list 3100 deletes the PERSON, and the services under it are lost too."""
    prediction, lost = predicted([("1", "K"), ("2", "2")], [("1", "15", "20200201"), ("2", "15", "20200201")])
    assert (prediction.persons, prediction.persons_kept) == (2, 1)
    assert prediction.rows["tjeneste"] == (2, 1)
    assert lost == [("2", "R-peKjonn-K")]


def test_a_date_after_the_period_takes_the_row_only() -> None:
    """The service is lost, the person stays."""
    prediction, lost = predicted([("1", "K")], [("1", "15", "20210104"), ("1", "6", "20200201")])
    assert (prediction.persons_kept, prediction.rows["tjeneste"], lost) == (1, (2, 1), [])


def test_an_open_end_in_a_from_date_takes_the_row() -> None:
    """99991231 lies after the period: in a ranged field it deletes the row."""
    prediction, _ = predicted([("1", "K")], [("1", "15", "99991231")])
    assert prediction.rows["tjeneste"] == (1, 0)


def test_an_unknown_code_nulls_the_value_and_keeps_the_row() -> None:
    """A retired service type becomes NULL; the row stays, and no longer counts."""
    prediction, _ = predicted([("1", "K")], [("1", "12", "20200201")])
    assert prediction.rows["tjeneste"] == (1, 1)
    assert prediction.values_lost == {"tjTjenType": 1}


def test_a_value_lost_on_a_lost_row_is_not_counted_twice() -> None:
    """What goes with its row is not also a lost value."""
    prediction, _ = predicted([("1", "K")], [("1", "12", "20210201")])
    assert (prediction.rows["tjeneste"], prediction.values_lost) == ((1, 0), {})


def test_a_wrong_period_takes_the_whole_message() -> None:
    """Anything but 1 January deletes everything, and the sentence says so."""
    prediction, _ = predicted([("1", "K")], [("1", "15", "20200201")], first="20190101")
    assert (prediction.message_deleted, prediction.persons_kept) == (True, 0)
    assert "slette hele meldingen" in prediction.sentence.nb
