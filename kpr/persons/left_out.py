"""Takes persons out of the work rows of both messages, with all that belongs to them, and says how many and why.

The extract is kept as it came: this is done to a copy in memory, before every check and before building, so that the
rows that are checked are the rows that are sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kpr.messages.shape import CHILD_CLASSES
from kpr.persons.decisions import Line, Verdict
from kpr.persons.sheet import UNMARKED, reasons_said
from kpr.persons.suspects import in_order
from kpr.sources.work_rows import WorkRows


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many persons were left out, by reason (one may have several), and how many rows went with them."""

    persons: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """For an event, in Norwegian: counts by reason, no key."""
        return ", ".join(f"{reasons_said([reason])}: {count}" for reason, count in self.by_reason.items())


@dataclass(frozen=True, slots=True)
class Sides:
    """The list as the check needs it: who goes out, who is real, and for whom the submission waits."""

    out: Mapping[str, tuple[str, ...]] = field(repr=False)
    real: frozenset[str] = field(repr=False)
    waiting: frozenset[str] = field(repr=False)
    waiting_vendors: frozenset[str] = field(repr=False)

    def options(self, left_out: LeftOut) -> dict[str, Any]:
        """The fields of :class:`kpr.checks.content.ContentOptions` that the list fills."""
        return {
            "test_persons": self.waiting,
            "real_persons": self.real,
            "vendor_keys": tuple(sorted(self.waiting_vendors)),
            "persons_left_out": left_out.persons,
        }


#: What X29d says for the list (an id that is wrong in itself has its own rule), and what X29f says.
_LISTED = frozenset({"NAME_LISTED", "MARKED", "DECIDED_BEFORE"})
_VENDOR = "VENDOR_KEY"


def sides(lines: Iterable[Line]) -> Sides:
    """Who is on which side. Somebody whose only certain mark is in the id itself is found by rules X29a and X29e."""
    every = tuple(lines)
    waiting = [line for line in every if line.stops]
    # A rule compares keys with patterns; a key of digits is its own pattern, any other goes on the list.
    vendors = {line.key for line in waiting if _VENDOR in line.reasons}
    plain = {key for key in vendors if key.isascii() and key.isdigit()}
    return Sides(
        out={line.key: line.reasons for line in every if line.verdict is Verdict.LEAVE_OUT},
        real=frozenset(line.key for line in every if line.verdict is Verdict.REAL),
        waiting=frozenset(line.key for line in waiting if _LISTED & set(line.reasons)) | (vendors - plain),
        waiting_vendors=frozenset(plain),
    )


def leave_out(work: WorkRows, out: Mapping[str, Iterable[str]]) -> LeftOut:
    """Take these local keys out: persons, the rows under them, and their ids. A key that is not there is passed over.

    ``out`` says by key the reasons that stood when it was decided. Row numbers stay as they were in the extract.
    """
    if not out:
        return LeftOut()
    connection = work.connection
    connection.execute("BEGIN")
    connection.execute("CREATE TEMP TABLE going (key TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT INTO going VALUES (?)", ((key,) for key in out))
    there = _there(work)
    rows = {table: connection.execute(query).rowcount for table, query in _deletions(work).items()}
    connection.execute("DROP TABLE going")
    connection.execute("COMMIT")
    counted = Counter(reason for key in there for reason in out[key])
    by_reason = {reason: counted[reason] for reason in in_order(counted)}
    if unmarked := sum(not tuple(out[key]) for key in there):
        by_reason[UNMARKED] = unmarked
    return LeftOut(len(there), by_reason, {table: count for table, count in rows.items() if count})


def _there(work: WorkRows) -> list[str]:
    query = (
        "SELECT key FROM going WHERE key IN (SELECT pePeID FROM person) OR key IN (SELECT pid FROM ident) ORDER BY key"
    )
    return [key for (key,) in work.connection.execute(query)]


def _deletions(work: WorkRows) -> dict[str, str]:
    """Children first, while their persons still say whose they are; rows without a person go by their own key."""
    statements = {}
    for name in CHILD_CLASSES:
        table, key = name.lower(), work.shape[name].keys[0]
        statements[table] = (
            f"DELETE FROM {table} WHERE person_row IN "  # noqa: S608  (names of our own schema)
            "(SELECT row_no FROM person WHERE pePeID IN (SELECT key FROM going)) "
            f"OR (person_row IS NULL AND {key} IN (SELECT key FROM going))"
        )
    statements["person"] = "DELETE FROM person WHERE pePeID IN (SELECT key FROM going)"
    statements["ident"] = "DELETE FROM ident WHERE pid IN (SELECT key FROM going)"
    return statements
