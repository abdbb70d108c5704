"""Hands a mail in by SMTP: the head that a carrier owes it, and the bytes in pieces, so that 70 MB are never held.

smtplib connects and speaks; the mail itself it would hold several times over, so DATA is written here. A reply's code
decides whether the same may be tried again (RFC 5321 s. 4.2.1): 4xx yes, 5xx no. Its words are never repeated: they
can hold an address, or anything else that the other side saw fit to say.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from kpr.transports.edi.carrier import Label
from kpr.transports.edi.mail_line import line_error, mail_error, tls_context
from kpr.transports.edi.settings import SmtpServer
from kpr.transports.edi.smtp_words import dotted, head, is_address, mail_message_id, message_of, pieces, reply_error

__all__ = ["SmtpSender", "message_of"]

#: The server may check a mail before it answers for it: ten minutes at the usual minute (RFC 5321 s. 4.5.3.2.6).
_PATIENCE = 10
_EARLY_REPLY_SECONDS = 5


class SmtpSender:
    """Hands mails in at one server, each over a connection of its own. ``place`` is where the settings stand."""

    def __init__(self, settings: SmtpServer, place: str = "transport.carrier.smtp") -> None:
        self._settings, self._place = settings, place

    def send(self, label: Label, body: BinaryIO, size: int) -> None:
        """Hand over ``size`` bytes of a MIME entity; returns when the server has taken the whole mail.

        TransportError: the same may be tried again (away, busy, or nobody knows whether it was taken: the receiver
        drops what came twice). TransportRefused: login, certificate, address, size. BadSettings: password, CA file.
        """
        for address in (label.sender, label.recipient):
            if not is_address(address):
                raise mail_error("address")
        message_id = mail_message_id(label)
        first = head(label, message_id)
        with self._connection(label.sender.rpartition("@")[2]) as client:
            self._envelope(client, label, message_id, len(first) + size)
            self._data(client, chain([first], pieces(body, size)))
            with contextlib.suppress(OSError):  # it has been taken; the goodbye does not matter
                client.quit()

    def look(self, own_name: str) -> int | None:
        """Connect, secure and log in, and send nothing; the largest mail that the server announces, in bytes.

        None where it announces nothing. Errors as for ``send``.
        """
        with self._connection(own_name) as client:
            said = client.esmtp_features.get("size", "").strip()
            with contextlib.suppress(OSError):
                client.quit()
        return int(said) if said.isdigit() and int(said) else None

    @contextlib.contextmanager
    def _connection(self, own_name: str) -> Iterator[smtplib.SMTP]:
        """Connected, secured and logged in. Whatever goes wrong on it becomes an error of ours."""
        # First, so that a password that is missing is told also when the server is away.
        password = self._settings.secret(self._place) if self._settings.username else ""
        with contextlib.ExitStack() as stack:
            try:
                client = self._connected(own_name)
                stack.callback(client.close)
                self._secure(client)
                self._log_in(client, password)
                yield client
            except smtplib.SMTPResponseException as error:
                words = error.smtp_error if isinstance(error.smtp_error, bytes) else b""
                raise reply_error(error.smtp_code, words, "connect") from None
            except smtplib.SMTPServerDisconnected:
                raise mail_error("away") from None
            except OSError as error:
                raise line_error(error) from None

    def _connected(self, own_name: str) -> smtplib.SMTP:
        settings = self._settings
        where = (settings.host, settings.port, own_name)
        if settings.security == "tls":
            context = tls_context(settings, self._place)
            return smtplib.SMTP_SSL(*where, timeout=settings.timeout_seconds, context=context)
        return smtplib.SMTP(*where, timeout=settings.timeout_seconds)

    def _secure(self, client: smtplib.SMTP) -> None:
        client.ehlo_or_helo_if_needed()
        if self._settings.security != "starttls":
            return
        if not client.has_extn("starttls"):
            raise mail_error("no-starttls")
        context = tls_context(self._settings, self._place)
        try:
            client.starttls(context=context)
        except smtplib.SMTPResponseException as error:
            raise reply_error(error.smtp_code, b"", "tls") from None
        client.ehlo_or_helo_if_needed()

    def _log_in(self, client: smtplib.SMTP, password: str) -> None:
        """With PLAIN or LOGIN, in UTF-8: smtplib's own login takes ASCII passwords only."""
        user = self._settings.username
        if not user:
            return
        offered = client.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            reply = client.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}")
        elif "LOGIN" in offered:
            _demand(client.docmd("AUTH", "LOGIN"), "login", 3)
            _demand(client.docmd(_base64(user)), "login", 3)
            reply = client.docmd(_base64(password))
        else:
            raise mail_error("login")
        _demand(reply, "login")

    def _envelope(self, client: smtplib.SMTP, label: Label, message_id: str, size: int) -> None:
        limit, mail, rcpt = client.esmtp_features.get("size", "").strip(), "", ""
        if limit.isdigit() and len(limit) < 20 and 0 < int(limit) < size:
            raise mail_error("too-large")
        if client.has_extn("size"):
            mail += f" SIZE={size}"
        if client.has_extn("dsn"):
            mail += f" RET=HDRS ENVID={message_id[1:].partition('@')[0]}"
            rcpt = " NOTIFY=FAILURE"
        _demand(client.docmd("MAIL", f"FROM:<{label.sender}>{mail}"), "mail")
        _demand(client.docmd("RCPT", f"TO:<{label.recipient}>{rcpt}"), "rcpt")

    def _data(self, client: smtplib.SMTP, parts: Iterable[bytes]) -> None:
        _demand(client.docmd("DATA"), "data", 3)
        for piece in dotted(parts):
            _write(client, piece)
        assert client.sock is not None
        client.sock.settimeout(self._settings.timeout_seconds * _PATIENCE)
        try:
            reply = client.getreply()
        except OSError:
            raise mail_error("unsure") from None
        _demand(reply, "data")


def _write(client: smtplib.SMTP, piece: bytes) -> None:
    """smtplib would close the line when it breaks, and with it the reply that says why."""
    assert client.sock is not None
    try:
        client.sock.sendall(piece)
    except OSError:
        code, words = 0, b""
        with contextlib.suppress(OSError):
            client.sock.settimeout(_EARLY_REPLY_SECONDS)
            code, words = client.getreply()
        raise (reply_error(code, words, "data") if code >= 400 else mail_error("away")) from None


def _demand(reply: tuple[int, bytes], stage: str, first_digit: int = 2) -> None:
    code, words = reply
    if code // 100 != first_digit:
        raise reply_error(code, words, stage)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
