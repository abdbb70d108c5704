"""Mail for the tests: a real Dovecot and a real SMTP server that lays into it, with a user of its own for each test."""

from __future__ import annotations

import imaplib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.demo.mail_servers import Dovecot, SmtpReceiver, find_dovecot, mail_folder
from kpr.security.certificates import Identity
from kpr.security.throwaway import make_authority, write_identity
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.imap import ImapBox
from kpr.transports.edi.mail import MailCarrier
from kpr.transports.edi.settings import ImapServer, MailCarrierSettings, SmtpServer
from kpr.transports.edi.smtp import SmtpSender

PASSWORD = "hemmelig-æøå"
SMTP_USER = "innlevering"
SECONDS = 10.0
_USERS = [f"user{number}" for number in range(90)]


def address(user: str) -> str:
    """The EDI address whose mailbox is this user's."""
    return f"{user}@edi.example.invalid"


def label(sender: str = "user0", recipient: str = "user0", **changes: Any) -> Label:
    """An outgoing parcel between two users, with a name of its own."""
    usual = {"sender": address(sender), "recipient": address(recipient), "name": str(uuid4())}
    return Label(
        **{"message_type": "KPR_IPL", "from_her_id": "1", "to_her_id": "2", "sent_at": datetime.now(UTC)}
        | usual
        | changes
    )


@dataclass
class Post:
    """The running pair. Settings lead to the TLS ports, unless a test says otherwise."""

    folder: Path
    dovecot: Dovecot
    smtp: SmtpReceiver
    numbers: Iterator[int] = field(default_factory=count)

    def user(self) -> str:
        """A user with an empty mailbox that no other test has."""
        return _USERS[next(self.numbers)]

    def smtp_settings(self, server: SmtpReceiver | None = None, **changes: Any) -> SmtpServer:
        """How mail is handed in."""
        server = server or self.smtp
        usual = {"host": "localhost", "port": server.port, "ca_file": server.ca_file, "timeout_seconds": SECONDS}
        return SmtpServer.model_validate(usual | {"username": SMTP_USER, "password": PASSWORD} | changes)

    def imap_settings(self, user: str, server: Dovecot | None = None, **changes: Any) -> ImapServer:
        """How a user's mail is fetched."""
        return ImapServer.model_validate(imap_values(user, server or self.dovecot) | changes)

    def sender(self, server: SmtpReceiver | None = None, **changes: Any) -> SmtpSender:
        """Our own sender."""
        return SmtpSender(self.smtp_settings(server, **changes))

    def box(self, user: str, server: Dovecot | None = None, **changes: Any) -> ImapBox:
        """Our own reader."""
        return ImapBox(self.imap_settings(user, server, **changes), "transport.carrier.imap")

    def carrier(self, user: str, **changes: Any) -> MailCarrier:
        """Both; the changes are of the reader's settings."""
        settings = {"kind": "mail", "smtp": self.smtp_settings(), "imap": self.imap_settings(user, **changes)}
        return MailCarrier(MailCarrierSettings.model_validate(settings))


def imap_values(user: str, server: Dovecot) -> dict[str, Any]:
    """A user's settings as plain values."""
    usual = {"host": "localhost", "port": server.tls_port, "ca_file": server.ca_file, "timeout_seconds": SECONDS}
    return usual | {"username": user, "password": PASSWORD}


def look(server: Dovecot, user: str, folder: str = "INBOX") -> dict[int, tuple[set[str], bytes]]:
    """What another mail program sees: flags and bytes by UID; nothing where there is no such folder."""
    client = imaplib.IMAP4("127.0.0.1", server.port)
    try:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        if client.select(f'"{folder}"', readonly=True)[0] != "OK":
            return {}
        _, data = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")
        found = {}
        for text, raw in (item for item in data if isinstance(item, tuple)):
            uid, flags = re.search(rb"UID (\d+)", text), re.search(rb"FLAGS \(([^)]*)\)", text)
            assert uid
            assert flags
            found[int(uid[1])] = (set(flags[1].decode().split()) - {r"\Recent"}, raw)
        return found
    finally:
        client.logout()


@contextmanager
def running_dovecot(**how: Any) -> Iterator[Dovecot]:
    """A Dovecot for one test; it skips, saying so, where there is none."""
    if find_dovecot() is None:
        pytest.skip("Dovecot is not here (sh scripts/dovecot, or KPR_DOVECOT); no mailbox was tried")
    with mail_folder() as folder, Dovecot(folder / "imap", dict.fromkeys(_USERS, PASSWORD), **how) as server:
        yield server


@contextmanager
def running_smtp(server: Dovecot, **how: Any) -> Iterator[SmtpReceiver]:
    """An SMTP server for one test, with everybody's address."""
    boxes = {address(user): server.maildir(user) for user in _USERS}
    with mail_folder() as folder, SmtpReceiver(folder / "smtp", boxes, **how) as receiver:
        yield receiver


@contextmanager
def running_post() -> Iterator[Post]:
    """Both, as they usually are: STARTTLS and login at one, TLS at the other."""
    with running_dovecot() as server, running_smtp(server, users={SMTP_USER: PASSWORD}) as receiver:
        yield Post(server.folder, server, receiver)


def server_keys(folder: Path, host: str = "localhost", *, expired: bool = False) -> tuple[Path, Path, Path]:
    """Certificate, key, and the authority that issued it; for another host, or expired, when asked."""
    authority, key, now = make_authority("test authority"), rsa.generate_private_key(65537, 2048), datetime.now(UTC)
    ends = now - timedelta(days=1) if expired else now + timedelta(days=30)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    files = folder / "test.pem", folder / "test.key"
    write_identity(Identity(builder.sign(authority.private_key, hashes.SHA256()), key), *files)
    (folder / "test-ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    return *files, folder / "test-ca.pem"


class Scripted:
    """A server that says what the test wants, line by line: what a real one would never, or seldom, say.

    ``answer`` gets a line of the client's and gives what is sent back; None hangs up.
    """

    def __init__(self, greeting: bytes, answer: Callable[[bytes], bytes | None]) -> None:
        self._greeting, self._answer, self._stack = greeting, answer, ExitStack()
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(OSError):
                    connection.settimeout(SECONDS)
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self._greeting)
        with connection.makefile("rb") as lines:
            for line in lines:
                self.heard.append(line)
                reply = self._answer(line)
                if reply is None:
                    return
                connection.sendall(reply)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(SECONDS)
