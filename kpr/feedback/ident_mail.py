"""The ident feedback: an e-mail about the national ids (letter L18-L20). Recognised, never guessed.

What the real mail looks like is not public. So a mail counts only when it comes from a domain that the settings name
*and* says the municipality, the data year and the running number; everything else from that domain is FEEDBACK_UNREAD
("look at it"), and mail from elsewhere is left where it lies. A forged mail can do no more than that: it never sends
anything. Bodies are not shown, logged or put into errors; they may hold national ids.
"""

from __future__ import annotations

import hashlib
import mailbox
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from pathlib import Path

from kpr.conversation import IdentEvent

#: A mail above this is not read into memory; a person looks at it.
MAIL_LIMIT = 5 << 20

_FAULT_WORDS = re.compile(r"\b(feil|mangler?|avvist|ugyldig)", re.IGNORECASE)
_NO_FAULTS = re.compile(r"\b(ingen|0|uten)\s+(feil|mangler)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a mail about one submission must say."""

    municipality: str
    data_year: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class IdentMail:
    """A mail that was read: what it means, for which running number, and its raw bytes for the vault."""

    key: str
    event: IdentEvent
    sequence_number: int | None
    fingerprint: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A maildir. Mail stays new until it is accepted; unknown mail is left as it is."""

    folder: Path
    sender_domains: tuple[str, ...]

    def waiting(self, expected: list[Expected]) -> Iterator[IdentMail]:
        """Mails from the register's domains that have not been accepted, oldest first."""
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        paths = sorted((self.folder / "new").iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in paths:
            found = read_mail(path, self.sender_domains, expected)
            if found is not None:
                yield found

    def accept(self, mail: IdentMail) -> None:
        """Mark a mail as seen, when what it says is durable."""
        source = self.folder / "new" / mail.key
        if source.exists():
            source.replace(self.folder / "cur" / f"{mail.key}:2,S")


def read_mail(path: Path, domains: tuple[str, ...], expected: list[Expected]) -> IdentMail | None:
    """One mail file (maildir or ``.eml``); None when it is not from the register's domains."""
    if path.stat().st_size > MAIL_LIMIT:
        with path.open("rb") as source:
            head = source.read(64 << 10)
        if not _is_from(_parse(head), domains):
            return None
        return IdentMail(path.name, IdentEvent.FEEDBACK_UNREAD, None, _fingerprint(head), head)
    raw = path.read_bytes()
    message = _parse(raw)
    if not _is_from(message, domains):
        return None
    event, number = understand(message, expected)
    return IdentMail(path.name, event, number, _fingerprint(raw), raw)


def _parse(raw: bytes) -> EmailMessage | None:
    try:
        return BytesParser(policy=policy.default).parsebytes(raw)
    except Exception:  # the parser promises not to raise, and does on some malformed headers
        return None


def _is_from(message: EmailMessage | None, domains: tuple[str, ...]) -> bool:
    try:
        address = parseaddr(str(message["From"]))[1] if message is not None else ""
    except Exception:  # malformed headers raise when they are looked at
        return False
    local, _, domain = address.rpartition("@")
    return bool(local) and domain.lower() in {name.lower() for name in domains}


def _fingerprint(raw: bytes) -> str:
    return f"mail:{hashlib.sha256(raw).hexdigest()}"


def understand(message: EmailMessage | None, expected: list[Expected]) -> tuple[IdentEvent, int | None]:
    """What a mail means; FEEDBACK_UNREAD unless it names exactly one expected submission and its outcome."""
    text = _text(message)
    named = [one for one in expected if text is not None and _names(text, one)]
    if len(named) != 1 or text is None:
        return IdentEvent.FEEDBACK_UNREAD, None
    number = named[0].sequence_number
    if _NO_FAULTS.search(text):
        return IdentEvent.FEEDBACK_OK, number
    if _FAULT_WORDS.search(text):
        return IdentEvent.FEEDBACK_FAULTS, number
    return IdentEvent.FEEDBACK_UNREAD, None


def _names(text: str, one: Expected) -> bool:
    numbers = set(re.findall(r"\d+", text))
    number = re.search(rf"l[øo]penummer\D{{0,5}}{one.sequence_number}(?!\d)", text, re.IGNORECASE)
    return one.municipality in numbers and str(one.data_year) in numbers and number is not None


def _text(message: EmailMessage | None) -> str | None:
    """Subject and plain body; attachments are never opened. None when it cannot be read."""
    try:
        if message is None:
            return None
        body = message.get_body(preferencelist=("plain",))
        content = body.get_content() if body is not None else ""
        return f"{message['Subject']}\n{content}"
    except Exception:  # any malformed part: a person looks
        return None


def deliver(folder: Path, message: EmailMessage) -> None:
    """Put a mail into a maildir, as a mail server would (for the stand-in register)."""
    mailbox.Maildir(folder, create=True).add(message.as_bytes())
