"""What the stand-in register remembers: MsgIds seen, what it accepted, and answers that are due later. No persons.

Payloads and answers lie in the register's vault; here stand their names there, their wrapped keys, ids, times and
counts. Times are UTC in one form, so that they can be compared as text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from kpr.calendar import OSLO
from kpr.errors import BadSettings

#: Raised when the tables change; a state of another form is not read.
_FORM = 4

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (msg_id TEXT PRIMARY KEY, her_id TEXT, transport_id TEXT, family TEXT, at TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS seen_transport ON seen (her_id, transport_id);
CREATE TABLE IF NOT EXISTS refused (
    her_id TEXT, transport_id TEXT, family TEXT, reason TEXT, at TEXT, name TEXT, wrapped_key BLOB);
CREATE TABLE IF NOT EXISTS accepted (
    id INTEGER PRIMARY KEY, msg_id TEXT, family TEXT, her_id TEXT, municipality TEXT, data_year INTEGER,
    sequence_number TEXT, at TEXT, payload TEXT, wrapped_key BLOB, view TEXT);
CREATE TABLE IF NOT EXISTS signal (
    her_id TEXT, transport_id TEXT, digests TEXT, kind TEXT, message_id TEXT, body BLOB, from_try INTEGER, at TEXT,
    pending INTEGER, after_receipt INTEGER, tries INTEGER, PRIMARY KEY (her_id, transport_id));
CREATE TABLE IF NOT EXISTS due (
    id INTEGER PRIMARY KEY, at TEXT, kind TEXT, her_id TEXT, name TEXT, wrapped_key BLOB, correlation TEXT);
"""

#: An IPLOS message counts only with its ident message: same sender, data year and number (letter L21).
_PAIRED = """EXISTS (SELECT 1 FROM accepted i WHERE i.family = 'ident' AND i.her_id = a.her_id
    AND i.data_year = a.data_year AND i.sequence_number = a.sequence_number)"""


#: Where a transport message stands that has come. A new one for an old MsgId has nothing but its signal; a mail that was
#: returned, as the scenario wanted it, has not come: the same may be sent again.
_RETURNED = "scenario: returned"
_CAME = (
    "seen",
    f"refused WHERE reason <> '{_RETURNED}'",
    "signal WHERE kind <> 'Bounce' OR pending > 0",
)


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that goes out at some time: its body lies in the vault under ``name``. ``kind``: receipt, mail."""

    at: datetime
    kind: str
    her_id: str
    name: str
    wrapped_key: bytes
    correlation: str | None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that was handled, accepted or not."""

    msg_id: str
    her_id: str
    transport_id: str
    family: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Signal:
    """What answers a message on the transport's own level. Nothing about a person stands in it.

    It goes out from the ``from_try``-th arrival of the message on (0: never), not before ``at``; ``pending`` times now.
    """

    her_id: str
    transport_id: str
    digests: str
    kind: str
    message_id: str
    body: bytes
    from_try: int
    at: datetime
    pending: int
    after_receipt: bool
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was not handled: why, and where its raw bytes lie in the vault. ``family`` where it is known."""

    her_id: str
    transport_id: str
    family: str
    reason: str
    at: datetime
    name: str
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is kept of an accepted message; ``payload`` is its name in the vault, ``view`` its counts as JSON."""

    msg_id: str
    family: str
    her_id: str
    municipality: str
    data_year: int
    sequence_number: str
    at: datetime
    payload: str
    wrapped_key: bytes
    view: str


class RegisterState:
    """A small SQLite file in the register's folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()  # the loop and the view share the connection
        self._database = sqlite3.connect(folder / "register.sqlite", check_same_thread=False, timeout=30)
        self._check_form()
        self._database.executescript(_TABLES)
        self._database.execute(f"PRAGMA user_version = {_FORM}")

    def _check_form(self) -> None:
        form = self._database.execute("PRAGMA user_version").fetchone()[0]
        used = self._database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if used and form != _FORM:
            self._database.close()
            raise BadSettings(
                "The register's state was made by another version.",
                place="state_folder",
                remedy="Remove the folder: the stand-in register then starts anew.",
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._database as database:
            yield database

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def is_new(self, msg_id: str) -> bool:
        """Whether this MsgId has not been seen before (R18: the second is ignored)."""
        return not self._rows("SELECT 1 FROM seen WHERE msg_id = ?", (msg_id.lower(),))

    def has_come(self, her_id: str, transport_id: str) -> bool:
        """Whether this transport message was handled before (AMQP specification s. 2.2.3: logged only)."""
        query = " UNION ALL ".join(f"SELECT her_id, transport_id FROM {each}" for each in _CAME)  # noqa: S608
        wanted = f"SELECT 1 FROM ({query}) WHERE her_id = ? AND transport_id = ?"  # noqa: S608  (no word from outside)
        return bool(transport_id and self._rows(wanted, (her_id, transport_id)))

    def count(self, family: str, her_id: str = "%") -> int:
        """How many messages of a family have come (from one sender), those that the scenario turned away included."""
        one = "SELECT count(*) FROM {} WHERE family = ? AND her_id LIKE ?"
        query = f"SELECT ({one.format('seen')}) + ({one.format('refused')})"
        return int(self._rows(query, (family, her_id, family, her_id))[0][0])

    def refused(self, refused: Refused, signal: Signal | None = None) -> None:
        """A message was not handled, and is kept raw."""
        with self._transaction() as database:
            row = [_text(value) if isinstance(value, datetime) else value for value in astuple(refused)]
            database.execute("INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            _keep_signal(database, signal)

    def reasons(self) -> list[tuple[str, str]]:
        """Why messages were not handled: transport id and reason, oldest first."""
        return self._rows("SELECT transport_id, reason FROM refused ORDER BY at")

    def handled(self, seen: Seen, dues: Sequence[Due], accepted: Accepted | None, signal: Signal | None = None) -> None:
        """A message was handled: what is kept of it and what answers follow, written together or not at all."""
        with self._transaction() as database:
            # Without an id of the transport's there is nothing to know it again by; NULL is equal to none.
            row = (seen.msg_id.lower(), seen.her_id, seen.transport_id or None, seen.family, _text(seen.at))
            database.execute("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", row)
            _keep_signal(database, signal)
            for due in dues:
                values = (_text(due.at), due.kind, due.her_id, due.name, due.wrapped_key, due.correlation)
                database.execute(
                    "INSERT INTO due (at, kind, her_id, name, wrapped_key, correlation) VALUES (?, ?, ?, ?, ?, ?)",
                    values,
                )
            if accepted is not None:
                _insert(database, accepted)

    def due(self, now: datetime) -> list[Due]:
        """Answers whose time has come, oldest first."""
        query = "SELECT at, kind, her_id, name, wrapped_key, correlation, id FROM due WHERE at <= ? ORDER BY at, id"
        return [Due(datetime.fromisoformat(row[0]), *row[1:]) for row in self._rows(query, (_text(now),))]

    def sent(self, due_id: int) -> None:
        """An answer went out."""
        with self._transaction() as database:
            database.execute("DELETE FROM due WHERE id = ?", (due_id,))

    def acknowledged_only(self, signal: Signal) -> None:
        """A message that was not handled again under its MsgId came by a new transport message: that one is answered."""
        with self._transaction() as database:
            _keep_signal(database, signal)

    def signal(self, her_id: str, transport_id: str) -> Signal | None:
        """What answered a message that has come; None when nothing did."""
        found = self._signals("her_id = ? AND transport_id = ?", (her_id, transport_id))
        return found[0] if found else None

    def due_signals(self, now: datetime) -> list[Signal]:
        """Signals that are to go out now, oldest first."""
        return self._signals("pending > 0 AND at <= ?", (_text(now),))

    def _signals(self, which: str, values: Sequence[Any]) -> list[Signal]:
        rows = self._rows(f"SELECT * FROM signal WHERE {which} ORDER BY at, rowid", values)  # noqa: S608
        names = [field.name for field in fields(Signal)]
        told = (dict(zip(names, row, strict=True)) for row in rows)
        return [
            Signal(**each | {"at": datetime.fromisoformat(each["at"]), "after_receipt": bool(each["after_receipt"])})
            for each in told
        ]

    def came_again(self, signal: Signal) -> None:
        """The message came once more: its signal goes out again, if it is to go out at all by now."""
        with self._transaction() as database:
            database.execute(
                "UPDATE signal SET tries = tries + 1, "
                "pending = pending + (from_try > 0 AND tries + 1 >= from_try) WHERE her_id = ? AND transport_id = ?",
                (signal.her_id, signal.transport_id),
            )

    def signal_sent(self, signal: Signal) -> None:
        """It went out once."""
        with self._transaction() as database:
            database.execute(
                "UPDATE signal SET pending = pending - 1 WHERE her_id = ? AND transport_id = ?",
                (signal.her_id, signal.transport_id),
            )

    def latest_view(self, municipality: str, data_year: int) -> dict[str, Any] | None:
        """The counts of the last accepted submission that has both its messages; None when there is none."""
        query = (
            "SELECT view, at, sequence_number FROM accepted a WHERE family = 'iplos' AND municipality = ? "  # noqa: S608
            f"AND data_year = ? AND {_PAIRED} ORDER BY id DESC LIMIT 1"
        )
        for view, at, number in self._rows(query, (municipality, data_year)):
            submitted = datetime.fromisoformat(at).astimezone(OSLO).isoformat(timespec="seconds")
            return dict(json.loads(view)) | {"submitted": submitted, "sequence_number": number}
        return None

    def unpaired(self, municipality: str, data_year: int) -> list[str]:
        """Numbers of IPLOS messages that cannot be used, since no ident message came with them (L21)."""
        query = (
            "SELECT sequence_number FROM accepted a WHERE family = 'iplos' AND municipality = ? "  # noqa: S608
            f"AND data_year = ? AND NOT {_PAIRED} ORDER BY id"
        )
        return [str(row[0]) for row in self._rows(query, (municipality, data_year))]

    def accepted_units(self) -> list[tuple[str, int]]:
        """Municipalities and data years for which there is a view."""
        query = (
            "SELECT DISTINCT municipality, data_year FROM accepted a "  # noqa: S608
            f"WHERE family = 'iplos' AND {_PAIRED} ORDER BY 1, 2"
        )
        return self._rows(query)

    def waiting_units(self) -> list[tuple[str, int]]:
        """Municipalities and data years with an IPLOS message that has no ident message."""
        query = (
            "SELECT DISTINCT municipality, data_year FROM accepted a "  # noqa: S608
            f"WHERE family = 'iplos' AND NOT {_PAIRED} ORDER BY 1, 2"
        )
        return self._rows(query)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()


def _keep_signal(database: sqlite3.Connection, signal: Signal | None) -> None:
    if signal is not None:
        row = [_text(value) if isinstance(value, datetime) else value for value in astuple(signal)]
        database.execute("INSERT OR REPLACE INTO signal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _insert(database: sqlite3.Connection, accepted: Accepted) -> None:
    names = [field.name for field in fields(accepted)]
    values = [_text(value) if isinstance(value, datetime) else value for value in astuple(accepted)]
    marks = ", ".join("?" * len(names))
    database.execute(f"INSERT INTO accepted ({', '.join(names)}) VALUES ({marks})", values)  # noqa: S608


def _text(moment: datetime) -> str:
    """One form for all times; a time without a zone would silently be taken for that of the machine."""
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
