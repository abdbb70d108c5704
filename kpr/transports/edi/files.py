"""Parcels as files, whichever way the files travel: their names, and what a place of files must be able to do.

What counts as a whole parcel: a plain file whose name does not say that it is half written. A file of any other name is
left alone. No name leads out of a folder. The rules of handing over and taking are in ``file_carrier``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol

SUFFIX, PART = ".mime", ".part"
#: Seconds that a server may take between giving a file its new name and taking away the old one.
HALFWAY = 0.2
#: How much is read, written and sent at a time.
PIECE = 1 << 20

_OWN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,80}")
_HALF_WRITTEN = (PART, ".tmp", ".filepart")


def own_file(name: str, suffix: str = SUFFIX) -> str | None:
    """The file name of a parcel of ours; None when its name cannot be one."""
    return name + suffix if _OWN_NAME.fullmatch(name) else None


def is_whole(name: str) -> bool:
    """Whether a file of this name can be a whole parcel from the other side; a file of any other name is left alone.

    Not printable are line breaks, and bytes that are no UTF-8: such a name cannot be said back to every server.
    """
    if not name.isprintable() or name != name.strip() or not 0 < len(name.encode()) <= 200:
        return False
    return not name.startswith(".") and not name.lower().endswith(_HALF_WRITTEN) and not set(name) & {"/", "\\"}


def numbered(name: str, number: int) -> str:
    """The name for the number-th file of this name: ``a.mime``, ``a-2.mime``, ``a-3.mime``."""
    if number == 1:
        return name
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a folder's listing. ``modified``: seconds, for the order only. ``plain``: no folder and no link."""

    name: str
    size: int
    modified: float
    plain: bool


class Files(Protocol):
    """A place of files. A path is ``folder/name``. What goes wrong is raised as an error of ``outcomes.yaml``."""

    #: The first half of its conditions: ``sftp``.
    kind: str

    def connect(self) -> None:
        """Be connected: by the kept connection if it still lives, otherwise by a new one."""

    def make_folder(self, folder: str) -> None:
        """See to it that the folder is there."""

    def entries(self, folder: str) -> list[Entry]:
        """What lies in the folder, in any order."""

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when there is none that we can see."""

    def read(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """The file's bytes from there on; closing the generator ends the reading."""

    def write(self, path: str, pieces: Iterable[bytes], offset: int = 0) -> None:
        """Write from there on (from 0: a new file); returns when they are on the disk, as far as one can ask for it."""

    def publish(self, part: str, final: str) -> None:
        """Rename in one step."""

    def move(self, old: str, new: str) -> bool:
        """Rename, never over another file; False when one of the two names did not allow it."""

    def finish_move(self, old: str, new: str) -> bool:
        """Whether ``new`` is what somebody else is moving ``old`` to; what is left of that move is done or awaited."""

    def close(self) -> None:
        """Let go of the connection."""
