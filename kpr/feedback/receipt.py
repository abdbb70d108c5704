"""From a receipt to the conversation's event. Correlated by OriginalMsgId/Id alone; everything else is only checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from kpr.conversation import ReceiptEvent
from kpr.messages.app_rec import AppRec, error_codes, read_app_rec

#: Status, code list 8258. Anything else is not guessed.
_EVENTS = {"1": ReceiptEvent.POSITIVE, "2": ReceiptEvent.NEGATIVE, "3": ReceiptEvent.POSITIVE_PART}

#: IssueDate may come back with less precision than it was sent with (app-rec.md section 5).
_PRECISION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """What a receipt says: for which MsgId, which event, which codes, who mends, and what is wrong with it.

    ``details`` holds the text of each error (OT). It may hold person data, and is for the officer's eyes only: it
    shows itself in no text form, and belongs in no log and no database in clear.
    """

    original_msg_id: str
    event: ReceiptEvent
    receipt_id: str
    codes: str
    who_mends: tuple[str, ...]
    faults: tuple[str, ...]
    details: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """The same receipt twice has the same one: its own id, what it answers, and its verdict."""
        return f"app-rec:{self.receipt_id}:{self.original_msg_id}:{self.event}"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What we know of the message that a receipt answers: what the receipt must mirror."""

    msg_id: str
    message_type: str
    generated: datetime
    our_her_id: str
    register_her_id: str


def read_receipt(data: bytes) -> ReceiptAnswer:
    """Read the bytes of a receipt; BadMessage when it is none."""
    return answer_of(read_app_rec(data))


def answer_of(app_rec: AppRec) -> ReceiptAnswer:
    """The event that a receipt means."""
    known = error_codes()
    return ReceiptAnswer(
        original_msg_id=same_id(app_rec.original_msg_id),
        event=_EVENTS.get(app_rec.status, ReceiptEvent.UNREADABLE),
        receipt_id=same_id(app_rec.id),
        codes=", ".join(_shown(error.code) for error in app_rec.errors),
        who_mends=tuple(known[error.code].who_mends for error in app_rec.errors if error.code in known),
        faults=app_rec.faults,
        details=tuple(error.detail for error in app_rec.errors),
    )


def same_id(text: str) -> str:
    """A UUID in one form (lower case, dashes), as it is to be compared; what is none stays, in lower case."""
    try:
        return str(UUID(text))
    except ValueError:
        return text.lower()


def _shown(code: str) -> str:
    """A code as it may stand in the database: known ones whole, foreign ones only when they look like a code."""
    looks_like_one = len(code) <= 8 and code.isascii() and code.isalnum() and not code.isdigit()
    return code if code in error_codes() or looks_like_one else "?"


def disagreements(app_rec: AppRec, sent: SentMessage) -> tuple[str, ...]:
    """What a receipt says otherwise than the message that it answers. For a person to look at, never a correlator.

    Addresses are mirrored (AD2.12-AD2.15); IssueDate and type only check (HIS 80415). No values, only what differs.
    """
    date = app_rec.original_issue_date
    checks = (
        ("answers another message", same_id(app_rec.original_msg_id) != same_id(sent.msg_id)),
        ("another message type", app_rec.original_type != sent.message_type),
        ("no issue date", date is None),
        ("another issue date", date is not None and abs(date - sent.generated) >= _PRECISION),
        ("sender is not the register", app_rec.sender_her_id != sent.register_her_id),
        ("receiver is not us", app_rec.receiver_her_id != sent.our_her_id),
    )
    return tuple(name for name, differs in checks if differs)


def mirrored(app_rec: AppRec, our_her_id: str, register_her_id: str) -> bool:
    """Whether sender and receiver are the register and us (AD2.12-AD2.15)."""
    return (app_rec.sender_her_id, app_rec.receiver_her_id) == (register_her_id, our_her_id)
