"""The seam of all transports: hand over one protected message, and take in what has come.

A transport knows envelopes and opaque bytes. It holds no rules: what may be sent, under which ids, and what an
answer means is decided elsewhere. Both sides use the same seam: the municipality and the stand-in register.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol


class ErrorForm(StrEnum):
    """How an error message is written: by the specification, as the reference library does, or as a SOAP fault."""

    SPEC = "spec"
    REFERENCE = "reference"
    SOAP = "soap"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a receiver reports when it cannot use a message: no receipt, but an error of the transport.

    ``condition`` is an open set (AMQP specification s. 2.2.6). ``description`` and ``data`` are the other side's own
    words: kept with the raw message, never shown.
    """

    condition: str
    original_message_id: str
    description: str = field(default="", repr=False)
    data: str = field(default="", repr=False)
    noticed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands outside the protected bytes (AMQP specification s. 2.1.2); never anything about a person.

    ``message_id`` is the transport's own id of this attempt, a UUID. ``her_id`` values are strings of digits,
    of the communication party (level 2). Of a message that has come, any of them may be empty, and ``came_by`` says
    where it lay. ``acknowledges`` is the id of ours that a signal of the transport acknowledges, ``conversation_id``
    is ebXML's, and ``tries`` says which try of the same bytes this is; a bus has none of them.
    """

    message_id: str
    message_type: str
    from_her_id: str
    to_her_id: str
    sent_at: datetime | None
    correlation_id: str | None = None
    fault: Fault | None = None
    came_by: str = ""
    acknowledges: str = ""
    conversation_id: str = ""
    tries: int = 1


class Received(Protocol):
    """One message that has come in. Neither accepted nor set aside, it comes again in the next round."""

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
        """Take it off the transport as one that nobody can use; only after its raw bytes are kept."""
        ...


class Transport(Protocol):
    """One way to send and to receive."""

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:
        """Hand over ``size`` bytes of a stream that can go back to its beginning; returns when the other side holds it.

        TransportError: the same bytes may be tried again; TransportRefused: when somebody has mended something. The
        receiver counts a ``message_id`` once, however often it is sent.
        """
        ...

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:
        """Tell the sender of a message that it cannot be used; a message that is a fault itself is never answered."""
        ...

    def receive(self) -> Iterator[Received]:
        """Everything that waits for us, oldest first."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
