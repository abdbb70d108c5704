"""What a dialect must do: publish to an address until the broker has taken it, and hand over what waits in a queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from kpr.transports.amqp.wire import Wire

#: How RabbitMQ's words for a failed precondition begin to speak of a message that is too large.
TOO_LARGE = "message size"


class BusFault(Exception):
    """Something went wrong on the bus. ``condition`` is a key of outcomes.yaml; the broker's own words stay inside."""

    def __init__(self, condition: str, said: str = "") -> None:
        self.condition = condition
        self.said = said
        super().__init__(condition)


class Taken(Protocol):
    """One message that was taken from a queue and not settled yet."""

    wire: Wire
    body: bytes

    def accept(self) -> None:
        """The broker may forget it. BusFault when it could not be told so: it will come again."""
        ...

    def release(self) -> None:
        """Back into the queue."""
        ...


class Bus(Protocol):
    """One connection, kept open; it opens by itself, and anew when it was lost. Every method may raise BusFault."""

    def open(self) -> None:
        """Connect and log in, unless that is done."""
        ...

    def publish(self, queue: str, wire: Wire, body: BinaryIO, size: int) -> None:
        """Hand over; returns only when the broker has taken it on the queue."""
        ...

    def take(self, queue: str, expected: int | None = None) -> Iterator[Taken]:
        """What waits in the queue now, oldest first, one unsettled message after the other.

        ``expected``: how many the broker says that there are, where it says so.
        """
        ...

    def check_target(self, queue: str) -> int | None:
        """Open the way to a queue without sending; the largest message that it takes, None when it does not say."""
        ...

    def check_source(self, queue: str) -> None:
        """Open the way from a queue without taking anything."""
        ...

    def product(self) -> str:
        """What the broker says that it is."""
        ...

    def close(self) -> None:
        """Say goodbye, where there is still somebody to say it to."""
        ...
