"""What both mail protocols need: TLS with the server's name checked, and faults without the server's own words."""

from __future__ import annotations

import ssl

from kpr.errors import BadSettings, TransportError
from kpr.transports.amqp.tls import is_about_tls
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import TlsServer


def mail_error(condition: str, code: int | str = "") -> TransportError:
    """TransportError or TransportRefused, by the table; ``code`` is the server's number, never its words."""
    error = carrier_error(f"mail:{condition}")
    return type(error)(f"{error} [{code}]") if code else error


def line_error(error: OSError) -> TransportError:
    """What a connection that failed is: its certificate or TLS does not fit, or it is only away."""
    return mail_error("tls" if is_about_tls(error) else "away")


def tls_context(settings: TlsServer, place: str) -> ssl.SSLContext | None:
    """TLS 1.2 or later, certificate and host name verified; None where the settings say that there is no TLS.

    BadSettings when the file with authorities cannot be read; ``place`` is the server's setting.
    """
    if settings.security == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise BadSettings(
            "The file with the mail server's authorities cannot be read.",
            place=f"{place}.ca_file",
            remedy="Give a PEM file.",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
