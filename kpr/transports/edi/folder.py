"""A folder of this machine as a place of files; often a share, so the disk may be full or away."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.files import PIECE, Entry
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import FolderCarrierSettings

_CONDITIONS = {
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "permission-denied",
    errno.ELOOP: "permission-denied",  # a link where we expect our own file
    errno.ENOENT: "no-such-folder",
    errno.ENOTDIR: "no-such-folder",
    errno.EEXIST: "no-such-folder",  # a file under the folder's name
    errno.ENOSPC: "no-room",
    errno.EDQUOT: "no-room",
    errno.EFBIG: "no-room",
}
#: What a file system says that knows no second name for a file: it can only rename.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class FolderCarrier(FileCarrier):
    """Carries parcels by a folder, which a message handler or a file transfer program watches."""

    def __init__(self, settings: FolderCarrierSettings) -> None:
        super().__init__(FolderFiles(settings.folder), settings.folders)


class FolderFiles:
    """The files under ``base``, which must be there: an unmounted share must not be written beneath."""

    kind = "folder"

    def __init__(self, base: Path) -> None:
        self._base = base

    def connect(self) -> None:
        """Nothing but a look whether the folder is there."""
        with _told():
            if not stat.S_ISDIR(self._base.stat().st_mode):
                raise carrier_error("folder:no-such-folder")

    def make_folder(self, folder: str) -> None:
        """Make it, if need be."""
        with _told():
            (self._base / folder).mkdir(parents=True, exist_ok=True)

    def entries(self, folder: str) -> list[Entry]:
        """What lies there; what goes meanwhile is left out."""
        found = []
        with _told(), os.scandir(self._base / folder) as lines:
            for line in lines:
                with contextlib.suppress(FileNotFoundError):
                    seen = line.stat(follow_symlinks=False)
                    found.append(Entry(line.name, seen.st_size, seen.st_mtime, stat.S_ISREG(seen.st_mode)))
        return found

    def size(self, path: str) -> int | None:
        """Bytes, or None. Of a link its own, so that it is something in the way."""
        try:
            return (self._base / path).lstat().st_size
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except OSError:
            raise carrier_error("folder:failure") from None

    def read(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """The bytes from there on; a link is not followed."""
        with _told({errno.ENOENT: "gone"}):
            fd = os.open(self._base / path, os.O_RDONLY | os.O_NOFOLLOW)
            with open(fd, "rb", buffering=0) as file:
                file.seek(offset)
                while piece := file.read(PIECE):
                    yield piece

    def write(self, path: str, pieces: Iterable[bytes], offset: int = 0) -> None:
        """Write and wait for the disk."""
        with _told():
            begin = 0 if offset else os.O_TRUNC
            fd = os.open(self._base / path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | begin, 0o660)
            with open(fd, "wb") as file:
                file.seek(offset)
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(fd)

    def publish(self, part: str, final: str) -> None:
        """Rename, and wait until the disk knows the name."""
        with _told():
            (self._base / part).replace(self._base / final)
            self._sync((self._base / final).parent)

    def move(self, old: str, new: str) -> bool:
        """Rename by a second name, which never takes the place of another file; where there is none, by renaming."""
        source, target = self._base / old, self._base / new
        with _told():
            try:
                os.link(source, target, follow_symlinks=False)
                source.unlink(missing_ok=True)
            except (FileNotFoundError, FileExistsError):
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                source.rename(target)
            self._sync(target.parent)
        return True

    def finish_move(self, old: str, new: str) -> bool:
        """One file under both names: whoever gave it the second, be it a process that was killed, is done with it."""
        with _told():
            try:
                if not os.path.samestat((self._base / old).lstat(), (self._base / new).lstat()):
                    return False
            except FileNotFoundError:
                return False
            (self._base / old).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """There is nothing to let go."""

    @staticmethod
    def _sync(folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a share that cannot
                raise
        finally:
            os.close(fd)


@contextlib.contextmanager
def _told(special: dict[int, str] | None = None) -> Iterator[None]:
    """An OSError as the condition that it is."""
    try:
        yield
    except OSError as error:
        what = (special or {}).get(error.errno or 0) or _CONDITIONS.get(error.errno or 0, "failure")
        raise carrier_error(f"folder:{what}") from None
