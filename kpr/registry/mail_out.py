"""The ident e-mail's way out of the stand-in register: into a maildir, or by SMTP to the sender's own mailbox."""

from __future__ import annotations

import mailbox
import smtplib
import ssl

from kpr.errors import TransportError
from kpr.registry.settings import RegisterSettings, Sender
from kpr.transports.edi.settings import SmtpServer


def deliver(mail: bytes, sender: Sender, settings: RegisterSettings) -> None:
    """Deliver one mail; TransportError when it cannot leave now."""
    if sender.mail_folder is not None:
        mailbox.Maildir(sender.mail_folder, create=True).add(mail)
    elif settings.mail_server is not None and sender.mail_to is not None:
        _send(settings.mail_server, settings.mail_address, sender.mail_to, mail)


def _send(server: SmtpServer, mail_from: str, mail_to: str, mail: bytes) -> None:
    try:
        with smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds) as client:
            if server.security == "starttls":
                client.starttls(context=ssl.create_default_context(cafile=server.ca_file))
            if server.username:
                client.login(server.username, server.secret("mail_server"))
            client.sendmail(mail_from, [mail_to], mail)
    except (smtplib.SMTPException, OSError) as error:
        raise TransportError(f"The mail could not be handed in ({type(error).__name__}).") from None
