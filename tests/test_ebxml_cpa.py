"""The agreement of two parties (CPA): read by element, however untidy, and refused in words when it is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cpa_maker import AES, CPA_ID, MAIL, OTHER, OWN, cpa_text, identity

from kpr.errors import BadMessage
from kpr.messages.ebxml.cpa import Agreed, Cpa, agreement_between, duration, read_cpa
from kpr.messages.ebxml.names import RSA_SHA1, RSA_SHA256, SHA256


def read(text: str) -> Cpa:
    """The agreement in a text."""
    return read_cpa(text.encode())


def changed(old: str, new: str, count: int = -1) -> Cpa:
    """A good agreement with one text in it replaced."""
    text = cpa_text()
    assert old in text
    return read(text.replace(old, new, count))


def agreed(cpa: Cpa, action: str = "KPR_IPL") -> Agreed:
    """What the two parties have agreed; there must be something."""
    found = agreement_between(cpa, OWN, OTHER, action)
    assert found is not None
    return found


def name_of(certificate: object) -> str:
    """The name in a certificate's subject."""
    return str(re.search(r"CN=([\w-]+)", str(certificate)).group(1))  # type: ignore[union-attr]


# -- what is read -----------------------------------------------------------------------------------------------


def test_an_agreement() -> None:
    """Id, status, validity and parties are those of the file."""
    cpa = read(cpa_text())
    assert (cpa.id, cpa.status) == (CPA_ID, "agreed")
    assert (cpa.start, cpa.end) == (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, tzinfo=UTC))
    assert [(party.name, party.her_ids) for party in cpa.parties] == [("own", (OWN,)), ("other", (OTHER,))]


def test_what_is_agreed_for_an_action() -> None:
    """Every value of a message from us comes from the right end: ours to sign and send, theirs to receive."""
    found = agreed(read(cpa_text()))
    assert (found.cpa_id, found.service, found.service_type, found.action) == (CPA_ID, "S-KPR_IPL", "string", "KPR_IPL")
    assert (found.from_role, found.to_role) == ("KPR_IPLsender", "KPR_IPLreceiver")
    assert (found.retries, found.retry_interval, found.persist) == (4, timedelta(hours=4), timedelta(days=2))
    assert (found.protocol, found.endpoint, found.own_endpoint) == ("SMTP", MAIL[OTHER], MAIL[OWN])
    assert {found.ack_requested, found.ack_signature_requested, found.duplicate_elimination} == {"always"}
    assert found.signing_certificate == identity("own-sign").certificate
    assert found.own_encryption_certificate == identity("own-crypt").certificate
    assert found.encryption_certificate == identity("other-crypt").certificate


def test_algorithms_are_believed_by_their_w3c_names() -> None:
    """The oid says SHA-1 and the text says nothing: the w3c name is what counts."""
    found = agreed(read(cpa_text()))
    assert (found.signature, found.digest, found.encryption) == (RSA_SHA256, SHA256, AES)


def test_an_algorithm_without_a_w3c_name() -> None:
    """Where the attribute is missing the element's text is the algorithm."""
    assert agreed(changed(f' c:w3c="{RSA_SHA256}">as above', f">\n {RSA_SHA1} ")).signature == RSA_SHA1


def test_the_receipt_goes_the_other_way() -> None:
    """The receiver sends the receipts: the same agreement, asked from the other side, with roles changed over."""
    cpa = read(cpa_text())
    found = agreement_between(cpa, OTHER, OWN, "APPREC", "S-KPR_IPL")
    assert found is not None
    assert (found.service, found.from_role, found.to_role) == ("S-KPR_IPL", "KPR_IPLreceiver", "KPR_IPLsender")
    assert found.endpoint == MAIL[OWN]
    assert found.signing_certificate == identity("other-sign").certificate


@pytest.mark.parametrize(
    ("own", "other", "action"),
    [
        (OWN, OTHER, "KPR_XYZ"),
        (OWN, OTHER, "kpr_ipl"),
        (OWN, OTHER, "APPREC"),
        (OWN, "134197", "KPR_IPL"),
        ("999999999", OTHER, "KPR_IPL"),
        (OTHER, OWN, "KPR_IPL"),
    ],
)
def test_nothing_is_agreed(own: str, other: str, action: str) -> None:
    """An unknown action, one that only the other sends, and parties that are not in it by HER-id give None."""
    assert agreement_between(read(cpa_text()), own, other, action) is None


def test_only_ids_of_type_her_count() -> None:
    """The other's HER-id stands with us too, as an id of another type, and is not taken for ours."""
    cpa = read(cpa_text())
    assert cpa.party(OTHER).name == "other"  # type: ignore[union-attr]
    assert cpa.party("999999999") is None


def test_an_action_that_the_other_party_cannot_receive() -> None:
    """What we can send and the other cannot receive is not agreed."""
    text = cpa_text()
    other = text.index('c:partyName="other"')
    cut = text[:other] + text[other:].replace('c:action="KPR_IPL"', 'c:action="ELSE"')
    assert agreement_between(read(cut), OWN, OTHER, "KPR_IPL") is None
    assert agreed(read(cut), "KPR_IDE").action == "KPR_IDE"


def test_a_channel_by_mail_goes_first() -> None:
    """Of several channels of an action the one by mail is taken, wherever it stands."""
    web = (
        '<c:DeliveryChannel c:channelId="web" c:transportId="http" c:docExchangeId="exchange"/>'
        '<c:Transport c:transportId="http"><c:TransportReceiver><c:TransportProtocol>HTTP</c:TransportProtocol>'
        '<c:Endpoint c:uri="https://register.example/msh"/></c:TransportReceiver></c:Transport>'
    )
    text = cpa_text().replace("<c:ChannelId>mail", "<c:ChannelId>web</c:ChannelId><c:ChannelId>mail")
    text = text.replace("</c:PartyInfo>", f"{web}</c:PartyInfo>")
    assert agreed(read(text)).endpoint == MAIL[OTHER]
    alone = agreed(read(text.replace("<c:ChannelId>mail</c:ChannelId>", "")))
    assert (alone.protocol, alone.endpoint, alone.retries) == ("HTTP", "https://register.example/msh", 4)


# -- untidy ones ------------------------------------------------------------------------------------------------


def test_the_first_of_two_elements_with_the_same_id() -> None:
    """Ids that occur twice, as in agreements in use: the first element in the same party is meant."""
    second = (
        '<c:Transport c:transportId="smtp"><c:TransportReceiver><c:Endpoint c:uri="mailto:no@x"/>'
        "</c:TransportReceiver></c:Transport>"
    )
    assert agreed(changed("</c:PartyInfo>", f"{second}</c:PartyInfo>")).endpoint == MAIL[OTHER]
    first = changed('<c:Transport c:transportId="smtp">', f'{second}<c:Transport c:transportId="smtp">')
    assert agreed(first).endpoint == "no@x"


def test_ids_are_those_of_the_same_party() -> None:
    """Both parties call their certificates and channels the same; each one's own is meant."""
    cpa = read(cpa_text())
    ours, theirs = agreed(cpa), agreement_between(cpa, OTHER, OWN, "APPREC")
    assert theirs is not None
    assert ours.signing_certificate != theirs.signing_certificate


def test_attributes_without_a_prefix() -> None:
    """Attributes without a namespace are read as well."""
    text = re.sub(r" c:(\w+)=", r" \1=", cpa_text())
    assert agreed(read(text)) == agreed(read(cpa_text()))


def test_what_is_not_said() -> None:
    """Retries, intervals, algorithms and certificates that are not there are None or empty, and nothing is guessed."""
    text = re.sub(r"<c:DocExchange .*?</c:DocExchange>", "", cpa_text(), flags=re.DOTALL)
    found = agreed(read(text))
    assert (found.retries, found.retry_interval, found.persist, found.signing_certificate) == (None, None, None, None)
    assert (found.signature, found.digest, found.encryption) == ("", "", "")
    assert found.encryption_certificate == identity("other-crypt").certificate, "that of the role, as NAV writes it"


def test_our_end_goes_before_the_receivers() -> None:
    """Where the two ends differ, the sender's number of retries is ours; where ours is silent, the receiver's holds."""
    text = cpa_text()
    ours = text.replace("<c:Retries>4", "<c:Retries>0", 1)
    assert agreed(read(ours)).retries == 0
    silent = text.replace("<c:Retries>4</c:Retries>", "", 1)
    assert agreed(read(silent)).retries == 4


@pytest.mark.parametrize(
    ("text", "hours"),
    [("PT240M", 4), ("P2D", 48), ("PT12H", 12), ("P1DT12H", 36), ("PT1H30M", 1.5), ("PT90S", 0.025), ("P1M", 720)],
)
def test_durations(text: str, hours: float) -> None:
    """ISO 8601 durations, as agreements write them."""
    assert duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "240", "-PT240M", "PT4,5H", "12h", "P" + "9" * 30 + "D"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is a ValueError, however large."""
    with pytest.raises(ValueError, match=r"duration|waits"):
        duration(text)


# -- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("CollaborationProtocolAgreement", "Other", "root element"),
        ("CollaborationProtocolAgreement", "CollaborationProtocolProfile", "CollaborationProtocolProfile"),
        ("cpp-cpa-2_0.xsd", "cpp-cpa-3_0.xsd", "root element"),
        (f' c:cpaid="{CPA_ID}"', "", "cpaid"),
        ('c:type="HER"', 'c:type="ENH"', "PartyInfo"),
        ("<c:Start>2024", "<c:Start>in 2024", "Start"),
        ("<c:End>2024-12-31T23:00:00Z</c:End>", "", "End"),
        ("<c:Retries>4", "<c:Retries>four", "Retries"),
        ("<c:Retries>4", "<c:Retries>40000", "Retries"),
        ("PT240M", "240", "RetryInterval"),
        ("PT240M", "P240M", "RetryInterval"),
        ("PT240M", "PT0M", "RetryInterval"),
        ("P2D", "2 days", "PersistDuration"),
        ("<ds:X509Certificate>", "<ds:X509Certificate>MIIB", "crypt"),
        ("<ds:X509Certificate>", "<ds:X509Certificate>***", "crypt"),
    ],
)
def test_what_is_no_agreement(old: str, new: str, place: str) -> None:
    """What cannot be used is told of with its place and a remedy."""
    with pytest.raises(BadMessage) as error:
        changed(old, new)
    assert error.value.place == place
    assert error.value.remedy


@pytest.mark.parametrize(
    "raw",
    [b"", b"no xml", b"<!DOCTYPE a><a/>", cpa_text().encode()[:-40], b"<a>" + b" " * (1 << 20) + b"</a>"],
    ids=["empty", "text", "doctype", "cut", "large"],
)
def test_what_cannot_be_read(raw: bytes) -> None:
    """Hostile or broken bytes are one BadMessage."""
    with pytest.raises(BadMessage) as error:
        read_cpa(raw)
    assert error.value.remedy


def test_one_party_is_no_agreement() -> None:
    """An agreement has two parties."""
    with pytest.raises(BadMessage, match="two parties"):
        read(re.sub(r'<c:PartyInfo c:partyName="other">.*</c:PartyInfo>', "", cpa_text(), flags=re.DOTALL))


# -- the real ones ----------------------------------------------------------------------------------------------


def test_an_agreement_in_use(official: Path) -> None:
    """NAV's agreement, which breaks its own schema: HER-ids beside organisation numbers, SHA-1's oid beside sha256."""
    cpa = read_cpa((official / "samples" / "cpa" / "nav-qass-31162.xml").read_bytes())
    assert (cpa.id, cpa.status) == ("nav:qass:31162", "proposed")
    assert [party.her_ids for party in cpa.parties] == [("8090595",), ("79768",)]
    found = agreement_between(cpa, "8090595", "79768", "Oppgjorskrav")
    assert found is not None
    assert (found.service, found.from_role, found.to_role) == ("OppgjorsKontroll", "Utleverer", "KontrollUtbetaler")
    assert (found.retries, found.retry_interval, found.persist) == (4, timedelta(hours=4), timedelta(days=2))
    assert (found.signature, found.digest) == (RSA_SHA256, SHA256)
    assert found.endpoint == "mottak-qass@test-es.nav.no"
    assert found.signing_certificate != found.own_encryption_certificate
    assert "ARBEIDS" in str(found.encryption_certificate)


def test_an_action_that_stands_twice(official: Path) -> None:
    """NAV's receipt both comes and goes, under one name: each binding names its counterpart."""
    cpa = read_cpa((official / "samples" / "cpa" / "nav-qass-31162.xml").read_bytes())
    found = agreement_between(cpa, "79768", "8090595", "Svarmelding")
    assert found is not None
    assert (found.from_role, found.to_role) == ("KontrollUtbetaler", "Utleverer")


def test_a_profile_is_no_agreement(official: Path) -> None:
    """The template for AMQP is the profile of one party, and is told apart."""
    with pytest.raises(BadMessage, match="profile of one party"):
        read_cpa((official / "samples" / "cpa" / "AMQP-mal-sender.xml").read_bytes())
