"""The AMQP 0-9-1 dialect: for brokers that speak it, such as a municipality's own bus or a message handler behind it.

What 0-9-1 has no place for travels as headers: ``subject``, ``to``, and the application properties under their own
names (docs/amqp.md). A 1.0 receiver behind the same broker does not see them, so this is no way to the national bus.
Publisher confirms and ``mandatory`` together mean the same as the outcome "accepted". pika publishes from memory: a
message is held whole, two to three times.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
    UnroutableError,
)

from kpr.transports.amqp.bus import TOO_LARGE, BusFault
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.tls import is_about_tls, tls_context
from kpr.transports.amqp.wire import Wire, text_of

logging.getLogger("pika").setLevel(logging.CRITICAL)  # it logs each lost connection at length; we tell it ourselves

_PERSISTENT = 2
#: Reply codes of 0-9-1 as the conditions of 1.0, so that one retry table serves both (outcomes.yaml).
_CODES = {
    311: "amqp:link:message-size-exceeded",
    320: "amqp:connection:forced",
    403: "amqp:unauthorized-access",
    404: "amqp:not-found",
    405: "amqp:resource-locked",
    406: "amqp:precondition-failed",
    501: "amqp:connection:framing-error",
    506: "amqp:resource-limit-exceeded",
    530: "amqp:not-allowed",
    540: "amqp:not-implemented",
    541: "amqp:internal-error",
}


class Amqp091Bus:
    """One connection; a channel for publishing with confirms, and one for each round of reading."""

    def __init__(self, settings: AmqpSettings) -> None:
        self._settings = settings
        self._connection: pika.BlockingConnection | None = None
        self._publisher: BlockingChannel | None = None

    # -- the connection -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, unless there is a connection that lives."""
        connection = self._connection
        if connection is not None and connection.is_open:
            with contextlib.suppress(AMQPError, OSError):
                connection.process_data_events(0)
                if connection.is_open:
                    return
        self._publisher = None
        self._connection = connected(self._settings)

    def close(self) -> None:
        """Say goodbye."""
        connection, self._connection, self._publisher = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(AMQPError, OSError):
                connection.close()

    def product(self) -> str:
        """What the broker says that it is, such as "RabbitMQ 3.10.8"."""
        said = self._opened()._impl.server_properties or {}
        return f"{said.get('product', 'unknown')} {said.get('version', '')}".strip()

    def _opened(self) -> Any:
        self.open()
        return self._connection

    def _channel(self) -> BlockingChannel:
        with _faults():
            channel: BlockingChannel = self._opened().channel()
            return channel

    # -- sending --------------------------------------------------------------------------------------------------

    def publish(self, queue: str, wire: Wire, body: BinaryIO, size: int) -> None:  # noqa: ARG002  (pika counts itself)
        """Publish, mandatory and persistent, and wait for the confirm."""
        channel = self._confirming()
        properties = pika.BasicProperties(
            message_id=wire.message_id,
            correlation_id=wire.correlation_id,
            reply_to=wire.reply_to,
            content_type=wire.content_type,
            delivery_mode=_PERSISTENT,
            headers={"subject": wire.subject, "to": wire.to, **wire.properties},
        )
        with _faults():
            channel.basic_publish(self._settings.exchange, queue, body.read(), properties, mandatory=True)

    def _confirming(self) -> BlockingChannel:
        self.open()
        if self._publisher is None or not self._publisher.is_open:
            channel = self._channel()
            with _faults():
                channel.confirm_delivery()
            self._publisher = channel
        return self._publisher

    def check_target(self, queue: str) -> int | None:
        """Ask for exchange and queue; 0-9-1 does not tell how large a message may be."""
        with self._asking() as channel, _faults():
            channel.exchange_declare(self._settings.exchange, passive=True)
        try:
            self.check_source(queue)
        except BusFault as fault:
            if fault.condition != "amqp:unauthorized-access":  # somebody else's queue need not let itself be seen
                raise
        return None

    # -- receiving ------------------------------------------------------------------------------------------------

    def check_source(self, queue: str) -> None:
        """Ask for the queue without taking anything."""
        with self._asking() as channel, _faults():
            channel.queue_declare(queue, passive=True)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[BlockingChannel]:
        channel = self._channel()
        try:
            yield channel
        finally:
            _close(channel)

    def take(self, queue: str, expected: int | None = None) -> Iterator[Taken091]:  # noqa: ARG002  (basic.get tells)
        """One message at a time, until the queue is empty. What was not settled by then goes back into it."""
        with self._asking() as channel:
            while True:
                with _faults():
                    method, properties, body = channel.basic_get(queue)
                if method is None:
                    return
                yield Taken091(_wire(properties), body, channel, method.delivery_tag)


def parameters(settings: AmqpSettings) -> pika.ConnectionParameters:
    """How to reach the broker."""
    context = tls_context(settings) if settings.tls else None
    return pika.ConnectionParameters(
        host=settings.host,
        port=settings.port,
        virtual_host=settings.virtual_host,
        credentials=pika.PlainCredentials(settings.username, settings.secret()),
        ssl_options=pika.SSLOptions(context, settings.host) if context else None,
        heartbeat=max(1, int(settings.timeout_seconds)),
        blocked_connection_timeout=settings.timeout_seconds,
        socket_timeout=settings.timeout_seconds,
        stack_timeout=settings.timeout_seconds,
    )


def connected(settings: AmqpSettings) -> pika.BlockingConnection:
    """A connection that is logged in; BusFault when there is none to be had."""
    try:
        return pika.BlockingConnection(parameters(settings))
    except PIKA_ERRORS as error:
        raise fault_of(error) from None
    except ValueError as error:  # a socket that was reset before pika asked it for its peer
        raise BusFault("connection-lost", type(error).__name__) from None


#: What pika raises when something is wrong with broker or network; a time-out in the handshake is none of its own.
PIKA_ERRORS = (AMQPError, AMQPConnectorException, OSError)


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """pika's exceptions as faults of the bus."""
    try:
        yield
    except PIKA_ERRORS as error:
        raise fault_of(error) from None


def fault_of(error: Exception) -> BusFault:
    """What a pika exception means."""
    if isinstance(error, ChannelClosedByBroker | ConnectionClosedByBroker):
        too_large = error.reply_code == 406 and TOO_LARGE in error.reply_text
        condition = _CODES[311] if too_large else _CODES.get(error.reply_code, "amqp:connection:forced")
        return BusFault(condition, error.reply_text)
    if isinstance(error, ProbableAuthenticationError | ProbableAccessDeniedError):
        # pika guesses from how far it had come; a line that broke there says nothing about login or virtual host.
        broke = StreamLostError.__name__ in str(error)
        return BusFault("connection-lost" if broke else "amqp:unauthorized-access")
    for kind, condition in _KINDS:
        if isinstance(error, kind):
            return BusFault(condition)
    if any(is_about_tls(part) for part in _causes(error)):
        return BusFault("tls")
    return BusFault("connection-lost", type(error).__name__)


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (UnroutableError, "released"),
    (NackError, "nacked"),
    (ConnectionBlockedTimeout, "blocked"),
    (AMQPConnectorException, "timeout"),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error with everything inside it: pika wraps what went wrong on the socket several times."""
    yield error
    inner = [error.__cause__, error.__context__, *getattr(error, "exceptions", ()), *error.args]
    inner.append(getattr(error, "exception", None))
    for part in inner:
        if isinstance(part, BaseException):
            yield from _causes(part)


def _close(channel: BlockingChannel) -> None:
    with contextlib.suppress(AMQPError, AMQPConnectionError, OSError):
        if channel.is_open:
            channel.close()


@dataclass(slots=True)
class Taken091:
    """One delivery that is not acknowledged yet."""

    wire: Wire
    body: bytes = field(repr=False)
    channel: BlockingChannel = field(repr=False)
    tag: int = 0

    def accept(self) -> None:
        """The broker removes it."""
        with _faults():
            self.channel.basic_ack(self.tag)

    def release(self) -> None:
        """The broker puts it back."""
        with _faults():
            self.channel.basic_nack(self.tag, requeue=True)


def _wire(properties: Any) -> Wire:
    said = {text_of(name): text_of(value) for name, value in (properties.headers or {}).items()}
    return Wire(
        message_id=text_of(properties.message_id),
        to=said.pop("to", ""),
        subject=said.pop("subject", ""),
        reply_to=text_of(properties.reply_to) or None,  # pika gives bytes where it is no text
        correlation_id=text_of(properties.correlation_id) or None,
        content_type=text_of(properties.content_type) or None,
        properties=said,
    )
