"""What a computed fact is, and how a count is held against last year's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kpr.checks.finding import Text


@dataclass(frozen=True, slots=True)
class FactLine:
    """One number. ``share`` is in per cent of what the line's text says; ``value`` is text for versions only."""

    id: str
    text: Text
    value: int | str | None
    last_year: int | None = None
    share: float | None = None
    look_at_it: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One point of the letter (``letter`` is its id there) with its lines."""

    id: str
    letter: str
    text: Text
    lines: tuple[FactLine, ...]

    @property
    def look_at_it(self) -> bool:
        """Whether somebody should look at this point before sending."""
        return any(line.look_at_it for line in self.lines)


@dataclass(frozen=True, slots=True)
class FactOptions:
    """Limits and what the extract cannot say: persons left out by decision, the vendor's version for the year."""

    swing_percent: int = 20
    swing_persons: int = 10
    persons_left_out: int = 0
    least_system_version: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One line against last year; ``percent`` is None when last year had nobody."""

    line: str
    now: int
    last_year: int | None
    percent: float | None
    look_at_it: bool


def fact_json(fact: Fact) -> dict[str, Any]:
    """The fact as plain data for ``--json`` and artifacts; counts only, no person."""
    return asdict(fact) | {"look_at_it": fact.look_at_it}


def compare(
    now: Mapping[str, int], last_year: Mapping[str, int] | None, options: FactOptions | None = None
) -> dict[str, Change]:
    """Each line of :func:`service_type_counts` against last year's.

    Look at it when everybody is gone, or when the change passes both limits (content rules X32 and Y1).
    """
    limits = options or FactOptions()
    before = last_year or {}
    return {line: _change(line, count, before.get(line), limits) for line, count in now.items()}


def _change(line: str, now: int, before: int | None, limits: FactOptions) -> Change:
    if before is None:
        return Change(line, now, None, None, look_at_it=False)
    difference = abs(now - before)
    swings = difference > limits.swing_persons and difference * 100 > limits.swing_percent * before
    percent = round((now - before) * 100 / before, 1) if before else None
    return Change(line, now, before, percent, look_at_it=swings or (now == 0 and before > 0))
