"""The vault: whatever is kept is encrypted with a data key per submission, wrapped by the municipality's own key.

A file is a 12-byte head and then chunks of 1 MiB, each AES-256-GCM with its own nonce (random prefix, chunk number)
and with name, number and "last" flag as associated data: a chunk moved, lost, or taken from another file does not
open. Files appear whole or not at all. Purging is destroying the data key, and the season key that it was wrapped
under as well (process.md S8).
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from kpr.errors import BadMessage, BadSettings, Locked
from kpr.security.season_keys import DESTROYED, ID_BYTES, SeasonKey, SeasonKeys, keep_entry

#: What belongs to a submission or came in; documents beside the messages are kinds of their own.
PAYLOAD = "payload"
CHUNK = 1 << 20
_TAG = 16
_MAGIC = b"KPR1"
_PREFIX = 8
_HEAD = len(_MAGIC) + _PREFIX


class MasterKey:
    """The municipality's key, 32 bytes; shows itself to nobody."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise BadSettings("The municipality's key is not 32 bytes.", place="vault", remedy="Make one: kpr init.")
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(hidden)"

    def wrap(self, data_key: bytes) -> bytes:
        """A data key as it may stand in the database (RFC 3394)."""
        return aes_key_wrap(self._key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key; BadSettings when this is not the key that wrapped it, Locked when it has been destroyed."""
        if not wrapped:
            raise Locked(DESTROYED)
        try:
            return aes_key_unwrap(self._key, wrapped)
        except InvalidUnwrap:
            raise BadSettings(
                "The municipality's key does not open what was kept.", place="vault", remedy="Use the key of that time."
            ) from None

    def under(self, season: SeasonKey) -> MasterKey:
        """What wraps the data keys of a season: nobody has it without this key and that one (HKDF, RFC 5869)."""
        derived = HKDF(SHA256(), 32, salt=season.secret, info=b"kpr season " + season.id).derive(self._key)
        return MasterKey(derived)

    @classmethod
    def make(cls, path: Path) -> MasterKey:
        """A new key in a file of its own that only its owner can read; BadSettings when there is one already.

        The older one is all that opens what was kept with it: nothing here may write over it.
        """
        key = secrets.token_bytes(32)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            out = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except FileExistsError:
            raise BadSettings(
                "There is a key already, and what was kept with it can be opened with no other.",
                place=path.name,
                remedy="Use it. Move it away yourself only when nothing was ever kept with it.",
            ) from None
        with out:
            out.write(base64.b64encode(key) + b"\n")
        return cls(key)

    @classmethod
    def load(cls, file: Path | None, variable: str | None = None) -> MasterKey:
        """The key from an environment variable (base64) or from a file (base64 or 32 raw bytes)."""
        if variable and os.environ.get(variable):
            return cls(_from_text(os.environ[variable].encode(), variable))
        if file is None:
            raise BadSettings(
                "There is no key for the vault.", place="vault", remedy="Name a key_file or a key_variable."
            )
        try:
            if file.stat().st_mode & 0o077:
                raise BadSettings("Others can read the vault's key.", place=file.name, remedy=f"chmod 600 {file.name}")
            content = file.read_bytes()
            return cls(content if len(content) == 32 else _from_text(content, file.name))
        except OSError:
            raise BadSettings(
                "The vault's key cannot be read.", place=file.name, remedy="Make one: kpr init."
            ) from None


#: A wrapped data key begins so when it needs a season key; then follow that key's id and 40 bytes (RFC 3394). Without
#: one it is those 40 bytes alone.
_SEASON = b"\x02"


def season_of(wrapped: bytes) -> bytes | None:
    """The id of the season key that a wrapped data key needs; None when it needs none, or has been destroyed."""
    return wrapped[1 : 1 + ID_BYTES] if len(wrapped) == 1 + ID_BYTES + 40 else None


def _from_text(text: bytes, place: str) -> bytes:
    """Base64 or hex. Raw bytes come from files only: 32 typed characters are a password, not a key."""
    try:
        if len(text.strip()) == 64:
            return binascii.unhexlify(text.strip())
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadSettings(
            "The vault's key is neither base64 nor hex.", place=place, remedy="Make one: kpr init."
        ) from None


class Vault:
    """A folder of encrypted files under opaque names."""

    def __init__(self, folder: Path, master_key: MasterKey, seasons: SeasonKeys | None = None) -> None:
        self.folder = folder
        self._master = master_key
        self.seasons = seasons

    def new_wrapped_key(self) -> bytes:
        """A new data key, wrapped under the master key alone: for what no purge has to reach in a backup."""
        return self._master.wrap(secrets.token_bytes(32))

    @contextmanager
    def keeping(self, kind: str = PAYLOAD) -> Iterator[bytes]:
        """A new data key, wrapped for the database; the body keeps what it is for, file and row. No purge comes between."""
        if self.seasons is None:
            yield self.new_wrapped_key()
            return
        with self.seasons.keeping(kind) as season:
            yield _SEASON + season.id + self._master.under(season).wrap(secrets.token_bytes(32))

    @contextmanager
    def leaving(self, kinds: Collection[str]) -> Iterator[tuple[bytes, ...]]:
        """The ids of the season keys that shall go; nobody keeps anything while the body runs, or under them later."""
        if self.seasons is None:
            yield ()
            return
        with self.seasons.leaving(kinds) as ids:
            yield ids

    def destroy_seasons(self, ids: Collection[bytes]) -> None:
        """Destroy season keys: whatever is wrapped under them is unreadable, in backups too."""
        if self.seasons is not None:
            self.seasons.destroy(ids)

    def _unwrap(self, wrapped: bytes) -> bytes:
        season = season_of(wrapped)
        if season is None:
            return self._master.unwrap(wrapped)
        if self.seasons is None:
            raise BadSettings("No folder of season keys is named.", place="vault.season_folder", remedy="Name it.")
        return self._master.under(self.seasons.find(season)).unwrap(wrapped[1 + ID_BYTES :])

    def _path(self, name: str) -> Path:
        if not name or not all(sign.isalnum() or sign in "-_" for sign in name):
            raise ValueError("a vault name is an opaque id")
        return self.folder / f"{name}.vault"

    def holds(self, name: str) -> bool:
        """Whether there is a whole file under this name."""
        return self._path(name).exists()

    @contextmanager
    def create(self, name: str, wrapped_key: bytes) -> Iterator[BinaryIO]:
        """A stream to write plain bytes to; the file is there, whole, when the body ends well, and not otherwise."""
        path = self._path(name)
        # Two writers under one name must not share a part, or the later one writes into the earlier one's file.
        part = path.with_suffix(f".{secrets.token_hex(8)}.part")
        cipher = AESGCM(self._unwrap(wrapped_key))
        try:
            with clear_errors():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                raw = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            with raw:
                writer = _Writer(raw, cipher, name)
                yield writer
                with clear_errors():
                    writer.finish()
                    raw.flush()
                    os.fsync(raw.fileno())
            with clear_errors():
                part.replace(path)
                keep_entry(self.folder)
        finally:
            part.unlink(missing_ok=True)

    def open(self, name: str, wrapped_key: bytes) -> VaultReader:
        """A stream of the plain bytes, with ``size``; BadMessage while reading when a byte was changed."""
        path, cipher = self._path(name), AESGCM(self._unwrap(wrapped_key))
        try:
            raw = path.open("rb")
        except OSError:
            raise BadMessage("What should be in the vault is not there.", place="vault", remedy="Restore it.") from None
        try:
            return VaultReader(raw, cipher, name, os.fstat(raw.fileno()).st_size)
        except BaseException:
            raw.close()
            raise

    def put(self, name: str, wrapped_key: bytes, content: bytes) -> None:
        """Keep some bytes."""
        with self.create(name, wrapped_key) as out:
            out.write(content)

    def get(self, name: str, wrapped_key: bytes) -> bytes:
        """The bytes that were kept."""
        with self.open(name, wrapped_key) as stream:
            return stream.read()

    def remove(self, name: str) -> None:
        """Take a file away; nothing happens when it is not there."""
        self._path(name).unlink(missing_ok=True)

    def remove_all(self, names: Collection[str]) -> None:
        """Take many files away, with the parts that killed writers left of them; those that are gone are passed over."""
        wanted = frozenset(names)
        for path in self.folder.glob("*.*"):
            if path.suffix in (".vault", ".part") and path.name.partition(".")[0] in wanted:
                path.unlink(missing_ok=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Only the vault's own errors become this sentence; those of the writing body are somebody else's."""
    try:
        yield
    except OSError as error:
        raise BadSettings(
            f"The vault cannot be written: {error.strerror}.",
            place="vault.folder",
            remedy="Make room, and check the folder's rights, then run again.",
        ) from error


def _associated(name: str, number: int, *, last: bool) -> bytes:
    return f"{name}:{number}:{last}".encode()


class _Writer(io.RawIOBase, BinaryIO):
    """Collects many small writes into chunks. The last chunk is flagged, and may be empty."""

    def __init__(self, raw: IO[bytes], cipher: AESGCM, name: str) -> None:
        self._raw, self._cipher, self._name = raw, cipher, name
        self._prefix = secrets.token_bytes(_PREFIX)
        self._buffer = bytearray()
        self._number = 0
        raw.write(_MAGIC + self._prefix)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Take plain bytes."""
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._seal(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk."""
        self._seal(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        nonce = self._prefix + self._number.to_bytes(4)
        with clear_errors():
            self._raw.write(self._cipher.encrypt(nonce, chunk, _associated(self._name, self._number, last=last)))
        self._number += 1


class VaultReader(io.RawIOBase, BinaryIO):
    """The plain bytes of one file, chunk by chunk; can go back to its beginning."""

    def __init__(self, raw: BinaryIO, cipher: AESGCM, name: str, file_size: int) -> None:
        self._raw, self._cipher, self._name = raw, cipher, name
        body = file_size - _HEAD
        self._chunks = max(1, -(-body // (CHUNK + _TAG)))
        self.size = body - self._chunks * _TAG
        head = raw.read(_HEAD)
        # Only an empty file has an empty last chunk; otherwise a tag alone at the end means that it was cut off.
        cut_off = self._chunks > 1 and body - (self._chunks - 1) * (CHUNK + _TAG) <= _TAG
        if head[:4] != _MAGIC or self.size < 0 or cut_off:
            raise BadMessage("A file in the vault is not whole.", place="vault", remedy="Restore it from the backup.")
        self._prefix = head[4:]
        self._rewind()

    def _rewind(self) -> None:
        self._raw.seek(_HEAD)
        self._number, self._buffer, self._at = 0, b"", 0
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """Back to the beginning, that is."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """To the beginning only."""
        if (offset, whence) != (0, 0):
            raise OSError("the vault's streams go back to the beginning only")
        self._rewind()
        return 0

    def tell(self) -> int:
        """How many plain bytes have been read."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` plain bytes, all of them when negative."""
        wanted = self.size - self._position if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted > 0 and (self._at < len(self._buffer) or self._next()):
            part = self._buffer[self._at : self._at + wanted]
            self._at += len(part)
            wanted -= len(part)
            parts.append(part)
        # Whoever has all plain bytes must also have seen the chunk with the last flag: an empty file has no other
        # proof, and in a file that was cut off the size is a guess.
        while self._position + sum(map(len, parts)) >= self.size and self._number < self._chunks:
            self._next()
        data = b"".join(parts)
        self._position += len(data)
        return data

    def readinto(self, target: Any) -> int:
        """Fill a buffer."""
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def _next(self) -> bool:
        if self._number == self._chunks:
            return False
        sealed = self._raw.read(CHUNK + _TAG)
        last = self._number == self._chunks - 1
        nonce = self._prefix + self._number.to_bytes(4)
        try:
            self._buffer = self._cipher.decrypt(nonce, sealed, _associated(self._name, self._number, last=last))
        except InvalidTag:
            raise BadMessage("A file in the vault was changed.", place="vault", remedy="Restore it.") from None
        self._number += 1
        self._at = 0
        return bool(self._buffer)

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()
        super().close()
