"""Municipalities by data year: the numbers that are valid on 1 January, as the register judges them.

A municipality reports under the number that it had in the data year, also when it has been merged or renumbered since
(code-lists 3402; SSB classification 131). A data year that the list does not reach is *unknown*: no number is then
said to be right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_LIST = Path(__file__).parent / "data" / "municipalities.yaml"


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality in one data year: four digits, its name, and its bydeler by two digits (list 3403)."""

    number: str
    name: str
    districts: Mapping[str, str] = field(default_factory=dict)


def municipalities_in(
    data_year: int, districts_of: Callable[[str], Mapping[str, str]] = lambda _number: {}
) -> tuple[Municipality, ...]:
    """The municipalities valid on 1 January of the data year, by number; empty when the list does not know the year.

    ``districts_of`` gives the bydeler of a number (:meth:`kpr.years.Year.districts`).
    """
    if not is_known(data_year):
        return ()
    whole = _read()
    valid = (r for r in whole["municipalities"] if r.get("from", data_year) <= data_year <= r.get("to", data_year))
    return tuple(Municipality(row["number"], row["name"], districts_of(row["number"])) for row in valid)


def municipality_in(
    data_year: int, number: str, districts_of: Callable[[str], Mapping[str, str]] = lambda _number: {}
) -> Municipality | None:
    """The municipality with this number; None when there was none. Ask :func:`is_known` about the year first."""
    return next((item for item in municipalities_in(data_year, districts_of) if item.number == number), None)


def is_known(data_year: int) -> bool:
    """Whether the list reaches this data year; if not, no number may be called wrong."""
    return bool(_read()["from"] <= data_year <= _read()["to"])


@cache
def _read() -> dict[str, Any]:
    return dict(yaml.safe_load(_LIST.read_text(encoding="utf-8")))
