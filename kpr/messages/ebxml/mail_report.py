"""Bounces: mails in which a mail server says what became of one of ours (RFC 3464; HITS 1172 s. 4.2.3.2).

Anyone can write such a mail, so it is a hint about one attempt and never a proof. Work is bounded: only the first
256 KiB are looked at, which is where reports stand, before the mail that comes back with them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kpr.errors import BadMessage
from kpr.messages.ebxml.mime_head import Fields, addresses, read_fields
from kpr.messages.ebxml.mime_stream import MimeStream, decoded

#: How much of a mail is looked at, and of one of its parts.
LOOKED_AT = 256 << 10
_PART_LIMIT = 64 << 10
_PARTS = 10

UNKNOWN = "unknown"
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")

_REPORT = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_DAEMON = re.compile(r"(mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)
#: Postfix, Exim, Sendmail, Exchange, qmail, and gateways that follow them.
_SUBJECT = re.compile(
    r"undeliver|delivery (status notification|failure|has failed)|mail delivery (failed|system)|returned (mail|to sender)|"
    r"failure notice|could not be delivered",
    re.IGNORECASE,
)
_EMPTY_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*(?:\r?\n[ \t]+)?<([^<>\s]{1,500})>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a mail server reports. All is text from outside, empty where it was not said.

    ``original_envelope_id`` is the ENVID that we gave, ``original_message_id`` that of the mail, without brackets.
    ``action`` is failed, delayed, delivered, relayed or expanded, or unknown: a report that is no RFC 3464 one.
    ``status`` is like 5.1.1 (RFC 3463). ``permanent``: trying again is of no use; never so where action is unknown.
    """

    original_envelope_id: str = ""
    original_message_id: str = ""
    action: str = UNKNOWN
    status: str = ""
    permanent: bool = False


def read_bounce(raw: bytes) -> Bounce | None:
    """The report in a mail, of which the beginning is enough; None when it is no report about delivery.

    Never raises: what is malformed reads as no report, or as one with less in it.
    """
    stream = MimeStream(iter([raw[:LOOKED_AT]]), LOOKED_AT)
    try:
        fields = read_fields(stream.head())
    except BadMessage:
        return None
    kind = fields.content_type
    if kind.kind == "multipart/report":
        announced = kind.parameters.get("report-type", "").lower()
        if announced not in ("", "delivery-status"):
            return None  # a receipt of reading, a complaint
        report = _from_report(stream, kind.parameters.get("boundary", "").encode())
        return report or (Bounce() if announced else None)
    if kind.kind in ("multipart/related", "text/xml") or not _is_from_daemon(fields):
        return None
    return _from_text(b"".join(stream.rest()))


def _is_from_daemon(fields: Fields) -> bool:
    if fields.first("x-failed-recipients"):  # Exim
        return True
    from_daemon = any(_DAEMON.match(sender) for sender in addresses(fields.first("from")))
    returned = fields.first("return-path") == "<>" or _SUBJECT.search(fields.first("subject"))
    return from_daemon and bool(returned)


def _from_report(stream: MimeStream, boundary: bytes) -> Bounce | None:
    groups: list[Fields] = []
    returned = ""
    for kind, content in _parts(stream, boundary):
        if kind in _REPORT and not groups:
            groups = [_fields(group) for group in _EMPTY_LINE.split(content.strip())]
        elif kind in _RETURNED and not returned:
            returned = next(_message_ids(_EMPTY_LINE.split(content.lstrip(), 1)[0]), "")
    if not groups and not returned:
        return None
    recipient = _worst(groups[1:])
    action, status = _action(recipient), _status(recipient.first("status"))
    return Bounce(
        original_envelope_id=groups[0].first("original-envelope-id") if groups else "",
        original_message_id=returned,
        action=action,
        status=status,
        permanent=action == "failed" and status.startswith("5"),
    )


def _message_ids(text: bytes) -> Iterator[str]:
    return (found.group(1).decode("utf-8", "replace") for found in _MESSAGE_ID.finditer(text))


def _fields(raw: bytes) -> Fields:
    try:
        return read_fields(raw)
    except BadMessage:
        return Fields()


def _parts(stream: MimeStream, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Kind and decoded beginning of each part. What is cut ends here without a word, and so does what is broken."""
    if not boundary:
        return
    with suppress(BadMessage):
        deque(stream.until(boundary), maxlen=0)  # the preamble
        for _ in range(_PARTS):
            if stream.closed:
                return
            fields = read_fields(stream.head())
            yield fields.content_type.kind, _beginning(decoded(stream.until(boundary), fields.transfer_encoding))


def _beginning(content: Iterator[bytes]) -> bytes:
    """So much of a part; the rest is passed over. A part that is cut or broken has what came before."""
    kept = b""
    with suppress(BadMessage):
        for piece in content:
            kept += piece[: _PART_LIMIT - len(kept)]
    return kept


def _worst(groups: list[Fields]) -> Fields:
    """One report may speak of several recipients; a failure is what matters."""
    return next((group for group in groups if _action(group) == "failed"), groups[0] if groups else Fields())


def _action(group: Fields) -> str:
    action = group.first("action").lower()
    return action if action in _ACTIONS else UNKNOWN


def _from_text(text: bytes) -> Bounce:
    """The last Message-ID in the text is that of the mail that came back; an attempt is not given up for this."""
    return Bounce(
        original_message_id=["", *_message_ids(text)][-1],
        status=_status(text.decode("utf-8", "replace")),
    )


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found.group(1) if found else ""
