"""Which municipalities are expected to report for a data year, mergers included (content rule Y4). Pure.

E1: after the mergers of 2020, municipalities were left out of the data year 2019, for which each still reports under
the number that it had then. Whoever reports for one of them in any year is expected to report for it in every year:
under its later number, or under those that went into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from kpr.checks.finding import Text
from kpr.yaml_file import read_yaml
from kpr.years import Year, known_years, load_year

_CHANGES = Path(__file__).parent / "municipality-changes.yaml"


class Reporting(Protocol):
    """Somebody who reports: an entry of the installation."""

    @property
    def number(self) -> str:
        """The municipality's number in its data year."""

    @property
    def data_year(self) -> int:
        """The data year."""


@dataclass(frozen=True, slots=True)
class MissingUnit:
    """A municipality of the data year for which nobody reports; ``known_as`` is what it is expected because of."""

    number: str
    name: str
    known_as: tuple[str, ...]

    @property
    def text(self) -> Text:
        """What is wrong, in a sentence."""
        others = [number for number in self.known_as if number != self.number]
        why_nb = f" (den hører til {', '.join(others)})" if others else ""
        why_en = f" (it belongs to {', '.join(others)})" if others else ""
        return Text(
            f"Ingen rapporterer for {self.number} {self.name}{why_nb}.",
            f"Nobody reports for {self.number} {self.name}{why_en}.",
        )


def expected_units(year: Year, entries: Iterable[Reporting]) -> tuple[MissingUnit, ...]:
    """The municipalities of this data year that are missing among the entries, by number.

    Expected is every municipality that an entry of any year stands for, by the number it had on 1 January of this
    data year. Empty where no list of municipalities is known for the year.
    """
    reporting = [(entry.number, entry.data_year) for entry in entries]
    present = {number for number, data_year in reporting if data_year == year.data_year}
    because: dict[str, set[str]] = {}
    for number, data_year in reporting:
        for expected in numbers_in(year.data_year, number, data_year):
            because.setdefault(expected, set()).add(number)
    names = {municipality.number: municipality.name for municipality in year.municipalities}
    missing = sorted(number for number in because if number in names and number not in present)
    return tuple(MissingUnit(number, names[number], tuple(sorted(because[number]))) for number in missing)


def not_reported(year: Year, sent: Iterable[str]) -> tuple[str, ...]:
    """Every municipality of the country that was valid in the data year and is not among those sent, by number."""
    have = set(sent)
    return tuple(sorted(one.number for one in year.municipalities if one.number not in have))


def numbers_in(data_year: int, number: str, known_in: int) -> tuple[str, ...]:
    """The numbers in ``data_year`` of what was one municipality in ``known_in``: several where it was merged or divided.

    A number that did not exist in ``known_in`` gives nothing.
    """
    step = 1 if data_year > known_in else -1
    numbers = {number} if number in _names(known_in) else set()
    for at in range(known_in, data_year, step):
        pairs = _moves(max(at, at + step))
        moved = {new if step > 0 else old for old, new in pairs if (old if step > 0 else new) in numbers}
        touched = {old if step > 0 else new for old, new in pairs}
        numbers = {one for one in numbers if one not in touched} | moved
    return tuple(sorted(numbers))


@cache
def _names(data_year: int) -> dict[str, str]:
    if data_year not in known_years():
        return {}
    return {municipality.number: municipality.name for municipality in load_year(data_year).municipalities}


@cache
def _moves(new_year: int) -> frozenset[tuple[str, str]]:
    """Old and new number of everything that changed between the data year before and this one."""
    before, after = _names(new_year - 1), _names(new_year)
    said = {(old, new) for new, parts in _said(new_year).items() for old in parts}
    retired = set(before) - set(after) - {old for old, _ in said}
    fresh = {number: name for number, name in after.items() if number not in before}
    by_name = {(old, new) for old in retired for new, name in fresh.items() if _bare(name) == _bare(before[old])}
    return frozenset(said | {(old, new) for old, new in by_name if new not in _said(new_year)})


def _bare(name: str) -> str:
    return name.partition(" (")[0]


@cache
def _said(new_year: int) -> dict[str, Any]:
    changes = read_yaml(_CHANGES)["changes"]
    return dict(changes.get(new_year, {}))
