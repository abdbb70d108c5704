"""What each row of the ident message says about its person, without the number itself.

The rules need to know whether a number is synthetic, dated and valid; they never need the number. This is the one
place where the checks read it, and only what is said here goes on into the work tables.
"""

from __future__ import annotations

import re
import sqlite3
from datetime import date
from typing import NamedTuple

from kpr.national_id import IdKind, birth_date, check_national_id, kind_of, sex_of

_DATED_TYPES = ("1", "2", "3")
_NUMBERED_TYPES = (*_DATED_TYPES, "12")
_OTHER = "9"
_NAME = re.compile(r"[^\W\d_][ ,]+[^\W\d_]|^[^\W\d_]{2,}$")


class IdentFact(NamedTuple):
    """Judgement of one id: ``kind`` is an IdKind by name; birth year and sex only where they can be read."""

    kind: str | None = None
    birth_year: int | None = None
    sex: str | None = None
    real: bool = False
    undated: bool = False
    faulty: bool = False
    newly_valid: bool = False
    named: bool = False


def judge(fid: str | None, type_id: str | None) -> IdentFact:
    """Judge one id under its declared type (code list 9032; HIS 1001)."""
    if not fid:
        return IdentFact()
    type_id = type_id or ""
    named = _NAME.search(fid) is not None and type_id not in ("4", "7", "8")
    if type_id == _OTHER and len(fid) == 6 and _digits(fid):
        return IdentFact(undated=not _has_real_day(fid))
    verdict = check_national_id(fid, type_id)
    undated = type_id in _DATED_TYPES and len(fid) == 11 and _digits(fid) and not _has_real_day(fid)
    numbered = type_id in _NUMBERED_TYPES
    if undated or not numbered:
        kind = kind_of(fid).name if numbered or type_id == _OTHER else None
        return IdentFact(kind=kind, undated=undated, faulty=not verdict.ok, named=named)
    born = birth_date(fid)
    return IdentFact(
        kind=verdict.kind.name,
        birth_year=born.year if born else None,
        sex=sex_of(fid),
        real=verdict.ok and verdict.kind in (IdKind.BIRTH, IdKind.D),
        faulty=not verdict.ok,
        newly_valid=verdict.ok and not verdict.valid_old,
        named=named,
    )


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _has_real_day(text: str) -> bool:
    """Whether the first six digits are a day in either century, offsets of kind and of synthetic makers taken off."""
    if text[0] in "89" and len(text) == 11:
        return True  # an FH-number has no date to be wrong
    day, month, year = int(text[:2]), int(text[2:4]), int(text[4:6])
    day -= 40 if day > 40 else 0
    month -= next((offset for offset in (80, 65, 40) if month > offset), 0)
    for century in (1900, 2000):
        try:
            date(century + year, month, day)
        except ValueError:
            continue
        return True
    return False


def fill_ident_facts(connection: sqlite3.Connection) -> None:
    """Make the temporary table ``ident_fact``: one row per row of ``ident``, tied to its person."""
    connection.execute("DROP TABLE IF EXISTS temp.ident_fact")
    connection.execute("""
        CREATE TEMP TABLE ident_fact (row_no INTEGER PRIMARY KEY, person_row INTEGER, pid TEXT, type_id TEXT, kind TEXT,
            birth_year INTEGER, sex TEXT, real INTEGER, undated INTEGER, faulty INTEGER, newly_valid INTEGER,
            named INTEGER)""")
    rows = connection.execute("""
        SELECT row_no, (SELECT min(p.row_no) FROM person p WHERE p.pePeID = ident.pid), pid, typeID, fid FROM ident""")
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO ident_fact VALUES ({', '.join('?' * 12)})",  # noqa: S608
        ((number, person, pid, kind, *judge(fid, kind)) for number, person, pid, kind, fid in rows),
    )
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX temp.ident_fact_person ON ident_fact (person_row)")
