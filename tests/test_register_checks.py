"""The register's own checks: each attribute, each check, by an interpreter of its own, value by value."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks.finding import Fate, Severity
from kpr.checks.prediction import lost_persons, predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.register_data import Attribute, Check, Kind, attributes
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.messages.shape import CHILD_CLASSES, iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows
from kpr.years import Year, load_year

YEARS = {"3.5": load_year(2018), "3.7": load_year(2020)}
Values = Mapping[str, str | None]

# -- a slow interpreter, written from the facts and not from the SQL ------------------------------------------------

TYPES = {
    "101": r"\d", "109": r"\d+", "152": r"\d{1,2}", "153": r"\d{1,3}", "160": r"\d{1,10}", "199": r"\d+",
    "232": r"\d{1,3}\.\d{1,2}", "1001": r".{0,1}", "1006": r".{0,6}", "1010": r".{0,10}", "1015": r".{0,15}",
    "1999": r".*", "2002": r"\d{9}0?", "2003": r"\d{4}", "2004": r"\d{2}",
}  # fmt: skip

#: The service types of each condition of obligation (register-checks.md section 3).
ASKED = {"S": "1 2 3 4 5 7 8 9 11 15 17 18 19 20 21 22 29", "T": "1 2 3 4 7 9 11 15 17 22", "R": "8"}
ASKED |= {"D": f"{ASKED['S']} 14 23 24", "V": f"{ASKED['S']} 14 23"}
CONDITIONS = {letter: frozenset(codes.split()) for letter, codes in ASKED.items()}


def is_day(value: str) -> bool:
    """Eight digits that are a day of the calendar, in any year."""
    if not re.fullmatch(r"[0-9]{8}", value):
        return False
    year, month, day = int(value[:4]), int(value[4:6]), int(value[6:])
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def is_date(value: str) -> bool:
    """99991231, or a real day of 1900-2099 written YYYYMMDD; that it must be real is ours (A)."""
    return value == "99991231" or (value[:2] in ("19", "20") and is_day(value))


def is_of_type(attribute: Attribute, value: str) -> bool:
    """The data type by its expression."""
    if attribute.type == "611":
        return is_date(value)
    return re.fullmatch(TYPES[attribute.type], value, re.ASCII | re.DOTALL) is not None


def fails(check: Check, year: Year, row: Values) -> bool:
    """Whether the register's check fails on this row."""
    attribute, value = check.attribute, row.get(check.attribute.element)
    if check.kind is Kind.OBLIGATION:
        always = attribute.obligation in ("always", "off")
        return not value and (always or row.get("tjTjenType") in CONDITIONS[attribute.obligation])
    if not value:
        return False
    if check.kind is Kind.TYPE:
        return not is_of_type(attribute, value)
    if check.kind is Kind.CODE:
        return attribute.lists != ("diKodeVersjon",) and value not in year.register_codes(attribute.lists)
    return out_of_range(attribute, year, value, row)


def out_of_range(attribute: Attribute, year: Year, value: str, row: Values) -> bool:
    """Both ends count; months against months; a value that is no day, month or number is not judged."""
    first, last = f"{year.data_year}0101", f"{year.data_year}1231"
    if attribute.type == "232":
        return is_of_type(attribute, value) and not 0.01 <= float(value) <= 168
    if attribute.type == "1006":
        return re.fullmatch(r"[0-9]{6}", value) is not None and not "200501" <= value <= last[:6]
    from_row = row.get("tjFraDato") or ""
    from_row = from_row if is_day(from_row) else ""
    low = {"first_day": first, "last_day": last, "tjFraDato": from_row}.get(attribute.range[0], "20050101")
    high = {"first_day": first, "last_day": last, "": "99999999"}[attribute.range[1]]
    return is_day(value) and not low <= value <= high


# -- rows, and what is found in them -------------------------------------------------------------------------------


def work_rows(version: str, rows: Mapping[str, Sequence[Values]]) -> WorkRows:
    """Rows by class; all rows of a child class belong to the first person, who is there anyway."""
    work = WorkRows(iplos_shape(version))
    for cls in ("PERSON", *(name for name in rows if name not in ("PERSON", "IPLOS"))):
        for values in rows.get(cls, [{"pePeID": "1", "peKjonn": "K"}]):
            whole = {"pePeID": None, **values} if cls == "PERSON" else dict(values)
            work.add(Batch(cls.lower(), tuple(whole), [tuple(whole.values())], [1] if cls in CHILD_CLASSES else None))
    work.finish()
    return work


def found(work: WorkRows, version: str) -> list[tuple[object, ...]]:
    """Rule, class, element, row, person's row, person, fate and severity of every finding, sorted."""
    year = YEARS[version]
    create_finding_table(work)
    run_register_checks(work, year, Catalogue(register_rules(year)))
    query = "SELECT rule, tab, element, row_no, person_row, person, fate, severity FROM finding ORDER BY rule, row_no"
    return work.connection.execute(query).fetchall()


def findings_of(version: str, cls: str, rows: Sequence[Values]) -> set[tuple[object, object]]:
    """Rule and row of what is found in this class."""
    work = work_rows(version, {"INNHINFO" if cls == "IPLOS" else cls: rows})  # the root's version lies with the header
    return {(row[0], row[3]) for row in found(work, version) if row[1] == cls}


def expected_of(version: str, cls: str, rows: Sequence[Values]) -> set[tuple[object, object]]:
    """The same by the interpreter."""
    checks = [check for attribute in attributes(version) if attribute.cls == cls for check in attribute.checks()]
    return {
        (check.rule_id, number)
        for number, row in enumerate(rows, 1)
        for check in checks
        if fails(check, YEARS[version], row)
    }


ALL = [(version, attribute) for version in YEARS for attribute in attributes(version)]
CLASSES = [(version, cls) for version in YEARS for cls in dict.fromkeys(row.cls for row in attributes(version))]
EDGES = [
    None, "", "0", "1", "2", "7", "8", "9", "10", "11", "14", "15", "29", "77", "99", "100", "999", "1000", "X", "x1",
    "1x", "-1", "M", "K", "Æ", "ÆØ", "3.7", "3.5", "0.00", "0.01", "00.01", "167.99", "168.00", "168.0", "168.01",
    "169.00", "999.99", "1000.00", "1.", ".1", "1.234", "3,5", "1.2.3", " 1", "1 ", "1\n", "½", "٣", "１",
    "1234567890", "12345678901", "12345678", "123456789", "1234567891", "A23456789", "12345678900", "030", "0301", "03010",
    "00", "000", "P", "ICPC-2", "ICD-10", "ICPC-22", "ten signs.", "eleven sign", "fifteen signs..", "sixteen signs...",
    "20200229", "20190229", "20000229", "19000229", "20200230", "20200231", "20200431", "20200430", "20201231", "20201232",
    "20200100", "20200132", "20200139", "20200001", "20201301", "20201901", "20041231", "20050101", "20050102", "20210101",
    "20181231", "20180101", "20180102", "20190101", "20200101", "20200102", "20201230", "20181230", "19000101", "18991231",
    "20991231", "21000101", "99991231", "99991230", "00000101", "2020010", "202001011", "2020-01-01", "2020O101",
    "200412", "200501", "200500", "202012", "202013", "202101", "201812", "201813", "201901", "999912", "000001", "20201",
    "2020x1", "2020-1",
]  # fmt: skip
DIGITS = st.text("0123456789", min_size=6, max_size=9)
DAYS = st.builds("{:04}{:02}{:02}".format, st.integers(1898, 2101), st.integers(0, 13), st.integers(0, 32))


@pytest.mark.parametrize(("version", "attribute"), ALL, ids=[f"{v}-{a.cls}-{a.element}" for v, a in ALL])
def test_every_edge_value_of_every_attribute(version: str, attribute: Attribute) -> None:
    """On every edge value the SQL finds what the slow interpreter finds, no more and no less."""
    rows = [{attribute.element: value} for value in EDGES]
    assert findings_of(version, attribute.cls, rows) == expected_of(version, attribute.cls, rows)


@pytest.mark.parametrize("version", YEARS)
def test_every_service_type_asks_for_its_own(version: str) -> None:
    """Each service type, known or not, asks for exactly the elements that the register's conditions name."""
    rows: list[Values] = [{"tjTjenType": value} for value in (None, "", *map(str, range(100)))]
    rows += [{"tjTjenType": str(number), "tjSoknadDato": "", "tjTimerUke": "1.0"} for number in range(100)]
    assert findings_of(version, "TJENESTE", rows) == expected_of(version, "TJENESTE", rows)


@pytest.mark.parametrize(("version", "cls"), CLASSES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_sql_and_interpreter_agree_on_whole_rows(version: str, cls: str, data: st.DataObject) -> None:
    """Rows with faults in several elements at once give each fault once, and at its own row."""
    elements = [attribute.element for attribute in attributes(version) if attribute.cls == cls]
    value = st.one_of(st.sampled_from(EDGES), DIGITS, DAYS)
    row = st.dictionaries(st.sampled_from(elements), value, min_size=1)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    assert findings_of(version, cls, rows) == expected_of(version, cls, rows)


# -- each check alone: an extract that is right but for one value ---------------------------------------------------

RIGHT = {
    "101": "1", "109": "1", "152": "1", "153": "80", "160": "1", "199": "1", "232": "10.00", "611": "{year}0615",
    "1001": "1", "1006": "{year}06", "1010": "A97", "1015": "X", "1999": "X", "2002": "777777777", "2003": "1103",
    "2004": "00", "iiInnhType": "P", "iiFraDato": "{year}0101", "iiTilDato": "{year}1231", "peKjonn": "K",
    "tjTjenUnderType": "10", "diKodeVersjon": "ICPC-2", "tjTjenType": "8",
}  # fmt: skip
WRONG_TYPE = {
    "101": "12", "109": "1a", "152": "123", "153": "1234", "160": "12345678901", "199": "1a", "232": "10,5",
    "611": "{year}0631", "1001": "12", "1006": "1234567", "1010": "A" * 11, "1015": "A" * 16, "2002": "12345678",
    "2003": "110", "2004": "0",
}  # fmt: skip
OUTSIDE = {"611": "20041231", "1006": "200412", "232": "0.00", "iiFraDato": "{year}0102", "tjTilDato": "{year}0614"}
FATES = {"1": Fate.MESSAGE_DELETED, "2": Fate.ROW_DELETED, "7": Fate.VALUE_LOST, "9": Fate.NOTED, "": Fate.NOTED}


def of(values: Mapping[str, str], attribute: Attribute, version: str) -> str:
    """The element's own value, or that of its type, in the data year."""
    return values.get(attribute.element, values.get(attribute.type, "")).format(year=YEARS[version].data_year)


def right_rows(version: str) -> dict[str, dict[str, str | None]]:
    """One right row of every class."""
    rows: dict[str, dict[str, str | None]] = {}
    for attribute in attributes(version):
        rows.setdefault(table_class(attribute), {})[attribute.element] = of(RIGHT, attribute, version)
    return rows


def table_class(attribute: Attribute) -> str:
    """The class with whose rows it lies: the root's version stands with the header."""
    return "INNHINFO" if attribute.cls == "IPLOS" else attribute.cls


def spoilt_rows(version: str, check: Check) -> dict[str, dict[str, str | None]]:
    """The same with one value wrong in the one way that the check looks for."""
    rows, attribute = right_rows(version), check.attribute
    if attribute.obligation == "T":
        rows["TJENESTE"]["tjTjenType"] = "1"
    rows[table_class(attribute)][attribute.element] = {
        Kind.TYPE: of(WRONG_TYPE, attribute, version),
        Kind.OBLIGATION: None,
        Kind.CODE: "77" if attribute.type == "152" else "8",
        Kind.RANGE: of(OUTSIDE, attribute, version),
    }[check.kind]
    return rows


def told_together(version: str, check: Check) -> list[Check]:
    """A value of the wrong form is in no code list either; only the two-digit codes of a koordinator are (K8)."""
    attribute = check.attribute
    if check.kind is not Kind.TYPE or not attribute.lists or attribute.lists == ("diKodeVersjon",):
        return [check]
    in_list = of(WRONG_TYPE, attribute, version) in YEARS[version].register_codes(attribute.lists)
    return [c for c in attribute.checks() if c.kind is Kind.TYPE or (c.kind is Kind.CODE and not in_list)]


def fate_of(check: Check) -> Fate:
    """By the consequence code of the register; a check that is switched off does nothing."""
    return Fate.NONE if check.off else FATES[check.handling]


def severity_of(check: Check) -> Severity:
    """By consequence and attribute (register-checks.md section 6)."""
    element, fate = check.attribute.element, fate_of(check)
    if fate is Fate.NONE or (element == "poHarKoordinator" and check.kind is Kind.TYPE):
        return Severity.INFO
    if fate is Fate.MESSAGE_DELETED:
        return Severity.FATAL
    counts = fate is Fate.VALUE_LOST and element in ("tjTjenType", "tjVedtak", "fnFunkVerdi")
    return Severity.ERROR if counts or fate is Fate.ROW_DELETED else Severity.WARNING


CHECKS = [
    (version, check)
    for version, attribute in ALL
    for check in attribute.checks()
    if not (check.kind is Kind.TYPE and attribute.type == "1999")
    and not (check.kind is Kind.CODE and attribute.lists == ("diKodeVersjon",))
]


@pytest.mark.parametrize("version", YEARS)
def test_a_right_extract_gives_no_finding(version: str) -> None:
    """One right row of every class: nothing is found, and the register keeps everything."""
    work = work_rows(version, {cls: [row] for cls, row in right_rows(version).items()})
    assert found(work, version) == []
    assert predict(work).rows == dict.fromkeys(("person", *(name.lower() for name in CHILD_CLASSES)), (1, 1))


@pytest.mark.parametrize(("version", "check"), CHECKS, ids=[f"{v}-{c.rule_id}" for v, c in CHECKS])
def test_one_wrong_value_gives_one_finding_and_its_fate(version: str, check: Check) -> None:
    """Exactly the check that looks for it fires, at its place, with the register's consequence and our severity."""
    work = work_rows(version, {cls: [row] for cls, row in spoilt_rows(version, check).items()})
    cls, element = check.attribute.cls, check.attribute.element
    person = (None, None) if cls in ("IPLOS", "INNHINFO", "iiKontakt") else (1, None if element == "pePeID" else "1")
    together = told_together(version, check)
    assert found(work, version) == sorted(
        (c.rule_id, cls, element, 1, *person, fate_of(c).name, severity_of(c).value) for c in together
    )
    assert_fate(work, {fate_of(c) for c in together}, cls, element)


def assert_fate(work: WorkRows, fates: set[Fate], cls: str, element: str) -> None:
    """The prediction keeps all but what these fates take."""
    prediction = predict(work)
    tables = ("person", *(name.lower() for name in CHILD_CLASSES))
    lost = {cls.lower()} if Fate.ROW_DELETED in fates else set()
    if Fate.MESSAGE_DELETED in fates or lost == {"person"}:
        lost = set(tables)
    assert prediction.message_deleted is (Fate.MESSAGE_DELETED in fates)
    assert prediction.rows == {table: (1, int(table not in lost)) for table in tables}
    value_lost = Fate.VALUE_LOST in fates and cls.lower() not in lost
    assert prediction.values_lost == ({element: 1} if value_lost else {})


@pytest.mark.parametrize("version", YEARS)
def test_the_codes_of_a_diagnosis_are_not_judged(version: str) -> None:
    """No source of ICD-10 and ICPC-2 codes is known to us: the rule is told, only the code's form is checked."""
    rows = right_rows(version)
    rows["DIAGNOSE"]["diDiagKode"] = "NO SUCH"
    assert found(work_rows(version, {cls: [row] for cls, row in rows.items()}), version) == []
    assert "R-diDiagKode-K" in {rule.id for rule in register_rules(YEARS[version])}


def test_codes_of_the_municipalitys_own_year_file_are_data() -> None:
    """A code with an apostrophe is a code like any other, and one of the wrong form is still told as such."""
    codes = [{"code": code, "text": "x"} for code in ("1", "'", "A")]
    year = load_year(2020)
    lists = {**year._code_lists, "lists": {**year._code_lists["lists"], "9171": {"source": "x", "codes": codes}}}
    work = work_rows("3.7", {"TJENESTE": [{"tjVedtak": value} for value in ("1", "'", "A", "2")]})
    create_finding_table(work)
    own = Year(year.profile, lists)
    run_register_checks(work, own, Catalogue(register_rules(own)))
    query = "SELECT rule, row_no FROM finding WHERE element = 'tjVedtak' ORDER BY rule, row_no"
    assert work.connection.execute(query).fetchall() == [
        ("R-tjVedtak-K", 4), ("R-tjVedtak-T", 2), ("R-tjVedtak-T", 3),
    ]  # fmt: skip


def test_a_finding_names_the_person_of_its_own_row() -> None:
    """Two persons and their services in another order: each finding carries its row, its person's row and key."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("person", ("pePeID", "peKjonn"), [("501", "K"), ("502", "2")]))
    services = [("502", "1", "77"), ("501", "2", "15"), ("501", "3", "77"), ("999", "4", "77")]
    work.add(Batch("tjeneste", ("tjPeID", "tjTjID", "tjTjenType"), services))
    work.finish()
    told = [row[:6] for row in found(work, "3.7") if str(row[0]).endswith("-K")]
    assert told == [
        ("R-peKjonn-K", "PERSON", "peKjonn", 2, 2, "502"),
        ("R-tjTjenType-K", "TJENESTE", "tjTjenType", 1, 2, "502"),
        ("R-tjTjenType-K", "TJENESTE", "tjTjenType", 3, 1, "501"),
        ("R-tjTjenType-K", "TJENESTE", "tjTjenType", 4, None, None),
    ]


def test_a_key_of_ten_digits_is_told_and_one_that_is_no_number_is_not() -> None:
    """The longest key that the register takes is told; letters may be anything, and are not."""
    rows = {"PERSON": [{"pePeID": "1234567890", "peKjonn": "2"}, {"pePeID": "0181801233x", "peKjonn": "2"},
                       {"pePeID": "name", "peKjonn": "2"}]}  # fmt: skip
    told = [row[5] for row in found(work_rows("3.7", rows), "3.7") if row[0] == "R-peKjonn-K"]
    assert told == ["1234567890", None, None]


def test_a_key_that_may_be_a_national_id_is_told_by_its_row_alone() -> None:
    """Eleven digits as a person's key stand in no finding, neither at the person nor at what lies under it."""
    rows = {"PERSON": [{"pePeID": "01818012337"}], "TJENESTE": [{"tjPeID": "01818012337", "tjTjenType": "77"}]}
    told = found(work_rows("3.7", rows), "3.7")
    assert {row[5] for row in told} == {None}
    assert ("R-pePeID-T", "PERSON", "pePeID", 1, 1, None, "ROW_DELETED", "ERROR") in told


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
