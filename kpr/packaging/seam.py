"""The seam of packagings: a message head with its payload in, the bytes that travel out; and back again.

A packaging is made for one pair of parties. It holds no state: ids and times are handed to it, so the same message
packed twice differs in its encryption alone. On a route that acknowledges (EDI) it also makes and checks the signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from cryptography import x509

from kpr.messages.ebxml.model import MessageHeader, Reference
from kpr.reliability import Patience
from kpr.security.certificates import Identity
from kpr.transports.seam import Envelope, ErrorForm, Fault


class Keys(Protocol):
    """Our own keys and the other party's certificates; each is checked when it is asked for (BadCertificate)."""

    @property
    def signing_identity(self) -> Identity:
        """What we sign with."""
        ...

    @property
    def decryption_identities(self) -> Sequence[Identity]:
        """What we open with: the present pair, and the one that it replaced."""
        ...

    @property
    def their_encryption_certificate(self) -> x509.Certificate:
        """What we encrypt for."""
        ...

    @property
    def their_signing_certificate(self) -> x509.Certificate:
        """What their signature must be made with."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: hash and size of all bytes, and ``digests``, which an acknowledgment must repeat."""

    sha256: str
    size: int
    digests: str = ""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What stood around a message that was opened: its envelope, and the ``digests`` that its signature covers.

    ``header`` and ``references`` are ebXML's; elsewhere there are none. ``expired``: it came after its time to live.
    """

    envelope: Envelope | None = None
    digests: str = ""
    header: MessageHeader | None = None
    references: tuple[Reference, ...] = ()
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A signal that answers a message on the transport's own level."""

    envelope: Envelope
    body: bytes = field(repr=False)


class Packaging(Protocol):
    """One form of the bytes that travel between two parties."""

    @property
    def patience(self) -> Patience | None:
        """How long an acknowledgment is awaited; None where handing over is delivering."""
        ...

    def pack(self, plain: BinaryIO, size: int, out: BinaryIO, envelope: Envelope) -> Packed:
        """Write what travels; on any error ``out`` holds half a message, and whoever called must throw it away."""
        ...

    def unpack(self, raw: BinaryIO, out: BinaryIO, *, limit: int, now: datetime) -> Unpacked:
        """Write the plain message. BadInput says why it cannot be used; then what ``out`` holds must be thrown away."""
        ...

    def check_signal(self, raw: BinaryIO) -> Unpacked:
        """Whether an acknowledgment or error is what it seems; BadInput when its signature does not hold."""
        ...

    def acknowledgment(self, of: Unpacked, at: datetime) -> Reply | None:
        """What answers a message that was taken in; the same for the same ``at``. None where nothing answers."""
        ...

    def refusal(self, fault: Fault, of: Envelope, form: ErrorForm) -> Reply | None:
        """What tells the sender that a message cannot be used; None where the transport itself tells it."""
        ...
