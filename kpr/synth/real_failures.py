"""Failures that became public in 2019-2022, rebuilt with invented people, and an ordinary year beside them.

E3-E6 are two data years of one municipality, E11 two extracts of the same year. What each says happened stands in the
publications of SSB, Helsedirektoratet and Helsetilsynet; the sizes are theirs, the people are nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch, Source, table_columns
from kpr.synth.municipality import SyntheticMunicipality
from kpr.synth.person import Values
from kpr.years import Year, load_year

#: The column that holds the person's key.
_KEY = {
    "person": "pePeID", "personoppl": "poPeID", "funksjon": "fnPeID", "tjeneste": "tjPeID", "diagnose": "diPeID",
    "dogntilbud": "dgPeID", "ident": "pid",
}  # fmt: skip

#: One in so many recipients of an ordinary year is new, and as many have left.
_TURNOVER = 10


@dataclass(frozen=True, slots=True)
class RealFailure:
    """What was compared with (``before``) and what was extracted (``now``), and which rules must name which lines.

    ``same_year``: ``before`` is the former extract of the same data year, not last year's submission.
    """

    id: str
    what: str
    year: Year
    before: Source
    now: Source
    fires: tuple[tuple[str, str], ...]
    same_year: bool = False


def real_failures(seed: int = 1) -> tuple[RealFailure, ...]:
    """E3, E4, E5, E6 and E11, made of other people for each seed."""
    return tuple(make(seed) for make in (_e3, _e4, _e5, _e6, _e11))


def ordinary_years(year: Year, persons: int, seed: int) -> tuple[Source, Source]:
    """A data year and the one before it, in which nothing is wrong; the one before is given first.

    One in ten recipients has left and another has come, there are a few more of them, and the care-record system has
    been upgraded. The last who has a service stays: that a service ends is no ordinary year.
    """
    whole = _municipality(year, persons, seed)
    left = _leaving(whole)
    stayed = Chosen(whole, lambda key: key not in left, _upgraded)
    more = _municipality(year, persons + persons // 50, seed + 1000)
    came = Chosen(more, lambda key: int(key) % _TURNOVER == 0 or int(key) > persons)
    return YearBefore(whole, load_year(year.data_year - 1)), Together(stayed, came)


def _leaving(source: Source) -> set[str]:
    """One in ten, without those who alone have a service."""
    has = [(row["tjPeID"] or "", row.get("tjTjenType")) for row in _rows(source, "tjeneste") if row["tjVedtak"] != "1"]
    left = {key for key, _ in has if int(key) % _TURNOVER == 0}
    stay = {type_ for key, type_ in has if key not in left}
    return left - {key for key, type_ in has if type_ not in stay}


def _upgraded(table: str, row: Values) -> Values:
    return row | {"iiSysVersjon": "2.0"} if table == "innhinfo" else row


def _municipality(year: Year, persons: int, seed: int) -> SyntheticMunicipality:
    return SyntheticMunicipality(year, persons, seed)


# -- the failures ------------------------------------------------------------------------------------------------------


def _two_years(data_year: int, persons: int, seed: int) -> tuple[Year, Source, Source]:
    """A data year, and the same municipality in the year before and in this one."""
    year = load_year(data_year)
    whole = _municipality(year, persons, seed)
    return year, YearBefore(whole, load_year(data_year - 1)), Chosen(whole, change=_upgraded)


def _e3(seed: int) -> RealFailure:
    """SSB, Statbank 04469, note: 61 municipalities with dwellings in 2018 had none in 2019."""
    year, before, now = _two_years(2019, 400, seed)
    fires = (("Y1", "tjTjenType 29"),)
    return RealFailure("E3", "dwellings are gone", year, before, Chosen(now, change=_without("29")), fires)


def _e4(seed: int) -> RealFailure:
    """Helsedirektoratet, reservations for 2021: three municipalities lost 40 % of their users for technical reasons."""
    year, before, now = _two_years(2021, 500, seed)
    fires = (("X32a", "pePeID"), ("X32a", "tjTjenType 15"), ("Y2", "T3 persons"))
    return RealFailure("E4", "40 % fewer users", year, before, Chosen(now, lambda key: int(key) % 5 > 1), fires)


def _e5(seed: int) -> RealFailure:
    """The same: 56 users of BPA where there should have been fewer than ten."""
    year, before, now = _two_years(2021, 400, seed)
    has = sorted({row["tjPeID"] or "" for row in _rows(before, "tjeneste") if row.get("tjTjenType") == "3"})
    few = Chosen(before, change=_without("3", keep=lambda key: key in has[:8]))
    chosen = {str(number) for number in range(1, 57)}
    many = Chosen(Chosen(now, change=_as_bpa(chosen)), change=_without("3", keep=lambda key: key in chosen))
    return RealFailure("E5", "56 users of BPA", year, few, many, (("X32a", "tjTjenType 3"),))


def _e6(seed: int) -> RealFailure:
    """Helsedirektoratet, reservations for 2022: about 500 dwellings missing, large swings in types 15 and 6."""
    year, before, now = _two_years(2022, 6500, seed)
    fires = tuple(("X32a", f"tjTjenType {code}") for code in ("29", "15", "6"))
    few = Chosen(now, change=_without("29", "15", "6", keep=lambda key: int(key) % 5 == 0))
    return RealFailure("E6", "some 500 dwellings are missing", year, before, few, fires)


def _e11(seed: int) -> RealFailure:
    """Helsetilsynet 2004: users and services fall out of the extract when a decision expires or a service ends."""
    year = load_year(2020)
    former = _municipality(year, 400, seed)
    running = {row["tjPeID"] for row in _rows(former, "tjeneste") if not row.get("tjTilDato")}
    now = Chosen(former, lambda key: key in running, _without_ended)
    fires = (("Y3b", "PERSON"), ("Y3b", "TJENESTE"))
    return RealFailure("E11", "what has ended falls out", year, former, now, fires, same_year=True)


def _without_ended(table: str, row: Values) -> Values | None:
    return None if table == "tjeneste" and row.get("tjTilDato") else row


def _without(*types: str, keep: Callable[[str], bool] = lambda _key: False) -> Change:
    def change(table: str, row: Values) -> Values | None:
        if table != "tjeneste" or row.get("tjTjenType") not in types:
            return row
        return row if keep(row.get("tjPeID") or "") else None

    return change


def _as_bpa(keys: Collection[str]) -> Change:
    """A BPA service running all year in the place of each of these persons' first service."""

    def change(table: str, row: Values) -> Values:
        mine = table == "tjeneste" and row.get("tjTjID") == "1" and (row.get("tjPeID") or "") in keys
        return row | {"tjTjenType": "3", "tjVedtak": "2", "tjTilDato": None} if mine else row

    return change


# -- sources made of others --------------------------------------------------------------------------------------------

Change = Callable[[str, Values], "Values | None"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some of a source's persons, with everything of theirs, and rows changed or left out (None) by ``change``."""

    source: Source
    keep: Callable[[str], bool] = lambda _key: True
    change: Change = lambda _table, row: row

    def batches(self) -> Iterator[Batch]:
        """The rows that are left; children are tied to the persons' new row numbers."""
        numbers: dict[int, int] = {}
        read = 0
        for batch in self.source.batches():
            rows, persons = [], []
            for index, row in enumerate(batch.rows):
                read += batch.table == "person"
                values = dict(zip(batch.columns, row, strict=True))
                key = values.get(_KEY.get(batch.table, ""))
                changed = self.change(batch.table, values) if key is None or self.keep(key) else None
                if changed is None:
                    continue
                if batch.table == "person":
                    numbers[read] = len(numbers) + 1
                rows.append(tuple(changed.get(name) for name in batch.columns))
                persons.append(numbers[batch.persons[index]] if batch.persons else 0)
            if rows:
                yield Batch(batch.table, batch.columns, rows, persons if batch.persons else None)


@dataclass(frozen=True, slots=True)
class YearBefore:
    """A source as it was in the data year before: every date a year earlier, in that year's format and codes."""

    source: Source
    year: Year

    def batches(self) -> Iterator[Batch]:
        """The same rows, a year younger; what that year's format lacks is left out, dwellings of 2018 are of type 12."""
        known = table_columns(iplos_shape(self.year.iplos_version.value))
        for batch in self.source.batches():
            columns = tuple(name for name in batch.columns if name in known[batch.table])
            rows = [self._row(dict(zip(batch.columns, row, strict=True))) for row in batch.rows]
            yield Batch(batch.table, columns, [tuple(map(row.get, columns)) for row in rows], batch.persons)

    def _row(self, row: Values) -> Values:
        moved = {name: _year_earlier(value) if _is_day(name) else value for name, value in row.items()}
        if row.get("tjTjenType") == "29" and "29" not in self.year.codes("tjTjenType"):
            moved["tjTjenType"] = "12"
        return moved


def _is_day(name: str) -> bool:
    return "Dato" in name or name.startswith(("poVurd", "tjKlage"))


def _year_earlier(value: str | None) -> str | None:
    if not value or value.startswith("9999"):
        return value
    return f"{int(value[:4]) - 1}{value[4:]}".replace("0229", "0228")


@dataclass(frozen=True, slots=True)
class Together:
    """Two sources as one: the first with its heads, and behind it the persons of the second."""

    first: Source
    second: Source

    def batches(self) -> Iterator[Batch]:
        """The rows of both; local keys must not meet."""
        before = 0
        for batch in self.first.batches():
            before += len(batch.rows) if batch.table == "person" else 0
            yield batch
        for batch in self.second.batches():
            if batch.table in _KEY:
                persons = [before + number for number in batch.persons] if batch.persons else None
                yield Batch(batch.table, batch.columns, batch.rows, persons)


def _rows(source: Source, table: str) -> Iterator[Values]:
    for batch in source.batches():
        if batch.table == table:
            yield from (dict(zip(batch.columns, row, strict=True)) for row in batch.rows)
