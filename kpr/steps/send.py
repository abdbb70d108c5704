"""Send: protect each message and hand it to the transport, ident first. Every id is fixed before the first try.

The order of work is what makes a kill harmless: the attempt and its message id are written down (outbox), the
protected bytes are kept, then they are handed over, then it is written down that they arrived. Whatever was killed
is taken up with the same bytes under the same ids (S1), and the other side delivers an id once.
"""

from __future__ import annotations

from kpr.errors import TransportError
from kpr.security.cms_write import protect
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, MessageKind
from kpr.transports.seam import Envelope


def send_messages(place: Workplace, submission_id: str) -> None:
    """Send what is left to send of both messages; TransportError leaves them to be tried again with the same ids."""
    place.store.begin_sending(submission_id, at=place.now())
    for kind in (MessageKind.IDENT, MessageKind.IPLOS):
        message = place.store.message(submission_id, kind)
        attempt = place.store.open_attempt(message.id, at=place.now())
        if attempt is not None:
            _hand_over(place, message, attempt)
    place.store.all_sent(submission_id, at=place.now())


def _hand_over(place: Workplace, message: Message, attempt: Attempt) -> None:
    _protect_once(place, message, attempt)
    settings = place.settings
    envelope = Envelope(
        message_id=attempt.message_id,
        message_type=message.message_type,
        from_her_id=settings.sender.service_her_id,
        to_her_id=settings.receiver.service_her_id,
        sent_at=place.now(),
    )
    key = place.store.submission(message.submission_id).wrapped_key
    try:
        with place.vault.open(attempt.protected_name, key) as body:
            place.transport.send(envelope, body)
    except TransportError:
        place.store.attempt_failed(attempt.id, at=place.now())
        raise
    place.store.attempt_delivered(attempt.id, at=place.now())


def _protect_once(place: Workplace, message: Message, attempt: Attempt) -> None:
    """Sign and encrypt into the vault, unless it was done before: the same attempt always carries the same bytes."""
    key = place.store.submission(message.submission_id).wrapped_key
    if place.vault.holds(attempt.protected_name):
        return
    with place.vault.open(message.content_name, key) as plain, place.vault.create(attempt.protected_name, key) as out:
        report = protect(plain, plain.size, out, place.identity, place.register_certificate)
    place.store.record_protected(attempt.id, sha256=report.sha256)
