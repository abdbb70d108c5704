"""The store: one transaction per step. It asks the state table and the guard, and holds no rules of its own.

Two processes that want the same step meet at the submission's ``change`` counter: the later one finds it moved and
gets Locked, and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Engine, func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kpr.conversation import ReceiptLeg, SubmissionEvent, SubmissionState, step
from kpr.errors import KprError, Locked
from kpr.guard import Approval, Former, Ids, Kind, Permission, may_open_version
from kpr.store import chain
from kpr.store.away import plain_errors
from kpr.store.tables import Attempt, Cycle, Event, Inbox, InboxKind, Message, MessageKind, Submission

Row = TypeVar("Row", bound=SQLModel)

#: What stands in a row instead of its wrapped data key once that has been destroyed.
PURGED_KEY = b""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, when, why and in which role (kpr.people): what every event carries."""

    who: str
    at: datetime
    why: str = ""
    role: str = ""


class Store:
    """The conversation of one municipality's year. Make it with an engine whose tables are migrated."""

    def __init__(self, engine: Engine, municipality: str, data_year: int) -> None:
        self.engine = engine
        self.cycle_id = self._open_cycle(municipality, data_year)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One step: everything in it is written, or nothing. StoreAway when the database is busy, full or away."""
        with plain_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            chain.seal(session)

    def _open_cycle(self, municipality: str, data_year: int) -> str:
        wanted = select(Cycle).where(Cycle.municipality == municipality, Cycle.data_year == data_year)
        try:
            with self.transaction() as session:
                cycle = session.exec(wanted).first()
                if cycle is None:
                    cycle = Cycle(municipality=municipality, data_year=data_year)
                    session.add(cycle)
                return cycle.id
        except IntegrityError:  # another process opened it in the same moment
            with self.transaction() as session:
                return session.exec(wanted).one().id

    # -- reading ------------------------------------------------------------------------------------------------

    def latest(self) -> Submission | None:
        """The newest version of this cycle; None before the first."""
        with self.transaction() as session:
            return session.exec(self._versions()).first()

    def _versions(self) -> SelectOfScalar[Submission]:
        return select(Submission).where(Submission.cycle_id == self.cycle_id).order_by(col(Submission.version).desc())

    def submissions(self) -> list[Submission]:
        """All versions, oldest first."""
        with self.transaction() as session:
            return list(reversed(session.exec(self._versions()).all()))

    def numbers_of_other_years(self) -> list[tuple[int, int]]:
        """Data year and sequence number of what this municipality has in its other cycles in this database."""
        with self.transaction() as session:
            own = session.get_one(Cycle, self.cycle_id).municipality
            wanted = select(Cycle.data_year, Submission.sequence_number).join(Submission)
            return list(session.exec(wanted.where(Cycle.municipality == own, Cycle.id != self.cycle_id)).all())

    def submission(self, submission_id: str) -> Submission:
        """One version by its id."""
        return self._get(Submission, submission_id)

    def _get(self, table: type[Row], row_id: str) -> Row:
        with self.transaction() as session:
            row = session.get(table, row_id)
        if row is None:
            raise KprError(f"There is no {table.__name__.lower()} with this id.")
        return row

    def messages(self, submission_id: str) -> list[Message]:
        """The messages of a version, ident first; empty until they are fixed."""
        with self.transaction() as session:
            wanted = select(Message).where(Message.submission_id == submission_id).order_by(col(Message.kind))
            return list(session.exec(wanted).all())

    def message(self, submission_id: str, kind: MessageKind) -> Message:
        """One of the two messages of a version."""
        found = next((message for message in self.messages(submission_id) if message.kind is kind), None)
        if found is None:
            raise KprError("The messages of this submission have not been made yet.")
        return found

    def message_by_msg_id(self, msg_id: str) -> Message | None:
        """The message of this cycle that carries a MsgId, whatever its case; None when we never sent it."""
        with self.transaction() as session:
            wanted = (
                select(Message)
                .join(Submission)
                .where(func.lower(Message.msg_id) == msg_id.lower(), Submission.cycle_id == self.cycle_id)
            )
            return session.exec(wanted).first()

    def msg_ids(self) -> frozenset[str]:
        """Every MsgId that this cycle ever got, in small letters."""
        with self.transaction() as session:
            wanted = select(Message.msg_id).join(Submission).where(Submission.cycle_id == self.cycle_id)
            return frozenset(msg_id.lower() for msg_id in session.exec(wanted).all())

    def is_of_another_year(self, *, msg_id: str = "", transport_id: str = "") -> bool:
        """Whether an answer is for a message of another cycle in this database: it is not ours to take."""
        with self.transaction() as session:
            wanted = select(Message).join(Submission).join(Attempt, isouter=True)
            named = (func.lower(Message.msg_id) == msg_id.lower()) | (
                func.lower(Attempt.message_id) == transport_id.lower()
            )
            return session.exec(wanted.where(named, Submission.cycle_id != self.cycle_id)).first() is not None

    def events(self) -> list[Event]:
        """Everything that happened in this cycle, in order."""
        with self.transaction() as session:
            wanted = select(Event).where(Event.cycle_id == self.cycle_id).order_by(col(Event.id))
            return list(session.exec(wanted).all())

    # -- versions -----------------------------------------------------------------------------------------------

    def open_version(
        self, act: Act, approval: Approval, wrapped_key: bytes, *, ack_hours: int, too_late: bool, mended: str = ""
    ) -> Submission:
        """The version to work on: the unfinished one, or a new one where the guard permits it (Locked otherwise)."""
        try:
            return self._open_version(act, approval, wrapped_key, ack_hours=ack_hours, too_late=too_late, mended=mended)
        except IntegrityError:
            raise Locked("Another process is opening a submission right now.") from None

    def may_open(self, now: datetime, approval: Approval, *, ack_hours: int, too_late: bool) -> Permission:
        """What the guard says to a new version now; nothing is changed."""
        with self.transaction() as session:
            former = self._former(session, session.exec(self._versions()).first())
        return may_open_version(former, now, approval, ack_hours=ack_hours, too_late=too_late)

    def _open_version(
        self, act: Act, approval: Approval, wrapped_key: bytes, *, ack_hours: int, too_late: bool, mended: str
    ) -> Submission:
        with self.transaction() as session:
            latest = session.exec(self._versions()).first()
            former = self._former(session, latest)
            permission = may_open_version(former, act.at, approval, ack_hours=ack_hours, too_late=too_late).demand()
            if permission.kind is Kind.CONTINUE:
                assert latest is not None
                return latest
            number = latest.version + 1 if latest else 1
            opened = Submission(
                cycle_id=self.cycle_id,
                version=number,
                sequence_number=latest.sequence_number + 1 if latest else 1,
                state=SubmissionState.DRAFT,
                mended=mended,
                opened_at=act.at,
                wrapped_key=wrapped_key,
            )
            session.add(opened)
            session.flush()
            self.note(session, act, "submission", permission.kind, submission=opened, to_state=opened.state)
            return opened

    def formers(self) -> tuple[Former, ...]:
        """All versions as the guard sees them, oldest first."""
        with self.transaction() as session:
            found = [self._former(session, each) for each in reversed(session.exec(self._versions()).all())]
        return tuple(each for each in found if each is not None)

    def _former(self, session: Session, latest: Submission | None) -> Former | None:
        if latest is None:
            return None
        messages = session.exec(select(Message).where(Message.submission_id == latest.id)).all()
        tried = {
            message.kind: session.exec(select(Attempt).where(Attempt.message_ref == message.id)).first() is not None
            for message in messages
        }
        iplos = next((message for message in messages if message.kind is MessageKind.IPLOS), None)
        if iplos is None:
            return Former(latest.state, latest.ident_leg, ReceiptLeg.NONE)
        return Former(
            latest.state,
            latest.ident_leg,
            iplos.receipt_leg,
            iplos.generated,
            ident_tried=tried[MessageKind.IDENT],
            iplos_tried=tried[MessageKind.IPLOS],
        )

    def move(self, submission_id: str, event: SubmissionEvent, act: Act, **values: Any) -> Submission:
        """One step of a submission, with whatever else is written down at the same time."""
        with self.transaction() as session:
            submission = self.locked(session, submission_id)
            self.step_submission(session, submission, event, act)
            for name, value in values.items():
                setattr(submission, name, value)
            return submission

    def locked(self, session: Session, submission_id: str) -> Submission:
        """The submission, taken by this transaction: whoever else takes it at the same time gets Locked."""
        # NO KEY UPDATE on PostgreSQL: another transaction may write an event that refers to it meanwhile.
        wanted = select(Submission).where(Submission.id == submission_id).with_for_update(key_share=True)
        submission = session.exec(wanted).one()
        moved = session.execute(
            update(Submission)
            .where(col(Submission.id) == submission_id, col(Submission.change) == submission.change)
            .values(change=submission.change + 1)
            .execution_options(synchronize_session="fetch")
        )
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise Locked("Another process is working on this submission right now.")
        return submission

    def step_submission(self, session: Session, submission: Submission, event: SubmissionEvent, act: Act) -> None:
        """Move the state by the table and note it."""
        before, submission.state = submission.state, step(submission.state, event)
        self.note(
            session, act, "submission", event, submission=submission, from_state=before, to_state=submission.state
        )
        session.add(submission)

    def fix_messages(self, submission_id: str, ids: Ids, types: dict[MessageKind, str], generated: datetime) -> None:
        """Write down the ids and the time of both messages, once; a second call changes nothing."""
        with self.transaction() as session:
            submission = self.locked(session, submission_id)
            if session.exec(select(Message).where(Message.submission_id == submission_id)).first():
                return
            for kind, msg_id in ((MessageKind.IDENT, ids.ident), (MessageKind.IPLOS, ids.iplos)):
                parent, first = self._chain(session, submission, kind)
                session.add(
                    Message(
                        submission_id=submission_id,
                        kind=kind,
                        message_type=types[kind],
                        msg_id=msg_id,
                        generated=generated,
                        parent_msg_id=parent,
                        conversation_msg_id=first,
                    )
                )

    def _chain(self, session: Session, submission: Submission, kind: MessageKind) -> tuple[str | None, str | None]:
        """The MsgIds of the former and of the first message of this kind (message-head.md section 7)."""
        wanted = (
            select(Message.msg_id)
            .join(Submission)
            .where(Submission.cycle_id == self.cycle_id, Message.kind == kind)
            .where(Submission.version < submission.version)
            .order_by(col(Submission.version))
        )
        before = session.exec(wanted).all()
        return (before[-1], before[0]) if before else (None, None)

    def record_gate(self, message_id: str, *, sha256: str, size: int, persons: int) -> None:
        """What the gate saw: the hash that must be what is sent."""
        with self.transaction() as session:
            message = session.get_one(Message, message_id)
            message.content_sha256, message.content_size, message.persons = sha256, size, persons
            session.add(message)

    # -- what came in -------------------------------------------------------------------------------------------

    def has_taken_in(self, fingerprint: str) -> bool:
        """Whether the very same was taken in before."""
        with self.transaction() as session:
            return session.exec(select(Inbox).where(Inbox.fingerprint == fingerprint)).first() is not None

    def take_in(self, kind: InboxKind, fingerprint: str, wrapped_key: bytes, act: Act, **values: Any) -> Inbox | None:
        """Write down that something came in; None when the very same was taken in before."""
        try:
            with self.transaction() as session:
                entry = Inbox(
                    cycle_id=self.cycle_id,
                    kind=kind,
                    fingerprint=fingerprint,
                    received_at=act.at,
                    wrapped_key=wrapped_key,
                    **values,
                )
                session.add(entry)
                return entry
        except IntegrityError:
            if self.has_taken_in(fingerprint):
                return None
            raise

    def inbox_of(self, submission_id: str) -> list[Inbox]:
        """What came in that belongs to a version, oldest first."""
        with self.transaction() as session:
            wanted = select(Inbox).where(Inbox.submission_id == submission_id).order_by(col(Inbox.received_at))
            return list(session.exec(wanted).all())

    def set_aside(self, reason: str) -> list[Inbox]:
        """What was kept apart for a reason that contains this, in whichever year of this municipality; oldest first.

        What has been purged is left out: nobody can read it.
        """
        with self.transaction() as session:
            own = session.get_one(Cycle, self.cycle_id).municipality
            wanted = select(Inbox).join(Cycle).where(Cycle.municipality == own, Inbox.kind == InboxKind.UNKNOWN)
            wanted = wanted.where(col(Inbox.verdict).contains(reason), col(Inbox.wrapped_key) != PURGED_KEY)
            wanted = wanted.order_by(col(Inbox.received_at))
            return list(session.exec(wanted).all())

    def reopened(self, entry_id: str) -> None:
        """Something kept apart could be read after all; what it says stands in an entry of its own."""
        with self.transaction() as session:
            entry = session.get_one(Inbox, entry_id)
            entry.verdict = "read later"
            session.add(entry)

    # -- events -------------------------------------------------------------------------------------------------

    def note(
        self,
        session: Session,
        act: Act,
        what: str,
        event: StrEnum | str,
        *,
        submission: Submission | None = None,
        message: Message | None = None,
        from_state: StrEnum | str = "",
        to_state: StrEnum | str = "",
    ) -> None:
        """Write an event, in the same transaction as what it tells of: it is chained at the end (kpr.store.chain)."""
        chain.collect(
            session,
            Event(
                cycle_id=self.cycle_id,
                submission_id=submission.id if submission else None,
                message_ref=message.id if message else None,
                at=act.at,
                who=act.who,
                what=what,
                event=str(event),
                from_state=str(from_state),
                to_state=str(to_state),
                why=act.why,
                role=act.role,
            ),
        )
