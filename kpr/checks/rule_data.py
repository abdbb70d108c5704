"""Rules as data: reads the rows of ``data/*-rules.yaml`` and makes one SQL statement per place where a rule looks.

The shape of a row is explained at the head of ``data/content-rules.yaml``. Nothing from an extract is ever put into
SQL text: what is filled in comes from the rule files and from the schema, and all values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kpr.checks.finding import Fate, Mode, Owner, Severity, Text
from kpr.checks.rules import Rule
from kpr.yaml_file import read_yaml

DATA = Path(__file__).parent / "data"
FILES = ("content-rules.yaml", "ident-rules.yaml")

_OWNERS = {"unit": Owner.UNIT, "extract": Owner.EXTRACT, "code": Owner.CODE}

#: Classes of the two messages whose rows lie in a table of another name than the class in lower case.
_TABLE_OF = {"PasientIdent": "ident"}

#: Tables whose rows belong to a person, and the column that holds the person's key.
_KEY_OF = {
    "person": "pePeID",
    "personoppl": "poPeID",
    "funksjon": "fnPeID",
    "tjeneste": "tjPeID",
    "diagnose": "diPeID",
    "dogntilbud": "dgPeID",
    "ident": "pid",
}

_SET = re.compile(r"\bIN :(\w+)")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class RuleRow(_Row):
    """One row of a rule file, as written."""

    id: str
    severity: Severity | dict[int, Severity]
    basis: str = Field(pattern="^[CPA]$")
    source: str
    owner: str = Field(pattern="^(unit|extract|code)$")
    first_year: int | None = Field(default=None, alias="from")
    last_year: int | None = Field(default=None, alias="to")
    mode: Mode | None = None
    fate: str = Field(default="none", pattern="^(message_deleted|row_deleted|value_lost|noted|none)$")
    table: str | None = None
    element: str | None = None
    wrong: Text
    remedy: Text
    each: tuple[dict[str, str], ...] = ({},)
    where: str | None = None
    query: str | None = None
    gives_person: bool = False
    asks_reason: bool = False
    asks_decision: bool = False
    nothing_to_mend: bool = False
    elsewhere: Text | None = None

    def model_post_init(self, _context: Any) -> None:
        """A rule is checked in exactly one way, and every place names its class."""
        if sum(way is not None for way in (self.where, self.query, self.elsewhere)) != 1:
            raise ValueError(f"rule {self.id} needs one of where, query and elsewhere")
        if not all(self.table or place.get("table") for place in self.each):
            raise ValueError(f"rule {self.id} has a place without a table")

    def valid_in(self, data_year: int) -> bool:
        """Whether the rule is asked in this data year."""
        return (self.first_year or 0) <= data_year <= (self.last_year or 9999)

    def severity_in(self, data_year: int) -> Severity:
        """The severity in this data year: that of the newest year at or before it."""
        if isinstance(self.severity, Severity):
            return self.severity
        return self.severity[max(year for year in self.severity if year <= data_year)]

    def as_rule(self, data_year: int) -> Rule:
        """The row as the catalogue wants it."""
        severity = self.severity_in(data_year)
        stops = severity in (Severity.FATAL, Severity.ERROR) or self.asks_reason
        return Rule(
            id=self.id,
            severity=severity,
            owner=_OWNERS[self.owner],
            wrong=self.wrong,
            remedy=self.remedy,
            source=self.source,
            basis=self.basis,
            mode=self.mode or (Mode.BLOCK if stops else Mode.WARN),
            asks_reason=self.asks_reason,
            asks_decision=self.asks_decision,
            nothing_to_mend=self.nothing_to_mend,
        )

    def statements(self, columns: Mapping[str, tuple[str, ...]]) -> Iterator[Statement]:
        """One statement per place; a place whose element this version of the format lacks is left out."""
        if self.elsewhere is not None:
            return
        for place in self.each:
            tab = place.get("table", self.table or "")
            table = _TABLE_OF.get(tab, tab.lower())
            element = place.get("element", self.element)
            if element and table in columns and element not in columns[table]:
                continue
            names = {"element": element or "", "sql_table": table, **place}
            yield Statement(self.id, tab, Fate[self.fate.upper()], _insert(self._offenders(table, names), table, self))

    def _offenders(self, table: str, names: dict[str, str]) -> str:
        if self.query is not None:
            return self.query.format(**names)
        condition = (self.where or "").format(**names)
        # Names come from the rule files, never from the input.
        return f"SELECT row_no, {_person_row(table)}, '{names['element']}' FROM {table} WHERE {condition}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Statement:
    """One ``INSERT INTO finding``: binds the sets and values of the data year, and what the catalogue says."""

    rule: str
    tab: str
    fate: Fate
    sql: str


def _person_row(table: str) -> str:
    if table == "ident":
        return "(SELECT min(p.row_no) FROM person p WHERE p.pePeID = ident.pid)"
    if table == "person":
        return "row_no"
    return "person_row" if table in _KEY_OF else "NULL"


def _insert(offenders: str, table: str, row: RuleRow) -> str:
    own = _KEY_OF.get(table)
    if row.gives_person:
        person, joins = "o.person", ""
    elif own is None:
        person, joins = "NULL", ""
    else:
        person = f"coalesce(p.pePeID, own.{own})" if table != "ident" else "own.pid"
        joins = f"LEFT JOIN person p ON p.row_no = o.person_row LEFT JOIN {table} own ON own.row_no = o.row_no"
    offenders = _SET.sub(r"IN (SELECT value FROM json_each(:\1))", offenders)
    names = "row_no, person_row, element" + (", person" if row.gives_person else "")
    # A key longer than ten digits may be a national id: such a place is told by its row number alone.
    return f"""
        INSERT INTO finding (rule, tab, element, row_no, person_row, person, fate, severity, blocks)
        WITH offender ({names}) AS ({offenders})
        SELECT :rule_id, :rule_tab, nullif(o.element, ''), o.row_no, o.person_row,
               CASE WHEN length({person}) <= 10 AND {person} NOT GLOB '*[^0-9]*' THEN {person} END,
               :rule_fate, :rule_severity, :rule_blocks
        FROM offender o {joins}"""  # noqa: S608


@cache
def rule_rows(file: str | None = None) -> tuple[RuleRow, ...]:
    """All rows of both rule files, or of the one named, in the order in which they stand there."""
    if file is None:
        return tuple(row for name in FILES for row in rule_rows(name))
    return tuple(RuleRow.model_validate(row) for row in read_yaml(DATA / file)["rules"])
