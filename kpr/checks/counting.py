"""Who counts: the register's counting rules as three prepared tables, used by rules, letter facts and view tables.

    service     one row per TJENESTE: type, granted, begins, ends, hours; in_year, on_last_day say whether it counts
    snapshot    one row per person: the PERSONOPPL that is valid on 31 December, the newest if there are several
    assessment  one row per person: how many FUNKSJON, how many variables, the newest, lowest and highest score

Source: KPR statistics on municipal health and care services, method (active through the year; granted; left out:
no start date, start before 1980, end before start, dead before the year).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from kpr.sources.work_rows import WorkRows
from kpr.years import Year

#: Types without an obligation to report the decision: a missing tjVedtak counts as granted (register's condition IF-V).
NO_DECISION_NEEDED = ("6", "12", "13", "16", "25", "26", "27", "28")

#: Lines of :func:`service_type_counts` that are no service type.
ALL_PERSONS = "persons"
FIELDS = ("poHeldg", "poHab")

_TABLES = {
    "service": """
        SELECT row_no, person_row, type, decision, granted, begins, ends, hours,
               counts AND begins <= :last_day AND ends >= :first_day AS in_year,
               counts AND begins <= :last_day AND ends >= :last_day AS on_last_day
        FROM (
            SELECT *, granted AND alive AND begins >= '19800101' AND begins <= ends
                      AND type IN (SELECT value FROM json_each(:types)) AS counts
            FROM (
                SELECT t.row_no, t.person_row, t.tjTjenType AS type, t.tjVedtak AS decision,
                       t.tjVedtak = '2' OR (coalesce(t.tjVedtak, '') = ''
                           AND t.tjTjenType IN (SELECT value FROM json_each(:no_decision))) AS granted,
                       nullif(t.tjFraDato, '') AS begins,
                       coalesce(nullif(t.tjTilDato, ''), '99991231') AS ends,
                       CAST(nullif(t.tjTimerUke, '') AS REAL) AS hours,
                       coalesce(nullif(p.peDodDato, ''), '99991231') >= :first_day AS alive
                FROM tjeneste t JOIN person p ON p.row_no = t.person_row
                WHERE {service_filter}))""",
    "snapshot": """
        SELECT person_row, row_no, max(coalesce(poFraDato, '')) AS since FROM personoppl
        WHERE coalesce(poFraDato, '') <= :last_day AND coalesce(nullif(poTilDato, ''), '99991231') >= :last_day
          AND person_row IS NOT NULL AND {snapshot_filter}
        GROUP BY person_row""",
    "assessment": """
        SELECT person_row, min(row_no) AS first_row, count(*) AS scores, count(DISTINCT fnFunkType) AS variables,
               max(fnFraDato) AS newest, min(fnFunkVerdi) AS lowest, max(fnFunkVerdi) AS highest
        FROM funksjon WHERE person_row IS NOT NULL AND {assessment_filter} GROUP BY person_row""",
}
_SOURCE = {"service": ("t.", "tjeneste"), "snapshot": ("", "personoppl"), "assessment": ("", "funksjon")}


def stay_in_memory(connection: sqlite3.Connection) -> None:
    """Have SQLite keep temporary tables and sorting in memory: plain care data never touches the disk."""
    if connection.execute("PRAGMA temp_store").fetchone()[0] != 2:
        # Changing the setting drops every temporary table, so it is changed only when it must be.
        connection.execute("PRAGMA temp_store = MEMORY")


@contextmanager
def counting_tables(work: WorkRows, year: Year, *, kept_only: bool = False) -> Iterator[sqlite3.Connection]:
    """The three tables, as long as the context lasts.

    With ``kept_only`` only the rows that the register keeps are counted; the prediction must have run before. Inside
    a context that stands already, the same tables are used again.
    """
    connection = work.connection
    stay_in_memory(connection)
    if not kept_only and connection.execute("SELECT 1 FROM temp.sqlite_master WHERE name = 'assessment'").fetchone():
        yield connection
        return
    values = {
        "first_day": f"{year.first_day:%Y%m%d}",
        "last_day": f"{year.last_day:%Y%m%d}",
        "types": json.dumps(list(year.codes("tjTjenType"))),
        "no_decision": json.dumps(NO_DECISION_NEEDED),
    }
    try:
        for name, query in _TABLES.items():
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
            text = query.format(**{f"{name}_filter": _filter(name) if kept_only else "true"})
            connection.execute(f"CREATE TEMP TABLE {name} AS {text}", values)
        connection.execute("CREATE INDEX temp.service_person ON service (person_row)")
        connection.execute("CREATE INDEX temp.assessment_person ON assessment (person_row)")
        connection.execute("CREATE INDEX temp.snapshot_person ON snapshot (person_row)")
        yield connection
    finally:
        for name in _TABLES:
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _filter(name: str) -> str:
    prefix, table = _SOURCE[name]
    # Table names are our own, never the input's.
    return f"{prefix}row_no IN (SELECT row_no FROM kept_{table})"  # noqa: S608


def service_type_counts(work: WorkRows, year: Year, *, kept_only: bool = False) -> dict[str, int]:
    """Persons per line, active through the year, each counted once per line: what next year is compared with.

    Lines are the year's service types ("6"), ``persons`` (anyone with an active service) and the fields ``poHeldg``
    and ``poHab`` (persons with the answer yes). 12 and 13 of 2018 are counted together as 29 too, since that is what
    they became (KPR statistics, time series).
    """
    with counting_tables(work, year, kept_only=kept_only) as connection:
        return counted_lines(connection, work, year)


def counted_lines(connection: sqlite3.Connection, work: WorkRows, year: Year) -> dict[str, int]:
    """As :func:`service_type_counts`, where the counting tables already stand."""
    lines = {**dict.fromkeys(year.codes("tjTjenType"), 0), "29": 0, ALL_PERSONS: 0}
    by_type = "SELECT type, count(DISTINCT person_row) FROM service WHERE in_year GROUP BY type"
    lines.update(connection.execute(by_type).fetchall())
    lines[ALL_PERSONS] = _one(connection, "SELECT count(DISTINCT person_row) FROM service WHERE in_year")
    if "12" in lines:
        lines["29"] = _one(
            connection, "SELECT count(DISTINCT person_row) FROM service WHERE in_year AND type IN ('12', '13')"
        )
    for field in FIELDS:
        if field in work.columns["personoppl"]:
            lines[field] = _one(
                connection,
                f"SELECT count(DISTINCT person_row) FROM personoppl WHERE {field} = '1'",  # noqa: S608
            )
    return lines


def _one(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
