"""A pasted line as cells: where each stands, and which of them are numbers. Pure."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from kpr.pasted_text import BLANKS, WHOLE_NUMBER

#: How a table says that it does not show a number.
HIDDEN = frozenset({"–", "-", "—", ".", "..", ":", "*", "<5", "< 5", "&lt;5", "1-4", "1–4", "under 5"})
#: A number with decimals, perhaps a share or a change in per cent.
DECIMAL = re.compile(r"([+-]?\d{1,3})(?:[.,](\d{1,2}))? ?%?")

_SPACES = re.compile(r"[ \u00a0\u202f\u2009]{2,}")
_ENDS_IN_NUMBER = re.compile(
    rf"(.*?\D)[{BLANKS}]+(<[ ]?5|–|-|[0-9]{{1,3}}(?:[{BLANKS}][0-9]{{3}})+|[0-9][0-9.,]*[ ]?%?)"
)
_BEGINS_WITH_CODE = re.compile(rf"([0-9]{{1,3}})[{BLANKS}]+(.+)")


@dataclass(frozen=True, slots=True)
class Cells:
    """A line's cells. ``all`` has the empty ones too where tabs or semicolons divide it: there a cell has its place."""

    all: tuple[str, ...]
    is_divided: bool = False

    @property
    def filled(self) -> list[str]:
        """Those that are not empty."""
        return [cell for cell in self.all if cell]

    @property
    def width(self) -> int:
        """How many there are up to the last that is not empty."""
        return max((at for at, cell in enumerate(self.all, 1) if cell), default=0)


def cells_of(line: str) -> Cells:
    """The cells of a line: by tab, semicolon or several blanks; a line with neither is one cell, or code and number."""
    for separator in ("\t", ";"):
        if separator in line:
            found = next(csv.reader([line], delimiter=separator), []) if '"' in line else line.split(separator)
            return Cells(tuple(cell.strip(f'{BLANKS}\t"') for cell in found), is_divided=True)
    words = _SPACES.split(line.strip(BLANKS))
    if len(words) > 1 and (code := _BEGINS_WITH_CODE.fullmatch(words[0])):
        return Cells((*code.groups(), *words[1:]))
    return Cells(tuple(words))


def split_by_number(line: str) -> Cells:
    """``6 Hjemmesykepleie 1 250`` is a code, a text and a number; ``6 1 250`` a code and a number."""
    if code := _BEGINS_WITH_CODE.fullmatch(line):
        if is_number(code[2]):
            return Cells((code[1], code[2]))
        if ends := _ENDS_IN_NUMBER.fullmatch(code[2]):
            return Cells((code[1], ends[1].strip(BLANKS), ends[2]))
    if ends := _ENDS_IN_NUMBER.fullmatch(line):
        return Cells((ends[1].strip(BLANKS), ends[2]))
    return Cells((line,))


def is_number(cell: str) -> bool:
    """Whether a cell is a number as tables write them, or says that one is hidden."""
    said = cell.lower()
    return said in HIDDEN or bool(WHOLE_NUMBER.fullmatch(said)) or bool(DECIMAL.fullmatch(said))
