"""FTPS (ftplib) as a place of files. Who the server is and who we are is settled in ``ftps_session``.

Paths that come with a listing are bytes to us; a path is handed to ftplib with one character for each byte.
"""

from __future__ import annotations

import contextlib
import ftplib
import socket
import ssl
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import accumulate

from kpr.errors import TransportError
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.files import HALFWAY, Entry
from kpr.transports.edi.ftps_session import FAULTS, Session, condition, open_session
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import FtpsCarrierSettings

#: A piece on a data connection. A time-out counts for each, so a slow line is no fault.
_PIECE = 1 << 16
_GOODBYE_SECONDS = 5
_UNKNOWN_COMMAND = ("500", "501", "502", "504")


class FtpsCarrier(FileCarrier):
    """Carries parcels by FTPS. ``BadSettings`` at the first call when a file that the settings name is of no use."""

    def __init__(self, settings: FtpsCarrierSettings) -> None:
        super().__init__(FtpsFiles(settings), settings.folders)


class FtpsFiles:
    """The files on an FTPS server. One connection, kept as long as it lives.

    A listing does not tell links from files everywhere: what the server shows as a file is one.
    """

    kind = "ftps"

    def __init__(self, settings: FtpsCarrierSettings) -> None:
        self._settings = settings
        self._open: Session | None = None
        self._home = ""

    @property
    def _session(self) -> Session:
        if self._open is None:  # lost a moment ago
            raise carrier_error("ftps:away")
        return self._open

    def connect(self) -> None:
        """Ask the kept connection whether it lives, or open a new one."""
        if self._open is not None:
            try:
                with self._told():
                    self._session.voidcmd("NOOP")
                return
            except TransportError:
                self._drop()
        self._open = open_session(self._settings)
        with self._told():
            self._home = self._session.pwd()

    def close(self) -> None:
        """Say goodbye."""
        kept, self._open = self._open, None
        if kept is not None:
            kept.hang_up(politely=True)

    def make_folder(self, folder: str) -> None:
        """Make it, and what it lies in, if need be."""
        with self._told():
            if self._is_there(folder):
                return
            for path in accumulate(folder.split("/"), lambda above, name: f"{above}/{name}"):
                if path and not self._is_there(path):
                    with contextlib.suppress(ftplib.error_perm):  # made by somebody else meanwhile
                        self._session.mkd(_wire(path))
            if not self._is_there(folder):
                raise carrier_error("ftps:no-such-folder")

    def _is_there(self, folder: str) -> bool:
        try:
            self._session.cwd(_wire(folder))
        except ftplib.error_perm:
            return False
        self._session.cwd(self._home)
        return True

    def entries(self, folder: str) -> list[Entry]:
        """What lies there, by MLSD; where the server does not know it by NLST and a question about each name."""
        with self._told():
            try:
                lines = self._lines(f"MLSD {_wire(folder)}")
            except ftplib.error_perm as error:
                if str(error)[:3] not in _UNKNOWN_COMMAND:
                    raise
                return self._entries_by_name(folder)
            return [_entry(line) for line in lines]

    def _entries_by_name(self, folder: str) -> list[Entry]:
        try:
            names = [line.rpartition("/")[2] for line in self._lines(f"NLST {_wire(folder)}")]
        except ftplib.error_perm as error:
            if str(error)[:3] == "550":  # how some servers say that there is nothing
                return []
            raise
        sizes = {name: self.size(f"{folder}/{name}") for name in names if name.isprintable()}
        return [Entry(name, size, self._modified(f"{folder}/{name}"), True) for name, size in sizes.items() if size]

    def _modified(self, path: str) -> float:
        try:
            return _moment(self._session.sendcmd(f"MDTM {_wire(path)}")[4:])
        except ftplib.error_perm:
            return 0

    def size(self, path: str) -> int | None:
        """Bytes, or None; a folder has no size."""
        with self._told():
            try:
                return self._session.size(_wire(path))
            except ftplib.error_perm as error:
                if str(error)[:3] in _UNKNOWN_COMMAND:
                    raise
                return None

    def read(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """The bytes from there on."""
        with self._told({"permission-denied": "gone"}):
            yield from self._received(f"RETR {_wire(path)}", offset)

    def write(self, path: str, pieces: Iterable[bytes], offset: int = 0) -> None:
        """Write; whether they are on the disk nobody can ask."""
        with self._told():
            conn = self._data(f"STOR {_wire(path)}", offset)
            try:
                _send(conn, pieces)
            except TimeoutError:
                raise
            except OSError:
                # The server has hung up on the file. Why, it says on the other connection: no room, for instance.
                conn.close()
                self._session.voidresp()
                raise
            except BaseException:
                self._drop()
                raise
            finally:
                conn.close()
            self._session.voidresp()

    def publish(self, part: str, final: str) -> None:
        """Rename in one step, on all servers that we know of."""
        with self._told():
            self._session.rename(_wire(part), _wire(final))

    def move(self, old: str, new: str) -> bool:
        """Rename. Most servers would put it in another file's place, so it was asked before whether there is one."""
        with self._told():
            try:
                self._session.rename(_wire(old), _wire(new))
            except ftplib.error_perm:
                return False
            return True

    def finish_move(self, old: str, new: str) -> bool:
        """Nobody can ask here whether two names are one file: whether the old one is gone a moment later."""
        time.sleep(HALFWAY)
        return self.size(old) is None and self.size(new) is not None

    def _lines(self, command: str) -> list[str]:
        listing = b"".join(self._received(command)).decode("utf-8", "surrogateescape")
        return [line.rstrip("\r") for line in listing.split("\n") if line.rstrip("\r")]

    def _received(self, command: str, offset: int = 0) -> Generator[bytes, None, None]:
        conn = self._data(command, offset)
        try:
            while piece := conn.recv(_PIECE):
                yield piece
            _say_goodbye(conn)
        except BaseException:
            # Broken off, by whomsoever: what the server will say to that, and how often, is not the same everywhere.
            self._drop()
            raise
        finally:
            conn.close()
        self._session.voidresp()

    def _data(self, command: str, offset: int) -> socket.socket:
        try:
            return self._session.transfercmd(command, offset or None)
        except ftplib.error_perm:
            if offset:  # some servers keep it in mind, and begin the next file there
                self._drop()
            raise

    def _drop(self) -> None:
        kept, self._open = self._open, None
        if kept is not None:
            kept.hang_up(politely=False)

    @contextlib.contextmanager
    def _told(self, special: dict[str, str] | None = None) -> Iterator[None]:
        """What goes wrong, as the condition that it is. After anything but a clear no the connection is given up."""
        try:
            yield
        except FAULTS as error:
            if not isinstance(error, ftplib.error_perm):
                self._drop()
            what = condition(error)
            # We have been logged in: only another certificate on a data line is more than a line that broke.
            if what == "tls" and not isinstance(error, ssl.SSLCertVerificationError):
                what = "away"
            raise carrier_error(f"ftps:{(special or {}).get(what, what)}") from None


def _send(conn: socket.socket, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        for at in range(0, len(piece), _PIECE):
            conn.sendall(piece[at : at + _PIECE])
    _say_goodbye(conn)


def _say_goodbye(conn: socket.socket) -> None:
    """TLS has an end of its own, and a file without one was cut for many servers. Not all of them say it back."""
    if isinstance(conn, ssl.SSLSocket):
        conn.settimeout(_GOODBYE_SECONDS)
        with contextlib.suppress(OSError):
            conn.unwrap().close()


def _wire(path: str) -> str:
    return path.encode().decode("latin-1")


def _entry(line: str) -> Entry:
    """From a line of MLSD: ``type=file;size=12;modify=20210107090000; name`` (RFC 3659 s. 7)."""
    said, _, name = line.partition(" ")
    facts = {key.lower(): value for key, _, value in (fact.partition("=") for fact in said.split(";"))}
    size = facts.get("size", "")
    return Entry(
        name,
        int(size) if size.isdecimal() else 0,
        _moment(facts.get("modify", "")),
        facts.get("type", "").lower() == "file",
    )


def _moment(text: str) -> float:
    """``20210107090000.123`` as a number, which grows with time and is good for nothing else."""
    try:
        return float(text)
    except ValueError:
        return 0
