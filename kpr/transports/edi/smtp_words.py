"""SMTP's own notation: what a mail is called, the bytes of DATA, and what a reply means. Values in, values out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from email.utils import format_datetime
from typing import BinaryIO

from kpr.errors import TransportError
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.mail_line import mail_error

PIECE = 1 << 20

_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_OUR_ID = re.compile(rf"\s*<?({_NAME})\.[0-9a-f]{{8}}(?:@[^@<>\s]+)?>?\s*")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_ENHANCED = re.compile(rb"[245]\.(\d{1,3}\.\d{1,3})(?!\d)")
_LINE_END = re.compile(rb"\r\n|\r|\n")


# -- what a mail is called, and its head -----------------------------------------------------------------------------


def is_address(text: str) -> bool:
    """Whether it can stand in an envelope as it is: one address in ASCII, without quotes."""
    return _ADDRESS.fullmatch(text) is not None


def mail_message_id(label: Label) -> str:
    """A Message-ID for one try; new each time, although the message is the same (HITS 1172 s. 4.2.3.2).

    ValueError when the label's name cannot be part of one.
    """
    if not re.fullmatch(_NAME, label.name):
        raise ValueError("a label's name has letters, digits, '-', '_', and single dots within")
    return f"<{label.name}.{secrets.token_hex(4)}@{label.sender.rpartition('@')[2]}>"


def message_of(mail_message_id: str) -> str:
    """The label's name in a Message-ID or envelope id of ours; empty when it is none of ours."""
    found = _OUR_ID.fullmatch(mail_message_id) if len(mail_message_id) <= 500 else None
    return found[1] if found else ""


def head(label: Label, message_id: str) -> bytes:
    """The fields that stand before the entity's own; addresses as in the address book (HITS 1172, rules 18-20, 250)."""
    date = format_datetime(label.sent_at)
    return f"From: {label.sender}\r\nTo: {label.recipient}\r\nDate: {date}\r\nMessage-ID: {message_id}\r\n".encode()


# -- the bytes on the wire -------------------------------------------------------------------------------------------


def pieces(body: BinaryIO, size: int) -> Iterator[bytes]:
    """``size`` bytes in pieces; TransportRefused when there are fewer, before the mail could be taken for whole."""
    left = size
    while left:
        try:
            piece = body.read(min(PIECE, left))
        except OSError:  # ours: the line to the server has nothing to do with it
            piece = b""
        if not piece:
            raise mail_error("short")
        left -= len(piece)
        yield piece


def dotted(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A mail as DATA wants it, to the final dot: every line ends with CRLF, and one that begins with a dot has two.

    A bare CR or LF becomes CRLF: left alone, some servers would take "LF . LF" for the end, and what follows for
    commands.
    """
    held, at_start = b"", True
    for part in parts:
        text = held + part
        held = text[-1:] if text.endswith(b"\r") else b""  # whether LF follows is not known yet
        text = text.removesuffix(held)
        if not text:
            continue
        text = _with_crlf(text)
        yield (b"." if at_start and text.startswith(b".") else b"") + text.replace(b"\r\n.", b"\r\n..")
        at_start = text.endswith(b"\r\n")
    yield b".\r\n" if at_start and not held else b"\r\n.\r\n"


def _with_crlf(text: bytes) -> bytes:
    right = text.count(b"\r\n")
    if text.count(b"\n") == right == text.count(b"\r"):
        return text
    return _LINE_END.sub(b"\r\n", text)


# -- what a reply means ----------------------------------------------------------------------------------------------


def reply_error(code: int, words: bytes, stage: str) -> TransportError:
    """The error that a reply is. ``stage``: connect, tls, login, mail, rcpt or data."""
    enhanced = _ENHANCED.match(words)
    return mail_error(_condition(code, enhanced[1].decode() if enhanced else "", stage), code if code > 0 else "")


def _condition(code: int, enhanced: str, stage: str) -> str:
    if 400 <= code < 500:
        return "busy"
    if not 500 <= code < 600:
        return "protocol"
    # 552 after RCPT is about the receiver's room (RFC 5321 s. 4.2.2), after MAIL or DATA about the size (RFC 1870 s. 6).
    if enhanced == "2.2" or (code == 552 and stage == "rcpt" and not enhanced):
        return "quota"
    if enhanced in ("3.4", "2.3") or code in (523, 552):
        return "too-large"
    if stage == "login" or code in (530, 534, 535, 538):
        return "login"
    return {"rcpt": "recipient", "tls": "no-starttls"}.get(stage, "refused")
