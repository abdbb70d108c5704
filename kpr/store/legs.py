"""The two legs: each answer moves its own leg, and the legs together move the submission, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session, select

from kpr.conversation import (
    IdentEvent,
    ReceiptEvent,
    SubmissionEvent,
    SubmissionState,
    can_step,
    consequence,
    is_contradiction,
    step,
)
from kpr.store.store import Act, Store
from kpr.store.tables import Message, MessageKind, Submission

#: Nothing has left us yet that a mail could answer.
_UNSENT = frozenset(
    {
        SubmissionState.DRAFT,
        SubmissionState.EXTRACTED,
        SubmissionState.BLOCKED,
        SubmissionState.CHECKED,
        SubmissionState.APPROVED,
    }
)


class Moved(StrEnum):
    """What an answer did."""

    MOVED = "MOVED"
    SAME_AGAIN = "SAME_AGAIN"
    CONTRADICTION = "CONTRADICTION"
    NO_EFFECT = "NO_EFFECT"


@dataclass(frozen=True, slots=True)
class Legs:
    """The ident leg and the receipt legs of one cycle's submissions."""

    store: Store

    def receipt(self, message_id: str, event: ReceiptEvent, act: Act, codes: str = "") -> Moved:
        """A receipt, or its absence, for one message."""
        with self.store.transaction() as session:
            submission = self.store.locked(session, session.get_one(Message, message_id).submission_id)
            message = session.get_one(Message, message_id, populate_existing=True)
            moved = self._step_receipt(session, submission, message, event, act, codes)
            negative = event is ReceiptEvent.NEGATIVE and moved is Moved.MOVED
            if negative and message.kind is MessageKind.IDENT:
                self._step_ident(session, submission, IdentEvent.NEGATIVE_RECEIPT, act)
            follow(self.store, session, submission, act)
            return moved

    def _step_receipt(
        self, session: Session, submission: Submission, message: Message, event: ReceiptEvent, act: Act, codes: str
    ) -> Moved:
        before = message.receipt_leg
        if not can_step(before, event):
            moved = Moved.CONTRADICTION if is_contradiction(before, event) else Moved.NO_EFFECT
            self.store.note(
                session,
                act,
                "receipt",
                event,
                submission=submission,
                message=message,
                from_state=before,
                to_state=moved,
            )
            return moved
        message.receipt_leg = step(before, event)
        if codes:
            message.receipt_codes = codes
        session.add(message)
        if message.receipt_leg is before:
            self.store.note(
                session,
                act,
                "receipt",
                event,
                submission=submission,
                message=message,
                from_state=before,
                to_state=Moved.SAME_AGAIN,
            )
            return Moved.SAME_AGAIN
        self.store.note(
            session,
            act,
            "receipt",
            event,
            submission=submission,
            message=message,
            from_state=before,
            to_state=message.receipt_leg,
        )
        return Moved.MOVED

    def ident(self, submission_id: str, event: IdentEvent, act: Act) -> Moved:
        """An ident e-mail, or its absence."""
        with self.store.transaction() as session:
            submission = self.store.locked(session, submission_id)
            if submission.state in _UNSENT:
                self.store.note(session, act, "ident", event, submission=submission, to_state=Moved.NO_EFFECT)
                return Moved.NO_EFFECT
            moved = self._step_ident(session, submission, event, act)
            follow(self.store, session, submission, act)
            return moved

    def _step_ident(self, session: Session, submission: Submission, event: IdentEvent, act: Act) -> Moved:
        before = submission.ident_leg
        if not can_step(before, event):
            self.store.note(
                session, act, "ident", event, submission=submission, from_state=before, to_state=Moved.NO_EFFECT
            )
            return Moved.NO_EFFECT
        submission.ident_leg = step(before, event)
        session.add(submission)
        after = Moved.SAME_AGAIN if submission.ident_leg is before else submission.ident_leg
        self.store.note(session, act, "ident", event, submission=submission, from_state=before, to_state=after)
        return Moved.SAME_AGAIN if submission.ident_leg is before else Moved.MOVED


def follow(store: Store, session: Session, submission: Submission, act: Act) -> None:
    """Move the submission when the legs together decide; a newly accepted version replaces the former ones."""
    messages = {
        message.kind: message
        for message in session.exec(select(Message).where(Message.submission_id == submission.id)).all()
    }
    event = consequence(
        submission.state,
        submission.ident_leg,
        messages[MessageKind.IPLOS].receipt_leg,
        messages[MessageKind.IDENT].receipt_leg,
    )
    if event is None:
        return
    store.step_submission(session, submission, event, act)
    if submission.state is SubmissionState.ACCEPTED:
        _replace_former(store, session, submission, act)


def _replace_former(store: Store, session: Session, accepted: Submission, act: Act) -> None:
    wanted = select(Submission).where(Submission.cycle_id == accepted.cycle_id, Submission.version < accepted.version)
    for former in session.exec(wanted).all():
        if can_step(former.state, SubmissionEvent.REPLACED):
            store.step_submission(session, former, SubmissionEvent.REPLACED, act)
