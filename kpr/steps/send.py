"""Send: pack each message and hand it to the transport, ident first. Every id is fixed before the first try.

The order of work is what makes a kill harmless: the attempt and its message id are written down (outbox), the
packed bytes are kept, then they are handed over, then it is written down that they have left. Whatever was killed
is taken up with the same bytes under the same ids (S1), and the other side delivers an id once. A database that was
restored from a backup and does not know what has left since sends nothing (kpr.steps.behind).
"""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from kpr.conversation import HAS_LEFT, AttemptEvent, SubmissionEvent, SubmissionState
from kpr.errors import Blocked, TransportError
from kpr.guard import Approval, Kind, same_kind
from kpr.people import Deed
from kpr.steps.behind import demand_newest, remember
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, MessageKind
from kpr.transports.seam import Envelope


def send_messages(place: Workplace, submission_id: str) -> None:
    """Send what is left to send of both messages; TransportError leaves them to be tried again with the same ids."""
    submission = place.store.submission(submission_id)
    if submission.state not in (SubmissionState.APPROVED, SubmissionState.SENDING):
        return
    demand_newest(place)
    if submission.state is SubmissionState.APPROVED:
        place.store.move(submission_id, SubmissionEvent.SENDING, place.act())
    remember(place, submission_id)
    for kind in (MessageKind.IDENT, MessageKind.IPLOS):
        message = place.store.message(submission_id, kind)
        attempt = place.attempts.open(message, place.act())
        if attempt is not None:
            _hand_over(place, message, attempt)
        if not _has_left(place, message):
            return  # the IPLOS message is held back while the ident message has not left
    place.attempts.all_delivered(submission_id, place.act())


def resend(place: Workplace, submission_id: str, kind: MessageKind, approval: Approval, *, answered: bool) -> None:
    """Send the same message once more under its own MsgId, where the guard permits it (S2, S4); Locked otherwise.

    ``answered``: the register has been asked, and says that it did not get the message.
    """
    message = place.store.message(submission_id, kind)
    _demand(place, message, approval)
    demand_newest(place, approval)
    who = ", ".join(sorted(approval.persons))
    attempt = place.attempts.open(message, place.act(who)) or place.attempts.open_again(
        message, approval, place.act(who, approval.reason), ack_hours=place.year.ack_hours.value, answered=answered
    )
    _hand_over(place, message, attempt)
    place.attempts.all_delivered(submission_id, place.act())


def _demand(place: Workplace, message: Message, approval: Approval) -> None:
    """What the transport did not take is the operator's to hand over; what the register is silent about is not."""
    latest = place.attempts.latest(message.id)
    decides = latest is not None and same_kind(latest.state) is Kind.S4
    place.demand(Deed.UNLOCK if decides else Deed.RESEND_TRANSPORT, *approval.persons)


def _has_left(place: Workplace, message: Message) -> bool:
    attempt = place.attempts.latest(message.id)
    return attempt is not None and attempt.state in HAS_LEFT


def _hand_over(place: Workplace, message: Message, attempt: Attempt) -> None:
    key = place.store.submission(message.submission_id).wrapped_key
    _pack_once(place, message, attempt, key)
    try:
        hand_over_again(place, message, attempt, key)
    except TransportError:
        place.attempts.ended(attempt.id, AttemptEvent.FAILED, place.act(), unless_answered=True)
        raise
    acknowledged_later = place.packaging.patience is not None
    event = AttemptEvent.HANDED_OVER if acknowledged_later else AttemptEvent.DELIVERED
    # An answer may be taken in by another process before this is written down.
    place.attempts.ended(attempt.id, event, place.act(), unless_answered=True)


def hand_over_again(place: Workplace, message: Message, attempt: Attempt, key: bytes) -> None:
    """Hand over the bytes of an attempt as they were packed; what follows of it is for whoever calls to write down."""
    with place.vault.open(attempt.protected_name, key) as body:
        place.transport.send(_envelope(place, message, attempt), body, body.size)


def _envelope(place: Workplace, message: Message, attempt: Attempt) -> Envelope:
    return Envelope(
        message_id=attempt.message_id,
        message_type=message.message_type,
        from_her_id=place.settings.sender.service_her_id,
        to_her_id=place.settings.receiver.service_her_id,
        sent_at=place.clock(),
        # The same message keeps its conversation through all attempts (feedback-and-resend.md s. 4).
        conversation_id=str(uuid5(NAMESPACE_OID, message.msg_id.lower())),
        tries=attempt.tries + 1,
    )


def _pack_once(place: Workplace, message: Message, attempt: Attempt, key: bytes) -> None:
    """Pack into the vault, unless it was done before: the same attempt always carries the same bytes."""
    if attempt.protected_sha256 is not None and place.vault.holds(attempt.protected_name):
        return
    if message.content_sha256 is None:
        raise Blocked("The messages have not passed the gate, so nothing was sent. Run the report again.")
    with place.vault.open(message.content_name, key) as plain, place.vault.create(attempt.protected_name, key) as out:
        packed = place.packaging.pack(plain, plain.size, out, _envelope(place, message, attempt))
    place.attempts.record_protected(attempt.id, packed.sha256, packed.digests)
