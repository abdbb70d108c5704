"""What is known of last year: the figures of the last accepted submission, or a table that the officer gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.errors import KprError
from kpr.log import get_log
from kpr.people import Deed
from kpr.plausibility.figures import Figures, figures_json, figures_of_lines, read_figures, together
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
    """Last year's figures: of the last accepted submission of the year before, or else the officer's table.

    A merged municipality's are those of all that went into it, summed. Where only some of them are here, the table
    goes before: it is of the whole.
    """
    accepted = _accepted(place)
    table = place.kept.newest(KeptKind.LAST_YEAR)
    raw = read_kept(place, table) if table else None
    if table is None or raw is None:
        source = accepted.source if accepted.figures or table is None else _UNREADABLE
        return LastYear(accepted.figures, source, {})
    given = read_figures(raw)
    if accepted.figures is None or not accepted.is_whole:
        day = f"{table.made_at.astimezone(OSLO):%d.%m.%Y}"
        return LastYear(
            given, Text(f"tabell gitt {day} av {table.made_by}", f"table given {day} by {table.made_by}"), {}
        )
    ours = accepted.figures.lines
    both = {line: (ours[line], number) for line, number in given.lines.items() if line in ours}
    return LastYear(accepted.figures, accepted.source, {line: two for line, two in both.items() if two[0] != two[1]})


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What was accepted the year before, in words too; not whole where a part of a merged municipality is missing."""

    figures: Figures | None
    source: Text
    is_whole: bool = True


_UNREADABLE = Text("kan ikke leses; gi dem som tabell", "cannot be read; give them as a table")


def _accepted(place: Workplace) -> _Accepted:
    """The figures of the last accepted submission of the data year before: of each that went into the municipality."""
    year, own = place.settings.data_year, place.settings.municipality.number
    former = numbers_in(year - 1, own, year) or (own,)
    kept = {number: found for number in former if (found := accepted_figures(place.store, number, year - 1))}
    raw = {number: read_kept(place, found[0]) for number, found in kept.items()}  # of another vault or key, perhaps
    read = {number: read_figures(content) for number, content in raw.items() if content is not None}
    if not read:
        return _Accepted(None, _UNREADABLE if kept else _unknown(former))
    if len(read) == len(former):
        return _Accepted(together(list(read.values())), _source(year - 1, former, kept[former[0]][1].version))
    number = own if own in read else next(iter(read))
    return _Accepted(read[number], _part(year - 1, former, number, kept[number][1].version), is_whole=False)


def _unknown(former: tuple[str, ...]) -> Text:
    if len(former) == 1:
        return Text("ikke kjent", "not known")
    nb, en = _all_of(former)
    return Text(f"ikke kjent; gi tallene for {nb} til sammen", f"not known; give the numbers of {en} together")


def _source(year: int, former: tuple[str, ...], version: int) -> Text:
    if len(former) == 1:
        return Text(
            f"godkjent innsending {year}, versjon {version}", f"accepted submission of {year}, version {version}"
        )
    nb, en = _all_of(former)
    return Text(
        f"godkjente innsendinger {year} for {nb}, lagt sammen", f"accepted submissions of {year} of {en}, summed"
    )


def _part(year: int, former: tuple[str, ...], number: str, version: int) -> Text:
    """What a merged municipality's figures of the year before leave out, and how to mend it."""
    others = tuple(each for each in former if each != number)
    (nb, en), (all_nb, all_en) = _all_of(others), _all_of(former)
    return Text(
        f"godkjent innsending {year} for {number} alene (uten {nb}, slått sammen med den), versjon {version};"
        f" gi tallene for {all_nb} til sammen",
        f"accepted submission of {year} of {number} alone (without {en}, merged with it), version {version};"
        f" give the numbers of {all_en} together",
    )


def _all_of(numbers: tuple[str, ...]) -> tuple[str, str]:
    """Numbers in words, in Norwegian and in English: «1103, 1141 og 1142»."""
    *first, last = numbers
    before = ", ".join(first)
    return (f"{before} og {last}", f"{before} and {last}") if first else (last, last)


def give_last_year(place: Workplace, raw: bytes, *, by: str, name: str = "") -> LastYearTable:
    """Keep the officer's table of last year's figures; BadInput, and nothing is kept, when it cannot be read."""
    place.demand(Deed.REASON, by)
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
