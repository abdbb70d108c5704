"""Audit: does the log of events still say what was written, and who did what in which role."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass

from kpr.errors import BadInput, BadMessage
from kpr.steps.workplace import Workplace
from kpr.store import Event, KeptKind
from kpr.store.chain import Break, first_break, read_log

_HEAD = re.compile(r"[0-9a-f]{64}")

#: Where a proof (kpr proof) says what the head was when it was made.
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
    """Hold the log against its own chain, against ``head`` and against the newest proof. BadInput for no such head.

    What was taken away at the end together with the cycle's own head shows only against a head that was kept elsewhere.
    """
    said = head.strip().lower()
    if said and not _HEAD.fullmatch(said):
        raise BadInput("Merket er ikke 64 sifre 0-9 og a-f.", place="--head", remedy="Skriv det som ble tatt vare på.")
    proved = proved_head(place)
    known = tuple(dict.fromkeys(each for each in (said, proved) if each))
    with place.store.transaction() as session:
        events, own = read_log(session, place.store.cycle_id)
    return Audit(len(events), own, known, first_break(events, own, known))


def log(place: Workplace) -> list[Event]:
    """Every event of this year, oldest first, with person and role."""
    return place.store.events()


def head(place: Workplace) -> str:
    """The head of the log: 64 hex digits, or empty before the first event. Kept elsewhere, it proves all before it."""
    with place.store.transaction() as session:
        return read_log(session, place.store.cycle_id)[1]


def proved_head(place: Workplace) -> str:
    """The head in the newest proof that was kept here; empty without one, or when it is of before there were heads."""
    kept = place.kept.newest(KeptKind.PROOF)
    return _head_in(place.kept.read(kept)) if kept else ""


def _head_in(proof: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(proof)) as bundle:
            if bundle.getinfo(PROOF_PART).file_size > _MAX_PROOF:
                raise ValueError
            said = json.loads(bundle.read(PROOF_PART)).get(PROOF_FIELD, "")
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError):
        raise BadMessage(
            "Det nyeste beviset kan ikke leses.", place="vault", remedy="Kjør «kpr proof verify» på din egen kopi."
        ) from None
    return said if isinstance(said, str) and _HEAD.fullmatch(said) else ""
