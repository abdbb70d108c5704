"""The probes of the EDI route: its servers, its folders, the agreement, and the mailbox of the ident feedback.

As with the other probes, nothing is sent, taken, made or changed: a mail is not even marked as seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from kpr.connection.facts import Stop, StopFacts
from kpr.errors import BadInput, BadSettings, KprError
from kpr.messages.ebxml.cpa import read_cpa
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.settings import ImapMailboxSettings, MaildirSettings, Settings
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.handler import files_of
from kpr.transports.edi.imap import ImapBox
from kpr.transports.edi.settings import EdiSettings, FolderCarrierSettings, ImapServer, MailCarrierSettings, Server
from kpr.transports.edi.smtp import SmtpSender

#: What a file carrier reads and writes, and what a message handler has besides.
_FOLDERS, _HANDLERS = ("inbox", "outbox", "archive", "failed"), ("ack", "error")


def ask_route(settings: Settings) -> tuple[StopFacts, ...]:
    """Every server or folder that messages pass on the EDI route; none on another route."""
    transport = settings.transport
    if not isinstance(transport, EdiSettings):
        return ()
    carrier = transport.carrier
    if not isinstance(carrier, MailCarrierSettings):
        return (_ask(StopFacts(stop=Stop.FILES, where=_place_of_files(transport)), lambda: _files(transport)),)
    smtp, place = carrier.smtp, "transport.carrier"
    return (
        _ask(
            StopFacts(stop=Stop.SMTP, where=_where(smtp)),
            lambda: {"largest": SmtpSender(smtp, f"{place}.smtp").look("localhost")},
        ),
        _ask(
            StopFacts(stop=Stop.EDI_MAILBOX, where=_where(carrier.imap)), lambda: _imap(carrier.imap, f"{place}.imap")
        ),
    )


def ask_mailbox(settings: Settings) -> StopFacts:
    """Where the ident feedback comes, whichever way the messages go."""
    mailbox = settings.mailbox
    if isinstance(mailbox, ImapMailboxSettings):
        facts = StopFacts(stop=Stop.IDENT_MAILBOX, where=_where(mailbox))
        return _ask(facts, lambda: _imap(mailbox, "mailbox"))
    return _ask(StopFacts(stop=Stop.IDENT_MAILBOX, where=str(mailbox.folder)), lambda: _maildir(mailbox))


def ask_agreement(settings: Settings) -> Cpa | BadInput | None:
    """The agreement, where the settings name one."""
    transport = settings.transport
    if not isinstance(transport, EdiSettings) or transport.cpa_file is None:
        return None
    try:
        return read_cpa(transport.cpa_file.read_bytes())
    except BadInput as error:
        return error
    except OSError:
        return BadSettings("The agreement (CPA) cannot be read.", place="transport.cpa_file", remedy="Check its name.")


def _ask(facts: StopFacts, look: Callable[[], dict[str, Any]]) -> StopFacts:
    try:
        return replace(facts, **look())
    except KprError as error:
        return replace(facts, error=error)


def _imap(server: ImapServer, place: str) -> dict[str, Any]:
    with closing(ImapBox(server, place)) as box:
        return {"waiting": box.look()}


def _files(transport: EdiSettings) -> dict[str, Any]:
    carrier = transport.carrier
    assert not isinstance(carrier, MailCarrierSettings)
    names = (*_FOLDERS, *(_HANDLERS if transport.form == "handler" else ()))
    folders = {name: str(getattr(carrier.folders, name)) for name in names}
    with closing(FileCarrier(files_of(carrier), carrier.folders)) as files:
        seen = files.look(folders.values())
    return {
        "waiting": seen[folders["inbox"]] or 0,
        "missing": tuple(folder for folder, count in seen.items() if count is None),
    }


def _maildir(mailbox: MaildirSettings) -> dict[str, Any]:
    folder = mailbox.folder
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        raise BadSettings(
            "The mailbox's folder cannot be read and written.", place="mailbox.folder", remedy="Check its rights."
        )
    waiting = 0
    with suppress(OSError):
        waiting = sum(1 for _ in (folder / "new").iterdir())
    return {"waiting": waiting}


def _where(server: Server) -> str:
    return f"{server.host}:{server.port}"


def _place_of_files(transport: EdiSettings) -> str:
    carrier = transport.carrier
    assert not isinstance(carrier, MailCarrierSettings)
    return str(carrier.folder) if isinstance(carrier, FolderCarrierSettings) else _where(carrier)
