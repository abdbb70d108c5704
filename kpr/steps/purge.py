"""Purge: make what was sent and received unreadable for ever, by destroying its keys, and write that down (S8).

The order makes a kill harmless: the certificate is written first and counts what is there, then the keys are
destroyed in one transaction together with the event, then the files, which are unreadable by then, are removed. A run
after a kill finishes what is left. A backup that is restored brings the files back, but not the keys: keep the
backups of the database no longer than you keep the data.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from kpr.errors import Locked
from kpr.guard import Approval
from kpr.purging import refusal
from kpr.steps.workplace import Workplace
from kpr.store import Inbox, Message, Submission
from kpr.store.tables import Attempt

EVENT = "PURGED"
DESTROYED = b""


@dataclass(frozen=True, slots=True)
class _Held:
    """What one cycle holds: rows with a key, and the vault's names of all their files."""

    submissions: tuple[Submission, ...]
    messages: tuple[Message, ...]
    attempts: tuple[Attempt, ...]
    inbox: tuple[Inbox, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every file of the vault that belongs to them."""
        return (
            *(submission.rows_name for submission in self.submissions),
            *(message.content_name for message in self.messages),
            *(attempt.protected_name for attempt in self.attempts),
            *(entry.raw_name for entry in self.inbox),
        )


def purge(place: Workplace, *, by: str, approval: Approval | None = None) -> str:
    """Purge this municipality's year; the SHA-256 of the certificate. Locked, with the reason, when it may not be yet.

    Done twice it does nothing, and gives the same certificate.
    """
    held = _held(place)
    done = _done(place)
    if done is None:
        _demand(place, held, approval or Approval())
        done = _write_certificate(place, held, by)
        _destroy_keys(place, by, done)
    for name in held.names:
        place.vault.remove(name)
    return done


def _demand(place: Workplace, held: _Held, approval: Approval) -> None:
    states = frozenset(submission.state for submission in held.submissions)
    days = place.settings.purge_days_after
    no = refusal(place.year, states, place.clock(), approval, days_after=days)
    if no is not None:
        raise Locked(no.nb)


def _held(place: Workplace) -> _Held:
    with place.store.transaction() as session:
        submissions = session.exec(select(Submission).where(Submission.cycle_id == place.store.cycle_id)).all()
        ids = [submission.id for submission in submissions]
        messages = session.exec(select(Message).where(col(Message.submission_id).in_(ids))).all()
        refs = [message.id for message in messages]
        attempts = session.exec(select(Attempt).where(col(Attempt.message_ref).in_(refs))).all()
        inbox = session.exec(select(Inbox).where(Inbox.cycle_id == place.store.cycle_id)).all()
        return _Held(tuple(submissions), tuple(messages), tuple(attempts), tuple(inbox))


def _done(place: Workplace) -> str | None:
    """The certificate's SHA-256 when this cycle was purged before."""
    return next((event.why for event in place.store.events() if event.event == EVENT), None)


def certificate_file(place: Workplace) -> Path:
    """Where the certificate lies: beside the vault's files, and never removed."""
    return place.vault.folder / f"purged-{place.label}.json"


def _write_certificate(place: Workplace, held: _Held, by: str) -> str:
    content = json.dumps(_certificate(place, held, by), indent=1, sort_keys=True).encode()
    file = certificate_file(place)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)
    return hashlib.sha256(content).hexdigest()


def _certificate(place: Workplace, held: _Held, by: str) -> dict[str, Any]:
    """Ids, hashes, counts and times: nothing about persons."""
    return {
        "municipality": place.settings.municipality.number,
        "data_year": place.settings.data_year,
        "purged_at": place.clock().isoformat(),
        "by": by,
        "submissions": {each.id: each.state.value for each in held.submissions},
        "messages": {each.msg_id: each.content_sha256 for each in held.messages},
        "files": sum(place.vault.holds(name) for name in held.names),
    }


def _destroy_keys(place: Workplace, by: str, digest: str) -> None:
    """Every wrapped data key of this cycle is overwritten, and it is written down in the same transaction."""
    with place.store.transaction() as session:
        _overwrite(session, Submission, place.store.cycle_id)
        _overwrite(session, Inbox, place.store.cycle_id)
        place.store.note(session, place.act(by, digest), "cycle", EVENT)


def _overwrite(session: Session, table: type[Submission] | type[Inbox], cycle_id: str) -> None:
    for row in session.exec(select(table).where(table.cycle_id == cycle_id)).all():
        row.wrapped_key = DESTROYED
        session.add(row)
