"""The agreement between two parties, CPA 2.0: what both have said that they can do, as Adresseregisteret or NAV issues it.

Read by element, never validated: agreements in use carry the same xs:ID twice, and an id then means the first element
in the order of the document within the same party (addresses.md s. 5). Parties are found by the id of type HER alone;
organisation numbers may stand beside it. Algorithms are believed by ``@w3c`` and never by ``@oid``, since agreements
are met that have the oid of SHA-1 beside sha256.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

#: What the parties say of a message: ``always``, ``never`` or ``perMessage`` (perMessageCharacteristics of CPA 2.0).
ALWAYS, NEVER = "always", "never"

#: The carrier that the framework prescribes (HIS 1037 s. 5.1): of several channels of an action this one is taken.
SMTP = "SMTP"


@dataclass(frozen=True, slots=True)
class Binding:
    """What one end of a channel promises: ebXMLSenderBinding or ebXMLReceiverBinding. Not said: None or empty.

    ``signature``, ``digest`` and ``encryption`` are URIs as they stand; ``certificate`` is the one that this end signs
    with (sender) or is encrypted for (receiver).
    """

    retries: int | None = None
    retry_interval: timedelta | None = None
    persist: timedelta | None = None
    signature: str = ""
    digest: str = ""
    encryption: str = ""
    certificate: x509.Certificate | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A DeliveryChannel with the transport and the document exchange that it names.

    ``endpoint`` is an address of mail or the web, without ``mailto:``.
    """

    id: str
    protocol: str
    endpoint: str
    sync_reply: str
    ack_requested: str
    ack_signature_requested: str
    duplicate_elimination: str
    sender: Binding
    receiver: Binding


@dataclass(frozen=True, slots=True)
class Action:
    """CanSend or CanReceive: an action that one party has in one role. ``counterpart`` names the other's binding."""

    id: str
    sends: bool
    service: str
    service_type: str
    action: str
    role: str
    counterpart: str
    channels: tuple[Channel, ...]
    certificate: x509.Certificate | None

    @property
    def channel(self) -> Channel | None:
        """The channel by mail where there is one, otherwise the first."""
        by_mail = (channel for channel in self.channels if channel.protocol.upper() == SMTP)
        return next(by_mail, next(iter(self.channels), None))


@dataclass(frozen=True, slots=True)
class CpaParty:
    """PartyInfo: its ids of type HER (one, in every agreement that was met), and what it can do."""

    name: str
    her_ids: tuple[str, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Cpa:
    """An agreement. ``start`` and ``end`` are aware; ``status`` as it stands: proposed, agreed or signed."""

    id: str
    status: str
    start: datetime
    end: datetime
    parties: tuple[CpaParty, ...]

    def party(self, her_id: str) -> CpaParty | None:
        """The party with this HER-id; None when it is not in the agreement."""
        return next((party for party in self.parties if her_id in party.her_ids), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What holds for one action from us to the other party. None or empty: the agreement does not say.

    ``signing_certificate`` and ``own_encryption_certificate`` are ours, ``encryption_certificate`` is the receiver's;
    ``endpoint`` is where the receiver takes it in, ``own_endpoint`` where the answers are to come.
    """

    cpa_id: str
    service: str
    service_type: str
    action: str
    from_role: str
    to_role: str
    retries: int | None
    retry_interval: timedelta | None
    persist: timedelta | None
    signature: str
    digest: str
    encryption: str
    ack_requested: str
    ack_signature_requested: str
    duplicate_elimination: str
    protocol: str
    endpoint: str
    own_endpoint: str
    signing_certificate: x509.Certificate | None
    own_encryption_certificate: x509.Certificate | None
    encryption_certificate: x509.Certificate | None


def agreement_between(cpa: Cpa, own: str, other: str, action: str, service: str = "") -> Agreed | None:
    """What the two HER-ids have agreed for an action that ``own`` sends; None when they have not.

    With ``service`` an action of that service is preferred, since one name (APPREC) may stand in several.
    """
    ours, theirs = cpa.party(own), cpa.party(other)
    if ours is None or theirs is None:
        return None
    wanted = [each for each in ours.actions if each.sends and each.action == action]
    wanted.sort(key=lambda each: each.service != service)
    pairs = ((sent, _counterpart(sent, theirs)) for sent in wanted)
    return next((_agreed(cpa, sent, received) for sent, received in pairs if received is not None), None)


def _counterpart(sent: Action, party: CpaParty) -> Action | None:
    """The binding that the sender's names, and only if it is of the same action; otherwise the same action."""
    same = [
        each for each in party.actions if not each.sends and (each.action, each.service) == (sent.action, sent.service)
    ]
    named = (each for each in same if sent.counterpart and each.id == sent.counterpart)
    return next(named, next(iter(same), None))


def _agreed(cpa: Cpa, sent: Action, received: Action) -> Agreed:
    ours, theirs = sent.channel or _NO_CHANNEL, received.channel or _NO_CHANNEL
    out, into = ours.sender, theirs.receiver
    return Agreed(
        cpa_id=cpa.id,
        service=sent.service,
        service_type=sent.service_type,
        action=sent.action,
        from_role=sent.role,
        to_role=received.role,
        retries=out.retries if out.retries is not None else into.retries,
        retry_interval=out.retry_interval or into.retry_interval,
        persist=out.persist or into.persist,
        signature=out.signature or into.signature,
        digest=out.digest or into.digest,
        encryption=into.encryption or out.encryption,
        ack_requested=ours.ack_requested,
        ack_signature_requested=ours.ack_signature_requested,
        duplicate_elimination=ours.duplicate_elimination,
        protocol=theirs.protocol,
        endpoint=theirs.endpoint,
        own_endpoint=ours.endpoint,
        signing_certificate=out.certificate,
        own_encryption_certificate=ours.receiver.certificate or sent.certificate,
        encryption_certificate=into.certificate or received.certificate,
    )


_NO_CHANNEL = Channel("", "", "", "", "", "", "", Binding(), Binding())
