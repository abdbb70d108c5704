"""How one municipality stands, asked of its store alone: quick enough to ask hundreds at a time.

Neither keys, mailbox nor transport are opened, and no table is brought up to date: a place that has never been opened
has no database, and stands where nothing has been extracted. One that cannot be asked says so, and stops nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from kpr.clock import Clock, file_clock, system_clock
from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadInput, BadSettings
from kpr.fleet.board import Standing
from kpr.fleet.installation import Entry
from kpr.settings_file import resolve_paths

#: An accepted version may still be withdrawn, or get a second receipt: it is looked after for so long.
_AFTERWARDS = timedelta(days=14)

_NEWEST = text(
    "SELECT s.id, s.state, s.version, s.ident_leg, s.opened_at FROM submission s JOIN cycle c ON c.id = s.cycle_id "
    "WHERE c.municipality = :number AND c.data_year = :year ORDER BY s.version DESC LIMIT 1"
)
_MESSAGES = text("SELECT id, kind, receipt_leg FROM message WHERE submission_id = :id")
_ATTEMPTS = text(
    "SELECT a.state FROM attempt a JOIN message m ON m.id = a.message_ref WHERE m.submission_id = :id "
    "AND a.number = (SELECT MAX(number) FROM attempt WHERE message_ref = m.id)"
)
_OPEN = text(
    "SELECT COUNT(*) FROM submission s JOIN cycle c ON c.id = s.cycle_id WHERE c.municipality = :number "
    "AND c.data_year = :year AND (s.state IN ('SENDING', 'AWAITING', 'REJECTED') OR (s.state = 'ACCEPTED' AND EXISTS "
    "(SELECT 1 FROM event e WHERE e.submission_id = s.id AND e.event = 'BOTH_LEGS_GOOD' AND e.at > :since)))"
)


def look(entry: Entry) -> Standing:
    """The newest version of one municipality's year."""
    who = (entry.number, entry.name, entry.data_year)
    try:
        with _store(entry) as store:
            return _standing(store, who) if store is not None else Standing(*who)
    except SQLAlchemyError:
        return Standing(*who, error="databasen kan ikke leses")
    except (BadInput, OSError) as error:
        return Standing(*who, error=str(error) if isinstance(error, BadInput) else "innstillingene kan ikke leses")


def needs_collecting(entry: Entry) -> bool:
    """Whether anything may come: an answer is awaited, or was given not long ago. True when it cannot be told."""
    try:
        with _store(entry) as store:
            if store is None:
                return False
            since = (clock_of(entry)() - _AFTERWARDS).replace(tzinfo=None)
            values = {"number": entry.number, "year": entry.data_year, "since": since}
            return bool(store.execute(_OPEN, values).scalar())
    except (SQLAlchemyError, BadInput, OSError):
        return True


def clock_of(entry: Entry) -> Clock:
    """The clock of a place: the machine's, or in practice the file that its settings name."""
    named = _raw(entry).get("clock_file")
    return file_clock(Path(named)) if named else system_clock


def _standing(store: Connection, who: tuple[str, str, int]) -> Standing:
    newest = store.execute(_NEWEST, {"number": who[0], "year": who[2]}).mappings().first()
    if newest is None:
        return Standing(*who)
    messages = store.execute(_MESSAGES, {"id": newest["id"]}).mappings().all()
    legs = {message["kind"]: ReceiptLeg(message["receipt_leg"]) for message in messages}
    attempts = store.execute(_ATTEMPTS, {"id": newest["id"]}).scalars()
    return Standing(
        *who,
        state=SubmissionState(newest["state"]),
        version=newest["version"],
        ident_leg=IdentLeg(newest["ident_leg"]),
        receipt_leg=legs.get("IPLOS", ReceiptLeg.NONE),
        attempts=frozenset(AttemptState(state) for state in attempts),
    )


@contextmanager
def _store(entry: Entry) -> Iterator[Connection | None]:
    """A connection for reading; None where there is no database yet."""
    url = make_url(os.environ.get("KPR_STORE__URL") or _raw(entry)["store"]["url"])
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield None
        return
    engine = create_engine(url, hide_parameters=True, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _raw(entry: Entry) -> dict[str, Any]:
    """The settings file, looked into without checking it all: that takes longer than the question."""
    raw = yaml.load(entry.settings_file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    if not isinstance(raw, dict):
        raise BadSettings("Innstillingsfilen er tom.", place=entry.settings_file.name)
    return {"store": {"url": "sqlite:///kpr.sqlite"}} | resolve_paths(raw, entry.settings_file.parent.resolve())
