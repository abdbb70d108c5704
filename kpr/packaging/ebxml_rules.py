"""Every message of the EDI route is held against the table of HITS 1172 (ebxml.md s. 11): ours before it leaves, theirs.

Also what stands in ours for version monitoring alone (HITS 1210:2018): which schema the payload follows, and which
program made the envelope.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from kpr import __version__
from kpr.errors import BadMessage
from kpr.log import get_log
from kpr.messages.app_rec import NAMESPACES
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.messages.ebxml.mime import Entity, read_entity, write_entity
from kpr.messages.ebxml.refused import RuleBroken
from kpr.messages.ebxml.rules import Expected, Hit, Reaction, blocking, check_message, rejecting
from kpr.years import Year

_log = get_log("edi")

#: In the place of the payload, whose bytes no rule looks at.
_TINY = b"0"
_SOAP_PART = 2 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """What is expected of the messages between two parties."""

    own_her_id: str
    their_her_id: str
    by_mail: bool = False
    accept_sha1: bool = False
    cpa: Cpa | None = None

    def demand_ours(self, signed: bytes, content_id: str, certificate: x509.Certificate) -> None:
        """A message of ours, just signed with this certificate; BadMessage names the rules that keep it here."""
        # The carrier writes the mail's head, and we do sign as agreed: both are left out.
        expected = self._expected(certificate, self.own_her_id, self.their_her_id, by_mail=False, accept_sha1=True)
        hits = check_message(_with_tiny_payload(signed, content_id), expected, verified=True)
        if blocked := blocking(hits):
            first = blocked[0].row
            raise BadMessage(
                f"Our own message breaks rule {_numbers(blocked)} of HITS 1172, so it was not sent. {first.text.en}",
                place=first.where,
                remedy="Check HER-ids, the agreement (transport.cpa_file, cpa_id) and our certificate.",
            )
        _tell(hits, "our own message")

    def demand_theirs(self, entity: Entity, certificate: x509.Certificate) -> None:
        """A message whose signature holds; RuleBroken has the code of the gravest rule that it breaks.

        Whether it came in time is asked elsewhere, since a duplicate may come late. Which formats are taken is decided
        by the payload itself, and not by what the envelope says of it.
        """
        expected = self._expected(
            certificate, self.their_her_id, self.own_her_id, by_mail=self.by_mail, accept_sha1=self.accept_sha1
        )
        hits = check_message(entity, expected, verified=True)
        for worst in rejecting(hits)[:1]:
            raise RuleBroken(
                f"Rule {worst.rule}: {worst.row.text.en}",
                code=worst.row.code,
                rule=worst.rule,
                place=worst.row.where,
                soap=worst.reaction is Reaction.FAULT,
            )
        _tell(hits, "a message that came")

    def _expected(
        self, certificate: x509.Certificate, sender: str, receiver: str, *, by_mail: bool, accept_sha1: bool
    ) -> Expected:
        return Expected(
            certificate=certificate,
            senders=frozenset({sender}),
            receivers=frozenset({receiver}),
            cpa=self.cpa,
            accept_sha1=accept_sha1,
            by_mail=by_mail,
        )


def _with_tiny_payload(signed: bytes, content_id: str) -> Entity:
    """The entity as the other side will read it, made once more: the payload itself may be 50 MB."""
    written = io.BytesIO()
    write_entity(written, signed, (content_id, io.BytesIO(_TINY)))
    written.seek(0)
    return read_entity(written, io.BytesIO(), limit=_SOAP_PART)


def _numbers(hits: Iterable[Hit]) -> str:
    return ", ".join(hit.rule for hit in hits)


def _tell(hits: Iterable[Hit], about: str) -> None:
    """What breaks a rule, and is let through."""
    if numbers := _numbers(hits):
        _log.info("findings of HITS 1172", about=about, rules=numbers)


# -- version monitoring ------------------------------------------------------------------------------------------


def schemas_of(year: Year) -> dict[str, tuple[str, str]]:
    """Namespace and version of the payload, by message type."""
    return {
        year.message_type_iplos.value: (year.iplos_namespace.value, year.iplos_version.value),
        year.message_type_ident.value: (year.ident_namespace.value, year.ident_version.value),
    }


def receipt_schema(plain: bytes) -> tuple[str, str]:
    """Namespace and version of a receipt, which comes in two versions; empty when it is of neither."""
    found = ((space, version) for version, space in NAMESPACES.items() if f'"{space}"'.encode() in plain)
    return next(found, ("", ""))


def handler_description(system: str) -> str:
    """What eb:Description says of the program that made the envelope (HITS 1210 s. 6.2.2)."""
    return json.dumps({"MSH-system": system, "MSH-versjon": __version__}, ensure_ascii=False)
