"""IMAP's own notation (RFC 3501): names of folders as they go out, and FETCH responses as they come in. No I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: What FETCH responses are made of; a body's section comes first, because it may hold spaces and parentheses.
_TOKEN = re.compile(
    rb"""(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<open>\()|(?P<close>\))"""
    rb"""|(?P<atom>BODY\[[^\]]*\](?:<\d+>)?|[^\s()"]+)""",
    re.IGNORECASE,
)
_LITERAL_SIZE = re.compile(rb"\{\d+\}$")
_ESCAPED = re.compile(rb"\\(.)")
_CODE = re.compile(rb"\[([A-Z]+)[ \]]")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the server tells of one mail. None is what it does not tell; ``body`` is the section that was asked for."""

    uid: int
    size: int | None = None
    received_at: datetime | None = None
    body: bytes | None = None


def folder_name(name: str) -> str:
    """A folder's name as an argument: in modified UTF-7 (RFC 3501 s. 5.1.3) and quotes.

    Nothing in it can end the argument: control characters are encoded, quotes and backslashes escaped.
    """
    out, waiting = [], ""
    for sign in name:
        if " " <= sign <= "~":
            out += [_shifted(waiting), "&-" if sign == "&" else sign]
            waiting = ""
        else:
            waiting += sign
    encoded = "".join([*out, _shifted(waiting)])
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shifted(text: str) -> str:
    if not text:
        return ""
    encoded = base64.b64encode(text.encode("utf-16-be", "surrogatepass")).decode()
    return f"&{encoded.rstrip('=').replace('/', ',')}-"


def response_code(line: bytes) -> str:
    """The code in brackets that a status response may begin with (RFC 5530); empty when there is none."""
    found = _CODE.match(line)
    return found[1].decode() if found else ""


def fetched(data: list[object]) -> Iterator[Fetched]:
    """The mails in imaplib's answer to FETCH. Answers that nobody asked for, and those without a UID, are passed over.

    imaplib gives each response as pairs (text up to a literal, the literal), and the text after the last of them.
    """
    tokens: list[tuple[str, bytes]] = []
    for item in data:
        if isinstance(item, tuple):
            text, literal = item[0], item[1]
            tokens += [*_tokens(_LITERAL_SIZE.sub(b"", text)), ("literal", literal)]
        elif isinstance(item, bytes):
            found = _one([*tokens, *_tokens(item)])
            tokens = []
            if found is not None:
                yield found


def _tokens(text: bytes) -> Iterator[tuple[str, bytes]]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        yield kind, _ESCAPED.sub(rb"\1", found[0][1:-1]) if kind == "quoted" else found[0]


def _one(tokens: list[tuple[str, bytes]]) -> Fetched | None:
    """Names count only where names stand: what a mail says in a string, or a keyword among its flags, is none."""
    said: dict[str, bytes] = {}
    depth, name = 0, ""
    for kind, value in tokens:
        if kind in ("open", "close"):
            depth += 1 if kind == "open" else -1
            name = ""
        elif depth == 1 and not name:
            name = value.upper().decode("ascii", "replace") if kind == "atom" else ""
        elif depth == 1:
            if kind != "atom" or value.upper() != b"NIL":
                said["BODY" if name.startswith("BODY[") else name] = value
            name = ""
    uid, size = _number(said.get("UID")), _number(said.get("RFC822.SIZE"))
    return Fetched(uid, size, _date(said.get("INTERNALDATE", b"")), said.get("BODY")) if uid else None


def _number(text: bytes | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) < 20 else None


def _date(text: bytes) -> datetime | None:
    with suppress(ValueError, TypeError, IndexError):
        return parsedate_to_datetime(text.decode("ascii").strip().replace("-", " ", 2)).astimezone(UTC)
    return None
