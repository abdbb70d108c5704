"""Reception: one protected message in, a verdict out. What the register does with a message, in its own order.

Decrypt, verify, read the head, validate by schema, check the pair's addresses, run the register's own checks, keep.
Faults in the content are not grounds for rejection (HIS 80415:2012 s. 3.3.2): they are deleted or nulled, in silence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from cryptography import x509

from kpr.checks.prediction import predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.checks.view_tables import view_json, view_tables
from kpr.errors import BadMessage, BadSettings
from kpr.messages.gate import gate
from kpr.messages.head import Head, MessageInfo, read_head
from kpr.messages.schemas import namespace_of
from kpr.messages.shape import iplos_shape
from kpr.security.certificates import Identity
from kpr.security.cms_read import open_protected
from kpr.security.vault import Vault
from kpr.sources.work_rows import WorkRows, load
from kpr.sources.xml_files import Opener, XmlSource
from kpr.years import Year, load_year

#: What the stand-in takes at most.
LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the register thinks of a message: a code of list 8221 with its detail, or none when it is accepted."""

    info: MessageInfo
    family: str
    municipality: str = ""
    data_year: int = 0
    sequence_number: int = 0
    persons: int = 0
    code: str | None = None
    detail: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """The register's keys, its address and its vault."""

    identity: Identity
    vault: Vault
    her_id: str

    def open(self, body: BinaryIO, name: str, key: bytes, signer: x509.Certificate) -> None:
        """Decrypt and verify into the vault; nothing is kept when it does not hold."""
        with self.vault.create(name, key) as out:
            open_protected(body, out, self.identity, signer, limit=LIMIT)

    def judge(self, name: str, key: bytes, from_her_id: str) -> Verdict:
        """Everything after decryption. BadMessage when there is no head to answer to."""
        with self.vault.open(name, key) as plain:
            info = read_head(plain)
        family = _family(info)
        fault = self._address_fault(info.head, from_her_id)
        if fault is not None:
            return Verdict(info, family, code=fault[0], detail=fault[1])
        try:
            with self.vault.open(name, key) as plain:
                gate(plain, family, info.payload_version)
        except (BadMessage, BadSettings) as error:
            code = "T10" if isinstance(error, BadSettings) else "T02"
            return Verdict(info, family, code=code, detail=getattr(error, "place", ""))
        return self._content(info, family, lambda: self.vault.open(name, key))

    def _address_fault(self, head: Head, from_her_id: str) -> tuple[str, str] | None:
        try:
            UUID(head.msg_id)
        except ValueError:
            return "E10", "MsgId"
        if head.receiver.service_her_id != self.her_id:
            return "E10", "Receiver"
        return ("E10", "Sender") if head.sender.service_her_id != from_her_id else None

    def _content(self, info: MessageInfo, family: str, opener: Opener) -> Verdict:
        work = _rows(info, family, opener)
        header = work.single("innhinfo" if family == "iplos" else "melding")
        said = header.get("iiFraDato" if family == "iplos" else "fraDatoPeriode") or ""
        number = header.get("iiLopenr" if family == "iplos" else "lopenr") or ""
        data_year = int(said[:4]) if said[:4].isdigit() else 0
        verdict = Verdict(
            info, family, header.get("iiKomnr") or "", data_year, int(number) if number.isdigit() else 0,
            persons=work.count("person" if family == "iplos" else "ident"),
        )  # fmt: skip
        return _with_view(verdict, work) if family == "iplos" else verdict


def _family(info: MessageInfo) -> str:
    if info.payload_namespace.endswith("_ide"):
        return "ident"
    if "/iplos/" in info.payload_namespace:
        return "iplos"
    raise BadMessage("The message carries a payload that this register does not take.")


def _rows(info: MessageInfo, family: str, opener: Opener) -> WorkRows:
    version = info.payload_version if family == "iplos" else "3.7"
    shape = iplos_shape(version)
    source = XmlSource(shape, opener if family == "iplos" else None, opener if family == "ident" else None)
    return load(source, shape)


def _with_view(verdict: Verdict, work: WorkRows) -> Verdict:
    """The register's checks, its deletions, and the tables of what it keeps."""
    try:
        year = _year(verdict)
    except BadSettings:
        return replace(verdict, code="T10", detail="data year")
    except BadMessage:
        return replace(verdict, code="T10", detail="format of the data year")
    create_finding_table(work)
    run_register_checks(work, year, Catalogue(register_rules(year)))
    kept = predict(work)
    tables = view_json(view_tables(work, year, kept_only=True))
    view = json.dumps(tables | {"persons_kept": kept.persons_kept, "persons_sent": kept.persons})
    return replace(verdict, view=view)


def _year(verdict: Verdict) -> Year:
    year = load_year(verdict.data_year)
    expected = namespace_of("iplos", year.iplos_version.value)
    if expected != verdict.info.payload_namespace:
        raise BadMessage("The payload's format is not that of its data year.")
    return year
