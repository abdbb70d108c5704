"""The form of the EDI route: what is packed holds by every rule, and what does not hold is refused with its code."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from edi_place import OURS, REGISTER, edi_place, entity_of, our_packaging, receipt, register_packaging, soap_of
from place import Place

from kpr import __version__
from kpr.errors import BadMessage, TransportRefused
from kpr.messages.app_rec import NAMESPACES
from kpr.messages.ebxml import refused
from kpr.messages.ebxml.mime import read_entity, write_entity
from kpr.messages.ebxml.names import RSA_SHA1, SHA1
from kpr.messages.ebxml.refused import RuleBroken, came_late, error_code
from kpr.messages.ebxml.rules import Expected, check_message, table
from kpr.messages.ebxml.signature import sign
from kpr.packaging import ebxml_rules
from kpr.packaging.ebxml import EbXml, digests
from kpr.packaging.ebxml_rules import receipt_schema, schemas_of
from kpr.packaging.seam import Packed, Unpacked
from kpr.security.refusals import (
    BadSignature,
    NotOpened,
    OutOfDate,
    Refused,
    Revoked,
    Unsupported,
    WrongSigner,
    WrongUse,
    condition_of,
)
from kpr.transports.edi.envelope import read_envelope
from kpr.transports.edi.folder import FolderCarrier
from kpr.transports.edi.settings import FolderCarrierSettings, Folders
from kpr.transports.seam import Envelope, ErrorForm, Fault
from kpr.years import load_year

PLAIN = b"<MsgHead>" + b"innhold " * 2000 + b"</MsgHead>"


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place whose keys are used."""
    return edi_place(tmp_path)


def envelope(made: Place, kind: str = "KPR_IPL", **changes: Any) -> Envelope:
    """What stands on a message of ours."""
    ours = Envelope(str(uuid4()), kind, OURS, REGISTER, made.now, conversation_id=str(uuid4()))
    return replace(ours, **changes)


def pack(packaging: EbXml, of: Envelope, plain: bytes = PLAIN) -> tuple[bytes, Packed]:
    """The bytes, and what is said of them."""
    out = io.BytesIO()
    done = packaging.pack(io.BytesIO(plain), len(plain), out, of)
    return out.getvalue(), done


def opened(packaging: EbXml, raw: bytes, made: Place, limit: int = 1 << 20) -> tuple[bytes, Unpacked]:
    """The plain bytes, and what stood around them."""
    out = io.BytesIO()
    unpacked = packaging.unpack(io.BytesIO(raw), out, limit=limit, now=made.now)
    return out.getvalue(), unpacked


def resealed(packaging: EbXml, raw: bytes, change: Callable[[str], str]) -> bytes:
    """The same message with other words in its envelope, rightly signed again."""
    entity, out, payload = entity_of(raw), io.BytesIO(), io.BytesIO()
    read_entity(io.BytesIO(raw), payload, limit=100 << 20)
    soap = entity.soap.decode()
    start, end = soap.index("<ds:Signature"), soap.index("</ds:Signature>") + len("</ds:Signature>")
    unsigned = change(soap[:start] + soap[end:]).encode()
    assert entity.payload is not None
    digest = sha256(payload.getvalue()).digest()
    signed = sign(unsigned, packaging.keys.signing_identity, {entity.payload.content_id: digest})
    write_entity(out, signed, (entity.payload.content_id, io.BytesIO(payload.getvalue())))
    return out.getvalue()


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_what_is_packed_is_opened_by_the_other_side(tmp_path: Path, compress: str) -> None:
    """The same bytes come out, with our envelope around them and the digests that we remember."""
    made = edi_place(tmp_path, compress=compress)
    of = envelope(made)
    raw, done = pack(our_packaging(made), of)
    plain, unpacked = opened(register_packaging(made), raw, made)
    assert plain == PLAIN
    assert unpacked.digests == done.digests
    assert (done.size, done.sha256) == (len(raw), sha256(raw).hexdigest())
    found = unpacked.envelope
    assert found is not None
    assert (found.message_id, found.message_type, found.conversation_id) == (
        of.message_id,
        "KPR_IPL",
        of.conversation_id,
    )
    assert not unpacked.expired
    assert b"innhold" not in raw


@pytest.mark.parametrize("kind", ["KPR_IPL", "KPR_IDE"])
def test_our_message_breaks_no_rule(made: Place, kind: str) -> None:
    """HITS 1172: of the whole table nothing is hit, but for the mail's head, which the carrier writes."""
    raw, _ = pack(our_packaging(made), envelope(made, kind))
    expected = Expected(
        certificate=our_packaging(made).keys.signing_identity.certificate,
        senders=frozenset({OURS}),
        receivers=frozenset({REGISTER}),
        schemas=schemas_of(load_year(2020)),
        now=made.now,
        by_mail=False,
    )
    assert check_message(entity_of(raw), expected, verified=True) == []


def test_our_signals_break_no_rule(made: Place) -> None:
    """Acknowledgment, warning and error signal, each as it leaves."""
    ours, theirs = our_packaging(made), register_packaging(made)
    raw, _ = pack(theirs, envelope(made, "APPREC", from_her_id=REGISTER, to_her_id=OURS), receipt(made, str(uuid4())))
    _, unpacked = opened(ours, raw, made)
    assert unpacked.envelope is not None
    fault = Fault("ebxml:OtherXml", unpacked.envelope.message_id, "Rule 12", noticed_at=made.now)
    replies = [
        ours.acknowledgment(unpacked, made.now),
        ours.warning(unpacked, made.now),
        ours.refusal(fault, unpacked.envelope, ErrorForm.SPEC),
    ]
    expected = Expected(certificate=ours.keys.signing_identity.certificate, by_mail=False, now=made.now)
    for reply in replies:
        assert reply is not None
        assert check_message(entity_of(reply.body), expected, verified=True) == []


def test_version_monitoring_names_schema_and_program(made: Place) -> None:
    """HITS 1210: the namespace and version of the payload in the manifest, the program in eb:Description."""
    year = load_year(2020)
    wanted = {
        "KPR_IPL": (year.iplos_namespace.value, year.iplos_version.value),
        "KPR_IDE": (year.ident_namespace.value, year.ident_version.value),
    }
    for kind, schema in wanted.items():
        soap = soap_of(pack(our_packaging(made), envelope(made, kind))[0])
        [item] = soap.manifest
        assert (item.schema_location, item.schema_version) == schema
        assert soap.header is not None
        assert json.loads(soap.header.description) == {"MSH-system": "kpr", "MSH-versjon": __version__}


@pytest.mark.parametrize("version", sorted(NAMESPACES))
def test_a_receipt_names_its_own_version(made: Place, version: str) -> None:
    """AppRec comes in two versions, told apart by namespace; bytes that are none of them name nothing."""
    plain = receipt(made, str(uuid4()), version=version)
    raw, _ = pack(register_packaging(made), envelope(made, "APPREC", from_her_id=REGISTER, to_her_id=OURS), plain)
    [item] = soap_of(raw).manifest
    assert (item.schema_location, item.schema_version) == (NAMESPACES[version], version)
    assert receipt_schema(b"<AppRec>" + bytes(8)) == ("", "")


def test_the_system_identifier_is_ours_to_choose(tmp_path: Path) -> None:
    """What the settings call the program stands in eb:Description, whatever letters it has."""
    made = edi_place(tmp_path, system_identifier='Ærlig & "tro"')
    header = soap_of(pack(our_packaging(made), envelope(made))[0]).header
    assert header is not None
    assert json.loads(header.description)["MSH-system"] == 'Ærlig & "tro"'


# -- our own message is stopped here -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"message_id": "uten form", "conversation_id": "x"}, "102"),
        ({"conversation_id": ""}, "17"),
    ],
)
def test_a_message_of_ours_that_breaks_a_rule_does_not_leave(
    made: Place, change: dict[str, str], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the rule, the place and the remedy, and nothing at all is written."""
    out, of = io.BytesIO(), envelope(made)
    ours = our_packaging(made)
    whole = type(ours)._header
    monkeypatch.setattr(type(ours), "_header", lambda self, *words: replace(whole(self, *words), **change))
    with pytest.raises(BadMessage, match=f"rule {rule} of HITS 1172") as told:
        ours.pack(io.BytesIO(PLAIN), len(PLAIN), out, of)
    assert out.getvalue() == b""
    assert told.value.place.startswith("/SOAP:Envelope")
    assert told.value.remedy


def test_a_certificate_that_ends_before_the_message_stops_it(made: Place) -> None:
    """Rule 105: eb:Timestamp must lie within the validity of what we sign with."""
    after = our_packaging(made).keys.signing_identity.certificate.not_valid_after_utc + timedelta(seconds=1)
    with pytest.raises(BadMessage, match="rule 105"):
        pack(our_packaging(made), envelope(made, sent_at=after))


def test_sha1_may_be_agreed_and_is_then_no_breach_of_ours(tmp_path: Path) -> None:
    """Some agreements still want RSA-SHA1: what we sign so leaves, and only a partner who accepts it opens it."""
    made = edi_place(tmp_path, signature="rsa-sha1")
    raw, _ = pack(our_packaging(made), envelope(made))
    soap = soap_of(raw)
    assert {each.digest_method for each in soap.references} == {SHA1}
    assert RSA_SHA1.encode() in entity_of(raw).soap
    theirs = register_packaging(made)
    with pytest.raises(Unsupported):
        opened(theirs, raw, made)
    tolerant = replace(
        theirs,
        settings=theirs.settings.model_copy(update={"accept_sha1": True}),
        table=replace(theirs.table, accept_sha1=True),
    )
    assert opened(tolerant, raw, made)[0] == PLAIN


def test_findings_are_logged_by_number_alone(made: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What is only a finding lets the message through; the log has the numbers, and no value of the message."""
    ours, theirs = our_packaging(made), register_packaging(made)
    raw, _ = pack(ours, envelope(made))

    def careless(soap: str) -> str:
        return soap.replace("<eb:DuplicateElimination/>", "").replace("MSH-system", "noe-annet")

    plain, _ = opened(theirs, resealed(ours, raw, careless), made)
    assert plain == PLAIN
    said = capsys.readouterr()
    assert "74, 271" in said.out + said.err
    assert "noe-annet" not in said.out + said.err


def test_the_size_that_was_agreed_holds_on_the_way_out(tmp_path: Path) -> None:
    """More than max_bytes once encrypted is refused before anything is written, with a sentence in Norwegian."""
    made = edi_place(tmp_path, max_bytes=10_000)
    out = io.BytesIO()
    with pytest.raises(TransportRefused, match="max_bytes"):
        our_packaging(made).pack(io.BytesIO(PLAIN), len(PLAIN), out, envelope(made))
    assert out.getvalue() == b""
    assert pack(our_packaging(made), envelope(made), b"<MsgHead/>")[1].size


def test_a_small_agreed_size_still_lets_the_envelope_through(tmp_path: Path, made: Place) -> None:
    """max_bytes is about what is encrypted; heads and SOAP part come on top, both ways."""
    of, theirs = envelope(made), register_packaging(made)
    raw, _ = pack(our_packaging(made), of, b"<a/>")
    (tmp_path / "a.mime").write_bytes(raw)
    [arrived] = FolderCarrier(
        FolderCarrierSettings(kind="folder", folder=tmp_path, folders=Folders(inbox="."))
    ).waiting()
    small = replace(theirs, settings=theirs.settings.model_copy(update={"max_bytes": 1_000}))
    assert len(raw) > 4 * 1_000
    assert read_envelope(arrived, 1_000).message_id == of.message_id
    assert opened(small, raw, made)[0] == b"<a/>"


@pytest.mark.parametrize("size", [4_000_000, 16_000_000])
def test_the_check_of_our_message_does_not_hold_the_payload_again(made: Place, size: int) -> None:
    """Packing takes the encrypted bytes once, and a fixed amount beside them."""
    ours, of, plain = our_packaging(made), envelope(made), b"<a>" + bytes(size)

    class Nowhere(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data)

    pack(ours, of, b"<a/>")
    source = io.BytesIO(plain)
    tracemalloc.start()
    ours.pack(source, len(plain), Nowhere(), of)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.3 * size + 8_000_000


# -- theirs ------------------------------------------------------------------------------------------------------------


def _other_part(raw: bytes) -> bytes:
    """The payload of another message in the place of the signed one."""
    head, _, tail = raw.rpartition(b"Content-ID")
    begin = tail.index(b"\r\n\r\n") + 4
    end = tail.rindex(b"--")
    end = tail[:end].rindex(b"\r\n--")
    return head + b"Content-ID" + tail[:begin] + b"QUJD\r\n" + tail[end + 2 :]


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        (lambda raw: raw[: len(raw) // 2], BadMessage, "OtherXml"),
        (_other_part, BadSignature, "SecurityFailure"),
        (lambda raw: raw.replace(b"multipart/related", b"multipart/mixed"), BadMessage, "OtherXml"),
        (lambda raw: raw.replace(b'charset="UTF-8"', b'charset="UTF-16"'), BadMessage, "OtherXml"),
        (lambda raw: b"", BadMessage, "OtherXml"),
        (lambda raw: raw.replace(b'SOAPAction: "ebXML"\r\n', b""), RuleBroken, "Unknown"),
        (lambda raw: raw.replace(b"smime-type=enveloped-data", b"smime-type=signed-data"), RuleBroken, "MimeProblem"),
    ],
    ids=["cut", "other part", "not related", "charset", "empty", "no SOAPAction", "other payload type"],
)
def test_what_does_not_hold_is_refused_with_its_code(
    made: Place, change: Callable[[bytes], bytes], error: type[Exception], code: str
) -> None:
    """Each fault has a kind of its own, and a code of the framework; nothing is written."""
    raw, _ = pack(our_packaging(made), envelope(made))
    out = io.BytesIO()
    with pytest.raises(error) as told:
        register_packaging(made).unpack(io.BytesIO(change(raw)), out, limit=1 << 20, now=made.now)
    assert error_code(condition_of(told.value)) == code  # type: ignore[arg-type]
    assert out.getvalue() == b""


@pytest.mark.parametrize(
    ("old", "new", "rule", "condition"),
    [
        ("<eb:CPAId>8000002_8000004<", "<eb:CPAId>8000004_8000002<", "12", "ebxml:ValueNotRecognized"),
        ('eb:version="2.0" ', "", "8", "ebxml:OtherXml"),
        ('"HER">8000002<', '"HER">8000009<', "29", "soap:Client"),
        ('"HER">8000004<', '"HER">8000009<', "54", "soap:Client"),
        ("<eb:Action>KPR_IPL</eb:Action>", "<eb:Action/>", "72", "ebxml:OtherXml"),
        ("<eb:AckRequested", '<eb:Ukjent SOAP-ENV:mustUnderstand="1"/><eb:AckRequested', "100", "ebxml:NotSupported"),
    ],
)
def test_each_rule_has_its_condition(made: Place, old: str, new: str, rule: str, condition: str) -> None:
    """The number, the code, and whether a SOAP fault tells it; the sentence is that of the table."""
    ours = our_packaging(made)
    raw, _ = pack(ours, envelope(made))

    def change(soap: str) -> str:
        assert old in soap or rule == "8"
        return (
            soap.replace('SOAP-ENV:mustUnderstand="1" eb:version="2.0">', 'SOAP-ENV:mustUnderstand="1">', 1)
            if (rule == "8")
            else soap.replace(old, new, 1)
        )

    with pytest.raises(RuleBroken) as told:
        opened(register_packaging(made), resealed(ours, raw, change), made)
    assert (told.value.rule, condition_of(told.value)) == (rule, condition)
    assert told.value.problem == f"Rule {rule}: {table()[rule].text.en}"
    assert told.value.code == condition.partition(":")[2]
    assert told.value.place == table()[rule].where


def test_a_stranger_is_known_by_his_certificate(made: Place) -> None:
    """A message that is in order, signed by another than the registered one."""
    ours, theirs = our_packaging(made), register_packaging(made)
    raw, _ = pack(theirs, envelope(made, "APPREC", from_her_id=REGISTER, to_her_id=OURS), receipt(made, "x"))
    with pytest.raises(WrongSigner):
        opened(theirs, raw, made)
    assert opened(ours, raw, made)[1].header is not None


def test_a_signal_is_no_payload_message_and_nobody_is_told(made: Place) -> None:
    """HITS 1171 s. 8.1: a signal is never answered, whatever is wrong with it."""
    ours, theirs = our_packaging(made), register_packaging(made)
    raw, _ = pack(ours, envelope(made))
    reply = theirs.acknowledgment(opened(theirs, raw, made)[1], made.now)
    with pytest.raises(Refused) as told:
        opened(ours, reply.body, made)
    assert condition_of(told.value) == ""


def test_a_payload_larger_than_agreed_is_unsupported(made: Place) -> None:
    """What comes in may be too large as well: that is the message's fault, and no fault of the transport."""
    theirs = register_packaging(made)
    small = replace(theirs, settings=theirs.settings.model_copy(update={"max_bytes": 5_000}))
    raw, _ = pack(our_packaging(made), envelope(made))
    with pytest.raises(Unsupported):
        opened(small, raw, made)


def test_the_plain_limit_stops_a_gzip_bomb(tmp_path: Path) -> None:
    """A few kilobytes that expand to megabytes are stopped at the limit of whoever reads."""
    made = edi_place(tmp_path, compress="gzip")
    raw, _ = pack(our_packaging(made), envelope(made), b"<a>" + bytes(30 << 20))
    assert len(raw) < 200_000
    out = io.BytesIO()
    with pytest.raises(BadMessage, match="expands"):
        register_packaging(made).unpack(io.BytesIO(raw), out, limit=1 << 20, now=made.now)
    assert len(out.getvalue()) <= 1 << 20


def test_a_payload_for_another_key_is_not_opened(made: Place) -> None:
    """The signature holds, and the encryption is not for us."""
    ours = our_packaging(made)

    class Wrong:
        signing_identity = ours.keys.signing_identity
        their_encryption_certificate = ours.keys.decryption_identities[0].certificate

    raw, _ = pack(replace(ours, keys=Wrong()), envelope(made))  # type: ignore[arg-type]
    with pytest.raises(NotOpened) as told:
        opened(register_packaging(made), raw, made)
    assert error_code(condition_of(told.value)) == "SecurityFailure"


@pytest.mark.parametrize(("seconds", "expired"), [(-1, False), (0, False), (1, True)])
def test_time_to_live_is_told_and_not_judged(tmp_path: Path, seconds: int, expired: bool) -> None:
    """Up to its moment a message is in time; a late one is opened all the same, since it may be a duplicate."""
    made = edi_place(tmp_path, time_to_live_hours=100)
    of = envelope(made)
    raw, _ = pack(our_packaging(made), of)
    assert of.sent_at is not None
    made.at(of.sent_at + timedelta(hours=100, seconds=seconds))
    assert opened(register_packaging(made), raw, made)[1].expired is expired


# -- answers -----------------------------------------------------------------------------------------------------------


def test_an_acknowledgment_follows_from_what_it_answers(made: Place) -> None:
    """Asked for twice at one time it is the same to the byte; it repeats what was signed."""
    ours, theirs = our_packaging(made), register_packaging(made)
    raw, done = pack(ours, envelope(made))
    _, unpacked = opened(theirs, raw, made)
    one, two = (theirs.acknowledgment(unpacked, made.now) for _ in range(2))
    assert one == two
    checked = ours.check_signal(io.BytesIO(one.body))
    assert checked.digests == done.digests
    assert checked.envelope is not None
    assert checked.envelope.acknowledges == (unpacked.header.message_id if unpacked.header else "")
    with pytest.raises(ValueError, match="only a message that was opened"):
        theirs.acknowledgment(Unpacked(), made.now)


def test_a_refusal_needs_something_to_refer_to(made: Place) -> None:
    """Without an id of the message, or a time, nobody could tell what it answers."""
    theirs, of = register_packaging(made), envelope(made)
    assert theirs.refusal(Fault("ebxml:X", "", noticed_at=made.now), replace(of, message_id=""), ErrorForm.SPEC) is None
    assert theirs.refusal(Fault("ebxml:X", of.message_id), of, ErrorForm.SPEC) is None


@pytest.mark.parametrize("correlation", [None, "0b9c2f0a-0f3d-4a51-9d3c-5d7c5f0a1b2c.01020304@kommune.example"])
def test_a_soap_fault_names_the_mail_or_the_file(made: Place, correlation: str | None) -> None:
    """It has neither header nor signature; In-Reply-To leads back to our message."""
    of = envelope(made, correlation_id=correlation)
    fault = Fault("soap:Client", of.message_id, noticed_at=made.now)
    reply = register_packaging(made).refusal(fault, of, ErrorForm.SOAP)
    assert reply is not None
    head = entity_of(reply.body).head
    assert head.in_reply_to == (correlation or f"{of.message_id}.00000000@file",)
    assert our_packaging(made).check_signal(io.BytesIO(reply.body)) == Unpacked()


def test_a_signal_larger_than_a_mebibyte_is_not_read(made: Place) -> None:
    """Signals are a few kilobytes, so nothing larger is parsed."""
    with pytest.raises(BadMessage, match="larger than 1 MiB"):
        our_packaging(made).check_signal(io.BytesIO(b"Content-Type: text/xml\r\n\r\n" + b"x" * (1 << 20)))


def test_the_patience_is_the_agreements(tmp_path: Path) -> None:
    """Retries and interval of the settings, where there is no agreement."""
    patience = our_packaging(edi_place(tmp_path, retries=2, retry_hours=3)).patience
    assert (patience.retries, patience.interval) == (2, timedelta(hours=3))


# -- conditions and codes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotOpened("x"), "SecurityFailure"),
        (BadSignature("x"), "SecurityFailure"),
        (Unsupported("x"), "NotSupported"),
        (OutOfDate("x"), "SecurityFailure"),
        (Revoked("x"), "SecurityFailure"),
        (WrongUse("x"), "SecurityFailure"),
        (BadMessage("x"), "OtherXml"),
        (came_late(), "TimeToLiveExpired"),
        (RuleBroken("x", code="Inconsistent"), "Inconsistent"),
        (RuleBroken("x", code="Client", soap=True), "Unknown"),
    ],
)
def test_every_refusal_has_a_code_of_the_framework(error: Any, code: str) -> None:
    """HIS 1037 s. 7.2.4; what is told by a SOAP fault has none."""
    assert error_code(condition_of(error)) == code


def test_codes_and_conditions_lead_back_to_each_other() -> None:
    """``ebxml:…`` is a code named by itself, and only what SOAP says is told by a SOAP fault."""
    assert error_code(refused.condition("MimeProblem")) == "MimeProblem"
    assert refused.answer_form("soap:Client") is ErrorForm.SOAP
    assert refused.answer_form("ebxml:MimeProblem") is ErrorForm.SPEC
    assert refused.answer_form("") is ErrorForm.SPEC


def test_digests_are_compared_without_their_order(made: Place) -> None:
    """References stand in any order; each has its URI, so none can take another's place."""
    references = soap_of(pack(our_packaging(made), envelope(made))[0]).references
    assert digests(references) == digests(references[::-1])
    swapped = tuple(replace(one, digest=two.digest) for one, two in zip(references, references[::-1], strict=True))
    assert digests(references) != digests(swapped)


def test_the_tiny_message_has_everything_but_the_payload(made: Place) -> None:
    """What the rules look at is what will be read: the same SOAP, content id and media types."""
    raw, _ = pack(our_packaging(made), envelope(made))
    real = entity_of(raw)
    assert real.payload is not None
    tiny = ebxml_rules._with_tiny_payload(real.soap, real.payload.content_id)
    assert tiny.payload is not None
    assert (tiny.soap, tiny.head, tiny.soap_fields) == (real.soap, real.head, real.soap_fields)
    assert (tiny.payload.content_id, tiny.payload.fields) == (real.payload.content_id, real.payload.fields)
