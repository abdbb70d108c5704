"""One connection to a mailbox: TLS, login, the folder. Opened when first needed, and anew, once, when it was lost.

imaplib speaks; it does not quote names, takes passwords in ASCII only, reads literals of any size, and puts the
server's words into its errors. All that is mended here.
"""

from __future__ import annotations

import contextlib
import imaplib
import ssl
from collections.abc import Iterator, Sequence

from kpr.errors import TransportError
from kpr.transports.edi.imap_words import Fetched, fetched, folder_name, response_code
from kpr.transports.edi.mail_line import line_error, mail_error, tls_context
from kpr.transports.edi.settings import ImapServer

#: The most that is ever asked for at once.
PIECE = 4 << 20
_LITERAL_LIMIT = PIECE + (64 << 10)

#: Codes of a refusal that may pass by itself (RFC 5530 s. 3).
_PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})

#: imaplib raises these on answers that it did not expect; abort and OSError mean that the line is gone.
_GONE = (imaplib.IMAP4.abort, OSError)
_NONSENSE = (imaplib.IMAP4.error, ValueError, KeyError, IndexError, TypeError, AttributeError)


class _Bounded(imaplib.IMAP4):
    def read(self, size: int) -> bytes:
        if size > _LITERAL_LIMIT:
            raise self.error("a literal is larger than anything that was asked for")
        return super().read(size)


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):
    pass


class ImapLine:
    """Commands in the selected folder. ``validity`` is its UIDVALIDITY, once it has been opened.

    Every method may raise TransportError (away, busy), TransportRefused (login, certificate, no such folder) and
    BadSettings (password, CA file).
    """

    def __init__(self, settings: ImapServer, place: str) -> None:
        self._settings, self._place = settings, place
        self._client: imaplib.IMAP4 | None = None
        self.validity = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as anybody knows."""
        return self._client is not None

    def open(self) -> imaplib.IMAP4:
        """The connection, logged in and with the folder selected."""
        if self._client is None:
            with _faults():
                self._client = self._opened()
        return self._client

    def begin(self) -> None:
        """A round begins. On a connection that is still there, the server is asked to look for what came since."""
        if self._client is None:  # what the UIDs meant in the former round does not matter any more
            self.validity = 0
        self.ask("noop")

    def can(self, capability: str) -> bool:
        """Whether the server says so after login."""
        return capability in self.open().capabilities

    def search(self, words: str) -> list[int]:
        """UIDs of the mails that fit, lowest first, which is oldest first."""
        found = [uid for line in self.uid("SEARCH", words) if isinstance(line, bytes) for uid in line.split()]
        if not all(uid.isdigit() and len(uid) <= 10 for uid in found):
            raise mail_error("protocol")
        return sorted({int(uid) for uid in found})

    def fetch(self, uids: str, what: str) -> list[Fetched]:
        """What the server tells of these mails; of those that have gone, nothing."""
        return list(fetched(self.uid("FETCH", uids, what)))

    def uid(self, command: str, *words: str) -> list[object]:
        """A command by UID, and what came back."""
        status, data = self.ask("uid", command, *words)
        if status != "OK":
            raise _refusal(data, "folder")
        return data

    def ask(self, method: str, *words: str) -> tuple[str, list[object]]:
        """One of imaplib's methods: OK or NO, and what came back."""
        try:
            return self._ask(method, words)
        except _GONE:
            self._forget()
        try:
            return self._ask(method, words)
        except _GONE:
            self._forget()
            raise mail_error("away") from None

    def _ask(self, method: str, words: tuple[str, ...]) -> tuple[str, list[object]]:
        client = self.open()
        try:
            status, data = getattr(client, method)(*words)
        except _GONE:
            raise
        except _NONSENSE:
            self._forget()
            raise mail_error("protocol") from None
        return str(status), list(data)

    def close(self) -> None:
        """Say goodbye, where there is still somebody to say it to."""
        if self._client is not None:
            with contextlib.suppress(*_GONE, *_NONSENSE):
                self._client.logout()
        self._forget()

    def _forget(self) -> None:
        """Without a goodbye: on a line that hangs it would take as long again."""
        client, self._client = self._client, None
        if client is not None:
            _drop(client)

    # -- opening ----------------------------------------------------------------------------------------------------

    def _opened(self) -> imaplib.IMAP4:
        # First, so that a password that is missing is told also when the server is away.
        password = self._settings.secret(self._place) if self._settings.username else ""
        client = self._connected()
        try:
            self._log_in(client, password)
            self._select(client)
        except BaseException:
            _drop(client)
            raise
        return client

    def _connected(self) -> imaplib.IMAP4:
        settings = self._settings
        context = tls_context(settings, self._place)
        try:
            if settings.security == "tls":
                return _BoundedTls(settings.host, settings.port, ssl_context=context, timeout=settings.timeout_seconds)
            client: imaplib.IMAP4 = _Bounded(settings.host, settings.port, timeout=settings.timeout_seconds)
        except imaplib.IMAP4.error:  # greeted with a goodbye: it is busy
            raise mail_error("away") from None
        if settings.security == "starttls":
            try:
                _start_tls(client, context)
            except BaseException:
                _drop(client)
                raise
        return client

    def _log_in(self, client: imaplib.IMAP4, password: str) -> None:
        user = self._settings.username
        if client.state != "NONAUTH":  # the server knows us by the connection
            return
        if not user:
            raise mail_error("login")
        plain = f"\0{user}\0{password}".encode()
        try:
            if "AUTH=PLAIN" in client.capabilities:
                client.authenticate("PLAIN", lambda _: plain)
            else:
                client.login(_quoted(user), password)
        except imaplib.IMAP4.abort:
            raise
        except UnicodeEncodeError:  # LOGIN has no way to say it
            raise mail_error("login") from None
        except imaplib.IMAP4.error as error:
            raise _refusal(list(error.args), "login") from None
        _read_capabilities(client)

    def _select(self, client: imaplib.IMAP4) -> None:
        status, data = client.select(folder_name(self._settings.folder))
        if status != "OK":
            raise _refusal(data, "folder")
        _, said = client.response("UIDVALIDITY")
        validity = int(said[-1]) if said and said[-1] else 0
        if self.validity and validity != self.validity:
            self.validity = 0
            raise mail_error("renumbered")
        self.validity = validity


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except imaplib.IMAP4.abort:
        raise mail_error("away") from None
    except OSError as error:
        raise line_error(error) from None
    except _NONSENSE:
        raise mail_error("protocol") from None


def _start_tls(client: imaplib.IMAP4, context: ssl.SSLContext | None) -> None:
    # A greeting that says that we are logged in already would keep us from TLS.
    if "STARTTLS" not in client.capabilities or client.state != "NONAUTH":
        raise mail_error("no-starttls")
    try:
        client.starttls(context)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise mail_error("no-starttls") from None


def _drop(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        client.shutdown()


def _read_capabilities(client: imaplib.IMAP4) -> None:
    """After login a server offers more; imaplib asks before it only."""
    _, data = client.capability()
    client.capabilities = tuple(str(data[-1], "ascii", "replace").upper().split())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refusal(data: Sequence[object], condition: str) -> TransportError:
    """The error that a NO is, by its code; imaplib tells it as bytes, or as text."""
    said = data[-1] if data else b""
    code = response_code(said if isinstance(said, bytes) else str(said).encode())
    if code == "OVERQUOTA":
        return mail_error("quota", code)
    return mail_error("busy" if code in _PASSING else condition, code if code in _PASSING else "")
