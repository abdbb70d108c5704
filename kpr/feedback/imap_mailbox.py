"""The ident feedback in a mailbox by IMAP, which may be one that people read too.

What is not from the register is left as it is: unseen, unmoved, and not fetched beyond its From field. What is from
the register stays until it has been accepted; then it is marked as seen and moved to the archive folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from kpr.feedback.ident_mail import MAIL_LIMIT, Expected, IdentMail, is_from, read_bytes
from kpr.feedback.mail_file import HEAD_LIMIT
from kpr.transports.edi.imap import ArrivedMail, ImapBox
from kpr.transports.edi.imap_line import PIECE
from kpr.transports.edi.settings import ImapServer


class ImapMailbox:
    """The same as a maildir, by IMAP. The connection lives as long as a round, and opens by itself.

    Both methods may raise TransportError (away, busy), TransportRefused (login, certificate, folder) and BadSettings.
    """

    def __init__(self, settings: ImapServer, sender_domains: tuple[str, ...], place: str = "mailbox") -> None:
        self._box, self._domains = ImapBox(settings, place), sender_domains

    def waiting(self, expected: list[Expected]) -> Iterator[IdentMail]:
        """Mails from the register's domains that have not been accepted, oldest first."""
        try:
            for arrived in self._box.waiting():
                found = self._read(arrived, expected) if is_from(arrived.sender, self._domains) else None
                if found is not None:
                    yield found
        finally:
            self._box.close()

    def accept(self, mail: IdentMail) -> None:
        """Mark a mail as seen and move it to the archive, when what it says is durable."""
        between_rounds = not self._box.is_open
        self._box.accept(mail.key)
        if between_rounds:
            self._box.close()

    def _read(self, arrived: ArrivedMail, expected: list[Expected]) -> IdentMail | None:
        raw = self._bytes(arrived)
        whole = len(raw) <= MAIL_LIMIT and arrived.size <= MAIL_LIMIT
        return read_bytes(
            raw if whole else raw[:HEAD_LIMIT],
            self._domains,
            expected,
            whole=whole,
            key=arrived.name,
            received_at=arrived.received_at,
            origin="imap",
        )

    def _bytes(self, arrived: ArrivedMail) -> bytes:
        """The whole mail, or the beginning of one that is too large, also when the server told its size wrongly."""
        if arrived.size > MAIL_LIMIT:
            return self._box.piece(arrived.name, 0, HEAD_LIMIT)
        whole = BytesIO()
        while whole.tell() <= MAIL_LIMIT:
            piece = self._box.piece(arrived.name, whole.tell(), min(PIECE, MAIL_LIMIT + 1 - whole.tell()))
            whole.write(piece)
            if not piece or whole.tell() >= arrived.size:
                break
        return whole.getvalue()
