"""The MIME entity: what we write others read, what others write we read, and what is hostile is refused in one sentence."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tracemalloc
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.parser import BytesParser
from hashlib import sha1, sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.errors import BadMessage
from kpr.messages.ebxml.mime import SOAP_LIMIT, Entity, read_entity, read_head, write_entity
from kpr.messages.ebxml.mime_stream import CHUNK, HEAD_LIMIT, decoded
from kpr.messages.ebxml.names import SHA1, SHA256
from kpr.security.certificates import Purpose
from kpr.security.cms_write import envelop
from kpr.security.throwaway import make_authority, make_identity, write_identity

SOAP = '<?xml version="1.0" encoding="UTF-8"?>\n<Envelope navn="Ærlig Øst"/>\n'.encode()
PAYLOAD = bytes(range(256)) * 5
CID = "4f5b2c1e-0000-4000-8000-000000000001@kommune.no"
LIMIT = 1 << 20


def written(soap: bytes = SOAP, payload: bytes | None = PAYLOAD, content_id: str = CID) -> bytes:
    """What we send."""
    out = io.BytesIO()
    write_entity(out, soap, None if payload is None else (content_id, io.BytesIO(payload)))
    return out.getvalue()


def read(data: bytes, *, limit: int = LIMIT) -> tuple[Entity, bytes]:
    """What was read, and the payload's bytes."""
    out = io.BytesIO()
    return read_entity(io.BytesIO(data), out, limit=limit), out.getvalue()


class Drip(io.BytesIO):
    """A stream that gives few bytes at a time."""

    def __init__(self, data: bytes, at_most: int) -> None:
        super().__init__(data)
        self.at_most = at_most

    def read(self, size: int | None = -1) -> bytes:
        """At most so many bytes."""
        return super().read(self.at_most if size is None or size < 0 else min(size, self.at_most))


class Made(io.RawIOBase):
    """A stream that is made while it is read: a start, then one pattern as often as it takes."""

    def __init__(self, start: bytes, pattern: bytes, size: int) -> None:
        self.start, self.pattern, self.left, self.given = start, pattern * (1 + 65536 // len(pattern)), size, 0

    def read(self, size: int = -1) -> bytes:
        """The start first."""
        data = (self.start or self.pattern)[: min(size, self.left)]
        self.start = self.start[len(data) :]
        self.left -= len(data)
        self.given += len(data)
        return data


# -- the golden sample ---------------------------------------------------------------------------------------------


def test_the_golden_message_is_taken_apart_exactly(official: Path) -> None:
    """A real mail gives its SOAP part and its CMS byte for byte, with the digest that its signature names."""
    sample = official / "samples" / "ebxml" / "2023_08_29T12_56_58_328"
    entity, payload = read(sample.with_suffix(".msg").read_bytes())
    assert entity.soap == sample.with_suffix(".xml").read_bytes()
    assert payload == sample.with_suffix(".p7m").read_bytes()
    assert entity.payload is not None
    assert entity.payload.digests[SHA256] == b64decode("ihNHQl8a44GwTy72Bq7m0jyn8/Ap7nbSOtNix4sycTs=")
    assert entity.payload.content_id == "3CTGI8UKUKU4.ADHEUDMDCY3Q3@speare.no"
    assert f"cid:{entity.payload.content_id}".encode() in entity.soap


def test_the_golden_head_is_read(official: Path) -> None:
    """Of forty lines of head the few that matter come out, ids without brackets and addresses bare."""
    sample = official / "samples" / "ebxml" / "2023_08_29T12_56_58_328.msg"
    with sample.open("rb") as source:
        head = read_head(source)
    assert head.message_id == "CDD3FE0A9E7248329E678B49C38C763ADB81CD33@unknown"
    assert head.senders == ("flytitnhndevelop@gmail.com",)
    assert head.recipients == ("mottak-qass@test-es.nav.no",)
    assert head.date == datetime(2023, 8, 29, 10, 56, 53, tzinfo=UTC)
    assert (head.mime_version, head.soap_action) == ("1.0", '"ebXML"')
    assert head.content_type.parameters["start"] == "<ZTTPT8UKUKU4.U2O3MHW7UL03@speare.no>"


# -- out -----------------------------------------------------------------------------------------------------------


def test_the_standard_library_reads_what_we_write() -> None:
    """Types, ids and decoded bytes are those that the framework asks for, and the parser finds no defect."""
    message = BytesParser(policy=policy.default).parsebytes(written())
    soap, payload = message.iter_parts()
    assert (message["MIME-Version"], message["SOAPAction"]) == ("1.0", '"ebXML"')
    assert (message.get_content_type(), message.get_param("type")) == ("multipart/related", "text/xml")
    assert message.get_param("start") == soap["Content-ID"]
    assert soap["Content-Type"] == 'text/xml; charset="UTF-8"'
    assert soap.get_payload(decode=True) == SOAP
    assert (payload.get_content_type(), payload.get_param("smime-type")) == ("application/pkcs7-mime", "enveloped-data")
    assert (payload["Content-ID"], payload["Content-Transfer-Encoding"]) == (f"<{CID}>", "base64")
    assert payload.get_payload(decode=True) == PAYLOAD
    assert [part.defects for part in (message, soap, payload)] == [[], [], []]


def test_a_signal_is_a_single_part() -> None:
    """A signal is text/xml by itself, not wrapped into a multipart."""
    message = BytesParser(policy=policy.default).parsebytes(written(payload=None))
    assert (message.get_content_type(), message.get_param("charset")) == ("text/xml", "UTF-8")
    assert message["SOAPAction"] == '"ebXML"'
    assert message.get_payload(decode=True) == SOAP


@pytest.mark.parametrize("size", [1, 56, 57, 58, 1000, 57 * 8192 - 1, 57 * 8192, 57 * 8192 + 1])
def test_lines_are_short_and_end_in_crlf(size: int) -> None:
    """Every line ends in CRLF, and base64 has 76 columns up to its last line, whatever the size."""
    data = written(payload=bytes(size))
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    body = data.split(b"\r\n\r\n")[3].split(b"\r\n--")[0].split(b"\r\n")
    assert {len(line) for line in body[:-1]} <= {76}
    assert b64decode(b"".join(body)) == bytes(size)


def test_the_same_message_is_the_same_entity() -> None:
    """A retry sends the same bytes; another message has another boundary."""
    assert written() == written()
    assert read(written())[0].head.content_type != read(written(soap=b"<other/>"))[0].head.content_type


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nBcc: x", "<a>", "æ", "a" * 201])
def test_an_id_that_would_break_the_head_is_not_written(bad: str) -> None:
    """An id with line ends, blanks or brackets is a mistake of ours, and stops before the first part."""
    with pytest.raises(ValueError, match="not a content id"):
        written(content_id=bad)


def test_a_payload_that_trickles_is_written_in_whole_lines() -> None:
    """A stream that gives less than asked for gives the same entity."""
    out = io.BytesIO()
    write_entity(out, SOAP, (CID, Drip(PAYLOAD, 7)))
    assert out.getvalue() == written()


# -- there and back ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.none() | st.binary(max_size=3000), st.integers(1, 400))
def test_what_is_written_is_read_again(soap: bytes, payload: bytes | None, at_a_time: int) -> None:
    """Any bytes come back, however little the stream gives at a time, with size and both digests."""
    out = io.BytesIO()
    entity = read_entity(Drip(written(soap, payload), at_a_time), out, limit=LIMIT)
    assert (entity.soap, out.getvalue()) == (soap, payload or b"")
    if payload is None:
        assert (entity.payload, entity.parts) == (None, 1)
    else:
        assert entity.payload is not None
        assert (entity.payload.content_id, entity.payload.size, entity.parts) == (CID, len(payload), 2)
        assert entity.payload.digests == {SHA1: sha1(payload).digest(), SHA256: sha256(payload).digest()}


def by_hand(soap: bytes, payload: bytes, encoding: str, end: bytes = b"\r\n", boundary: bytes = b"b") -> bytes:
    """A mail whose parts stand as they are given, under one transfer encoding."""
    lines = [
        b'Content-Type: multipart/related; boundary="' + boundary + b'"',
        b"",
        b"--" + boundary,
        b"Content-Type: text/xml",
        b"Content-Transfer-Encoding: " + encoding.encode(),
        b"",
        soap,
        b"--" + boundary,
        b"Content-Type: application/pkcs7-mime",
        b"Content-Transfer-Encoding: " + encoding.encode(),
        b"Content-ID: <p@x>",
        b"",
        payload,
        b"--" + boundary + b"--",
        b"",
    ]
    return end.join(lines)


#: Bytes that look like delimiters, heads and line ends.
NASTY = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b"--", b"--b", b"--bx", b"--b--x", b" --b", b"\n\n", b"-", b"\0", b"a: b"]),
    max_size=30,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(NASTY, st.sampled_from([b"\r\n", b"\n"]), st.integers(1, 60))
def test_binary_parts_are_cut_at_delimiters_only(payload: bytes, end: bytes, at_a_time: int) -> None:
    """Whatever resembles a delimiter but is no line of its own is content, wherever the stream's pieces end."""
    lines = payload.replace(b"\r\n", b"\n").split(b"\n")
    if {b"--b", b"--b--"} & set(lines):
        payload = b"x"  # then it would be a delimiter
    if end == b"\n" and payload.endswith(b"\r"):
        payload += b"x"  # then it would be part of the line end
    out = io.BytesIO()
    read_entity(Drip(by_hand(b"<a/>", payload, "binary", end), at_a_time), out, limit=LIMIT)
    assert out.getvalue() == payload


@pytest.mark.parametrize("size", [CHUNK - 60, CHUNK - 3, CHUNK, 2 * CHUNK + 1])
@pytest.mark.parametrize("shift", range(8))
def test_a_delimiter_across_two_chunks_is_found(size: int, shift: int) -> None:
    """Neither a delimiter nor its line end is missed where one chunk ends and the next begins."""
    front = len(by_hand(b"<a/>", b"", "binary").rsplit(b"\r\n\r\n", 1)[0])
    payload = bytes(size - front - shift)
    assert read(by_hand(b"<a/>", payload, "binary"), limit=LIMIT)[1] == payload


@pytest.mark.parametrize("missing", range(320))
def test_the_longest_delimiter_across_two_chunks_is_found(missing: int) -> None:
    """A boundary of 200 signs with 100 blanks behind it is found wherever a chunk ends within it."""
    boundary = b"b" * 200
    mail = by_hand(b"<a/>", b"%", "binary", boundary=boundary).replace(b"--\r\n", b"--" + b" " * 100 + b"\r\n")
    front, back = mail.split(b"%")
    payload = bytes(CHUNK - len(front) - missing)
    out = io.BytesIO()
    read_entity(io.BytesIO(front + payload + back), out, limit=LIMIT)
    assert out.getvalue() == payload


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 200), st.sampled_from([b"\r\n", b"\n", b" \r\n", b"\r\n\r\n"]))
def test_base64_is_read_in_lines_of_any_length(payload: bytes, columns: int, end: bytes) -> None:
    """Other columns than 76, blanks at line ends and empty lines do not matter."""
    text = b64encode(payload)
    lines = end.join(text[at : at + columns] for at in range(0, len(text), columns))
    assert read(by_hand(b64encode(SOAP), lines, "base64"))[1] == payload


# -- what others write ---------------------------------------------------------------------------------------------


def by_email(encoding: str, rules: policy.EmailPolicy) -> bytes:
    """A mail as Python's own library makes it."""
    message = EmailMessage(policy=rules)
    message["From"], message["To"] = '"Nord, Øst" <nord@edi.nhn.no>', "a@b.no, B <c@d.no>"
    message["Date"], message["Message-ID"] = "Tue, 29 Aug 2023 10:56:53 -0000", "<m1@edi.nhn.no>"
    message["In-Reply-To"], message["References"] = "<first@x>", "<zero@x>\r\n <first@x>".replace("\r\n", "")
    message["SOAPAction"] = '"ebXML"'
    message.set_content(SOAP, "text", "xml", cte=encoding, cid="<soap@x>", params={"charset": "utf-8"})
    message.add_related(PAYLOAD, "application", "pkcs7-mime", cid="<p@x>", params={"smime-type": "enveloped-data"})
    return message.as_bytes()


@pytest.mark.parametrize("rules", [policy.SMTP, policy.default], ids=["crlf", "lf"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_we_read_what_the_standard_library_writes(encoding: str, rules: policy.EmailPolicy) -> None:
    """Each transfer encoding and both line ends, with the head's fields."""
    entity, payload = read(by_email(encoding, rules))
    assert entity.soap.replace(b"\r\n", b"\n").rstrip() == SOAP.rstrip()
    assert payload == PAYLOAD
    assert entity.head.senders == ("nord@edi.nhn.no",)
    assert entity.head.recipients == ("a@b.no", "c@d.no")
    assert entity.head.date == datetime(2023, 8, 29, 10, 56, 53, tzinfo=UTC)
    assert (entity.head.message_id, entity.head.in_reply_to) == ("m1@edi.nhn.no", ("first@x",))
    assert entity.head.references == ("zero@x", "first@x")
    assert (entity.soap_fields.content_id, entity.soap_fields.transfer_encoding) == ("soap@x", encoding)


def test_the_older_interface_of_the_standard_library_is_read_too() -> None:
    """MIMEMultipart, with which many senders are made, gives the same."""
    message = MIMEMultipart("related", type="text/xml")
    soap = MIMENonMultipart("text", "xml", charset="utf-8")
    soap.set_payload(SOAP, "utf-8")
    message.attach(soap)
    message.attach(MIMEApplication(PAYLOAD, "pkcs7-mime"))
    entity, payload = read(message.as_bytes())
    assert (entity.soap, payload) == (SOAP, PAYLOAD)


PLAIN = by_hand(b"<a/>", b"cGF5bG9hZA==", "7bit").replace(b"7bit\r\nContent-ID", b"BASE64\r\nCONTENT-id")


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: mail,
        lambda mail: mail.replace(b"Content-Type", b"cONTENT-tYPE"),
        lambda mail: mail.replace(b"multipart/related; ", b"Multipart/Related;\r\n\t"),
        lambda mail: mail.replace(b'boundary="b"', b'BOUNDARY=b;x-extra="a;b=\\"c"'),
        lambda mail: mail.replace(b'boundary="b"', b'boundary="b"; start="<s@x>"').replace(
            b"text/xml", b"text/xml\r\nContent-ID: <s@x>"
        ),
        lambda mail: mail.replace(b'boundary="b"', b'boundary="b"; start=s@x').replace(
            b"text/xml", b"text/xml\r\nContent-Id:\r\n <s@x>"
        ),
        lambda mail: mail.replace(b"text/xml", b'Text/XML; charset="Utf-8"; x=y'),
        lambda mail: mail.replace(b"text/xml", b"text/xml;charset=utf-8"),
        lambda mail: mail.replace(b"\r\n\r\n--b", b"\r\n\r\nThis is in parts.\r\n--bb\r\n\r\n--b", 1),
        lambda mail: mail + b"\r\nepilogue\r\n--b\r\nnot a part\r\n",
        lambda mail: mail.replace(b"--b\r\n", b"--b  \t\r\n"),
        lambda mail: mail.replace(b"--b--\r\n", b"--b--"),
        lambda mail: mail.replace(b"\r\n", b"\n"),
        lambda mail: mail.replace(b"--b--", b"--b\r\nContent-Type: text/plain\r\n\r\nscanned\r\n--b--"),
    ],
)
def test_other_spellings_mean_the_same(change: Callable[[bytes], bytes]) -> None:
    """Case, folding, quotes, extra parameters, preamble, epilogue, padding and added notices change nothing."""
    entity, payload = read(change(PLAIN))
    assert (entity.soap, payload) == (b"<a/>", b"payload")
    assert entity.payload is not None
    assert entity.payload.content_id == "p@x"


def test_a_signal_in_a_needless_multipart_is_read() -> None:
    """One part alone in a multipart/related is a SOAP part without payload (HITS 1172 s. 5.5.2.1)."""
    mail = b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b--\r\n"
    entity, payload = read(mail)
    assert (entity.soap, entity.payload, entity.parts, payload) == (b"<a/>", None, 1, b"")


def test_the_payload_may_stand_first() -> None:
    """The order of the parts is told by their types, not by their places."""
    mail = (
        b"Content-Type: multipart/related; boundary=b; start=s\r\n\r\n--b\r\nContent-Type: application/pkcs7-mime\r\n\r\n"
        b"payload\r\n--b\r\nContent-Type: text/xml\r\nContent-ID: s\r\n\r\n<a/>\r\n--b--\r\n"
    )
    entity, payload = read(mail)
    assert (entity.soap, payload) == (b"<a/>", b"payload")


def test_fields_that_cannot_be_read_are_empty() -> None:
    """A date that is none, an address without a host, and a field of 3000 characters read as nothing."""
    mail = b"Date: yesterday\r\nFrom: nobody\r\nTo: " + b"a@b.no," * 500 + b"\r\nContent-Type: text/xml\r\n\r\n<a/>"
    head = read(mail)[0].head
    assert (head.date, head.senders, head.recipients, head.message_id) == (None, (), (), "")


# -- what is refused -----------------------------------------------------------------------------------------------

GOOD = written()
TWICE = by_hand(b"<a/>", b"x", "8bit")


@pytest.mark.parametrize(
    ("mail", "sentence"),
    [
        (b"", "ends within a head"),
        (b"Content-Type: text/xml", "ends within a head"),
        (b"\r\n<a/>", "neither multipart/related nor text/xml"),
        (b"Content-Type: text/plain\r\n\r\n<a/>", "neither multipart/related nor text/xml"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--", "neither multipart/related nor text/xml"),
        (b"no field\r\n\r\n<a/>", "no header field"),
        (b" folded\r\n\r\n<a/>", "no header field"),
        (b"Content-Type: text/xml\0\r\n\r\n<a/>", "no header field"),
        (b"Content-Type: multipart/related\r\n\r\n--b--", "names no boundary"),
        (b"Content-Type: multipart/related; boundary=\r\n\r\n--\r\n--b--", "names no boundary"),
        (b"Content-Type: multipart/related; boundary=" + b"b" * 201 + b"\r\n\r\n", "names no boundary"),
        (b"Content-Type: multipart/related; boundary=b\r\n\r\n--b--\r\n", "no SOAP part"),
        (b"Content-Type: multipart/related; boundary=b\r\n\r\nnothing", "before its last boundary"),
        (b"Content-Type: text/xml\r\n\r\n", "is empty"),
        (b"Content-Type: text/xml; charset=iso-8859-1\r\n\r\n<a/>", "not in UTF-8"),
        (b"Content-Type: text/xml; charset=utf-16\r\n\r\n<a/>", "not in UTF-8"),
        (b"Content-Type: text/xml\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n<a/>", "unknown transfer encoding"),
        (b"Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGE", "not base64"),
        (b"Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEv\0g==", "not base64"),
        (b"Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPA==PA==", "not base64"),
        (b"Content-Type: text/xml\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=zz", "not quoted-printable"),
        (GOOD[: len(GOOD) // 2], "before its last boundary"),
        (GOOD.rstrip()[:-2], "ends within a head"),
        (TWICE.replace(b"application/pkcs7-mime", b"text/xml"), "more than one SOAP part"),
        (TWICE.replace(b"text/xml", b"application/pkcs7-mime"), "more than one payload part"),
        (TWICE.replace(b"text/xml", b"text/plain"), "no SOAP part"),
        (TWICE.replace(b"application/pkcs7-mime", b"multipart/mixed; boundary=c"), "itself in parts"),
        (TWICE.replace(b'boundary="b"', b'boundary="b"; start="<other@x>"'), "start parameter"),
        (
            TWICE.replace(b"--b\r\n", b"--b\r\nContent-Type: text/plain\r\n\r\n\r\n" * 20 + b"--b\r\n", 1),
            "too many parts",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(mail: bytes, sentence: str) -> None:
    """Each way to be wrong has its own sentence."""
    with pytest.raises(BadMessage, match=sentence):
        read(mail)


def test_a_boundary_line_inside_base64_ends_the_part() -> None:
    """A delimiter among base64 lines ends the part, and what follows is no head: the mail is refused, not mended."""
    boundary = GOOD.split(b'boundary="')[1].split(b'"')[0]
    lines = GOOD.split(b"\r\n")
    lines.insert(-4, b"--" + boundary)
    with pytest.raises(BadMessage, match=r"no header field|ends within a head|not base64"):
        read(b"\r\n".join(lines))


def test_a_boundary_within_a_base64_line_is_bad_base64() -> None:
    """What is no line of its own is no delimiter either, and then it is no base64."""
    boundary = GOOD.split(b'boundary="')[1].split(b'"')[0]
    at = len(GOOD) - 500
    with pytest.raises(BadMessage, match="not base64"):
        read(GOOD[:at] + b"--" + boundary + GOOD[at:])


def test_too_large_a_mail_is_refused_when_the_limit_is_reached() -> None:
    """Of a mail of 1 GB no more than the limit and one chunk is read, and none of it is kept."""
    start = GOOD[: GOOD.rindex(b"\r\n\r\n") + 4]
    source = Made(start, b"QUJD" * 19 + b"\r\n", 1 << 30)
    tracemalloc.start()
    with pytest.raises(BadMessage, match="larger than this receiver takes"):
        read_entity(source, io.BytesIO(), limit=1 << 20)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert source.given <= (1 << 20) + CHUNK


@pytest.mark.parametrize("pattern", [b"X-More: yes\r\n", b"x", b"\r", b" \r\n"])
def test_a_head_that_never_ends_is_refused_early(pattern: bytes) -> None:
    """A head is given up after 64 KiB, whatever it is made of."""
    source = Made(b"From: a@b.no\r\n", pattern, 1 << 30)
    with pytest.raises(BadMessage, match="larger than 64 KiB"):
        read_entity(source, io.BytesIO(), limit=1 << 30)  # type: ignore[arg-type]
    assert source.given <= 2 * CHUNK


def test_a_part_whose_head_never_ends_is_refused() -> None:
    """The same holds for the head of a part."""
    source = Made(b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n", b"X: y\r\n", 1 << 30)
    with pytest.raises(BadMessage, match="larger than 64 KiB"):
        read_entity(source, io.BytesIO(), limit=1 << 30)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "taken"), [(HEAD_LIMIT, True), (HEAD_LIMIT + 1, False)])
def test_a_head_has_a_limit_also_when_it_ends(size: int, taken: bool) -> None:
    """64 KiB of head are read, and one byte more is not, although the empty line comes soon after."""
    kind = b"\r\nContent-Type: text/xml\r\n"
    mail = b"X: " + b"y" * (size - len(kind) - 3) + kind + b"\r\n<a/>"
    with contextlib.nullcontext() if taken else pytest.raises(BadMessage, match="larger than 64 KiB"):
        assert read(mail)[0].soap == b"<a/>"


@pytest.mark.parametrize("pieces", [[b"PA==", b"PA=="], [b"PA=="] + [b"\r\n"] * 3 + [b"PDw8"], [b"PA==P"]])
def test_nothing_may_follow_the_padding(pieces: list[bytes]) -> None:
    """Two texts of base64 in a row are none, also when the pieces of the stream part them."""
    with pytest.raises(BadMessage, match="not base64"):
        list(decoded(iter(pieces), "base64"))


def test_a_lone_id_without_brackets_is_one() -> None:
    """Some programs leave the brackets out; half a pair of them is no id."""
    head = b"In-Reply-To: first@x \r\nReferences: \r\nMessage-ID: <cut@x\r\nContent-Type: text/xml\r\n\r\n<a/>"
    found = read(head)[0].head
    assert (found.in_reply_to, found.references, found.message_id) == (("first@x",), (), "")


def test_the_largest_head_and_mail_are_taken() -> None:
    """At the limits themselves a mail is read; one byte beyond it is not."""
    mail = b"X: " + b"y" * (60 << 10) + b"\r\nContent-Type: text/xml\r\n\r\n<a/>"
    assert read(mail, limit=len(mail))[0].soap == b"<a/>"
    with pytest.raises(BadMessage, match="larger than this receiver"):
        read(mail, limit=len(mail) - 1)


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_the_soap_part_has_a_limit_of_its_own(encoding: str) -> None:
    """1 MiB of SOAP is taken, and one byte more is not, however it is encoded."""
    for size, taken in ((SOAP_LIMIT, True), (SOAP_LIMIT + 1, False)):
        soap = (b"a" * 75 + b"\n") * (size // 76) + b"a" * (size % 76)
        text = b64encode(soap) if encoding == "base64" else soap
        mail = b"Content-Type: text/xml\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + text
        with contextlib.nullcontext() if taken else pytest.raises(BadMessage, match="larger than 1 MiB"):
            assert read(mail, limit=4 << 20)[0].soap == soap


def test_a_thousand_nested_multiparts_are_not_followed() -> None:
    """Nesting is refused at its first step: there is no recursion that could be driven deep."""
    mail = b""
    for depth in range(1000):
        mail += b"Content-Type: multipart/related; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
    with pytest.raises(BadMessage, match="itself in parts"):
        read(mail)


@pytest.mark.parametrize("pattern", [b"=\r\n", b"=0", b"a", b"= \t", b"="])
def test_a_quoted_printable_bomb_costs_no_memory(pattern: bytes) -> None:
    """Soft breaks without end, and lines without end, are read in bounded memory until the limit or a refusal."""
    start = b"Content-Type: text/xml\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    tracemalloc.start()
    with pytest.raises(BadMessage, match=r"larger than this receiver|not quoted-printable"):
        read_entity(Made(start, pattern, 1 << 30), io.BytesIO(), limit=8 << 20)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("pattern", [b"\n--bx", b"\n--b x\n", b"\n--b" + b" " * 200, b"\n-", b"\n--b--x", b"\r"])
def test_false_delimiters_without_end_cost_no_memory(pattern: bytes) -> None:
    """Lines that begin like a delimiter, over and over, are handed on like any content."""
    start = b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: application/pkcs7-mime\r\n\r\n"
    source = Made(start, pattern, 16 << 20)
    tracemalloc.start()
    with pytest.raises(BadMessage, match=r"before its last boundary|within a head"):
        read_entity(source, Nowhere(), limit=32 << 20)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert source.left == 0


class Nowhere:
    """A sink that only counts."""

    size = 0

    def write(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)


def test_a_large_payload_passes_in_little_memory(tmp_path: Path) -> None:
    """24 MB are written and read with a few MB of memory, in both directions."""
    size, mail, sink = 24 << 20, tmp_path / "mail", Nowhere()
    tracemalloc.start()
    with mail.open("wb") as out:
        write_entity(out, SOAP, (CID, Made(b"", b"payload", size)))  # type: ignore[arg-type]
    with mail.open("rb") as source:
        read_entity(source, sink, limit=2 * size)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert sink.size == size


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 3),
    st.sampled_from([b"", b"\n", b"\0", b"--", b"=", b"\xff", b"\r\n\r\n"]),
)
def test_a_spoiled_mail_is_refused_or_read(at: int, gone: int, more: bytes) -> None:
    """Whatever is cut out or put in, the outcome is a value or a BadMessage, and never another error."""
    with contextlib.suppress(BadMessage):
        entity, _payload = read(GOOD[:at] + more + GOOD[at + gone :])
        assert entity.soap


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    """Arbitrary bytes are no ebXML message, and no sentence about them repeats any of them."""
    with pytest.raises(BadMessage):
        read(noise)


def test_no_content_stands_in_an_error() -> None:
    """What a part holds is not repeated in the error about it."""
    mail = b"Content-Type: text/xml; charset=hemmelig\r\nContent-Transfer-Encoding: base64\r\n\r\nhemmelig!"
    for wrong in (mail, mail.replace(b"charset=hemmelig", b"charset=utf-8"), b"hemmelig\r\n\r\n"):
        with pytest.raises(BadMessage) as caught:
            read(wrong)
        assert "hemmelig" not in str(caught.value)


# -- openssl as the other side -------------------------------------------------------------------------------------


def test_openssl_opens_the_payload_part(tmp_path: Path) -> None:
    """The payload part as it stands in the mail is an S/MIME entity that openssl decrypts, with cms and with smime."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    receiver = make_identity(make_authority(), "receiver", Purpose.ENCRYPT)
    write_identity(receiver, tmp_path / "own.pem", tmp_path / "own.key")
    plain, cms = b"Content-Type: application/xml\r\n\r\n<a/>", io.BytesIO()
    envelop(io.BytesIO(plain), len(plain), cms, receiver.certificate)
    _soap, part = BytesParser(policy=policy.SMTP).parsebytes(written(payload=cms.getvalue())).iter_parts()
    entity = b"MIME-Version: 1.0\r\n" + part.as_bytes()
    for program in ("cms", "smime"):
        words = ["openssl", program, "-decrypt", "-binary", "-recip", "own.pem", "-inkey", "own.key"]
        assert subprocess.run(words, input=entity, capture_output=True, check=True, cwd=tmp_path).stdout == plain
