"""The rules for the mail and its parts, and for XML and SOAP (HITS 1172 s. 5.5-5.7), by number."""

from __future__ import annotations

import re

from lxml import etree

from kpr.messages.ebxml.model import SoapKind
from kpr.messages.ebxml.names import DS, EB, SOAP
from kpr.messages.ebxml.rule_view import BODY, ENVELOPE, HEADER, Check, Seen

_ENCODINGS = ("8bit", "binary", "quoted-printable", "base64")
_DECLARED = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["']""")
_BOM = b"\xef\xbb\xbf"

#: What may stand in Header and Body (s. 5.7.2). SyncReply is for HTTP alone.
_IN_HEADER = {f"{{{EB}}}{name}" for name in ("MessageHeader", "AckRequested", "Acknowledgment", "ErrorList")}
_IN_HEADER |= {f"{{{EB}}}MessageOrder", f"{{{DS}}}Signature"}
_SYNC_REPLY = f"{{{EB}}}SyncReply"
_IN_BODY = {f"{{{EB}}}{name}" for name in ("Manifest", "StatusRequest", "StatusResponse")}

#: The schema's order of eb:MessageHeader; but for Description each stands once at most.
_ORDER = [
    "From",
    "To",
    "CPAId",
    "ConversationId",
    "Service",
    "Action",
    "MessageData",
    "DuplicateElimination",
    "Description",
]


def _multipart(seen: Seen) -> bool:
    return seen.entity.head.content_type.kind == "multipart/related"


def _other_parameter(seen: Seen) -> bool:
    kind = seen.entity.head.content_type
    return _multipart(seen) and kind.parameters.get("type", "").lower() != "text/xml"


def _other_start(seen: Seen) -> bool:
    """Only a start that is given can contradict (s. 5.5.2.2)."""
    start = seen.entity.head.content_type.parameters.get("start", "").strip("<> ")
    return _multipart(seen) and bool(start) and start != seen.entity.soap_fields.content_id


def _other_charset(seen: Seen) -> bool:
    """A charset that is left out says nothing against UTF-8: messages in use leave it out."""
    return seen.entity.soap_fields.content_type.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8")


def _other_payload_type(seen: Seen) -> bool:
    payload = seen.entity.payload
    if payload is None:
        return False
    kind = payload.fields.content_type
    smime = kind.parameters.get("smime-type", "").lower()
    return (kind.kind, smime) != ("application/pkcs7-mime", "enveloped-data")


def _other_payload_encoding(seen: Seen) -> bool:
    payload = seen.entity.payload
    return payload is not None and payload.fields.transfer_encoding != "base64"


def _not_utf8(seen: Seen) -> bool:
    raw = seen.entity.soap.removeprefix(_BOM)
    declared = _DECLARED.match(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return declared is not None and declared.group(1).lower() != b"utf-8"


def _other_namespace(seen: Seen) -> bool:
    return seen.root is not None and etree.QName(seen.root).namespace != SOAP


def _no_envelope(seen: Seen) -> bool:
    return seen.root is not None and not _other_namespace(seen) and not seen.has(ENVELOPE)


def _against_soap(seen: Seen) -> bool:
    """No schema goes along: what it demands is asked here. What is missing has rules of its own (2 and 3)."""
    if seen.root is None:
        return bool(seen.entity.soap)
    names = [str(each.tag) for each in seen.find(f"{ENVELOPE}/*")]
    return names not in ([f"{{{SOAP}}}{name}" for name in part] for part in _PARTS)


_PARTS: tuple[tuple[str, ...], ...] = (("Header", "Body"), ("Body",), ("Header",), ())


def _against_ebxml(seen: Seen) -> bool:
    """As above: order, repetition and strangers in MessageHeader, and ConversationId, which no other rule asks for."""
    children = seen.find(f"{HEADER}/eb:MessageHeader/*[namespace-uri()='{EB}']")
    names = [etree.QName(each).localname for each in children]
    places = [_ORDER.index(name) for name in names if name in _ORDER]
    once = [name for name in names if name != "Description"]
    lacking = bool(children) and not seen.value(f"{HEADER}/eb:MessageHeader/eb:ConversationId")
    return lacking or places != sorted(places) or len(places) != len(names) or len(set(once)) != len(once)


def _unknown_in_header(seen: Seen) -> bool:
    known = _IN_HEADER if seen.expected.by_mail else _IN_HEADER | {_SYNC_REPLY}
    blocks = seen.find(f"{HEADER}/*[@soap:mustUnderstand='1' or @soap:mustUnderstand='true']")
    return any(block.tag not in known for block in blocks)


def _unknown_in_body(seen: Seen) -> bool:
    return seen.kind is not SoapKind.FAULT and any(block.tag not in _IN_BODY for block in seen.find(f"{BODY}/*"))


CHECKS: dict[str, Check] = {
    "18": lambda seen: not seen.entity.head.senders,
    "19": lambda seen: not seen.entity.head.recipients,
    "250": lambda seen: not seen.entity.head.message_id,
    "20": lambda seen: seen.entity.head.date is None,
    "21": lambda seen: not seen.entity.head.mime_version,
    "82": lambda seen: seen.entity.head.mime_version not in ("", "1.0"),
    "22": lambda seen: not seen.entity.head.soap_action,
    # Relays are known to take quotes away; what is asked for is the word.
    "51": lambda seen: seen.entity.head.soap_action.strip('"') not in ("", "ebXML"),
    "252": lambda seen: seen.entity.head.content_type.kind in ("", "text/plain"),
    "66": lambda seen: seen.entity.head.content_type.kind not in ("", "text/plain", "text/xml", "multipart/related"),
    "253": _other_parameter,
    "start": _other_start,
    "67": lambda seen: not seen.entity.soap,
    "255": lambda seen: _multipart(seen) and seen.entity.soap_fields.content_type.kind != "text/xml",
    "256": _other_charset,
    "257": lambda seen: not seen.entity.soap_fields.transfer_encoding,
    "258": lambda seen: seen.entity.soap_fields.transfer_encoding not in ("", *_ENCODINGS),
    "259": _other_payload_encoding,
    "260": _other_payload_type,
    "78": lambda seen: bool(seen.entity.soap) and not seen.entity.soap.removeprefix(_BOM).startswith(b"<?xml"),
    "68": _not_utf8,
    "86": _other_namespace,
    "16": _against_soap,
    "17": _against_ebxml,
    "43": _no_envelope,
    "2": lambda seen: seen.has(ENVELOPE) and not seen.has(HEADER),
    "3": lambda seen: seen.has(ENVELOPE) and not seen.has(BODY),
    "100": _unknown_in_header,
    "101": _unknown_in_body,
}
