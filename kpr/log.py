"""Logs: events with opaque ids, as JSON lines or plain text, and a last net that lets no national id through.

What is logged is chosen where it is logged: ids, counts, states, rule ids. The net below is there for the day when
someone forgets: it blots out anything that looks like a national id before a line leaves the program.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_GAP = r"[\s.\u2010-\u2015\-]"
#: A day and a month as they stand in an id, with what is added for D (+40), H (+40) and synthetic numbers (+65, +80).
_DAY, _MONTH = r"(?:[0-2456]\d|[37][01])", r"(?:[048]\d|[159][0-2]|6[6-9]|7[0-7])"

#: 11 digits (fødselsnummer, D, H, FH), also with a gap after six and before the two last, or 12 (DUF).
_TOGETHER = rf"\d{{6}}\s?\d{{5,6}}|\d{{6}}{_GAP}(?:\d{{5}}|\d{{3}}{_GAP}\d{{2}})"
#: The same with gaps within the date.
_APART = rf"{_DAY}{_GAP}?{_MONTH}{_GAP}\d{{2}}{_GAP}?\d{{5}}"
#: What looks like a national id, where no digit stands beside it.
NATIONAL_ID = f"(?:{_TOGETHER}|{_APART})"
#: The end of an ISO date is no beginning: a HER-id may follow it.
_NATIONAL_ID = re.compile(rf"(?<!\d)(?:{_TOGETHER}|(?<!\d{{4}}-){_APART})(?!\d)")
_BLOT = "[hidden]"

#: UUIDs and digests (32, 40 or 64 hex digits): by chance every thousandth holds digits that resemble an id.
_OPAQUE_WORD = re.compile(
    r"(?<![0-9A-Za-z])([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}"
    r"|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})(?![0-9A-Za-z])"
)


def blot(text: str) -> str:
    """The text with everything that looks like a national id blotted out, but for ids of messages and digests."""
    parts = _OPAQUE_WORD.split(text)  # every other one is such a word
    return "".join(part if number % 2 else _NATIONAL_ID.sub(_BLOT, part) for number, part in enumerate(parts))


#: What an id of a message looks like; whatever else stands in its place is the other side's own text.
_OPAQUE = re.compile(r"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")


def opaque(message_id: str) -> str:
    """The id of a message that came, as it may be logged: a UUID as it is, anything else as "?"."""
    return message_id if _OPAQUE.fullmatch(message_id) else "?"


def _blot_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = blot(value)
        elif isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) in (11, 12):
            event[key] = _BLOT
        elif not isinstance(value, int | float | bool | type(None)):
            event[key] = blot(str(value))
    return event


def configure_logs(*, as_json: bool = False, level: int = logging.INFO) -> None:
    """Set up the program's logs on standard error, once, at the edge."""
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _blot_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # asked anew: standard error may be redirected
        cache_logger_on_first_use=False,
    )


def get_log(part: str) -> structlog.typing.FilteringBoundLogger:
    """The log of one part of the program."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=part)
    return log
