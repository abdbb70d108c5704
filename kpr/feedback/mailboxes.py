"""Opens the mailbox of the ident feedback that the settings name: the one place that knows both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from kpr.feedback.ident_mail import Expected, IdentMail, Mailbox
from kpr.feedback.imap_mailbox import ImapMailbox
from kpr.settings import ImapMailboxSettings, MailboxSettings


class IdentMailbox(Protocol):
    """Where the ident feedback lies. By IMAP both methods may raise TransportError, TransportRefused, BadSettings."""

    def waiting(self, expected: list[Expected]) -> Iterator[IdentMail]:
        """Mails from the register's domains that have not been accepted, oldest first."""
        ...

    def accept(self, mail: IdentMail) -> None:
        """Take a mail away, when what it says is durable."""
        ...


def open_mailbox(settings: MailboxSettings) -> IdentMailbox:
    """The mailbox; a connection is made when it is first needed."""
    if isinstance(settings, ImapMailboxSettings):
        return ImapMailbox(settings, settings.sender_domains)
    return Mailbox(settings.folder, settings.sender_domains)
