"""Heads of mails and of MIME parts: bytes in, values out, with bounded work (RFC 5322 s. 2.2; RFC 2045 s. 5.1).

Anyone can write to a mailbox, and the standard library's parser raises on, or takes very long over, some malformed
heads. Only the few fields that the framework asks for are looked at here; every other one may say what it likes.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kpr.errors import BadMessage

#: A field that is longer reads as empty: no id, address or media type needs as much.
FIELD_LIMIT = 2_000

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)')
_ESCAPED = re.compile(r"\\(.)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETED = re.compile(r"<([^<>\s]*)>")
_BARE_ADDRESS = re.compile(r"[^\s<>,;:()@]+@[^\s<>,;:()@]+")


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type in lower case (``text/xml``), and its parameters, their names in lower case."""

    kind: str
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fields:
    """A head's fields in their order: names in lower case, values unfolded."""

    items: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def first(self, name: str) -> str:
        """The first field of this name; empty where there is none, or where it is too long to be one."""
        value = next((value for key, value in self.items if key == name), "")
        return value if len(value) <= FIELD_LIMIT else ""

    @property
    def content_type(self) -> ContentType:
        """Content-Type; its kind is empty where there is none."""
        value = self.first("content-type")
        kind, _, _rest = value.partition(";")
        found: dict[str, str] = {}
        for name, text in _PARAMETER.findall(value):
            found.setdefault(name.lower(), _ESCAPED.sub(r"\1", text[1:-1]) if text[:1] == '"' else text)
        return ContentType(kind.strip().lower(), found)

    @property
    def content_id(self) -> str:
        """Content-ID without its brackets, as ``cid:`` references name it (RFC 2392)."""
        return bare_id(self.first("content-id"))

    @property
    def transfer_encoding(self) -> str:
        """Content-Transfer-Encoding in lower case, empty where it is missing (which means 7bit)."""
        return self.first("content-transfer-encoding").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHead:
    """What a mail says of itself. Anything is empty, or None, where it is missing or cannot be read.

    Addresses are bare (``a@b.no``), ids without brackets. ``soap_action`` is as it stands, quotes included.
    """

    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    date: datetime | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    mime_version: str = ""
    soap_action: str = ""
    content_type: ContentType = ContentType("")


def read_fields(raw: bytes) -> Fields:
    """The fields of a head (without the empty line that ends it); BadMessage for a line that is none."""
    unfolded: list[list[str]] = []
    if b"\0" in raw:
        raise _broken()
    for line in raw.decode("utf-8", "replace").split("\n"):
        line = line.removesuffix("\r")
        if line[:1] in (" ", "\t"):
            if not unfolded:
                raise _broken()
            unfolded[-1].append(line.strip())
        elif line:
            unfolded.append([line])
    return Fields(tuple(_field(" ".join(lines)) for lines in unfolded))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip().lower()
    if not colon or not name or " " in name:
        raise _broken()
    return name, value.strip()


def _broken() -> BadMessage:
    return BadMessage("A head of the mail is broken: a line is no header field.", remedy="Ask for it again.")


def mail_head(fields: Fields) -> MailHead:
    """The fields that matter for EDI (HITS 1172 s. 5.5.1, 4.2.3)."""
    return MailHead(
        senders=addresses(fields.first("from")),
        recipients=addresses(fields.first("to")),
        reply_to=addresses(fields.first("reply-to")),
        date=_date(fields.first("date")),
        message_id=bare_id(fields.first("message-id")),
        in_reply_to=_ids(fields.first("in-reply-to")),
        references=_ids(fields.first("references")),
        mime_version=fields.first("mime-version"),
        soap_action=fields.first("soapaction"),
        content_type=fields.content_type,
    )


def bare_id(text: str) -> str:
    """An id without the brackets around it; empty when only one of them is there, for then it was cut."""
    found = _BRACKETED.search(text)
    if found:
        return found.group(1)
    return "" if "<" in text or ">" in text else text.strip()


def _ids(text: str) -> tuple[str, ...]:
    """In-Reply-To and References name one or more ids; some programs leave the brackets out of a lone one."""
    return tuple(_BRACKETED.findall(text)) or tuple(text.split()[:1])


def addresses(text: str) -> tuple[str, ...]:
    """The bare addresses in a field; display names are left out."""
    found: list[str] = []
    for one in _QUOTED.sub("", text).split(","):
        bracketed = [address for address in _BRACKETED.findall(one) if "@" in address]
        found += bracketed or _BARE_ADDRESS.findall(one)
    return tuple(found)


def _date(text: str) -> datetime | None:
    """With its zone; a mail that gives none (``-0000``) means UTC (RFC 5322 s. 3.3)."""
    with suppress(Exception):  # the parser promises ValueError, and raises others too
        found = parsedate_to_datetime(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
