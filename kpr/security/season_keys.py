"""Season keys: what makes a purge hold against backups of the store and the vault too (process.md S8).

Each kind of record of one municipality and data year has a key in a file of its own, outside of the store, the vault
and their backups. Data keys are wrapped under it and the municipality's key together. A purge destroys the file:
whoever brings store and vault back then has data keys that nothing opens.

Files are named after label, kind and number: ``1103-2020-payload-1.key`` is in use; under ``.leaving`` nothing new is
wrapped, since a purge has begun; ``.gone`` was destroyed, and holds the id alone, so that a key that was destroyed is
told apart from one that somebody forgot to put back.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kpr.errors import BadSettings, Locked
from kpr.security.throwaway import write_private

ID_BYTES = 16
_KEY_BYTES = 32
#: In the order of a key's life: whoever looks in this order finds also one that is renamed meanwhile.
_LIVING = (".key", ".leaving")
#: A data key that was destroyed is told in these words, wherever it stood.
DESTROYED = "Innholdet er slettet for godt: nøkkelen er ødelagt. Det kan verken leses eller sendes igjen."


@dataclass(frozen=True, slots=True)
class SeasonKey:
    """One of them: 16 bytes to know it by, and 32 that are secret."""

    id: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SeasonKeys:
    """The folder, and whose keys are made in it. Keys of the municipality's other years may lie there and are found."""

    folder: Path
    label: str

    @contextmanager
    def keeping(self, kind: str) -> Iterator[SeasonKey]:
        """The key that is in use; made when there is none. While the body runs, no purge destroys it."""
        with self._locked(fcntl.LOCK_SH):
            yield self._in_use(kind)

    def find(self, key_id: bytes) -> SeasonKey:
        """The key with this id; Locked when it was destroyed, BadSettings when it is not here."""
        with season_errors():
            for suffix in _LIVING:
                for path in self.folder.glob(f"*{suffix}"):
                    with suppress(FileNotFoundError):
                        if not _is_gone(path) and (found := _read(path)).id == key_id:
                            return found
            if any(path.read_text().strip() == key_id.hex() for path in self.folder.glob("*.gone")):
                raise Locked(DESTROYED)
        raise BadSettings(
            "A season key that opens what was kept is missing.",
            place="vault.season_folder",
            remedy="Put the folder of season keys back as it was.",
        )

    @contextmanager
    def leaving(self, kinds: Collection[str]) -> Iterator[tuple[bytes, ...]]:
        """The ids of all keys of these kinds, which nothing new is wrapped under from now on.

        While the body runs, nobody keeps anything: what is kept under these keys is there, or comes under others.
        """
        with self._locked(fcntl.LOCK_EX):
            with season_errors():
                living = [path for kind in kinds for path in self._numbered(kind) if not _is_gone(path)]
                ids = tuple(_read(_leave(path)).id for path in living)
            yield ids

    def destroy(self, ids: Collection[bytes]) -> None:
        """Overwrite and remove the keys with these ids; those that are gone already are passed over."""
        with season_errors():
            for path in self.folder.glob("*.leaving"):
                if not _is_gone(path) and (found := _read(path)).id in ids:
                    _write(path.with_suffix(".gone"), f"{found.id.hex()}\n".encode())
                if _is_gone(path):  # by a killed one, perhaps
                    _overwrite(path)

    def _in_use(self, kind: str) -> SeasonKey:
        with season_errors():
            numbered = self._numbered(kind)
            current = next((path for path in numbered if path.suffix == ".key"), None)
            return _read(current or self._make(kind, 1 + max(map(_number, numbered), default=0)))

    def _numbered(self, kind: str) -> list[Path]:
        """Every file of a kind, the oldest number first."""
        found = self.folder.glob(f"{self.label}-{kind}-*")
        return sorted((path for path in found if path.suffix in (".key", ".leaving", ".gone")), key=_number)

    def _make(self, kind: str, number: int) -> Path:
        """A new key, or the one that another process made at the same moment."""
        path = self.folder / f"{self.label}-{kind}-{number}.key"
        with suppress(FileExistsError):
            _write(path, base64.b64encode(secrets.token_bytes(ID_BYTES + _KEY_BYTES)) + b"\n")
        return path

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the lock of this label; the system lets go of it when a process dies."""
        with season_errors():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.folder / f"{self.label}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _is_gone(path: Path) -> bool:
    """Whether this key was destroyed, though a killed process may have left what it overwrote."""
    return path.with_suffix(".gone").exists()


def _read(path: Path) -> SeasonKey:
    if path.stat().st_mode & 0o077:
        raise BadSettings("Others can read a season key.", place=path.name, remedy=f"chmod 600 {path.name}")
    try:
        content = base64.b64decode(path.read_bytes().strip(), validate=True)
    except binascii.Error:
        content = b""
    if len(content) != ID_BYTES + _KEY_BYTES:
        raise BadSettings("A season key is not whole.", place=path.name, remedy="Put it back as it was.")
    return SeasonKey(content[:ID_BYTES], content[ID_BYTES:])


def _leave(path: Path) -> Path:
    return path if path.suffix == ".leaving" else path.rename(path.with_suffix(".leaving"))


def _write(path: Path, content: bytes) -> None:
    """A new file, whole and on the disk, or none; FileExistsError when there is one."""
    part = path.with_suffix(f".{secrets.token_hex(8)}.part")
    try:
        write_private(part, content)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    keep_entry(path.parent)


def _overwrite(path: Path) -> None:
    """So that the bytes are gone also where a disk keeps what was removed; then remove it."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    keep_entry(path.parent)


def keep_entry(folder: Path) -> None:
    """Force an entry that was made, renamed or removed to disk, or a power cut could take it back."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def season_errors() -> Iterator[None]:
    """What the disk says, as one sentence with the setting."""
    try:
        yield
    except OSError as error:
        raise BadSettings(
            f"The season keys cannot be read or written: {error.strerror}.",
            place="vault.season_folder",
            remedy="Check the folder's rights and make room, then run again.",
        ) from error
