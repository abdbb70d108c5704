"""The list of names: which names are test persons'. Names live in memory only while they are compared. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kpr.errors import BadInput
from kpr.persons.text import decoded
from kpr.yaml_file import read_yaml

_MARKS = Path(__file__).parent / "marks.yaml"
_PART = re.compile(r"[^\W\d_]+")

#: What a column of the list may be called.
_COLUMNS = {
    "key": {"pid", "pepeid", "nøkkel", "key", "lokal nøkkel"},
    "name": {"navn", "name", "fornavn", "mellomnavn", "etternavn"},
    "mark": {"merke", "testpasient", "test", "marker"},
}
_FORM = "Første linje er overskriften, for eksempel pid;navn eller pid;fornavn;etternavn;merke."

LISTED, LIKELY, MARKED = "NAME_LISTED", "NAME_LIKELY", "MARKED"


@dataclass(frozen=True)
class Marks:
    """How test persons are called and marked, as ``marks.yaml`` has it."""

    names: tuple[frozenset[str], ...]
    words: frozenset[str]
    beginnings: tuple[str, ...]
    likely: tuple[frozenset[str], ...]
    likely_words: frozenset[str]
    marked: frozenset[str]
    vendor_keys: tuple[str, ...]
    test_units: tuple[str, ...]

    def reason(self, name: str) -> str | None:
        """Why somebody of this name may be a test person: NAME_LISTED, NAME_LIKELY, or None."""
        parts = _parts(name)
        if parts & self.words or any(part.startswith(self.beginnings) for part in parts):
            return LISTED
        if any(listed <= parts for listed in self.names):
            return LISTED
        if parts & self.likely_words or any(listed <= parts for listed in self.likely):
            return LIKELY
        return None


@cache
def known_marks() -> Marks:
    """The marks that come with the program."""
    said: Mapping[str, Any] = read_yaml(_MARKS)
    return Marks(
        names=tuple(map(_parts, said["names"])),
        words=frozenset(said["words"]),
        beginnings=tuple(said["beginnings"]),
        likely=tuple(map(_parts, said["likely"])),
        likely_words=frozenset(said["likely_words"]),
        marked=frozenset(said["marked"]),
        vendor_keys=tuple(said["vendor_keys"]),
        test_units=tuple(said["test_units"]),
    )


def _parts(name: str) -> frozenset[str]:
    """«DUCK, Donald 2» and «Donald Duck» are the same."""
    return frozenset(_PART.findall(name.casefold()))


def read_names(raw: bytes, marks: Marks, name: str = "") -> dict[str, frozenset[str]]:
    """The local keys whose name or mark is a test person's, with the reasons; no name is given back.

    ``raw`` is CSV with a heading: one column with the local key, one or more with parts of the name, and perhaps one
    with a mark. BadInput, with the line and never its content, when it is something else.
    """
    found: dict[str, frozenset[str]] = {}
    for key, called, mark in _rows(raw, name):
        reasons = {reason} if (reason := marks.reason(called)) else set()
        if mark.casefold() in marks.marked:
            reasons.add(MARKED)
        if reasons:
            found[key] = found.get(key, frozenset()) | reasons
    return found


def keys_named(raw: bytes, name: str = "") -> frozenset[str]:
    """Every local key of the list, whatever the name; BadInput as :func:`read_names`."""
    return frozenset(key for key, _, _ in _rows(raw, name))


def _rows(raw: bytes, name: str) -> Iterator[tuple[str, str, str]]:
    """Key, name and mark of each line."""
    lines = decoded(raw, name, _FORM).splitlines()
    separator = next((sign for sign in ";\t" if sign in lines[0]), ",")
    at = 1
    try:
        rows = csv.reader(lines, delimiter=separator, strict=True)
        columns = _columns(next(rows), f"{name}, linje 1")
        for row in rows:
            at = rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= max(columns["key"] + columns["name"] + columns["mark"]):
                raise BadInput("Linjen har færre kolonner enn overskriften.", place=f"{name}, linje {at}", remedy=_FORM)
            key, called, mark = (" ".join(row[each].strip() for each in columns[kind]) for kind in _COLUMNS)
            if not key:
                raise BadInput("Linjen har ingen lokal nøkkel.", place=f"{name}, linje {at}", remedy=_FORM)
            yield key, called, mark
    except csv.Error:
        raise BadInput("Linjen er ikke riktig CSV.", place=f"{name}, linje {at + 1}", remedy=_FORM) from None


def _columns(heading: list[str], place: str) -> dict[str, list[int]]:
    """Where each kind of column stands."""
    said = [cell.strip().casefold() for cell in heading]
    at = {kind: [number for number, cell in enumerate(said) if cell in names] for kind, names in _COLUMNS.items()}
    if len(at["key"]) != 1 or not at["name"] + at["mark"] or len(at["mark"]) > 1:
        raise BadInput("Overskriften sier ikke hvor nøkkelen og navnet står.", place=place, remedy=_FORM)
    return at
