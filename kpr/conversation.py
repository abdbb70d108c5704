"""The conversation with the register as a state table: ``[object][state][event] -> state``. No input, no output.

Two rules:

1. Only the steps that stand in the table are possible. Every other step raises IllegalStep, and nothing changes.
2. Only the register's own verdict rejects. Every other failure leaves a submission as it was, to be sent again.

The theory (letter L17-L23; HITS 1168:2016). A submission is two messages, ident and IPLOS. Two answers decide, and
neither stands for the other: the *ident leg* (an e-mail about the national ids, L18-L19) and the *receipt leg* (the
AppRec for the IPLOS message, L22). The ident message may get an AppRec of its own; that is not the e-mail, and a
positive one proves nothing for the ident leg. Silence is a state of its own (OVERDUE), never a rejection: after
96 hours a positive receipt may still come and counts (HITS 1168 s. 4.1). A receipt is final (R15): a second one with
another verdict is an incident for a person, and moves nothing.

Three verdicts are shown side by side and never merged: delivered, accepted, right.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from kpr.errors import IllegalStep


class SubmissionState(StrEnum):
    """Where one version of the report stands."""

    DRAFT = "DRAFT"
    EXTRACTED = "EXTRACTED"
    BLOCKED = "BLOCKED"
    CHECKED = "CHECKED"
    APPROVED = "APPROVED"
    SENDING = "SENDING"
    AWAITING = "AWAITING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"


class SubmissionEvent(StrEnum):
    """What happens to a submission."""

    EXTRACTED = "EXTRACTED"
    FOUND_FAULTS = "FOUND_FAULTS"
    FOUND_GOOD = "FOUND_GOOD"
    APPROVED = "APPROVED"
    SENDING = "SENDING"
    BOTH_DELIVERED = "BOTH_DELIVERED"
    BOTH_LEGS_GOOD = "BOTH_LEGS_GOOD"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    REPLACED = "REPLACED"


class IdentLeg(StrEnum):
    """The ident leg: the e-mail about the national ids (L18-L20)."""

    NOT_SENT = "NOT_SENT"
    SENT = "SENT"
    FEEDBACK_OK = "FEEDBACK_OK"
    FEEDBACK_FAULTS = "FEEDBACK_FAULTS"
    FEEDBACK_UNREAD = "FEEDBACK_UNREAD"
    OVERDUE = "OVERDUE"


class IdentEvent(StrEnum):
    """What happens on the ident leg."""

    SENT = "SENT"
    FEEDBACK_OK = "FEEDBACK_OK"
    FEEDBACK_FAULTS = "FEEDBACK_FAULTS"
    FEEDBACK_UNREAD = "FEEDBACK_UNREAD"
    TIME_PASSED = "TIME_PASSED"
    NEGATIVE_RECEIPT = "NEGATIVE_RECEIPT"


class ReceiptLeg(StrEnum):
    """The receipt leg of one message (code list 8258)."""

    NONE = "NONE"
    POSITIVE = "POSITIVE"
    POSITIVE_PART = "POSITIVE_PART"
    NEGATIVE = "NEGATIVE"
    UNREADABLE = "UNREADABLE"
    OVERDUE = "OVERDUE"
    WITHDRAWN = "WITHDRAWN"


class ReceiptEvent(StrEnum):
    """What happens on a receipt leg."""

    POSITIVE = "POSITIVE"
    POSITIVE_PART = "POSITIVE_PART"
    NEGATIVE = "NEGATIVE"
    UNREADABLE = "UNREADABLE"
    TIME_PASSED = "TIME_PASSED"
    WITHDRAWN = "WITHDRAWN"


class AttemptState(StrEnum):
    """One attempt at transport. HANDED_OVER is the route's that acknowledges later (EDI); a bus delivers at once."""

    PENDING = "PENDING"
    HANDED_OVER = "HANDED_OVER"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    GIVEN_UP = "GIVEN_UP"


class AttemptEvent(StrEnum):
    """What happens to an attempt. HANDED_OVER may come again: a retry, the same bytes under the same id."""

    HANDED_OVER = "HANDED_OVER"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    TRY_AGAIN = "TRY_AGAIN"
    REFUSED = "REFUSED"
    RETURNED = "RETURNED"
    GIVEN_UP = "GIVEN_UP"


State = TypeVar("State", bound=StrEnum)

_S, _SE = SubmissionState, SubmissionEvent
_I, _IE = IdentLeg, IdentEvent
_R, _RE = ReceiptLeg, ReceiptEvent
_A, _AE = AttemptState, AttemptEvent

#: Until it is approved, a submission may be extracted and checked again as often as one likes.
_AGAIN: dict[StrEnum, StrEnum] = {_SE.EXTRACTED: _S.EXTRACTED}

#: A feedback mail is read whenever it comes; a readable one replaces silence or an unread one.
_FEEDBACK: dict[StrEnum, StrEnum] = {
    _IE.FEEDBACK_OK: _I.FEEDBACK_OK,
    _IE.FEEDBACK_FAULTS: _I.FEEDBACK_FAULTS,
    _IE.FEEDBACK_UNREAD: _I.FEEDBACK_UNREAD,
    _IE.NEGATIVE_RECEIPT: _I.FEEDBACK_FAULTS,
}

#: The first verdict counts, early or late (HITS 1168 s. 4.1, R5).
_VERDICTS: dict[StrEnum, StrEnum] = {
    _RE.POSITIVE: _R.POSITIVE,
    _RE.POSITIVE_PART: _R.POSITIVE_PART,
    _RE.NEGATIVE: _R.NEGATIVE,
    _RE.UNREADABLE: _R.UNREADABLE,
    _RE.WITHDRAWN: _R.WITHDRAWN,
}

#: What the other side may say of an attempt that has left, or may have left.
_ANSWERED: dict[StrEnum, StrEnum] = {_AE.DELIVERED: _A.DELIVERED, _AE.REFUSED: _A.REFUSED}

TABLE: dict[type[StrEnum], dict[StrEnum, dict[StrEnum, StrEnum]]] = {
    SubmissionState: {
        _S.DRAFT: {**_AGAIN},
        _S.EXTRACTED: {**_AGAIN, _SE.FOUND_FAULTS: _S.BLOCKED, _SE.FOUND_GOOD: _S.CHECKED},
        _S.BLOCKED: {**_AGAIN},
        _S.CHECKED: {**_AGAIN, _SE.APPROVED: _S.APPROVED},
        _S.APPROVED: {_SE.SENDING: _S.SENDING},
        # The register may answer the ident message while the IPLOS message is still on its way.
        _S.SENDING: {_SE.BOTH_DELIVERED: _S.AWAITING, _SE.REJECTED: _S.REJECTED},
        _S.AWAITING: {
            _SE.BOTH_LEGS_GOOD: _S.ACCEPTED,
            _SE.REJECTED: _S.REJECTED,
            _SE.WITHDRAWN: _S.WITHDRAWN,
            _SE.REPLACED: _S.SUPERSEDED,
        },
        _S.ACCEPTED: {_SE.WITHDRAWN: _S.WITHDRAWN, _SE.REPLACED: _S.SUPERSEDED},
        _S.REJECTED: {_SE.REPLACED: _S.SUPERSEDED},
        _S.WITHDRAWN: {_SE.REPLACED: _S.SUPERSEDED},
        _S.SUPERSEDED: {},
    },
    IdentLeg: {
        # Killed between handing over and writing it down: a feedback that comes meanwhile proves the delivery.
        _I.NOT_SENT: {_IE.SENT: _I.SENT, **_FEEDBACK},
        _I.SENT: {**_FEEDBACK, _IE.TIME_PASSED: _I.OVERDUE},
        _I.OVERDUE: {**_FEEDBACK},
        _I.FEEDBACK_UNREAD: {**_FEEDBACK},
        _I.FEEDBACK_OK: {_IE.FEEDBACK_OK: _I.FEEDBACK_OK, _IE.NEGATIVE_RECEIPT: _I.FEEDBACK_FAULTS},
        _I.FEEDBACK_FAULTS: {
            _IE.FEEDBACK_FAULTS: _I.FEEDBACK_FAULTS,
            _IE.NEGATIVE_RECEIPT: _I.FEEDBACK_FAULTS,
        },
    },
    ReceiptLeg: {
        _R.NONE: {**_VERDICTS, _RE.TIME_PASSED: _R.OVERDUE},
        _R.OVERDUE: {**_VERDICTS},
        _R.UNREADABLE: {**_VERDICTS},
        # R15: final. The same again is a duplicate; R7: the registry may say afterwards that it was not handled.
        _R.POSITIVE: {_RE.POSITIVE: _R.POSITIVE, _RE.WITHDRAWN: _R.WITHDRAWN},
        _R.POSITIVE_PART: {_RE.POSITIVE_PART: _R.POSITIVE_PART, _RE.WITHDRAWN: _R.WITHDRAWN},
        _R.NEGATIVE: {_RE.NEGATIVE: _R.NEGATIVE},
        _R.WITHDRAWN: {_RE.WITHDRAWN: _R.WITHDRAWN},
    },
    AttemptState: {
        # Killed between handing over and writing it down, or seemingly failed: the other side's answer says it arrived.
        _A.PENDING: {
            **_ANSWERED,
            _AE.HANDED_OVER: _A.HANDED_OVER,
            _AE.FAILED: _A.FAILED,
            _AE.RETURNED: _A.FAILED,
        },
        _A.FAILED: {**_ANSWERED, _AE.TRY_AGAIN: _A.PENDING},
        _A.HANDED_OVER: {
            **_ANSWERED,
            _AE.HANDED_OVER: _A.HANDED_OVER,
            # The mail came back: the same may be tried again when the address is mended.
            _AE.RETURNED: _A.FAILED,
            _AE.GIVEN_UP: _A.GIVEN_UP,
        },
        # Silence after the last retry is no verdict: a late acknowledgment still counts.
        _A.GIVEN_UP: {**_ANSWERED, _AE.RETURNED: _A.FAILED},
        _A.DELIVERED: {_AE.REFUSED: _A.REFUSED},
        _A.REFUSED: {},
    },
}


#: The attempt is with the transport, or with the other side: answers are awaited.
HAS_LEFT = frozenset({_A.HANDED_OVER, _A.DELIVERED, _A.GIVEN_UP})

#: An event moves only the object that it belongs to, even where another has an event of the same name.
_EVENTS: dict[type[StrEnum], type[StrEnum]] = {
    SubmissionState: SubmissionEvent,
    IdentLeg: IdentEvent,
    ReceiptLeg: ReceiptEvent,
    AttemptState: AttemptEvent,
}


def step(state: State, event: StrEnum) -> State:
    """The state after ``event``; IllegalStep, naming object, state and event, when the table has no such step."""
    if not can_step(state, event):
        raise IllegalStep(f"{type(state).__name__} {state.value} has no step for {event.value}.")
    return type(state)(TABLE[type(state)][state][event])


def can_step(state: StrEnum, event: StrEnum) -> bool:
    """Whether the table has this step."""
    return isinstance(event, _EVENTS[type(state)]) and event in TABLE[type(state)][state]


def is_contradiction(state: ReceiptLeg, event: ReceiptEvent) -> bool:
    """A second receipt with another verdict (R6, R15): an incident for a person, which moves nothing."""
    final = {_R.POSITIVE, _R.POSITIVE_PART, _R.NEGATIVE}
    return state in final and event is not ReceiptEvent.TIME_PASSED and not can_step(state, event)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Three answers that are never merged."""

    delivered: bool
    accepted: bool
    right: bool


def verdict(
    ident_attempt: AttemptState | None,
    iplos_attempt: AttemptState | None,
    ident_leg: IdentLeg,
    receipt_leg: ReceiptLeg,
    *,
    view_agrees: bool = False,
) -> Verdict:
    """Delivered by transport; accepted when both legs are good; right when a person has signed that the view agrees.

    Right is asked of what is accepted: a leg that turns bad after the signature takes it away.
    """
    delivered = ident_attempt is AttemptState.DELIVERED and iplos_attempt is AttemptState.DELIVERED
    accepted = ident_leg is IdentLeg.FEEDBACK_OK and receipt_leg is ReceiptLeg.POSITIVE
    return Verdict(delivered, accepted, accepted and view_agrees)


def consequence(
    state: SubmissionState, ident_leg: IdentLeg, receipt_leg: ReceiptLeg, ident_receipt: ReceiptLeg
) -> SubmissionEvent | None:
    """What the legs together mean for the submission; None when they decide nothing yet.

    Only a negative receipt rejects. Faults in the ident e-mail are a list to follow up, and keep it from accepted.
    """
    if ReceiptLeg.WITHDRAWN in (receipt_leg, ident_receipt):
        event = SubmissionEvent.WITHDRAWN
    elif ReceiptLeg.NEGATIVE in (receipt_leg, ident_receipt):
        event = SubmissionEvent.REJECTED
    elif ident_leg is IdentLeg.FEEDBACK_OK and receipt_leg is ReceiptLeg.POSITIVE:
        event = SubmissionEvent.BOTH_LEGS_GOOD
    else:
        return None
    return event if can_step(state, event) else None
