"""The ident message's payload: local person key to official id, and nothing else (XPR(ide) 53.1.2, 53.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.faults import fault_in, local_key, not_xml
from kpr.messages.schemas import default_namespace, namespace_of, payload_schema
from kpr.progress import Progress, silent
from kpr.sources.contract import IDENT_COLUMNS
from kpr.sources.work_rows import WorkRows

_PROGRESS_EVERY = 5_000
_COLUMNS = IDENT_COLUMNS[1:]

#: Rows by institution, institutions in the order in which the extract first names them. A row without one, or with
#: our own, belongs to our own: xs:unique allows an institution only once.
_ROWS = f"""
    WITH placed AS (SELECT *, coalesce(nullif(institusjonID, ''), :own) AS institution FROM ident),
         firsts AS (SELECT institution, min(row_no) AS first FROM placed GROUP BY institution)
    SELECT institution, row_no, {", ".join(_COLUMNS)} FROM placed JOIN firsts USING (institution)
    ORDER BY first, row_no
"""  # noqa: S608  (column names come from our own contract)

_TWICE = """
    SELECT max(row_no), pid FROM ident
    GROUP BY coalesce(nullif(institusjonID, ''), :own), pid HAVING count(*) > 1 LIMIT 1
"""


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
    """The payload, ready to be written; BadMessage while writing when a row does not follow the schema."""
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
        self._refuse_twice()
        self._refuse_header()
        with xf.element(f"{space}Melding", self.header.values(), nsmap=default_namespace(self.namespace)):
            xf.write("\n")
            for number, contact in enumerate(self.header.contacts, 1):
                xf.write(self._node("Kontaktperson", contact, f"Kontaktperson, row {number}"))
                xf.write("\n")
            for institution, rows in groupby(self._rows(), itemgetter(0)):
                with xf.element(f"{space}Institusjon", {"institusjonID": institution}):
                    xf.write("\n")
                    self._persons(xf, rows)
                xf.write("\n")

    def _refuse_header(self) -> None:
        """Melding with its own attributes around one made-up row: what is refused now is the header's fault."""
        root = self._bare("Melding", self.header.values(), "Melding")
        contact = {"kontPerson": "-", "meldEpost1": "-", "typeKontaktperson": "1"}
        root.append(self._bare("Kontaktperson", contact, "Melding"))
        institution = self._bare("Institusjon", {"institusjonID": self.header.institution_id}, "Melding")
        institution.append(self._bare("PasientIdent", {"pid": "1", "fid": "-", "typeID": "9"}, "Melding"))
        root.append(institution)
        schema = payload_schema("ident", self.version)
        if not schema.validate(root):
            raise fault_in(schema, "Melding", "Melding")
        if not self.header.contacts:
            raise BadMessage("The ident message has no contact person.", place="Kontaktperson", remedy="Name one.")

    def _rows(self) -> Iterator[Any]:
        return self.work.connection.execute(_ROWS, {"own": self.header.institution_id})

    def _persons(self, xf: etree._IncrementalFileWriter, rows: Iterator[Any]) -> None:
        total = self.work.count("ident")
        for _, number, *values in rows:
            said = dict(zip(_COLUMNS, values, strict=True))
            node = self._node("PasientIdent", said, f"person {local_key(said['pid'])}, ident, row {number}")
            # Not xf.write(node), which would put the namespace on every row.
            with xf.element(node.tag, {str(key): str(value) for key, value in node.items()}):
                pass
            xf.write("\n")
            if number % _PROGRESS_EVERY == 0:
                self.progress("ident", number, total)

    def _node(self, name: str, values: Mapping[str, str | None], place: str) -> etree._Element:
        node = self._bare(name, values, place)
        schema = payload_schema("ident", self.version)
        if not schema.validate(node):
            raise fault_in(schema, place, name)
        return node

    def _bare(self, name: str, values: Mapping[str, str | None], place: str) -> etree._Element:
        filled = {key: value for key, value in values.items() if value}
        try:
            return etree.Element(f"{{{self.namespace}}}{name}", filled, nsmap=default_namespace(self.namespace))
        except ValueError:
            raise not_xml(place) from None

    def _refuse_twice(self) -> None:
        row = self.work.connection.execute(_TWICE, {"own": self.header.institution_id}).fetchone()
        if row is not None:
            raise BadMessage(
                "A person stands twice in the ident extract.",
                place=f"person {local_key(row[1])}, ident, row {row[0]}",
                remedy="One person, one key, once (content rule I04).",
            )
