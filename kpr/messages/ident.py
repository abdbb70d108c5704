"""The ident message's payload: local person key to official id, and nothing else (XPR(ide) 53.1.2, 53.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lxml import etree

from kpr.messages.faults import not_xml
from kpr.messages.schemas import default_namespace, namespace_of
from kpr.progress import Progress, silent
from kpr.sources.contract import IDENT_COLUMNS
from kpr.sources.work_rows import WorkRows

_PROGRESS_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class IdentHeader:
    """The attributes of Melding; the number and the period are those of the IPLOS message (I02, I03)."""

    version: str
    first_day: date
    last_day: date
    extracted_on: date
    vendor: str
    system_name: str
    system_version: str
    extract_version: str
    sequence_number: int
    institution_id: str
    contacts: Sequence[Mapping[str, str | None]]
    local_id: str | None = None

    def values(self) -> dict[str, str]:
        """Attributes by name; B is the message type for yearly data (code list 7371)."""
        values = {
            "versjon": self.version,
            "meldingstype": "B",
            "fraDatoPeriode": self.first_day.isoformat(),
            "uttakDato": self.extracted_on.isoformat(),
            "leverandor": self.vendor,
            "navnEPJ": self.system_name,
            "versjonEPJ": self.system_version,
            "versjonUt": self.extract_version,
            "lopenr": str(self.sequence_number),
            "tilDatoPeriode": self.last_day.isoformat(),
        }
        return values | ({"lokalident": self.local_id} if self.local_id else {})


def ident_payload(work: WorkRows, header: IdentHeader, progress: Progress = silent) -> IdentPayload:
    """The payload, ready to be written."""
    return IdentPayload(work, header, progress)


class IdentPayload:
    """Writes ``Melding`` into an open ``xmlfile``. Persons stand under the institution that the extract names."""

    def __init__(self, work: WorkRows, header: IdentHeader, progress: Progress) -> None:
        self.work, self.header, self.progress = work, header, progress
        self.version = header.version
        self.namespace = namespace_of("ident", header.version)

    def write(self, xf: etree._IncrementalFileWriter, _raw: Callable[[bytes], Any]) -> None:
        """Contacts, then each institution with its persons in the order of the extract."""
        space = f"{{{self.namespace}}}"
        with xf.element(f"{space}Melding", self.header.values(), nsmap=default_namespace(self.namespace)):
            xf.write("\n")
            for contact in self.header.contacts:
                filled = {name: value for name, value in contact.items() if value}
                xf.write(etree.Element(f"{space}Kontaktperson", filled, nsmap=default_namespace(self.namespace)))
                xf.write("\n")
            for institution in self._institutions():
                with xf.element(f"{space}Institusjon", {"institusjonID": institution or self.header.institution_id}):
                    xf.write("\n")
                    self._persons(xf, institution)
                xf.write("\n")

    def _institutions(self) -> list[str | None]:
        query = "SELECT institusjonID FROM ident GROUP BY institusjonID ORDER BY min(row_no)"
        named = [row[0] for row in self.work.connection.execute(query)]
        own = [name for name in named if name in (None, self.header.institution_id)]
        return [name for name in named if name not in own[1:]]

    def _persons(self, xf: etree._IncrementalFileWriter, institution: str | None) -> None:
        columns = IDENT_COLUMNS[1:]
        same = (
            {institution, self.header.institution_id}
            if institution in (None, self.header.institution_id)
            else {institution}
        )
        total = self.work.count("ident")
        tag = f"{{{self.namespace}}}PasientIdent"
        for number, row in enumerate(self.work.select("ident", ("institusjonID", *columns)), 1):
            if row[0] in same or (row[0] is None and None in same):
                filled = {name: value for name, value in zip(columns, row[1:], strict=True) if value}
                try:
                    with xf.element(tag, filled):
                        pass
                except ValueError:
                    raise not_xml(f"PasientIdent, row {number}") from None
                xf.write("\n")
            if number % _PROGRESS_EVERY == 0:
                self.progress("ident", number, total)
