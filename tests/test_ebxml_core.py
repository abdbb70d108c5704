"""The core of ebXML: what is written can be read, what is signed holds, and nothing else does."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from lxml import etree

from kpr.errors import BadInput, BadMessage
from kpr.messages.ebxml.model import Acknowledged, ManifestItem, MessageHeader, SignalError, SoapKind
from kpr.messages.ebxml.names import SHA1, SHA256
from kpr.messages.ebxml.read import read_soap
from kpr.messages.ebxml.signature import sign, verify
from kpr.messages.ebxml.soap import acknowledgment_soap, error_soap, fault_soap, payload_soap, signal_header
from kpr.security.certificates import Identity, Purpose
from kpr.security.refusals import BadSignature, Unsupported, WrongSigner
from kpr.security.throwaway import make_authority, make_identity, write_identity

NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)
CID, PAYLOAD = "payload@example.invalid", b"encrypted bytes"
DIGEST = sha256(PAYLOAD).digest()
PARTS = {CID: {SHA256: DIGEST}}
HEADER = MessageHeader(
    from_her_id="8000002",
    to_her_id="8000004",
    from_role="KPR_IPLsender",
    to_role="KPR_IPLreceiver",
    cpa_id="8000002_8000004",
    conversation_id="0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001",
    service="S-KPR_IPL",
    service_type="string",
    action="KPR_IPL",
    message_id="0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0002",
    timestamp=NOW,
)
SYNC_REPLY = (
    b'<eb:SyncReply SOAP-ENV:mustUnderstand="1" eb:version="2.0" '
    b'SOAP-ENV:actor="http://schemas.xmlsoap.org/soap/actor/next"/>'
)
END = b"</SOAP-ENV:Header>"


@cache
def signer(name: str = "signer") -> Identity:
    """A throw-away identity."""
    return make_identity(make_authority(), name, Purpose.SIGN)


@cache
def signed() -> bytes:
    """A good payload message."""
    return sign(payload_soap(HEADER, (ManifestItem(CID),)), signer(), {CID: DIGEST})


def holds(soap: bytes) -> bool:
    """Whether it verifies; only errors of ours may come."""
    try:
        verify(soap, PARTS, signer().certificate)
    except BadInput:
        return False
    return True


# -- writing and reading -------------------------------------------------------------------------------------------

_ids = some.text(some.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
_words = some.text(some.characters(min_codepoint=0x20, max_codepoint=0x2FF), max_size=40).map(
    lambda t: " ".join(t.split())
)
_times = some.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
_headers = some.builds(
    MessageHeader,
    **dict.fromkeys(("from_her_id", "to_her_id", "cpa_id", "conversation_id", "service", "action", "message_id"), _ids),
    **dict.fromkeys(("from_role", "to_role", "service_type", "ref_to_message_id", "description"), _words),
    timestamp=_times,
    time_to_live=some.none() | _times,
    duplicate_elimination=some.booleans(),
)


@given(_headers, some.lists(some.builds(ManifestItem, _ids, _ids, _words), max_size=3))
def test_a_payload_message_is_read_as_it_was_written(header: MessageHeader, items: list[ManifestItem]) -> None:
    """Every value of header and manifest comes back, whatever signs it holds."""
    soap = read_soap(payload_soap(header, items))
    assert (soap.kind, soap.header) == (SoapKind.PAYLOAD, header)
    assert soap.manifest == tuple(items)


@given(
    _headers, some.lists(some.builds(SignalError, _ids, some.sampled_from(["Error", "Warning"]), _ids, _words, _ids))
)
def test_an_error_signal_is_read_as_it_was_written(header: MessageHeader, errors: list[SignalError]) -> None:
    """Codes, severities and places come back; the highest severity is that of the gravest."""
    soap = read_soap(error_soap(header, errors))
    assert (soap.kind, soap.header, soap.errors) == (SoapKind.ERROR, header, tuple(errors))
    gravest = "Error" if any(error.severity == "Error" for error in errors) else "Warning"
    assert soap.highest_severity == gravest


def test_an_acknowledgment_repeats_what_the_signature_covered() -> None:
    """The references of the message come back with their digests and transforms."""
    references = verify(signed(), PARTS, signer().certificate)
    acknowledged = Acknowledged(HEADER.message_id, NOW, references)
    header = signal_header(HEADER, action="Acknowledgment", message_id="x-1", timestamp=NOW)
    soap = read_soap(sign(acknowledgment_soap(header, acknowledged), signer(), {}))
    assert (soap.kind, soap.acknowledged) == (SoapKind.ACKNOWLEDGMENT, acknowledged)


def test_the_header_of_a_signal_is_turned_round() -> None:
    """Parties are swapped, agreement and conversation copied, and there are no roles (HISD 1209)."""
    header = signal_header(HEADER, action="MessageError", message_id="x-1", timestamp=NOW)
    assert (header.from_her_id, header.to_her_id) == ("8000004", "8000002")
    assert (header.cpa_id, header.conversation_id) == (HEADER.cpa_id, HEADER.conversation_id)
    assert (header.from_role, header.to_role, header.ref_to_message_id) == ("", "", HEADER.message_id)
    acknowledgment = signal_header(HEADER, action="Acknowledgment", message_id="x-1", timestamp=NOW)
    assert acknowledgment.ref_to_message_id == ""  # it stands in eb:Acknowledgment (HITS 1172 rule 109)


def test_a_soap_fault_is_read() -> None:
    """It has a code and no header."""
    soap = read_soap(fault_soap("Client", "The envelope cannot be read."))
    assert (soap.kind, soap.fault_code, soap.header) == (SoapKind.FAULT, "SOAP-ENV:Client", None)


@pytest.mark.parametrize("sign_of_it", ["\0", "\x0b", "\x1f", "\ufffe", "\ud800"])
def test_what_xml_cannot_hold_is_refused(sign_of_it: str) -> None:
    """It would make an envelope that nobody can read."""
    with pytest.raises(BadMessage, match="does not allow"):
        payload_soap(replace(HEADER, service=f"a{sign_of_it}b"), ())


def test_a_time_without_a_zone_is_never_written() -> None:
    """Whether it is UTC or Norwegian time nobody could say."""
    with pytest.raises(ValueError, match="no zone"):
        payload_soap(replace(HEADER, timestamp=NOW.replace(tzinfo=None)), ())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-01-07T09:00:00Z", NOW),
        ("2021-01-07T09:00:00", NOW),
        ("2021-01-07T10:00:00+01:00", NOW),
        ("2021-01-07T09:00:00.123456789Z", NOW + timedelta(microseconds=123456)),
        ("2021-01-07T09:00:00.1Z", NOW + timedelta(microseconds=100000)),
        ("2021-13-07T09:00:00Z", None),
        ("now", None),
        ("", None),
    ],
)
def test_times_are_read_in_every_form(text: str, moment: datetime | None) -> None:
    """Without a zone UTC is meant; any number of decimals; what is no time is none."""
    raw = payload_soap(HEADER, ()).replace(b"2021-01-07T09:00:00Z", text.encode())
    header = read_soap(raw).header
    assert header is not None
    assert header.timestamp == moment


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<SOAP-ENV:Body>", b"<SOAP-ENV:Body/><SOAP-ENV:Body>"),
        (b"<SOAP-ENV:Header>", b"<SOAP-ENV:Header/><SOAP-ENV:Header>"),
        (b"<eb:AckRequested", b"<eb:MessageHeader/><eb:AckRequested"),
        (b"<eb:AckRequested", b"<eb:Acknowledgment/><eb:AckRequested"),
        (b"<eb:AckRequested", b"<eb:ErrorList/><eb:AckRequested"),
        (b"<SOAP-ENV:Envelope", b"<Envelope"),
        (b"<?xml", b"<!DOCTYPE a><?xml"),
        (b"</SOAP-ENV:Envelope>", b""),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(old: bytes, new: bytes) -> None:
    """Something twice, two kinds at once, or no envelope: BadMessage."""
    with pytest.raises(BadMessage):
        read_soap(signed().replace(old, new, 1))


@pytest.mark.parametrize("name", [b"MessageHeader ", b"Manifest "])
@pytest.mark.parametrize(
    "actor", [b"urn:oasis:names:tc:ebxml-msg:actor:nextMSH", b"http://schemas.xmlsoap.org/soap/actor/next"]
)
def test_what_no_signature_covers_is_not_read(name: bytes, actor: bytes) -> None:
    """The XPath transform takes what is for the next node out of the signature, so it must not be believed."""
    raw = signed().replace(b"<eb:" + name, b"<eb:" + name + b'SOAP-ENV:actor="' + actor + b'" ', 1)
    assert raw != signed()
    with pytest.raises(BadMessage, match="no signature covers"):
        read_soap(raw)


# -- signing and verifying -----------------------------------------------------------------------------------------


def test_signing_changes_nothing_but_adding_the_signature() -> None:
    """The bytes before and after it are those that were written."""
    plain = payload_soap(HEADER, (ManifestItem(CID),))
    before, _, after = plain.partition(END)
    assert signed().startswith(before + b"<ds:Signature")
    assert signed().endswith(b"</ds:Signature>" + END + after)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"8000004", b"8000005"),
        (b"KPR_IPL</eb:Action>", b"KPR_IDE</eb:Action>"),
        (b"<SOAP-ENV:Body>", b"<SOAP-ENV:Body> "),
        (b"<eb:DuplicateElimination/>", b""),
        (b'eb:signed="true"', b'eb:signed="false"'),
        (base64.b64encode(DIGEST), base64.b64encode(bytes(32))),
        (b'URI=""', b'URI="#x"'),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo><ds:SignedInfo/>"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"),
        (b"rsa-sha256", b"hmac-sha256"),
        (b"<ds:X509Certificate>", b"<ds:X509Certificate>AAAA"),
        (b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AA==</ds:X509Certificate></ds:X509Data>"),
        (b"enveloped-signature", b"base64"),
        (b"REC-xpath-19991116", b"REC-xslt-19991116"),
        (b"not(ancestor-or-self", b"boolean(ancestor-or-self"),
        (b"REC-xml-c14n-20010315", b"REC-xml-c14n-20010315#WithComments"),
        (b"cid:payload", b"file:///etc/passwd"),
        (b"cid:payload", b"http://127.0.0.1/"),
    ],
)
def test_what_was_changed_does_not_hold(old: bytes, new: bytes) -> None:
    """Any change of what is signed, of the signature itself, or of what it refers to is found."""
    assert holds(signed())
    changed = signed().replace(old, new, 1)
    assert changed != signed()
    assert not holds(changed)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(some.integers(0, 10_000), some.integers(0, 255))
def test_a_spoilt_byte_holds_only_where_the_canonical_form_is_the_same(at: int, value: int) -> None:
    """And whatever it breaks, only an error of ours comes of it."""
    raw = bytearray(signed())
    raw[at % len(raw)] = value
    if holds(bytes(raw)):
        assert _canonical(bytes(raw)) == _canonical(signed())


def _canonical(raw: bytes) -> bytes:
    root = etree.fromstring(raw)
    for value in root.iter("{http://www.w3.org/2000/09/xmldsig#}SignatureValue", "{*}X509Certificate"):
        value.text = "".join((value.text or "").split()).rstrip("=")
    return etree.tostring(root.getroottree(), method="c14n")


def test_a_signature_over_another_part_does_not_hold() -> None:
    """The digest is over the bytes that came, under the name that was signed, and every part is covered."""
    certificate = signer().certificate
    for parts in ({CID: {SHA256: bytes(32)}}, {"other": {SHA256: DIGEST}}, {}, PARTS | {"more": {SHA256: DIGEST}}):
        with pytest.raises(BadSignature):
            verify(signed(), parts, certificate)


def test_a_manifest_that_names_a_part_which_is_not_signed_does_not_hold() -> None:
    """What the manifest hands on must be covered."""
    soap = sign(payload_soap(HEADER, (ManifestItem(CID), ManifestItem("more"))), signer(), {CID: DIGEST})
    with pytest.raises(BadSignature, match="does not cover"):
        verify(soap, PARTS, signer().certificate)


def test_another_signer_is_told_apart_from_a_wrong_signature() -> None:
    """Our copy of the certificate may be old; a key that does not fit its certificate is no such case."""
    with pytest.raises(WrongSigner):
        verify(signed(), PARTS, signer("other").certificate)
    mixed = Identity(signer().certificate, signer("other").private_key, ())
    soap = sign(payload_soap(HEADER, (ManifestItem(CID),)), mixed, {CID: DIGEST})
    with pytest.raises(BadSignature):
        verify(soap, PARTS, signer().certificate)


def test_sha1_is_accepted_only_by_the_switch() -> None:
    """A partner with an old agreement can be let in, and nobody else."""
    soap = sign(payload_soap(HEADER, (ManifestItem(CID),)), signer(), {CID: b"x" * 20}, algorithm="rsa-sha1")
    parts = {CID: {SHA1: b"x" * 20}}
    with pytest.raises(Unsupported):
        verify(soap, parts, signer().certificate)
    assert len(verify(soap, parts, signer().certificate, accept_sha1=True)) == 2


def test_a_message_without_or_with_two_signatures_does_not_hold() -> None:
    """Exactly one, in the header."""
    first, _, rest = signed().partition(b"<ds:Signature ")
    inner, close, after = rest.partition(b"</ds:Signature>")
    one = b"<ds:Signature " + inner + close
    for raw in (
        first + after,
        first + one + one + after,
        first + after.replace(b"<SOAP-ENV:Body>", b"<SOAP-ENV:Body>" + one),
    ):
        with pytest.raises(BadInput):
            verify(raw, PARTS, signer().certificate)


def test_what_is_for_the_next_node_is_no_part_of_the_signature() -> None:
    """SyncReply may be added or taken away on the way (HIS 1037 s. 6.2.3)."""
    assert holds(signed().replace(b"<eb:AckRequested", SYNC_REPLY + b"<eb:AckRequested"))
    assert not holds(
        signed().replace(b"<eb:AckRequested", SYNC_REPLY.replace(b"/actor/next", b"/actor/else") + b"<eb:AckRequested")
    )


def test_a_relative_namespace_has_no_canonical_form() -> None:
    """It is an error of ours, and none of the library's."""
    raw = signed().replace(b"<SOAP-ENV:Body>", b'<SOAP-ENV:Body xmlns:x="relative/one">', 1)
    assert not holds(raw)


# -- others --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed; our signatures were not held against it"
)
@pytest.mark.parametrize("kind", ["payload", "acknowledgment", "error", "with SyncReply"])
def test_xmlsec1_verifies_what_we_sign(tmp_path: Path, kind: str) -> None:
    """Every kind of message, and each reference in it."""
    header = signal_header(HEADER, action="MessageError", message_id="x-1", timestamp=NOW)
    acknowledged = Acknowledged(HEADER.message_id, NOW, verify(signed(), PARTS, signer().certificate))
    soap = {
        "payload": signed(),
        "with SyncReply": signed().replace(b"<eb:AckRequested", SYNC_REPLY + b"<eb:AckRequested"),
        "acknowledgment": sign(acknowledgment_soap(header, acknowledged), signer(), {}),
        "error": sign(error_soap(header, [SignalError("Unknown")]), signer(), {}),
    }[kind]
    (tmp_path / "soap.xml").write_bytes(soap)
    (tmp_path / "payload").write_bytes(PAYLOAD)
    write_identity(signer(), tmp_path / "sign.pem", tmp_path / "sign.key")
    words = ["xmlsec1", "--verify", "--pubkey-cert-pem", "sign.pem", f"--url-map:cid:{CID}", "payload", "soap.xml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, text=True)
    count = 2 if kind in ("payload", "with SyncReply") else 1
    assert (done.returncode, f"(ok/all): {count}/{count}" in done.stderr) == (0, True), done.stderr


SAMPLE = "2023_08_29T12_56_58_328"


@pytest.fixture
def golden(official: Path) -> tuple[bytes, bytes, x509.Certificate]:
    """The official sample of 2023: SOAP part, payload and certificate."""
    folder = official / "samples" / "ebxml"
    certificate = x509.load_pem_x509_certificate((folder / f"{SAMPLE}.cer").read_bytes())
    return (folder / f"{SAMPLE}.xml").read_bytes(), (folder / f"{SAMPLE}.p7m").read_bytes(), certificate


def test_the_golden_sample_verifies(golden: tuple[bytes, bytes, x509.Certificate]) -> None:
    """Both references hold, and its timestamp lies within the certificate's validity."""
    soap, payload, certificate = golden
    [item] = read_soap(soap).manifest
    references = verify(soap, {item.content_id: {SHA256: sha256(payload).digest()}}, certificate)
    assert [reference.uri for reference in references] == ["", f"cid:{item.content_id}"]
    header = read_soap(soap).header
    assert header is not None
    assert header.timestamp is not None
    assert certificate.not_valid_before_utc < header.timestamp < certificate.not_valid_after_utc


@pytest.mark.parametrize("what", ["header", "digest", "payload", "certificate"])
def test_the_golden_sample_does_not_hold_when_changed(golden: tuple[bytes, bytes, x509.Certificate], what: str) -> None:
    """Whatever is changed, it is found."""
    soap, payload, certificate = golden
    [item] = read_soap(soap).manifest
    changed = {
        "header": (soap.replace(b"79768", b"79769"), payload, certificate),
        "digest": (soap.replace(b"ihNHQl8a", b"ihNHQl8b"), payload, certificate),
        "payload": (soap, payload + b"\0", certificate),
        "certificate": (soap, payload, signer().certificate),
    }[what]
    with pytest.raises(BadInput):
        verify(changed[0], {item.content_id: {SHA256: sha256(changed[1]).digest()}}, changed[2])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Acknowledgment.xml", SoapKind.ACKNOWLEDGMENT),
        ("nav-messageerror.xml", SoapKind.ERROR),
        ("ebxml-eksempel.xml", SoapKind.PAYLOAD),
    ],
)
def test_official_examples_are_read(official: Path, name: str, kind: SoapKind) -> None:
    """Each is of its kind, with both parties."""
    soap = read_soap((official / "samples" / "ebxml" / name).read_bytes())
    assert (soap.kind, soap.header is not None and bool(soap.header.from_her_id)) == (kind, True)


def test_our_envelopes_are_valid_by_the_official_schemas(official: Path) -> None:
    """All three kinds, signature included."""
    folder = official / "schemas" / "ebxml"
    header = signal_header(HEADER, action="MessageError", message_id="x-1", timestamp=NOW)
    acknowledged = Acknowledged(HEADER.message_id, NOW, verify(signed(), PARTS, signer().certificate))
    soaps = (
        signed(),
        sign(acknowledgment_soap(header, acknowledged), signer(), {}),
        sign(error_soap(header, [SignalError("Unknown", description="x")]), signer(), {}),
    )
    schema = etree.XMLSchema(etree.parse(folder / "msg-header-2_0.xsd"))
    checked = []
    for soap in soaps:
        root = etree.fromstring(soap)
        for element in root.iter("{http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd}*"):
            if element.getparent() is not None and element.getparent().tag.startswith("{http://schemas.xmlsoap"):
                alone = etree.fromstring(etree.tostring(element))
                schema.assertValid(alone)
                checked.append(etree.QName(element).localname)
    assert checked == [
        *("MessageHeader", "AckRequested", "Manifest"),
        *("MessageHeader", "Acknowledgment"),
        *("MessageHeader", "ErrorList"),
    ]
