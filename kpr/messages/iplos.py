"""The IPLOS message's payload, written some persons at a time from the work rows, each validated before it is written.

SQLite makes the XML of each row, since it is several times faster at that than building elements; whatever it made is
parsed and validated as a document of its own before a byte of it is written, so nothing malformed can come through.
Persons in the order of the extract, and inside a person each class in the order of the schema; a column without a
value is left out (HISD 1165: no empty elements). Nothing is altered. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.faults import fault_in, not_xml
from kpr.messages.person_faults import raise_fault
from kpr.messages.person_sql import person_fragments
from kpr.messages.schemas import default_namespace, person_schema, persons_schema
from kpr.messages.shape import CHILD_CLASSES, PayloadShape
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows

#: Persons that are validated and written together.
_GROUP = 50


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

    def write(self, xf: etree._IncrementalFileWriter, raw: Callable[[bytes], Any]) -> None:
        """Header, then every person; ``raw`` writes finished XML at the same place as ``xf``."""
        refuse_orphans(self.work)
        root = f"{{{self.namespace}}}IPLOS"
        with xf.element(root, {"versjon": self.version}, nsmap=default_namespace(self.namespace)):
            xf.write("\n")
            xf.write(self._innhinfo())
            xf.write("\n")
            total, done = self.work.count("person"), 0
            for rows, xml in self._checked():
                raw(xml)
                done += len(rows)
                self.progress("build", done, total)

    def _checked(self) -> Iterator[tuple[list[int], bytes]]:
        """The groups that passed, in order. One is validated while SQLite makes the next: both let go of the GIL."""
        if not self.validate:
            yield from self._groups()
            return
        with ThreadPoolExecutor(max_workers=1) as beside:
            before: tuple[list[int], bytes, Future[bool]] | None = None
            for rows, xml in self._groups():
                following = (rows, xml, beside.submit(self._passes, xml))
                if before is not None:
                    yield self._passed(*before)
                before = following
            if before is not None:
                yield self._passed(*before)

    def _passed(self, rows: list[int], xml: bytes, passes: Future[bool]) -> tuple[list[int], bytes]:
        if not passes.result():
            raise_fault(self.work, self.shape, rows)
        return rows, xml

    def _groups(self) -> Iterator[tuple[list[int], bytes]]:
        rows: list[int] = []
        parts: list[str] = []
        for row_no, xml in person_fragments(self.work, self.shape):
            rows.append(row_no)
            parts.append(xml)
            if len(rows) == _GROUP:
                yield rows, "\n".join([*parts, ""]).encode()
                rows, parts = [], []
        if rows:
            yield rows, "\n".join([*parts, ""]).encode()

    def _passes(self, xml: bytes) -> bool:
        document = b'<PERSONS xmlns="' + self.namespace.encode() + b'">' + xml + b"</PERSONS>"
        parser = etree.XMLParser(schema=persons_schema(self.version), load_dtd=False, no_network=True)
        try:
            etree.fromstring(document, parser)
        except etree.XMLSyntaxError:
            return False
        return True

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
        schema = person_schema(self.version)
        if self.validate and not schema.validate(root):
            raise fault_in(schema, "INNHINFO", "INNHINFO")
        return root

    def _contacts(self, root: etree._Element, space: str) -> None:
        for contact in self.header.contacts:
            node = etree.SubElement(root, f"{space}iiKontakt")
            for name in self.shape["iiKontakt"].elements:
                etree.SubElement(node, space + name).text = contact.get(name) or ""


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
