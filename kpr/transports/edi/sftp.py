"""SFTP (paramiko) as a place of files. Who the server is and who we are is settled in ``sftp_session``."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Generator, Iterable, Iterator

import paramiko

from kpr.errors import TransportError
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.files import HALFWAY, PIECE, Entry
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import SftpCarrierSettings
from kpr.transports.edi.sftp_session import Session, SftpStatus, hang_up, open_session

_CONDITIONS = {
    errno.ENOENT: "no-such-folder",
    errno.EACCES: "permission-denied",
    errno.ENOSPC: "no-room",
    errno.EDQUOT: "no-room",
}
#: What every server takes in one request (draft-ietf-secsh-filexfer s. 3).
_REQUEST = 32768


class SftpCarrier(FileCarrier):
    """Carries parcels by SFTP. ``BadSettings`` at the first call when a file that the settings name is of no use."""

    def __init__(self, settings: SftpCarrierSettings) -> None:
        super().__init__(SftpFiles(settings), settings.folders)


class SftpFiles:
    """The files on an SFTP server. One connection, kept as long as it lives."""

    kind = "sftp"

    def __init__(self, settings: SftpCarrierSettings) -> None:
        self._settings = settings
        self._open: tuple[paramiko.Transport, Session] | None = None

    @property
    def _session(self) -> Session:
        if self._open is None:  # lost a moment ago
            raise carrier_error("sftp:away")
        return self._open[1]

    def connect(self) -> None:
        """Ask the kept connection whether it lives, or open a new one."""
        if self._open is not None:
            try:
                with self._told():
                    self._session.normalize(".")
                return
            except TransportError:
                self.close()
        self._open = open_session(self._settings)

    def close(self) -> None:
        """Hang up."""
        kept, self._open = self._open, None
        if kept is not None:
            hang_up(kept[0])

    def make_folder(self, folder: str) -> None:
        """Make it, and what it lies in, if need be."""
        with self._told():
            if self._is_there(folder):
                return
            above, _, _ = folder.rpartition("/")
            if above:
                self.make_folder(above)
            try:
                self._session.mkdir(folder)
            except SftpStatus as status:
                # Made by somebody else meanwhile; some servers have no word of its own for that.
                if not self._is_there(folder):
                    raise carrier_error("sftp:no-such-folder") from status

    def _is_there(self, folder: str) -> bool:
        try:
            self._session.stat(folder)
        except SftpStatus as status:
            if status.errno != errno.ENOENT:
                raise
            return False
        return True

    def entries(self, folder: str) -> list[Entry]:
        """What lies there."""
        with self._told():
            return self._session.listing(folder)

    def size(self, path: str) -> int | None:
        """Bytes, or None. Of a link its own, so that it is something in the way."""
        with self._told():
            try:
                return self._session.lstat(path).st_size or 0
            except SftpStatus as status:
                if status.errno not in (errno.ENOENT, errno.EACCES):
                    raise
                return None

    def read(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """The bytes from there on, one request at a time: paramiko's reading ahead has no end of memory."""
        with self._told({errno.ENOENT: "gone"}):
            file = self._session.open(path, "rb")
            with self._closing(file):
                file.seek(offset)
                while piece := file.read(PIECE):
                    yield piece

    def write(self, path: str, pieces: Iterable[bytes], offset: int = 0) -> None:
        """Write and ask for the disk."""
        with self._told():
            file = self._session.open(path, "r+b" if offset else "wb")
            with self._closing(file):
                file.seek(offset)
                for piece in pieces:
                    _write(file, piece)
                self._session.sync(file)

    def publish(self, part: str, final: str) -> None:
        """Rename in one step (an extension of OpenSSH; other servers by the plain way, which takes no name twice)."""
        with self._told():
            try:
                self._session.posix_rename(part, final)
            except SftpStatus as status:
                if status.errno != errno.EOPNOTSUPP:
                    raise
                self._session.rename(part, final)

    def move(self, old: str, new: str) -> bool:
        """Rename in the plain way, which never takes the place of another file."""
        with self._told():
            try:
                self._session.rename(old, new)
            except SftpStatus as status:
                if status.errno == errno.EACCES:
                    raise
                return False
            return True

    def finish_move(self, old: str, new: str) -> bool:
        """Nobody can ask here whether two names are one file: whether the old one is gone a moment later."""
        time.sleep(HALFWAY)
        return self.size(old) is None and self.size(new) is not None

    @contextlib.contextmanager
    def _closing(self, file: paramiko.SFTPFile) -> Iterator[None]:
        """Close the file; after a fault the connection as well, since nobody knows what is still on its way."""
        try:
            yield
            file.close()
        except GeneratorExit:
            try:
                file.close()
            except (OSError, EOFError, SftpStatus, paramiko.SSHException):
                self.close()
            raise
        except BaseException:
            self.close()
            with contextlib.suppress(Exception):
                file.close()
            raise

    @contextlib.contextmanager
    def _told(self, special: dict[int, str] | None = None) -> Iterator[None]:
        """What goes wrong, as the condition that it is."""
        try:
            yield
        except SftpStatus as status:
            what = (special or {}).get(status.errno) or _CONDITIONS.get(status.errno, "failure")
            raise carrier_error(f"sftp:{what}") from None
        except TimeoutError:
            self.close()
            raise carrier_error("sftp:timeout") from None
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError):
            self.close()
            raise carrier_error("sftp:away") from None


def _write(file: paramiko.SFTPFile, piece: bytes) -> None:
    """Send a piece without waiting between its requests, then wait for every answer.

    paramiko throws away the answers that are still to come when a file is closed: a full disk near the end of a file
    would be taken for a success. A write that is not pipelined waits for all before it.
    """
    last = (len(piece) - 1) // _REQUEST * _REQUEST
    file.set_pipelined(True)
    file.write(piece[:last])
    file.set_pipelined(False)
    file.write(piece[last:])
