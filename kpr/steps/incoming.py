"""One message that came by the transport: a receipt, the other side's error report, or something nobody can use.

The order makes a kill harmless: what it says is applied (applying the same answer twice changes nothing), then the raw
bytes are kept encrypted and written down, and only then is it taken off the transport. An error report is never
answered; a message that we cannot open is reported to its sender, as the AMQP specification (s. 2.2) wants it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from kpr.conversation import AttemptEvent
from kpr.errors import BadInput
from kpr.feedback import transport_fault
from kpr.feedback.receipt import ReceiptAnswer, answer_of, mirrored
from kpr.log import get_log
from kpr.messages.app_rec import AppRec, read_app_rec
from kpr.messages.ebxml.refused import came_late
from kpr.packaging.seam import Unpacked
from kpr.security.refusals import WrongSigner
from kpr.steps.answering import Answering, tell_sender
from kpr.steps.workplace import Workplace
from kpr.store import InboxKind, Message, Moved
from kpr.transports.seam import Fault, Received

#: A protected receipt is kilobytes; anything above this is kept apart.
RECEIPT_LIMIT = 4 << 20

#: How the reason begins when bytes could not be opened: with other certificates they may be.
UNREADABLE = "unreadable"

_log = get_log("collect")


def check_own_keys(place: Workplace) -> None:
    """Our keys and our copy of the register's certificate hold now. Otherwise nothing is taken off the transport.

    What is wrong on our side must not be held against a message: it would be set aside though it is good.
    """
    _ = place.decryption_identities, place.register_signing_certificate


def take_in(place: Workplace, received: Received) -> str:
    """Handle one message; what it was, for the count. ``check_own_keys`` has been called."""
    if received.envelope.fault is not None or received.envelope.acknowledges:
        return _signal(place, received)
    with _open(received) as body:
        raw = body.read(RECEIPT_LIMIT + 1)
    if len(raw) > RECEIPT_LIMIT:
        return _set_aside(place, received, "too large for a receipt")
    try:
        plain, unpacked = _opened(place, raw)
    except BadInput as error:
        if not isinstance(error, WrongSigner):  # it may be our copy of their certificate that is old
            tell_sender(place, received, error)
        return _set_aside(place, received, f"{_foreign(place, received)}{UNREADABLE} ({type(error).__name__})")
    if unpacked.envelope is None:
        return _understood(place, received, plain)
    before = place.taken_in.find(unpacked.envelope)
    if before is not None and before.digest != unpacked.digests:  # HITS 1172 s. 5.8.2: a false duplicate
        return _set_aside(place, received, "another message under an id that was taken in before")
    if before is None and unpacked.expired:
        tell_sender(place, received, came_late())
        return _set_aside(place, received, "it came after its time to live")
    answering = Answering(place, received, unpacked, before)
    if before is not None:
        answering.accept()
        return "transport duplicate: acknowledged again"
    return _understood(place, answering, plain)


def _understood(place: Workplace, received: Received, plain: bytes) -> str:
    try:
        app_rec = read_app_rec(plain)
    except BadInput:
        return _set_aside(place, received, f"{_foreign(place, received)}not a receipt")
    return _receipt(place, received, plain, app_rec)


def _open(received: Received) -> BinaryIO:
    try:
        return received.open()
    except FileNotFoundError:  # an envelope came without its bytes
        return io.BytesIO()


def _opened(place: Workplace, raw: bytes) -> tuple[bytes, Unpacked]:
    out = io.BytesIO()
    unpacked = place.packaging.unpack(io.BytesIO(raw), out, limit=RECEIPT_LIMIT, now=place.clock())
    return out.getvalue(), unpacked


def _foreign(place: Workplace, received: Received) -> str:
    """Whether the envelope names others than the register and us: the reason is told, and decides nothing."""
    envelope, settings = received.envelope, place.settings
    known = envelope.from_her_id in ("", settings.receiver.service_her_id)
    ours = envelope.to_her_id in ("", settings.sender.service_her_id)
    return "" if known and ours else "foreign, "


# -- receipts --------------------------------------------------------------------------------------------------------


def _receipt(place: Workplace, received: Received, plain: bytes, app_rec: AppRec) -> str:
    answer = answer_of(app_rec)
    message = place.store.message_by_msg_id(answer.original_msg_id)
    if message is None and place.store.is_of_another_year(msg_id=answer.original_msg_id):
        return "receipt: for another year, left there"
    again = place.store.has_taken_in(answer.fingerprint)
    outcome = _apply(place, message, app_rec, answer)
    submission = message.submission_id if message else None
    keep(place, InboxKind.RECEIPT, answer.fingerprint, plain, outcome, ", ".join(answer.faults), submission)
    if message is None:
        received.set_aside("it answers a message that we never sent")
    else:
        received.accept()
    _log.info("receipt", outcome=outcome, receipt=answer.receipt_id, codes=answer.codes, again=again)
    return f"receipt: {outcome}"


def _apply(place: Workplace, message: Message | None, app_rec: AppRec, answer: ReceiptAnswer) -> str:
    if message is None:
        return "unknown message"
    settings = place.settings
    if not mirrored(app_rec, settings.sender.service_her_id, settings.receiver.service_her_id):
        return "wrong addresses"
    moved = place.legs.receipt(message.id, answer.event, place.act("register"), answer.codes)
    return {Moved.MOVED: answer.event.value, Moved.SAME_AGAIN: "the same again"}.get(moved, moved.value)


# -- signals of the transport: acknowledgments and error reports -------------------------------------------------------


def _signal(place: Workplace, received: Received) -> str:
    """What the other side's transport says of a message of ours; never answered."""
    fault = received.envelope.fault
    try:
        with _open(received) as raw:
            unpacked = place.packaging.check_signal(raw)
    except BadInput as error:
        return _set_aside(place, received, f"a signal that does not hold ({type(error).__name__})")
    if fault is not None:
        return _error_report(place, received, fault)
    return _acknowledgment(place, received, unpacked)


def _acknowledgment(place: Workplace, received: Received, unpacked: Unpacked) -> str:
    """It was taken in by the other side's transport, which says nothing of what the register thinks of it."""
    envelope = received.envelope
    attempt = place.attempts.by_transport_id(envelope.acknowledges)
    if attempt is None and place.store.is_of_another_year(transport_id=envelope.acknowledges):
        return "acknowledgment: for another year, left there"
    if attempt is None or _foreign(place, received):
        return _set_aside(place, received, "an acknowledgment for nobody")
    # One that repeats less than we signed is a finding (HITS 1172 rules 116, 117); none may contradict it.
    if attempt.digests and not set(unpacked.digests.split()) <= set(attempt.digests.split()):
        return _set_aside(place, received, "an acknowledgment of other bytes than ours")
    moved = place.attempts.heard(envelope.acknowledges, AttemptEvent.DELIVERED, place.act("register"))
    with _open(received) as body:
        mark = f"ack:{envelope.acknowledges}:{envelope.message_id}".lower()
        keep(place, InboxKind.ACKNOWLEDGMENT, mark, body.read(RECEIPT_LIMIT), "acknowledged")
    received.accept()
    outcome = "acknowledged" if moved is Moved.MOVED else "the same again"
    _log.info("acknowledgment", outcome=outcome, transport_id=attempt.message_id)
    return f"acknowledgment: {outcome}"


def _error_report(place: Workplace, received: Received, fault: Fault) -> str:
    """The other side cannot use what we sent: the attempt is refused, and the guard decides what may follow (S2)."""
    code = transport_fault.shown(fault)
    with _open(received) as stream:
        body = stream.read(RECEIPT_LIMIT)
    kept, mark = transport_fault.as_kept(received.envelope, body), transport_fault.fingerprint(received.envelope, body)
    if _foreign(place, received):  # only the register can say that it could not use what we sent to it
        keep(place, InboxKind.TRANSPORT_ERROR, mark, kept, "foreign", code)
        received.set_aside("an error report from another than the register")
        return "transport error: foreign"
    moved = place.attempts.heard(fault.original_message_id, transport_fault.event(fault), place.act("register", code))
    if moved is None and place.store.is_of_another_year(transport_id=fault.original_message_id):
        return "transport error: for another year, left there"
    outcome = {None: "unknown message", Moved.MOVED: code}.get(moved, "the same again")
    keep(place, InboxKind.TRANSPORT_ERROR, mark, kept, outcome, code)
    if moved is None:
        received.set_aside("it reports an error in a message that we never sent")
    else:
        received.accept()
    # What is no id of ours could be any text of theirs.
    transport_id = fault.original_message_id if moved else "?"
    _log.warning("transport error", code=code, outcome=outcome, transport_id=transport_id)
    return f"transport error: {outcome}"


# -- what nobody can use ---------------------------------------------------------------------------------------------


def _set_aside(place: Workplace, received: Received, reason: str) -> str:
    """Keep it raw, with the reason. Nobody can say which message it answers, so it moves no leg."""
    name = f"raw:{_digest(received)}"
    if not place.store.has_taken_in(name):
        entry = str(uuid5(NAMESPACE_URL, name))
        with place.vault.keeping() as key:
            with _open(received) as body, place.vault.create(f"{entry}-inbox", key) as out:
                shutil.copyfileobj(body, out, 1 << 20)
            place.store.take_in(InboxKind.UNKNOWN, name, key, place.act("register"), id=entry, verdict=reason)
    received.set_aside(reason)
    return "set aside" if reason.startswith("too large") else UNREADABLE


def _digest(received: Received) -> str:
    digest = hashlib.sha256()
    with _open(received) as body:
        while piece := body.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def keep(
    place: Workplace,
    kind: InboxKind,
    fingerprint: str,
    raw: bytes,
    outcome: str,
    note: str = "",
    submission_id: str | None = None,
) -> None:
    """Keep the raw bytes, encrypted, once, and only then write down that they were taken in."""
    if place.store.has_taken_in(fingerprint):
        return
    entry_id = str(uuid5(NAMESPACE_URL, fingerprint))
    values = {"id": entry_id, "verdict": outcome, "note": note, "submission_id": submission_id}
    with place.vault.keeping() as key:
        place.vault.put(f"{entry_id}-inbox", key, raw)
        place.store.take_in(kind, fingerprint, key, place.act("register"), **values)
