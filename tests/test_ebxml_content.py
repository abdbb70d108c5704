"""What stands inside the encryption: every form of it gives the same XML, and what expands, or is no XML, is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import subprocess
import tracemalloc
import zlib
from base64 import encodebytes
from email.message import EmailMessage
from hashlib import sha256
from quopri import encodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.errors import BadMessage
from kpr.messages.ebxml.content import Content, as_entity, open_content, write_content

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<MsgHead navn="Ærlig Øst"/>\n'.encode()
LIMIT = 1 << 20
BASE64 = b"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n"
BINARY = b"content-type: application/xml\nContent-Transfer-Encoding: binary\n\n"


def opened(data: bytes, *, limit: int = LIMIT) -> tuple[bytes, Content]:
    """The plain XML, and what is said of it."""
    out = io.BytesIO()
    content = open_content(io.BytesIO(data), out, limit=limit)
    return out.getvalue(), content


def by_email(encoding: str) -> bytes:
    """The entity as Python's own library makes it."""
    message = EmailMessage()
    message.set_content(XML, "application", "xml", cte=encoding)
    return message.as_bytes()


FORMS: list[tuple[bytes, tuple[str, ...]]] = [
    (XML, ()),
    (b"\xef\xbb\xbf" + XML, ()),
    (b"\r\n  " + XML, ()),
    (XML.decode().encode("utf-16"), ()),
    (gzip.compress(XML), ("gzip",)),
    (BASE64 + encodebytes(XML), ("mime",)),
    (BINARY + XML, ("mime",)),
    (b"Content-Type: text/xml\r\n\r\n" + XML, ("mime",)),
    (b"MIME-Version: 1.0\r\nContent-Type:\r\n\tapplication/xml\r\n\r\n" + XML, ("mime",)),
    (BINARY.replace(b"binary", b"Quoted-Printable") + encodestring(XML), ("mime",)),
    (BASE64 + encodebytes(gzip.compress(XML)), ("mime", "gzip")),
    (BINARY.replace(b"xml", b"gzip") + gzip.compress(XML), ("mime", "gzip")),
    (gzip.compress(BASE64 + encodebytes(XML)), ("gzip", "mime")),
]


@pytest.mark.parametrize(("data", "layers"), FORMS, ids=range(len(FORMS)))
def test_every_form_gives_the_same_xml(data: bytes, layers: tuple[str, ...]) -> None:
    """Bare, compressed, as an entity in any transfer encoding, or both: the XML comes out, and its layers are named."""
    plain, content = opened(data)
    wanted = data if not layers else XML
    assert plain == wanted
    assert content == Content(len(wanted), sha256(wanted).hexdigest(), layers)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit", "binary"])
def test_entities_of_the_standard_library_are_read(encoding: str) -> None:
    """Whatever transfer encoding Python's library writes is undone; it adds a line end to what is not encoded."""
    assert opened(by_email(encoding))[0].strip() == XML.strip()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.booleans(), st.booleans())
def test_what_is_written_is_read_again(rest: bytes, zipped: bool, entity: bool) -> None:
    """All four ways to write give the XML back, and the number of bytes is told rightly."""
    plain, out = b"<" + rest, io.BytesIO()
    assert write_content(io.BytesIO(plain), out, zipped=zipped, entity=entity) == len(out.getvalue())
    assert opened(out.getvalue())[0] == plain


def test_what_is_compressed_is_always_the_same() -> None:
    """Gzip without time and name: the same content gives the same bytes, and other programs read them."""
    first, second = io.BytesIO(), io.BytesIO()
    write_content(io.BytesIO(XML), first, zipped=True, entity=False)
    write_content(io.BytesIO(XML), second, zipped=True, entity=False)
    assert first.getvalue() == second.getvalue()
    assert first.getvalue()[3:8] == bytes(5)  # no name, no time
    assert gzip.decompress(first.getvalue()) == XML
    assert subprocess.run(["gzip", "-dc"], input=first.getvalue(), capture_output=True, check=True).stdout == XML


def test_the_entity_is_one_to_the_standard_library() -> None:
    """What we write by default has type, transfer encoding and content as HITS 1172 s. 5.15.1 asks for."""
    from email import message_from_bytes

    out = io.BytesIO()
    write_content(io.BytesIO(XML), out)
    message = message_from_bytes(out.getvalue())
    assert (message.get_content_type(), message["Content-Transfer-Encoding"]) == ("application/xml", "binary")
    assert message.get_payload(decode=True) == XML


ZIPPED = gzip.compress(XML)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"ISA^00^", "neither XML"),
        (b"\x30\x82\x01\x00\x06\x09", "neither XML"),
        (b"name: value\r\n\r\n" + XML, "neither XML"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n<a/>\r\n--b--", "neither XML"),
        (BASE64, "is empty"),
        (BASE64 + encodebytes(b"text"), "neither XML"),
        (BASE64 + encodebytes(BASE64 + encodebytes(XML)), "neither XML"),
        (gzip.compress(ZIPPED), "neither XML"),
        (gzip.compress(BASE64 + encodebytes(ZIPPED)), "neither XML"),
        (BASE64 + b"PGE=PGE=", "not base64"),
        (BASE64.replace(b"base64", b"x-own") + XML, "unknown transfer encoding"),
        (ZIPPED[:-1], "is cut"),
        (ZIPPED[:-8], "is cut"),
        (ZIPPED[:20], "is cut"),
        (ZIPPED + b"\0", "follows the compressed"),
        (ZIPPED + ZIPPED, "follows the compressed"),
        (ZIPPED[:-1] + b"\xff", "is broken"),
        (ZIPPED[:-8] + bytes(8), "is broken"),
        (b"\x1f\x8b" + bytes(30), "is broken"),
        (BINARY + ZIPPED + b"\r\n", "follows the compressed"),
    ],
)
def test_what_holds_no_xml_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    """Other content, broken layers, cut or followed by more, and layers within layers of their own kind."""
    with pytest.raises(BadMessage, match=sentence):
        opened(data)


class Pieces(io.RawIOBase):
    """A stream that gives just these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = iter(pieces)

    def read(self, size: int = -1) -> bytes:
        """The next one."""
        return next(self.pieces, b"")


@pytest.mark.parametrize("cut", [0, 1, 8])
def test_what_follows_is_refused_wherever_the_pieces_end(cut: int) -> None:
    """Gzip ends where a piece of the stream ends, or shortly before or after: what follows is seen all the same."""
    data = gzip.compress(b"<" + random.Random(1).randbytes(5000))
    head, tail = data[: len(data) - cut], data[len(data) - cut :]
    open_content(Pieces(head, *([tail] if cut else [])), io.BytesIO(), limit=LIMIT)  # type: ignore[arg-type]
    with pytest.raises(BadMessage, match="follows the compressed"):
        open_content(Pieces(head, *([tail] if cut else []), b"x"), io.BytesIO(), limit=LIMIT)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", [lambda xml: xml, gzip.compress, lambda xml: BASE64 + encodebytes(xml)])
def test_the_limit_is_for_the_plain_xml(layer: object) -> None:
    """So many bytes are taken, one more is not, whatever they were packed in."""
    data = layer(XML)  # type: ignore[operator]
    assert opened(data, limit=len(XML))[0] == XML
    with pytest.raises(BadMessage, match="expands beyond"):
        opened(data, limit=len(XML) - 1)


def bomb(start: bytes, size: int) -> bytes:
    """Very little gzip for very many bytes."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(start)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join((*parts, packer.flush()))


@pytest.mark.parametrize("start", [b"<a>", BINARY + b"<a>"])
def test_a_bomb_is_refused_at_the_limit(start: bytes) -> None:
    """400 MB in 400 KB are refused when the limit is reached, in little memory, and no more than it was written."""
    data, out = bomb(start, 400 << 20), io.BytesIO()
    assert len(data) < 500 << 10
    tracemalloc.start()
    with pytest.raises(BadMessage, match="expands beyond"):
        open_content(io.BytesIO(data), out, limit=LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert len(out.getvalue()) <= LIMIT


def test_a_bomb_that_never_becomes_content_is_refused_too() -> None:
    """Compressed base64 that is all blanks gives no byte of content, and ends at a bound all the same."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(BASE64), *(packer.compress(b"\n" * (1 << 20)) for _ in range(64)), packer.flush()]
    with pytest.raises(BadMessage, match="larger than this receiver"):
        opened(b"".join(parts))


def test_a_head_that_never_ends_is_no_entity() -> None:
    """A head without an end is given up at 64 KiB."""
    with pytest.raises(BadMessage, match="neither XML"):
        opened(b"Content-Type: application/xml\r\n" * 100_000, limit=64 << 20)


def test_a_large_content_passes_in_little_memory() -> None:
    """32 MB compressed inside an entity come out with a few MB of memory."""
    data, size = bomb(BINARY + b"<", 32 << 20), 0

    class Sink(io.RawIOBase):
        """Counts."""

        def write(self, data: bytes) -> int:  # type: ignore[override]
            """Count."""
            nonlocal size
            size += len(data)
            return len(data)

    tracemalloc.start()
    open_content(io.BytesIO(data), Sink(), limit=64 << 20)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert size == (32 << 20) + 1


GOOD = BASE64 + encodebytes(gzip.compress(XML * 20, mtime=0))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 3), st.binary(max_size=3))
def test_a_spoiled_content_never_passes_as_another(at: int, gone: int, more: bytes) -> None:
    """A change within the layers is refused, or changes nothing: gzip has a checksum."""
    with contextlib.suppress(BadMessage):
        plain, content = opened(GOOD[:at] + more + GOOD[at + gone :])
        assert plain == XML * 20 or "gzip" not in content.layers


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused_or_begins_like_xml(noise: bytes) -> None:
    """Arbitrary bytes give no other error than a BadMessage, and pass only as what they are."""
    with contextlib.suppress(BadMessage):
        assert opened(noise)[0] == noise


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_entity_that_is_read_is_the_one_that_is_written(size: int) -> None:
    """However it is asked for, the same bytes as ``write_content`` makes, and as many as were told."""
    plain, written = b"<a>" + bytes(range(32, 127)) * 9 + b"</a>", io.BytesIO()
    write_content(io.BytesIO(plain), written)
    stream, told = as_entity(io.BytesIO(plain), len(plain))
    read = b"".join(iter(lambda: stream.read(size), b""))
    assert (read, len(read)) == (written.getvalue(), told)
