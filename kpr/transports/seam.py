"""The seam of all transports: hand over one protected message, and take in what has come.

A transport knows envelopes and opaque bytes. It holds no rules: what may be sent, under which ids, and what an
answer means is decided elsewhere. Both sides use the same seam: the municipality and the stand-in register.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands outside the protected bytes (AMQP specification s. 2.1.2); never anything about a person.

    ``message_id`` is the transport's own id of this attempt, a UUID. ``her_id`` values are strings of digits,
    of the communication party (level 2).
    """

    message_id: str
    message_type: str
    from_her_id: str
    to_her_id: str
    sent_at: datetime
    correlation_id: str | None = None


class Received(Protocol):
    """One message that has come in. It stays with the transport until it is accepted or set aside."""

    @property
    def envelope(self) -> Envelope:
        """What stood outside the bytes."""
        ...

    def open(self) -> BinaryIO:
        """The protected bytes, as a stream."""
        ...

    def accept(self) -> None:
        """Take it off the transport; only after what it says is durable."""
        ...

    def set_aside(self, reason: str) -> None:
        """Keep it apart, raw, with the reason, so that it does not stop the others."""
        ...


class Transport(Protocol):
    """One way to send and to receive."""

    def send(self, envelope: Envelope, body: BinaryIO) -> None:
        """Hand over; returns only when the other side holds it. TransportError: the same bytes may be tried again.

        Sending the same ``message_id`` twice delivers once.
        """
        ...

    def receive(self) -> Iterator[Received]:
        """Everything that waits for us, oldest first."""
        ...
