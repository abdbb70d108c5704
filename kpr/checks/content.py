"""Runs the sender's own content rules: X01-X34, L0, I01-I16 and the plausibility rules Y.

A rule is a row of a YAML file (:mod:`kpr.checks.rule_data`); this module binds what the data year and the options say
and runs one statement per place over whole tables. Nothing is ever altered in the rows: a fault is mended in the
care-record system and extracted again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from kpr.checks import diagnoses
from kpr.checks.counting import counting_tables, stay_in_memory
from kpr.checks.ident_facts import fill_ident_facts
from kpr.checks.rule_data import RuleRow, Statement, rule_rows
from kpr.checks.rules import Catalogue, Rule
from kpr.national_id import valid_organisation_number
from kpr.plausibility.drift import drift, services_per_person
from kpr.plausibility.figures import Count, Figures, count_figures, figures_of_lines
from kpr.plausibility.swings import Limits, Swing, swings
from kpr.sources.work_rows import WorkRows
from kpr.years import Year

#: Types for which no functional assessment is asked: coercion and emergency stays (content rule X17, exemptions ours).
_UNASSESSED = ("14", "23", "24", "25")
_WELFARE_TECHNOLOGY = "velferdsteknologi"


@dataclass(frozen=True, slots=True)
class ContentOptions:
    """What the rules cannot read from the extract. Everything is optional: a rule without its fact is silent.

    ``environment`` is simulator, test, qa or production: synthetic numbers (+80) block in production only, numbers
    that look real block in simulator and test. ``test_persons`` and ``real_persons`` are local keys that the reporting
    officer has decided on; ``vendor_keys`` are patterns (``9999*``) of keys that the vendor uses for its own persons.
    ``persons_left_out`` is how many were taken out of these rows before, by decision (letter L6).
    ``last_year`` is what :func:`kpr.checks.facts.service_type_counts` gave for the last accepted submission, ``before``
    everything that is known of it (and then the only thing looked at), ``given_otherwise`` the lines for which the
    officer gave another number. ``former_persons`` are the local keys of the former extract of the same year,
    ``former_services`` how many services each had, ``former_ident`` its pid by fid. ``reasons``: for which rule, line
    and numbers (now, before) a person has said why.
    """

    environment: str = "simulator"
    municipality_number: str | None = None
    sequence_number: int | None = None
    last_sequence_number: int | None = None
    test_persons: frozenset[str] = field(default=frozenset(), repr=False)
    real_persons: frozenset[str] = field(default=frozenset(), repr=False)
    vendor_keys: tuple[str, ...] = ()
    persons_left_out: int = 0
    diagnosis_codes: diagnoses.DiagnosisCodes = field(default_factory=dict, repr=False)
    last_year: Mapping[str, int] | None = None
    before: Figures | None = None
    given_otherwise: tuple[str, ...] = ()
    former_persons: frozenset[str] = field(default=frozenset(), repr=False)
    former_services: Mapping[str, int] = field(default_factory=dict, repr=False)
    former_ident: Mapping[str, str] = field(default_factory=dict, repr=False)
    reasons: frozenset[tuple[str, str, int, int]] = frozenset()
    limits: Limits = field(default_factory=Limits)
    refusal_percent: int = 50
    full_function_set: int | None = None
    welfare_technology_is_assessed: bool = False

    def known_before(self, year: Year) -> Figures | None:
        """Last year's figures, however much of them is known."""
        if self.before is not None:
            return self.before
        return figures_of_lines(year.data_year - 1, self.last_year) if self.last_year else None


def content_rules(year: Year) -> list[Rule]:
    """Every content rule of the data year, those whose check stands elsewhere too."""
    return [row.as_rule(year.data_year) for row in _rows(year)]


def run_content_rules(
    work: WorkRows, year: Year, catalogue: Catalogue, options: ContentOptions | None = None
) -> Figures:
    """Run every content rule of the data year over the work rows, into the table ``finding``; the figures counted.

    The table must stand (:func:`kpr.checks.rules.create_finding_table`). The catalogue says the severity and whether
    a rule blocks.
    """
    options = options or ContentOptions()
    stay_in_memory(work.connection)
    _register_functions(work.connection, options)
    with counting_tables(work, year) as connection:
        figures = replace(count_figures(work, year), drift=_drift(work, options))
        with _lookup_tables(connection, swings(figures, options.known_before(year), options.limits), options):
            _run(connection, work, year, catalogue, options)
    return figures


def _run(
    connection: sqlite3.Connection, work: WorkRows, year: Year, catalogue: Catalogue, options: ContentOptions
) -> None:
    values = _values(year, options)
    for row in _rows(year):
        for statement in row.statements(work.columns):
            connection.execute(statement.sql, values | _said_by_catalogue(catalogue, statement))


def _drift(work: WorkRows, options: ContentOptions) -> Mapping[str, Count]:
    return drift(options.former_services, services_per_person(work)) if options.former_services else {}


def _rows(year: Year) -> list[RuleRow]:
    return [row for row in rule_rows() if row.valid_in(year.data_year)]


def _said_by_catalogue(catalogue: Catalogue, statement: Statement) -> dict[str, Any]:
    rule = catalogue[statement.rule]
    return {
        "rule_id": rule.id,
        "rule_tab": statement.tab,
        "rule_fate": statement.fate.name,
        "rule_severity": rule.severity.value,
        "rule_blocks": int(catalogue.blocks(rule)),
    }


def _register_functions(connection: sqlite3.Connection, options: ContentOptions) -> None:
    """The few judgements that SQL cannot make; asked once per distinct value."""
    functions: dict[tuple[str, int], Callable[..., bool]] = {
        ("valid_organisation_number", 1): valid_organisation_number,
        ("diagnosis_has_form", 2): diagnoses.has_form,
        ("diagnosis_is_known", 2): diagnoses.known_in(options.diagnosis_codes),
    }
    for (name, arguments), function in functions.items():
        connection.create_function(name, arguments, function, deterministic=True)


@contextmanager
def _lookup_tables(connection: sqlite3.Connection, found: Iterable[Swing], options: ContentOptions) -> Iterator[None]:
    fill_ident_facts(connection)
    # A swing for which a person has said why is told as explained, and stops nothing.
    told = [("explained" if swing.key in options.reasons else swing.rule, swing.line) for swing in found]
    _table(connection, "swing", "rule TEXT, line TEXT", told)
    former = [(fid, pid) for fid, pid in options.former_ident.items()]
    _table(connection, "former_ident", "fid TEXT PRIMARY KEY, pid TEXT", former)
    try:
        yield
    finally:
        for name in ("ident_fact", "swing", "former_ident"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _table(connection: sqlite3.Connection, name: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
    connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
    connection.execute("BEGIN")
    marks = ", ".join("?" * (columns.count(",") + 1))
    # Table names are those above, never the input's.
    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)  # noqa: S608
    connection.execute("COMMIT")


def _values(year: Year, options: ContentOptions) -> dict[str, Any]:
    """Everything that a rule may name with a colon; sets are JSON lists (``IN :name`` in a rule)."""
    return _days(year) | _sets_of_year(year, options) | _said_by_options(options, year)


def _days(year: Year) -> dict[str, Any]:
    before = year.first_day - timedelta(days=1)
    return {
        "data_year": year.data_year,
        "first_day": f"{year.first_day:%Y%m%d}",
        "last_day": f"{year.last_day:%Y%m%d}",
        "last_month": f"{year.last_day:%Y%m}",
        "year_before": f"{before:%Y%m%d}",
        "oldest_month": f"{before:%Y%m}",
        "twenty_years_before": f"{year.data_year - 20}0101",
        "iplos_version": year.iplos_version.value,
        "not_receiving": year.not_receiving_code.value,
    }


_CODED = ("tjTjenType", "tjTjenUnderType", "poHarKoordinator", "poIndPlan", "typeID", "typeKontaktperson")


def _sets_of_year(year: Year, options: ContentOptions) -> dict[str, str]:
    types = year.service_types
    unassessed = list(_UNASSESSED)
    if year.data_year >= 2019 and not options.welfare_technology_is_assessed:
        unassessed += [code for code, kind in types.items() if kind.group == _WELFARE_TECHNOLOGY]
    sets: dict[str, list[str]] = {f"codes_{element}": list(year.codes(element)) for element in _CODED}
    sets |= {f"score_{number}": sorted(year.score_list(number)) for number in ("13", "14")}
    for letter in "TR":
        sets[f"obligation_{letter}"] = [code for code, kind in types.items() if letter in kind.obligations]
    sets["group_hjemmeboende"] = [code for code, kind in types.items() if kind.group == "hjemmeboende"]
    sets["organisation_required"] = [code for code, kind in types.items() if kind.organisation == "required"]
    sets["unassessed_types"] = unassessed
    sets["municipalities"] = _municipalities(year)
    return {name: json.dumps(codes) for name, codes in sets.items()}


def _municipalities(year: Year) -> list[str]:
    # A data year may come without a list of municipalities; rule X27c then says that they were not checked.
    return [str(municipality.number) for municipality in getattr(year, "municipalities", ())]


def _said_by_options(options: ContentOptions, year: Year) -> dict[str, Any]:
    return {
        "environment": options.environment,
        "municipality": options.municipality_number,
        "sequence_number": options.sequence_number,
        "last_sequence_number": options.last_sequence_number,
        "knows_last_year": int(options.known_before(year) is not None),
        "given_otherwise": json.dumps(options.given_otherwise),
        "former_system": options.before.system[0] if options.before else None,
        "former_version": options.before.system[1] if options.before else None,
        "refusal_percent": options.refusal_percent,
        "full_set": options.full_function_set or year.function_set.value,
        "knows_municipalities": int(bool(_municipalities(year))),
        "age_from_id": int(year.age_from_id.value),
        "test_persons": json.dumps(sorted(options.test_persons)),
        "real_persons": json.dumps(sorted(options.real_persons)),
        "vendor_keys": json.dumps(options.vendor_keys),
        "former_persons": json.dumps(sorted(options.former_persons)),
    }
