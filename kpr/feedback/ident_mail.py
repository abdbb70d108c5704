"""The ident feedback: an e-mail about the national ids (letter L18-L20). Recognised, never guessed.

What the real mail looks like is not public. So a mail counts only when it comes from a domain that the settings name
*and* says the municipality, the data year and the running number, in the time when such a mail may come; everything
else from that domain is FEEDBACK_UNREAD ("look at it"), and mail from elsewhere is left where it lies. A forged mail
can do no more than that: it never sends anything. Bodies are not shown, logged or put into errors; they may hold
national ids.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kpr.conversation import IdentEvent
from kpr.errors import BadSettings
from kpr.feedback.mail_file import HEAD_LIMIT, MailHead, read_head, read_text
from kpr.feedback.mail_words import Expected, Meaning, understand, unread

__all__ = ["MAIL_LIMIT", "Expected", "IdentMail", "Mailbox", "is_from", "read_bytes", "read_mail"]

#: A mail above this is not read into memory; a person looks at it.
MAIL_LIMIT = 5 << 20


@dataclass(frozen=True, slots=True)
class IdentMail:
    """A mail that was read: what it means, for which running number, and its raw bytes for the vault.

    ``message_id_hash`` names the mail without showing it, ``sent_at`` is what it says itself (anyone can write that),
    ``received_at`` when it came to lie here, ``origin`` how (``maildir``, ``imap`` or ``file``), ``reason`` why a person must
    look, and ``gateway`` what the mail gateway wrote about DKIM and SPF: recorded, and no reason to trust.
    """

    key: str
    event: IdentEvent
    sequence_number: int | None
    fingerprint: str
    raw: bytes = field(repr=False)
    message_id_hash: str = ""
    sent_at: datetime | None = None
    received_at: datetime | None = None
    origin: str = "file"
    reason: str = ""
    gateway: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A maildir of its own. Mail stays new until it is accepted; unknown mail is left as it is."""

    folder: Path
    sender_domains: tuple[str, ...]

    def waiting(self, expected: list[Expected]) -> Iterator[IdentMail]:
        """Mails from the register's domains that have not been accepted, oldest first."""
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for path in _oldest_first(self.folder / "new"):
            found = read_mail(path, self.sender_domains, expected, origin="maildir")
            if found is not None:
                yield found

    def accept(self, mail: IdentMail) -> None:
        """Mark a mail as seen, when what it says is durable."""
        source = self.folder / "new" / mail.key
        if source.exists():
            source.replace(self.folder / "cur" / f"{mail.key}:2,S")


def _oldest_first(folder: Path) -> list[Path]:
    found = []
    for path in folder.iterdir():
        try:
            found.append((path.lstat().st_mtime_ns, path.name, path))
        except FileNotFoundError:  # a mail program took it away meanwhile
            continue
    return [path for _, _, path in sorted(found)]


def read_mail(
    path: Path, domains: tuple[str, ...], expected: list[Expected], *, origin: str = "file"
) -> IdentMail | None:
    """One mail file (``.eml``); None when it is not from the register's domains, or no ordinary file.

    BadSettings when we have no right to read it.
    """
    found = _open(path)
    if found is None:
        return None
    raw, whole, received_at = found
    return read_bytes(raw, domains, expected, whole=whole, key=path.name, received_at=received_at, origin=origin)


def read_bytes(
    raw: bytes,
    domains: tuple[str, ...],
    expected: list[Expected],
    *,
    whole: bool,
    key: str,
    received_at: datetime,
    origin: str,
) -> IdentMail | None:
    """One mail as bytes; ``whole`` is False when it is too large, and these are its head. None as for read_mail."""
    if not is_from(raw, domains):
        return None
    head = read_head(raw)
    meaning = understand(read_text(raw), head.sent_at, expected) if whole else unread("is too large")
    return _mail(key, meaning, head, raw, received_at, origin)


def is_from(raw: bytes, domains: tuple[str, ...]) -> bool:
    """Whether a mail, or its head, is from one of the domains; without a sender it is nobody's."""
    sender = read_head(raw).sender_domain
    return bool(sender) and sender in {domain.lower() for domain in domains}


def _mail(key: str, meaning: Meaning, head: MailHead, raw: bytes, received_at: datetime, origin: str) -> IdentMail:
    return IdentMail(
        key=key,
        event=meaning.event,
        sequence_number=meaning.sequence_number,
        fingerprint=f"mail:{hashlib.sha256(raw).hexdigest()}",
        raw=raw,
        message_id_hash=head.message_id_hash,
        sent_at=head.sent_at,
        received_at=received_at,
        origin=origin,
        reason=meaning.reason,
        gateway=head.gateway,
    )


def _open(path: Path) -> tuple[bytes, bool, datetime] | None:
    """The bytes, whether they are all, and when they came; None for what is gone, or is no ordinary file."""
    try:
        # A link could lead anywhere, and a pipe would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        raise BadSettings(
            "A mail in the mailbox cannot be read.", place="mailbox.folder", remedy="Check its rights."
        ) from None
    except OSError:
        return None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        return None
    whole = about.st_size <= MAIL_LIMIT
    with os.fdopen(handle, "rb") as source:
        raw = source.read(MAIL_LIMIT if whole else HEAD_LIMIT)
    return raw, whole, datetime.fromtimestamp(about.st_mtime, UTC)
