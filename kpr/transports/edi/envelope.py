"""The envelope of a parcel that came, as the seam knows it: what the ebXML header says, or a bounce, or nothing.

Nothing is verified here: who sent it, and whether it holds, is decided when it is opened. A parcel that cannot be read
gets an empty envelope, and is set aside by whoever tries to open it.
"""

from __future__ import annotations

from kpr.errors import BadMessage
from kpr.messages.ebxml.mail_report import LOOKED_AT, Bounce, read_bounce
from kpr.messages.ebxml.mime import Entity, read_entity
from kpr.messages.ebxml.model import SignalError, Soap, SoapKind
from kpr.messages.ebxml.names import ACKNOWLEDGMENT, MESSAGE_ERROR
from kpr.messages.ebxml.read import read_soap
from kpr.transports.edi.carrier import Arrived
from kpr.transports.edi.smtp import message_of
from kpr.transports.seam import Envelope, Fault

#: Message types that are the transport's own; never answered, and sent anew whenever they are due.
SIGNALS = frozenset({ACKNOWLEDGMENT, MESSAGE_ERROR, "Fault", "Bounce"})

_UUID = 36
_NOBODY = Envelope("", "", "", "", None)


def parcel_limit(max_bytes: int) -> int:
    """How large a whole parcel may be, in bytes, when ``max_bytes`` of it are encrypted: base64, heads, SOAP part."""
    return 2 * max_bytes + (2 << 20)


def read_envelope(arrived: Arrived, limit: int) -> Envelope:
    """What stands on a parcel; ``limit`` is the size that was agreed, in bytes."""
    try:
        with arrived.open() as raw:
            bounce = read_bounce(raw.read(LOOKED_AT))
        if bounce is not None:
            return _of_bounce(bounce)
        with arrived.open() as raw:
            entity = read_entity(raw, _Nowhere(), limit=parcel_limit(limit))
        return envelope_of(entity, read_soap(entity.soap))
    except BadMessage:
        return _NOBODY


def envelope_of(entity: Entity, soap: Soap) -> Envelope:
    """The seam's envelope of a message that could be read."""
    header = soap.header
    fault, acknowledges = _fault(entity, soap), ""
    if soap.kind is SoapKind.ACKNOWLEDGMENT and soap.acknowledged is not None:
        acknowledges = soap.acknowledged.ref_to_message_id
    elif soap.kind is SoapKind.ERROR and header is not None and fault is None:
        acknowledges = header.ref_to_message_id  # only warnings: it was accepted (HITS 1171 s. 5.2.4)
    if header is None:
        return Envelope("", "Fault" if fault else "", "", "", entity.head.date, fault=fault)
    return Envelope(
        message_id=header.message_id,
        message_type=header.action,
        from_her_id=header.from_her_id,
        to_her_id=header.to_her_id,
        sent_at=header.timestamp,
        correlation_id=entity.head.message_id or None,
        fault=fault,
        acknowledges=acknowledges,
        conversation_id=header.conversation_id,
    )


def _fault(entity: Entity, soap: Soap) -> Fault | None:
    """An error signal with at least one error, or a SOAP fault; a fault names our mail, and so our message."""
    if soap.kind is SoapKind.FAULT:
        named = (*entity.head.in_reply_to, *entity.head.references)
        original = next((found for each in named if (found := message_of(each))), "")
        return Fault(f"soap:{soap.fault_code.rpartition(':')[2] or 'Fault'}", original[:_UUID])
    if soap.kind is not SoapKind.ERROR or soap.header is None:
        return None
    errors = [error for error in soap.errors if error.severity != "Warning"]
    # The list says how bad it is as a whole, and may say it alone; only what says "Warning" is one.
    if not errors and soap.highest_severity == "Warning":
        return None
    first = next(iter(errors or soap.errors), SignalError("Unknown"))
    return Fault(f"ebxml:{first.code or 'Unknown'}", soap.header.ref_to_message_id, first.description)


#: What a report says of a mail that was not delivered (RFC 3464 s. 2.3.3); some mail servers say nothing.
_RETURNED = ("failed", "unknown", "")


def _of_bounce(bounce: Bounce) -> Envelope:
    if bounce.action not in _RETURNED:  # "delayed" and "delivered" are news, and nothing to mend
        return Envelope("", "Bounce", "", "", None)
    named = (bounce.original_envelope_id, bounce.original_message_id)
    original = next((found for each in named if (found := message_of(each))), "")
    return Envelope("", "Bounce", "", "", None, fault=Fault(f"mail:{bounce.status or 'returned'}", original[:_UUID]))


class _Nowhere:
    """Where the payload goes while only the envelope is asked for."""

    def write(self, data: bytes) -> int:
        """Forget it."""
        return len(data)
