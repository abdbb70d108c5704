"""The XML of one person after another, made by SQLite from the work rows: one text per person and class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kpr.errors import BadMessage
from kpr.messages.shape import CHILD_CLASSES, ClassShape, PayloadShape
from kpr.sources.work_rows import WorkRows

_SIGNS = '&<>"\t\n\r'


def person_fragments(work: WorkRows, shape: PayloadShape) -> Iterator[tuple[int, str]]:
    """Row number and XML of each person, in the order of the extract; no namespace, it stands on the root."""
    children = [_Children(work, shape[name]) for name in CHILD_CLASSES]
    head = _opening(shape["PERSON"])
    # Names come from our own schema, never from the input.
    for row_no, opening in work.connection.execute(f"SELECT row_no, {head} FROM person ORDER BY row_no"):  # noqa: S608
        yield row_no, "".join((opening, *(child.of(row_no) for child in children), "</PERSON>"))
    for child in children:
        child.refuse_rest()


class _Children:
    """The rows of one class, all of a person's in one text, taken off the cursor person by person."""

    def __init__(self, work: WorkRows, shape: ClassShape) -> None:
        self.name = shape.name
        # Rows of a person are visited in the order of the index (person_row, row_no), which the class is grouped by.
        xml = f"group_concat({_opening(shape)} || '</{shape.name}>', '')"
        query = f"SELECT person_row, {xml} FROM {shape.table} INDEXED BY {shape.table}_person GROUP BY person_row"  # noqa: S608
        self._rows: Iterator[Any] = iter(work.connection.execute(query))
        self._next: Any = next(self._rows, None)

    def of(self, row_no: int) -> str:
        """Everything of this class under the person; persons are asked for in ascending order."""
        if self._next is None or self._next[0] != row_no:
            return ""
        xml: str = self._next[1]
        self._next = next(self._rows, None)
        return xml

    def refuse_rest(self) -> None:
        """Every row must have found its person: one that did not would hold back all that come after it."""
        if self._next is not None:
            raise BadMessage(
                "A row belongs to no person in the extract.",
                place=self.name,
                remedy="Have the vendor give person and rows the same key.",
            )


def _opening(shape: ClassShape) -> str:
    """SQL for a row's start tag with its keys, and its leaf elements; a value that is NULL or empty leaves nothing.

    An empty text where the schema wants an element is written as it stands: what is missing and what is empty differ.
    """
    keys = [f"ifnull(' {name}=\"' || {_filled(name)} || '\"', '')" for name in shape.keys]
    leaves = [
        f"ifnull('<{name}>' || {(_escaped if name in shape.required else _filled)(name)} || '</{name}>', '')"
        for name in shape.elements
    ]
    return " || ".join([f"'<{shape.name}'", *keys, "'>'", *leaves])


def _filled(name: str) -> str:
    """The value escaped, and NULL for an empty one (HISD 1165: no empty elements or attributes)."""
    return f"nullif({_escaped(name)}, '')"


def _escaped(name: str) -> str:
    """The value with what XML must not hold escaped; hardly any value has such a sign, so it is asked for first.

    White space other than blanks is escaped too, since a reader would turn it into blanks or line feeds.
    """
    column = f'"{name}"'
    escaped = column
    for sign in '&<>"\t\n\r':
        escaped = f"replace({escaped}, char({ord(sign)}), '&#{ord(sign)};')"
    return f"CASE WHEN {column} GLOB '*[{_SIGNS}]*' THEN {escaped} ELSE {column} END"
