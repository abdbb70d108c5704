"""What is known of last year: the figures of the last accepted submission, or a table that the officer gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.errors import KprError
from kpr.free_text import refuse_ids
from kpr.log import get_log
from kpr.plausibility.figures import Figures, figures_json, figures_of_lines, read_figures
from kpr.plausibility.last_year_table import LastYearTable, read_last_year_table
from kpr.plausibility.units import numbers_in
from kpr.steps.workplace import Workplace
from kpr.store import Kept, KeptKind
from kpr.store.year_before import accepted_figures
from kpr.years import Year, known_years, load_year


@dataclass(frozen=True, slots=True)
class LastYear:
    """What is known of last year (None: nothing), from where, and the lines for which the officer gave another number.

    ``otherwise`` holds, by line, the number used and the one given.
    """

    figures: Figures | None
    source: Text
    otherwise: Mapping[str, tuple[int, int]]


def last_year(place: Workplace) -> LastYear:
    """Last year's figures: of the last accepted submission of the year before, or else the officer's table."""
    ours, said = _accepted(place)
    table = place.kept.newest(KeptKind.LAST_YEAR)
    raw = read_kept(place, table) if table else None
    if table is None or raw is None:
        return LastYear(ours, said if ours or table is None else _UNREADABLE, {})
    given = read_figures(raw)
    if ours is None:
        day = f"{table.made_at.astimezone(OSLO):%d.%m.%Y}"
        return LastYear(
            given, Text(f"tabell gitt {day} av {table.made_by}", f"table given {day} by {table.made_by}"), {}
        )
    both = {line: (ours.lines[line], number) for line, number in given.lines.items() if line in ours.lines}
    return LastYear(ours, said, {line: pair for line, pair in both.items() if pair[0] != pair[1]})


_UNKNOWN = Text("ikke kjent", "not known")
_UNREADABLE = Text("kan ikke leses; gi dem som tabell", "cannot be read; give them as a table")


def _accepted(place: Workplace) -> tuple[Figures | None, Text]:
    """The figures of the last accepted submission of the data year before, and where they are from."""
    year, own = place.settings.data_year, place.settings.municipality.number
    former = numbers_in(year - 1, own, year)
    number = former[0] if len(former) == 1 else own
    found = accepted_figures(place.store, number, year - 1)
    merged = _merged(tuple(each for each in former if each != number))
    if found is None:
        return None, Text(_UNKNOWN.nb + merged.nb, _UNKNOWN.en + merged.en)
    raw = read_kept(place, found[0])  # of another place, perhaps, whose vault or key is another
    if raw is None:
        return None, _UNREADABLE
    figures = read_figures(raw)
    version = found[1].version
    return figures, Text(
        f"godkjent innsending {year - 1}, versjon {version}{merged.nb}",
        f"accepted submission of {year - 1}, version {version}{merged.en}",
    )


def _merged(others: tuple[str, ...]) -> Text:
    """What a merged municipality's figures of the year before leave out."""
    if not others:
        return Text("", "")
    names = ", ".join(others)
    return Text(f" (uten {names}, som er slått sammen med kommunen)", f" (without {names}, merged with it)")


def give_last_year(place: Workplace, raw: bytes, *, by: str, name: str = "") -> LastYearTable:
    """Keep the officer's table of last year's figures; BadInput, and nothing is kept, when it cannot be read."""
    refuse_ids(by, "--by")
    table = read_last_year_table(raw, _year_before(place), name)
    figures = figures_of_lines(table.data_year, table.lines)
    place.kept.keep(KeptKind.LAST_YEAR, figures_json(figures), place.act(by), note=str(table.data_year))
    return table


def _year_before(place: Workplace) -> Year:
    before = place.settings.data_year - 1
    return load_year(before) if before in known_years() else place.year


def read_kept(place: Workplace, kept: Kept) -> bytes | None:
    """A kept document; None, which is logged, when it cannot be read: what helps a check must not be what stops it."""
    try:
        return place.vault.get(kept.content_name, kept.wrapped_key)
    except KprError as error:
        get_log("plausibility").warning("cannot be read", kind=kept.kind.value, kept=kept.id, reason=str(error))
        return None
