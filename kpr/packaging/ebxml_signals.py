"""Signals of the EDI route: what answers a message that was taken in, or could not be (HIS 1037 s. 7; HITS 1171 s. 8).

A signal follows from what it answers: asked for twice, it is the same signal, bytes and all. Pure: values in, values out.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import BinaryIO
from uuid import NAMESPACE_OID, uuid5

from kpr.errors import BadMessage
from kpr.messages.ebxml.mail_report import read_bounce
from kpr.messages.ebxml.mime import Entity, read_entity, write_entity
from kpr.messages.ebxml.model import Acknowledged, MessageHeader, Reference, SignalError, Soap
from kpr.messages.ebxml.names import ACKNOWLEDGMENT, MESSAGE_ERROR
from kpr.messages.ebxml.read import read_soap
from kpr.messages.ebxml.refused import error_code
from kpr.messages.ebxml.signature import sign
from kpr.messages.ebxml.soap import acknowledgment_soap, error_soap, fault_soap, signal_header
from kpr.packaging.returned import returned_mail
from kpr.packaging.seam import Reply
from kpr.security.certificates import Identity
from kpr.transports.seam import Envelope, Fault

#: A signal is a few kilobytes.
SIGNAL_LIMIT = 1 << 20


def acknowledgment(of: MessageHeader, references: tuple[Reference, ...], at: datetime, signer: Identity) -> Reply:
    """The signed acknowledgment of a message that was opened, with what its signature covered."""
    header = signal_header(of, action=ACKNOWLEDGMENT, message_id=_id("ack", of.message_id), timestamp=at)
    return _signed(acknowledgment_soap(header, Acknowledged(of.message_id, at, references)), header, signer)


def error(of: MessageHeader, errors: tuple[SignalError, ...], at: datetime, signer: Identity) -> Reply:
    """The signed error signal; with nothing but warnings the message was accepted (HITS 1171 s. 5.2.4)."""
    header = signal_header(of, action=MESSAGE_ERROR, message_id=_id("error", of.message_id), timestamp=at)
    return _signed(error_soap(header, errors), header, signer)


def refusal(fault: Fault, of: Envelope, cpa_id: str, at: datetime, signer: Identity) -> Reply:
    """The error signal about a message of which no more than its envelope could be read."""
    header = MessageHeader(
        from_her_id=of.from_her_id,
        to_her_id=of.to_her_id,
        cpa_id=cpa_id,
        conversation_id=of.conversation_id,
        service="",
        action=of.message_type,
        message_id=of.message_id,
        timestamp=of.sent_at,
    )
    return error(header, (SignalError(error_code(fault.condition), description=fault.description),), at, signer)


def soap_fault(fault: Fault, of: Envelope, at: datetime) -> Reply:
    """A SOAP fault, which names the mail that it answers, and is not signed (HITS 1172 s. 4.2.3)."""
    out = io.BytesIO()
    out.write(f"In-Reply-To: <{of.correlation_id or f'{of.message_id}.00000000@file'}>\r\n".encode())
    write_entity(out, fault_soap("Client", fault.description))
    return Reply(_answering(of, _id("fault", of.message_id), "Fault", at), out.getvalue())


def bounce(of: Envelope, at: datetime) -> Reply:
    """A mail that comes back; only a stand-in's mail server makes such."""
    name = f"{of.message_id}.00000000"
    body = returned_mail(name, f"{name}@returned", "ingen@example.invalid")
    return Reply(_answering(of, _id("bounce", of.message_id), "Bounce", at), body)


def read_signal(raw: BinaryIO) -> tuple[Entity, Soap] | None:
    """A signal that came; None when it is a mail that came back. BadMessage: it cannot be read."""
    data = raw.read(SIGNAL_LIMIT + 1)
    if read_bounce(data) is not None:  # some mail servers send the whole mail back with it
        return None
    if len(data) > SIGNAL_LIMIT:
        raise BadMessage("A signal is larger than 1 MiB.")
    entity = read_entity(io.BytesIO(data), io.BytesIO(), limit=SIGNAL_LIMIT)
    return entity, read_soap(entity.soap)


def _signed(soap: bytes, header: MessageHeader, signer: Identity) -> Reply:
    out = io.BytesIO()
    write_entity(out, sign(soap, signer, {}))
    envelope = Envelope(header.message_id, header.action, header.from_her_id, header.to_her_id, header.timestamp)
    return Reply(envelope, out.getvalue())


def _answering(of: Envelope, message_id: str, kind: str, at: datetime) -> Envelope:
    return Envelope(message_id, kind, of.to_her_id, of.from_her_id, at)


def _id(kind: str, message_id: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"{kind}/{message_id}".lower()))
