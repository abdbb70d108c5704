"""A line to an AMQP 1.0 broker: proton's engine for the protocol, Python's own sockets and TLS for the bytes.

proton never sees the network: it is given bytes and gives bytes. So TLS is Python's, on every machine, whatever proton
was built with; every wait has a time-out of ours; and a session that ends in error is told as such (proton's blocking
client shows it as a time-out, amqp.md s. 1.7).
"""

from __future__ import annotations

import contextlib
import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import proton

from kpr.transports.amqp.bus import TOO_LARGE, BusFault
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.tls import connected_socket

_CHUNK = 1 << 17
#: Our side of the idle time-out; the broker's own are 60 s (3.x) and 30 s (4.x), amqp.md s. 1.5.
_IDLE_SECONDS = 60
_HEARTBEAT_SECONDS = 5
_CLOSE_SECONDS = 3


class Line:
    """One connection. ``lock`` is held by whoever uses it; a thread of its own keeps it alive meanwhile."""

    def __init__(self, settings: AmqpSettings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self._done = threading.Event()
        self._socket = connected_socket(settings)
        self._socket.setblocking(False)
        self.connection = proton.Connection()
        self.connection.container = f"{settings.system_identifier}-{time.time_ns():x}"
        self.connection.hostname = settings.host if settings.virtual_host == "/" else f"vhost:{settings.virtual_host}"
        self.connection.user = settings.username
        self.connection.password = settings.secret()
        self._transport = proton.Transport(proton.Transport.CLIENT)
        sasl = self._transport.sasl()
        sasl.allowed_mechs("PLAIN")
        sasl.allow_insecure_mechs = True  # TLS lies below, where proton does not see it; the settings demand it
        self._transport.idle_timeout = _IDLE_SECONDS
        self._transport.max_frame_size = _CHUNK
        self._transport.bind(self.connection)
        self.connection.open()
        try:
            self.until(lambda: self.connection.state & proton.Endpoint.REMOTE_ACTIVE)
        except BaseException:
            self._socket.close()
            raise
        self._keeper = threading.Thread(target=self._keep_alive, name="amqp heartbeat", daemon=True)
        self._keeper.start()

    def until(self, done: Callable[[], Any], *endpoints: Any, condition: str = "timeout") -> None:
        """Move bytes until ``done``; BusFault when an endpoint is closed, or the time is out."""
        if not self.within(self.settings.timeout_seconds, done, *endpoints):
            raise BusFault(condition)

    def within(self, seconds: float, done: Callable[[], Any], *endpoints: Any) -> bool:
        """Move bytes until ``done``, but no longer than this; whether it came to be."""
        ends = time.monotonic() + seconds
        while not done():
            self._fail_if_closed(*endpoints)
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self._turn(min(0.5, left))
        return True

    def _fail_if_closed(self, *endpoints: Any) -> None:
        for endpoint in (*endpoints, self.connection):
            if endpoint.state & proton.Endpoint.REMOTE_CLOSED:
                raise _fault(_condition(endpoint), "amqp:link:detach-forced")
        if self._transport.closed:
            raise _fault(self._transport.condition, "connection-lost")

    def _turn(self, wait: float) -> None:
        """Move bytes once in both directions, waiting so long for the network."""
        pending = self._transport.pending()
        try:
            if not self._has_waiting():
                readable, writable, _ = select.select([self._socket], [self._socket] if pending > 0 else [], [], wait)
            else:
                readable, writable = [self._socket], [self._socket] if pending > 0 else []
            if writable:
                self._write(pending)
            if readable:
                self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (OSError, ValueError):  # ValueError: the socket was closed meanwhile
            self._transport.close_tail()
            raise BusFault("connection-lost") from None
        self._transport.tick(time.monotonic())

    def _has_waiting(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _write(self, pending: int) -> None:
        data = self._transport.peek(min(pending, _CHUNK))
        if data:
            self._transport.pop(self._socket.send(data))

    def _read(self) -> None:
        capacity = self._transport.capacity()
        if capacity <= 0:
            return
        data = self._socket.recv(min(capacity, 2 * _CHUNK))
        if data:
            self._transport.push(data)
        else:
            self._transport.close_tail()

    def flush(self) -> None:
        """Everything that was said is on the network; BusFault when it is not, and never will be."""
        self.until(lambda: self._transport.pending() <= 0)
        if self._transport.pending() < 0:
            raise _fault(self._transport.condition, "connection-lost")

    def is_open(self) -> bool:
        """Whether it can still be used, as far as one knows."""
        try:
            with self.lock:
                self._turn(0)
                self._fail_if_closed()
        except BusFault:
            return False
        return True

    def _keep_alive(self) -> None:
        """Heartbeats while the program does other things; whoever uses the line sends them himself."""
        while not self._done.wait(_HEARTBEAT_SECONDS):
            if self.lock.acquire(blocking=False):
                try:
                    self._turn(0)
                except BusFault:
                    return  # told to whoever uses the line next
                finally:
                    self.lock.release()

    def close(self) -> None:
        """Say goodbye within seconds, not a minute (amqp.md s. 7, row Close), and close the socket in any case.

        Sessions end first, and the broker says so: closed together with their connection, one in forty lives on in
        RabbitMQ 3.10, and keeps what was delivered and not settled from everybody (measured).
        """
        self._done.set()
        ends = time.monotonic() + _CLOSE_SECONDS
        with self.lock, contextlib.suppress(BusFault, OSError):
            for endpoint in (*self._open_sessions(), self.connection):
                endpoint.close()
                self._await_ended(endpoint, ends)
        self.drop()

    def _open_sessions(self) -> list[Any]:
        """Those that the broker has not ended yet."""
        sessions, one = [], self.connection.session_head(proton.Endpoint.REMOTE_ACTIVE)
        while one is not None:
            sessions.append(one)
            one = one.next(proton.Endpoint.REMOTE_ACTIVE)
        return sessions

    def _await_ended(self, endpoint: Any, ends: float) -> None:
        while not self._transport.closed and time.monotonic() < ends:
            self._turn(0.2)
            if endpoint.state & proton.Endpoint.REMOTE_CLOSED and self._transport.pending() <= 0:
                return

    def drop(self) -> None:
        """Close the socket without a word."""
        self._done.set()
        self._socket.close()


def _condition(endpoint: Any) -> Any:
    try:
        return endpoint.remote_condition
    except UnicodeDecodeError:  # 3.x repeats a name that is not ASCII as Latin-1 (measured)
        return proton.Condition("amqp:invalid-field")


def _fault(condition: Any, otherwise: str) -> BusFault:
    if not condition:
        return BusFault(otherwise)
    said = condition.description or ""
    # RabbitMQ 3.x has no better name for it
    too_large = condition.name == "amqp:precondition-failed" and TOO_LARGE in said
    return BusFault("amqp:link:message-size-exceeded" if too_large else condition.name, said)
