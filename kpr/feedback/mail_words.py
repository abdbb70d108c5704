"""What a mail's text means: for which submission, and with which outcome. Text in, event out; never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from kpr.conversation import IdentEvent

#: Said of no faults; what is left when these are taken away tells whether there are others.
_NO_FAULTS = re.compile(
    r"\b(?:ingen|0|uten)\s+(?:feil(?:\s+eller\s+mangler)?|mangler(?:\s+eller\s+feil)?)\b"
    r"|\b(?:feil|mangler)\s*:\s*0\b(?![.,]\d)",
    re.IGNORECASE,
)
_FAULTS = re.compile(r"\b(?:feil|mangl(?:er|et|ende)|avvist|ugyldig)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a mail about one submission must say, and when it may come (None: at any time)."""

    municipality: str
    data_year: int
    sequence_number: int
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a mail means. ``reason`` says why a person must look, when the event is FEEDBACK_UNREAD."""

    event: IdentEvent
    sequence_number: int | None = None
    reason: str = ""


def unread(reason: str) -> Meaning:
    """A mail for a person to look at."""
    return Meaning(IdentEvent.FEEDBACK_UNREAD, None, reason)


def understand(text: str | None, sent_at: datetime | None, expected: list[Expected]) -> Meaning:
    """What a mail means; FEEDBACK_UNREAD unless it names exactly one expected submission, in time, and its outcome."""
    if text is None:
        return unread("cannot be read")
    named = [one for one in expected if _names(text, one)]
    if len(named) != 1:
        return unread("names no submission of ours" if not named else "names several submissions")
    if not _in_time(sent_at, named[0]):
        return unread("is from another time")
    good, bad = _NO_FAULTS.search(text), _FAULTS.search(_NO_FAULTS.sub(" ", text))
    if (good is None) == (bad is None):
        return unread("says both that there are faults and that there are none" if good else "says no outcome")
    event = IdentEvent.FEEDBACK_OK if good else IdentEvent.FEEDBACK_FAULTS
    return Meaning(event, named[0].sequence_number)


def _names(text: str, one: Expected) -> bool:
    numbers = set(re.findall(r"\d+", text))
    number = re.search(rf"l[øo]penummer\D{{0,5}}{one.sequence_number}(?!\d)", text, re.IGNORECASE)
    return one.municipality in numbers and str(one.data_year) in numbers and number is not None


def _in_time(sent_at: datetime | None, one: Expected) -> bool:
    """Where there is a window, a mail without a date is not in it."""
    if one.not_before is None and one.not_after is None:
        return True
    if sent_at is None:
        return False
    return (one.not_before is None or one.not_before <= sent_at) and (one.not_after is None or sent_at <= one.not_after)
