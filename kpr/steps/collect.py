"""Collect: take in receipts and ident e-mails, and move the conversation by them.

The order makes a kill harmless: the raw bytes go into the vault, then what they say is applied (applying the same
answer twice changes nothing), then they are written down as taken in, and only then are they taken off the transport.
What cannot be read, or answers nothing of ours, is kept apart with a reason, and touches no state.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from kpr.errors import BadInput
from kpr.feedback.ident_mail import Expected, IdentMail, Mailbox
from kpr.feedback.receipt import ReceiptAnswer, answer_of, mirrored
from kpr.log import get_log
from kpr.messages.app_rec import AppRec, read_app_rec
from kpr.security.cms_read import open_protected
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Moved
from kpr.transports.seam import Received

#: A protected receipt is kilobytes; anything above this is kept apart.
RECEIPT_LIMIT = 4 << 20

_log = get_log("collect")


@dataclass(slots=True)
class Came:
    """How many of each kind came in one round."""

    kinds: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """As plain data."""
        return dict(self.kinds)


def collect(place: Workplace) -> Came:
    """One round over transport and mailbox."""
    came = Came()
    for received in place.transport.receive():
        came.kinds[_receipt(place, received)] += 1
    mails = Mailbox(place.settings.mailbox.folder, place.settings.mailbox.sender_domains)
    for mail in mails.waiting(_expected(place)):
        came.kinds[_mail(place, mail)] += 1
        mails.accept(mail)
    return came


# -- receipts ----------------------------------------------------------------------------------------------------


def _receipt(place: Workplace, received: Received) -> str:
    with received.open() as body:
        raw = body.read(RECEIPT_LIMIT + 1)
    if len(raw) > RECEIPT_LIMIT:
        received.set_aside("too large for a receipt")
        return "set aside"
    try:
        plain = _open(place, io.BytesIO(raw))
        app_rec = read_app_rec(plain)
    except BadInput as error:
        return _unreadable(place, received, raw, type(error).__name__)
    answer = answer_of(app_rec)
    outcome = _apply(place, app_rec, answer)
    _keep(place, InboxKind.RECEIPT, answer.fingerprint, plain, outcome, answer)
    if outcome == "unknown message":
        received.set_aside("it answers a message that we never sent")
    else:
        received.accept()
    _log.info("receipt", outcome=outcome, receipt=answer.receipt_id, codes=answer.codes)
    return f"receipt: {outcome}"


def _open(place: Workplace, body: BinaryIO) -> bytes:
    out = io.BytesIO()
    signer = place.register_signing_certificate
    open_protected(body, out, place.decryption_identity, signer, limit=RECEIPT_LIMIT)
    return out.getvalue()


def _unreadable(place: Workplace, received: Received, raw: bytes, reason: str) -> str:
    """Keep it apart, raw. Nobody can say which message it answers, so no leg is moved by it."""
    fingerprint = f"raw:{hashlib.sha256(raw).hexdigest()}"
    _keep(place, InboxKind.UNKNOWN, fingerprint, raw, f"unreadable ({reason})", None)
    received.set_aside(f"unreadable ({reason})")
    return "unreadable"


def _apply(place: Workplace, app_rec: AppRec, answer: ReceiptAnswer) -> str:
    message = place.store.message_by_msg_id(answer.original_msg_id)
    if message is None:
        return "unknown message"
    settings = place.settings
    if not mirrored(app_rec, settings.sender.service_her_id, settings.receiver.service_her_id):
        return "wrong addresses"
    moved = place.legs.receipt(message.id, answer.event, place.act("register"), answer.codes)
    return {Moved.MOVED: answer.event.value, Moved.SAME_AGAIN: "the same again"}.get(moved, moved.value)


# -- ident e-mail ------------------------------------------------------------------------------------------------


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
    _keep(place, InboxKind.IDENT_MAIL, mail.fingerprint, mail.raw, outcome, None)
    return f"ident e-mail: {outcome}"


def _keep(
    place: Workplace, kind: InboxKind, fingerprint: str, raw: bytes, outcome: str, answer: ReceiptAnswer | None
) -> None:
    """Keep the raw bytes, encrypted, once, and only then write down that they were taken in."""
    if place.store.has_taken_in(fingerprint):
        return
    entry_id = str(uuid5(NAMESPACE_URL, fingerprint))
    key = place.vault.new_wrapped_key()
    place.vault.put(f"{entry_id}-inbox", key, raw)
    note = ", ".join(answer.faults) if answer else ""
    place.store.take_in(kind, fingerprint, key, place.act("register"), id=entry_id, verdict=outcome, note=note)
