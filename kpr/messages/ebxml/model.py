"""What stands in an ebXML message, as values. Names are the framework's (HIS 1037 s. 4.2).

Three kinds never share a message (HITS 1172 s. 5.11.3): a payload message, an acknowledgment, an error signal. A SOAP
fault answers what could not even be read so far.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SoapKind(StrEnum):
    """What kind of message it is. OTHER: Ping, Pong, StatusRequest, StatusResponse, which are ignored."""

    PAYLOAD = "PAYLOAD"
    ACKNOWLEDGMENT = "ACKNOWLEDGMENT"
    ERROR = "ERROR"
    FAULT = "FAULT"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """eb:MessageHeader. Parties are HER-ids of the communication party (level 2, HIS 1153-2 AD2.1): digits.

    Of a message that has come any text may be empty, and ``timestamp`` None, where it is missing or cannot be read.
    Roles stand in payload messages only; signals have Service and Action of their own (HISD 1209).
    """

    from_her_id: str
    to_her_id: str
    cpa_id: str
    conversation_id: str
    service: str
    action: str
    message_id: str
    timestamp: datetime | None
    service_type: str = ""
    from_role: str = ""
    to_role: str = ""
    ref_to_message_id: str = ""
    time_to_live: datetime | None = None
    duplicate_elimination: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """ds:Reference: what was signed. ``uri`` is ``""`` for the envelope, ``cid:…`` for a part."""

    uri: str
    digest: bytes
    digest_method: str
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestItem:
    """eb:Manifest/eb:Reference: one payload part, with the business schema for version monitoring (HITS 1210)."""

    content_id: str
    schema_location: str = ""
    schema_version: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """eb:Acknowledgment: which message was received, when, and what its signature covered."""

    ref_to_message_id: str
    timestamp: datetime | None
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class SignalError:
    """eb:Error. ``description`` is the other side's own words: kept, never shown."""

    code: str
    severity: str = "Error"
    location: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soap:
    """A SOAP envelope that was read. Only the parts of its kind are there."""

    kind: SoapKind
    header: MessageHeader | None = None
    manifest: tuple[ManifestItem, ...] = ()
    acknowledged: Acknowledged | None = None
    errors: tuple[SignalError, ...] = ()
    highest_severity: str = ""
    fault_code: str = ""
    references: tuple[Reference, ...] = ()
