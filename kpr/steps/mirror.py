"""The mirror of the register's view: count the bytes that were sent, take the view's numbers, compare, sign.

Signing is the only way to the third verdict, *right*.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from kpr.checks.register_view import register_view
from kpr.errors import BadInput, BadMessage, Locked
from kpr.free_text import refuse_ids
from kpr.mirror.compare import Explanation, Given
from kpr.mirror.document import ViewDocument, document_json, read_document, view_document
from kpr.mirror.pasted import GivenView, read_view
from kpr.people import Deed
from kpr.sources.work_rows import load
from kpr.sources.xml_files import XmlSource
from kpr.steps.last_year import last_year
from kpr.steps.workplace import Workplace
from kpr.store import Kept, KeptKind, Message, MessageKind, SignOff, Submission
from kpr.store.judgements import demand_accepted


@dataclass(frozen=True, slots=True)
class Mirror:
    """The newest version's mirror, with who signed it, if anybody did."""

    submission: Submission
    document: ViewDocument
    kept: Kept
    signed: SignOff | None


def mirror(place: Workplace) -> Mirror:
    """The mirror of the newest version: as it was kept, or counted now. Locked while nothing has been built."""
    submission, message = _built(place)
    kept = place.kept.newest(KeptKind.VIEW, submission.id)
    if kept is None:
        kept = _keep(place, submission, _count(place, submission, message))
    signed = place.judgements.signed_off(submission.id)
    return Mirror(submission, read_document(place.kept.read(kept)), kept, signed)


def give(place: Workplace, raw: bytes, *, by: str, name: str = "", rest_is_zero: bool = False) -> GivenView:
    """Keep the view's numbers; BadInput, and nothing is kept, when a row cannot be understood."""
    place.demand(Deed.REASON, by)
    seen = _unsigned(place)
    given = read_view(raw, seen.document.rows, name=name, data_year=place.settings.data_year)
    document = seen.document.with_given(given.numbers)
    if rest_is_zero:
        rest = (row.name for row in document.rows if row.table == "T1" and row.name not in document.given)
        document = document.with_given(dict.fromkeys(rest, Given(0.0)))
    _keep(place, seen.submission, document, by)
    return given


def explain_row(place: Workplace, row: str, *, why: str, by: str) -> Mirror:
    """Write down why a row may differ, or why it could not be given. BadInput when there is nothing to explain."""
    refuse_ids(f"{why} {by}", "--why, --by")
    if not why.strip() or not by.strip():
        raise BadInput("Forklaringen eller navnet mangler.", place="--why, --by", remedy="Skriv begge.")
    place.demand(Deed.REASON, by)
    seen = _unsigned(place)
    asked = {line.row.name.lower(): line for line in seen.document.unsettled}
    line = asked.get(row.strip().lower())
    if line is None:
        names = ", ".join(each.row.name for each in asked.values()) or "ingen"
        raise BadInput("Ingen slik rad venter på en forklaring.", place="--row", remedy=f"Radene er: {names}.")
    act = place.act(by, why.strip())
    number = line.given.number if line.given else None
    said = Explanation(by, act.at.isoformat(), why.strip(), number)
    _keep(place, seen.submission, seen.document.with_explanation(line.row.name, said), by)
    return mirror(place)


def sign(place: Workplace, *, by: str, why: str = "") -> SignOff:
    """Write down that the view agrees with what was sent. Locked with what is missing when it may not be written."""
    refuse_ids(f"{why} {by}", "--why, --by")
    if not by.strip():
        raise BadInput("Navnet mangler.", place="--by", remedy="Skriv rollen eller navnet ditt.")
    place.demand(Deed.SIGN_OFF, by)
    seen = mirror(place)
    demand_accepted(seen.submission)
    if not seen.document.given:
        raise Locked("Visningens tall er ikke gitt ennå. Gi dem med «kpr view give».")
    if waiting := [line.row.name for line in seen.document.unsettled]:
        names = ", ".join(waiting[:10]) + (" …" if len(waiting) > 10 else "")
        raise Locked(f"{len(waiting)} rader er verken like eller forklart: {names}. Se «kpr view compare».")
    return place.judgements.sign_off(seen.submission.id, seen.kept.id, place.act(by, why.strip()))


def _unsigned(place: Workplace) -> Mirror:
    seen = mirror(place)
    if seen.signed is not None:
        raise Locked("Innsendingen er alt meldt riktig. Det som ble underskrevet, endres ikke.")
    return seen


def _built(place: Workplace) -> tuple[Submission, Message]:
    latest = place.store.latest()
    messages = place.store.messages(latest.id) if latest else []
    built = [each for each in messages if each.kind is MessageKind.IPLOS and each.content_sha256]
    if latest is None or not built:
        raise Locked("Ingen melding er bygd ennå, så det er ikke noe å holde opp mot registerets visning.")
    return latest, built[0]


def _count(place: Workplace, submission: Submission, message: Message) -> ViewDocument:
    """One pass over the message as it was sent; BadMessage when the bytes are no longer those that were recorded."""
    known = last_year(place).figures
    with place.vault.open(message.content_name, submission.wrapped_key) as content:
        hashed = _Hashed(content)
        work = load(XmlSource(place.shape, lambda: cast(BinaryIO, hashed), None), place.shape)
        if hashed.all() != message.content_sha256:
            raise BadMessage("The kept message is not the one that was built.", place="vault", remedy="Restore it.")
    view = register_view(work, place.year, known.lines if known else None)
    settings = place.settings
    return view_document(
        settings.municipality.number, settings.data_year, submission.version, message.content_sha256 or "", view
    )


def _keep(place: Workplace, submission: Submission, document: ViewDocument, by: str = "kpr") -> Kept:
    act = place.act(by)
    return place.kept.keep(KeptKind.VIEW, document_json(document), act, submission_id=submission.id)


class _Hashed(io.BufferedIOBase):
    """A stream that hashes what is read of it, and stays open for its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream, self._digest = stream, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        piece = self._stream.read(-1 if size is None else size)
        self._digest.update(piece)
        return piece

    def close(self) -> None:
        """The reader closes it at the message's end; what stands behind is read by :meth:`all`."""

    def all(self) -> str:
        """The hash of everything, in hex."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()
