"""The IPLOS message's payload, written one person at a time from the work rows, each person validated first.

Persons in the order of the extract, and inside a person each class in the order of the schema; a column without a
value is left out (HISD 1165: no empty elements). Nothing is altered. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.faults import FaultPlace, fault_of, not_xml
from kpr.messages.schemas import default_namespace, person_schema
from kpr.messages.shape import CHILD_CLASSES, ClassShape, PayloadShape
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows

_PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class IplosHeader:
    """INNHINFO: whose data, which period, which system, which number."""

    municipality_number: str
    district_number: str
    contacts: Sequence[Mapping[str, str | None]]
    first_day: date
    last_day: date
    extracted_on: date
    system_id: str
    system_version: str
    sequence_number: int

    def values(self) -> dict[str, str]:
        """The leaf elements of INNHINFO by name."""
        return {
            "iiInnhType": "P",
            "iiKomnr": self.municipality_number,
            "iiBydelsnr": self.district_number,
            "iiFraDato": f"{self.first_day:%Y%m%d}",
            "iiTilDato": f"{self.last_day:%Y%m%d}",
            "iiLagetDato": f"{self.extracted_on:%Y%m%d}",
            "iiSysID": self.system_id,
            "iiSysVersjon": self.system_version,
            "iiLopenr": str(self.sequence_number),
        }


def iplos_payload(
    work: WorkRows, header: IplosHeader, progress: Progress = silent, *, validate: bool = True
) -> IplosPayload:
    """The payload, ready to be written; BadMessage while writing when a person does not follow the schema.

    Without ``validate`` it writes what a care-record system would, right or wrong: for synthetic extracts only.
    """
    return IplosPayload(work, header, progress, validate=validate)


class IplosPayload:
    """Writes ``IPLOS`` into an open ``xmlfile``."""

    def __init__(self, work: WorkRows, header: IplosHeader, progress: Progress, *, validate: bool) -> None:
        self.work, self.header, self.progress, self.validate = work, header, progress, validate
        self.shape: PayloadShape = work.shape
        self.namespace, self.version = self.shape.namespace, self.shape.version

    def write(self, xf: etree._IncrementalFileWriter) -> None:
        """Header, then every person."""
        refuse_orphans(self.work)
        with xf.element(
            f"{{{self.namespace}}}IPLOS", {"versjon": self.version}, nsmap=default_namespace(self.namespace)
        ):
            xf.write("\n")
            xf.write(self._innhinfo())
            xf.write("\n")
            total = self.work.count("person")
            schema = person_schema(self.version)
            for number, (person, places) in enumerate(self._persons(), 1):
                if self.validate and not schema.validate(person):
                    raise fault_of(person, schema, places)
                xf.write(person)
                xf.write("\n")
                if number % _PROGRESS_EVERY == 0 or number == total:
                    self.progress("build", number, total)

    def _innhinfo(self) -> etree._Element:
        shape = self.shape["INNHINFO"]
        space = f"{{{self.namespace}}}"
        root = etree.Element(f"{space}INNHINFO", nsmap=default_namespace(self.namespace))
        values = self.header.values()
        try:
            for name in shape.elements:
                etree.SubElement(root, space + name).text = values[name]
                if name == "iiBydelsnr":  # the contacts stand between the district and the period
                    self._contacts(root, space)
        except ValueError:
            raise not_xml("INNHINFO") from None
        return root

    def _contacts(self, root: etree._Element, space: str) -> None:
        for contact in self.header.contacts:
            node = etree.SubElement(root, f"{space}iiKontakt")
            for name in self.shape["iiKontakt"].elements:
                etree.SubElement(node, space + name).text = contact.get(name) or ""

    def _persons(self) -> Iterator[tuple[etree._Element, FaultPlace]]:
        writer = _RowWriter(self.namespace, self.shape["PERSON"])
        children = [_Children(self.work, self.shape[name], self.namespace) for name in CHILD_CLASSES]
        columns = ("row_no", *self.shape["PERSON"].columns)
        for row_no, *values in self.work.select("person", columns):
            number = int(row_no or 0)
            person = writer.root()
            places = FaultPlace(values[0] or "", number)
            writer.fill(person, values, places.at("PERSON", number))
            for child in children:
                child.write(person, number, places)
            yield person, places


class _RowWriter:
    """Writes one class's rows: keys as attributes, elements in order, nothing for what has no value."""

    def __init__(self, namespace: str, shape: ClassShape) -> None:
        self.tag = f"{{{namespace}}}{shape.name}"
        self.namespace = namespace
        self.keys = shape.keys
        self.tags = tuple(f"{{{namespace}}}{name}" for name in shape.elements)

    def root(self) -> etree._Element:
        return etree.Element(self.tag, nsmap=default_namespace(self.namespace))

    def fill(self, node: etree._Element, values: Sequence[str | None], place: str) -> None:
        split = len(self.keys)
        try:
            for key, value in zip(self.keys, values[:split], strict=True):
                if value is not None:
                    node.set(key, value)
            for tag, value in zip(self.tags, values[split:], strict=True):
                if value:
                    etree.SubElement(node, tag).text = value
        except ValueError:
            raise not_xml(place) from None


class _Children:
    """The rows of one child class, ordered by person, taken off the cursor person by person."""

    def __init__(self, work: WorkRows, shape: ClassShape, namespace: str) -> None:
        self.name = shape.name
        self.writer = _RowWriter(namespace, shape)
        order = "person_row, row_no"
        self._rows: Iterator[Any] = work.select(shape.table, ("person_row", "row_no", *shape.columns), order)
        self._next: Any = next(self._rows, None)

    def write(self, person: etree._Element, number: int, places: FaultPlace) -> None:
        """Append every row of this person."""
        while self._next is not None and self._next[0] == number:
            row_no, values = self._next[1], self._next[2:]
            node = etree.SubElement(person, self.writer.tag)
            self.writer.fill(node, values, places.at(self.name, row_no))
            self._next = next(self._rows, None)


def refuse_orphans(work: WorkRows) -> None:
    """A row that belongs to no person cannot be written; BadMessage names the first."""
    for name in CHILD_CLASSES:
        query = f"SELECT row_no FROM {name.lower()} WHERE person_row IS NULL ORDER BY row_no LIMIT 1"  # noqa: S608
        row = work.connection.execute(query).fetchone()
        if row is not None:
            raise BadMessage(
                "A row belongs to no person in the extract.",
                place=f"{name}, row {row[0]}",
                remedy="Have the vendor give person and rows the same key.",
            )
