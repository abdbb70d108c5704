"""The only way in for XML that others wrote: no network, no DTD, no entities, nothing read twice.

A DOCTYPE is refused outright: no message of this family has one, and everything dangerous needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal

from lxml import etree

from kpr.errors import BadMessage

#: libxml2's codes for schema faults begin here (xmlerror.h: XML_SCHEMAV_*).
_FIRST_SCHEMA_CODE = 1800

#: What a receipt may be at most; receipts are kilobytes.
SMALL_LIMIT = 1 << 20

Event = Literal["start", "end"]


def stream(
    source: BinaryIO, *, events: tuple[Event, ...] = ("end",), schema: etree.XMLSchema | None = None
) -> Iterator[tuple[str, etree._Element]]:
    """Events of a document of any size. Whoever reads clears what it no longer needs (:func:`forget`).

    BadMessage: not well-formed, not UTF-8 as declared, a DOCTYPE, or (with ``schema``) not valid. The text of the
    fault is ours: the parser's own would quote the value.
    """
    # resolve_entities=False together with a schema makes lxml end in silence at the first fault (6.1): so entities
    # are left to "internal", and none can exist, since a DOCTYPE is refused before any content is read.
    parser = etree.iterparse(
        source,
        events=("start", "end"),
        schema=schema,
        resolve_entities="internal",
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    root: etree._Element | None = None
    finished = False
    try:
        for event, element in parser:
            if root is None:
                root = element
                if root.getroottree().docinfo.internalDTD is not None:
                    raise _doctype()
            finished = event == "end" and element is root
            if event in events:
                yield event, element
    except etree.XMLSyntaxError as error:
        raise _fault(error, validated=schema is not None) from None
    if not finished:
        raise BadMessage("The file ends too early: it was cut off.", remedy="Export it again, and copy it whole.")


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
    parser = etree.XMLParser(resolve_entities="internal", load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _fault(error, validated=False) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    return root


def _doctype() -> BadMessage:
    return BadMessage("The document has a DOCTYPE, which no message may have.", remedy="Export it again, without one.")


def _fault(error: etree.XMLSyntaxError, *, validated: bool) -> BadMessage:
    place = f"line {error.lineno}" if error.lineno else ""
    code = getattr(error, "code", None)
    if validated and (code or 0) >= _FIRST_SCHEMA_CODE:
        return BadMessage("The message does not follow its schema.", place=place, remedy="Build or export it again.")
    kinds = {
        "XML_ERR_DOCUMENT_EMPTY": "The file is empty.",
        "XML_ERR_INVALID_ENCODING": "The file is not in the encoding that it declares.",
        "XML_ERR_INVALID_CHAR": "The file holds a character that XML does not allow.",
        "XML_ERR_TAG_NOT_FINISHED": "The file ends too early: it was cut off.",
    }
    name = etree.ErrorTypes._getName(code) if code else ""  # type: ignore[attr-defined]
    problem = kinds.get(name or "", "The file is not well-formed XML, or it was cut off.")
    return BadMessage(problem, place=place, remedy="Export it again and check that it was copied whole.")
