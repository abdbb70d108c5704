"""The XML that a care-record system exports: both files at once, person by person, in bounded memory.

Not validated, and not by the writers of :mod:`kpr.messages`: faults come through as they would from a real system,
and the readers are tried on something that their own side did not write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from lxml import etree

from kpr.messages.schemas import default_namespace, namespace_of
from kpr.messages.shape import CHILD_CLASSES, PayloadShape, iplos_shape
from kpr.sources.contract import IDENT_COLUMNS, KONTAKTPERSON_COLUMNS, Batch, Row, Source
from kpr.years import Year

_CHILDREN = tuple(name.lower() for name in CHILD_CLASSES)

#: The rows that stand before the first person, or that belong to some persons: batch by table.
_Round = dict[str, Batch]


def write_xml(source: Source, year: Year, folder: Path) -> tuple[Path, Path]:
    """IPLOS.xml and IDENT.xml in the folder, as the source has the rows.

    The source gives the heads first, then rounds: one batch of persons, and at most one batch per table with all that
    belongs to them, its ``persons`` filled. :class:`kpr.synth.SyntheticMunicipality` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "IPLOS.xml", folder / "IDENT.xml"
    rounds = _rounds(source)
    heads = next(rounds)
    with ExitStack() as stack:
        files = [stack.enter_context(etree.xmlfile(str(path), encoding="UTF-8")) for path in paths]
        iplos = _Iplos(files[0], iplos_shape(year.iplos_version.value))
        ident = _Ident(files[1], namespace_of("ident", year.ident_version.value))
        stack.enter_context(iplos.open(heads))
        stack.enter_context(ident.open(heads))
        first = 1
        for part in rounds:
            iplos.persons(part, first)
            ident.persons(part)
            first += len(part["person"].rows)
        ident.close()
    return paths


def _rounds(source: Source) -> Iterator[_Round]:
    """The heads, then the persons with what belongs to them."""
    part: _Round = {}
    for batch in source.batches():
        if batch.table == "person":
            yield part
            part = {}
        part[batch.table] = batch
    yield part


def _rows(part: _Round, table: str) -> Iterator[Mapping[str, str]]:
    """The values of each row, those that are there."""
    if table in part:
        columns = part[table].columns
        for row in part[table].rows:
            yield {name: value for name, value in zip(columns, row, strict=True) if value is not None}


class _Iplos:
    """Writes an IPLOS document."""

    def __init__(self, xf: etree._IncrementalFileWriter, shape: PayloadShape) -> None:
        self.xf, self.shape, self.space = xf, shape, f"{{{shape.namespace}}}"
        self.nsmap = default_namespace(shape.namespace)
        self.tags = {name: self.space + name for kind in shape.classes.values() for name in kind.elements}

    def open(self, heads: _Round) -> ExitStack:
        """Open the root, and write INNHINFO into it."""
        said = dict(next(_rows(heads, "innhinfo"), {}))
        attributes = {"versjon": said.pop("versjon")} if "versjon" in said else {}
        stack = ExitStack()
        self.xf.write_declaration()
        stack.enter_context(self.xf.element(f"{self.space}IPLOS", attributes, nsmap=self.nsmap))
        node = etree.Element(f"{self.space}INNHINFO", nsmap=self.nsmap)
        for name in self.shape["INNHINFO"].elements:
            if name == "iiFraDato":  # the contact persons stand before it
                for contact in _rows(heads, "iikontakt"):
                    self._leaves(etree.SubElement(node, f"{self.space}iiKontakt"), contact)
            self._leaves(node, {name: said[name]} if name in said else {})
        self.xf.write(node)
        return stack

    def persons(self, part: _Round, first: int) -> None:
        """Each person with all rows of its classes; ``first`` is the row number of the round's first person."""
        keys, columns = self.shape["PERSON"].keys, part["person"].columns
        children = [(table, self._by_person(part[table])) for table in _CHILDREN if table in part]
        for number, row in enumerate(part["person"].rows, first):
            node = self._fill(etree.Element(f"{self.space}PERSON", nsmap=self.nsmap), keys, columns, row)
            for table, rows in children:
                kind = self.shape[table.upper()]
                for child in rows.get(number, ()):
                    made = etree.SubElement(node, self.space + kind.name)
                    self._fill(made, kind.keys, part[table].columns, child)
            self.xf.write(node)
            self.xf.write("\n")

    @staticmethod
    def _by_person(batch: Batch) -> dict[int, list[Row]]:
        grouped: dict[int, list[Row]] = {}
        for number, row in zip(batch.persons or (), batch.rows, strict=True):
            grouped.setdefault(number, []).append(row)
        return grouped

    def _fill(self, node: etree._Element, keys: tuple[str, ...], columns: tuple[str, ...], row: Row) -> etree._Element:
        for name, value in zip(columns, row, strict=True):
            if value is None:
                continue
            if name in keys:
                node.set(name, value)
            else:
                etree.SubElement(node, self.tags[name]).text = value
        return node

    def _leaves(self, node: etree._Element, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            etree.SubElement(node, self.tags[name]).text = value


class _Ident:
    """Writes an ident document. Persons of one institution that follow each other stand in one Institusjon."""

    def __init__(self, xf: etree._IncrementalFileWriter, namespace: str) -> None:
        self.xf, self.namespace, self.space = xf, namespace, f"{{{namespace}}}"
        self._institution: str | None = None
        self._open = ExitStack()

    def open(self, heads: _Round) -> ExitStack:
        """Open the root, and write the contact persons into it."""
        stack = ExitStack()
        self.xf.write_declaration()
        said = dict(next(_rows(heads, "melding"), {}))
        nsmap = default_namespace(self.namespace)
        stack.enter_context(self.xf.element(f"{self.space}Melding", said, nsmap=nsmap))
        for contact in _rows(heads, "kontaktperson"):
            self._element("Kontaktperson", contact, KONTAKTPERSON_COLUMNS)
        return stack

    def persons(self, part: _Round) -> None:
        """One PasientIdent each, inside its institution."""
        for said in _rows(part, "ident"):
            self._enter(said.get("institusjonID", ""))
            self._element("PasientIdent", said, IDENT_COLUMNS[1:])

    def _enter(self, institution: str) -> None:
        if institution != self._institution:
            self.close()
            self._institution = institution
            said = {"institusjonID": institution} if institution else {}
            self._open.enter_context(self.xf.element(f"{self.space}Institusjon", said))

    def _element(self, name: str, said: Mapping[str, str], known: tuple[str, ...]) -> None:
        with self.xf.element(self.space + name, {key: value for key, value in said.items() if key in known}):
            pass
        self.xf.write("\n")

    def close(self) -> None:
        """End the institution that is open."""
        self._open.close()
        self._open, self._institution = ExitStack(), None
