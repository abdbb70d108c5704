"""What an accepted message holds: the header's values, the deficiencies of an ident message, the view of an IPLOS one.

All in memory, from the vault and back: the register keeps the payload encrypted, and beside it only counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kpr.checks.register_view import register_view
from kpr.checks.view_tables import view_json
from kpr.errors import BadSettings
from kpr.messages.shape import iplos_shape
from kpr.national_id import check_national_id
from kpr.registry.formats import Format
from kpr.sources.work_rows import WorkRows, load
from kpr.sources.xml_files import Opener, XmlSource
from kpr.years import Year

#: Gives a data year; BadSettings when the register does not know it.
Years = Callable[[int], Year]

#: Only these types of id give a person a KPR-ID (code list 9032; ident-message I13).
_GIVES_KPR_ID = ("1", "2", "10")

#: Work rows have all tables, and an ident message fills its own only: any shape will do for them.
_ANY_SHAPE = "3.7"


@dataclass(frozen=True, slots=True)
class Deficiency:
    """A person of the ident message who gets no KPR-ID, by the local key, and why. Sensitive: for the e-mail only."""

    pid: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in a message's header, and what the register made of the rest; ``view`` is counts as JSON.

    The ident message does not name its municipality. ``period`` is the header's two days as text.
    """

    municipality: str
    data_year: int
    period: tuple[str, str]
    sequence_number: str
    persons: int
    deficiencies: tuple[Deficiency, ...] = ()
    view: str = ""


def look_into(opener: Opener, form: Format, years: Years) -> Contents:
    """Read a message that passed its schema. BadSettings: a data year or format that the register does not take."""
    return _iplos(opener, form, years) if form.family == "iplos" else _ident(opener, form, years)


def _ident(opener: Opener, form: Format, years: Years) -> Contents:
    shape = iplos_shape(_ANY_SHAPE)
    work = load(XmlSource(shape, None, opener), shape)
    header = work.single("melding")
    period = (header.get("fraDatoPeriode") or "")[:10], (header.get("tilDatoPeriode") or "")[:10]
    data_year = _year(years, period[0], form).data_year
    return Contents(
        "", data_year, period, _number(header.get("lopenr")), work.count("ident"), tuple(_deficiencies(work))
    )


def _deficiencies(work: WorkRows) -> Iterator[Deficiency]:
    twice = {fid for (fid,) in work.connection.execute("SELECT fid FROM ident GROUP BY fid HAVING count(*) > 1")}
    for pid, fid, type_id in work.select("ident", ("pid", "fid", "typeID")):
        if type_id not in _GIVES_KPR_ID:
            yield Deficiency(pid or "", "typen gir ingen KPR-ID")
        elif not check_national_id(fid or "", type_id or "").ok:
            yield Deficiency(pid or "", "nummeret er ikke gyldig for typen")
        elif fid in twice:
            yield Deficiency(pid or "", "samme nummer på flere nøkler")


def _iplos(opener: Opener, form: Format, years: Years) -> Contents:
    shape = iplos_shape(form.version)
    work = load(XmlSource(shape, opener, None), shape)
    header = work.single("innhinfo")
    period = header.get("iiFraDato") or "", header.get("iiTilDato") or ""
    year = _year(years, period[0], form)
    return Contents(
        header.get("iiKomnr") or "",
        year.data_year,
        period,
        _number(header.get("iiLopenr")),
        work.count("person"),  # before the register deletes any of them
        view=_view(work, year),
    )


def _view(work: WorkRows, year: Year) -> str:
    """The register's checks, its deletions, and the tables of what it keeps."""
    view = register_view(work, year)
    told = {
        "persons_kept": view.kept.persons_kept,
        "persons_sent": view.kept.persons,
        "message_deleted": view.kept.message_deleted,
    }
    return json.dumps(view_json(view.tables) | told)


def _year(years: Years, first_day: str, form: Format) -> Year:
    """The data year that a period begins in. Whether its days are real is a matter of content, and judged later."""
    said = first_day.strip()[:4]
    if not (len(said) == 4 and said.isascii() and said.isdigit()):
        raise BadSettings("The period does not begin with a year.", place="period", remedy="Write real days.")
    year = years(int(said))
    marked = year.iplos_namespace if form.family == "iplos" else year.ident_namespace
    if marked.value != form.namespace:
        raise BadSettings(
            "The payload's format is not that of its data year.", place=f"format for {said}", remedy="Send that format."
        )
    return year


def _number(text: str | None) -> str:
    """The løpenummer without leading noughts, as ident (text) and IPLOS (a number) must be compared."""
    said = (text or "").strip()
    return said.lstrip("0") or "0" if said.isascii() and said.isdigit() else said
