"""The AMQP envelope, strict when we send and tolerant when we read (AMQP specification s. 2.1.2; amqp.md s. 2).

A ``Wire`` is what both dialects carry: the properties section, the application properties (all strings), and one
opaque body. Error messages come without content type, with an empty body and a US date, or as a SOAP fault; all are
read. No input, no output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.safe_xml import parse_small
from kpr.transports.seam import Envelope, Fault

#: The exact text, one blank after the semicolon (AMQP specification s. 2.1.2).
CONTENT_TYPE = "application/pkcs7-mime; smime-type=signed-and-enveloped-data"
SOAP_FAULT = "AMQP_SOAP_FAULT"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HER_ID = re.compile(r"[1-9][0-9]*")
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
DIALOG = "{http://www.kith.no/xmlstds/digitaldialog/2013-10-08}"


@dataclass(frozen=True, slots=True)
class Wire:
    """One message as both dialects carry it. ``to`` and ``reply_to`` are addresses as they are registered."""

    message_id: str
    to: str
    subject: str
    reply_to: str | None = None
    correlation_id: str | None = None
    content_type: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What our own end puts on each message."""

    reply_to: str
    system_identifier: str = "kpr"
    cpa_id: str | None = None


def to_wire(envelope: Envelope, to: str, stamp: Stamp) -> Wire:
    """A message to send. ValueError when a mandatory field is missing or of the wrong kind: that is our own fault."""
    _demand(_UUID.fullmatch(envelope.message_id), "message-id")
    _demand(envelope.message_type, "subject")
    _demand(to, "to")
    _demand(stamp.reply_to, "reply-to")
    return Wire(
        message_id=envelope.message_id,
        to=to,
        subject=envelope.message_type,
        reply_to=stamp.reply_to,
        correlation_id=envelope.correlation_id or envelope.message_id,
        content_type=CONTENT_TYPE,
        properties=properties_of(envelope, stamp),
    )


def properties_of(envelope: Envelope, stamp: Stamp) -> dict[str, str]:
    """The application properties; a key without a value is left out, since null makes the reference receiver fail."""
    _demand(_HER_ID.fullmatch(envelope.from_her_id), "fromHerId")
    _demand(_HER_ID.fullmatch(envelope.to_her_id), "toHerId")
    if envelope.sent_at is None or envelope.sent_at.tzinfo is None:
        raise ValueError("applicationTimeStamp")
    moment = envelope.sent_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    optional = {"cpaId": stamp.cpa_id, "X-SystemIdentifier": stamp.system_identifier}
    return {
        "fromHerId": envelope.from_her_id,
        "toHerId": envelope.to_her_id,
        "applicationTimeStamp": f"{moment}Z",
        "enqueuedTimeUtc": moment,
        **{name: value for name, value in optional.items() if value},
    }


def _demand(value: object, name: str) -> None:
    if not value:
        raise ValueError(name)


# -- reading ---------------------------------------------------------------------------------------------------------


def from_wire(wire: Wire, came_by: str, body: bytes = b"") -> Envelope:
    """What a message that came says about itself; what is missing is empty. Raises nothing, whatever stands there."""
    said = wire.properties
    return Envelope(
        message_id=wire.message_id,
        message_type=wire.subject,
        from_her_id=said.get("fromHerId", ""),
        to_her_id=said.get("toHerId", ""),
        sent_at=moment_of(said.get("applicationTimeStamp", "")),
        correlation_id=wire.correlation_id,
        fault=_fault(wire, body),
        came_by=came_by,
    )


def _fault(wire: Wire, body: bytes) -> Fault | None:
    said = wire.properties
    if wire.subject == SOAP_FAULT and (body or "errorCondition" not in said):
        return _soap_fault(body)
    if "errorCondition" not in said:
        return None
    return Fault(
        condition=said["errorCondition"],
        original_message_id=said.get("originalMessageId", ""),
        description=said.get("errorDescription", ""),
        data=said.get("errorConditionData", ""),
        noticed_at=moment_of(said.get("receiverTimeStamp", "")),
    )


def _soap_fault(body: bytes) -> Fault:
    """A SOAP 1.2 fault (amqp.md s. 4.3); one that cannot be read is a fault all the same."""
    try:
        root = parse_small(body)
    except BadMessage:
        return Fault("unreadable SOAP fault", "")
    return Fault(
        condition=_first(root, f"{SOAP}Value"),
        original_message_id=_first(root, f"{DIALOG}messageId"),
        description=_first(root, f"{SOAP}Text"),
        noticed_at=moment_of(_first(root, f"{DIALOG}applicationTimeStamp")),
    )


def _first(root: etree._Element, tag: str) -> str:
    found = next(root.iter(tag), None)
    return (found.text or "").strip() if found is not None else ""


#: The reference library writes .NET's invariant form into receiverTimeStamp (amqp.md s. 4.3).
US_DATE = "%m/%d/%Y %H:%M:%S"


def moment_of(text: str) -> datetime | None:
    """A time as ISO 8601 or in the US form, aware (UTC where nothing is said); None when it is neither."""
    for read in (datetime.fromisoformat, lambda said: datetime.strptime(said, US_DATE)):  # noqa: DTZ007
        try:
            moment = read(text.strip())
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def text_of(value: Any) -> str:
    """A property as text: whatever type the sender gave it."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))  # proton's number types call themselves "ulong(5)"
    return "" if value is None else str(value)
