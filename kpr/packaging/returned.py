"""A mail that comes back as undeliverable (RFC 3464), as the stand-in register's mail server would send it."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

_TEXT = "The mail could not be delivered.\n"


def returned_mail(envelope_id: str, message_id: str, recipient: str) -> bytes:
    """A delivery status notification as a MIME entity, without the mail's own head."""
    report = EmailMessage(policy=SMTP)
    report["MIME-Version"] = "1.0"
    report["Content-Type"] = 'multipart/report; report-type="delivery-status"; boundary="returned"'
    status = f"Original-Envelope-Id: {envelope_id}\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n"
    parts = (
        f"Content-Type: text/plain\r\n\r\n{_TEXT}",
        f"Content-Type: message/delivery-status\r\n\r\n{status}Action: failed\r\nStatus: 5.1.1\r\n",
        f"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\n",
    )
    body = "".join(f"--returned\r\n{part.rstrip()}\r\n" for part in parts) + "--returned--\r\n"
    return report.as_bytes() + body.encode()
