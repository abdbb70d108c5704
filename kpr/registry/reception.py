"""Reception: one protected message in, a verdict out. What the register does with a message, in its own order.

Decrypt and verify, read the head, check who it is for and from, know the format, validate by schema, look into it.
Faults in the content are not grounds for rejection (HIS 80415:2012 s. 3.3.2): they are deleted or nulled, in silence.
Some faults get no receipt at all, and are raised: nobody can say whom to answer, or it is not ours to answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from cryptography import x509

from kpr.errors import BadInput, BadMessage, BadSettings
from kpr.messages.gate import gate
from kpr.messages.head import Head, MessageInfo, Party, read_head
from kpr.messages.safe_xml import forget, stream
from kpr.packaging.seam import Packaging, Unpacked
from kpr.registry.contents import Contents, Years, look_into
from kpr.registry.formats import Format, format_of
from kpr.security.certificates import Purpose, check_certificate
from kpr.security.vault import Vault

#: What the stand-in takes at most.
LIMIT = 1 << 30

#: HIS 80601: a GUID in the form 8-4-4-4-12; uuid.UUID would also take it without dashes, or in braces.
_MSG_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TYPES = {"iplos": "KPR_IPL", "ident": "KPR_IDE"}

#: Codes that AppRec 1.0 does not know, and the generic one that stands in for each there.
_IN_1_0 = {"T10": "T99", "E10": "X99", "E36": "X99"}


class NoReceipt(BadMessage):
    """A message that could be opened, and shall all the same get no receipt: nobody to answer, or not ours to.

    ``condition`` is what its sender is told by the transport; empty when nobody is told anything.
    """

    def __init__(self, problem: str, *, place: str = "", condition: str = "") -> None:
        self.condition = condition
        super().__init__(problem, place=place)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the register thinks of a message: a code of list 8221 with its detail, or none when it is accepted."""

    head: Head
    family: str
    code: str | None = None
    detail: str = ""
    contents: Contents | None = field(default=None, repr=False)

    @property
    def accepted(self) -> Contents | None:
        """What it holds, when it was not rejected."""
        return None if self.code else self.contents

    def code_in(self, version: str) -> str | None:
        """The code as this version of AppRec knows it."""
        return _IN_1_0.get(self.code, self.code) if self.code and version == "1.0" else self.code


@dataclass(frozen=True, slots=True)
class Reception:
    """The register's vault, its address on both levels, and the data years that it knows."""

    vault: Vault
    party: Party
    years: Years

    def open(
        self, body: BinaryIO, name: str, key: bytes, packaging: Packaging, signer: x509.Certificate, now: datetime
    ) -> Unpacked:
        """Decrypt and verify into the vault; nothing is kept when it does not hold."""
        check_certificate(signer, Purpose.SIGN, now)
        with self.vault.create(name, key) as out:
            return packaging.unpack(body, out, limit=LIMIT, now=now)

    def judge(self, name: str, key: bytes, from_her_id: str) -> Verdict:
        """Everything after decryption. NoReceipt when there shall be none (HITS 1168 s. 5.3)."""
        info = self._head(name, key)
        head = info.head
        self._refuse_without_receipt(head, from_her_id)
        form = format_of(info.payload_namespace)
        family = form.family if form else _family_by_type(head)
        fault = self._fault_of_head(head) or self._fault_of_format(info, form) or self._fault_of_schema(name, key, form)
        if fault or form is None:
            return Verdict(head, family, *(fault or ("T10", "format")))
        return self._look(name, key, head, form)

    def _head(self, name: str, key: bytes) -> MessageInfo:
        try:
            with self.vault.open(name, key) as plain:
                return read_head(plain)
        except BadMessage as error:
            problem = f"The message head cannot be read. {error.problem}"
            raise NoReceipt(problem, place=error.place, condition="transport:not-well-formed-xml") from None

    def _refuse_without_receipt(self, head: Head, from_her_id: str) -> None:
        if head.sender.service_her_id != from_her_id:  # AMQP specification s. 2.2.3
            raise NoReceipt("The head names another sender than the envelope.", condition="abuse:spoofing-attack")
        receiver, ours = head.receiver, self.party
        if ours.service_her_id != receiver.service_her_id and ours.organisation_her_id != receiver.organisation_her_id:
            raise NoReceipt("The message is for somebody else, so it gets no receipt (HITS 1168 s. 5.3).")
        if not head.msg_id:
            problem = "The message has no MsgId, so no receipt could say what it answers."
            raise NoReceipt(problem, condition="transport:not-well-formed-xml")

    def _fault_of_head(self, head: Head) -> tuple[str, str] | None:
        if not _MSG_ID.fullmatch(head.msg_id):
            return "E10", "MsgId"
        if head.receiver.service_her_id != self.party.service_her_id:
            # The envelope brought it to us: over AMQP that is E10, and not E21 (AMQP specification s. 2.2.3).
            return "E10", "Receiver: HER-id i hodet er ikke den i konvolutten"
        if head.receiver.organisation_her_id != self.party.organisation_her_id:
            return "E21", "Receiver: tjenesten hører ikke til virksomheten"
        return None

    @staticmethod
    def _fault_of_format(info: MessageInfo, form: Format | None) -> tuple[str, str] | None:
        if form is None:
            return "T10", "format"
        if info.head.message_type != _TYPES[form.family]:
            return "T99", f"Type i hodet er ikke {_TYPES[form.family]}, som innholdet er"
        return None

    def _fault_of_schema(self, name: str, key: bytes, form: Format | None) -> tuple[str, str] | None:
        if form is None:
            return None
        try:
            with self.vault.open(name, key) as plain:
                gate(plain, form.family, form.schema)
        except BadMessage as error:
            return ("T02" if self._is_well_formed(name, key) else "T01"), error.place
        return None

    def _is_well_formed(self, name: str, key: bytes) -> bool:
        """Whether it is XML at all: the schema's fault and the parser's look alike from outside."""
        try:
            with self.vault.open(name, key) as plain:
                for _, element in stream(plain):
                    forget(element)
        except BadMessage:
            return False
        return True

    def _look(self, name: str, key: bytes, head: Head, form: Format) -> Verdict:
        try:
            contents = look_into(lambda: self.vault.open(name, key), form, self.years)
        except BadSettings as error:
            return Verdict(head, form.family, "T10", error.place)
        except BadInput as error:
            return Verdict(head, form.family, "T99", error.place)
        return Verdict(head, form.family, contents=contents)


def _family_by_type(head: Head) -> str:
    return "ident" if head.message_type == _TYPES["ident"] else "iplos"
