"""What is late, by a clock passed in. Silence is never a rejection; it is a state of its own, and reversible.

Receipts: counted from GenDate (HITS 1168:2016 s. 4.1): information after 24 hours, a warning after 72, overdue after
96. Ident feedback: "straight after" (letter L18) has no number, so the data year's assumed working hours are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kpr.calendar import add_working_hours
from kpr.checks.finding import Text
from kpr.conversation import IdentLeg, ReceiptLeg


class Lateness(StrEnum):
    """How late an answer is."""

    ON_TIME = "ON_TIME"
    INFORMATION = "INFORMATION"
    WARNING = "WARNING"
    OVERDUE = "OVERDUE"


#: Hours after GenDate at which a missing receipt is told of (calendar.md, alerts).
_INFORMATION_HOURS, _WARNING_HOURS = 24, 72


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is late: a stable id (so that it is told once), how late, and what to do."""

    id: str
    lateness: Lateness
    text: Text


def receipt_lateness(leg: ReceiptLeg, generated: datetime, now: datetime, ack_hours: int = 96) -> Lateness:
    """How late the receipt for a message is."""
    if leg not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE):
        return Lateness.ON_TIME
    waited = now - generated
    steps = (
        (ack_hours, Lateness.OVERDUE),
        (_WARNING_HOURS, Lateness.WARNING),
        (_INFORMATION_HOURS, Lateness.INFORMATION),
    )
    return next((late for hours, late in steps if waited >= timedelta(hours=hours)), Lateness.ON_TIME)


def ident_due(sent: datetime, working_hours: int) -> datetime:
    """The moment after which the ident feedback is late, in UTC."""
    return add_working_hours(sent, working_hours)


def ident_lateness(leg: IdentLeg, sent: datetime, now: datetime, working_hours: int) -> Lateness:
    """How late the ident feedback is; an unread mail is not late, a person must look at it."""
    if leg not in (IdentLeg.SENT, IdentLeg.OVERDUE):
        return Lateness.ON_TIME
    return Lateness.OVERDUE if now >= ident_due(sent, working_hours) else Lateness.ON_TIME


_RECEIPT_TEXT = {
    Lateness.INFORMATION: Text(
        "Kvitteringen har ikke kommet på ett døgn. Det kan ta tid: gjør ingenting nå.",
        "No receipt after a day. It may take time: do nothing now.",
    ),
    Lateness.WARNING: Text(
        "Kvitteringen har ikke kommet på tre døgn. Sjekk adressene; ikke send på nytt.",
        "No receipt after three days. Check the addresses; do not send again.",
    ),
    Lateness.OVERDUE: Text(
        "Kvitteringen er forsinket. Ta kontakt med registeret; ikke send på nytt uten at de har svart.",
        "The receipt is overdue. Contact the register; do not send again without their answer.",
    ),
}
_IDENT_TEXT = Text(
    "Tilbakemeldingen på identmeldingen mangler. Noe er galt: ta kontakt med registeret (brev L20).",
    "The ident feedback is missing. Something went wrong: contact the register (letter L20).",
)


def receipt_alarm(message_id: str, lateness: Lateness) -> Alarm | None:
    """The alarm for a late receipt; None when it is on time."""
    text = _RECEIPT_TEXT.get(lateness)
    return Alarm(f"receipt-{lateness.value.lower()}-{message_id}", lateness, text) if text else None


def ident_alarm(message_id: str, lateness: Lateness) -> Alarm | None:
    """The alarm for a missing ident feedback; None when it is on time."""
    return Alarm(f"ident-overdue-{message_id}", lateness, _IDENT_TEXT) if lateness is Lateness.OVERDUE else None


_GIVEN_UP_TEXT = Text(
    "Ingen transportkvittering etter siste forsøk. Sjekk adresse og avtale, og spør registeret før noe sendes på nytt.",
    "No acknowledgment after the last try. Check address and agreement, and ask the register; do not send again before.",
)


def given_up_alarm(attempt_id: str) -> Alarm:
    """The alarm for a message that nobody acknowledged."""
    return Alarm(f"transport-given-up-{attempt_id}", Lateness.OVERDUE, _GIVEN_UP_TEXT)
