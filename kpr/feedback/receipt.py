"""From a receipt to the conversation's event. Correlated by OriginalMsgId/Id alone; everything else is only checked."""

from __future__ import annotations

from dataclasses import dataclass

from kpr.conversation import ReceiptEvent
from kpr.errors import BadMessage
from kpr.messages.app_rec import AppRec, error_codes, read_app_rec

#: Status, code list 8258. Anything else is not guessed.
_EVENTS = {"1": ReceiptEvent.POSITIVE, "2": ReceiptEvent.NEGATIVE, "3": ReceiptEvent.POSITIVE_PART}


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """What a receipt says: for which MsgId, which event, which codes, who mends; ``detail`` may hold person data."""

    original_msg_id: str
    event: ReceiptEvent
    receipt_id: str
    codes: str
    who_mends: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """The same receipt twice has the same one: its own id, what it answers, and its verdict."""
        return f"app-rec:{self.receipt_id}:{self.original_msg_id.lower()}:{self.event}"


def read_receipt(data: bytes) -> ReceiptAnswer:
    """Read the bytes of a receipt; BadMessage when it is none."""
    return answer_of(read_app_rec(data))


def answer_of(app_rec: AppRec) -> ReceiptAnswer:
    """The event that a receipt means."""
    known = error_codes()
    return ReceiptAnswer(
        original_msg_id=app_rec.original_msg_id,
        event=_EVENTS.get(app_rec.status, ReceiptEvent.UNREADABLE),
        receipt_id=app_rec.id,
        codes=", ".join(_shown(error.code) for error in app_rec.errors),
        who_mends=tuple(known[error.code].who_mends for error in app_rec.errors if error.code in known),
        faults=app_rec.faults,
    )


def _shown(code: str) -> str:
    """A code as it may stand in the database: known ones whole, foreign ones only when they look like a code."""
    return code if code in error_codes() or (len(code) <= 8 and code.isalnum()) else "?"


def mirrored(app_rec: AppRec, our_her_id: str, register_her_id: str) -> bool:
    """Whether sender and receiver are the register and us (AD2.12-AD2.15)."""
    return (app_rec.sender_her_id, app_rec.receiver_her_id) == (register_her_id, our_her_id)


__all__ = ["BadMessage", "ReceiptAnswer", "answer_of", "mirrored", "read_receipt"]
