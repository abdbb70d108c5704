"""Make the proof of a submission from what the store knows, sign it and keep it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from kpr import __version__
from kpr.errors import KprError, Locked
from kpr.log import blot
from kpr.mirror.compare import Compared
from kpr.mirror.document import read_document
from kpr.mirror.rows import SMALL
from kpr.proof import facts as f
from kpr.proof.bundle import FACTS, PAGE
from kpr.proof.page import proof_page
from kpr.proof.signed import signed_bundle
from kpr.steps.audit import log
from kpr.steps.last_year import read_kept
from kpr.steps.officer import version_of
from kpr.steps.status import status
from kpr.steps.workplace import Workplace
from kpr.store import Event, Kept, KeptKind, Message, SignOff, Submission


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was made: the name for its file, and its bytes."""

    name: str
    content: bytes
    sha256: str


def make_proof(place: Workplace, *, by: str = "kpr", version: int | None = None) -> Proof:
    """The signed bundle of a version (the newest), kept as well. Locked before anything was sent."""
    submission = version_of(place, version) if version is not None else place.store.latest()
    if submission is None or not place.store.messages(submission.id):
        raise Locked("Ingenting er sendt av denne versjonen, så det er ikke noe å bevise ennå.")
    told = gather(place, submission, log(place))
    parts = {FACTS: f.facts_json(told), PAGE: proof_page(told)}
    content = signed_bundle(parts, place.signing_identity)
    note = f"versjon {submission.version}"
    kept = place.kept.keep(KeptKind.PROOF, content, place.act(by), submission_id=submission.id, note=note)
    return Proof(f"bevis-{place.label}-{submission.version}.zip", content, kept.sha256)


def gather(place: Workplace, submission: Submission, events: Sequence[Event]) -> f.ProofFacts:
    """All that a proof says of a version; ``events`` is the log up to the head that it shall name, of the whole year."""
    settings, signed = place.settings, place.judgements.signed_off(submission.id)
    view = _signed_view(place, signed) if signed else place.kept.newest(KeptKind.VIEW, submission.id)
    return f.ProofFacts(
        format=f.FORMAT,
        made_at=_at(place.clock()),
        program=f"kpr {__version__}",
        whose=f.Whose(
            settings.municipality.number,
            settings.municipality.name,
            settings.municipality.organisation_number,
            settings.data_year,
            submission.version,
            submission.sequence_number,
            settings.environment.value,
        ),
        standing=_standing(place, submission),
        extract_sha256=submission.extract_sha256 or "",
        approved_by=blot(submission.approved_by or ""),
        approval_reason=blot(submission.approval_reason or ""),
        mended=blot(submission.mended),
        rules=dict(_rules(place)),
        messages=tuple(_message(place, message) for message in place.store.messages(submission.id)),
        answers=tuple(_answers(place, submission)),
        reasons=tuple(_reasons(place, submission)),
        view=(view_rows(place, view) or ()) if view else (),
        signed=signature_fact(signed) if signed else None,
        event_head=events[-1].chain if events else "",
        events=tuple(_events(events, submission)),
    )


def _at(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def _standing(place: Workplace, submission: Submission) -> f.Standing:
    answers = status(place, submission).verdict
    state, ident_leg = submission.state.value, submission.ident_leg.value
    return f.Standing(state, ident_leg, answers.delivered, answers.accepted, answers.right)


def signature_fact(signed: SignOff) -> f.SignatureFact:
    """Who signed, as a proof says it."""
    return f.SignatureFact(blot(signed.who), _at(signed.at), blot(signed.why))


def _rules(place: Workplace) -> Iterator[tuple[str, str]]:
    """The files that say what was checked: rules, code lists, and the year's values."""
    for package, names in (("kpr.checks", _RULES), ("kpr.years", (f"{place.settings.data_year}.yaml", *_LISTS))):
        for name in names:
            file = resources.files(package) / "data" / name
            if file.is_file():
                yield name, hashlib.sha256(file.read_bytes()).hexdigest()
    if place.settings.year_file:
        yield "year_file", hashlib.sha256(Path(place.settings.year_file).read_bytes()).hexdigest()


_RULES = ("content-rules.yaml", "ident-rules.yaml", "register-3.5.yaml", "register-3.7.yaml")
_LISTS = ("code-lists.yaml", "municipalities.yaml")


def _message(place: Workplace, message: Message) -> f.MessageFact:
    transports = tuple(
        f.TransportFact(
            each.message_id,
            each.state.value,
            _at(each.opened_at),
            _at(each.ended_at),
            each.tries,
            each.protected_sha256 or "",
        )
        for each in place.attempts.of_message(message.id)
    )
    return f.MessageFact(
        message.kind.value,
        message.message_type,
        message.msg_id,
        _at(message.generated),
        message.content_sha256 or "",
        message.content_size or 0,
        message.persons,
        message.receipt_leg.value,
        message.receipt_codes,
        transports,
    )


def _answers(place: Workplace, submission: Submission) -> Iterator[f.AnswerFact]:
    for entry in place.store.inbox_of(submission.id):
        try:
            raw = place.vault.get(entry.raw_name, entry.wrapped_key)
            digest = hashlib.sha256(raw).hexdigest()
        except KprError:  # purged, or the file is gone: what it said stays said
            digest = ""
        yield f.AnswerFact(entry.kind.value, blot(entry.verdict), _at(entry.received_at), digest)


def _reasons(place: Workplace, submission: Submission) -> Iterator[f.ReasonFact]:
    for each in place.judgements.reasons(submission.id):
        now, before = _shown(each.now), _shown(each.before)
        yield f.ReasonFact(each.rule, each.line, now, before, blot(each.who), _at(each.at), blot(each.why))


def _shown(count: int) -> int | None:
    return None if 0 < count < SMALL else count


def _signed_view(place: Workplace, signed: SignOff) -> Kept | None:
    """What was signed, whatever was kept since; None when it has been purged."""
    return next((kept for kept in place.kept.every(KeptKind.VIEW) if kept.id == signed.kept_id), None)


def view_rows(place: Workplace, kept: Kept) -> tuple[f.ViewFact, ...] | None:
    """The rows of a kept view; None when it cannot be read."""
    raw = read_kept(place, kept)
    return tuple(map(_row, read_document(raw).compared)) if raw else None


def _row(line: Compared) -> f.ViewFact:
    row, said = line.row, line.explanation
    ours: float | None = row.percent if row.of is not None else row.persons
    theirs = line.given.number if line.given else None
    hidden = row.is_small
    return f.ViewFact(
        row.name,
        None if hidden or ours is None else round(ours, 1),
        None if hidden or (row.of is None and theirs is not None and 0 < theirs < SMALL) else theirs,
        line.agreement.value,
        blot(said.who) if said else "",
        blot(said.why) if said else "",
    )


def _events(events: Sequence[Event], submission: Submission) -> Iterator[f.EventFact]:
    for each in events:
        if each.submission_id in (None, submission.id):
            yield f.EventFact(
                _at(each.at),
                blot(each.who),
                each.role,
                each.what,
                each.event,
                each.from_state,
                each.to_state,
                blot(each.why),
                each.chain,
            )
