"""Reads an ident document, strictly by its shape: it is where the identities are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.safe_xml import forget, stream
from kpr.sources.contract import IDENT_COLUMNS, KONTAKTPERSON_COLUMNS, MELDING_COLUMNS, Batch, Row
from kpr.sources.xml_rows import Rows, foreign, unknown_attribute

_IDENT_NAMESPACE = re.compile(r"http://www\.npr\.no/xmlstds/\d+_\d+_\d+_ide")

#: What may stand in what, and each one's attributes.
_IDENT_CHILDREN = {"Melding": ("Kontaktperson", "Institusjon"), "Institusjon": ("PasientIdent",)}
_IDENT_ATTRIBUTES = {
    "Melding": MELDING_COLUMNS,
    "Kontaktperson": KONTAKTPERSON_COLUMNS,
    "Institusjon": IDENT_COLUMNS[:1],
    "PasientIdent": IDENT_COLUMNS[1:],
}


class IdentReader:
    """Reads an ident document of any version of its family: its names have not changed."""

    def __init__(self) -> None:
        columns = {"melding": MELDING_COLUMNS, "kontaktperson": KONTAKTPERSON_COLUMNS, "ident": IDENT_COLUMNS}
        self.rows = Rows(columns)
        self.space = ""
        self.path: list[str] = []  # the open elements from Melding on, without namespace
        self.count = 0
        self.institution: str | None = None

    def read(self, source: BinaryIO) -> Iterator[Batch]:
        """All rows; BadMessage with the place when the document is not what it should be."""
        found = False
        for event, element in stream(source, events=("start", "end")):
            if event == "end":
                if self.path and self.path.pop() == "PasientIdent":
                    forget(element)
                    yield from self.rows.full()
            elif self.path:
                self._inside(element)
            elif element.tag.rpartition("}")[2] == "Melding":
                self._melding(element, again=found)
                found = True
        if not found:
            raise BadMessage("The file holds no ident data.", remedy="Give the ident file, not another one.")
        yield from self.rows.rest()

    def _melding(self, element: etree._Element, *, again: bool) -> None:
        if again:
            raise foreign("Melding", "Melding", twice=True)
        namespace = etree.QName(element).namespace or ""
        if not _IDENT_NAMESPACE.fullmatch(namespace):
            raise BadMessage("The file is no ident message of this family.", place="Melding", remedy="Check the file.")
        self.space = f"{{{namespace}}}"
        self.path = ["Melding"]
        self.rows.add("melding", self._attributes(element, "Melding"))

    def _inside(self, element: etree._Element) -> None:
        name = element.tag.removeprefix(self.space)
        if name not in _IDENT_CHILDREN.get(self.path[-1], ()):
            raise foreign(element.tag, f"{self.path[-1]}, person {self.count}" if self.count else self.path[-1])
        self.path.append(name)
        values = self._attributes(element, name)
        if name == "Institusjon":
            self.institution = values[0]
        elif name == "Kontaktperson":
            self.rows.add("kontaktperson", values)
        else:
            self.count += 1
            self.rows.add("ident", (self.institution, *values))

    def _attributes(self, element: etree._Element, name: str) -> Row:
        columns = _IDENT_ATTRIBUTES[name]
        values = tuple(element.get(column) for column in columns)
        known = len(values) - values.count(None)
        # A namespaced attribute is no value: schema instance hints stand on the root of many exports.
        if len(element.attrib) > known and any(
            not str(key).startswith("{") for key in set(element.attrib) - set(columns)
        ):
            raise unknown_attribute(name, self.count)
        return values
