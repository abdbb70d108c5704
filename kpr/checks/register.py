"""Runs the register's own checks over the work rows, as the register will: one scan per table finds the suspects.

Each check is an SQL condition on one value, evaluated in C. An element that is there but empty counts as missing (we
never write one; foreign files may hold them). Dates must also be real days: the register's expression accepts 31
February, and what it does with one is not known, so such a day is a type fault here and judged no further. A real day
outside 1900-2099 is both a type fault and outside every range: a loss too many is told rather than one too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kpr.checks.register_data import Attribute, Check, Kind, attributes
from kpr.checks.rules import Catalogue, Rule
from kpr.sources.work_rows import WorkRows
from kpr.years import Year

#: Where a class's rows lie; the root's attribute stands with the header.
_TABLES = {"IPLOS": "innhinfo"}
_KEYLESS = ("innhinfo", "iikontakt")

_NOT_DIGITS = "{v} GLOB '*[^0-9]*'"
#: Eight digits that are a day of the calendar. strftime normalises a day only when it has something to add: 31 February
#: becomes 2 March, and is found out. A day that no month has (00, 32) gives NULL: IS makes that a plain no. Most days
#: are 28 or less, which every month has: only the others are asked for.
_DAY = (
    "({v} GLOB '[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' AND substr({v}, 5, 2) BETWEEN '01' AND '12' AND "
    "(substr({v}, 7, 2) BETWEEN '01' AND '28' OR "
    "strftime('%Y%m%d', substr({v}, 1, 4) || '-' || substr({v}, 5, 2) || '-' || substr({v}, 7, 2), '+0 days') IS {v}))"
)
_DATE = f"({{v}} = '99991231' OR (substr({{v}}, 1, 2) IN ('19', '20') AND {_DAY}))"
_SIX_DIGITS = "{v} GLOB '[0-9][0-9][0-9][0-9][0-9][0-9]'"
_DECIMAL = "({})".format(
    " OR ".join(f"{{v}} GLOB '{'[0-9]' * whole}.{'[0-9]' * part}'" for whole in (1, 2, 3) for part in (1, 2))
)

#: How long a code may be, by its data type id.
_CODE_LENGTH = {"101": 1, "152": 2, "1001": 1}

#: Data type id -> when a value fails (register-checks.md section 2).
_TYPE_FAILS = {
    "101": f"({_NOT_DIGITS} OR length({{v}}) <> 1)",
    "109": _NOT_DIGITS,
    "152": f"({_NOT_DIGITS} OR length({{v}}) > 2)",
    "153": f"({_NOT_DIGITS} OR length({{v}}) > 3)",
    "160": f"({_NOT_DIGITS} OR length({{v}}) > 10)",
    "199": _NOT_DIGITS,
    "232": f"NOT {_DECIMAL}",
    "611": f"NOT {_DATE}",
    "1001": "length({v}) > 1",
    "1006": "length({v}) > 6",
    "1010": "length({v}) > 10",
    "1015": "length({v}) > 15",
    "1999": "0",
    "2002": f"({_NOT_DIGITS} OR NOT (length({{v}}) = 9 OR (length({{v}}) = 10 AND substr({{v}}, 10) = '0')))",
    "2003": f"({_NOT_DIGITS} OR length({{v}}) <> 4)",
    "2004": f"({_NOT_DIGITS} OR length({{v}}) <> 2)",
}


def register_rules(year: Year) -> list[Rule]:
    """The register's checks for the data year's format, as rules."""
    return [check.rule() for attribute in attributes(year.iplos_version.value) for check in attribute.checks()]


def run_register_checks(work: WorkRows, year: Year, catalogue: Catalogue) -> None:
    """Run every check into the table ``finding``; two passes per table, the second over suspects only."""
    by_table: dict[str, list[_Condition]] = {}
    for attribute in attributes(year.iplos_version.value):
        table = _TABLES.get(attribute.cls, attribute.cls.lower())
        for check in attribute.checks():
            condition = _condition(check, year)
            if condition is not None:
                by_table.setdefault(table, []).append(_Condition(check, condition))
    for table, conditions in by_table.items():
        _run_table(work, table, conditions, catalogue, year)


@dataclass(frozen=True, slots=True)
class _Condition:
    check: Check
    sql: str


def _run_table(work: WorkRows, table: str, conditions: list[_Condition], catalogue: Catalogue, year: Year) -> None:
    connection = work.connection
    anything = " OR ".join(_suspicious(conditions, year))
    connection.execute("DROP TABLE IF EXISTS temp.suspect")
    connection.execute("CREATE TEMP TABLE suspect (row_no INTEGER PRIMARY KEY)")
    # Names and conditions come from our own data, never from the input.
    connection.execute(f"INSERT INTO suspect SELECT row_no FROM {table} t WHERE {anything}")  # noqa: S608
    if connection.execute("SELECT count(*) FROM suspect").fetchone()[0]:
        for condition in conditions:
            rule = catalogue[condition.check.rule_id]
            values = (
                rule.id,
                condition.check.attribute.cls,
                condition.check.attribute.element,
                condition.check.fate.name,
                rule.severity.value,
                int(catalogue.blocks(rule)),
            )
            connection.execute(_insert(table, condition.sql), values)
    connection.execute("DROP TABLE temp.suspect")


def _suspicious(conditions: list[_Condition], year: Year) -> Iterator[str]:
    """What makes a row worth a second look: every condition, or one question instead of three for a coded element."""
    coded = {
        c.check.attribute: _not_a_plain_code(c.check.attribute, year) for c in conditions if c.check.kind is Kind.CODE
    }
    yield from coded.values()
    for condition in conditions:
        attribute = condition.check.attribute
        if attribute not in coded or attribute.obligation not in ("", "always", "off"):
            yield condition.sql


def _not_a_plain_code(attribute: Attribute, year: Year) -> str:
    """Covers type, code and obligation of a coded element: whatever is a known code of the right form is none of them."""
    value = _column(attribute)
    codes = sorted(year.register_codes(attribute.lists))
    # A code that would fail the type is never plain: a code list of the municipality's own may hold anything.
    right = str.isdigit if attribute.type in ("101", "152") else str.isalnum
    plain = [c for c in codes if c.isascii() and right(c) and len(c) <= _CODE_LENGTH.get(attribute.type, 1)]
    absent = "0" if not attribute.obligation else f"{value} IS NULL"
    return f"({absent} OR {value} NOT IN ({_literals(plain)}))"


def _insert(table: str, condition: str) -> str:
    """A key longer than ten digits may be a national id: such a place is told by its row number alone."""
    if table in _KEYLESS:
        person_row, person, join = "NULL", "NULL", ""
    else:
        person_row = "t.row_no" if table == "person" else "t.person_row"
        person = "CASE WHEN length(p.pePeID) <= 10 AND NOT p.pePeID GLOB '*[^0-9]*' THEN p.pePeID END"
        join = f"LEFT JOIN person p ON p.row_no = {person_row}"
    return (
        "INSERT INTO finding (rule, tab, element, row_no, person_row, person, fate, severity, blocks) "  # noqa: S608
        f"SELECT ?1, ?2, ?3, t.row_no, {person_row}, {person}, ?4, ?5, ?6 "
        f"FROM suspect s CROSS JOIN {table} t ON t.row_no = s.row_no {join} WHERE {condition}"
    )


# -- conditions --------------------------------------------------------------------------------------------------


def _condition(check: Check, year: Year) -> str | None:
    """When the check fails, as SQL on table ``t``; None where we cannot know (the codes of ICD-10 and ICPC-2)."""
    made = _MAKERS[check.kind](check.attribute, year)
    return f"({made})" if made else None


def _column(attribute: Attribute) -> str:
    return f't."{attribute.element}"'


def _type(attribute: Attribute, _year: Year) -> str:
    value = _column(attribute)
    return f"{value} <> '' AND {_TYPE_FAILS[attribute.type].format(v=value)}"


def _obligation(attribute: Attribute, year: Year) -> str:
    missing = f"ifnull({_column(attribute)}, '') = ''"
    if attribute.obligation in ("always", "off"):
        return missing
    types = sorted(code for code, kind in _all_service_types(year) if attribute.obligation in kind)
    return f"{missing} AND t.tjTjenType IN ({_literals(types)})"


def _all_service_types(year: Year) -> list[tuple[str, str]]:
    """Code and obligations; the register's sets do not ask whether a code is valid this year."""
    return [(code, kind.obligations) for code, kind in year.all_service_types.items()]


def _code(attribute: Attribute, year: Year) -> str | None:
    if attribute.lists == ("diKodeVersjon",):
        return None
    value = _column(attribute)
    return f"{value} <> '' AND {value} NOT IN ({_literals(sorted(year.register_codes(attribute.lists)))})"


def _range(attribute: Attribute, year: Year) -> str:
    value = _column(attribute)
    low, high = (_bound(text, year) for text in attribute.range)
    if attribute.type == "232":
        return f"{_DECIMAL.format(v=value)} AND CAST({value} AS REAL) NOT BETWEEN {low} AND {high}"
    if attribute.type == "1006":  # YYYYMM: limits compared as months
        return f"{_SIX_DIGITS.format(v=value)} AND {value} NOT BETWEEN '{low[:6]}' AND '{high[:6]}'"
    outside = [f"{value} < '{low}'" if _is_day(low) else _before_another(value, low)]
    outside += [f"{value} > '{high}'"] if high else []
    return f"{value} <> '' AND ({' OR '.join(outside)}) AND {_DAY.format(v=value)}"


def _before_another(value: str, element: str) -> str:
    """A limit that is itself a date of the row counts only when it is a day."""
    other = f't."{element}"'
    return f"({value} < {other} AND {_DAY.format(v=other)})"


def _is_day(text: str) -> bool:
    return text.isdigit()


def _bound(text: str, year: Year) -> str:
    """A limit as it is compared: YYYYMMDD, a number, another column's name, or nothing."""
    named = {"first_day": year.first_day, "last_day": year.last_day}
    if text in named:
        return f"{named[text]:%Y%m%d}"
    if len(text) == 10 and text[4] == "-":
        return f"{date.fromisoformat(text):%Y%m%d}"
    return text


def _literals(codes: list[str]) -> str:
    return ", ".join("'" + code.replace("'", "''") + "'" for code in codes)


_MAKERS = {Kind.TYPE: _type, Kind.OBLIGATION: _obligation, Kind.CODE: _code, Kind.RANGE: _range}
