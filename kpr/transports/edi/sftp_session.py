"""One SFTP session: who is at the other end, who we are, and how long we wait. Everything else is in ``sftp``."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paramiko
from paramiko.message import Message
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED, CMD_HANDLE, CMD_OPENDIR, CMD_READDIR, SFTP_EOF, SFTP_OK, SFTPError
from paramiko.ssh_exception import AuthenticationException, IncompatiblePeer

from kpr.errors import BadSettings, KprError
from kpr.transports.edi.files import Entry
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import SftpCarrierSettings
from kpr.transports.edi.sftp_keys import known_keys, private_key

_KEEPALIVE_SECONDS, _SECONDS_TO_NOTICE = 15, 1
#: Key kinds that sign under other names.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
#: draft-ietf-secsh-filexfer s. 7 (and of later drafts what servers say all the same).
_ERRNO = {2: errno.ENOENT, 3: errno.EACCES, 8: errno.EOPNOTSUPP, 11: errno.EEXIST, 14: errno.ENOSPC, 15: errno.EDQUOT}

# Its loggers tell file names and the other side's words.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class SftpStatus(Exception):
    """The server's answer is no: ``errno``, 0 for "failure". No OSError, which is what a dead connection raises."""

    def __init__(self, code: int) -> None:
        self.errno = _ERRNO.get(code, 0)
        super().__init__(f"status {code}")


class Session(paramiko.SFTPClient):
    """paramiko's client, with three things mended.

    A status keeps its code and loses the server's words. A listing survives names that are no UTF-8 (paramiko decodes
    strictly: one such name, and nothing in the folder could be read). And it can ask for a file to be on the disk.
    """

    _request: Callable[..., tuple[int, Message]]

    def _convert_status(self, msg: Message) -> None:
        code = msg.get_int()
        if code == SFTP_EOF:
            raise EOFError
        if code != SFTP_OK:
            raise SftpStatus(code)

    def listing(self, folder: str) -> list[Entry]:
        """What lies in the folder, links as links."""
        kind, answer = self._request(CMD_OPENDIR, folder.encode())
        if kind != CMD_HANDLE:
            raise SFTPError
        handle, found = answer.get_string(), []
        with contextlib.suppress(EOFError):
            while True:
                _, answer = self._request(CMD_READDIR, handle)
                found += [_entry(answer) for _ in range(answer.get_int())]
        self._request(CMD_CLOSE, handle)
        return found

    def sync(self, file: paramiko.SFTPFile) -> None:
        """Wait until the server has the file on its disk, where it can do so (an extension of OpenSSH)."""
        try:
            self._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)
        except SftpStatus as status:
            if status.errno != errno.EOPNOTSUPP:
                raise


def _entry(answer: Message) -> Entry:
    name = answer.get_string().decode("utf-8", "surrogateescape")
    answer.get_string()  # the line that ``ls -l`` would show
    seen: Any = paramiko.SFTPAttributes._from_msg(answer)  # type: ignore[attr-defined]
    plain = seen.st_mode is not None and stat.S_ISREG(seen.st_mode)
    return Entry(name, seen.st_size or 0, seen.st_mtime or 0, plain)


def open_session(settings: SftpCarrierSettings) -> tuple[paramiko.Transport, Session]:
    """A session to the right server, logged in. BadSettings, or an error of ``outcomes.yaml``."""
    if not settings.username:
        raise BadSettings("The user name is missing.", place="transport.carrier.username", remedy="Give one.")
    known, key = known_keys(settings), private_key(settings)
    password = ""
    if key is None or settings.password or settings.password_file:
        password = settings.secret("transport.carrier")
    transport = paramiko.Transport(_line(settings))
    try:
        with _at_most(settings.timeout_seconds, transport), _told(transport):
            return transport, _logged_in(transport, settings, known, key, password)
    except BaseException:
        hang_up(transport)
        raise


def hang_up(transport: paramiko.Transport) -> None:
    """Close it, whatever became of it: paramiko leaves the socket open where its thread has ended already."""
    transport.close()
    transport.sock.close()


def _line(settings: SftpCarrierSettings) -> socket.socket:
    try:
        line = socket.create_connection((settings.host, settings.port), settings.timeout_seconds)
    except TimeoutError:
        raise carrier_error("sftp:timeout") from None
    except OSError:
        raise carrier_error("sftp:away") from None
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # paramiko writes to a socket that takes nothing for as long as the socket lives: so the socket must give up.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.timeout_seconds * 1000))
    return line


def _logged_in(
    transport: paramiko.Transport,
    settings: SftpCarrierSettings,
    known: list[paramiko.PKey],
    key: paramiko.PKey | None,
    password: str,
) -> Session:
    wait = transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = settings.timeout_seconds
    _prefer(transport, known)
    transport.start_client(timeout=wait)
    if transport.get_remote_server_key() not in known:
        raise carrier_error("sftp:changed-host-key" if known else "sftp:unknown-host-key")
    if key is not None:
        transport.auth_publickey(settings.username, key)
    if password and not transport.is_authenticated():
        transport.auth_password(settings.username, password)
    if not transport.is_authenticated():
        raise carrier_error("sftp:login-refused")
    transport.set_keepalive(_KEEPALIVE_SECONDS)
    channel = transport.open_session(timeout=wait)
    channel.settimeout(wait)
    channel.invoke_subsystem("sftp")
    return Session(channel)


def _prefer(transport: paramiko.Transport, known: list[paramiko.PKey]) -> None:
    """Ask for a key of a kind that we know: a server with two would show the other one, and look like a stranger."""
    kinds = {kind for key in known for kind in _SIGNATURES.get(key.get_name(), (key.get_name(),))}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)


@contextlib.contextmanager
def _at_most(seconds: float, transport: paramiko.Transport) -> Iterator[None]:
    """Hang up after so long: paramiko waits without end for the answer to "sftp, please"."""
    timer = threading.Timer(seconds, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _told(transport: paramiko.Transport) -> Iterator[None]:
    """What goes wrong on the way in, as the condition that it is. A cut line must not look like a refused login."""
    try:
        yield
    except KprError:
        raise
    except IncompatiblePeer:
        raise carrier_error("sftp:no-common-algorithm") from None
    except AuthenticationException as error:
        if not transport.is_active():
            raise carrier_error("sftp:away") from None
        late = "timeout" in str(error).lower()  # paramiko's own words
        raise carrier_error("sftp:timeout" if late else "sftp:login-refused") from None
    except TimeoutError:
        raise carrier_error("sftp:timeout") from None
    except Exception:  # paramiko's thread hands over whatever it met
        logged_in = transport.is_authenticated()
        transport.join(_SECONDS_TO_NOTICE)  # a line that was cut just now still looks alive
        raise carrier_error("sftp:no-sftp" if logged_in and transport.is_active() else "sftp:away") from None
