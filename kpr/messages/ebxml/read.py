"""Reads the SOAP part of an ebXML message that has come, tolerantly: what is missing is empty (ebxml.md s. 3).

Whether it holds is another question (``signature.verify``), and what it breaks a third one (``rules``). BadMessage only
where there is no SOAP envelope to read, or where it is two kinds of message at once (HITS 1172 s. 5.11.3).
"""

from __future__ import annotations

import base64
import re
from binascii import Error as NotBase64
from datetime import UTC, datetime

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.ebxml.model import Acknowledged, ManifestItem, MessageHeader, Reference, SignalError, Soap, SoapKind
from kpr.messages.ebxml.names import FOR_NEXT_NODE, NAMESPACES, SOAP
from kpr.messages.safe_xml import parse_small

_FRACTION = re.compile(r"(\.\d{6})\d+")
_KINDS = (
    (SoapKind.FAULT, "soap:Body/soap:Fault"),
    (SoapKind.ACKNOWLEDGMENT, "soap:Header/eb:Acknowledgment"),
    (SoapKind.ERROR, "soap:Header/eb:ErrorList"),
    (SoapKind.PAYLOAD, "soap:Body/eb:Manifest"),
)
#: What may stand there once only: a second one could be the one that another reader looks at.
_ONCE = ("soap:Header", "soap:Body", *(path for _, path in _KINDS), "soap:Header/eb:MessageHeader", ".//ds:Signature")

#: The XPath transform takes what is for the next node out of the signature: what is read must not stand there.
_READ = " | ".join(
    f"//{name}"
    for name in ("soap:Header", "soap:Body", "eb:MessageHeader", "eb:Manifest", "eb:Acknowledgment", "eb:ErrorList")
)
_UNSIGNED = f"({_READ})[ancestor-or-self::*[{FOR_NEXT_NODE}]]"


def read_soap(raw: bytes) -> Soap:
    """The envelope's values; see above for what is a BadMessage."""
    root = parse_small(raw)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise BadMessage("This is no SOAP envelope.")
    for path in _ONCE:
        if len(_all(root, path)) > 1:
            raise BadMessage("The envelope holds something twice that may be there only once.", place=path)
    if _all(root, _UNSIGNED):
        raise BadMessage("A part of the envelope is for the next node on the way, so that no signature covers it.")
    kind = _kind(root)
    return Soap(
        kind=kind,
        header=_header(root),
        manifest=tuple(_item(each) for each in _all(root, "soap:Body/eb:Manifest/eb:Reference")),
        acknowledged=_acknowledged(root),
        errors=tuple(_error(each) for each in _all(root, "soap:Header/eb:ErrorList/eb:Error")),
        highest_severity=_value(root, "soap:Header/eb:ErrorList/@eb:highestSeverity"),
        fault_code=_value(root, "soap:Body/soap:Fault/faultcode"),
        references=_references(root, "soap:Header/ds:Signature/ds:SignedInfo/ds:Reference"),
    )


def _kind(root: etree._Element) -> SoapKind:
    found = [kind for kind, path in _KINDS if _all(root, path)]
    if len(found) > 1:
        raise BadMessage("The message is of two kinds at once (HITS 1172 s. 5.11.3).")
    return found[0] if found else SoapKind.OTHER


def _header(root: etree._Element) -> MessageHeader | None:
    found = _all(root, "soap:Header/eb:MessageHeader")
    if not found:
        return None
    header = found[0]
    return MessageHeader(
        from_her_id=_value(header, "eb:From/eb:PartyId[@eb:type='HER']"),
        to_her_id=_value(header, "eb:To/eb:PartyId[@eb:type='HER']"),
        from_role=_value(header, "eb:From/eb:Role"),
        to_role=_value(header, "eb:To/eb:Role"),
        cpa_id=_value(header, "eb:CPAId"),
        conversation_id=_value(header, "eb:ConversationId"),
        service=_value(header, "eb:Service"),
        service_type=_value(header, "eb:Service/@eb:type"),
        action=_value(header, "eb:Action"),
        message_id=_value(header, "eb:MessageData/eb:MessageId"),
        timestamp=_time(_value(header, "eb:MessageData/eb:Timestamp")),
        ref_to_message_id=_value(header, "eb:MessageData/eb:RefToMessageId"),
        time_to_live=_time(_value(header, "eb:MessageData/eb:TimeToLive")),
        duplicate_elimination=bool(_all(header, "eb:DuplicateElimination")),
        description=_value(header, "eb:Description"),
    )


def _item(reference: etree._Element) -> ManifestItem:
    return ManifestItem(
        _value(reference, "@xlink:href").removeprefix("cid:"),
        _value(reference, "eb:Schema/@eb:location"),
        _value(reference, "eb:Schema/@eb:version"),
    )


def _acknowledged(root: etree._Element) -> Acknowledged | None:
    found = _all(root, "soap:Header/eb:Acknowledgment")
    if not found:
        return None
    return Acknowledged(
        _value(found[0], "eb:RefToMessageId"),
        _time(_value(found[0], "eb:Timestamp")),
        _references(found[0], "ds:Reference"),
    )


def _error(error: etree._Element) -> SignalError:
    return SignalError(
        code=_value(error, "@eb:errorCode"),
        severity=_value(error, "@eb:severity"),
        location=_value(error, "@eb:location"),
        description=_value(error, "eb:Description"),
        context=_value(error, "@eb:codeContext"),
    )


def _references(root: etree._Element, path: str) -> tuple[Reference, ...]:
    return tuple(read_reference(each) for each in _all(root, path))


def read_reference(element: etree._Element) -> Reference:
    """A ds:Reference; its digest is empty where it is no base64."""
    try:
        digest = base64.b64decode("".join(_value(element, "ds:DigestValue").split()), validate=True)
    except (NotBase64, ValueError):
        digest = b""
    algorithms = _all(element, "ds:Transforms/ds:Transform/@Algorithm")
    return Reference(
        str(element.get("URI", "")), digest, _value(element, "ds:DigestMethod/@Algorithm"), tuple(map(str, algorithms))
    )


def _all(element: etree._Element, path: str) -> list[etree._Element]:
    found: list[etree._Element] = element.xpath(path, namespaces=NAMESPACES)  # type: ignore[assignment]
    return list(found)


def _value(element: etree._Element, path: str) -> str:
    found = _all(element, path)
    if not found:
        return ""
    first = found[0]
    return " ".join((str(first.xpath("string()")) if isinstance(first, etree._Element) else str(first)).split())


def _time(text: str) -> datetime | None:
    """ebXML times are in UTC where they have no zone, and have any number of decimals (ebMS 2.0 s. 3.1.6.2)."""
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
