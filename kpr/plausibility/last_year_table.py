"""Last year's figures as the officer gives them: a CSV file, or text pasted from the register's view. Pure.

One line per service type: its code, its name where it has one, and the number of persons. Separator: semicolon, tab,
comma or blanks. A number may have thousand separators. A code that is not given is not compared: nothing is guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kpr.checks.counting import ALL_PERSONS, FIELDS
from kpr.errors import BadInput
from kpr.pasted_text import BLANKS, EVERYBODY, WHOLE_NUMBER, read_text
from kpr.years import Year

_WORDS = r"[^\W\d_]+(?: [^\W\d_]+)*"
_ONE = rf"(?:[1-9][0-9]{{0,2}}(?:[{BLANKS}.,'’][0-9]{{3}})+|[1-9][0-9]*|0)"
_PASTED = re.compile(rf"([0-9]+|{_WORDS})[{BLANKS}]+(?:\D*[^\d{BLANKS}.,'’][{BLANKS}]+)?([0-9][0-9{BLANKS}.,'’]*)")
#: Two years beside each other: «1 250 1 300».
_NUMBERS = re.compile(rf"{_ONE}(?:[{BLANKS}]+{_ONE})+")
_YEAR = re.compile(r"\D*20[0-9]{2}")
_FIELDS = {field.lower(): field for field in FIELDS}
_FORM = "Skriv én linje per tjeneste: koden, semikolon, antall personer. Eksempel: 6;1250"


@dataclass(frozen=True, slots=True)
class LastYearTable:
    """Persons by line, for the year they are of; ``missing`` are the year's service types that were not given."""

    data_year: int
    lines: dict[str, int]
    missing: tuple[str, ...]


def read_last_year_table(raw: bytes, year: Year, name: str = "") -> LastYearTable:
    """Read a table of the figures of ``year``; BadInput with the line and the remedy when it is something else.

    12 and 13 of 2018 count together as 29 too, unless 29 is given: that is what they became. A person who had both is
    then counted twice; nobody can tell from a table.
    """
    codes = _codes(year)
    lines: dict[str, int] = {}
    for place, cells in _rows(read_text(raw, name, _FORM), codes, name):
        line, persons = _line(cells[0], codes, year, place), _persons(cells[-1], place)
        if line in lines:
            raise BadInput("Linjen er gitt to ganger.", place=place, remedy="La bare én av dem stå.")
        lines[line] = persons
    if not lines:
        raise BadInput("Tabellen har ingen linjer.", place=name, remedy=_FORM)
    if "29" not in lines and {"12", "13"} & set(lines) and year.data_year == 2018:
        lines["29"] = lines.get("12", 0) + lines.get("13", 0)
    return LastYearTable(year.data_year, lines, tuple(code for code in year.codes("tjTjenType") if code not in lines))


def _rows(text: str, codes: Collection[str], name: str) -> Iterator[tuple[str, list[str]]]:
    """Where each line stands, and its cells; a heading is left out."""
    separator = next((sign for sign in ";\t" if sign in text), None)
    filled = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip(" ;\t,")]
    for at, line in filled:
        place = f"{name}, linje {at}" if name else f"linje {at}"
        cells = _cells(line, separator, place)
        if at == filled[0][0] and _is_heading(cells, codes):
            continue
        if len(cells) < 2:
            raise BadInput("Linjen har ikke både en kode og et antall.", place=place, remedy=_FORM)
        if any(WHOLE_NUMBER.fullmatch(cell) for cell in cells[1:-1]):
            raise _several(place)
        yield place, cells


def _is_heading(cells: list[str], codes: Collection[str]) -> bool:
    named = cells[0].isdigit() or cells[0].lower() in codes
    return not named and (not WHOLE_NUMBER.fullmatch(cells[-1]) or bool(_YEAR.fullmatch(cells[-1])))


def _cells(line: str, separator: str | None, place: str) -> list[str]:
    if separator is None and (pasted := _PASTED.fullmatch(line.strip())):
        return [cell.strip(BLANKS) for cell in pasted.groups()]
    try:
        cells = next(csv.reader([line], delimiter=separator or ",", strict=True), [])
    except csv.Error:
        raise BadInput("Linjen har et anførselstegn som ikke er lukket.", place=place, remedy=_FORM) from None
    cells = [cell.strip(f"{BLANKS}\t") for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells or [""]


def _codes(year: Year) -> dict[str, str]:
    """What may name a line, in small letters."""
    types = {code: code for code in year.codes("tjTjenType")}
    return types | {"29": "29"} | dict.fromkeys(EVERYBODY, ALL_PERSONS) | _FIELDS


def _line(cell: str, codes: dict[str, str], year: Year, place: str) -> str:
    said = cell.lower().removeprefix("tjtjentype").strip()
    code = said.lstrip("0") if said.isdigit() else said
    if code in codes:
        return codes[code]
    # What stands in the code's place is shown only when it can be nothing but a code.
    shown = f" {code}" if re.fullmatch(r"\d{1,3}", code) else ""
    known = ", ".join(year.codes("tjTjenType"))
    raise BadInput(
        f"Tjenestekoden{shown} finnes ikke i {year.data_year}.",
        place=place,
        remedy=f"Kodene i {year.data_year} er {known}; «personer» er alle brukere.",
    )


def _several(place: str) -> BadInput:
    return BadInput("Linjen har flere tall.", place=place, remedy=f"Ta bare med ett år. {_FORM}")


def _persons(cell: str, place: str) -> int:
    if not WHOLE_NUMBER.fullmatch(cell) and _NUMBERS.fullmatch(cell):
        raise _several(place)
    if not WHOLE_NUMBER.fullmatch(cell) or len(digits := re.sub(r"\D", "", cell)) > 7:
        raise BadInput(
            "Antallet er ikke et helt tall.",
            place=place,
            remedy="Skriv antall personer, med eller uten skille mellom tusener: 1250 eller 1 250.",
        )
    return int(digits)
