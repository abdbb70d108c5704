"""What a cycle holds in the vault, and under which keys: for the purge, which destroys the keys (process.md S8)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlmodel import Session, col, select

from kpr.errors import Locked
from kpr.store.kept import Kept, KeptKind
from kpr.store.store import PURGED_KEY, Store
from kpr.store.tables import Attempt, Inbox, Message, Submission


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that have a data key, or had one, with all that was kept under it."""

    submissions: tuple[Submission, ...]
    inbox: tuple[Inbox, ...]
    messages: tuple[Message, ...] = field(repr=False)
    attempts: tuple[Attempt, ...] = field(repr=False)
    kept: tuple[Kept, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.submissions or self.inbox or self.kept)

    @property
    def names(self) -> tuple[str, ...]:
        """The vault's name of every file that belongs to them."""
        return (
            *(submission.rows_name for submission in self.submissions),
            *(message.content_name for message in self.messages),
            *(attempt.protected_name for attempt in self.attempts),
            *(entry.raw_name for entry in self.inbox),
            *(kept.content_name for kept in self.kept),
        )


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one cycle's rows hold."""

    store: Store

    def living(self, session: Session, kinds: Collection[KeptKind] = tuple(KeptKind)) -> Held:
        """What can still be read; of the documents kept beside the messages only these kinds."""
        return self._held(session, kinds, alive=True)

    def destroyed(self) -> Held:
        """What nobody can read any more, whether its files are gone yet or not."""
        with self.store.transaction() as session:
            return self._held(session, tuple(KeptKind), alive=False)

    def _held(self, session: Session, kinds: Collection[KeptKind], *, alive: bool) -> Held:
        all_submissions = session.exec(select(Submission).where(Submission.cycle_id == self.store.cycle_id)).all()
        all_inbox = session.exec(select(Inbox).where(Inbox.cycle_id == self.store.cycle_id)).all()
        all_kept = session.exec(select(Kept).where(Kept.cycle_id == self.store.cycle_id)).all()
        kept = tuple(row for row in all_kept if row.kind in kinds and (row.wrapped_key != PURGED_KEY) is alive)
        submissions = tuple(row for row in all_submissions if (row.wrapped_key != PURGED_KEY) is alive)
        inbox = tuple(row for row in all_inbox if (row.wrapped_key != PURGED_KEY) is alive)
        ids = [submission.id for submission in submissions]
        messages = session.exec(select(Message).where(col(Message.submission_id).in_(ids))).all()
        refs = [message.id for message in messages]
        attempts = session.exec(select(Attempt).where(col(Attempt.message_ref).in_(refs))).all()
        return Held(submissions, inbox, tuple(messages), tuple(attempts), kept)

    def destroy_keys(self, session: Session, held: Held) -> None:
        """Overwrite every wrapped key; Locked, and nothing is changed, when another process works on one of them.

        What was added meanwhile keeps its key, and is the next purge's.
        """
        for submission in held.submissions:
            self.store.locked(session, submission.id)
        _overwrite(session, Submission, [row.id for row in held.submissions])
        _overwrite(session, Inbox, [row.id for row in held.inbox])
        _overwrite(session, Kept, [row.id for row in held.kept])


def _overwrite(session: Session, table: type[Submission] | type[Inbox] | type[Kept], ids: list[str]) -> None:
    living = (col(table.id).in_(ids), col(table.wrapped_key) != PURGED_KEY)
    overwriting = update(table).where(*living).values(wrapped_key=PURGED_KEY)
    done = session.execute(overwriting.execution_options(synchronize_session=False))
    if done.rowcount != len(ids):  # type: ignore[attr-defined]
        raise Locked("En annen sletter det samme nå. Ingenting ble gjort her.")
