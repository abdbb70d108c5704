"""What can go wrong with a carrier, as data: one row a condition, with its sentence. No input, no output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from kpr.checks.finding import Text
from kpr.errors import TransportError, TransportRefused
from kpr.yaml_file import table_beside

_UNKNOWN = "carrier:refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether trying again by itself may help, and the sentence for a person."""

    retry: bool
    text: Text


@cache
def table() -> dict[str, Outcome]:
    """Every condition, ``<carrier>:<what>``, and its outcome."""
    rows: dict[str, Any] = table_beside(__file__)
    return {name: Outcome(row["retry"], Text(row["nb"], row["en"])) for name, row in rows.items()}


def carrier_error(condition: str) -> TransportError:
    """The error that a condition is: its sentence and its code, never the other side's own words.

    A TransportRefused where somebody must mend something first; so is a condition that is not in the table.
    """
    what = table().get(condition) or table()[_UNKNOWN]
    kind = TransportError if what.retry else TransportRefused
    return kind(f"{what.text.nb} ({condition})")
