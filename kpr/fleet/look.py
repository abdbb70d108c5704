"""How a municipality stands, asked of its store alone: quick enough to ask hundreds at a time.

Neither keys, mailbox nor transport are opened, and no table is brought up to date: a place that has never been opened
has no database, and stands where nothing has been extracted. One that cannot be asked, or could not be opened, says so,
and stops nobody.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    RowMapping,
    TextClause,
    bindparam,
    create_engine,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from kpr.clock import Clock, file_clock, system_clock
from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadInput, BadSettings
from kpr.fleet.board import Standing
from kpr.fleet.installation import Entry
from kpr.fleet.usable import demand_usable
from kpr.next_act import Trouble
from kpr.settings import TRIAL_STORE
from kpr.settings_file import parsed, resolve_paths
from kpr.store.tables import Moment
from kpr.years import Year, load_year

#: An answered version may still be withdrawn, or get a second receipt: it is looked after for so long.
_AFTERWARDS = timedelta(days=14)

#: The newest version with its messages (ident first) and the newest attempt for each. "returned": the other side's
#: transport has said something of the message, which tells a mail that came back from a server that was away.
_NEWEST = text("""
SELECT s.state, s.version, s.ident_leg, m.kind, m.receipt_leg, a.state AS attempt,
  EXISTS (SELECT 1 FROM event e WHERE e.submission_id = s.id AND e.message_ref = m.id AND e.what = 'attempt'
    AND e.event IN ('REFUSED', 'RETURNED') AND e.to_state IN ('REFUSED', 'FAILED') AND e.why <> '') AS returned,
  EXISTS (SELECT 1 FROM event e WHERE e.submission_id = s.id AND e.to_state = 'CONTRADICTION') AS contradicted,
  EXISTS (SELECT 1 FROM submission o WHERE o.cycle_id = c.id AND o.state = 'ACCEPTED') AS accepted
FROM cycle c JOIN submission s ON s.cycle_id = c.id LEFT JOIN message m ON m.submission_id = s.id
  LEFT JOIN attempt a ON a.message_ref = m.id
    AND a.number = (SELECT MAX(b.number) FROM attempt b WHERE b.message_ref = m.id)
WHERE c.municipality = :number AND c.data_year = :year
  AND s.version = (SELECT MAX(o.version) FROM submission o WHERE o.cycle_id = c.id)
ORDER BY m.kind""")

#: Versions of which something may still come: on their way, rejected with an answer missing, or answered not long ago.
_OPEN = text("""
SELECT s.id FROM cycle c JOIN submission s ON s.cycle_id = c.id
WHERE c.municipality = :number AND c.data_year = :year AND (
  s.state IN ('SENDING', 'AWAITING')
  OR s.state = 'REJECTED' AND (s.ident_leg IN ('SENT', 'OVERDUE', 'FEEDBACK_UNREAD')
    OR EXISTS (SELECT 1 FROM message m WHERE m.submission_id = s.id AND m.kind = 'IPLOS'
      AND m.receipt_leg IN ('NONE', 'OVERDUE', 'UNREADABLE')))
  OR EXISTS (SELECT 1 FROM message m JOIN attempt a ON a.message_ref = m.id
    WHERE m.submission_id = s.id AND a.state = 'HANDED_OVER')
  OR EXISTS (SELECT 1 FROM event e WHERE e.submission_id = s.id AND e.what = 'submission'
    AND e.event IN ('BOTH_LEGS_GOOD', 'REJECTED', 'WITHDRAWN') AND e.at > :since))
LIMIT 1""").bindparams(bindparam("since", type_=Moment()))


#: Asked apart: a store that has not been opened since the last upgrade has no such table, and nobody has signed there.
_RIGHT = text("""
SELECT 1 FROM signoff f JOIN submission s ON f.submission_id = s.id JOIN cycle c ON s.cycle_id = c.id
WHERE c.municipality = :number AND c.data_year = :year AND s.state = 'ACCEPTED' AND s.version = :version
  AND s.ident_leg = 'FEEDBACK_OK'""")


def look(entry: Entry) -> Standing:
    """The newest version of one municipality's year."""
    return look_at_all([entry])[0]


def look_at_all(entries: Iterable[Entry]) -> tuple[Standing, ...]:
    """The same for many, in the same order; a database server that they share is connected to once."""
    with closing(_Stores()) as stores:
        return tuple(_look(stores, entry) for entry in entries)


def awaiting(entries: Iterable[Entry]) -> list[Entry]:
    """Those for whom something may come; one that cannot be asked is among them, so that its fault is told."""
    with closing(_Stores()) as stores:
        return [entry for entry in entries if _is_open(stores, entry)]


def needs_collecting(entry: Entry) -> bool:
    """Whether anything may come: an answer is awaited, or was given not long ago. True when it cannot be told."""
    return bool(awaiting([entry]))


def clock_of(entry: Entry) -> Clock:
    """The clock of a place: the machine's, or in practice the file that its settings name."""
    named = _raw(entry).get("clock_file") if entry.environment == "simulator" else None
    return file_clock(Path(named)) if named else system_clock


def year_of(entry: Entry) -> Year:
    """The data year as this place has it, with its year_file: where the deadlines of newer years stand."""
    named = _raw(entry).get("year_file")
    return load_year(entry.data_year, Path(named) if named else None)


def year_and_now(entries: Sequence[Entry]) -> tuple[Year, datetime]:
    """The year and the time as the first place that can be asked has them; all of one house and year have the same.

    The last one's error when none can be asked.
    """
    failed: Exception | None = None
    for entry in entries:
        try:
            return year_of(entry), clock_of(entry)()
        except Exception as error:  # one that is broken in whatever way stops nobody else; the look tells of it
            failed = error
    raise failed or BadSettings("Installasjonen har ingen kommuner.", place="places")


def _look(stores: _Stores, entry: Entry) -> Standing:
    who = (entry.number, entry.name, entry.data_year)
    try:
        demand_usable(entry)
        with stores.connect(entry) as store:
            rows = _rows(store, _NEWEST, number=entry.number, year=entry.data_year)
            return _standing(who, rows, right=_is_right(store, entry, rows))
    except BadInput as error:
        return Standing(*who, error=str(error))
    except Exception as error:  # the text of anything else could hold an address or a password
        return Standing(*who, error=_sentence(error))


def _sentence(error: Exception) -> str:
    if isinstance(error, SQLAlchemyError):
        return f"Databasen kan ikke leses ({type(error).__name__})."
    return f"Innstillingene kan ikke brukes ({type(error).__name__})."


def _is_open(stores: _Stores, entry: Entry) -> bool:
    if entry.trial_of and os.environ.get("KPR_STORE__URL") and not os.environ.get(TRIAL_STORE):
        return False  # one database for all: no trial can have been sent (kpr.steps.rehearsal)
    try:
        since = clock_of(entry)() - _AFTERWARDS
        with stores.connect(entry) as store:
            return bool(_rows(store, _OPEN, number=entry.number, year=entry.data_year, since=since))
    except Exception:  # collecting will say what is wrong
        return True


def _rows(store: Connection | None, query: TextClause, **values: Any) -> Sequence[RowMapping]:
    """What the query finds; nothing where there is no database yet, or one without tables."""
    if store is None:
        return ()
    try:
        return store.execute(query, values).mappings().all()
    except (OperationalError, ProgrammingError):
        store.rollback()
        if inspect(store).has_table("submission"):
            raise
        return ()


def _is_right(store: Connection | None, entry: Entry, rows: Sequence[RowMapping]) -> bool:
    if store is None or not rows or rows[0]["state"] != SubmissionState.ACCEPTED:
        return False
    asked = {"number": entry.number, "year": entry.data_year, "version": rows[0]["version"]}
    try:
        return store.execute(_RIGHT, asked).first() is not None
    except (OperationalError, ProgrammingError):
        store.rollback()
        if inspect(store).has_table("signoff"):
            raise
        return False


def _standing(who: tuple[str, str, int], rows: Sequence[RowMapping], *, right: bool) -> Standing:
    if not rows:
        return Standing(*who)
    legs = {row["kind"]: ReceiptLeg(row["receipt_leg"]) for row in rows if row["kind"]}
    return Standing(
        *who,
        state=SubmissionState(rows[0]["state"]),
        version=rows[0]["version"],
        ident_leg=IdentLeg(rows[0]["ident_leg"]),
        receipt_leg=legs.get("IPLOS", ReceiptLeg.NONE),
        trouble=next((found for found in map(_trouble, rows) if found is not Trouble.OK), Trouble.OK),
        accepted=bool(rows[0]["accepted"]),
        contradicted=bool(rows[0]["contradicted"]),
        right=right,
    )


def _trouble(row: RowMapping) -> Trouble:
    """What the transport says of a message that nothing has answered."""
    if row["attempt"] is None or ReceiptLeg(row["receipt_leg"]) not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE):
        return Trouble.OK
    return _TROUBLES.get((AttemptState(row["attempt"]), bool(row["returned"])), Trouble.OK)


_TROUBLES = {
    (AttemptState.REFUSED, True): Trouble.REFUSED,
    (AttemptState.REFUSED, False): Trouble.REFUSED,
    (AttemptState.FAILED, True): Trouble.RETURNED,
    (AttemptState.GIVEN_UP, True): Trouble.GIVEN_UP,
    (AttemptState.GIVEN_UP, False): Trouble.GIVEN_UP,
}


class _Stores:
    """The databases of one round."""

    def __init__(self) -> None:
        self._servers: dict[URL, Engine] = {}
        self._file = ""
        # One engine for all files: to make one for each takes longer than to ask.
        self._files = create_engine("sqlite://", creator=self._open, poolclass=NullPool, hide_parameters=True)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file)

    @contextmanager
    def connect(self, entry: Entry) -> Iterator[Connection | None]:
        """A connection for reading; None where there is no file yet."""
        given = (os.environ.get(TRIAL_STORE) if entry.trial_of else "") or os.environ.get("KPR_STORE__URL")
        url = make_url(given or _raw(entry)["store"]["url"])
        if url.get_backend_name() != "sqlite":
            engine = self._servers.get(url) or self._servers.setdefault(url, create_engine(url, hide_parameters=True))
            with engine.connect() as connection:
                yield connection
        elif not Path(url.database or "").exists():
            yield None
        else:
            self._file = str(url.database)
            with self._files.connect() as connection:
                yield connection

    def close(self) -> None:
        """Let go of the servers."""
        for engine in self._servers.values():
            engine.dispose()


def _raw(entry: Entry) -> dict[str, Any]:
    """The settings file, looked into without checking it all: that takes longer than the question."""
    try:
        raw = parsed(entry.settings_file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings("Innstillingsfilen kan ikke leses.", place=entry.settings_file.name) from None
    if not isinstance(raw, dict):
        raise BadSettings("Innstillingsfilen er tom.", place=entry.settings_file.name)
    return {"store": {"url": "sqlite:///kpr.sqlite"}} | resolve_paths(raw, entry.settings_file.parent.resolve())
