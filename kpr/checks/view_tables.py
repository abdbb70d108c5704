"""The tables of the register's daily view, computed from our own rows (letter L2).

T1 users per service type with change from last year, T2 long-term stay on 31 December, T3 home-dwelling on
31 December, both with the share for which each fact is mapped («kartlagt»). The service code table (T4) is
:attr:`kpr.years.Year.service_types`, the date of submission is the store's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kpr.checks.counting import ALL_PERSONS, counted_lines, counting_tables
from kpr.checks.fact import Change, compare
from kpr.sources.work_rows import WorkRows
from kpr.years import Year

#: Long-term stay in an institution, code list 9151.
LONG_TERM_STAY = "21"

#: What the view calls mapped: a fact of PERSONOPPL that is answered. Which facts the view shows is only probable.
MAPPED = {
    "poHusstand": "Husstand",
    "poBoligTilr": "Egnet bolig",
    "poPrivHjelp": "Privat hjelp",
    "poVurdLege": "Vurdert av lege",
    "poVurdTann": "Vurdert av tannhelsepersonell",
    "poLegeMiddGj": "Legemiddelgjennomgang",
    "poErnKartlagt": "Ernæring",
    "poIndPlan": "Individuell plan",
    "poHarKoordinator": "Koordinator",
}


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """T1: persons with the service type through the year, now and last year."""

    code: str
    text_nb: str
    change: Change


@dataclass(frozen=True, slots=True)
class MappedShare:
    """For how many of the group a fact is mapped; ``percent`` is None for an empty group."""

    fact: str
    text_nb: str
    persons: int
    percent: float | None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """T2 or T3: the group's size on 31 December and the share mapped for each fact."""

    persons: int
    shares: tuple[MappedShare, ...]


@dataclass(frozen=True, slots=True)
class ViewTables:
    """The register's view of one submission; ``persons`` is everybody with an active service."""

    persons: Change
    services: tuple[ServiceLine, ...]
    long_term_stay: GroupTable
    home_dwelling: GroupTable


def view_json(tables: ViewTables) -> dict[str, Any]:
    """The tables as plain data; counts only, no person."""
    return asdict(tables)


def view_tables(
    work: WorkRows, year: Year, last_year: Mapping[str, int] | None = None, *, kept_only: bool = False
) -> ViewTables:
    """T1-T3. With ``kept_only`` only rows that the register keeps are counted (the prediction must have run)."""
    with counting_tables(work, year, kept_only=kept_only) as connection:
        changes = compare(counted_lines(connection, work, year), last_year)
        types = year.codes("tjTjenType")
        in_stay = f"SELECT person_row FROM service WHERE on_last_day AND type = '{LONG_TERM_STAY}'"  # noqa: S608
        full_set = int(year.function_set.value)
        return ViewTables(
            persons=changes[ALL_PERSONS],
            services=tuple(ServiceLine(code, text.text_nb, changes[code]) for code, text in types.items()),
            long_term_stay=_group(connection, in_stay, full_set),
            home_dwelling=_group(
                connection,
                f"SELECT person_row FROM service WHERE on_last_day AND person_row NOT IN ({in_stay})",  # noqa: S608
                full_set,
            ),
        )


def _group(connection: sqlite3.Connection, members: str, full_set: int) -> GroupTable:
    # One pass: persons of the group, their snapshot, and how many have each fact. Names are ours, never the input's.
    answered = ", ".join(f"count(nullif(o.{fact}, ''))" for fact in MAPPED)
    row = connection.execute(
        f"""
        SELECT count(*), {answered}, count(a.person_row), count(CASE WHEN a.variables >= ? THEN 1 END)
        FROM (SELECT DISTINCT person_row FROM ({members})) g
        LEFT JOIN snapshot n ON n.person_row = g.person_row LEFT JOIN personoppl o ON o.row_no = n.row_no
        LEFT JOIN assessment a ON a.person_row = g.person_row""",  # noqa: S608
        (full_set,),
    ).fetchone()
    persons, counts = row[0], row[1:]
    names = MAPPED | {"any_score": "Funksjonsvurdering", "full_set": "Alle funksjonsvariabler"}
    shares = [
        MappedShare(fact, text, have, round(have * 100 / persons, 1) if persons else None)
        for (fact, text), have in zip(names.items(), counts, strict=True)
    ]
    return GroupTable(persons, tuple(shares))
