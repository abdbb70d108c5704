"""Writes the SOAP part of an ebXML message, not yet signed (HIS 1037:2011 s. 4.2; HITS 1171:2017 s. 5.2).

Written as text, once, and never again after signing: the signature is over these very bytes. Every value is escaped,
and one that XML cannot hold is a BadMessage.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from kpr.errors import BadMessage
from kpr.messages.ebxml.model import Acknowledged, ManifestItem, MessageHeader, Reference, SignalError
from kpr.messages.ebxml.names import (
    DS,
    EB,
    ERROR_CONTEXT,
    SIGNAL_SERVICE,
    SOAP,
    TO_PARTY_MSH,
    XLINK,
    XPATH,
    XPATH_TEXT,
)

#: What XML 1.0 s. 2.2 does not allow.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MUST = 'SOAP-ENV:mustUnderstand="1" eb:version="2.0"'


def payload_soap(header: MessageHeader, manifest: Sequence[ManifestItem]) -> bytes:
    """A payload message: header, the demand for a signed acknowledgment, and what lies beside it."""
    asked = f'<eb:AckRequested {_MUST} SOAP-ENV:actor="{TO_PARTY_MSH}" eb:signed="true"/>'
    items = "".join(_item(item) for item in manifest)
    return _envelope(_header(header) + asked, f'<eb:Manifest eb:version="2.0">{items}</eb:Manifest>')


def acknowledgment_soap(header: MessageHeader, acknowledged: Acknowledged) -> bytes:
    """An acknowledgment, with the references of the message that it acknowledges."""
    references = "".join(_reference(each) for each in acknowledged.references)
    said = (
        f"<eb:Acknowledgment {_MUST}>"
        f"<eb:Timestamp>{_time(acknowledged.timestamp)}</eb:Timestamp>"
        f"<eb:RefToMessageId>{_text(acknowledged.ref_to_message_id)}</eb:RefToMessageId>"
        f"{references}</eb:Acknowledgment>"
    )
    return _envelope(_header(header) + said, "")


def error_soap(header: MessageHeader, errors: Sequence[SignalError]) -> bytes:
    """An error signal; with nothing but warnings in it the message was accepted (HITS 1171 s. 5.2.4)."""
    highest = "Error" if any(error.severity == "Error" for error in errors) else "Warning"
    listed = "".join(_error(error) for error in errors)
    said = f'<eb:ErrorList {_MUST} eb:highestSeverity="{highest}">{listed}</eb:ErrorList>'
    return _envelope(_header(header) + said, "")


def fault_soap(code: str, text: str) -> bytes:
    """A SOAP fault (SOAP 1.1 s. 4.4): not signed, for what could not be read so far."""
    fault = f"<faultcode>SOAP-ENV:{_text(code)}</faultcode><faultstring>{_text(text)}</faultstring>"
    return _envelope(None, f"<SOAP-ENV:Fault>{fault}</SOAP-ENV:Fault>")


def signal_header(of: MessageHeader, *, action: str, message_id: str, timestamp: datetime) -> MessageHeader:
    """The header of a signal about a message: parties swapped, agreement and conversation copied, no roles."""
    refers = action != "Acknowledgment"  # there it stands in eb:Acknowledgment (HITS 1172 rule 109)
    return replace(
        of,
        from_her_id=of.to_her_id,
        to_her_id=of.from_her_id,
        from_role="",
        to_role="",
        service=SIGNAL_SERVICE,
        service_type="",
        action=action,
        message_id=message_id,
        timestamp=timestamp,
        ref_to_message_id=of.message_id if refers else "",
        time_to_live=None,
        duplicate_elimination=False,
        description="",
    )


def _envelope(header: str | None, body: str) -> bytes:
    spaces = f'xmlns:SOAP-ENV="{SOAP}" xmlns:eb="{EB}" xmlns:xlink="{XLINK}" xmlns:ds="{DS}"'
    head = "" if header is None else f"<SOAP-ENV:Header>{header}</SOAP-ENV:Header>"
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<SOAP-ENV:Envelope {spaces}>{head}<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return text.encode()


def _header(header: MessageHeader) -> str:
    typed = f" eb:type={quoteattr(header.service_type)}" if header.service_type else ""
    data = (
        f"<eb:MessageId>{_text(header.message_id)}</eb:MessageId>"
        f"<eb:Timestamp>{_time(header.timestamp)}</eb:Timestamp>"
        + _optional("RefToMessageId", header.ref_to_message_id)
        + (f"<eb:TimeToLive>{_time(header.time_to_live)}</eb:TimeToLive>" if header.time_to_live else "")
    )
    said = f'<eb:Description xml:lang="no">{_text(header.description)}</eb:Description>' if header.description else ""
    return (
        f"<eb:MessageHeader {_MUST}>"
        f"{_party('From', header.from_her_id, header.from_role)}{_party('To', header.to_her_id, header.to_role)}"
        f"<eb:CPAId>{_text(header.cpa_id)}</eb:CPAId>"
        f"<eb:ConversationId>{_text(header.conversation_id)}</eb:ConversationId>"
        f"<eb:Service{typed}>{_text(header.service)}</eb:Service><eb:Action>{_text(header.action)}</eb:Action>"
        f"<eb:MessageData>{data}</eb:MessageData>"
        f"{'<eb:DuplicateElimination/>' if header.duplicate_elimination else ''}{said}</eb:MessageHeader>"
    )


def _party(name: str, her_id: str, role: str) -> str:
    return f'<eb:{name}><eb:PartyId eb:type="HER">{_text(her_id)}</eb:PartyId>{_optional("Role", role)}</eb:{name}>'


def _item(item: ManifestItem) -> str:
    schema = ""
    if item.schema_location:
        version = f" eb:version={_attribute(item.schema_version)}" if item.schema_version else ""
        schema = f"<eb:Schema eb:location={_attribute(item.schema_location)}{version}/>"
    href = _attribute(f"cid:{item.content_id}")
    return f'<eb:Reference xlink:type="simple" xlink:href={href}>{schema}</eb:Reference>'


def _reference(reference: Reference) -> str:
    transforms = "".join(_transform(each) for each in reference.transforms)
    listed = f"<ds:Transforms>{transforms}</ds:Transforms>" if transforms else ""
    return (
        f"<ds:Reference URI={_attribute(reference.uri)}>{listed}"
        f"<ds:DigestMethod Algorithm={_attribute(reference.digest_method)}/>"
        f"<ds:DigestValue>{base64.b64encode(reference.digest).decode()}</ds:DigestValue></ds:Reference>"
    )


def _transform(algorithm: str) -> str:
    """As in the signature that it is taken from; there is one XPath only that is accepted."""
    xpath = f"<ds:XPath>{_text(XPATH_TEXT)}</ds:XPath>" if algorithm == XPATH else ""
    return f"<ds:Transform Algorithm={_attribute(algorithm)}>{xpath}</ds:Transform>"


def _error(error: SignalError) -> str:
    location = f" eb:location={_attribute(error.location)}" if error.location else ""
    said = f'<eb:Description xml:lang="en">{_text(error.description)}</eb:Description>' if error.description else ""
    context = _attribute(error.context or ERROR_CONTEXT)
    return (
        f"<eb:Error eb:codeContext={context} eb:errorCode={_attribute(error.code)} "
        f"eb:severity={_attribute(error.severity)}{location}>{said}</eb:Error>"
    )


def _optional(name: str, value: str) -> str:
    return f"<eb:{name}>{_text(value)}</eb:{name}>" if value else ""


def _text(value: str) -> str:
    return escape(_allowed(value), {"\r": "&#13;"})


def _attribute(value: str) -> str:
    return quoteattr(_allowed(value), {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _allowed(value: str) -> str:
    if _NOT_XML.search(value):
        raise BadMessage("A value of the envelope holds a character that XML does not allow.")
    return value


def _time(moment: datetime | None) -> str:
    """In UTC with ``Z`` (HIS 1037 s. 6.2.1)."""
    if moment is None or moment.tzinfo is None:
        raise ValueError("a time of the envelope is missing, or has no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
