"""The work list: every finding with the unit that can mend it, as CSV, and what was mended since the last run. Pure.

A finding is known again by rule, person, class and element, not by its row: rows change their numbers from one
extract to the next. Of several alike only their number is compared. What is gone was mended, unless the person was
left out by decision, or somebody has said why the number may swing.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from kpr.checks.finding import Owner, Severity, Text
from kpr.checks.rules import Catalogue
from kpr.errors import BadMessage
from kpr.report.units import UNIT_OF_FINDING
from kpr.report.words import OWNERS, SEVERITIES
from kpr.sources.work_rows import WorkRows

#: What makes a finding the same in two extracts: rule, local key, class, element.
Key = tuple[str, str, str, str]

HEADING = Text(
    "Enhet;Status;Alvor;Regel;Stanser;Lokal nøkkel;Klasse;Rad;Element;Hva er galt;Slik rettes det;Hvem;Siden",
    "Unit;Status;Severity;Rule;Stops;Local key;Class;Row;Element;What is wrong;How to mend it;Who;Since",
)
_NEW, _STILL, _MENDED = Text("nytt", "new"), Text("står igjen", "remains"), Text("rettet", "mended")
_LEFT_OUT, _EXPLAINED = Text("utelatt", "left out"), Text("forklart", "explained")
#: The rule under which a swing is told once a person has said why.
_SAID_WHY = "X32c"
_YES = Text("ja", "yes")
#: What a spreadsheet would take for a formula when it stands first in a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding on the list. ``row`` is None for one that is gone."""

    unit: str
    rule: str
    severity: Severity
    owner: Owner
    blocks: bool
    person: str
    table: str
    element: str
    row: int | None = None

    @property
    def key(self) -> Key:
        """By what it is known again."""
        return self.rule, self.person, self.table, self.element


@dataclass(frozen=True, slots=True)
class Former:
    """What an earlier run found: by key its number, the day it was first seen, and the unit. Sensitive: local keys."""

    seen: Mapping[Key, tuple[int, str, str]]


NO_FORMER = Former({})


def entries(
    work: WorkRows, catalogue: Catalogue, *, rule: str | None = None, limit: int | None = None
) -> Iterator[Entry]:
    """The findings of the check that ran over these rows, by unit and worst first; not what asks for nothing.

    :func:`kpr.report.units.prepare_units` must have run.
    """
    query = (
        f"SELECT {UNIT_OF_FINDING} AS unit, f.rule, f.severity, f.blocks, coalesce(f.person, ''), f.tab, "  # noqa: S608
        "coalesce(f.element, ''), f.row_no FROM finding f "
        "WHERE (:rule IS NULL OR f.rule = :rule) AND f.rule NOT IN (SELECT value FROM json_each(:watched)) "
        "ORDER BY unit, CASE f.severity WHEN 'FATAL' THEN 0 WHEN 'ERROR' THEN 1 WHEN 'WARNING' THEN 2 ELSE 3 END, "
        "f.rule, f.row_no LIMIT :limit"
    )
    asked = {"rule": rule, "limit": -1 if limit is None else limit, "watched": json.dumps(catalogue.unlisted())}
    for row in work.connection.execute(query, asked):
        owner = catalogue[row[1]].owner
        yield Entry(row[0], row[1], Severity(row[2]), owner, bool(row[3]), row[4], row[5], row[6], row[7])


@dataclass
class WorkList:
    """Goes over the findings once: gives the CSV's lines and gathers what the next run will compare with.

    ``left_out`` are the local keys that were taken out of the rows by decision.
    """

    catalogue: Catalogue
    today: date
    former: Former = NO_FORMER
    language: str = "nb"
    left_out: Container[str] = frozenset()

    def __post_init__(self) -> None:
        self._seen: dict[Key, tuple[int, str, str]] = {}
        self.counts: Counter[str] = Counter()

    def lines(self, found: Iterable[Entry]) -> Iterator[str]:
        """The CSV in pieces: for Excel as it is in Norway (semicolons, a byte order mark, CRLF)."""
        yield f"\ufeff{self._said(HEADING)}\r\n"
        for entry in found:
            number, since, _ = self._seen.get(entry.key, (0, "", ""))
            before, first, _ = self.former.seen.get(entry.key, (0, "", ""))
            since = since or first or self.today.isoformat()
            self._seen[entry.key] = number + 1, since, entry.unit
            status = _STILL if number < before else _NEW
            yield self._line(entry, status, since if status is _STILL else self.today.isoformat())
        yield from self._gone()

    def _gone(self) -> Iterator[str]:
        watched = set(self.catalogue.watched())
        for key, (number, since, unit) in sorted(self.former.seen.items(), key=lambda item: (item[1][2], item[0])):
            gone = number - self._seen.get(key, (0, "", ""))[0]
            rule, person, table, element = key
            if rule not in self.catalogue or rule in watched:  # of another version of the program, or only counted now
                continue
            if (told := self.catalogue[rule]).nothing_to_mend:
                continue
            for _ in range(gone):
                entry = Entry(unit, rule, told.severity, told.owner, False, person, table, element)
                yield self._line(entry, self._why_gone(entry), since)

    def _why_gone(self, entry: Entry) -> Text:
        if entry.person and entry.person in self.left_out:
            return _LEFT_OUT
        said = any(
            rule == _SAID_WHY and (person, element) == (entry.person, entry.element)
            for rule, person, _, element in self._seen
        )
        return _EXPLAINED if said and self.catalogue[entry.rule].asks_reason else _MENDED

    def _line(self, entry: Entry, status: Text, since: str) -> str:
        rule = self.catalogue[entry.rule]
        self.counts[status.en] += 1
        cells = (
            entry.unit,
            self._said(status),
            self._said(SEVERITIES[entry.severity]),
            entry.rule,
            self._said(_YES) if entry.blocks else "",
            entry.person,
            entry.table,
            "" if entry.row is None else str(entry.row),
            entry.element,
            self._said(rule.wrong),
            self._said(rule.remedy),
            self._said(OWNERS[entry.owner]),
            since,
        )
        line = io.StringIO()
        csv.writer(line, delimiter=";", lineterminator="\r\n").writerow(map(_harmless, cells))
        return line.getvalue()

    def _said(self, text: Text) -> str:
        return text.en if self.language == "en" else text.nb

    @property
    def to_keep(self) -> bytes:
        """What the next run compares with, as JSON. Sensitive: it holds local keys."""
        return json.dumps([[*key, *value] for key, value in self._seen.items()], ensure_ascii=False).encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def read_former(raw: bytes) -> Former:
    """What an earlier run kept; BadMessage when it is something else."""
    try:
        rows = json.loads(raw)
        return Former({(row[0], row[1], row[2], row[3]): (int(row[4]), str(row[5]), str(row[6])) for row in rows})
    except (ValueError, IndexError, TypeError, KeyError):
        raise BadMessage(
            "The former work list cannot be read.", place="work list", remedy="Make a new one; this one begins anew."
        ) from None
