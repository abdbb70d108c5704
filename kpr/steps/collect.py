"""Collect: take in what the transport and the mailbox hold, and move the conversation by it.

What cannot be read, or answers nothing of ours, is kept apart with a reason, and touches no state.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kpr.feedback.ident_mail import Expected, IdentMail, Mailbox
from kpr.steps.incoming import keep, take_in
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Moved


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
    for received in place.transport.receive():
        came.kinds[take_in(place, received)] += 1
    return came


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
