"""Watch: ask the clock what is late, move what is overdue, and say what to do. Never sends anything.

Certificates that end soon, or before the register closes, are told of as well (90, 30 and 7 days before).
"""

from __future__ import annotations

from kpr.conversation import AttemptState, IdentEvent, IdentLeg, ReceiptEvent, ReceiptLeg, SubmissionState
from kpr.errors import BadInput
from kpr.overdue import Alarm, Lateness, given_up_alarm, ident_alarm, ident_lateness, receipt_alarm, receipt_lateness
from kpr.security.expiry import warnings_before_expiry
from kpr.steps.workplace import Workplace
from kpr.store import Message, MessageKind, Submission

#: A rejected version may still await its other leg, and the door to the next one opens when that is overdue.
_WAITING = (SubmissionState.AWAITING, SubmissionState.SENDING, SubmissionState.REJECTED)


def watch(place: Workplace) -> list[Alarm]:
    """What is late in this cycle now; overdue legs are moved to OVERDUE, which is reversible."""
    alarms: list[Alarm | None] = []
    for submission in place.store.submissions():
        if submission.state in _WAITING and place.store.messages(submission.id):
            alarms.append(_watch_receipt(place, place.store.message(submission.id, MessageKind.IPLOS)))
            alarms.append(_watch_ident(place, submission))
    return [alarm for alarm in alarms if alarm is not None] + _watch_transport(place) + _watch_certificates(place)


def _watch_transport(place: Workplace) -> list[Alarm]:
    """Messages that nobody acknowledged after the last try (HIS 1037 s. 5.2: the sender is told)."""
    return [
        given_up_alarm(each.attempt.id)
        for each in place.attempts.unacknowledged()
        if each.attempt.state is AttemptState.GIVEN_UP and each.wanted and not each.arrived
    ]


def _watch_certificates(place: Workplace) -> list[Alarm]:
    last = place.year.milestone("absolute_last")
    try:
        named = place.named_certificates()
    except BadInput:  # whoever sends is told; here the clock is asked
        return []
    warnings = warnings_before_expiry(named, place.clock(), last.date if last else None)
    return [Alarm(f"certificate:{each.name}:{each.threshold}", Lateness.WARNING, each.text) for each in warnings]


def _watch_receipt(place: Workplace, message: Message) -> Alarm | None:
    late = receipt_lateness(message.receipt_leg, message.generated, place.clock(), place.year.ack_hours.value)
    if late is Lateness.OVERDUE and message.receipt_leg is ReceiptLeg.NONE:
        place.legs.receipt(message.id, ReceiptEvent.TIME_PASSED, place.act("clock"))
    return receipt_alarm(message.id, late)


def _watch_ident(place: Workplace, submission: Submission) -> Alarm | None:
    message = place.store.message(submission.id, MessageKind.IDENT)
    attempt = place.attempts.latest(message.id)
    if attempt is None or attempt.ended_at is None:
        return None
    hours = place.year.ident_feedback_hours.value
    late = ident_lateness(submission.ident_leg, attempt.ended_at, place.clock(), hours)
    if late is Lateness.OVERDUE and submission.ident_leg is IdentLeg.SENT:
        place.legs.ident(submission.id, IdentEvent.TIME_PASSED, place.act("clock"))
    return ident_alarm(message.id, late)
