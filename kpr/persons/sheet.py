"""The list as a spreadsheet: written for Excel as it is in Norway, read back whole or not at all. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from kpr.calendar import OSLO
from kpr.errors import BadInput
from kpr.persons.decisions import Decision, Line, Verdict
from kpr.persons.suspects import known_reasons
from kpr.persons.text import decoded

HEADING = ("nøkkel", "merker", "avgjørelse", "hvorfor", "avgjort av", "tidspunkt", "i fjor")

_WORDS = {Verdict.LEAVE_OUT: "utelat", Verdict.REAL: "virkelig", Verdict.UNDECIDED: "uavgjort"}
_READ = {
    "": Verdict.UNDECIDED,
    "utelat": Verdict.LEAVE_OUT,
    "utelates": Verdict.LEAVE_OUT,
    "leave-out": Verdict.LEAVE_OUT,
    "leave out": Verdict.LEAVE_OUT,
    "virkelig": Verdict.REAL,
    "real": Verdict.REAL,
    "uavgjort": Verdict.UNDECIDED,
    "undecided": Verdict.UNDECIDED,
}
#: Somebody whom nothing points at, and whom the officer knows.
UNMARKED = "UNMARKED"

_FORM = "Skriv listen med «kpr persons export», og rett bare kolonnene avgjørelse og hvorfor."

#: What a spreadsheet would take for a formula when it stands first in a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a row of a sheet says about a person."""

    key: str = field(repr=False)
    verdict: Verdict
    why: str = field(repr=False)
    place: str = ""


def word(verdict: Verdict) -> str:
    """The verdict as it stands in the sheet."""
    return _WORDS[verdict]


def reasons_said(reasons: Iterable[str]) -> str:
    """The reasons in Norwegian."""
    known = {name: reason.text.nb for name, reason in known_reasons().items()} | {UNMARKED: "uten merke"}
    return ", ".join(known.get(name, name) for name in reasons)


def write_sheet(lines: Iterable[Line]) -> str:
    """The list as CSV: semicolons, a byte order mark, CRLF; each text such that no spreadsheet calculates it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADING)
    for line in lines:
        stands = line.decision
        cells = (
            line.key,
            reasons_said(line.reasons),
            word(line.verdict),
            stands.why if stands else "",
            stands.by if stands else "",
            f"{stands.at.astimezone(OSLO):%d.%m.%Y %H.%M}" if stands else "",
            last_time(line.proposed),
        )
        writer.writerow(map(_harmless, cells))
    return "\ufeff" + out.getvalue()


def last_time(proposed: Decision | None) -> str:
    """Last year's decision in a few words."""
    return f"{word(proposed.verdict)}: {proposed.why}" if proposed else ""


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("'", *_FORMULA)) else cell


def _as_written(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def read_sheet(raw: bytes, known: Collection[str], name: str = "") -> tuple[Wish, ...]:
    """What a sheet says; BadInput with the row for an unknown person, an unknown decision or a key that stands twice.

    ``known`` are the local keys of the extract. Only the key and the decision are needed; why may be left out there.
    """
    wishes: dict[str, Wish] = {}
    for at, row in _rows(raw, name):
        place = f"{name}, rad {at}"
        key = _as_written(row["nøkkel"])
        if key not in known:
            raise BadInput(
                "Raden gjelder en person som ikke er i uttrekket. Ingenting er endret.",
                place=place,
                remedy="Nøkkelen skal stå som i fagsystemet, med ledende nuller. Rett den, eller ta bort raden.",
            )
        if key in wishes:
            raise BadInput(
                "Samme nøkkel står to ganger. Ingenting er endret.",
                place=f"{wishes[key].place} og rad {at}",
                remedy="La bare én av radene stå.",
            )
        verdict = _READ.get(" ".join(row["avgjørelse"].casefold().split()))
        if verdict is None:
            raise BadInput(
                "Avgjørelsen er ukjent. Ingenting er endret.",
                place=place,
                remedy="Skriv utelat, virkelig eller uavgjort.",
            )
        wishes[key] = Wish(key, verdict, _as_written(row["hvorfor"]), place)
    return tuple(wishes.values())


def _rows(raw: bytes, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number of the sheet, and its cells by column."""
    text = decoded(raw, name, _FORM)
    separator = next((sign for sign in ";\t" if sign in text.splitlines()[0]), ",")
    at = 0
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        heading: list[str] = []
        for at, cells in enumerate(rows, 1):
            said = [cell.strip() for cell in cells]
            if not heading:
                heading = _heading(said, name)
            elif any(said):
                filled = said + [""] * (len(heading) - len(said))
                yield at, {"hvorfor": ""} | dict(zip(heading, filled, strict=False))
    except csv.Error:
        raise BadInput("Raden er ikke riktig CSV.", place=f"{name}, rad {at + 1}", remedy=_FORM) from None


def _heading(cells: list[str], name: str) -> list[str]:
    said = [cell.casefold() for cell in cells]
    if not {"nøkkel", "avgjørelse"} <= set(said) or len(set(filter(None, said))) != len(list(filter(None, said))):
        raise BadInput("Overskriften er en annen enn i listen.", place=f"{name}, rad 1", remedy=_FORM)
    return said
