"""What the probes saw, as plain values. What went wrong is a value too: a condition of the bus, or one of our errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from kpr.address_book import AddressBook
from kpr.errors import BadInput, BadSettings, KprError
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.security.certificates import Purpose
from kpr.security.trust_settings import Checked
from kpr.transports.amqp.queues import Presence, QueueLook

#: A queue at which nobody could look.
NOT_SEEN = QueueLook(Presence.UNKNOWN)


class Role(StrEnum):
    """What a queue is for."""

    ASYNC = "async"
    ERROR = "error"
    DEAD_LETTER = "dead letter"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue: ``condition`` is how the bus refused it (a key of outcomes.yaml), None when it did not.

    ``largest`` is the most bytes that a message to it may have, None when the bus does not say.
    """

    role: Role
    name: str
    condition: str | None = None
    look: QueueLook = NOT_SEEN
    largest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusFacts:
    """The bus, as far as one came: ``line`` and ``login`` are the conditions that ended it there, None when they held.

    ``tls`` is the version in use; ``error`` a setting that must be mended before one can even ask.
    """

    error: BadSettings | None = None
    line: str | None = None
    tls: str | None = None
    login: str | None = None
    product: str = ""
    exchange: Presence = Presence.UNKNOWN
    queues: tuple[QueueFacts, ...] = ()

    @property
    def logged_in(self) -> bool:
        """Whether queues could be asked for."""
        return self.error is None and self.line is None and self.login is None


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The folder that stands in for a bus: why it cannot be written to ("" when it can), how many wait for us."""

    folder: Path
    fault: str = ""
    waiting: int = 0


class Stop(StrEnum):
    """A server or folder on the EDI route, and the mailbox of the ident feedback."""

    SMTP = "smtp"
    EDI_MAILBOX = "edi mailbox"
    FILES = "files"
    IDENT_MAILBOX = "ident mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFacts:
    """One of them: what was in the way (None: reached), how many wait there, and the largest mail that it takes.

    ``missing`` names folders that are not there; waiting and largest are None where nobody can say.
    """

    stop: Stop
    where: str
    error: KprError | None = None
    waiting: int | None = None
    largest: int | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """One certificate by the setting that names it. ``purpose`` is None for one that only opens what is on its way.

    ``error`` says why it could not be loaded, ``key_error`` why its key could not; ``trust`` how far it was checked, or
    what that came upon.
    """

    name: str
    purpose: Purpose | None
    certificate: x509.Certificate | None = field(default=None, repr=False)
    error: BadInput | None = None
    key_error: BadInput | None = None
    trust: Checked | KprError = Checked.NOTHING


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """How far the server's clock is ahead of ours; None when it was not measured."""

    server: str | None = None
    offset_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was seen; either ``bus`` or ``folder``."""

    book: AddressBook | BadSettings | None = None
    bus: BusFacts | None = None
    folder: FolderFacts | None = None
    stops: tuple[StopFacts, ...] = ()
    agreement: Cpa | BadInput | None = None
    certificates: tuple[CertificateFacts, ...] = ()
    clock: ClockFacts = ClockFacts()
