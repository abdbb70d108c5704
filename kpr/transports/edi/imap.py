"""A mailbox as a place where things wait: looked at without a trace, read in pieces, and taken away when they are safe.

Nothing is marked as seen before it is accepted or set aside: a person who looks into the mailbox sees what is left.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, cast

from kpr.errors import BadSettings
from kpr.transports.edi.imap_line import PIECE, ImapLine
from kpr.transports.edi.imap_words import Fetched, folder_name
from kpr.transports.edi.mail_line import mail_error
from kpr.transports.edi.settings import ImapServer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: How many mails are asked about at once, and how much of their From fields is read: more is nobody's address.
_BATCH, _FROM_BYTES = 100, 4096
_ABOUT = f"(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM)]<0.{_FROM_BYTES}>)"


@dataclass(frozen=True, slots=True)
class ArrivedMail:
    """One mail that waits. ``name`` is UIDVALIDITY and UID; ``sender`` the From fields, bounded; ``size`` in bytes."""

    box: ImapBox = field(repr=False)
    name: str
    size: int
    received_at: datetime
    sender: bytes = field(repr=False)

    def open(self) -> BinaryIO:
        """The whole mail as it came, fetched in pieces as it is read; it stays unseen."""
        return cast(BinaryIO, io.BufferedReader(_Pieces(self.box, self.name, self.size)))

    def accept(self) -> None:
        """Seen, and moved to the archive folder."""
        self.box.accept(self.name)

    def set_aside(self, reason: str) -> None:  # noqa: ARG002  (a mail has no place for it; the log has)
        """Seen, and moved to the folder for what nobody can use."""
        self.box.set_aside(self.name)


class ImapBox:
    """One folder of one mailbox. ``place`` is where its settings stand, ``transport.carrier.imap``.

    Every method may raise TransportError (away, busy, renumbered), TransportRefused (login, certificate, folder) and
    BadSettings. A connection that is lost is opened once more, and the work goes on where it was.
    """

    def __init__(self, settings: ImapServer, place: str) -> None:
        if settings.folder in (settings.archive, settings.failed):
            raise BadSettings(
                "What was read would be moved to where it came from.",
                place=f"{place}.archive",
                remedy="Name folders other than the one that is read.",
            )
        self._settings, self._line = settings, ImapLine(settings, place)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._line.is_open

    def waiting(self) -> Iterator[ArrivedMail]:
        """The mails that lie there now, oldest first; each once, also when the connection was lost meanwhile."""
        self._line.begin()
        uids = self._line.search("UNDELETED")
        for first in range(0, len(uids), _BATCH):
            batch = uids[first : first + _BATCH]
            about = {one.uid: one for one in self._line.fetch(",".join(map(str, batch)), _ABOUT)}
            for uid in batch:
                if uid in about:  # else it has gone meanwhile
                    yield self._arrived(about[uid])

    def look(self) -> int:
        """How many mails wait; nothing of them is fetched."""
        self._line.begin()
        return len(self._line.search("UNDELETED"))

    def _arrived(self, one: Fetched) -> ArrivedMail:
        name = f"{self._line.validity}.{one.uid}"
        return ArrivedMail(self, name, one.size or 0, one.received_at or datetime.now(UTC), one.body or b"")

    def piece(self, name: str, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes of a mail from ``offset``; empty behind its end. TransportError when it has gone."""
        uid = self._uid(name)
        for one in self._line.fetch(uid, f"(UID BODY.PEEK[]<{offset}.{count}>)"):
            if str(one.uid) == uid and one.body is not None:
                return one.body
        raise mail_error("gone")

    def accept(self, name: str) -> None:
        """Mark a mail as seen and move it to the archive; nothing happens to one that has gone."""
        self._take_away(name, self._settings.archive)

    def set_aside(self, name: str) -> None:
        """Mark a mail as seen and move it to the folder for what nobody can use."""
        self._take_away(name, self._settings.failed)

    def close(self) -> None:
        """Let go of the connection; it opens again when it is needed."""
        self._line.close()

    def _uid(self, name: str) -> str:
        """The UID, when it still means the same mail as when it was told."""
        validity, _, uid = name.partition(".")
        self._line.open()
        if validity != str(self._line.validity):
            raise mail_error("renumbered")
        return uid

    def _take_away(self, name: str, folder: str) -> None:
        uid = self._uid(name)
        self._line.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")
        if self._line.can("MOVE"):
            self._into(folder, "MOVE", uid)
            return
        # Should the line be lost between copy and answer, the archive has the mail twice: better than not at all.
        self._into(folder, "COPY", uid)
        self._line.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
        if self._line.can("UIDPLUS"):  # a plain EXPUNGE would take what others have marked
            self._line.uid("EXPUNGE", uid)

    def _into(self, folder: str, command: str, uid: str) -> None:
        """Move or copy; a folder that is missing is made (RFC 3501 s. 6.4.7: the server does not make it)."""
        name = folder_name(folder)
        status, _ = self._line.ask("uid", command, uid, name)
        if status != "OK":
            self._line.ask("create", name)
            self._line.ask("subscribe", name)  # else mail programs do not show it
            self._line.uid(command, uid, name)


class _Pieces(io.RawIOBase):
    """A mail as a file that is fetched as it is read; one piece is in memory."""

    def __init__(self, box: ImapBox, name: str, size: int) -> None:
        super().__init__()
        self._box, self._name, self._size = box, name, size
        self._piece, self._taken, self._offset, self._ended = b"", 0, 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if self._taken == len(self._piece) and not self._ended:
            self._fetch()
        part = self._piece[self._taken : self._taken + len(view)]
        view[: len(part)] = part
        self._taken += len(part)
        return len(part)

    def _fetch(self) -> None:
        self._piece, self._taken = self._box.piece(self._name, self._offset, PIECE), 0
        self._offset += len(self._piece)
        # Servers that only estimate a mail's size exist: the end is where nothing comes, or a short piece at the size.
        self._ended = not self._piece or (len(self._piece) < PIECE and self._offset >= self._size)
