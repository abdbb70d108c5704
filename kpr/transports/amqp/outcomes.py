"""Outcomes on the bus as data, and the retry table of the reference library (amqp.md s. 1.6). No input, no output."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from kpr.checks.finding import Text
from kpr.errors import TransportError, TransportRefused
from kpr.transports.amqp.bus import BusFault
from kpr.yaml_file import table_beside

#: At most five retries, within one minute for the whole operation, pauses of 3 s x (2^n - 1) but at most 30 s.
MAX_RETRIES, BUDGET, _UNIT, _LONGEST = 5, 60.0, 3.0, 30.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it, whether trying again by itself may help, and the sentence for a person."""

    name: str
    retry: bool
    text: Text


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = table_beside(__file__)
    return table


def outcome(condition: str) -> Outcome:
    """The outcome that a condition is; whatever is not in the table is a refusal, and is not tried again."""
    name = _table()["conditions"].get(condition, "refused")
    row = _table()["outcomes"][name]
    return Outcome(name, row.get("retry", False), Text(row["nb"], row["en"]))


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311  (to spread retries, not to keep a secret)


def pauses(factor: Callable[[], float] = _jitter) -> Iterator[float]:
    """Seconds to wait before each retry."""
    for number in range(1, MAX_RETRIES + 1):
        yield min(_LONGEST, _UNIT * factor() * (2**number - 1))


def with_retries(
    work: Callable[[], Result],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    budget: float = BUDGET,
) -> Result:
    """Do the work; after a fault that may pass, wait and do it again. Otherwise the fault, as an error of ours."""
    ends = clock() + budget
    for pause in pauses():
        try:
            return work()
        except BusFault as fault:
            if not outcome(fault.condition).retry or clock() + pause >= ends:
                raise as_error(fault) from None
        sleep(pause)
    try:
        return work()
    except BusFault as fault:
        raise as_error(fault) from None


def as_error(fault: BusFault) -> TransportError:
    """The error that a fault is: the sentence and the code, never the broker's own words."""
    what = outcome(fault.condition)
    kind = TransportError if what.retry else TransportRefused
    return kind(f"{what.text.nb} ({fault.condition})")
