"""ebXML messages as text and as an entity, made by hand, with whatever a test wants otherwise in them.

The signature is made of the right parts and does not hold: whether it does is told to the rules from outside.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from cpa_maker import MAIL, OTHER, OWN, encoded, identity

from kpr.messages.ebxml.mime import Entity, read_entity
from kpr.messages.ebxml.mime_head import ContentType
from kpr.messages.ebxml.names import (
    C14N,
    DS,
    EB,
    ENVELOPED,
    RSA_SHA256,
    SHA256,
    SIGNAL_SERVICE,
    SOAP,
    XLINK,
    XPATH,
)
from kpr.messages.ebxml.rules import Expected

CID = "payload.1@kpr.example"
MESSAGE_ID = "0b9c2f0a-0f3d-4a51-9d3c-5d7c5f0a1b2c"
SPACE = "http://www.npr.no/xmlstds/iplos/2019"
SCHEMAS = {"KPR_IPL": (SPACE, "3.7"), "KPR_IDE": ("http://www.npr.no/xmlstds/53_1_3_ide", "53.1.3")}
HANDLER = '{"MSH-system":"kpr","MSH-versjon":"1.0"}'

REFERENCES = (
    f'<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{XPATH}"/>'
    f'<ds:Transform Algorithm="{C14N}"/></ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"/>'
    "<ds:DigestValue>cm9vdA==</ds:DigestValue></ds:Reference>"
)
CID_REFERENCE = (
    f'<ds:Reference URI="cid:{CID}"><ds:DigestMethod Algorithm="{SHA256}"/>'
    "<ds:DigestValue>cGFydA==</ds:DigestValue></ds:Reference>"
)


def expected(**values: Any) -> Expected:
    """What a good message from us to the other party is held against."""
    held: dict[str, Any] = {
        "certificate": identity("own-sign").certificate,
        "senders": frozenset({OWN}),
        "receivers": frozenset({OTHER}),
        "sender_address": MAIL[OWN],
        "receiver_address": MAIL[OTHER].upper(),
        "schemas": SCHEMAS,
    }
    return Expected(**{**held, **values})


def payload_soap() -> str:
    """The envelope of a message with a payload."""
    requested = (
        '<eb:AckRequested SOAP:actor="urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH" SOAP:mustUnderstand="1"'
        ' eb:signed="true" eb:version="2.0"/>'
    )
    manifest = (
        f'<eb:Manifest eb:version="2.0"><eb:Reference xlink:href="cid:{CID}" xlink:type="simple">'
        f'<eb:Schema eb:location="{SPACE}" eb:version="3.7"/></eb:Reference></eb:Manifest>'
    )
    names = '<eb:Service eb:type="string">S-KPR_IPL</eb:Service><eb:Action>KPR_IPL</eb:Action>'
    tail = f'<eb:DuplicateElimination/><eb:Description xml:lang="no">{HANDLER}</eb:Description>'
    roles = ("<eb:Role>KPR_IPLsender</eb:Role>", "<eb:Role>KPR_IPLreceiver</eb:Role>")
    header = _message_header(names, tail=tail, roles=roles)
    return _envelope(header + requested + signature(REFERENCES + CID_REFERENCE), manifest)


def acknowledgment_soap() -> str:
    """The envelope of an acknowledgment."""
    block = (
        '<eb:Acknowledgment eb:version="2.0" SOAP:mustUnderstand="1"><eb:Timestamp>2024-06-01T10:00:00Z</eb:Timestamp>'
        f"<eb:RefToMessageId>{MESSAGE_ID}</eb:RefToMessageId>{REFERENCES}{CID_REFERENCE}</eb:Acknowledgment>"
    )
    return _envelope(_message_header(_signal("Acknowledgment")) + block + signature(REFERENCES), "")


def error_soap() -> str:
    """The envelope of an error signal."""
    block = (
        '<eb:ErrorList eb:version="2.0" SOAP:mustUnderstand="1" eb:highestSeverity="Error">'
        '<eb:Error eb:errorCode="OtherXml" eb:severity="Error"/></eb:ErrorList>'
    )
    header = _message_header(_signal("MessageError"), ref=f"<eb:RefToMessageId>{MESSAGE_ID}</eb:RefToMessageId>")
    return _envelope(header + block + signature(REFERENCES), "")


def _signal(action: str) -> str:
    return f"<eb:Service>{SIGNAL_SERVICE}</eb:Service><eb:Action>{action}</eb:Action>"


def _envelope(header: str, body: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<SOAP:Envelope xmlns:SOAP="{SOAP}" xmlns:eb="{EB}"'
        f' xmlns:xlink="{XLINK}" xmlns:ds="{DS}"><SOAP:Header>{header}</SOAP:Header><SOAP:Body>{body}</SOAP:Body>'
        "</SOAP:Envelope>"
    )


def _message_header(names: str, *, tail: str = "", ref: str = "", roles: tuple[str, str] = ("", "")) -> str:
    return (
        '<eb:MessageHeader SOAP:mustUnderstand="1" eb:version="2.0">'
        f'<eb:From><eb:PartyId eb:type="HER">{OWN}</eb:PartyId>{roles[0]}</eb:From>'
        f'<eb:To><eb:PartyId eb:type="HER">{OTHER}</eb:PartyId>{roles[1]}</eb:To>'
        f"<eb:CPAId>{OTHER}_{OWN}</eb:CPAId><eb:ConversationId>9f1d</eb:ConversationId>{names}"
        f"<eb:MessageData><eb:MessageId>{MESSAGE_ID}</eb:MessageId>"
        f"<eb:Timestamp>2024-06-01T10:00:00Z</eb:Timestamp>{ref}</eb:MessageData>{tail}</eb:MessageHeader>"
    )


def signature(references: str) -> str:
    """A ds:Signature with our certificate."""
    return (
        f'<ds:Signature><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N}"/>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"/>{references}</ds:SignedInfo>'
        "<ds:SignatureValue>c2lnbmVk</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
        f"{encoded(identity('own-sign').certificate)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


_MAIL = (
    f"From: Kommune <{MAIL[OWN]}>\nTo: {MAIL[OTHER]}\nDate: Sat, 01 Jun 2024 12:00:00 +0200\n"
    'Message-ID: <1@kpr.example>\nMIME-Version: 1.0\nSOAPAction: "ebXML"\n'
)


def mail_text(soap: str, *, payload: bool) -> str:
    """The mail with SOAP as it is, and a payload that nobody opens."""
    soap_type = 'Content-Type: text/xml; charset="UTF-8"\nContent-Transfer-Encoding: 8bit\n'
    if not payload:
        return f"{_MAIL}{soap_type}\n{soap}"
    return (
        f'{_MAIL}Content-Type: multipart/related; type="text/xml"; boundary="b"; start="<soap@kpr.example>"\n\n'
        f"--b\n{soap_type}Content-ID: <soap@kpr.example>\n\n{soap}\n"
        "--b\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n"
        f"Content-ID: <{CID}>\n\nMIIB\n--b--\n"
    )


def entity(mail: str) -> Entity:
    """A mail, read."""
    return read_entity(io.BytesIO(mail.encode()), io.BytesIO(), limit=1 << 20)


def with_kind(read: Entity, kind: str) -> Entity:
    """An entity of another media type, which the reader itself would have refused."""
    return replace(read, head=replace(read.head, content_type=ContentType(kind)))
