"""Who in an extract may be a test person, or dead: local keys with the reasons, never a name or an official id.

The reasons stand in ``reasons.yaml``, the marks in ``marks.yaml``. Nobody is left out for a reason: a person decides.
Source: letter L6; content-rules.md X14, X29, E7, E8; identifiers.md s. 3 and 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kpr.checks.finding import Text
from kpr.checks.ident_facts import fill_ident_facts
from kpr.persons.names import LIKELY, LISTED, Marks, known_marks
from kpr.sources.work_rows import WorkRows
from kpr.yaml_file import read_yaml
from kpr.years import Year

_REASONS = Path(__file__).parent / "reasons.yaml"

Suspects = dict[str, frozenset[str]]

#: A decision to leave somebody out, made about other marks than today's (:mod:`kpr.persons.decisions`).
DECIDED_BEFORE = "DECIDED_BEFORE"


class Reason(BaseModel):
    """Why somebody is asked about; the fields are explained at the head of ``reasons.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    kind: Literal["test", "dead"]
    certain: bool
    may_be_real: bool = True
    rule: str | None = None
    basis: str
    text: Text
    query: str | None = None


@cache
def known_reasons() -> Mapping[str, Reason]:
    """Every reason by name, in the order in which they are shown."""
    said = read_yaml(_REASONS)
    return {name: Reason(**row) for name, row in said.items()}


def suspects(
    work: WorkRows,
    year: Year,
    *,
    production: bool,
    named: Mapping[str, Iterable[str]] | None = None,
    marks: Marks | None = None,
) -> Suspects:
    """Local keys with the reasons for which somebody should look at them.

    ``production``: synthetic ids (+80) are not allowed here. ``named`` are the reasons that a list of names gave
    (:func:`kpr.persons.names.read_names`); keys that are not in the extract are passed over.
    """
    marks = marks or known_marks()
    found: dict[str, set[str]] = {}
    fill_ident_facts(work.connection)
    for name, reason in known_reasons().items():
        if reason.query is not None:
            for (key,) in work.connection.execute(reason.query, _bound(year, marks, production=production)):
                found.setdefault(key, set()).add(name)
    work.connection.execute("DROP TABLE temp.ident_fact")
    for key, reason_name in _names_for_ids(work, marks):
        found.setdefault(key, set()).add(reason_name)
    known = keys_of(work) if named else frozenset()
    for key, reasons in (named or {}).items():
        if key in known:
            found.setdefault(key, set()).update(reasons)
    return {key: frozenset(reasons) for key, reasons in sorted(found.items()) if key}


def _bound(year: Year, marks: Marks, *, production: bool) -> dict[str, str | int]:
    return {
        "production": int(production),
        "first_day": f"{year.first_day:%Y%m%d}",
        "vendor_keys": json.dumps(marks.vendor_keys),
        "test_units": json.dumps(marks.test_units),
    }


def _names_for_ids(work: WorkRows, marks: Marks) -> Iterable[tuple[str, str]]:
    """People write a name where the id should be; content rule I16 finds that it is a name, this finds whose."""
    rows = work.connection.execute("SELECT pid, fid FROM ident WHERE fid GLOB '*[^0-9]*'")
    for key, text in rows:
        reason = marks.reason(text)
        if key and reason in (LISTED, LIKELY):
            yield key, reason


def keys_of(work: WorkRows) -> frozenset[str]:
    """Every local key of the extract, of either message."""
    query = "SELECT pePeID FROM person WHERE pePeID <> '' UNION SELECT pid FROM ident WHERE pid <> ''"
    return frozenset(key for (key,) in work.connection.execute(query))


def is_certain(reasons: Iterable[str]) -> bool:
    """Whether one of the reasons stops the submission until somebody has decided."""
    return any(known_reasons()[name].certain for name in reasons if name in known_reasons())


def in_order(reasons: Iterable[str]) -> tuple[str, ...]:
    """The reasons as they are shown; what another version of the program called otherwise stands last."""
    wanted = set(reasons)
    known = tuple(name for name in known_reasons() if name in wanted)
    return (*known, *sorted(wanted.difference(known)))
