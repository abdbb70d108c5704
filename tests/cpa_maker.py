"""An agreement of two parties as XML text, made anew for each test, with whatever a test wants otherwise in it."""

from __future__ import annotations

import base64
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.messages.ebxml.cpa import NAMESPACE
from kpr.messages.ebxml.names import DS, RSA_SHA256, SHA256
from kpr.security.certificates import Identity, Purpose
from kpr.security.throwaway import make_authority, make_identity

OWN, OTHER = "8000123", "122612"
CPA_ID = "4f7f3a2e-6a0c-4c0b-9f55-0d3a1a0e6b11"
AES = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
MAIL = {OWN: "kommune@edi.example", OTHER: "register@edi.example"}


@cache
def identity(name: str) -> Identity:
    """A key with its certificate, the same for the whole run: ``own-sign``, ``other-crypt`` and the like."""
    purpose = Purpose.SIGN if name.endswith("sign") else Purpose.ENCRYPT
    return make_identity(_authority(), name, purpose)


@cache
def _authority() -> Identity:
    return make_authority()


def encoded(certificate: x509.Certificate) -> str:
    """Base64 of a certificate, in lines, as it stands in XML."""
    return base64.encodebytes(certificate.public_bytes(Encoding.DER)).decode()


def cpa_text(*, cpa_id: str = CPA_ID, start: str = "2024-01-01T00:00:00Z", end: str = "2024-12-31T23:00:00Z") -> str:
    """A good agreement: both messages and their receipts between OWN and OTHER. Both parties use the same ids."""
    parties = _party("own", OWN, "sender", "receiver") + _party("other", OTHER, "receiver", "sender")
    return (
        f'<c:CollaborationProtocolAgreement xmlns:c="{NAMESPACE}" xmlns:ds="{DS}" c:cpaid="{cpa_id}" c:version="2_0b">'
        f'<c:Status c:value="agreed"/><c:Start>{start}</c:Start><c:End>{end}</c:End>{parties}'
        "</c:CollaborationProtocolAgreement>"
    )


def _party(who: str, her_id: str, role: str, other_role: str) -> str:
    roles = "".join(_role(kind, role, sends=who == "own") for kind in ("KPR_IDE", "KPR_IPL"))
    certificates = "".join(
        f'<c:Certificate c:certId="{use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        f"{encoded(identity(f'{who}-{use}').certificate)}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></c:Certificate>"
        for use in ("sign", "crypt")
    )
    return (
        f'<c:PartyInfo c:partyName="{who}"><c:PartyId c:type="ENH">{OTHER}</c:PartyId>'
        f'<c:PartyId c:type="HER">{her_id}</c:PartyId><c:PartyId c:type="orgnummer">999999999</c:PartyId>'
        f"{roles}{certificates}{_channel(MAIL[her_id])}</c:PartyInfo>"
    )


def _role(kind: str, role: str, *, sends: bool) -> str:
    message, receipt = ("CanSend", "CanReceive") if sends else ("CanReceive", "CanSend")
    return (
        f'<c:CollaborationRole><c:Role c:name="{kind}{role}"/><c:ApplicationCertificateRef c:certId="crypt"/>'
        f'<c:ServiceBinding><c:Service c:type="string">S-{kind}</c:Service>'
        f"{_can(message, kind)}{_can(receipt, 'APPREC')}</c:ServiceBinding></c:CollaborationRole>"
    )


def _can(kind: str, action: str) -> str:
    return (
        f'<c:{kind}><c:ThisPartyActionBinding c:id="{action}" c:action="{action}" c:packageId="p">'
        f"<c:ChannelId>mail</c:ChannelId></c:ThisPartyActionBinding>"
        f"<c:OtherPartyActionBinding>{action}</c:OtherPartyActionBinding></c:{kind}>"
    )


def _channel(address: str) -> str:
    return (
        '<c:DeliveryChannel c:channelId="mail" c:transportId="smtp" c:docExchangeId="exchange">'
        '<c:MessagingCharacteristics c:syncReplyMode="none" c:ackRequested="always"'
        ' c:ackSignatureRequested="always" c:duplicateElimination="always"/></c:DeliveryChannel>'
        '<c:Transport c:transportId="smtp"><c:TransportReceiver><c:TransportProtocol>SMTP</c:TransportProtocol>'
        f'<c:Endpoint c:uri="mailto://{address}"/></c:TransportReceiver></c:Transport>'
        f'<c:DocExchange c:docExchangeId="exchange">{_binding("Sender")}{_binding("Receiver")}</c:DocExchange>'
    )


def _binding(end: str) -> str:
    signing = '<c:SigningCertificateRef c:certId="sign"/>' if end == "Sender" else ""
    crypt = '<c:EncryptionCertificateRef c:certId="crypt"/>' if end == "Receiver" else ""
    return (
        f"<c:ebXML{end}Binding><c:ReliableMessaging><c:Retries>4</c:Retries>"
        "<c:RetryInterval>PT240M</c:RetryInterval></c:ReliableMessaging><c:PersistDuration>P2D</c:PersistDuration>"
        f"<c:{end}NonRepudiation><c:HashFunction> {SHA256} </c:HashFunction>"
        f'<c:SignatureAlgorithm c:oid="1.2.840.113549.1.1.5" c:w3c="{RSA_SHA256}">as above</c:SignatureAlgorithm>'
        f"{signing}</c:{end}NonRepudiation><c:{end}DigitalEnvelope>"
        f'<c:EncryptionAlgorithm c:w3c="{AES}">AES</c:EncryptionAlgorithm>{crypt}'
        f"</c:{end}DigitalEnvelope></c:ebXML{end}Binding>"
    )
