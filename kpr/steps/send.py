"""Send: protect each message and hand it to the transport, ident first. Every id is fixed before the first try.

The order of work is what makes a kill harmless: the attempt and its message id are written down (outbox), the
protected bytes are kept, then they are handed over, then it is written down that they arrived. Whatever was killed
is taken up with the same bytes under the same ids (S1), and the other side delivers an id once.
"""

from __future__ import annotations

from kpr.conversation import AttemptEvent, AttemptState, SubmissionEvent, SubmissionState
from kpr.errors import Blocked, TransportError
from kpr.guard import Approval
from kpr.security.cms_write import protect
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, MessageKind
from kpr.transports.seam import Envelope


def send_messages(place: Workplace, submission_id: str) -> None:
    """Send what is left to send of both messages; TransportError leaves them to be tried again with the same ids."""
    submission = place.store.submission(submission_id)
    if submission.state is SubmissionState.APPROVED:
        place.store.move(submission_id, SubmissionEvent.SENDING, place.act())
    elif submission.state is not SubmissionState.SENDING:
        return
    for kind in (MessageKind.IDENT, MessageKind.IPLOS):
        message = place.store.message(submission_id, kind)
        attempt = place.attempts.open(message, place.act())
        if attempt is not None:
            _hand_over(place, message, attempt)
        if not _is_delivered(place, message):
            return  # the IPLOS message is held back while the ident message has not arrived
    place.attempts.all_delivered(submission_id, place.act())


def resend(place: Workplace, submission_id: str, kind: MessageKind, approval: Approval, *, answered: bool) -> None:
    """Send the same message once more under its own MsgId, where the guard permits it (S2, S4); Locked otherwise.

    ``answered``: the register has been asked, and says that it did not get the message.
    """
    message = place.store.message(submission_id, kind)
    who = ", ".join(sorted(approval.persons))
    attempt = place.attempts.open(message, place.act(who)) or place.attempts.open_again(
        message, approval, place.act(who, approval.reason), ack_hours=place.year.ack_hours.value, answered=answered
    )
    _hand_over(place, message, attempt)
    place.attempts.all_delivered(submission_id, place.act())


def _is_delivered(place: Workplace, message: Message) -> bool:
    attempt = place.attempts.latest(message.id)
    return attempt is not None and attempt.state is AttemptState.DELIVERED


def _hand_over(place: Workplace, message: Message, attempt: Attempt) -> None:
    key = place.store.submission(message.submission_id).wrapped_key
    _protect_once(place, message, attempt, key)
    settings = place.settings
    envelope = Envelope(
        message_id=attempt.message_id,
        message_type=message.message_type,
        from_her_id=settings.sender.service_her_id,
        to_her_id=settings.receiver.service_her_id,
        sent_at=place.clock(),
    )
    try:
        with place.vault.open(attempt.protected_name, key) as body:
            place.transport.send(envelope, body, body.size)
    except TransportError:
        place.attempts.ended(attempt.id, AttemptEvent.FAILED, place.act())
        raise
    place.attempts.ended(attempt.id, AttemptEvent.DELIVERED, place.act())


def _protect_once(place: Workplace, message: Message, attempt: Attempt, key: bytes) -> None:
    """Sign and encrypt into the vault, unless it was done before: the same attempt always carries the same bytes."""
    if place.vault.holds(attempt.protected_name):
        return
    if message.content_sha256 is None:
        raise Blocked("The messages have not passed the gate, so nothing was sent. Run the report again.")
    with place.vault.open(message.content_name, key) as plain, place.vault.create(attempt.protected_name, key) as out:
        report = protect(plain, plain.size, out, place.signing_identity, place.register_encryption_certificate)
    place.attempts.record_protected(attempt.id, report.sha256)
