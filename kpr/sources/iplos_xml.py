"""Reads an IPLOS document person by person, strictly by its shape: nothing in it is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.safe_xml import forget, stream
from kpr.messages.shape import CHILD_CLASSES, PayloadShape
from kpr.sources.contract import Batch
from kpr.sources.xml_rows import Rows, foreign, unknown_attribute


@dataclass
class _Leaves:
    """One class's place for each of its leaf elements: tag to column."""

    name: str
    columns: tuple[str, ...]
    by_tag: dict[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    def read(self, node: etree._Element, number: int, others: frozenset[str] = frozenset()) -> list[str | None]:
        """The row of one element; ``others`` are child classes that are read elsewhere. Nothing in it is passed over."""
        values: list[str | None] = [None] * len(self.columns)
        given = 0
        for index, key in enumerate(self.keys):
            values[index] = value = node.get(key)
            given += value is not None
        if len(node.attrib) > given:
            raise unknown_attribute(self.name, number)
        for child in node:
            tag = child.tag
            if tag in others or not isinstance(tag, str):
                continue
            index = self.by_tag.get(tag, -1)
            if index < 0 or values[index] is not None:
                raise foreign(tag, f"{self.name}, row {number}", twice=index >= 0)
            values[index] = (child.text or "") if len(child) == 0 else self._pieces(child, number)
            if child.keys():
                raise unknown_attribute(tag.rpartition("}")[2], number)
        return values

    def _pieces(self, leaf: etree._Element, number: int) -> str:
        """The text of a leaf that is broken by comments; an element in it is refused."""
        text = leaf.text or ""
        for inner in leaf:
            if isinstance(inner.tag, str):
                raise foreign(inner.tag, f"{self.name}, row {number}")
            text += inner.tail or ""
        return text


class IplosReader:
    """Reads an IPLOS document."""

    def __init__(self, shape: PayloadShape) -> None:
        self.shape = shape
        self.space = f"{{{shape.namespace}}}"
        self.leaves = {name: self._leaves(name) for name in shape.classes}
        self.children = frozenset(self.space + name for name in CHILD_CLASSES)
        columns = {"innhinfo": ("versjon", *shape["INNHINFO"].columns), "iikontakt": shape["iiKontakt"].columns}
        columns["person"] = shape["PERSON"].columns
        self.rows = Rows(columns | {name.lower(): shape[name].columns for name in CHILD_CLASSES})
        self.counts = dict.fromkeys(self.leaves, 0)
        self.parts = (f"{self.space}INNHINFO", f"{self.space}PERSON")
        self.headed = False

    def _leaves(self, name: str) -> _Leaves:
        shape = self.shape[name]
        by_tag = {self.space + element: len(shape.keys) + i for i, element in enumerate(shape.elements)}
        return _Leaves(name, shape.columns, by_tag, shape.keys)

    def read(self, source: BinaryIO) -> Iterator[Batch]:
        """All rows, persons first; BadMessage with the place when the document is not what it should be."""
        version: str | None = None
        root: int | None = None  # how deep IPLOS lies: 1, or deeper inside a message head
        depth = 0
        for event, element in stream(source, events=("start", "end")):
            if event == "start":
                depth += 1
                if root is None or depth <= root:
                    if element.tag.rpartition("}")[2] == "IPLOS":
                        self._check_format(element.tag, again=root is not None)
                        root, version = depth, element.get("versjon")
                elif depth == root + 1 and element.tag not in self.parts:
                    raise foreign(element.tag, "IPLOS")
                continue
            if root is not None and depth == root + 1:
                yield from self._part(element, version)
            depth -= 1
        if root is None:
            raise BadMessage("The file holds no IPLOS data.", remedy="Give the IPLOS file, not another one.")
        yield from self.rows.rest()

    def _part(self, element: etree._Element, version: str | None) -> Iterator[Batch]:
        """INNHINFO or a PERSON, at its end."""
        if element.tag == self.parts[0]:
            if self.headed:
                raise foreign(element.tag, "IPLOS", twice=True)
            self.headed = True
            self._header(element, version)
        elif element.tag == self.parts[1]:
            self._person(element)
            forget(element)
            yield from self.rows.full()

    def _check_format(self, tag: str, *, again: bool) -> None:
        if again:
            raise foreign(tag, "IPLOS", twice=True)
        if tag != f"{self.space}IPLOS":
            said, ours = _year_of(tag.rpartition("}")[0]), _year_of(self.shape.namespace)
            raise BadMessage(
                f"The file is in {said} format, and the data year's is {ours}.",
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


def _year_of(namespace: str) -> str:
    """The year of a format by its namespace; never text that somebody else wrote."""
    year = namespace.rpartition("/")[2]
    return f"the {year}" if len(year) == 4 and year.isascii() and year.isdigit() else "another"
