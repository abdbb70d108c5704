"""Collect: take in what the transport and the mailbox hold, and move the conversation by it.

What cannot be read, or answers nothing of ours, is kept apart with a reason, and touches no state.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from kpr.conversation import IdentEvent
from kpr.feedback.ident_mail import Expected, IdentMail, Mailbox
from kpr.steps.incoming import UNREADABLE, check_own_keys, keep, take_in
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Moved, Submission
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
    left = _for_other_years(place, mails)
    for mail in mails.waiting(_expected(place)):
        latest = place.store.latest()
        if latest is not None and mail.key not in left:
            came.kinds[_mail(place, mail, latest)] += 1
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


def _expected(place: Workplace) -> list[Expected]:
    settings = place.settings
    return [
        Expected(settings.municipality.number, settings.data_year, submission.sequence_number)
        for submission in place.store.submissions()
    ]


def _for_other_years(place: Workplace, mails: Mailbox) -> frozenset[str]:
    """Mails that plainly answer another year's submission: they are left for that year's own collecting."""
    number = place.settings.municipality.number
    others = [Expected(number, year, sequence) for year, sequence in place.store.numbers_of_other_years()]
    waiting = mails.waiting(others) if others else ()
    return frozenset(mail.key for mail in waiting if mail.event is not IdentEvent.FEEDBACK_UNREAD)


def _mail(place: Workplace, mail: IdentMail, latest: Submission) -> str:
    """One mail from the register. One that names no submission is about the latest, for a person to look at."""
    submissions = {submission.sequence_number: submission for submission in place.store.submissions()}
    submission = submissions.get(mail.sequence_number or 0) or latest
    moved = place.legs.ident(submission.id, mail.event, place.act("register"))
    outcome = mail.event.value if moved is Moved.MOVED else moved.value
    keep(place, InboxKind.IDENT_MAIL, mail.fingerprint, mail.raw, outcome, submission_id=submission.id)
    return f"ident e-mail: {outcome}"
