"""TLS to the bus: 1.2 or 1.3 only, the broker's certificate and host name verified (addresses.md s. 4)."""

from __future__ import annotations

import socket
import ssl

from kpr.errors import BadSettings
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.settings import AmqpSettings


def tls_context(settings: AmqpSettings) -> ssl.SSLContext:
    """The rules of the connection; the machine's own authorities where the settings name none."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise BadSettings(
            "The file with the bus's authorities cannot be read.", place="transport.ca_file", remedy="Give a PEM file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connected_socket(settings: AmqpSettings) -> socket.socket:
    """A socket to the broker, with TLS where the settings say so. BusFault when there is none to be had."""
    context = tls_context(settings) if settings.tls else None
    try:
        raw = socket.create_connection((settings.host, settings.port), timeout=settings.timeout_seconds)
    except TimeoutError:
        raise BusFault("timeout") from None
    except OSError as error:
        raise BusFault("connection-lost", type(error).__name__) from None
    # A flow and a settlement are small frames: held back by Nagle, each message would cost 40 ms (measured).
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return raw
    try:
        return context.wrap_socket(raw, server_hostname=settings.host)
    except OSError as error:
        raw.close()
        said = getattr(error, "reason", None) or type(error).__name__
        raise BusFault("tls" if is_about_tls(error) else "connection-lost", said) from None


def is_about_tls(error: BaseException) -> bool:
    """Whether the other side's certificate or TLS does not fit. Who hangs up in the handshake is only away."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
