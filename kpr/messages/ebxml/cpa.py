"""The agreement between two parties (CPA 2.0), read from its XML. What one is, and how tolerant: ``cpa_model``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.ebxml.cpa_model import Action, Agreed, Binding, Channel, Cpa, CpaParty, agreement_between
from kpr.messages.ebxml.names import DS
from kpr.messages.safe_xml import parse_small

__all__ = ["Action", "Agreed", "Binding", "Channel", "Cpa", "CpaParty", "agreement_between", "duration", "read_cpa"]

NAMESPACE = "http://www.oasis-open.org/committees/ebxml-cppa/schema/cpp-cpa-2_0.xsd"
_NS = {"c": NAMESPACE, "ds": DS}
_FETCH = "Fetch the agreement of the two parties anew from Adresseregisteret, or ask the other party for it."

_DURATION = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)

#: ``P240M`` is 240 months, and was meant as ``PT240M``: agreements in use have that mistake in ``timeToPerform``.
_LONGEST_WAIT = timedelta(days=14)
_LONGEST_KEPT = timedelta(days=36500)


def read_cpa(raw: bytes) -> Cpa:
    """The agreement in these bytes.

    BadMessage, with place and remedy: no XML, more than a megabyte, a DOCTYPE; not a CPA (the profile of one party,
    CPP, is told apart); no id, no two parties, a time, a number, a duration or a certificate that cannot be read.
    """
    root = parse_small(raw)
    _demand_cpa(root)
    parties = tuple(_Party(node).read() for node in root.findall("c:PartyInfo", _NS))
    if len(parties) < 2 or not all(party.her_ids for party in parties):
        raise _bad("The agreement does not name two parties with a HER-id each.", "PartyInfo")
    cpa_id = _attribute(root, "cpaid")
    if not cpa_id:
        raise _bad("The agreement has no id.", "cpaid")
    start, end = (_moment(_one(root, name), name) for name in ("Start", "End"))
    return Cpa(cpa_id, _attribute(_one(root, "Status"), "value"), start, end, parties)


def _demand_cpa(root: etree._Element) -> None:
    name = etree.QName(root)
    if name.namespace == NAMESPACE and name.localname == "CollaborationProtocolProfile":
        raise _bad("The file is the profile of one party (CPP), not an agreement of two (CPA).", name.localname)
    if name.namespace != NAMESPACE or name.localname != "CollaborationProtocolAgreement":
        raise _bad("The file is no agreement (CPA 2.0).", "root element")


class _Party:
    """One PartyInfo. References by id are looked up in it alone, and the first element with the id is meant."""

    def __init__(self, node: etree._Element) -> None:
        self.node = node

    def read(self) -> CpaParty:
        ids = [each for each in self.node.findall("c:PartyId", _NS) if _attribute(each, "type") == "HER"]
        roles = self.node.findall("c:CollaborationRole", _NS)
        actions = tuple(action for role in roles for action in self._actions(role))
        her_ids = tuple(text for each in ids if (text := _text(each)))
        return CpaParty(_attribute(self.node, "partyName"), her_ids, actions)

    def _actions(self, role: etree._Element) -> Iterable[Action]:
        name = _attribute(_one(role, "Role"), "name")
        certificate = self._certificate(_one(role, "ApplicationCertificateRef"))
        for binding in role.findall("c:ServiceBinding", _NS):
            service = _one(binding, "Service")
            # CanReceive may stand within CanSend, for an answer in the same connection.
            for can in binding.iter(f"{{{NAMESPACE}}}CanSend", f"{{{NAMESPACE}}}CanReceive"):
                this = _one(can, "ThisPartyActionBinding")
                yield Action(
                    id=_attribute(this, "id"),
                    sends=etree.QName(can).localname == "CanSend",
                    service=_text(service),
                    service_type=_attribute(service, "type"),
                    action=_attribute(this, "action"),
                    role=name,
                    counterpart=_text(_one(can, "OtherPartyActionBinding")),
                    channels=self._channels(this),
                    certificate=certificate,
                )

    def _channels(self, binding: etree._Element | None) -> tuple[Channel, ...]:
        named = binding.findall("c:ChannelId", _NS) if binding is not None else []
        found = (self._by_id("DeliveryChannel", "channelId", _text(each)) for each in named)
        return tuple(self._channel(node) for node in found if node is not None)

    def _channel(self, node: etree._Element) -> Channel:
        transport = self._by_id("Transport", "transportId", _attribute(node, "transportId"))
        exchange = self._by_id("DocExchange", "docExchangeId", _attribute(node, "docExchangeId"))
        said = _one(node, "MessagingCharacteristics")
        return Channel(
            id=_attribute(node, "channelId"),
            protocol=_text(_one(transport, "TransportReceiver", "TransportProtocol")),
            endpoint=_address(_attribute(_one(transport, "TransportReceiver", "Endpoint"), "uri")),
            sync_reply=_attribute(said, "syncReplyMode"),
            ack_requested=_attribute(said, "ackRequested"),
            ack_signature_requested=_attribute(said, "ackSignatureRequested"),
            duplicate_elimination=_attribute(said, "duplicateElimination"),
            sender=self._binding(_one(exchange, "ebXMLSenderBinding"), "Sender", "SigningCertificateRef"),
            receiver=self._binding(_one(exchange, "ebXMLReceiverBinding"), "Receiver", "EncryptionCertificateRef"),
        )

    def _binding(self, node: etree._Element | None, end: str, certificate: str) -> Binding:
        signed, sealed = f"{end}NonRepudiation", f"{end}DigitalEnvelope"
        holder = signed if end == "Sender" else sealed
        return Binding(
            retries=_number(_one(node, "ReliableMessaging", "Retries")),
            retry_interval=_wait(_one(node, "ReliableMessaging", "RetryInterval"), longest=_LONGEST_WAIT),
            persist=_wait(_one(node, "PersistDuration"), longest=_LONGEST_KEPT),
            signature=_algorithm(_one(node, signed, "SignatureAlgorithm")),
            digest=_text(_one(node, signed, "HashFunction")),
            encryption=_algorithm(_one(node, sealed, "EncryptionAlgorithm")),
            certificate=self._certificate(_one(node, holder, certificate)),
        )

    def _certificate(self, reference: etree._Element | None) -> x509.Certificate | None:
        node = self._by_id("Certificate", "certId", _attribute(reference, "certId"))
        inside = node.find(".//ds:X509Certificate", _NS) if node is not None else None
        if inside is None:
            return None
        try:
            return x509.load_der_x509_certificate(base64.b64decode("".join(_text(inside).split()), validate=True))
        except (ValueError, binascii.Error):
            raise _bad("A certificate in the agreement cannot be read.", _attribute(node, "certId")) from None

    def _by_id(self, name: str, attribute: str, wanted: str) -> etree._Element | None:
        if not wanted:
            return None
        return next(
            (each for each in self.node.findall(f"c:{name}", _NS) if _attribute(each, attribute) == wanted), None
        )


# -- values ------------------------------------------------------------------------------------------------------


def _one(node: etree._Element | None, *names: str) -> etree._Element | None:
    return None if node is None else node.find("/".join(f"c:{name}" for name in names), _NS)


def _text(node: etree._Element | None) -> str:
    return "" if node is None else str(node.xpath("normalize-space()"))


def _attribute(node: etree._Element | None, name: str) -> str:
    """Attributes are qualified in agreements; some writers leave the prefix out."""
    if node is None:
        return ""
    return node.get(f"{{{NAMESPACE}}}{name}", node.get(name, "")).strip()


def _algorithm(node: etree._Element | None) -> str:
    return _attribute(node, "w3c") or _text(node)


def _address(uri: str) -> str:
    return re.sub(r"^mailto:(//)?", "", uri, flags=re.IGNORECASE)


def _number(node: etree._Element | None) -> int | None:
    if node is None:
        return None
    text = _text(node)
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        raise _bad("The number of retries in the agreement is no number.", "Retries")
    return int(text)


def _wait(node: etree._Element | None, *, longest: timedelta) -> timedelta | None:
    if node is None:
        return None
    try:
        found = duration(_text(node))
    except ValueError:
        raise _bad("A duration in the agreement cannot be read.", _name(node)) from None
    if not timedelta(0) < found <= longest:
        raise _bad("A duration in the agreement cannot be meant: PT240M is minutes, P240M months.", _name(node))
    return found


def duration(text: str) -> timedelta:
    """An ISO 8601 duration, ``PT240M`` or ``P2D``. A month counts as 30 days, a year as 365; otherwise ValueError."""
    found = _DURATION.fullmatch(text)
    parts = {name: float(value) for name, value in found.groupdict().items() if value} if found else {}
    if not parts or text.endswith("T"):
        raise ValueError("no ISO 8601 duration")
    days = parts.pop("years", 0) * 365 + parts.pop("months", 0) * 30 + parts.pop("days", 0)
    try:
        return timedelta(days=days, **parts)
    except OverflowError:
        raise ValueError("longer than anybody waits") from None


def _name(node: etree._Element) -> str:
    return str(etree.QName(node).localname)


def _moment(node: etree._Element | None, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(node))
    except ValueError:
        raise _bad("The agreement does not say from when to when it holds.", name) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # a time without a zone is in UTC in CPA 2.0


def _bad(problem: str, place: str) -> BadMessage:
    return BadMessage(problem, place=place, remedy=_FETCH)
