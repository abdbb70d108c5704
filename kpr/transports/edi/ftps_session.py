"""One FTPS session: TLS before anything is said, and ftplib's client mended where servers of today need it."""

from __future__ import annotations

import contextlib
import ftplib
import socket
import ssl
from typing import Any

from kpr.errors import BadSettings
from kpr.transports.amqp.tls import is_about_tls
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import FtpsCarrierSettings

#: What can come out of ftplib; a ValueError where an answer makes no sense.
FAULTS = (ftplib.Error, OSError, EOFError, ValueError)
_GOODBYE_SECONDS = 5
#: Reply codes (RFC 959 s. 4.2, RFC 4217 s. 12). Of any other, 4xx may pass and 5xx not.
_CONDITIONS = {
    "421": "away",
    "430": "login-refused",
    "452": "no-room",
    "500": "not-understood",
    "501": "not-understood",
    "502": "not-understood",
    "503": "not-understood",
    "504": "not-understood",
    "521": "no-tls",
    "522": "no-tls",
    "530": "login-refused",
    "532": "permission-denied",
    "534": "no-tls",
    "550": "permission-denied",
    "552": "no-room",
    "553": "permission-denied",
}


class Session(ftplib.FTP_TLS):
    """ftplib's client, with three things mended.

    It can begin with TLS (implicit FTPS). A data connection takes up the control connection's TLS session, without which
    many servers refuse it (vsftpd's require_ssl_reuse and its like). Names pass as the bytes that they are: ftplib
    decodes strictly, and one name that is no UTF-8 would hide a whole folder.
    """

    def __init__(self, settings: FtpsCarrierSettings) -> None:
        super().__init__(context=_tls_context(settings), timeout=settings.timeout_seconds, encoding="latin-1")
        self.host, self.port, self._tls_first = settings.host, settings.port, settings.security == "tls"

    def call(self) -> None:
        """Connect and hear the greeting."""
        raw = socket.create_connection((self.host, self.port), self.timeout)
        self.sock: Any = raw
        # While a file is on its way nothing is said here, and firewalls forget a silent connection.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        self.af = raw.family
        if self._tls_first:
            self.sock = self._in_tls(raw)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A data connection, in the TLS session of the control connection."""
        conn, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        if not isinstance(self.sock, ssl.SSLSocket):
            return conn, size
        return self._in_tls(conn, self.sock.session), size

    def _in_tls(self, conn: socket.socket, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """The connection in TLS. One that was reset already is found out first: ``ssl`` would leave it open."""
        try:
            conn.getpeername()
            return self.context.wrap_socket(conn, server_hostname=self.host, session=session)
        except BaseException:
            conn.close()
            raise

    def hang_up(self, *, politely: bool) -> None:
        """Let go of the connection, with a goodbye where nothing has gone wrong."""
        if politely and self.sock is not None:
            with contextlib.suppress(*FAULTS):
                self.sock.settimeout(_GOODBYE_SECONDS)
                self.voidcmd("QUIT")
        self.close()


def open_session(settings: FtpsCarrierSettings) -> Session:
    """A session, encrypted and logged in. BadSettings, or an error of ``outcomes.yaml``."""
    if not settings.username:  # ftplib would log in as "anonymous"
        raise BadSettings("The user name is missing.", place="transport.carrier.username", remedy="Give one.")
    password = settings.secret("transport.carrier")
    session = Session(settings)
    try:
        _log_in(session, settings, password)
    except FAULTS as error:
        session.hang_up(politely=False)
        raise carrier_error(f"ftps:{condition(error)}") from None
    except BaseException:
        session.hang_up(politely=False)
        raise
    return session


def _log_in(session: Session, settings: FtpsCarrierSettings, password: str) -> None:
    session.call()
    try:
        if settings.security == "starttls":
            session.auth()
    except ftplib.Error:
        raise carrier_error("ftps:no-tls") from None
    try:
        session.login(settings.username, password, secure=False)
    except (ftplib.error_perm, ftplib.error_reply):
        raise carrier_error("ftps:login-refused") from None
    try:
        if settings.security != "none":
            session.prot_p()
    except ftplib.error_perm:
        raise carrier_error("ftps:no-tls") from None
    session.voidcmd("TYPE I")


def condition(error: BaseException) -> str:
    """The condition that a fault is; of what the server says only the number counts."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls" if is_about_tls(error) else "away"
    if isinstance(error, ftplib.error_temp | ftplib.error_perm):
        code = str(error)[:3]
        return _CONDITIONS.get(code) or ("away" if code.startswith("4") else "not-understood")
    return "away" if isinstance(error, OSError | EOFError) else "not-understood"


def _tls_context(settings: FtpsCarrierSettings) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and host name verified."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise BadSettings(
            "The file with the FTPS server's authorities cannot be read.",
            place="transport.carrier.ca_file",
            remedy="Give a PEM file.",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
