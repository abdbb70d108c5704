"""The view's numbers as the officer pastes or types them: a whole page, a table, a CSV file. Pure.

A line is a row of the view when it begins with a service code or with a text of the view; a heading says which table
follows, and which column is this year's (:mod:`kpr.mirror.headings`): a number is taken from that column alone.
Whatever stands between the tables is left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kpr.errors import BadInput
from kpr.mirror.cells import DECIMAL, HIDDEN, Cells, cells_of, is_number, split_by_number
from kpr.mirror.compare import Given
from kpr.mirror.headings import Heading, heading
from kpr.mirror.rows import ALL, Row
from kpr.pasted_text import BLANKS, EVERYBODY, WHOLE_NUMBER, read_text

_FORM = "Lim inn tabellen som visningen viser den, eller skriv én linje per rad: 6;1250"

_TABLES = {"langtidsopphold": "T2", "hjemmeboende": "T3", "brukere per tjenestetype": "T1"}
_GROUP_SIZE = re.compile(rf"(<5|< 5|[0-9][0-9{BLANKS}.]*) personer per 31\.12\..*")
_TYPED = re.compile(r"(T[123])\.(\w+)[ =:;\t]+(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GivenView:
    """What was understood: numbers by the row's name; ``left_out`` lines are no rows of the view."""

    numbers: dict[str, Given]
    left_out: int = 0


def read_view(raw: bytes, rows: Sequence[Row], *, name: str = "", data_year: int = 0) -> GivenView:
    """Read what the view shows; BadInput with the line and the remedy when a row cannot be understood."""
    reader = _Reader(rows, name, data_year)
    for at, line in enumerate(read_text(raw, name, _FORM).splitlines(), 1):
        if line.strip(f"{BLANKS};\t,"):
            reader.take(line, f"{name}, linje {at}" if name else f"linje {at}")
    if not reader.numbers:
        raise BadInput("Ingen linje er en rad i visningen.", place=name, remedy=_FORM)
    return GivenView(reader.numbers, reader.left_out)


def read_number(text: str, row: Row, place: str) -> Given:
    """One number of the view for a row: a count, a share in per cent, or that it is hidden."""
    said = text.strip(f"{BLANKS}\t").lower()
    if said in HIDDEN:
        return Given(None)
    if row.of is not None and (share := DECIMAL.fullmatch(said)):
        return _share(share, place)
    if row.of is None and WHOLE_NUMBER.fullmatch(said) and len(digits := re.sub(r"\D", "", said)) <= 7:
        return Given(float(digits))
    what = "en andel i prosent, som 45,0" if row.of is not None else "et helt tall, som 1250 eller 1 250"
    raise BadInput(f"Tallet for {row.name} kan ikke leses.", place=place, remedy=f"Skriv {what}, eller <5.")


def _share(found: re.Match[str], place: str) -> Given:
    number = float(f"{found[1]}.{found[2] or 0}")
    if not 0 <= number <= 100:
        raise BadInput("En andel er fra 0 til 100 prosent.", place=place, remedy="Skriv andelen som visningen viser.")
    return Given(number, len(found[2] or ""))


@dataclass
class _Reader:
    """Goes down the lines and remembers in which table it is, and which column is this year's."""

    rows: Sequence[Row]
    name: str
    data_year: int
    numbers: dict[str, Given] = field(default_factory=dict)
    left_out: int = 0
    table: str = "T1"
    #: Of this table's columns, which is this year's; None while no heading has said so.
    heading: Heading | None = None

    def take(self, line: str, place: str) -> None:
        """One line: a row typed by its name, a heading, a row of a table, or something between."""
        if typed := _TYPED.fullmatch(line.strip()):
            self._keep(self._named(typed[1].upper(), typed[2], place), typed[3], place)
            return
        cells = cells_of(line)
        if self._is_heading(cells):
            return
        row = self._row(cells.filled)
        if row is None and len(cells.filled) == 1:
            split = split_by_number(cells.filled[0])
            if row := self._row(split.filled):
                cells = split
        if row is None:
            self._not_a_row(cells.filled, place)
        else:
            self._keep(row, self._ours(row, cells, place), place)

    def _is_heading(self, cells: Cells) -> bool:
        words = [cell.lower() for cell in cells.filled]
        table = next((_TABLES[word] for word in words if word in _TABLES), None)
        if table and not any(is_number(cell) for cell in words):
            self.table, self.heading = table, None
            return True
        if (size := _GROUP_SIZE.fullmatch(" ".join(cells.filled))) and self.table != "T1":
            self._keep(self._named(self.table, ALL, self.name), size[1], self.name)
            return True
        found = heading(cells, self.data_year)
        if found is None or self._row(cells.filled) is not None:
            return False
        # Under «I fjor; I år» may stand «Antall; Antall», which says nothing more.
        if self.heading is None or found.is_plain or not self.heading.is_plain:
            self.heading = found
        return True

    def _row(self, cells: list[str]) -> Row | None:
        """Which row begins here: by its code, or by the text that the view shows."""
        first = cells[0].lower().removeprefix("tjtjentype").strip()
        code = first.lstrip("0") if first.isdigit() else ALL if first in EVERYBODY else first
        words = {cell.lower() for cell in cells}
        for row in self.rows:
            by_key = row.table == "T1" and row.key.lower() == code
            if row.table == self.table and (by_key or row.text.lower() in words):
                return row
        # A table's own line, «Langtidsopphold 120», is its group whichever table one is in.
        groups = [row for row in self.rows if row.key == ALL and row.table != "T1"]
        return next((row for row in groups if row.text.lower() == first and len(cells) > 1), None)

    def _ours(self, row: Row, cells: Cells, place: str) -> str:
        """The cell of this year and this municipality; a change in per cent beside counts is none of them."""
        if self.heading is not None:
            return self.heading.ours(cells, place, share=row.of is not None)
        after = [cell for cell in cells.filled[1:] if cell.lower() != row.text.lower()]
        numbers = [cell for cell in after if is_number(cell) and (row.of is not None or "%" not in cell)]
        if len(numbers) <= 1:
            return (numbers or after[-1:] or [""])[0]
        raise BadInput(
            "Raden har flere tall, og ingen overskrift sier hvilket som er kommunens i år.",
            place=place,
            remedy="Ta med overskriften («I år», «I fjor»), eller bare årets tall.",
        )

    def _not_a_row(self, cells: list[str], place: str) -> None:
        """A line with columns and a number in the last must be a row; anything else is what stands between tables."""
        if len(cells) < 2 or not is_number(cells[-1]):
            self.left_out += 1
            return
        known = ", ".join(row.key for row in self.rows if row.table == self.table)
        code = cells[0] if re.fullmatch(r"\d{1,3}", cells[0]) else ""
        raise BadInput(
            f"Raden {code} finnes ikke i visningen.".replace("  ", " "), place=place, remedy=f"Radene er {known}."
        )

    def _named(self, table: str, key: str, place: str) -> Row:
        for row in self.rows:
            if row.table == table and row.key.lower() == (key.lstrip("0") or key).lower():
                return row
        raise BadInput("Raden finnes ikke i visningen.", place=place, remedy="«kpr view show» viser alle navnene.")

    def _keep(self, row: Row, text: str, place: str) -> None:
        if row.name in self.numbers:
            raise BadInput(f"Raden {row.name} er gitt to ganger.", place=place, remedy="La bare én av dem stå.")
        self.numbers[row.name] = read_number(text, row, place)
