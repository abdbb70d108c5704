"""Where a person's subtree breaks the schema: person, class, element and row, and never the value."""

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
    ("DATATYPE", "A value is not of the kind that the schema wants."),
    ("PATTERN", "A value does not have the form that the schema wants."),
    ("LENGTH", "A value is too long or too short for the schema."),
    ("ENUMERATION", "A value is not one of the codes that the schema allows."),
    ("DIGITS", "A number has more digits than the schema allows."),
)
_OTHERWISE = "A person does not follow the schema."
_ATTRIBUTE = re.compile(r"attribute '(\w+)'")
_MISSING = re.compile(r"Expected is (?:one of )?\( (?:\{[^}]*\})?(\w+)")


@dataclass(slots=True)
class FaultPlace:
    """The local key of the person being written, and the row numbers of its children in order."""

    person: str
    row: int
    rows: dict[str, list[int]] = field(default_factory=dict)

    def at(self, name: str, row: int) -> str:
        """Remember a row of a class, and its place as text."""
        self.rows.setdefault(name, []).append(row)
        return f"person {self.person}, {name}, row {row}"


def fault_of(person: etree._Element, schema: etree.XMLSchema, places: FaultPlace) -> BadMessage:
    """The first fault as an error with its place."""
    error = schema.error_log[0]  # type: ignore[index]
    node = _node(person, error.path)
    owner = node if _name(node) in places.rows else node.getparent()
    owner = person if owner is None else owner
    name = _name(owner)
    row = places.rows[name][_position(owner)]
    sentence = next((text for part, text in _SENTENCES if part in error.type_name), _OTHERWISE)
    element = _element(error.message, node, owner)
    place = f"person {places.person}, {name}, row {row}" + (f", {element}" if element else "")
    return BadMessage(sentence, place=place, remedy="Mend it in the care-record system and extract again.")


def _node(person: etree._Element, path: str | None) -> etree._Element:
    found = person.xpath(path) if path else []
    return found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else person


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname


def _position(node: etree._Element) -> int:
    return sum(1 for _ in node.itersiblings(node.tag, preceding=True))


def _element(message: str, node: etree._Element, owner: etree._Element) -> str:
    if found := _ATTRIBUTE.search(message) or _MISSING.search(message):
        return found.group(1)
    return "" if node is owner else _name(node)


def not_xml(place: str) -> BadMessage:
    """A value with a character that XML does not allow."""
    return BadMessage(
        "A value holds a character that XML does not allow.",
        place=place,
        remedy="Remove control characters in the care-record system and extract again.",
    )
