"""Audit: does the log of events still say what was written, and who did what in which role."""

from __future__ import annotations

import io
import json
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kpr.errors import Altered, BadInput, BadMessage, Locked
from kpr.steps.purge import certificate_file
from kpr.steps.workplace import Workplace
from kpr.store import Event, KeptKind
from kpr.store.chain import Break, first_break, read_log

_HEAD = re.compile(r"[0-9a-f]{64}")

#: Where a proof (kpr proof) says what the head was when it was made; a purge certificate names it the same.
PROOF_PART, PROOF_FIELD = "proof.json", "event_head"

#: No proof is near this; a larger part is not read.
_MAX_PROOF = 50_000_000


@dataclass(frozen=True, slots=True)
class Audit:
    """What the log is like. ``known``: the heads from elsewhere that it was held against; ``broken``: None when whole."""

    events: int
    head: str
    known: tuple[str, ...]
    broken: Break | None


def verify(place: Workplace, head: str = "") -> Audit:
    """Hold the log against its own chain, and against every head that was kept elsewhere. BadInput for no such head.

    Those are ``head``, the living proofs' and the purge certificates': what was taken away at the end together with the
    cycle's own head shows only against one of them.
    """
    said = head.strip().lower()
    if said and not _HEAD.fullmatch(said):
        raise BadInput("Merket er ikke 64 sifre 0-9 og a-f.", place="--head", remedy="Skriv det som ble tatt vare på.")
    known = tuple(dict.fromkeys(each for each in (said, *proved_heads(place), *purged_heads(place)) if each))
    with place.store.transaction() as session:
        events, own = read_log(session, place.store.cycle_id)
    return Audit(len(events), own, known, first_break(events, own, known))


def log(place: Workplace) -> list[Event]:
    """Every event of this year, oldest first, with person and role. Altered when one of them cannot be read."""
    with place.store.transaction() as session:
        events, _ = read_log(session, place.store.cycle_id)
    if None in events:
        number = events.index(None) + 1
        raise Altered(f"Hendelse {number} i loggen kan ikke leses: den er endret. Se «kpr audit verify».")
    return [event for event in events if event is not None]


def head(place: Workplace) -> str:
    """The head of the log: 64 hex digits, or empty before the first event. Kept elsewhere, it proves all before it."""
    with place.store.transaction() as session:
        return read_log(session, place.store.cycle_id)[1]


def proved_heads(place: Workplace) -> tuple[str, ...]:
    """The heads in the proofs that are kept here, oldest first; one of before there were heads has none.

    BadMessage when a proof that should be here is gone or cannot be read. One whose season key a purge has destroyed is
    passed over: a restored backup brings such rows back.
    """
    heads = []
    for kept in place.kept.every(KeptKind.PROOF):
        with suppress(Locked):
            heads.append(_head_in(place.kept.read(kept)))
    return tuple(each for each in heads if each)


def purged_heads(place: Workplace) -> tuple[str, ...]:
    """The heads in this cycle's purge certificates beside the vault; one of before it was written there has none."""
    first = certificate_file(place)
    files = sorted(first.parent.glob(f"purged-{place.label}-*.json"))
    return tuple(each for each in map(_head_of_purge, files) if each)


def _head_of_purge(file: Path) -> str:
    try:
        return _as_head(json.loads(file.read_bytes()).get(PROOF_FIELD))
    except (OSError, ValueError, RecursionError, AttributeError):
        raise BadMessage(
            "Slettebeviset kan ikke leses.", place=file.name, remedy="Hent det fra en sikkerhetskopi av hvelvet."
        ) from None


def _head_in(proof: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(proof)) as bundle:
            if bundle.getinfo(PROOF_PART).file_size > _MAX_PROOF:
                raise ValueError
            return _as_head(json.loads(bundle.read(PROOF_PART)).get(PROOF_FIELD))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, AttributeError):
        raise BadMessage(
            "Et bevis som er tatt vare på her, kan ikke leses.",
            place="vault",
            remedy="Hent hvelvet fra en sikkerhetskopi; kjør «kpr proof verify» på din egen kopi av beviset.",
        ) from None


def _as_head(said: object) -> str:
    return said if isinstance(said, str) and _HEAD.fullmatch(said) else ""
