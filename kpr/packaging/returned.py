"""A mail that comes back as undeliverable (RFC 3464), as the stand-in register's mail server would send it."""

from __future__ import annotations

_HEAD = (
    'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type="delivery-status"; boundary="returned"\r\n\r\n'
)
_TEXT = "The mail could not be delivered."


def returned_mail(envelope_id: str, message_id: str, recipient: str) -> bytes:
    """A delivery status notification as a MIME entity, without the mail's own head."""
    status = f"Original-Envelope-Id: {envelope_id}\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n"
    parts = (
        f"Content-Type: text/plain\r\n\r\n{_TEXT}",
        f"Content-Type: message/delivery-status\r\n\r\n{status}Action: failed\r\nStatus: 5.1.1",
        f"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>",
    )
    # Written by hand: the standard library would write a closing delimiter before them.
    return (_HEAD + "".join(f"--returned\r\n{part}\r\n" for part in parts) + "--returned--\r\n").encode()
