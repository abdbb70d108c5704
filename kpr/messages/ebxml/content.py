"""What stands inside the encryption: the business XML, as a MIME entity, bare, or compressed.

HITS 1172 s. 5.15.1 asks for a MIME entity; bare XML and bare gzip are met too (ebxml.md s. 6). Which one it is shows
in its first bytes. Layers are undone one by one, each kind once, in bounded memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import BinaryIO, cast

from kpr.errors import BadMessage
from kpr.messages.ebxml.mime_head import read_fields
from kpr.messages.ebxml.mime_stream import CHUNK, HEAD_LIMIT, MimeStream, decoded, pieces_of

_GZIP = b"\x1f\x8b"
#: A tag, or a byte order mark of UTF-8 or UTF-16.
_XML = (b"<", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
_ENTITY_HEAD = b"Content-Type: application/xml\r\nContent-Transfer-Encoding: binary\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Content:
    """The plain XML: size in bytes, hash, and the layers that were around it (``mime``, ``gzip``), outermost first."""

    size: int
    sha256: str
    layers: tuple[str, ...] = ()


def open_content(source: BinaryIO, out: BinaryIO, *, limit: int) -> Content:
    """Write the plain XML to ``out``, at most ``limit`` bytes of it.

    BadMessage: no XML in there, a layer is broken or cut, or it expands beyond the limit; then whoever called must
    throw away what was written. That it begins like XML is all that is known of it.
    """
    layers: list[str] = []
    digest, size = sha256(), 0
    for piece in _xml(pieces_of(source), layers, limit):
        size += len(piece)
        if size > limit:
            raise BadMessage("The content expands beyond what this receiver takes.", remedy="Agree on a larger size.")
        digest.update(piece)
        out.write(piece)
    return Content(size, digest.hexdigest(), tuple(layers))


def write_content(plain: BinaryIO, out: BinaryIO, *, zipped: bool = False, entity: bool = True) -> int:
    """Write plain XML as it goes into the encryption, as a MIME entity or bare; the number of bytes written."""
    head = _ENTITY_HEAD if entity else b""
    out.write(head)
    size = len(head)
    for piece in _deflated(pieces_of(plain)) if zipped else pieces_of(plain):
        out.write(piece)
        size += len(piece)
    return size


def as_entity(plain: BinaryIO, size: int) -> tuple[BinaryIO, int]:
    """Plain XML of ``size`` bytes as a MIME entity to be read, and the size of that; nothing is held."""
    return cast(BinaryIO, _Preceded(_ENTITY_HEAD, plain)), len(_ENTITY_HEAD) + size


class _Preceded:
    """A stream with something in front."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, first of the head."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._rest.read(size)


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Gzip whose head names neither time nor file: the same content gives the same bytes."""
    packer = zlib.compressobj(6, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _xml(pieces: Iterator[bytes], layers: list[str], limit: int) -> Iterator[bytes]:
    start, pieces = _peeked(pieces)
    if start.startswith(_GZIP):
        return _xml(_inflated(pieces), _one_more(layers, "gzip"), limit)
    if start.lstrip().startswith(_XML):
        return pieces
    if not start:
        raise BadMessage("The content is empty.")
    return _xml(_unwrapped(pieces, limit), _one_more(layers, "mime"), limit)


def _one_more(layers: list[str], name: str) -> list[str]:
    if name in layers:
        raise _no_xml()
    layers.append(name)
    return layers


def _no_xml() -> BadMessage:
    return BadMessage("The content is neither XML, nor a MIME entity with XML, nor gzip of it.")


def _peeked(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, enough to see what it is, and all of them again."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= 1 << 10:
            break
    return start, chain((start,), pieces)


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """One gzip member and nothing behind it, in pieces however strongly it expands."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            if unpacker.eof and piece:
                raise BadMessage("Something follows the compressed content.")
            while piece and not unpacker.eof:
                yield unpacker.decompress(piece, CHUNK)
                piece = unpacker.unconsumed_tail
            if unpacker.unused_data:
                raise BadMessage("Something follows the compressed content.")
    except zlib.error:
        raise BadMessage("The compressed content is broken.", remedy="Ask for it again.") from None
    if not unpacker.eof:
        raise BadMessage("The compressed content is cut.", remedy="Ask for it again.")


def _unwrapped(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """The body of a MIME entity that is not in parts."""
    # No transfer encoding takes more than this, so what never becomes content cannot go on for ever either.
    stream = MimeStream(pieces, 4 * limit + HEAD_LIMIT)
    try:
        fields = read_fields(stream.head())
    except BadMessage:
        raise _no_xml() from None
    kind = fields.content_type.kind
    if not kind or kind.startswith("multipart/"):
        raise _no_xml()
    return decoded(stream.rest(), fields.transfer_encoding)
