"""An ebXML message laid open for the rules, and what is expected of it. Only here is the XML searched."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from cryptography import x509
from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.messages.ebxml.mime import Entity
from kpr.messages.ebxml.model import SoapKind
from kpr.messages.ebxml.names import ACKNOWLEDGMENT, MESSAGE_ERROR, NAMESPACES, SIGNAL_SERVICE
from kpr.messages.safe_xml import parse_small

ENVELOPE = "/soap:Envelope"
HEADER, BODY = f"{ENVELOPE}/soap:Header", f"{ENVELOPE}/soap:Body"
MESSAGE_HEADER = f"{HEADER}/eb:MessageHeader"
SIGNATURE = f"{HEADER}/ds:Signature[1]"  # a second one has a rule of its own, 52
MESSAGE_DATA, SIGNED_INFO = f"{MESSAGE_HEADER}/eb:MessageData", f"{SIGNATURE}/ds:SignedInfo"
ACKNOWLEDGED, ERROR_LIST = f"{HEADER}/eb:Acknowledgment", f"{HEADER}/eb:ErrorList"
ACK_REQUESTED, MANIFEST = f"{HEADER}/eb:AckRequested", f"{BODY}/eb:Manifest"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: msg-id of RFC 2822 s. 3.6.4, with or without its brackets.
_MSG_ID = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a message is held against. What is None or empty is not compared, but for ``certificate``.

    ``senders`` and ``receivers`` are the HER-ids that may stand in From and To. ``certificate`` is the sender's by the
    address book: without it no message is taken (rule 79). ``schemas`` has namespace and version by action.
    ``accept_sha1``: this partner may sign with RSA-SHA1. ``now`` is aware.
    """

    certificate: x509.Certificate | None
    senders: frozenset[str] = frozenset()
    receivers: frozenset[str] = frozenset()
    sender_address: str = ""
    receiver_address: str = ""
    cpa: Cpa | None = None
    schemas: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    accept_sha1: bool = False
    by_mail: bool = True
    now: datetime | None = None


@dataclass(frozen=True)
class Seen:
    """The message. ``verified``: whether the signature holds over envelope and payload (``signature.verify``)."""

    entity: Entity
    expected: Expected
    verified: bool

    @cached_property
    def root(self) -> etree._Element | None:
        """The document; None where it is no XML that may be read."""
        try:
            return parse_small(self.entity.soap)
        except BadMessage:
            return None

    def find(self, path: str) -> list[Any]:
        """Elements or attributes by XPath from the document's root; none where there is no document."""
        if self.root is None:
            return []
        found: Any = self.root.xpath(path, namespaces=NAMESPACES)
        return list(found)

    def has(self, path: str) -> bool:
        """Whether there is such a thing."""
        return bool(self.find(path))

    def value(self, path: str) -> str:
        """The text of the first such thing, white space collapsed; empty where there is none."""
        return next(iter(self.values(path)), "")

    def values(self, path: str) -> list[str]:
        """The texts of all of them."""
        return [_text(each) for each in self.find(path)]

    def moment(self, path: str) -> datetime | None:
        """A time; one without a zone is in UTC (ebMS 2.0 s. 3.1.6.2)."""
        try:
            moment = datetime.fromisoformat(self.value(path))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @cached_property
    def timestamp(self) -> datetime | None:
        """eb:Timestamp of the message."""
        return self.moment(f"{MESSAGE_DATA}/eb:Timestamp")

    @cached_property
    def enclosed(self) -> x509.Certificate | None:
        """The one certificate in KeyInfo; None where there is not exactly one that can be read."""
        found = self.values(f"{SIGNATURE}/ds:KeyInfo/ds:X509Data/ds:X509Certificate")
        try:
            [text] = found
            return x509.load_der_x509_certificate(base64.b64decode(text))
        except ValueError:
            return None

    @cached_property
    def handler(self) -> dict[str, Any] | None:
        """What eb:Description says of the message handler, in JSON (HITS 1210 s. 6.2.2); None where there is none."""
        for text in self.values(f"{MESSAGE_HEADER}/eb:Description"):
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict):
                return said
        return None

    @cached_property
    def kind(self) -> SoapKind | None:
        """What it is, by what it holds, and where that is mixed by Service and Action (s. 5.11.3); None: undecided."""
        if self.has(f"{BODY}/soap:Fault"):
            return SoapKind.FAULT
        found = [kind for kind, paths in _MARKS.items() if any(self.has(path) for path in paths)]
        if len(found) == 1:
            return found[0]
        if self.value(f"{MESSAGE_HEADER}/eb:Service") != SIGNAL_SERVICE:
            return SoapKind.PAYLOAD if SoapKind.PAYLOAD in found else None
        named = _SIGNALS.get(self.value(f"{MESSAGE_HEADER}/eb:Action"))
        return named if named in found or named is SoapKind.OTHER else None


#: What tells the kinds apart (s. 5.11.2 and 5.11.3), and what Action says where that is mixed.
_MARKS = {
    SoapKind.PAYLOAD: (MANIFEST, ACK_REQUESTED),
    SoapKind.ACKNOWLEDGMENT: (ACKNOWLEDGED,),
    SoapKind.ERROR: (ERROR_LIST,),
    SoapKind.OTHER: (f"{BODY}/eb:StatusRequest", f"{BODY}/eb:StatusResponse"),
}
_SIGNALS = {ACKNOWLEDGMENT: SoapKind.ACKNOWLEDGMENT, MESSAGE_ERROR: SoapKind.ERROR}
_SIGNALS |= {"Ping": SoapKind.OTHER, "Pong": SoapKind.OTHER}

#: A rule: whether the message breaks it.
Check = Callable[[Seen], bool]


def is_uuid(text: str) -> bool:
    """A UUID in its usual form."""
    return bool(_UUID.fullmatch(text))


def is_message_id(text: str) -> bool:
    """A UUID, or the form of RFC 2822 (rule 102, as of 11/2019)."""
    return is_uuid(text) or bool(_MSG_ID.fullmatch(text))


def _text(node: Any) -> str:
    text = node.xpath("string()") if isinstance(node, etree._Element) else node
    return " ".join(str(text).split())


# -- forms that many rules have ----------------------------------------------------------------------------------


def absent(parent: str, child: str) -> Check:
    """The parent is there, and some of them have no such child (an element or ``@attribute``)."""
    return lambda seen: seen.has(f"{parent}[not({child})]")


def empty(path: str) -> Check:
    """Some such element is there, with nothing in it."""
    return lambda seen: "" in seen.values(path)


def missing(parent: str, child: str) -> Check:
    """The parent is there, and the child absent or empty."""
    return lambda seen: seen.has(parent) and not seen.value(f"{parent}/{child}")


def other(path: str, *allowed: str) -> Check:
    """Some such value is there, and is none of the allowed ones."""
    return lambda seen: any(value not in allowed for value in seen.values(path))
