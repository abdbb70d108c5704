"""Collect: take in what the transport and the mailbox hold, and move the conversation by it.

What cannot be read, or answers nothing of ours, is kept apart with a reason, and touches no state.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from kpr.errors import TransportError
from kpr.steps.incoming import UNREADABLE, check_own_keys, take_in
from kpr.steps.mails import collect_mails
from kpr.steps.retry import retry
from kpr.steps.workplace import Workplace
from kpr.store import ToldBook
from kpr.transports.seam import Envelope


@dataclass(slots=True)
class Came:
    """How many of each kind came in one round."""

    kinds: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """As plain data."""
        return dict(self.kinds)


def collect(place: Workplace) -> Came:
    """One round over mailbox and transport, and then the retries that are due.

    The mailbox goes first: a transport that is away does not keep mail waiting, nor the other way round. TransportError
    when one of them is away; what could be done has been done by then.
    """
    came, away = Came(), None
    try:
        came.kinds.update(collect_mails(place))
    except TransportError as error:
        away = error
    check_own_keys(place)
    for received in place.transport.receive():
        came.kinds[take_in(place, received)] += 1
    came.kinds.update(retry(place))
    if away is not None:
        raise away
    ToldBook(place.store).collected(place.clock())
    return came


def reread(place: Workplace) -> Came:
    """Try again what could not be opened when it came: with another certificate in the address book it may be."""
    check_own_keys(place)
    came = Came()
    for entry in place.store.set_aside(UNREADABLE):
        if not place.vault.holds(entry.raw_name):  # kept by another year with a vault of its own
            continue
        kept = KeptMessage(place.vault.get(entry.raw_name, entry.wrapped_key))
        came.kinds[take_in(place, kept)] += 1
        if not kept.left:
            place.store.reopened(entry.id)
    return came


#: What stood on the envelope was not kept: who it is from is decided by the signature alone.
_UNKNOWN = Envelope("", "", "", "", None)


@dataclass(slots=True)
class KeptMessage:
    """A message from the vault, as if it came now. ``left``: nobody has taken it, or it is as useless as before."""

    raw: bytes = field(repr=False)
    left: bool = True
    envelope: Envelope = _UNKNOWN

    def open(self) -> BinaryIO:
        """The raw bytes."""
        return io.BytesIO(self.raw)

    def accept(self) -> None:
        """It has been read."""
        self.left = False

    def set_aside(self, reason: str) -> None:
        """It stays where it is, unless it could be opened this time."""
        self.left = UNREADABLE in reason
