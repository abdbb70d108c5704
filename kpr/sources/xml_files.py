"""The XML that the care-record system exported: an IPLOS file and an ident file, bare or inside a message head.

Read one person at a time, in bounded memory. Values come through as they stand, right or wrong, so that the checks
can find them; only what cannot be laid in a table is refused here: foreign elements, a leaf twice, another format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lxml import etree

from kpr.errors import BadExtract, BadMessage
from kpr.messages.safe_xml import forget, stream
from kpr.messages.shape import CHILD_CLASSES, PayloadShape
from kpr.sources.contract import BATCH_ROWS, IDENT_COLUMNS, KONTAKTPERSON_COLUMNS, MELDING_COLUMNS, Batch, Row

Opener = Callable[[], BinaryIO]
_IDENT_NAMESPACE = re.compile(r"http://www\.npr\.no/xmlstds/\d+_\d+_\d+_ide")


def opener(path: Path) -> Opener:
    """Opens a file for reading; BadExtract when it is not there."""

    def open_it() -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as error:
            reason = error.strerror or "it is not there"
            raise BadExtract(
                f"The file cannot be opened: {reason}.", place=path.name, remedy="Check the name and the folder."
            ) from None

    return open_it


@dataclass(frozen=True, slots=True)
class XmlSource:
    """Both files of an export; either may be missing, and what is missing is found by the checks."""

    shape: PayloadShape
    iplos: Opener | None
    ident: Opener | None
    names: tuple[str, str] = ("IPLOS file", "ident file")

    def batches(self) -> Iterator[Batch]:
        """All rows of both files; BadExtract with the file's name when one cannot be read."""
        readers = ((self.iplos, _IplosReader(self.shape), self.names[0]), (self.ident, _IdentReader(), self.names[1]))
        for open_it, reader, name in readers:
            if open_it is None:
                continue
            with open_it() as source:
                try:
                    yield from reader.read(source)
                except BadMessage as error:
                    place = f"{name}, {error.place}" if error.place else name
                    raise BadExtract(error.problem, place=place, remedy=error.remedy) from None


class _Rows:
    """Collects rows per table and gives them out in batches."""

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        self.columns = columns
        self.rows: dict[str, list[Row]] = {table: [] for table in columns}
        self.persons: dict[str, list[int]] = {table: [] for table in columns}

    def add(self, table: str, row: Row, person: int | None = None) -> None:
        self.rows[table].append(row)
        if person is not None:
            self.persons[table].append(person)

    def full(self) -> Iterator[Batch]:
        """Everything, as soon as one table has a whole batch; persons first."""
        if any(len(rows) >= BATCH_ROWS for rows in self.rows.values()):
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        for table, rows in self.rows.items():
            if rows:
                yield Batch(table, self.columns[table], rows, self.persons[table] or None)
                self.rows[table], self.persons[table] = [], []


@dataclass
class _Leaves:
    """One class's place for each of its leaf elements: tag to column."""

    name: str
    columns: tuple[str, ...]
    by_tag: dict[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    def read(self, node: etree._Element, number: int, others: frozenset[str] = frozenset()) -> list[str | None]:
        """The row of one element; ``others`` are child classes that are read elsewhere."""
        values: list[str | None] = [None] * len(self.columns)
        for index, key in enumerate(self.keys):
            values[index] = node.get(key)
        for child in node:
            tag = child.tag
            if tag in others or not isinstance(tag, str):
                continue
            index = self.by_tag.get(tag, -1)
            if index < 0 or values[index] is not None:
                raise self._foreign(tag, number, twice=index >= 0)
            values[index] = child.text or ""
        return values

    def _foreign(self, tag: str, number: int, *, twice: bool) -> BadMessage:
        name = tag.rpartition("}")[2]
        problem = f"The element {name} stands twice." if twice else f"The element {name} does not belong here."
        remedy = "Have the vendor export in the format of the data year."
        return BadMessage(problem, place=f"{self.name}, row {number}", remedy=remedy)


class _IplosReader:
    """Reads an IPLOS document."""

    def __init__(self, shape: PayloadShape) -> None:
        self.shape = shape
        self.space = f"{{{shape.namespace}}}"
        self.leaves = {name: self._leaves(name) for name in shape.classes}
        self.children = frozenset(self.space + name for name in CHILD_CLASSES)
        columns = {"innhinfo": ("versjon", *shape["INNHINFO"].columns), "iikontakt": shape["iiKontakt"].columns}
        columns["person"] = shape["PERSON"].columns
        self.rows = _Rows(columns | {name.lower(): shape[name].columns for name in CHILD_CLASSES})
        self.counts = dict.fromkeys(self.leaves, 0)

    def _leaves(self, name: str) -> _Leaves:
        shape = self.shape[name]
        by_tag = {self.space + element: len(shape.keys) + i for i, element in enumerate(shape.elements)}
        return _Leaves(name, shape.columns, by_tag, shape.keys)

    def read(self, source: BinaryIO) -> Iterator[Batch]:
        version: str | None = None
        found = False
        for event, element in stream(source, events=("start", "end")):
            tag = element.tag
            if event == "start" and not found and tag.endswith("}IPLOS"):
                self._check_format(tag)
                found, version = True, element.get("versjon")
            elif event == "end" and tag == f"{self.space}INNHINFO":
                self._header(element, version)
            elif event == "end" and tag == f"{self.space}PERSON":
                self._person(element)
                forget(element)
                yield from self.rows.full()
        if not found:
            raise BadMessage("The file holds no IPLOS data.", remedy="Give the IPLOS file, not another one.")
        yield from self.rows.rest()

    def _check_format(self, tag: str) -> None:
        if tag != f"{self.space}IPLOS":
            said = tag.removesuffix("}IPLOS").rpartition("/")[2]
            raise BadMessage(
                f"The file is in another format ({said}) than the data year's ({self.shape.namespace.rpartition('/')[2]}).",
                place="IPLOS",
                remedy="Give the file of the right data year, or choose its data year.",
            )

    def _header(self, element: etree._Element, version: str | None) -> None:
        contact = f"{self.space}iiKontakt"
        for node in element.findall(contact):
            self.counts["iiKontakt"] += 1
            self.rows.add("iikontakt", tuple(self.leaves["iiKontakt"].read(node, self.counts["iiKontakt"])))
        self.rows.add("innhinfo", (version, *self.leaves["INNHINFO"].read(element, 1, frozenset({contact}))))

    def _person(self, element: etree._Element) -> None:
        self.counts["PERSON"] += 1
        number = self.counts["PERSON"]
        self.rows.add("person", tuple(self.leaves["PERSON"].read(element, number, self.children)))
        for child in element:
            if child.tag in self.children:
                name = child.tag.rpartition("}")[2]
                self.counts[name] += 1
                self.rows.add(name.lower(), tuple(self.leaves[name].read(child, self.counts[name])), number)


class _IdentReader:
    """Reads an ident document of any version of its family: its names have not changed."""

    def __init__(self) -> None:
        columns = {"melding": MELDING_COLUMNS, "kontaktperson": KONTAKTPERSON_COLUMNS, "ident": IDENT_COLUMNS}
        self.rows = _Rows(columns)
        self.institution: str | None = None

    def read(self, source: BinaryIO) -> Iterator[Batch]:
        found = False
        for event, element in stream(source, events=("start", "end")):
            name = element.tag.rpartition("}")[2]
            if event == "start" and name == "Melding" and not found:
                found = True
                self._check_format(element)
                self.rows.add("melding", self._attributes(element, MELDING_COLUMNS))
            elif event == "start" and name == "Institusjon":
                self.institution = element.get("institusjonID")
            elif event == "end" and name == "Kontaktperson":
                self.rows.add("kontaktperson", self._attributes(element, KONTAKTPERSON_COLUMNS))
            elif event == "end" and name == "PasientIdent":
                self.rows.add("ident", (self.institution, *self._attributes(element, IDENT_COLUMNS[1:])))
                forget(element)
                yield from self.rows.full()
        if not found:
            raise BadMessage("The file holds no ident data.", remedy="Give the ident file, not another one.")
        yield from self.rows.rest()

    @staticmethod
    def _check_format(element: etree._Element) -> None:
        if not _IDENT_NAMESPACE.fullmatch(etree.QName(element).namespace or ""):
            raise BadMessage("The file is no ident message of this family.", place="Melding", remedy="Check the file.")

    @staticmethod
    def _attributes(element: etree._Element, columns: tuple[str, ...]) -> Row:
        unknown = set(element.attrib) - set(columns)
        if unknown:
            name = element.tag.rpartition("}")[2]
            raise BadMessage(
                f"{name} has an attribute that the format does not know.", place=name, remedy="Ask the vendor."
            )
        return tuple(element.get(name) for name in columns)
