"""The ident feedback: mails that lie in the mailbox, one that a person drops, and a person's word that she has seen it.

All three give an event with its origin. A mail that cannot be recognised is told of, and left where people can see it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kpr.conversation import IdentEvent
from kpr.errors import BadInput, Locked
from kpr.feedback.ident_mail import Expected, IdentMail, read_mail
from kpr.feedback.mailboxes import IdentMailbox, open_mailbox
from kpr.log import blot
from kpr.people import Deed
from kpr.steps.incoming import keep
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Moved, Submission


def collect_mails(place: Workplace) -> Counter[str]:
    """One round over the mailbox. TransportError when it is away; what was read by then is durable."""
    came: Counter[str] = Counter()
    mails = open_mailbox(place.settings.mailbox)
    left = _for_other_years(place, mails)
    latest = place.store.latest()
    for mail in mails.waiting(_expected(place)):
        if latest is None or mail.key in left:
            continue
        if outcome := _take_in(place, mail, latest):
            came[f"ident e-mail: {outcome}"] += 1
        if mail.event is not IdentEvent.FEEDBACK_UNREAD:
            mails.accept(mail)
    return came


def add_mail(place: Workplace, file: Path, by: str) -> str:
    """A mail that a person has saved and drops here (``.eml``); what it was."""
    place.demand(Deed.SEEN, by)
    mail = read_mail(file, place.settings.mailbox.sender_domains, _expected(place))
    if mail is None:
        raise BadInput(
            "This is no mail from the register's domains.",
            place=file.name,
            remedy="Check mailbox.sender_domains, or write down that you have seen it: kpr feedback seen.",
        )
    return _take_in(place, mail, _demand(place), by) or "the same again"


def seen(place: Workplace, by: str, *, faults: bool, note: str, sequence_number: int | None = None) -> str:
    """A named person has seen the mail, and says what it says; what that did."""
    if blot(note) != note:
        raise BadInput(
            "The note holds something that looks like a national id.",
            place="--note",
            remedy="Write what the mail says without naming anybody.",
        )
    place.demand(Deed.SEEN, by)
    submission = _named(place, sequence_number)
    event = IdentEvent.FEEDBACK_FAULTS if faults else IdentEvent.FEEDBACK_OK
    moved = place.legs.ident(
        submission.id, event, place.act(by, f"sett av person: {note}" if note else "sett av person")
    )
    return event.value if moved is Moved.MOVED else moved.value


def _take_in(place: Workplace, mail: IdentMail, latest: Submission, by: str = "register") -> str:
    """One mail from the register; empty when an unread one was told of before. Without a number it is about the latest."""
    unread = mail.event is IdentEvent.FEEDBACK_UNREAD
    if unread and place.store.has_taken_in(mail.fingerprint):
        return ""
    submissions = {submission.sequence_number: submission for submission in place.store.submissions()}
    submission = submissions.get(mail.sequence_number or 0) or latest
    moved = place.legs.ident(submission.id, mail.event, place.act(by))
    outcome = mail.event.value if moved is Moved.MOVED else moved.value
    note = ", ".join(filter(None, (mail.origin, mail.reason, *mail.gateway)))
    keep(place, InboxKind.IDENT_MAIL, mail.fingerprint, mail.raw, outcome, note, submission.id)
    return outcome


def _named(place: Workplace, sequence_number: int | None) -> Submission:
    latest = _demand(place)
    if sequence_number is None:
        return latest
    found = [each for each in place.store.submissions() if each.sequence_number == sequence_number]
    if not found:
        raise BadInput(
            f"There is no submission with number {sequence_number}.",
            place="--number",
            remedy="See 'kpr status'; without --number the newest one is meant.",
        )
    return found[0]


def _demand(place: Workplace) -> Submission:
    latest = place.store.latest()
    if latest is None:
        raise Locked("Ingenting er sendt for dette året, så ingen e-post kan svare på det.")
    return latest


def _expected(place: Workplace) -> list[Expected]:
    settings = place.settings
    return [
        Expected(settings.municipality.number, settings.data_year, submission.sequence_number)
        for submission in place.store.submissions()
    ]


def _for_other_years(place: Workplace, mails: IdentMailbox) -> frozenset[str]:
    """Mails that plainly answer another year's submission: they are left for that year's own collecting."""
    number = place.settings.municipality.number
    others = [Expected(number, year, sequence) for year, sequence in place.store.numbers_of_other_years()]
    waiting = mails.waiting(others) if others else ()
    return frozenset(mail.key for mail in waiting if mail.event is not IdentEvent.FEEDBACK_UNREAD)
