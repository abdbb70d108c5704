"""Attempts: the outbox. An attempt and its message id are written down before anything is handed over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kpr.conversation import (
    HAS_LEFT,
    AttemptEvent,
    AttemptState,
    IdentEvent,
    IdentLeg,
    SubmissionEvent,
    SubmissionState,
    can_step,
    step,
)
from kpr.guard import Approval, Dispatched, Kind, may_send_same
from kpr.store.legs import Moved, follow
from kpr.store.store import PURGED_KEY, Act, Store
from kpr.store.tables import Attempt, Event, Message, MessageKind, Submission

#: The kinds that carry the same message under a new message id.
_NEW_ATTEMPT = (Kind.S2, Kind.S4)


#: Later news of an attempt that was handed over: it moves the end of the attempt, but not that of the first try.
_OUTCOMES = frozenset({AttemptEvent.REFUSED, AttemptEvent.RETURNED, AttemptEvent.FAILED})


#: While a version stands here its messages are still to arrive: they are tried again.
_AWAITED = (SubmissionState.SENDING, SubmissionState.AWAITING)


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """An attempt that nobody has acknowledged. ``arrived``: an answer proves that it came all the same.

    ``wanted``: it shall still arrive. A version that was rejected or replaced must not come after the one that replaces it.
    """

    attempt: Attempt
    message: Message
    arrived: bool
    wanted: bool


def _is_wanted(submission: Submission, newest: int | None) -> bool:
    """Still to arrive: the newest version that was tried, and not purged meanwhile."""
    awaited = submission.state in _AWAITED and submission.wrapped_key != PURGED_KEY
    return awaited and submission.version == newest


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one cycle's messages."""

    store: Store

    def latest(self, message_id: str) -> Attempt | None:
        """The newest attempt for a message; None before the first."""
        with self.store.transaction() as session:
            return self._latest(session, message_id)

    def of_message(self, message_id: str) -> list[Attempt]:
        """Every attempt for a message, oldest first."""
        with self.store.transaction() as session:
            wanted = select(Attempt).where(Attempt.message_ref == message_id).order_by(col(Attempt.number))
            return list(session.exec(wanted).all())

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

    def record_protected(self, attempt_id: str, sha256: str, digests: str = "") -> None:
        """The hash of the bytes that this attempt carries, and what an acknowledgment of them must repeat."""
        with self.store.transaction() as session:
            attempt = session.get_one(Attempt, attempt_id)
            attempt.protected_sha256, attempt.digests = sha256, digests
            session.add(attempt)

    def ended(self, attempt_id: str, event: AttemptEvent, act: Act, *, unless_answered: bool = False) -> None:
        """Write down how a try ended; an ident message that has left starts the ident leg.

        ``unless_answered``: another process may have taken in an answer meanwhile, which says more; then it stands.
        """
        with self.store.transaction() as session:
            message = session.get_one(Message, session.get_one(Attempt, attempt_id).message_ref)
            submission = self.store.locked(session, message.submission_id)
            attempt = session.get_one(Attempt, attempt_id, populate_existing=True)
            if can_step(attempt.state, event) or not unless_answered:
                self._step(session, submission, message, attempt, event, act)

    def heard(self, transport_id: str, event: AttemptEvent, act: Act) -> Moved | None:
        """What the other side's transport says about a message id of ours; None when we never sent it.

        REFUSED (``act.why`` is the code), DELIVERED (an acknowledgment) or RETURNED (the mail came back). Only the
        attempt is moved: the register has not judged the message (S2).
        """
        with self.store.transaction() as session:
            attempt = session.exec(self._by_transport_id(transport_id)).first()
            if attempt is None:
                return None
            message = session.get_one(Message, attempt.message_ref)
            submission = self.store.locked(session, message.submission_id)
            attempt = session.get_one(Attempt, attempt.id, populate_existing=True)
            if can_step(attempt.state, event):
                self._step(session, submission, message, attempt, event, act)
                return Moved.MOVED
            before = attempt.state
            self._note(session, submission, message, event, act, before, Moved.SAME_AGAIN)
            return Moved.SAME_AGAIN

    def _step(
        self,
        session: Session,
        submission: Submission,
        message: Message,
        attempt: Attempt,
        event: AttemptEvent,
        act: Act,
    ) -> None:
        before, attempt.state = attempt.state, step(attempt.state, event)
        # A mail that came back was handed over, whether that has been written down or not.
        if event is AttemptEvent.HANDED_OVER or (before is AttemptState.PENDING and event is AttemptEvent.RETURNED):
            attempt.tries, attempt.last_try_at = attempt.tries + 1, act.at
        if before is AttemptState.PENDING or event in _OUTCOMES:
            attempt.ended_at = act.at
        session.add(attempt)
        newest = self._latest(session, message.id) is attempt
        # Only one about the newest attempt says what is to be mended now.
        shown = attempt.state if newest else Moved.NO_EFFECT
        self._note(session, submission, message, event, act, before, shown)
        starts = message.kind is MessageKind.IDENT and attempt.state in HAS_LEFT
        if starts and submission.ident_leg is IdentLeg.NOT_SENT:
            submission.ident_leg = step(submission.ident_leg, IdentEvent.SENT)
            session.add(submission)

    def _note(
        self,
        session: Session,
        submission: Submission,
        message: Message,
        event: AttemptEvent,
        act: Act,
        before: StrEnum,
        after: StrEnum,
    ) -> None:
        self.store.note(
            session, act, "attempt", event, submission=submission, message=message, from_state=before, to_state=after
        )

    def by_transport_id(self, transport_id: str) -> Attempt | None:
        """The attempt that carried this message id; None when we never sent it."""
        with self.store.transaction() as session:
            return session.exec(self._by_transport_id(transport_id)).first()

    def unacknowledged(self) -> list[OnTheWay]:
        """Newest attempts that were handed over, and are not acknowledged; oldest first."""
        with self.store.transaction() as session:
            wanted = select(Attempt, Message, Submission).join(Message, col(Attempt.message_ref) == Message.id)
            wanted = wanted.join(Submission).where(Submission.cycle_id == self.store.cycle_id)
            wanted = wanted.where(col(Attempt.state).in_([AttemptState.HANDED_OVER, AttemptState.GIVEN_UP]))
            newest = session.exec(self._tried_versions()).first()
            return [
                OnTheWay(
                    attempt,
                    message,
                    arrived=message.is_answered or submission.state is SubmissionState.ACCEPTED,
                    wanted=_is_wanted(submission, newest),
                )
                for attempt, message, submission in session.exec(wanted.order_by(col(Attempt.opened_at))).all()
                if self._latest(session, message.id) is attempt
            ]

    def _tried_versions(self) -> SelectOfScalar[int]:
        tried = select(Submission.version).join(Message).join(Attempt)
        return tried.where(Submission.cycle_id == self.store.cycle_id).order_by(col(Submission.version).desc())

    def take_try(self, attempt: Attempt, act: Act) -> bool:
        """Take the retry that is due for this process; False when another one has, or an answer has come meanwhile."""
        with self.store.transaction() as session:
            self.store.locked(session, session.get_one(Message, attempt.message_ref).submission_id)
            found = session.get_one(Attempt, attempt.id, populate_existing=True)
            if (found.state, found.last_try_at) != (attempt.state, attempt.last_try_at):
                return False
            found.last_try_at = act.at
            session.add(found)
            return True

    def give_back_try(self, attempt: Attempt) -> None:
        """The other side was away: the retry is still due."""
        with self.store.transaction() as session:
            found = session.get_one(Attempt, attempt.id)
            found.last_try_at = attempt.last_try_at
            session.add(found)

    def refusal_code(self, message_id: str) -> str:
        """The code with which the other side's transport last refused a message; empty when it never did."""
        with self.store.transaction() as session:
            wanted = select(Event).where(
                Event.message_ref == message_id,
                Event.what == "attempt",
                col(Event.event).in_([AttemptEvent.REFUSED.value, AttemptEvent.RETURNED.value]),
                col(Event.to_state).in_([AttemptState.REFUSED.value, AttemptState.FAILED.value]),
            )
            event = session.exec(wanted.order_by(col(Event.id).desc())).first()
            return event.why if event else ""

    def _by_transport_id(self, transport_id: str) -> SelectOfScalar[Attempt]:
        wanted = select(Attempt).join(Message).join(Submission)
        ours = Submission.cycle_id == self.store.cycle_id
        return wanted.where(func.lower(Attempt.message_id) == transport_id.lower(), ours)

    def _has_left(self, session: Session, message: Message) -> bool:
        """On its way, or answered: a receipt proves that the message arrived, whatever the transport said."""
        attempt = self._latest(session, message.id)
        return message.is_answered or (attempt is not None and attempt.state in HAS_LEFT)

    def all_delivered(self, submission_id: str, act: Act) -> None:
        """Both messages have left: from now on answers are awaited."""
        with self.store.transaction() as session:
            submission = self.store.locked(session, submission_id)
            wanted = select(Message).where(Message.submission_id == submission_id)
            delivered = all(self._has_left(session, message) for message in session.exec(wanted).all())
            if submission.state is SubmissionState.SENDING and delivered:
                self.store.step_submission(session, submission, SubmissionEvent.BOTH_DELIVERED, act)
                follow(self.store, session, submission, act)  # answers may have come before this was written down
