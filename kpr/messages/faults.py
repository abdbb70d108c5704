"""What libxml2 found, in our own words: a sentence, and a place (person, class, element and row), never the value.

The parser's own messages quote values, so nothing of them is passed on but the names of elements and attributes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

from kpr.errors import BadMessage

#: libxml2's fault types, as sentences. What is not here is "does not follow the schema".
_SENTENCES = (
    ("ELEMENT_CONTENT", "An element is missing, out of order, or not allowed here."),
    ("COMPLEX_TYPE_4", "A required key is missing."),
    ("COMPLEX_TYPE_3", "A key is not allowed here."),
    ("IDC", "A key stands twice."),
    ("DATATYPE", "A value is not of the kind that the schema wants."),
    ("PATTERN", "A value does not have the form that the schema wants."),
    ("LENGTH", "A value is too long or too short for the schema."),
    ("ENUMERATION", "A value is not one of the codes that the schema allows."),
    ("DIGITS", "A number has more digits than the schema allows."),
)
_OTHERWISE = "The message does not follow its schema."

#: Names of our formats are letters, and perhaps a digit at the end; anything else in this place could be a value in disguise.
_ELEMENT = re.compile(r"Element '(?:\{[^}]*\})?([A-Za-z]{1,40}[0-9]?)'")
_ATTRIBUTE = re.compile(r"attribute '([A-Za-z]{1,40}[0-9]?)'")
_MISSING = re.compile(r"Expected is (?:one of )?\( (?:\{[^}]*\})?([A-Za-z]{1,40}[0-9]?)")
_LOCAL_KEY = re.compile(r"[0-9]{1,10}", re.ASCII)
_MEND = "Mend it in the care-record system and extract again."


def local_key(key: str | None) -> str:
    """A local person key as it may be shown: 1-10 digits (I08). Anything else could be a national id (I09)."""
    return key if key and _LOCAL_KEY.fullmatch(key) else "(key not shown)"


def schema_sentence(type_name: str) -> str:
    """The sentence for one of libxml2's schema fault types (``SCHEMAV_CVC_…``)."""
    return next((text for part, text in _SENTENCES if part in type_name), _OTHERWISE)


def named_in(message: str) -> str:
    """The attribute or missing element that a fault is about, else the element itself; empty when it names none."""
    found = _ATTRIBUTE.search(message) or _MISSING.search(message) or _ELEMENT.search(message)
    return found.group(1) if found else ""


@dataclass(slots=True)
class FaultPlace:
    """The local key of the person being written, and the row numbers of its children in order."""

    person: str
    row: int
    rows: dict[str, list[int]] = field(default_factory=dict)

    def at(self, name: str, row: int) -> str:
        """Remember a row of a class, and its place as text."""
        self.rows.setdefault(name, []).append(row)
        return f"person {local_key(self.person)}, {name}, row {row}"


def fault_of(person: etree._Element, schema: etree.XMLSchema, places: FaultPlace) -> BadMessage:
    """The first fault as an error with its place."""
    error = schema.error_log[0]  # type: ignore[index]
    node = _node(person, error.path)
    owner = node if _name(node) in places.rows else node.getparent()
    owner = person if owner is None else owner
    name = _name(owner)
    row = places.rows[name][_position(owner)]
    return _fault(error, f"person {local_key(places.person)}, {name}, row {row}", name)


def fault_in(schema: etree.XMLSchema, place: str, name: str) -> BadMessage:
    """The first fault of something small whose place is known already: a header, a contact, one row."""
    return _fault(schema.error_log[0], place, name)  # type: ignore[index]


def _fault(error: etree._LogEntry, place: str, name: str) -> BadMessage:
    element = named_in(error.message)
    closer = f"{place}, {element}" if element and element != name else place
    return BadMessage(schema_sentence(error.type_name), place=closer, remedy=_MEND)


def _node(person: etree._Element, path: str | None) -> etree._Element:
    found = person.xpath(path) if path else []
    return found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else person


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname


def _position(node: etree._Element) -> int:
    return sum(1 for _ in node.itersiblings(node.tag, preceding=True))


def not_xml(place: str) -> BadMessage:
    """A value with a character that XML does not allow."""
    return BadMessage(
        "A value holds a character that XML does not allow.",
        place=place,
        remedy="Remove control characters in the care-record system and extract again.",
    )
