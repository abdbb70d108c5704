"""The chain of events: each one carries a hash over the one before it and over itself, so that no edit goes unseen.

``chain`` = SHA-256 (hex) over the former event's ``chain`` of the same cycle and a canonical form of this event. The
cycle keeps the newest one, its head. Whoever can write in the database can also write a whole new chain: only a head
that was kept elsewhere, in a proof or on paper, tells that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, String, bindparam, case, cast, func, insert, type_coerce, update
from sqlalchemy import select as select_raw
from sqlmodel import Session, SQLModel

from kpr.checks.finding import Text
from kpr.store.tables import Event, Moment

#: What is hashed, in this order. ``id`` is left out: the database gives it, and it says nothing but the order.
FIELDS = (
    "cycle_id",
    "submission_id",
    "message_ref",
    "at",
    "who",
    "role",
    "what",
    "event",
    "from_state",
    "to_state",
    "why",
)


@dataclass(frozen=True, slots=True)
class Break:
    """The first event that does not fit: its place in the log (from 1) and its time; ``at`` is None past the last."""

    number: int
    at: datetime | None
    problem: Text


# -- core ------------------------------------------------------------------------------------------------------------


def link(former: str, fields: Mapping[str, Any]) -> str:
    """The ``chain`` of an event: 64 hex digits. ``former`` is that of the event before it, empty for the first."""
    said = [_plain(fields[name]) for name in FIELDS]
    content = json.dumps([former, *said], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def _plain(value: Any) -> str | None:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def link_of(former: str, event: Event) -> str:
    """The ``chain`` that this event must have after that one."""
    return link(former, {name: getattr(event, name) for name in FIELDS})


_MISFIT = Text(
    "Hendelsen passer ikke etter den forrige: den er endret, satt inn eller flyttet, eller noe før den er fjernet.",
    "The event does not fit after the one before it: it was changed, put in or moved, or something before it is gone.",
)
_CUT = Text(
    "Loggen slutter for tidlig: det som sto etter den siste hendelsen, er fjernet.",
    "The log ends too early: what stood after the last event is gone.",
)
_UNREADABLE = Text(
    "Hendelsen kan ikke leses: det står noe der som programmet aldri skriver.",
    "The event cannot be read: something stands there that the program never writes.",
)
_UNKNOWN_HEAD = Text(
    "Merket som ble tatt vare på, finnes ikke i loggen: hendelser er fjernet på slutten, eller alt er skrevet på nytt.",
    "The head that was kept is not in the log: events at its end are gone, or all of it was written anew.",
)


def first_break(events: Sequence[Event | None], head: str, known: Sequence[str] = ()) -> Break | None:
    """The first place where a cycle's log, oldest first, is not what was written; None when it holds.

    ``head`` is the cycle's own; ``known`` are heads that were kept elsewhere, each of which the log must contain. An
    event that is None could not be read.
    """
    former, chains = "", set[str]()
    for number, event in enumerate(events, 1):
        if event is None:
            return Break(number, None, _UNREADABLE)
        if event.chain != link_of(former, event):
            return Break(number, event.at, _MISFIT)
        former = event.chain
        chains.add(former)
    if former != head:
        return Break(len(events) + 1, None, _CUT)
    return None if chains.issuperset(known) else Break(len(events) + 1, None, _UNKNOWN_HEAD)


# -- store -----------------------------------------------------------------------------------------------------------

#: Reading and writing go by the tables themselves: the models choke on what others wrote, and take twice the time.
_CYCLES, _EVENTS = SQLModel.metadata.tables["cycle"], SQLModel.metadata.tables["event"]


def read_log(session: Session, cycle_id: str) -> tuple[list[Event | None], str]:
    """A cycle's events, oldest first, and its head: in one question, so that they belong together.

    None stands for an event that holds what we never write, and that the tables' own types would choke on.
    """
    dialect = session.connection().dialect.name
    columns = [_raw(_EVENTS.c[name], dialect) for name in (*FIELDS, "chain")]
    joined = _CYCLES.outerjoin(_EVENTS, _EVENTS.c.cycle_id == _CYCLES.c.id)
    wanted = select_raw(_raw(_CYCLES.c.head, dialect), _EVENTS.c.id, *columns).select_from(joined)
    rows = session.connection().execute(wanted.where(_CYCLES.c.id == cycle_id).order_by(_EVENTS.c.id)).all()
    events = [_event(number, values) for _, number, *values in rows if number is not None]
    return events, _head(rows[0][0])


def _raw(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """The column so that whatever stands in it can be fetched. SQLite keeps anything anywhere: bytes are its text, 0
    is what is no text. PostgreSQL keeps to its types, but has times that Python has not."""
    if dialect == "sqlite":
        kind = func.typeof(column)
        text = case((kind == "text", cast(column, LargeBinary)), (kind == "null", None), else_=0)
        return type_coerce(text, String)
    return func.to_char(column, "YYYY-MM-DD HH24:MI:SS.US") if isinstance(column.type, Moment) else column


def _event(number: int, values: Sequence[Any]) -> Event | None:
    try:
        said: dict[str, Any] = {name: _text(value) for name, value in zip((*FIELDS, "chain"), values, strict=True)}
        at = datetime.fromisoformat(said.pop("at") or "")
        if at.tzinfo is not None:
            return None
        return Event(id=number, at=at.replace(tzinfo=UTC), **said)
    except (ValueError, TypeError):
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode()
    if value is None or isinstance(value, str):
        return value
    raise TypeError("no text")


def _head(value: Any) -> str:
    """Empty when it is no text: no log ends with that, unless it has no event."""
    try:
        return _text(value) or ""
    except (ValueError, TypeError):
        return ""


_OWN = update(_CYCLES).where(_CYCLES.c.id == bindparam("of"))
_TAKE = _OWN.values(head=_CYCLES.c.head).returning(_CYCLES.c.head)
_WRITE = insert(_EVENTS).inline()
_LEAVE = _OWN.values(head=bindparam("new"))


def collect(session: Session, event: Event) -> None:
    """Put an event by until the end of its transaction."""
    session.info.setdefault(Event, []).append(event)


def seal(session: Session) -> None:
    """Chain and write the events of this transaction, all of one cycle, as the last thing in it.

    The update that changes nothing takes the write lock on SQLite and the cycle's row on PostgreSQL: whoever writes
    events of the same cycle waits here until the other has committed, and then reads the new head. Nothing is locked
    after it, so nobody waits for anybody in a ring.
    """
    events: list[Event] = session.info.pop(Event, [])
    if not events:
        return
    session.flush()
    database, cycle_id = session.connection(), events[0].cycle_id
    head: str = database.execute(_TAKE, {"of": cycle_id}).scalar_one()
    for event in events:  # one by one: the ids must rise with the chain
        event.chain = head = link_of(head, event)
        database.execute(_WRITE, {name: getattr(event, name) for name in (*FIELDS, "chain")})
    database.execute(_LEAVE, {"of": cycle_id, "new": head})
