"""The process behind ``SmtpReceiver``: takes mail by SMTP and lays it into maildirs. Run with the name of its settings.

For the demo and the tests only. It answers as it is told: once, or always, with a temporary or a final refusal, or it
takes a mail and sends a bounce afterwards, as a server does that cannot hand it on.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kpr.demo.maildir import deliver

_DSN = ("RET=", "ENVID=", "NOTIFY=", "ORCPT=")


class _Receiver:
    """What aiosmtpd asks. Answers are read anew each time, so that a test can change them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.owner = (int(config["owner"][0]), int(config["owner"][1]))

    def answer(self, stage: str) -> str:
        try:
            answers: dict[str, str] = json.loads(Path(self.config["answers"]).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ""
        return answers.get(stage, "")

    async def handle_EHLO(  # noqa: N802, RUF100
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(["250-DSN"] if self.config["dsn"] else []), responses[-1]]

    async def handle_MAIL(  # noqa: N802, RUF100
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refused = self.answer("mail")
        if not refused:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refused or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802, RUF100
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refused = self.answer("rcpt") or ("" if address in self.config["boxes"] else "550 5.1.1 unknown")
        if not refused:
            envelope.rcpt_tos.append(address)
        return refused or "250 2.1.5 OK"

    async def handle_DATA(self, server: _Server, _session: Session, envelope: Envelope) -> str:  # noqa: N802, RUF100
        refused, bounce = self.answer("data"), self.answer("bounce")
        if refused:
            return refused
        sender, raw = str(envelope.mail_from), bytes(envelope.original_content or b"")
        if bounce:
            self._deliver(sender, _bounce(sender, envelope.rcpt_tos[0], server.envelope_id, bounce, raw))
            return "250 2.0.0 queued"
        for address in envelope.rcpt_tos:
            self._deliver(address, f"Return-Path: <{sender}>\r\n".encode() + raw)
        return "250 2.0.0 queued"

    def _deliver(self, address: str, raw: bytes) -> None:
        deliver(Path(self.config["boxes"][address]), raw, self.owner)

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (
            self.config["users"].get(data.login.decode("utf-8", "replace")) == data.password.decode("utf-8", "replace")
        )
        return AuthResult(success=right, handled=False)


class _Server(SMTP):
    """aiosmtpd knows no DSN: its parameters are taken off before it looks."""

    envelope_id = ""

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802, RUF100
        words = (arg or "").split()
        self.envelope_id = next((word[6:] for word in words if word.upper().startswith("ENVID=")), "")
        await super().smtp_MAIL(self._without_dsn(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802, RUF100
        await super().smtp_RCPT(self._without_dsn(arg))

    def _without_dsn(self, arg: str | None) -> str | None:
        if arg is None or not self.event_handler.config["dsn"]:
            return arg
        return " ".join(word for word in arg.split() if not word.upper().startswith(_DSN))


def _bounce(sender: str, recipient: str, envelope_id: str, status: str, raw: bytes) -> bytes:
    """A delivery status notification (RFC 3464): the envelope's id and the head of what did not arrive."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    return (
        f"From: <postmaster@localhost>\r\nTo: <{sender}>\r\nSubject: Undelivered mail\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThe mail could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; localhost\r\nOriginal-Envelope-Id: {envelope_id}\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: {status}\r\n"
        f"\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n--b--\r\n"
    ).encode()


def _protocol(config: dict[str, Any], context: ssl.SSLContext | None) -> _Server:
    receiver = _Receiver(config)
    starttls = config["security"] == "starttls"
    return _Server(
        receiver,
        hostname="localhost",
        data_size_limit=config["size_limit"],
        tls_context=context if starttls else None,
        require_starttls=starttls,
        auth_required=bool(config["users"]),
        auth_require_tls=starttls,
        authenticator=receiver.login,
    )


async def _serve(config: dict[str, Any]) -> None:
    context = None
    if config["security"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(config["certificate"], config["key"])
    immediately = context if config["security"] == "tls" else None
    server = await asyncio.get_running_loop().create_server(
        lambda: _protocol(config, context), "127.0.0.1", config["port"], ssl=immediately
    )
    async with server:
        await server.serve_forever()


def main(config_file: str) -> None:
    """Serve until stopped."""
    asyncio.run(_serve(json.loads(Path(config_file).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(sys.argv[1])
