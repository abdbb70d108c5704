"""Collect: take in what the transport and the mailbox hold, and move the conversation by it.

What cannot be read, or answers nothing of ours, is kept apart with a reason, and touches no state.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from kpr.feedback.ident_mail import Expected, IdentMail, Mailbox
from kpr.steps.incoming import UNREADABLE, check_own_keys, keep, take_in
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Moved
from kpr.transports.seam import Envelope


@dataclass(slots=True)
class Came:
    """How many of each kind came in one round."""

    kinds: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """As plain data."""
        return dict(self.kinds)


def collect(place: Workplace) -> Came:
    """One round over mailbox and transport. The mailbox goes first: a bus that is away does not keep mail waiting."""
    came = Came()
    mails = Mailbox(place.settings.mailbox.folder, place.settings.mailbox.sender_domains)
    for mail in mails.waiting(_expected(place)):
        came.kinds[_mail(place, mail)] += 1
        mails.accept(mail)
    check_own_keys(place)
    for received in place.transport.receive():
        came.kinds[take_in(place, received)] += 1
    return came


def reread(place: Workplace) -> Came:
    """Try again what could not be opened when it came: with another certificate in the address book it may be."""
    check_own_keys(place)
    came = Came()
    for entry in place.store.set_aside(UNREADABLE):
        kept = KeptMessage(place.vault.get(entry.raw_name, entry.wrapped_key))
        came.kinds[take_in(place, kept)] += 1
        if not kept.left:
            place.store.reopened(entry.id)
    return came


#: What stood on the envelope was not kept: who it is from is decided by the signature alone.
_UNKNOWN = Envelope("", "", "", "", None)


@dataclass(slots=True)
class KeptMessage:
    """A message from the vault, as if it came now. ``left``: it is as useless as before."""

    raw: bytes = field(repr=False)
    left: bool = False
    envelope: Envelope = _UNKNOWN

    def open(self) -> BinaryIO:
        """The raw bytes."""
        return io.BytesIO(self.raw)

    def accept(self) -> None:
        """It has been read."""

    def set_aside(self, reason: str) -> None:
        """It stays where it is."""
        self.left = reason.startswith(UNREADABLE)


def _expected(place: Workplace) -> list[Expected]:
    settings = place.settings
    return [
        Expected(settings.municipality.number, settings.data_year, submission.sequence_number)
        for submission in place.store.submissions()
    ]


def _mail(place: Workplace, mail: IdentMail) -> str:
    submissions = {submission.sequence_number: submission for submission in place.store.submissions()}
    submission = submissions.get(mail.sequence_number or 0) or place.store.latest()
    if submission is None:
        outcome = "nothing was sent"
    else:
        moved = place.legs.ident(submission.id, mail.event, place.act("register"))
        outcome = mail.event.value if moved is Moved.MOVED else moved.value
    about = submission.id if submission else None
    keep(place, InboxKind.IDENT_MAIL, mail.fingerprint, mail.raw, outcome, submission_id=about)
    return f"ident e-mail: {outcome}"
