"""The tables of the durable conversation. No column can hold anything about a person.

A cycle is one municipality and data year; a submission is one version of both messages; a message has attempts;
every step leaves an event. Attempts and events are never deleted, and events never change (triggers refuse it).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, DateTime, Dialect, Integer, LargeBinary, String, TypeDecorator, UniqueConstraint
from sqlmodel import Field, SQLModel

from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState


class Moment(TypeDecorator[datetime]):
    """An aware time, kept in UTC: SQLite forgets the zone, so it is taken off and put back here."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Aware in, naive UTC down."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be kept")
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Naive UTC up, aware out."""
        return value.replace(tzinfo=UTC) if value is not None else None


class Coded(TypeDecorator[StrEnum]):
    """A state, kept as its code in plain text, so that the database can be read without us."""

    impl = String
    cache_ok = True

    def __init__(self, codes: type[StrEnum]) -> None:
        super().__init__()
        self.codes = codes

    def process_bind_param(self, value: StrEnum | None, _dialect: Dialect) -> str | None:
        """The code."""
        return value.value if value is not None else None

    def process_result_value(self, value: str | None, _dialect: Dialect) -> StrEnum | None:
        """The state; ValueError when the database holds a code that we do not know."""
        return self.codes(value) if value is not None else None


class MessageKind(StrEnum):
    """The two messages of a submission."""

    IDENT = "IDENT"
    IPLOS = "IPLOS"


class InboxKind(StrEnum):
    """What came in."""

    RECEIPT = "RECEIPT"
    ACKNOWLEDGMENT = "ACKNOWLEDGMENT"
    IDENT_MAIL = "IDENT_MAIL"
    TRANSPORT_ERROR = "TRANSPORT_ERROR"
    UNKNOWN = "UNKNOWN"


def _new_id() -> str:
    return str(uuid4())


def _coded(codes: type[StrEnum]) -> Column[Any]:
    return Column(Coded(codes), nullable=False)


def _moment(*, nullable: bool = False) -> Column[Any]:
    return Column(Moment, nullable=nullable)


class Cycle(SQLModel, table=True):
    """One municipality's year."""

    __table_args__ = (UniqueConstraint("municipality", "data_year"),)

    id: str = Field(default_factory=_new_id, primary_key=True)
    municipality: str
    data_year: int
    #: The newest event's ``chain`` (kpr.store.chain); empty before the first.
    head: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))


class Submission(SQLModel, table=True):
    """One version of both messages."""

    __table_args__ = (
        UniqueConstraint("cycle_id", "version"),
        UniqueConstraint("cycle_id", "sequence_number"),
    )

    id: str = Field(default_factory=_new_id, primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    version: int
    sequence_number: int
    state: SubmissionState = Field(sa_column=_coded(SubmissionState))
    ident_leg: IdentLeg = Field(default=IdentLeg.NOT_SENT, sa_column=_coded(IdentLeg))
    mended: str = ""
    opened_at: datetime = Field(sa_column=_moment())
    approved_by: str | None = None
    approval_reason: str | None = None
    extract_sha256: str | None = None
    wrapped_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    change: int = Field(default=0, sa_column=Column(Integer, nullable=False))

    @property
    def rows_name(self) -> str:
        """The vault's name for the work rows."""
        return f"{self.id}-rows"


class Message(SQLModel, table=True):
    """One message on its way: its ids are fixed once, before anything is built."""

    __table_args__ = (UniqueConstraint("submission_id", "kind"),)

    id: str = Field(default_factory=_new_id, primary_key=True)
    submission_id: str = Field(foreign_key="submission.id", index=True)
    kind: MessageKind = Field(sa_column=_coded(MessageKind))
    message_type: str
    msg_id: str = Field(unique=True)
    generated: datetime = Field(sa_column=_moment())
    parent_msg_id: str | None = None
    conversation_msg_id: str | None = None
    receipt_leg: ReceiptLeg = Field(default=ReceiptLeg.NONE, sa_column=_coded(ReceiptLeg))
    receipt_codes: str = ""
    content_sha256: str | None = None
    content_size: int | None = None
    persons: int | None = None

    @property
    def is_answered(self) -> bool:
        """Whether a receipt has come, whatever it says."""
        return self.receipt_leg not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE)

    @property
    def content_name(self) -> str:
        """The vault's name for the message as it was built."""
        return f"{self.id}-message"


class Attempt(SQLModel, table=True):
    """One attempt at transport; its message id is fixed before the first try.

    ``tries`` counts how often the same bytes were handed over on a route that acknowledges later, ``last_try_at``
    when last; ``digests`` is what the other side's acknowledgment must repeat.
    """

    __table_args__ = (UniqueConstraint("message_ref", "number"),)

    id: str = Field(default_factory=_new_id, primary_key=True)
    message_ref: str = Field(foreign_key="message.id", index=True)
    number: int
    message_id: str = Field(default_factory=_new_id, unique=True)
    state: AttemptState = Field(default=AttemptState.PENDING, sa_column=_coded(AttemptState))
    kind: str = "FIRST"
    protected_sha256: str | None = None
    opened_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    tries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    last_try_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    digests: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))

    @property
    def protected_name(self) -> str:
        """The vault's name for the bytes as they were sent."""
        return f"{self.id}-protected"


class Event(SQLModel, table=True):
    """Something that happened: what, to what, when, who in which role, and why. Written once, never changed."""

    id: int | None = Field(default=None, primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    submission_id: str | None = Field(default=None, foreign_key="submission.id", index=True)
    message_ref: str | None = Field(default=None, foreign_key="message.id")
    at: datetime = Field(sa_column=_moment())
    who: str
    what: str
    event: str
    from_state: str = ""
    to_state: str = ""
    why: str = ""
    role: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    chain: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))


class Taken(SQLModel, table=True):
    """A message of the other side that was taken in on a route that acknowledges: its id comes again in retries.

    The same id with the same digest gets the same acknowledgment again; with another digest it is an incident.
    """

    __table_args__ = (UniqueConstraint("to_her_id", "from_her_id", "message_id"),)

    id: str = Field(default_factory=_new_id, primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    to_her_id: str
    from_her_id: str
    message_id: str
    digest: str
    at: datetime = Field(sa_column=_moment())


class Inbox(SQLModel, table=True):
    """Something that came in, kept raw in the vault. ``fingerprint`` makes taking it in twice impossible."""

    id: str = Field(default_factory=_new_id, primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    submission_id: str | None = Field(default=None, foreign_key="submission.id")
    kind: InboxKind = Field(sa_column=_coded(InboxKind))
    fingerprint: str = Field(unique=True)
    received_at: datetime = Field(sa_column=_moment())
    verdict: str = ""
    note: str = ""
    wrapped_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    @property
    def raw_name(self) -> str:
        """The vault's name for the raw bytes."""
        return f"{self.id}-inbox"
