"""What was told, to whom, and when the answers were last fetched: so that each thing is told once, by one process.

A claim is written down before anything is sent and marked when it has been sent. One whose sending failed is given
back; one that a killed process left behind may be taken over after ten minutes. Killed between the sending and the
mark, it is told once more: an alarm that comes twice is better than one that never comes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Column, ColumnElement, Delete, UniqueConstraint, Update, delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from kpr.store.store import Store
from kpr.store.tables import Moment

#: Not a person: Prefect's events, for the automations of whoever runs it.
AUTOMATIONS = "prefect"
_EVENT = "event-{cycle}-{number}"

#: No sending takes longer (kpr.alarms.channels has shorter waits): who claimed it and is silent since was killed.
TAKEOVER = timedelta(minutes=10)


class Told(SQLModel, table=True):
    """One alarm on one channel: claimed, and told when ``told_at`` stands there."""

    __table_args__ = (UniqueConstraint("alarm_id", "channel"),)

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    alarm_id: str
    channel: str
    claimed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    told_at: datetime | None = Field(default=None, sa_column=Column(Moment, nullable=True))


class Collected(SQLModel, table=True):
    """When mailbox and transport of a cycle were last looked through to the end."""

    cycle_id: str = Field(foreign_key="cycle.id", primary_key=True)
    at: datetime = Field(sa_column=Column(Moment, nullable=False))


@dataclass(frozen=True, slots=True)
class ToldBook:
    """What one cycle's people were told. An alarm's id names its municipality and year: it is told once in all."""

    store: Store

    def claim(self, alarm_id: str, channel: str, at: datetime) -> bool:
        """Take it for this process; False when it has been told, or another process is about to."""
        entry = Told(cycle_id=self.store.cycle_id, alarm_id=alarm_id, channel=channel, claimed_at=at)
        try:
            with self.store.transaction() as session:
                session.add(entry)
        except IntegrityError:
            return self._take_over(alarm_id, channel, at)
        return True

    def _take_over(self, alarm_id: str, channel: str, at: datetime) -> bool:
        """Of two that try at the same moment, the later one finds the claim renewed."""
        stale = col(Told.claimed_at) <= at - TAKEOVER
        return self._change(update(Told).where(*_open(alarm_id, channel), stale).values(claimed_at=at))

    def sent(self, alarm_id: str, channel: str, at: datetime) -> None:
        """It has been told now."""
        self._change(update(Told).where(*_open(alarm_id, channel)).values(told_at=at))

    def release(self, alarm_id: str, channel: str, claimed_at: datetime) -> None:
        """Sending failed: it is to be told next time. A claim that another process has taken over is left to it."""
        self._change(delete(Told).where(*_open(alarm_id, channel), col(Told.claimed_at) == claimed_at))

    def _change(self, statement: Update | Delete) -> bool:
        """Whether a row was there to be changed."""
        with self.store.transaction() as session:
            return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def told(self) -> list[Told]:
        """Everything that this cycle's people were told, oldest first; claims that are under way are left out."""
        wanted = select(Told).where(Told.cycle_id == self.store.cycle_id, col(Told.told_at).is_not(None))
        wanted = wanted.where(Told.channel != AUTOMATIONS)
        with self.store.transaction() as session:
            return list(session.exec(wanted.order_by(col(Told.told_at), col(Told.alarm_id))).all())

    def last_event(self) -> int:
        """The id of the newest event of this cycle that automations were told of; 0 before the first."""
        with self.store.transaction() as session:
            return max(map(_number_of, session.exec(self._last_events()).all()), default=0)

    def told_events(self, newest: int, at: datetime) -> None:
        """Automations have been told up to this one. It never goes back: another process may have told more."""
        with self.store.transaction() as session:
            found = session.exec(self._last_events().with_for_update()).all()
            if max(map(_number_of, found), default=0) >= newest:
                return
            cycle = self.store.cycle_id
            row = found[0] if found else Told(cycle_id=cycle, alarm_id="", channel=AUTOMATIONS, claimed_at=at)
            row.alarm_id, row.told_at = _EVENT.format(cycle=cycle, number=newest), at
            session.add(row)

    def _last_events(self) -> SelectOfScalar[Told]:
        """One row; two, when two processes told the first ones at the same moment."""
        named = col(Told.alarm_id).startswith(_EVENT.format(cycle=self.store.cycle_id, number=""))
        return select(Told).where(named, Told.channel == AUTOMATIONS)

    def collected(self, at: datetime) -> None:
        """Mailbox and transport have been looked through to the end."""
        mine = col(Collected.cycle_id) == self.store.cycle_id
        if self._change(update(Collected).where(mine).values(at=at)):
            return
        with suppress(IntegrityError), self.store.transaction() as session:  # another process may be first
            session.add(Collected(cycle_id=self.store.cycle_id, at=at))

    def last_collected(self) -> datetime | None:
        """When that was last; None when it never was."""
        with self.store.transaction() as session:
            found = session.get(Collected, self.store.cycle_id)
        return found.at if found else None


def _number_of(told: Told) -> int:
    return int(told.alarm_id.rpartition("-")[2])


def _open(alarm_id: str, channel: str) -> tuple[ColumnElement[bool], ...]:
    return (col(Told.alarm_id) == alarm_id, col(Told.channel) == channel, col(Told.told_at).is_(None))
