"""Error messages, in each of the forms that are on the bus (AMQP specification s. 2.2.3; amqp.md s. 4.3).

We write the specification's form. The stand-in register also writes the reference library's (no content type, no
reply address, a US date) and the SOAP fault of older parties, since all three must be read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

from lxml import etree

from kpr.transports.amqp.wire import CONTENT_TYPE, DIALOG, SOAP, SOAP_FAULT, US_DATE, Stamp, Wire, properties_of
from kpr.transports.seam import Envelope, ErrorForm, Fault

#: Signs that XML cannot hold: an id or a text of the other side may have them.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def error_message(
    fault: Fault, of: Envelope, message_id: str, to: str, stamp: Stamp, form: ErrorForm = ErrorForm.SPEC
) -> tuple[Wire, bytes]:
    """The message and its body. ``message_id`` is a UUID, ``to`` the error queue as it is registered."""
    now = fault.noticed_at or datetime.now(UTC)
    answer = Envelope(message_id, of.message_type or "UNKNOWN", of.to_her_id, of.from_her_id, now)
    told = {
        "originalMessageId": fault.original_message_id,
        "receiverTimeStamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "errorCondition": fault.condition,
        "errorDescription": fault.description or fault.condition,
        **({"errorConditionData": fault.data} if fault.data else {}),
    }
    said = properties_of(answer, stamp)
    if form is ErrorForm.SOAP:
        soap = "application/soap+xml"
        return Wire(message_id, to, SOAP_FAULT, stamp.reply_to, of.message_id, soap, said), _soap(fault, now)
    if form is ErrorForm.REFERENCE:
        us_date = now.astimezone(UTC).strftime(US_DATE)
        short_id = UUID(message_id).hex
        return Wire(short_id, to, answer.message_type, properties=said | told | {"receiverTimeStamp": us_date}), b""
    # The content type is set although the reference library leaves it out: its own reader misses it.
    return Wire(message_id, to, answer.message_type, stamp.reply_to, of.message_id, CONTENT_TYPE, said | told), b""


def _soap(fault: Fault, now: datetime) -> bytes:
    envelope = etree.Element(f"{SOAP}Envelope")
    reported = etree.SubElement(etree.SubElement(envelope, f"{SOAP}Body"), f"{SOAP}Fault")
    etree.SubElement(etree.SubElement(reported, f"{SOAP}Code"), f"{SOAP}Value").text = _in_xml(fault.condition)
    etree.SubElement(etree.SubElement(reported, f"{SOAP}Reason"), f"{SOAP}Text").text = _in_xml(fault.description)
    detail = etree.SubElement(reported, f"{SOAP}Detail")
    etree.SubElement(detail, f"{DIALOG}messageId").text = _in_xml(fault.original_message_id)
    etree.SubElement(detail, f"{DIALOG}applicationTimeStamp").text = now.astimezone(UTC).isoformat()
    return bytes(etree.tostring(envelope, encoding="utf-8"))


def _in_xml(text: str) -> str:
    return _NOT_IN_XML.sub("?", text)
