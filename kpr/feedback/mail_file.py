"""A mail's bytes, read with bounded work: who it says that it is from, and its text. Bytes in, values out.

Anyone can write to a mailbox. The standard library's mail parser raises on some malformed mails, although it promises
not to, and takes very long over others; so head and body are read apart, each within limits, and whatever is beyond
them, or malformed, reads as nothing.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

#: What a head may be at most, and one of its fields.
HEAD_LIMIT = 64 << 10
_FIELD_LIMIT = 2_000

#: Parts cost the parser time, and more the deeper they lie; a mail with an attachment has two, and one boundary.
_BOUNDARIES, _PARTS = 20, 200

#: How much of the text is looked at.
_TEXT_LIMIT = 64 << 10

#: Python knows codecs that are no character sets, and some that take very long.
_CHARSETS = ("us-ascii", "ascii", "utf-8", "iso-8859-1", "latin-1", "iso-8859-15", "windows-1252", "cp1252")

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_GATEWAY = re.compile(r"\b(dkim|spf|dmarc)=([a-z]{1,12})\b")


@dataclass(frozen=True, slots=True)
class MailHead:
    """What the head says: the one sender's domain in lower case, the date, the id's hash, the gateway's verdicts.

    ``gateway`` comes from the topmost Authentication-Results, which the receiving gateway writes; a mail that passed
    none can have written it itself. Empty and None where the head does not say it, or not in a way one can read.
    """

    sender_domain: str = ""
    sent_at: datetime | None = None
    message_id_hash: str = ""
    gateway: tuple[str, ...] = ()


def read_head(raw: bytes) -> MailHead:
    """The head of a mail; an empty one when it is malformed or too large to be a mail's."""
    end = _END_OF_HEAD.search(raw, 0, HEAD_LIMIT)
    if end is None and len(raw) > HEAD_LIMIT:
        return MailHead()
    message = _parsed(raw[: end.end()] if end else raw)
    if message is None:
        return MailHead()
    message_id = _field(message, "Message-ID").strip()
    return MailHead(
        sender_domain=_sender_domain(message),
        sent_at=_date(message),
        message_id_hash=hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest() if message_id else "",
        gateway=tuple(
            f"{name}={verdict}" for name, verdict in _GATEWAY.findall(_field(message, "Authentication-Results"))
        ),
    )


def read_text(raw: bytes) -> str | None:
    """Subject and plain body; attachments are never opened. None when there is none that can be read."""
    if raw.lower().count(b"boundary") > _BOUNDARIES or raw.count(b"\n--") > _PARTS:
        return None
    message = _parsed(raw)
    if message is None:
        return None
    with suppress(Exception):  # any malformed part: a person looks
        body = message.get_body(preferencelist=("plain",))
        if body is None:
            return _field(message, "Subject")
        if (body.get_content_charset() or "us-ascii") in _CHARSETS:
            return f"{_field(message, 'Subject')}\n{str(body.get_content())[:_TEXT_LIMIT]}"
    return None


def _parsed(raw: bytes) -> EmailMessage | None:
    with suppress(Exception):  # the parser promises not to raise, and does
        return BytesParser(policy=policy.default).parsebytes(raw)
    return None


def _field(message: EmailMessage, name: str) -> str:
    """The first field of this name as text; empty when it is too long, or cannot be read."""
    with suppress(Exception):  # fields are parsed when they are looked at
        raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return str(message[name]) if 0 < len(raw) <= _FIELD_LIMIT else ""
    return ""


def _sender_domain(message: EmailMessage) -> str:
    """Of the one address in the one From: with several it is not known who wrote."""
    with suppress(Exception):
        senders = [str(value) for key, value in message.raw_items() if key.lower() == "from"]
        if len(senders) == 1 and len(senders[0]) <= _FIELD_LIMIT:
            [address] = message["From"].addresses
            return str(address.domain).lower()
    return ""


def _date(message: EmailMessage) -> datetime | None:
    """With its zone; a mail that gives none (``-0000``) means UTC (RFC 5322 s. 3.3)."""
    if not _field(message, "Date"):
        return None
    with suppress(Exception):
        found: datetime | None = message["Date"].datetime
        return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
    return None
