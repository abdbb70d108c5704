"""The ways that the demo's messages can take, each with real servers that are started for it and stopped again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpr.demo.broker import Broker, give_bus
from kpr.demo.mail_servers import Dovecot, SmtpReceiver, mail_folder
from kpr.demo.own_server import OwnServer
from kpr.demo.ssh_server import SshServer
from kpr.simulator_bus import SimulatedBus
from kpr.simulator_edi import FEEDBACK_ADDRESS, MUNICIPALITY_ADDRESS, REGISTER_ADDRESS, SimulatedEdi


@dataclass(frozen=True, slots=True)
class Route:
    """One way. ``told`` says what runs; ``left`` counts what still waits somewhere, by the name of the place.

    ``folder`` is where the servers keep what they hold.
    """

    told: str = ""
    bus: SimulatedBus | None = None
    edi: SimulatedEdi | None = None
    left: Callable[[], dict[str, int]] = dict
    servers: tuple[OwnServer, ...] = ()
    folder: Path | None = None


@contextmanager
def open_route(over: str, folder: Path) -> Iterator[Route]:
    """``directory``, a dialect of AMQP, ``mail`` or ``sftp``; what it needs runs until the end of the block."""
    if over == "directory":
        yield Route()
        return
    make = {"mail": _mail, "sftp": _sftp}.get(over)
    with make(folder) if make else _broker(folder, over) as route:
        yield route


@contextmanager
def _broker(folder: Path, dialect: str) -> Iterator[Route]:
    with Broker(folder / "broker") as broker:
        bus = give_bus(broker, dialect)
        told = f"Meldingene går over RabbitMQ {'.'.join(map(str, broker.version))}, dialekt {dialect}, med TLS."

        def left() -> dict[str, int]:
            return {queue: count for queue in bus.queues() if (count := broker.depth(queue))}

        yield Route(told, bus=bus, left=left)


@contextmanager
def _mail(folder: Path) -> Iterator[Route]:
    """Dovecot's mailboxes may lie in a short path only, which others can reach: not in the demo's own folder."""
    users = {name: secrets.token_urlsafe(16) for name in ("kommune", "register", "omsorg")}
    hands_in = {"innlevering": secrets.token_urlsafe(16)}
    with ExitStack() as stack:
        place = stack.enter_context(mail_folder())
        dovecot = stack.enter_context(Dovecot(place / "imap", users))
        boxes = dict(zip((MUNICIPALITY_ADDRESS, REGISTER_ADDRESS, FEEDBACK_ADDRESS), users, strict=True))
        maildirs = {address: dovecot.maildir(user) for address, user in boxes.items()}
        smtp = stack.enter_context(SmtpReceiver(place / "smtp", maildirs, users=hands_in))
        yield Route(
            "Meldingene går som ebXML over SMTP (STARTTLS), og hentes med IMAP (TLS) hos Dovecot.",
            edi=edi_by_mail(folder, dovecot, smtp, users, hands_in),
            left=lambda: {user: count for user in users if (count := dovecot.waiting(user))},
            servers=(dovecot, smtp),
            folder=place,
        )


def edi_by_mail(
    folder: Path, dovecot: Dovecot, smtp: SmtpReceiver, users: dict[str, str], hands_in: dict[str, str]
) -> SimulatedEdi:
    """Settings for both sides. ``users`` are the mailboxes with their passwords: ours, the register's, the people's."""
    ours, theirs, people = users
    [(who, password)] = hands_in.items()
    files = {name: folder / f"keys/{name}.password" for name in ("smtp", "edi", "mailbox", "register")}

    def imap(user: str, file: Path) -> dict[str, Any]:
        return _server("localhost", dovecot.tls_port, dovecot.ca_file, user, file)

    smtp_settings = _server("localhost", smtp.port, smtp.ca_file, who, files["smtp"])

    def side(user: str, file: Path) -> dict[str, Any]:
        return {"kind": "edi", "carrier": {"kind": "mail", "smtp": smtp_settings, "imap": imap(user, file)}}

    words = {"smtp": password, "edi": users[ours], "mailbox": users[people], "register": users[theirs]}
    return SimulatedEdi(
        municipality=side(ours, files["edi"]),
        register=side(theirs, files["register"]),
        mailbox={"kind": "imap", "sender_domains": ["register.example.invalid"], **imap(people, files["mailbox"])},
        mail_server=smtp_settings,
        secrets={f"keys/{name}.password": word for name, word in words.items()},
    )


def _server(host: str, port: int, ca_file: Path, user: str, password_file: Path) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "ca_file": str(ca_file),
        "username": user,
        "password_file": str(password_file),
    }


@contextmanager
def _sftp(folder: Path) -> Iterator[Route]:
    with mail_folder() as place, SshServer(place / "sftp", folder / "keys") as server:
        yield Route(
            "Meldingene går som ebXML i filer over SFTP, hos OpenSSH.",
            edi=edi_by_sftp(server),
            left=lambda: {
                name: count for name in _SFTP_INBOXES if (count := len(list((server.files / name).glob("*.mime"))))
            },
            servers=(server,),
            folder=place,
        )


_SFTP_INBOXES = ("to-register", "to-municipality")


def edi_by_sftp(server: SshServer) -> SimulatedEdi:
    """Settings for both sides: one's outbox is the other's inbox."""

    def side(outbox: str, inbox: str, own: str) -> dict[str, Any]:
        carrier = {
            "kind": "sftp",
            "host": "localhost",
            "port": server.port,
            "username": server.user,
            "known_hosts": str(server.known_hosts),
            "key_file": str(server.key_file),
            "folders": {"outbox": outbox, "inbox": inbox, "archive": f"{own}-archive", "failed": f"{own}-failed"},
        }
        return {"kind": "edi", "carrier": carrier}

    to_register, to_municipality = _SFTP_INBOXES
    return SimulatedEdi(
        municipality=side(to_register, to_municipality, "municipality"),
        register=side(to_municipality, to_register, "register"),
    )
