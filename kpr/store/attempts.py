"""Attempts: the outbox. An attempt and its message id are written down before anything is handed over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kpr.conversation import (
    AttemptEvent,
    AttemptState,
    IdentEvent,
    IdentLeg,
    ReceiptLeg,
    SubmissionEvent,
    SubmissionState,
    can_step,
    step,
)
from kpr.guard import Approval, Dispatched, Kind, may_send_same
from kpr.store.legs import Moved, follow
from kpr.store.store import Act, Store
from kpr.store.tables import Attempt, Event, Message, MessageKind, Submission

#: The kinds that carry the same message under a new message id.
_NEW_ATTEMPT = (Kind.S2, Kind.S4)


def _seen(*, can: bool, newest: bool, state: AttemptState) -> StrEnum:
    """What an error report did: only one about the newest attempt says what is to be mended now."""
    if not can:
        return Moved.SAME_AGAIN
    return state if newest else Moved.NO_EFFECT


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one cycle's messages."""

    store: Store

    def latest(self, message_id: str) -> Attempt | None:
        """The newest attempt for a message; None before the first."""
        with self.store.transaction() as session:
            return self._latest(session, message_id)

    def _latest(self, session: Session, message_id: str) -> Attempt | None:
        wanted = select(Attempt).where(Attempt.message_ref == message_id).order_by(col(Attempt.number).desc())
        return session.exec(wanted).first()

    def open(self, message: Message, act: Act) -> Attempt | None:
        """The attempt to carry out now: a new one, or the one that was left (S1); None when delivered."""
        with self.store.transaction() as session:
            self.store.locked(session, message.submission_id)
            attempt = self._latest(session, message.id)
            if attempt is None:
                attempt = Attempt(message_ref=message.id, number=1, opened_at=act.at)
                session.add(attempt)
                return attempt
            if attempt.state is AttemptState.FAILED:
                attempt.state = step(attempt.state, AttemptEvent.TRY_AGAIN)
                session.add(attempt)
            return attempt if attempt.state is AttemptState.PENDING else None

    def open_again(self, message: Message, approval: Approval, act: Act, *, ack_hours: int, answered: bool) -> Attempt:
        """A further attempt for the same message, as the guard permits it (S2, S4); Locked otherwise."""
        with self.store.transaction() as session:
            submission = self.store.locked(session, message.submission_id)
            before = self._latest(session, message.id)
            if before is None or before.state in (AttemptState.PENDING, AttemptState.FAILED):
                raise ValueError("an attempt that is under way is taken up by open()")
            message = session.get_one(Message, message.id, populate_existing=True)
            resent = len(self._resent(session, message.id))
            state = Dispatched(before.state, message.receipt_leg, message.generated, resent, answered)
            permission = may_send_same(state, act.at, approval, ack_hours=ack_hours).demand()
            attempt = Attempt(
                message_ref=message.id, number=before.number + 1, kind=permission.kind.value, opened_at=act.at
            )
            session.add(attempt)
            self.store.note(session, act, "attempt", permission.kind, submission=submission, message=message)
            return attempt

    def _resent(self, session: Session, message_id: str) -> list[Attempt]:
        wanted = select(Attempt).where(Attempt.message_ref == message_id, Attempt.kind == Kind.S4.value)
        return list(session.exec(wanted).all())

    def record_protected(self, attempt_id: str, sha256: str) -> None:
        """The hash of the bytes that this attempt carries."""
        with self.store.transaction() as session:
            attempt = session.get_one(Attempt, attempt_id)
            attempt.protected_sha256 = sha256
            session.add(attempt)

    def ended(self, attempt_id: str, event: AttemptEvent, act: Act) -> None:
        """Write down how an attempt ended; a delivered ident message starts the ident leg."""
        with self.store.transaction() as session:
            message = session.get_one(Message, session.get_one(Attempt, attempt_id).message_ref)
            submission = self.store.locked(session, message.submission_id)
            attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
            before, attempt.state = attempt.state, step(attempt.state, event)
            attempt.ended_at = act.at
            session.add(attempt)
            self.store.note(
                session,
                act,
                "attempt",
                event,
                submission=submission,
                message=message,
                from_state=before,
                to_state=attempt.state,
            )
            starts = message.kind is MessageKind.IDENT and event is AttemptEvent.DELIVERED
            if starts and submission.ident_leg is IdentLeg.NOT_SENT:
                submission.ident_leg = step(submission.ident_leg, IdentEvent.SENT)
                session.add(submission)

    def refused(self, transport_id: str, act: Act) -> Moved | None:
        """The other side reports that it cannot use what came under this message id; None when we never sent it.

        ``act.why`` is the code. Only the attempt is moved: the register has not judged the message (S2).
        """
        with self.store.transaction() as session:
            attempt = session.exec(self._by_transport_id(transport_id)).first()
            if attempt is None:
                return None
            message = session.get_one(Message, attempt.message_ref)
            submission = self.store.locked(session, message.submission_id)
            attempt = session.get_one(Attempt, attempt.id, populate_existing=True)
            before = attempt.state
            can = can_step(before, AttemptEvent.REFUSED)
            newest = self._latest(session, message.id)
            if can:
                attempt.state, attempt.ended_at = step(before, AttemptEvent.REFUSED), act.at
                session.add(attempt)
            self.store.note(
                session,
                act,
                "attempt",
                AttemptEvent.REFUSED,
                submission=submission,
                message=message,
                from_state=before,
                to_state=_seen(can=can, newest=newest is attempt, state=attempt.state),
            )
            return Moved.MOVED if can else Moved.SAME_AGAIN

    def refusal_code(self, message_id: str) -> str:
        """The code with which the other side's transport last refused a message; empty when it never did."""
        with self.store.transaction() as session:
            wanted = select(Event).where(
                Event.message_ref == message_id, Event.to_state == AttemptState.REFUSED.value, Event.what == "attempt"
            )
            event = session.exec(wanted.order_by(col(Event.id).desc())).first()
            return event.why if event else ""

    def _by_transport_id(self, transport_id: str) -> SelectOfScalar[Attempt]:
        wanted = select(Attempt).join(Message).join(Submission)
        ours = Submission.cycle_id == self.store.cycle_id
        return wanted.where(func.lower(Attempt.message_id) == transport_id.lower(), ours)

    def _has_arrived(self, session: Session, message: Message) -> bool:
        """Delivered, or answered: a receipt proves that the message arrived, whatever the transport said."""
        attempt = self._latest(session, message.id)
        answered = message.receipt_leg not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE)
        return answered or (attempt is not None and attempt.state is AttemptState.DELIVERED)

    def all_delivered(self, submission_id: str, act: Act) -> None:
        """Both messages are with the transport: from now on answers are awaited."""
        with self.store.transaction() as session:
            submission = self.store.locked(session, submission_id)
            wanted = select(Message).where(Message.submission_id == submission_id)
            delivered = all(self._has_arrived(session, message) for message in session.exec(wanted).all())
            if submission.state is SubmissionState.SENDING and delivered:
                self.store.step_submission(session, submission, SubmissionEvent.BOTH_DELIVERED, act)
                follow(self.store, session, submission, act)  # answers may have come before this was written down
