"""The carrier by mail: SMTP out, IMAP in (HIS 1037 s. 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from kpr.transports.edi.carrier import Arrived, Label
from kpr.transports.edi.imap import ImapBox
from kpr.transports.edi.settings import MailCarrierSettings
from kpr.transports.edi.smtp import SmtpSender


class MailCarrier:
    """Mails handed in at one server, and fetched from one mailbox. ``place`` is where the settings stand."""

    def __init__(self, settings: MailCarrierSettings, place: str = "transport.carrier") -> None:
        self._sender = SmtpSender(settings.smtp, f"{place}.smtp")
        self._box = ImapBox(settings.imap, f"{place}.imap")

    def put(self, label: Label, body: BinaryIO, size: int) -> None:
        """Send ``size`` bytes of a MIME entity as one mail; see SmtpSender.send for what it raises."""
        self._sender.send(label, body, size)

    def waiting(self) -> Iterator[Arrived]:
        """The mails in the mailbox, oldest first; see ImapBox for what it raises."""
        return self._box.waiting()

    def close(self) -> None:
        """Let go of the mailbox."""
        self._box.close()
