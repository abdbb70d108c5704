"""The seam of EDI's carriers: put a parcel of bytes where the other side fetches it, and fetch what lies there for us.

A carrier knows names, addresses and bytes, and nothing of ebXML. What it is handed is a MIME entity (or, where a message
handler does the ebXML, a plain file). What it yields stays where it lies until it is accepted or set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on an outgoing parcel; nothing about a person.

    ``name`` is the transport's own message id (a UUID, so it can be a file name): a carrier of files delivers a name
    once. ``sender`` and ``recipient`` are EDI addresses from the address book, empty where the carrier has none.
    """

    name: str
    message_type: str
    from_her_id: str
    to_her_id: str
    sender: str
    recipient: str
    sent_at: datetime


class Arrived(Protocol):
    """One parcel that has come. Neither accepted nor set aside, it comes again in the next round."""

    @property
    def name(self) -> str:
        """A name for the log: the carrier's own (a UID, a file name), never what the parcel says of itself."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes, known before it is opened."""
        ...

    def open(self) -> BinaryIO:
        """The bytes as they came: for mail the whole mail with its head, otherwise the file."""
        ...

    def accept(self) -> None:
        """Take it away (mail: seen and moved to the archive folder; file: moved to ``archive``)."""
        ...

    def set_aside(self, reason: str) -> None:
        """Take it away as unusable (moved to the folder ``failed``); its bytes are kept elsewhere by then."""
        ...


class Carrier(Protocol):
    """One way to carry parcels in both directions."""

    def put(self, label: Label, body: BinaryIO, size: int) -> None:
        """Hand over ``size`` bytes; returns when the other side holds them whole.

        TransportError: the same may be tried again (server away, cut, quota); TransportRefused: somebody must mend
        something first (login, unknown host key, unknown recipient, too large). Never half a parcel at the other end
        under its final name.
        """
        ...

    def waiting(self) -> Iterator[Arrived]:
        """Whole parcels that wait for us, oldest first; half-written ones are left alone."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
