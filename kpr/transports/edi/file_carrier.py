"""The rules of a carrier of files, the same whichever way the files travel.

We write ``outbox/<name>.mime.part`` and rename it to ``outbox/<name>.mime`` when the other side holds it whole; we read
``inbox`` and move what was read to ``archive`` or ``failed``. Nothing is ever deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.files import PART, PIECE, SUFFIX, Files, is_whole, numbered, own_file
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import Folders

#: A part smaller than this is not worth two questions; as much of its end is held against our own bytes.
_WORTH_RESUMING, _TAIL = 1 << 20, 1 << 16


class FileCarrier:
    """A carrier over a place of files. One parcel is read at a time: whatever else is asked ends an open reader."""

    def __init__(self, files: Files, folders: Folders, suffix: str = SUFFIX) -> None:
        self._files, self._folders, self._suffix = files, folders, suffix
        self._made: set[str] = set()
        self._reader: _Reader | None = None

    def put(self, label: Label, body: BinaryIO, size: int) -> None:
        """Write, check, rename; a name that lies there already, or in ``archive`` or ``failed``, was delivered before.

        A part that was left is continued where ``body`` can seek. Two may not put the same name at once.
        """
        name = own_file(label.name, self._suffix)
        if name is None:
            raise self._error("bad-name")
        self._made.clear()
        self._ready()
        if self._was_delivered(name, size):
            return
        self._make(self._folders.outbox)
        final = f"{self._folders.outbox}/{name}"
        self._upload(final + PART, body, size)
        self._files.publish(final + PART, final)

    def waiting(self) -> Iterator[FileParcel]:
        """Whole parcels in the inbox, oldest first. An empty file, or one whose size changes meanwhile, is being written."""
        inbox = self._folders.inbox
        self._made.clear()
        self._ready()
        self._make(inbox)
        found = [entry for entry in self._files.entries(inbox) if entry.plain and entry.size and is_whole(entry.name)]
        for entry in sorted(found, key=lambda entry: (entry.modified, entry.name)):
            self._ready()
            if self._files.size(f"{inbox}/{entry.name}") == entry.size:
                yield FileParcel(self, entry.name, entry.size)

    def look(self, folders: Iterable[str]) -> dict[str, int | None]:
        """How many files lie in each folder, None where it is not there; nothing is made, moved or opened."""
        self._ready()
        return {folder: self._counted(folder) for folder in folders}

    def _counted(self, folder: str) -> int | None:
        try:
            return sum(entry.plain for entry in self._files.entries(folder))
        except TransportRefused as error:
            if str(error) == str(self._error("no-such-folder")):
                return None
            raise

    def close(self) -> None:
        """Let go of the connection; the next call opens a new one."""
        if self._reader:
            self._reader.close()
        self._files.close()

    def read(self, name: str, size: int) -> BinaryIO:
        """The bytes of a file in the inbox: exactly so many, or a TransportError at the end."""
        self._ready()
        pieces = self._files.read(f"{self._folders.inbox}/{name}")
        self._reader = _Reader(pieces, size, self._error("not-whole"))
        return io.BufferedReader(self._reader, PIECE)

    def archive(self, name: str, size: int) -> None:
        """Move a file of the inbox to ``archive``."""
        self._move(name, size, self._folders.archive)

    def fail(self, name: str, size: int, reason: str) -> None:
        """Move a file of the inbox to ``failed``, with a file that says why."""
        self._move(name, size, self._folders.failed, reason)

    def _move(self, name: str, size: int, folder: str, reason: str = "") -> None:
        self._ready()
        self._make(folder)
        source = f"{self._folders.inbox}/{name}"
        for number in count(1):
            target = f"{folder}/{numbered(name, number)}"
            # Somebody else took it, or it is not the one that was read: then it comes again.
            if self._files.size(source) != size:
                return
            if self._files.size(target) is None and self._moved(source, target, reason):
                return
            held = self._files.size(target)
            if held is None and self._files.size(source) == size:
                raise self._error("not-moved")
            # Renaming is two steps on many servers: the same file may stand under both names for a moment.
            if held == size and self._files.finish_move(source, target):
                return

    def _moved(self, source: str, target: str, reason: str) -> bool:
        if reason:
            self._files.write(f"{target}.reason", [f"{reason}\n".encode()])
        return self._files.move(source, target)

    def _was_delivered(self, name: str, size: int) -> bool:
        for folder in (self._folders.outbox, self._folders.archive, self._folders.failed):
            held = self._files.size(f"{folder}/{name}")
            if held is not None and held != size:
                raise self._error("name-taken")
            if held is not None:
                return True
        return False

    def _upload(self, part: str, body: BinaryIO, size: int) -> None:
        held = self._files.size(part) or 0
        start = body.tell() if body.seekable() else None
        if start is not None and _WORTH_RESUMING <= held <= size:
            # A server may be unable to go on with a file, or give us none to read: then all of it goes anew.
            with contextlib.suppress(TransportRefused):
                if self._resume(part, body, size, held):
                    return
            self._files.connect()
            body.seek(start)
        self._files.write(part, self._pieces(body, size))
        if self._files.size(part) != size:
            raise self._error("not-whole")

    def _resume(self, part: str, body: BinaryIO, size: int, held: int) -> bool:
        """Continue after ``held`` bytes; False when the part is not ours, be it at its end or anywhere in it."""
        ours, tail = hashlib.sha256(), b""
        for piece in self._pieces(body, held):
            ours.update(piece)
            tail = (tail + piece)[-_TAIL:]
        try:
            theirs_ends = b"".join(self._files.read(part, held - len(tail)))
        except TransportError:
            return False
        if theirs_ends != tail:
            return False
        self._files.write(part, _hashed(self._pieces(body, size - held), ours), held)
        theirs = hashlib.sha256()
        for piece in self._files.read(part):
            theirs.update(piece)
        return theirs.digest() == ours.digest()

    def _pieces(self, body: BinaryIO, size: int) -> Iterator[bytes]:
        while size:
            piece = body.read(min(PIECE, size))
            if not piece:
                raise self._error("short")
            size -= len(piece)
            yield piece

    def _ready(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None
        self._files.connect()

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            self._files.make_folder(folder)
            self._made.add(folder)

    def _error(self, what: str) -> TransportError:
        return carrier_error(f"{self._files.kind}:{what}")


@dataclass(frozen=True, slots=True)
class FileParcel:
    """One file of the inbox; it stays there until it is accepted or set aside."""

    carrier: FileCarrier
    name: str
    size: int

    def open(self) -> BinaryIO:
        """The file's bytes, as they come."""
        return self.carrier.read(self.name, self.size)

    def accept(self) -> None:
        """Move it to ``archive``; if it is gone, or has grown since it was listed, nothing happens."""
        self.carrier.archive(self.name, self.size)

    def set_aside(self, reason: str) -> None:
        """Move it to ``failed``, with ``<name>.reason`` beside it."""
        self.carrier.fail(self.name, self.size, reason)


class _Reader(io.RawIOBase):
    """A file's pieces as a stream. The end of a cut line looks like the end of a file: so the bytes are counted."""

    def __init__(self, pieces: Generator[bytes, None, None], size: int, not_whole: TransportError) -> None:
        self._pieces, self._to_come, self._not_whole, self._rest = pieces, size, not_whole, b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Some bytes; 0 at the end. TransportError when they are not as many as were promised."""
        self._rest = self._rest or next(self._pieces, b"")
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        self._to_come -= len(taken)
        if self._to_come < 0 or (not taken and self._to_come):
            raise self._not_whole
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        """End the reading."""
        self._pieces.close()
        super().close()


def _hashed(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece
