"""The MIME entity of an ebXML message: SOAP with at most one encrypted payload (HIS 1037 s. 5; HITS 1172 s. 5.5).

Written in the one strict form, read in many: mails pass relays, and other vendors spell things differently. What a
receiver may only complain about (HITS 1172 rules 18-83, 250-260) is left to whoever looks at the values; what cannot
be read is a BadMessage. Both ways are streams: a payload of 50 MB takes a few MB of memory.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import BinaryIO, Protocol

from kpr.errors import BadMessage
from kpr.messages.ebxml.mime_head import ContentType, Fields, MailHead, mail_head, read_fields
from kpr.messages.ebxml.mime_stream import MimeStream, decoded, pieces_of
from kpr.messages.ebxml.names import SHA1, SHA256

#: A SOAP part is a few KB; its signature is checked by a parser that holds it whole.
SOAP_LIMIT = 1 << 20

#: SOAP and payload are two; relays add notices.
PART_LIMIT = 20

#: Notices that relays and scanners add as parts of their own: passed over.
_NOTICES = ("text/plain", "text/html")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")

_COLUMNS = 76
_LINES = 1 << 13
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.@-]{1,200}")


class Sink(Protocol):
    """Where a payload's bytes go; any binary stream will do."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload part: its id without brackets, size in bytes and digests by algorithm, both of the decoded bytes."""

    content_id: str
    fields: Fields
    size: int
    digests: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Entity:
    """What was read. ``soap_fields`` is the SOAP part's own head, for a lone SOAP part that of the mail."""

    head: MailHead
    soap: bytes = field(repr=False)
    soap_fields: Fields
    payload: Payload | None
    parts: int


# -- out ---------------------------------------------------------------------------------------------------------


def write_entity(out: BinaryIO, soap: bytes, payload: tuple[str, BinaryIO] | None = None) -> None:
    """Write from ``MIME-Version`` on; ``payload`` is a content id without brackets, and the CMS bytes.

    Base64 throughout, so no relay changes a byte. Boundary and SOAP id come from the SOAP bytes: the same message is
    the same entity, also when it is sent again. ValueError for an id that cannot stand in a head.
    """
    name = sha256(soap).hexdigest()[:32]
    out.write(b'MIME-Version: 1.0\r\nSOAPAction: "ebXML"\r\n')
    if payload is None:
        out.write(_SOAP_TYPE + b"\r\n")
        _write_base64(out, iter([soap]))
        return
    content_id, source = payload
    if not _CONTENT_ID.fullmatch(content_id):
        raise ValueError("not a content id")
    soap_id = f"soap.{name}@{content_id.partition('@')[2] or 'kpr'}"
    boundary = f"----=_ebXML_{name}"  # base64 has no such line
    out.write(
        f'Content-Type: multipart/related; type="text/xml"; boundary="{boundary}"; start="<{soap_id}>"\r\n\r\n'.encode()
    )
    out.write(f"--{boundary}\r\n".encode() + _SOAP_TYPE + f"Content-ID: <{soap_id}>\r\n\r\n".encode())
    _write_base64(out, iter([soap]))
    out.write(f"--{boundary}\r\n".encode() + _PAYLOAD_TYPE + f"Content-ID: <{content_id}>\r\n\r\n".encode())
    _write_base64(out, _whole_lines(source))
    out.write(f"--{boundary}--\r\n".encode())


_SOAP_TYPE = b'Content-Type: text/xml; charset="UTF-8"\r\nContent-Transfer-Encoding: base64\r\n'
_PAYLOAD_TYPE = (
    b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n"
)


def _whole_lines(source: BinaryIO) -> Iterator[bytes]:
    """In whole lines' worth, but for the last piece, which may be empty."""
    size, carry = _COLUMNS // 4 * 3 * _LINES, b""
    while piece := source.read(size - len(carry)):
        carry += piece
        if len(carry) == size:
            yield carry
            carry = b""
    yield carry


def _write_base64(out: BinaryIO, pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        text = b2a_base64(piece, newline=False)
        lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
        out.write(b"\r\n".join([*lines, b""]))


# -- in ----------------------------------------------------------------------------------------------------------


def read_head(source: BinaryIO) -> MailHead:
    """Only the mail's head, to answer what cannot be read further; BadMessage when it is itself broken."""
    return mail_head(read_fields(MimeStream(pieces_of(source), 1 << 20).head()))


def read_entity(source: BinaryIO, payload_out: Sink, *, limit: int) -> Entity:
    """Read a mail, or an entity without the mail's head; the payload's decoded bytes go to ``payload_out``.

    ``limit`` is for the whole mail, in bytes as it came. On BadMessage (broken, too large, another kind of mail)
    whoever called must throw away what was written.
    """
    stream = MimeStream(pieces_of(source), limit)
    fields = read_fields(stream.head())
    head = mail_head(fields)
    if head.content_type.kind == "text/xml":
        return Entity(head, _soap(fields, stream.rest()), fields, None, 1)
    if head.content_type.kind != "multipart/related":
        raise BadMessage("The mail is no ebXML message: neither multipart/related nor text/xml.")
    return _multipart(stream, head, payload_out)


def _multipart(stream: MimeStream, head: MailHead, payload_out: Sink) -> Entity:
    boundary = _boundary(head.content_type)
    soap: tuple[bytes, Fields] | None = None
    payload, parts = None, 0
    for _ in stream.until(boundary):
        pass  # the preamble
    while not stream.closed:
        parts += 1
        if parts > PART_LIMIT:
            raise BadMessage("The mail has too many parts.")
        fields = read_fields(stream.head())
        content = stream.until(boundary)
        kind = fields.content_type.kind
        if kind == "text/xml":
            if soap:
                raise BadMessage("The mail has more than one SOAP part.")
            _check_start(head.content_type, fields)
            soap = _soap(fields, content), fields
        elif kind in _NOTICES:
            for _ in content:
                pass
        elif payload:
            raise BadMessage("The mail has more than one payload part.")
        else:
            payload = _payload(fields, content, payload_out)
    if soap is None:
        raise BadMessage("The mail has no SOAP part.")
    return Entity(head, *soap, payload, parts)


def _boundary(kind: ContentType) -> bytes:
    boundary = kind.parameters.get("boundary", "").rstrip().encode()
    if not 0 < len(boundary) <= 200:
        raise BadMessage("The mail names no boundary between its parts.")
    return boundary


def _check_start(kind: ContentType, fields: Fields) -> None:
    """HITS 1172 s. 5.5.2.2: a start parameter, where it is given, names the SOAP part."""
    start = kind.parameters.get("start", "").strip().removeprefix("<").removesuffix(">")
    if start and start != fields.content_id:
        raise BadMessage("The mail's start parameter names another part than the SOAP part.")


def _soap(fields: Fields, content: Iterator[bytes]) -> bytes:
    if fields.content_type.parameters.get("charset", "").lower() not in _CHARSETS:
        raise BadMessage("The SOAP part is not in UTF-8.", remedy="The sender must use UTF-8.")
    pieces, size = [], 0
    for piece in decoded(content, fields.transfer_encoding):
        size += len(piece)
        if size > SOAP_LIMIT:
            raise BadMessage("The SOAP part is larger than 1 MiB.")
        pieces.append(piece)
    if not size:
        raise BadMessage("The SOAP part is empty.")
    return b"".join(pieces)


def _payload(fields: Fields, content: Iterator[bytes], out: Sink) -> Payload:
    if fields.content_type.kind.startswith("multipart/"):
        raise BadMessage("A part of the mail is itself in parts.")
    digests = {SHA1: sha1(usedforsecurity=False), SHA256: sha256()}
    size = 0
    for piece in decoded(content, fields.transfer_encoding):
        size += len(piece)
        for digest in digests.values():
            digest.update(piece)
        out.write(piece)
    return Payload(fields.content_id, fields, size, {name: digest.digest() for name, digest in digests.items()})
