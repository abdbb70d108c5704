"""The heading of a pasted table: which column is the municipality's own of this year. Pure.

A column is named by a time («I år», «Antall brukere 2020»), by a place («Norge»), or by what is counted alone
(«Antall»), which is ours unless another column says so more plainly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from kpr.errors import BadInput
from kpr.mirror.cells import Cells, is_number
from kpr.pasted_text import BLANKS

_THIS_YEAR = ("dette året", "i år", "nå")
_BEFORE = ("året før", "forrige år", "fjoråret", "i fjor", "fjor")
_ELSEWHERE = ("hele landet", "landet", "norge")
_CHANGES = ("endring", "differanse", "diff", "forskjell", "utvikling")
_COUNTED = ("antall", "tjenestemottakere", "mottakere", "brukere", "personer", "egen kommune", "kommunen")
_SHARE = ("andel", "prosent", "%")
_LABELS = ("tjenestetype", "tjenester", "tjeneste", "kode", "type", "tekst", "navn", "fakta")
_FILLERS = ("i", "pr", "per", "fra", "til")
_YEAR = re.compile(r"20[0-9]{2}")
_PHRASES = (*_THIS_YEAR, *_BEFORE, *_ELSEWHERE, *_CHANGES, *_COUNTED, *_SHARE, *_LABELS, *_FILLERS)
_WORDS = re.compile("|".join([_YEAR.pattern, *map(re.escape, sorted(_PHRASES, key=len, reverse=True))]))
_SIGNS = re.compile(rf"[{BLANKS}().:*]+")


class Kind(Enum):
    """What a column of numbers holds."""

    OURS = "this year's, said plainly"
    COUNTED = "of no year in particular"
    OTHER = "another year's, or the whole country's"
    CHANGE = "the change"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers: its place in the heading, what it holds, and whether that is a share."""

    at: int
    kind: Kind
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """The columns of numbers of a table of so many columns; ``is_divided`` when it had tabs or semicolons."""

    columns: tuple[Column, ...]
    width: int
    is_divided: bool

    @property
    def is_plain(self) -> bool:
        """Whether it says which column is this year's, in words that mean nothing else."""
        return any(column.kind is Kind.OURS for column in self.columns)

    def ours(self, cells: Cells, place: str, *, share: bool) -> str:
        """The cell of this year and this municipality; BadInput when the row has none, or it cannot be told."""
        column = self._column(place, share=share)
        if self.is_divided and cells.is_divided:
            found = cells.all[column.at] if column.at < cells.width and self._is_over(cells) else ""
        else:
            found = self._counted(column, cells, share=share)
        if not found:
            raise BadInput(
                "Raden mangler årets tall, eller har andre kolonner enn overskriften.",
                place=place,
                remedy="Ta med hele tabellen slik visningen viser den, eller skriv bare årets tall: T1.6=1250.",
            )
        return found

    def _is_over(self, cells: Cells) -> bool:
        """Whether the row's cells stand under the heading's: no more of them, and no year over what names the row."""
        names = next(at for at, cell in enumerate(cells.all) if cell)
        years = (column.at for column in self.columns if column.kind in (Kind.OURS, Kind.OTHER))
        return cells.width <= self.width and all(at > names for at in years)

    def _column(self, place: str, *, share: bool) -> Column:
        """Ours: what is said plainly goes before what is said of no year, and a share before a count of a share's."""
        for wanted in (True, False) if share else (False,):
            for kind in (Kind.OURS, Kind.COUNTED):
                found = [each for each in self.columns if each.kind is kind and each.is_share is wanted]
                if len(found) == 1:
                    return found[0]
                if found:
                    break
        raise BadInput(
            "Overskriften sier ikke hvilken kolonne som er kommunens i år.",
            place=place,
            remedy="Ta med overskriften («I år», «I fjor»), eller bare årets tall.",
        )

    def _counted(self, column: Column, cells: Cells, *, share: bool) -> str:
        """By the row's numbers, one for each column: without separators an empty cell leaves no trace."""
        numbers, columns = [cell for cell in cells.filled[1:] if is_number(cell)], list(self.columns)
        if not share and len(numbers) != len(columns):
            numbers = [cell for cell in numbers if "%" not in cell]
            columns = [each for each in columns if each.kind is not Kind.CHANGE and not each.is_share]
        return numbers[columns.index(column)] if len(numbers) == len(columns) else ""


def heading(cells: Cells, data_year: int) -> Heading | None:
    """The heading that these cells are; None when none of them names a column of numbers."""
    said = cells.all if len(cells.filled) > 1 else _single(cells, data_year)
    if any(is_number(cell) and not _YEAR.fullmatch(cell) for cell in said):
        return None
    named = [column for at, cell in enumerate(said) if (column := _column(at, cell, data_year))]
    # «Brukere; Antall»: what stands first names the rows.
    columns = [column for column in named if column.at > 0 or column.kind is not Kind.COUNTED]
    if all(column.kind is Kind.CHANGE for column in columns):
        return None
    return Heading(tuple(columns), len(said), cells.is_divided)


def _column(at: int, cell: str, data_year: int) -> Column | None:
    """What a column of this name holds; None when it is no name of a column of numbers."""
    words = _words(cell)
    said = set(words) - set(_FILLERS)
    if not said or said & set(_LABELS):
        return None
    share = bool(said & set(_SHARE))
    if said & set(_CHANGES):
        return Column(at, Kind.CHANGE, share)
    years = {int(word) for word in said if _YEAR.fullmatch(word)} if data_year else set()
    if said & {*_BEFORE, *_ELSEWHERE} or years - {data_year}:
        return Column(at, Kind.OTHER, share)
    return Column(at, Kind.OURS if years or said & set(_THIS_YEAR) else Kind.COUNTED, share)


def _words(text: str) -> list[str]:
    """The words of a column's name; none when it has others than those of headings."""
    left = _SIGNS.sub(" ", text.lower()).strip()
    words = []
    while left:
        found = _WORDS.match(left)
        if found is None or left[found.end() : found.end() + 1].strip():
            return []
        words.append(found[0])
        left = left[found.end() :].lstrip()
    return words


def _single(cells: Cells, data_year: int) -> tuple[str, ...]:
    """«Kode Tjeneste I fjor I år» in one cell: a heading when it names both a column of ours and one that is not."""
    words = _words(" ".join(cells.filled))
    said = tuple(word for word in words if word not in (*_FILLERS, *_COUNTED, *_SHARE, *_LABELS))
    kinds = {column.kind for at, word in enumerate(said) if (column := _column(at, word, data_year))}
    return said if set(words) & set(_LABELS) and {Kind.OURS, Kind.OTHER} <= kinds else ()
