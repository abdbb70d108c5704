"""The only way in for XML that others wrote: no network, no DTD, no entities, nothing read twice.

A DOCTYPE is refused outright: no message of this family has one, and everything dangerous needs it. It is refused
on the bytes, before the parser: with a schema, libxml2 crashes on an entity in a stream, and with
``resolve_entities=False`` lxml 6.1 takes a truncated stream for a whole one. So entities stay "on", and can never
be declared.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.faults import named_in, schema_sentence

#: libxml2's codes for schema faults begin here (xmlerror.h: XML_SCHEMAV_*).
_FIRST_SCHEMA_CODE = 1800

#: What a receipt may be at most; receipts are kilobytes.
SMALL_LIMIT = 1 << 20

#: An XML declaration is shorter than this, so it can be judged as a whole.
_START = 512

_AGAIN = "Export it again and check that it was copied whole."
Event = Literal["start", "end"]


def stream(
    source: BinaryIO,
    *,
    events: tuple[Event, ...] = ("end",),
    tags: Sequence[str] | None = None,
    schema: etree.XMLSchema | None = None,
) -> Iterator[tuple[str, etree._Element]]:
    """Events of a document of any size. Whoever reads clears what it no longer needs (:func:`forget`).

    With ``tags`` only those elements make events, which is several times faster; the whole document is read anyway.

    BadMessage: not well-formed, not UTF-8 as declared, a DOCTYPE, or (with ``schema``) not valid. The text of the
    fault is ours: the parser's own would quote the value.
    """
    parser = etree.iterparse(
        _NoDoctype(source),
        events=events,
        tag=tags,
        schema=schema,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    try:
        yield from parser
    except etree.XMLSyntaxError as error:
        raise _fault(error, validated=schema is not None) from None


def forget(element: etree._Element) -> None:
    """Let go of an element that has been read, and of everything before it under the same parent."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def parse_small(data: bytes) -> etree._Element:
    """A whole small document; BadMessage when it is too large, not well-formed, or has a DOCTYPE."""
    if len(data) > SMALL_LIMIT:
        raise BadMessage("The document is too large for what it claims to be.", remedy="Have a person look at it.")
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False, huge_tree=False)
    try:
        return etree.fromstring(_NoDoctype(io.BytesIO(data)).read(-1), parser)
    except etree.XMLSyntaxError as error:
        raise _fault(error, validated=False) from None


_FORBIDDEN = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_DECLARED = re.compile(rb"""^<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = {b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"iso-8859-15", b"windows-1252"}


class _NoDoctype:
    """The stream as it is, unless it holds a DOCTYPE, or an encoding in which one could hide from us."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._tail = b""
        self._first = True

    def read(self, size: int) -> bytes:
        """As the source gives it; BadMessage when it must not be read."""
        data = self._start(size) if self._first else self._source.read(size)
        seen = self._tail + data
        if b"<!" in seen and _FORBIDDEN.search(seen):
            raise _doctype()
        self._tail = data[-8:] if len(data) >= 8 else (self._tail + data)[-8:]
        return data

    def _start(self, size: int) -> bytes:
        """The first bytes, enough of them to hold the whole XML declaration however slowly the source gives them."""
        self._first = False
        data = self._source.read(size)
        while 0 < len(data) < _START and (more := self._source.read(_START - len(data))):
            data += more
        _check_encoding(data)
        return data


def _check_encoding(start: bytes) -> None:
    plain = start.removeprefix(b"\xef\xbb\xbf")
    if not plain:
        raise BadMessage("The file is empty.", remedy=_AGAIN)
    declared = _DECLARED.match(plain)
    unknown = declared is not None and declared.group(1).lower() not in _ENCODINGS
    if unknown or start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in start[:4]:
        raise BadMessage("The file is not in UTF-8 or ISO-8859-1.", remedy="Export it again as UTF-8.")
    if not plain.lstrip().startswith(b"<"):  # EBCDIC, among others, which libxml2 would follow without being told
        raise BadMessage("The file is no XML.", remedy="Check that it is the right file, and not packed or encrypted.")


def _doctype() -> BadMessage:
    return BadMessage("The document has a DOCTYPE, which no message may have.", remedy="Export it again, without one.")


_KINDS = {
    "ERR_DOCUMENT_EMPTY": "The file is empty.",
    "ERR_INVALID_ENCODING": "The file is not in the encoding that it declares.",
    "ERR_INVALID_CHAR": "The file holds a character that XML does not allow.",
    "ERR_UNDECLARED_ENTITY": "The file uses an entity, which no message may have.",
    "ERR_RESOURCE_LIMIT": "A text in the file is longer than any message may hold.",
    "ERR_TAG_NOT_FINISHED": "The file ends too early: it was cut off.",
}


def _fault(error: etree.XMLSyntaxError, *, validated: bool) -> BadMessage:
    code = int(getattr(error, "code", None) or 0)  # there, but not in the stubs
    name = etree.ErrorTypes._getName(code) or ""
    if validated and code >= _FIRST_SCHEMA_CODE:
        return BadMessage(schema_sentence(name), place=named_in(str(error)), remedy="Build or export it again.")
    place = f"line {error.lineno}" if error.lineno else ""
    return BadMessage(
        _KINDS.get(name, "The file is not well-formed XML, or it was cut off."), place=place, remedy=_AGAIN
    )
