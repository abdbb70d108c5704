"""The rules that every ebXML message is held against (HITS 1172:2017): the table is rules.yaml, the checks are pure.

Sender: every rule is asked of our own message before it leaves, and any hit that is more than a finding stops it.
Receiver: F is answered by a SOAP fault and E by an error signal, with the code of the row; B and W are only noted, and
so are the few E that the guide lets pass with a warning. A SOAP fault itself is never judged (s. 4.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from kpr.checks.finding import Text
from kpr.messages.ebxml import rule_header, rule_kinds, rule_mime, rule_signature
from kpr.messages.ebxml.mime import Entity
from kpr.messages.ebxml.mime_head import Fields, MailHead
from kpr.messages.ebxml.model import SignalError, SoapKind
from kpr.messages.ebxml.rule_view import Check, Expected, Seen
from kpr.yaml_file import table_beside

__all__ = [
    "Expected",
    "Hit",
    "Reaction",
    "Rule",
    "blocking",
    "check_head",
    "check_message",
    "hit",
    "rejecting",
    "table",
]


class Reaction(StrEnum):
    """What a receiver does (ebxml.md s. 11)."""

    BOUNCE = "B"
    FAULT = "F"
    ERROR = "E"
    WARNING = "W"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of rules.yaml. ``numbers`` are the guide's, none for a row that it prints without one."""

    id: str
    numbers: tuple[str, ...]
    reaction: Reaction
    severity: str
    code: str
    where: str
    text: Text
    only: str = ""
    not_ours: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that a message breaks."""

    rule: str
    reaction: Reaction
    row: Rule = field(repr=False)

    @property
    def blocks(self) -> bool:
        """Whether a message of our own must not leave."""
        return self.reaction is not Reaction.WARNING

    @property
    def rejects(self) -> bool:
        """Whether a message that has come is not taken."""
        return self.reaction in (Reaction.FAULT, Reaction.ERROR) and self.row.severity == "Error"

    @property
    def error(self) -> SignalError:
        """As it stands in an error signal; the description is ours, and in English as the guide's examples are."""
        return SignalError(self.row.code, self.row.severity, self.row.where, f"Rule {self.rule}: {self.row.text.en}")


def check_message(entity: Entity, expected: Expected, *, verified: bool) -> list[Hit]:
    """Every rule that the message breaks, in the order of the table.

    ``verified`` is the verdict of ``signature.verify`` on the same bytes. Nothing raises: what cannot be read is a hit.
    """
    seen = Seen(entity, expected, verified)
    if seen.kind is SoapKind.FAULT:
        return []
    asked = (row for row in table().values() if not row.not_ours and _applies(row, seen))
    return [Hit(row.id, row.reaction, row) for row in asked if CHECKS[row.id](seen)]


def check_head(head: MailHead, *, by_mail: bool = True) -> list[Hit]:
    """The rules for the head alone: for a mail whose parts cannot be read at all, so that the answer can say why."""
    entity = Entity(head, b"", Fields(), None, 0)
    seen = Seen(entity, Expected(certificate=None, by_mail=by_mail), verified=False)
    rows = (table()[rule] for rule in _OF_THE_HEAD)
    return [Hit(row.id, row.reaction, row) for row in rows if _applies(row, seen) and CHECKS[row.id](seen)]


def hit(rule: str) -> Hit:
    """A hit of a rule that is found elsewhere, as decryption finds 263."""
    row = table()[rule]
    return Hit(row.id, row.reaction, row)


def blocking(hits: Iterable[Hit]) -> list[Hit]:
    """Those for which a message of ours stays here."""
    return [each for each in hits if each.blocks]


def rejecting(hits: Iterable[Hit]) -> list[Hit]:
    """Those for which a message that has come is refused, SOAP faults first: they are answered as such."""
    return sorted((each for each in hits if each.rejects), key=lambda each: each.reaction is not Reaction.FAULT)


@cache
def table() -> dict[str, Rule]:
    """rules.yaml, in its order."""
    rows = table_beside(__file__)
    return {name: _rule(name, row) for name, row in rows.items()}


def _rule(name: str, row: dict[str, Any]) -> Rule:
    numbers = tuple(each for each in (name, *row.get("also", ())) if each[0].isdigit())
    return Rule(
        id=name,
        numbers=numbers,
        reaction=Reaction(row["reaction"]),
        severity=row.get("severity", "Error"),
        code=row.get("code", ""),
        where=row["where"],
        text=Text(row["nb"], row["en"]),
        only=row.get("only", ""),
        not_ours=row.get("not_ours", ""),
    )


def _applies(row: Rule, seen: Seen) -> bool:
    if row.only == "mail":
        return seen.expected.by_mail
    return not row.only or seen.kind is SoapKind[row.only.upper()]


#: The checks by the id of their row.
CHECKS: dict[str, Check] = rule_mime.CHECKS | rule_header.CHECKS | rule_signature.CHECKS | rule_kinds.CHECKS

_OF_THE_HEAD = ("18", "19", "250", "20", "21", "82", "22", "51", "252", "66", "253")
