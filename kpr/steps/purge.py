"""Purge: make what was sent and received unreadable for ever, by destroying its keys, and write that down (S8).

The order makes a kill harmless. First nothing new is wrapped under the season keys that shall go. In one transaction
the data keys are locked and overwritten, the certificate is put beside the vault's files as a ``.part``, and its
SHA-256 is noted. Only after that are the season keys destroyed, which the certificate names; it gets its own name, the
files are taken away, and the database's own files are cleaned of the old values. Whatever a killed run left is
finished by the next. A backup of the store and the vault that is restored brings rows and files back, but no season key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from kpr.checks.finding import Text
from kpr.errors import Locked
from kpr.guard import Approval
from kpr.people import Deed
from kpr.purging import opens, outlived, refusal
from kpr.security.season_keys import keep_entry
from kpr.security.throwaway import write_private
from kpr.security.vault import PAYLOAD, clear_errors, season_of
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind
from kpr.store.held import Held, Holdings
from kpr.store.kept import season_kind
from kpr.store.schema import scrub
from kpr.store.tables import Cycle

EVENT = "PURGED"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a purge would do now. ``refused`` says why it may not; ``purged``: how often it has been done."""

    submissions: int
    received: int
    documents: int
    files: int
    allowed_after: datetime | None
    refused: Text | None
    purged: int


def outlook(place: Workplace, approval: Approval | None = None) -> Outlook:
    """What would be purged, and whether it may be; nothing is changed."""
    with place.store.transaction() as session:
        held = Holdings(place.store).living(session, _outlived(place))
    return Outlook(
        len(held.submissions),
        len(held.inbox),
        len(held.kept),
        _files(place, held),
        opens(place.year, place.settings.purge_days_after, _right_at(place)),
        _refused(place, approval or Approval()) if held else None,
        len(_certificates(place)),
    )


def purge(place: Workplace, *, by: str, approval: Approval | None = None) -> str:
    """Purge this municipality's year; the SHA-256 of the newest certificate, empty when there is nothing to certify.

    Locked, with the reason, when it may not be done yet. Done twice it does nothing.
    """
    approval = approval or Approval(frozenset({by}))
    place.demand(Deed.PURGE, *(approval.persons | {by}))
    _finish(place)
    if (refused := outlook(place, approval).refused) is not None:
        raise Locked(refused.nb)
    _destroy(place, sorted(approval.persons | {by}), approval.reason)
    _finish(place)
    return next(reversed(_certificates(place)), "")


def _destroy(place: Workplace, who: list[str], reason: str) -> None:
    """The data keys, in one transaction with the certificate; the season keys are left for what follows."""
    kinds = _outlived(place)
    seasonal = [PAYLOAD, *map(season_kind, kinds)]
    with place.vault.leaving(seasonal) as seasons, place.store.transaction() as session:
        held = Holdings(place.store).living(session, kinds)
        if held:
            Holdings(place.store).destroy_keys(session, held)
            digest = _prepare(place, _certificate(place, held, who, reason, seasons, _head(place, session)))
            place.store.note(session, place.act(", ".join(who), digest), "cycle", EVENT)


def _refused(place: Workplace, approval: Approval) -> Text | None:
    days, right_at = place.settings.purge_days_after, _right_at(place)
    return refusal(place.year, place.store.formers(), place.clock(), approval, days_after=days, right_at=right_at)


def _right_at(place: Workplace) -> datetime | None:
    """When the newest version was found right; None while it is not."""
    latest = place.store.latest()
    signed = place.judgements.signed_off(latest.id) if latest else None
    return signed.at if signed else None


def _outlived(place: Workplace) -> tuple[KeptKind, ...]:
    """The kinds of documents beside the messages that have been kept long enough."""
    over = outlived(place.year, place.settings.retention.model_dump(), place.clock())
    return tuple(kind for kind in KeptKind if kind.value.lower() in over)


def _files(place: Workplace, held: Held) -> int:
    return sum(place.vault.holds(name) for name in held.names)


# -- the certificate ---------------------------------------------------------------------------------------------------


def certificate_file(place: Workplace, number: int = 1) -> Path:
    """Where a certificate lies: beside the vault's files, and never removed. A cycle's first is number 1."""
    return place.vault.folder / f"purged-{place.label}-{number}.json"


def _certificates(place: Workplace) -> list[str]:
    """The SHA-256 of this cycle's certificates, oldest first."""
    return [event.why for event in place.store.events() if event.event == EVENT]


def _certificate(
    place: Workplace, held: Held, who: list[str], reason: str, seasons: Collection[bytes], head: str
) -> dict[str, Any]:
    """Ids, hashes, counts and times: nothing about persons in the extract."""
    return {
        "municipality": place.settings.municipality.number,
        "data_year": place.settings.data_year,
        "purged_at": place.clock().isoformat(),
        "by": who,
        "reason": reason,
        "submissions": [_submission(held, number) for number in range(len(held.submissions))],
        "received": len(held.inbox),
        "documents": [
            {"kind": each.kind.value, "made_at": each.made_at.isoformat(), "sha256": each.sha256} for each in held.kept
        ],
        "files": _files(place, held),
        "season_keys": [season.hex() for season in seasons],
        "event_head": head,
        "not_covered": [*_still_in_backups(held), "copies of the season keys", *_ELSEWHERE],
    }


_ELSEWHERE = ("the mailbox", "the care-record system and its export", "the transport")


def _still_in_backups(held: Held) -> list[str]:
    """What was kept before there were season keys needs none: a backup of the store brings its data keys back."""
    keys = [row.wrapped_key for rows in (held.submissions, held.inbox, held.kept) for row in rows]
    return [] if all(map(season_of, keys)) else ["backups"]


def _head(place: Workplace, session: Session) -> str:
    """The mark of the log as it stands: held against this file, a database from before the purge shows itself."""
    return session.get_one(Cycle, place.store.cycle_id).head


def _submission(held: Held, number: int) -> dict[str, Any]:
    submission = held.submissions[number]
    messages = [message for message in held.messages if message.submission_id == submission.id]
    sent = {each.id: [a.protected_sha256 for a in held.attempts if a.message_ref == each.id] for each in messages}
    return {
        "id": submission.id,
        "version": submission.version,
        "state": submission.state.value,
        "messages": [
            {
                "kind": each.kind.value,
                "msg_id": each.msg_id,
                "sha256": each.content_sha256,
                "sent_sha256": sent[each.id],
            }
            for each in messages
        ],
    }


def _prepare(place: Workplace, certificate: dict[str, Any]) -> str:
    """Put the certificate beside the vault's files, under no name of its own yet; its SHA-256."""
    content = json.dumps(certificate, indent=1, sort_keys=True, ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()
    file = certificate_file(place, len(_certificates(place)) + 1)
    with clear_errors():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stray in file.parent.glob(f"{file.stem}.*.part"):  # of a run that was killed before it destroyed anything
            stray.unlink()
        part = _part(file, digest)
        write_private(part, content)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        keep_entry(file.parent)
    return digest


def _part(file: Path, digest: str) -> Path:
    return file.with_suffix(f".{digest[:16]}.part")


# -- what follows when the keys are gone -------------------------------------------------------------------------------


def _finish(place: Workplace) -> None:
    """Destroy the season keys, name the certificates, take away the files that nobody can read, clean the database's.

    Again at any time. A certificate that has its name says that the season keys in it are gone.
    """
    certificates = _certificates(place)
    if not certificates:
        return
    for number, digest in enumerate(certificates, 1):
        file = certificate_file(place, number)
        if (part := _part(file, digest)).exists():
            place.vault.destroy_seasons(_seasons_of(part))
            with clear_errors():
                _step_aside(file)
                part.replace(file)
                keep_entry(file.parent)
    with clear_errors():
        place.vault.remove_all(Holdings(place.store).destroyed().names)
    scrub(place.store.engine)


def _seasons_of(certificate: Path) -> tuple[bytes, ...]:
    with clear_errors():
        return tuple(bytes.fromhex(each) for each in json.loads(certificate.read_bytes()).get("season_keys", ()))


def _step_aside(file: Path) -> None:
    """A certificate of a purge that a restored database has forgotten keeps its content, under a name of its own."""
    if file.exists():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        file.rename(file.with_suffix(f".{digest[:16]}.json"))
