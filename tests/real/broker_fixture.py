"""One RabbitMQ for the tests of the bus: fresh names for each test, and a client that shows what the broker says.

The users' rights are by pattern, so that a test needs no administrator: ``kprN_…`` belongs to the municipality,
``regN_…`` to the register, and both write to ``SIMN``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pika
import proton

from kpr.demo.broker import Broker
from kpr.simulator_bus import SimulatedBus
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.line import Line
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.transport import open_bus

SECONDS = 5.0


@dataclass
class Rabbit:
    """The running broker with its two users."""

    broker: Broker
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    passwords: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for user, own in (("municipality", "kpr"), ("register", "reg")):
            self.passwords[user] = secrets.token_hex(12)
            self.broker.add_user(user, self.passwords[user], "^$", r"^SIM\d+$", rf"^{own}\d+_.*$")

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The version that the broker itself tells."""
        with self.pika() as connection:
            return tuple(int(part) for part in re.findall(r"\d+", connection._impl.server_properties["version"])[:2])

    def bus(self, dialect: str = "amqp10") -> SimulatedBus:
        """An exchange and queues that no other test has, declared."""
        number = next(self.numbers)
        bus = SimulatedBus(
            self.broker.host,
            self.broker.tls_port,
            str(self.broker.ca_file),
            self.passwords["municipality"],
            self.passwords["register"],
            dialect,
            exchange=f"SIM{number}",
            dead_letter_queue=f"kpr{number}_dl",
            municipality_queue=f"kpr{number}_async",
            municipality_errors=f"kpr{number}_error",
            register_queue=f"reg{number}_async",
            register_errors=f"reg{number}_error",
        )
        self.broker.declare(bus.exchange, bus.queues())
        return bus

    def settings(self, bus: SimulatedBus, user: str = "municipality", **changes: Any) -> AmqpSettings:
        """How a user of the broker reaches it, over TLS unless a test says otherwise."""
        password = self.passwords.get(user, self.broker.password)
        values = {
            "kind": "amqp",
            "dialect": bus.dialect,
            "host": bus.host,
            "port": bus.port,
            "ca_file": bus.ca_file,
            "exchange": bus.exchange,
            "username": user if user in self.passwords else self.broker.user,
            "password": password,
            "timeout_seconds": SECONDS,
        }
        return AmqpSettings.model_validate(values | changes)

    @contextmanager
    def open(self, bus: SimulatedBus, user: str = "municipality", **changes: Any) -> Iterator[Any]:
        """Our own bus, in the dialect that the settings name."""
        with closing(open_bus(self.settings(bus, user, **changes))) as opened:
            yield opened

    @contextmanager
    def raw(self, bus: SimulatedBus, **changes: Any) -> Iterator[Raw]:
        """A client that shows what the broker says, as the administrator, without TLS."""
        plain = {"tls": False, "port": self.broker.port, "dialect": "amqp10"} | changes
        with closing(Raw(self.settings(bus, "administrator", **plain))) as client:
            yield client

    def pika(self) -> pika.BlockingConnection:
        """The other protocol, as the administrator."""
        credentials = pika.PlainCredentials(self.broker.user, self.broker.password)
        return pika.BlockingConnection(
            pika.ConnectionParameters("localhost", self.broker.port, credentials=credentials)
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How the broker ended something: which endpoint, and the condition."""

    what: str
    condition: str
    said: str = ""


class Raw:
    """AMQP 1.0 without anything of ours above the line: addresses and bytes as the test gives them."""

    def __init__(self, settings: AmqpSettings) -> None:
        self.line = Line(settings)
        self.v2 = self.product >= (4,)

    @property
    def product(self) -> tuple[int, ...]:
        """The version in the broker's Open."""
        said = {str(name): value for name, value in self.line.connection.remote_properties.items()}
        return tuple(int(part) for part in re.findall(r"\d+", str(said["version"]))[:2])

    def target(self, bus: SimulatedBus, queue: str) -> str:
        """The target address in the form that this broker takes."""
        return f"/exchanges/{bus.exchange}/{queue}" if self.v2 else f"/exchange/{bus.exchange}/{queue}"

    def source(self, queue: str) -> str:
        """The source address in the form that this broker takes."""
        return f"/queues/{queue}" if self.v2 else f"/amq/queue/{queue}"

    def sender(self, address: str) -> Any:
        """A sender link, open on our side."""
        session = self.line.connection.session()
        session.open()
        link = session.sender(f"raw {address}")
        link.target.address = address
        link.open()
        return link

    def receiver(self, address: str) -> Any:
        """A receiver link without credit, open on our side."""
        session = self.line.connection.session()
        session.open()
        link = session.receiver(f"raw {address}")
        link.source.address = address
        link.open()
        return link

    def wait(self, done: Callable[[], Any]) -> None:
        """Move bytes until it is so."""
        with self.line.lock:
            assert self.line.within(SECONDS, done), "it did not come to be in time"

    def ending(self, link: Any, done: Callable[[], Any] = lambda: False) -> Ended | None:
        """How the broker ends the link, its session or the connection; None when ``done`` comes to be instead."""
        parts = (("link", link), ("session", link.session), ("connection", self.line.connection))

        def ended() -> Ended | None:
            for what, endpoint in parts:
                condition = endpoint.remote_condition
                if endpoint.state & proton.Endpoint.REMOTE_CLOSED and condition:
                    return Ended(what, condition.name, condition.description or "")
            return None

        try:
            self.wait(lambda: ended() or done())
        except BusFault as fault:  # the connection; told by the fault when it has no words of its own
            return ended() or Ended("connection", fault.condition, fault.said)
        return ended()

    def attached(self, link: Any) -> Ended | None:
        """None when the broker takes a link: it gives a sender credit; a receiver stays open."""
        if link.is_sender:
            return self.ending(link, lambda: link.credit > 0)
        return self.ending(link, lambda: link.state & proton.Endpoint.REMOTE_ACTIVE and link.remote_source.address)

    def send(self, link: Any, encoded: bytes) -> Any:
        """Send bytes as they are; the delivery's state, or how the broker ended it instead."""
        refused = self.attached(link)
        if refused:
            return refused
        delivery = link.delivery(secrets.token_hex(8))
        with self.line.lock:
            for at in range(0, len(encoded), 1 << 16):
                link.stream(encoded[at : at + (1 << 16)])
                ended = self.ending(link, lambda: link.session.outgoing_bytes < 1 << 20)
                if ended:
                    return ended
            link.advance()
        return self.ending(link, lambda: delivery.remote_state) or delivery.remote_state

    def take(self, link: Any) -> tuple[Any, bytes]:
        """The next message's delivery and its bytes."""
        link.flow(1)
        pieces: list[bytes] = []

        def whole() -> bool:
            while link.current is not None and link.current.pending:
                pieces.append(link.recv(link.current.pending))
            return link.current is not None and not link.current.partial

        self.wait(whole)
        delivery = link.current
        link.advance()
        return delivery, b"".join(pieces)

    def settle(self, delivery: Any, outcome: Any) -> None:
        """Settle what was taken."""
        with self.line.lock:
            delivery.update(outcome)
            delivery.settle()
            self.line.flush()

    def close(self) -> None:
        """Say goodbye."""
        self.line.close()


def message(body: Any = b"x", **said: Any) -> bytes:
    """One encoded message; ``durable`` unless the test says otherwise."""
    built = proton.Message(body=body, inferred=True, **{"durable": True} | said)
    return bytes(built.encode())


def through(bus: SimulatedBus, port: int) -> SimulatedBus:
    """The same bus behind another port."""
    return replace(bus, port=port)


@contextmanager
def running_rabbit(folder: Path) -> Iterator[Rabbit]:
    """A broker of this test run."""
    with Broker(folder) as broker:
        yield Rabbit(broker)
