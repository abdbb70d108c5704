"""Hold a proof against what is here: the store's own facts of that version, as of the proof's head of the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlmodel import select

from kpr.checks.finding import Text
from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState, Verdict, verdict
from kpr.errors import BadInput
from kpr.proof.differences import differences
from kpr.proof.facts import facts_json
from kpr.proof.verify import Verified
from kpr.steps.audit import log
from kpr.steps.officer import version_of
from kpr.steps.proof import gather, signature_fact, view_rows
from kpr.steps.workplace import Workplace
from kpr.store import Event, KeptKind, MessageKind, SignOff, Submission

#: Which events change where a version stands.
_MOVES = frozenset({"submission", "ident", "receipt", "attempt", "view"})


def compare_with_store(place: Workplace, proof: Verified) -> tuple[Text, ...]:
    """Where a proof and this municipality's store say something else of the same version; BadInput for another's proof."""
    said, settings = proof.said, place.settings
    whose = said["whose"]
    if (whose["municipality"], whose["data_year"]) != (settings.municipality.number, settings.data_year):
        raise BadInput(
            "Beviset er for en annen kommune eller et annet år enn innstillingene.",
            place="--settings",
            remedy="Velg innstillingene til den kommunen, eller kontroller beviset uten dem.",
        )
    submission = version_of(place, whose["version"])
    events = log(place)
    chains = [event.chain for event in events]
    if said["event_head"] not in chains:
        return (
            Text(
                "event_head: merket finnes ikke i hendelsesloggen her. Se «kpr audit verify».",
                "event_head: the head is not in the log of events here. See «kpr audit verify».",
            ),
        )
    end = chains.index(said["event_head"]) + 1
    now = _told_then(place, submission, events[:end], events[end:])
    return tuple(differences(said, now, {event.what for event in events[end:]}))


def _told_then(
    place: Workplace, submission: Submission, then: Sequence[Event], later: Sequence[Event]
) -> dict[str, Any]:
    """The facts as JSON gives them; of ``standing`` only what the log can tell, and None for a view that is gone."""
    told: dict[str, Any] = json.loads(facts_json(gather(place, submission, then)))
    own = [event for event in then if event.submission_id == submission.id]
    signed = _signed_then(place, submission, own)
    told["signed"] = asdict(signature_fact(signed)) if signed else None
    told["view"] = _view_then(place, submission, own, signed)
    if not _MOVES.isdisjoint(event.what for event in later):
        told["standing"] = _standing_then(place, submission, own, right=signed is not None)
    head_at = then[-1].at.isoformat(timespec="seconds")
    for answer in told["answers"]:
        answer["before_head"] = answer["received_at"] < head_at
    return told


def _standing_then(place: Workplace, submission: Submission, own: Sequence[Event], *, right: bool) -> dict[str, Any]:
    """State and the three answers, by the log. The ident leg's first step has no event, so it is not among them."""
    refs = {message.kind: message.id for message in place.store.messages(submission.id)}
    attempts = {kind: _attempt_then(own, ref) for kind, ref in refs.items()}
    answers: Verdict = verdict(
        attempts.get(MessageKind.IDENT),
        attempts.get(MessageKind.IPLOS),
        _ident_then(own),
        _receipt_then(own, refs.get(MessageKind.IPLOS, "")),
        view_agrees=right,
    )
    return {"state": _state_then(own), **asdict(answers)}


def _state_then(own: Sequence[Event]) -> str:
    return next((event.to_state for event in reversed(own) if event.what == "submission" and event.to_state), "")


def _ident_then(own: Sequence[Event]) -> IdentLeg:
    states = [event.to_state for event in own if event.what == "ident" and event.to_state in set(IdentLeg)]
    return IdentLeg(states[-1]) if states else IdentLeg.NOT_SENT


def _receipt_then(own: Sequence[Event], ref: str) -> ReceiptLeg:
    events = [event for event in own if event.what == "receipt" and event.message_ref == ref]
    states = [event.to_state for event in events if event.to_state in set(ReceiptLeg)]
    return ReceiptLeg(states[-1]) if states else ReceiptLeg.NONE


def _attempt_then(own: Sequence[Event], ref: str) -> AttemptState | None:
    """The newest attempt's state: a further attempt is an event without a state."""
    events = [event for event in own if event.what == "attempt" and event.message_ref == ref]
    states = [event.to_state or AttemptState.PENDING for event in events]
    known = [state for state in states if state in set(AttemptState)]
    return AttemptState(known[-1]) if known else None


def _signed_then(place: Workplace, submission: Submission, own: Sequence[Event]) -> SignOff | None:
    """Who had signed; None when nobody had, or when the version was no longer accepted."""
    signed = any(event.event == "SIGNED_OFF" for event in own)
    if not signed or _state_then(own) != SubmissionState.ACCEPTED or _ident_then(own) is not IdentLeg.FEEDBACK_OK:
        return None
    with place.store.transaction() as session:
        return session.exec(select(SignOff).where(SignOff.submission_id == submission.id)).first()


def _view_then(
    place: Workplace, submission: Submission, own: Sequence[Event], signed: SignOff | None
) -> list[dict[str, Any]] | None:
    """The rows of what was signed, else of the view that was the newest; None when its document cannot be read now."""
    marks = [event.to_state for event in own if (event.what, event.event) == ("kept", KeptKind.VIEW)]
    if not marks and signed is None:
        return []
    for kept in reversed(place.kept.every(KeptKind.VIEW)):
        newest = kept.submission_id == submission.id and kept.sha256.startswith(marks[-1])
        if kept.id == signed.kept_id if signed else newest:
            rows = view_rows(place, kept)
            return None if rows is None else [asdict(row) for row in rows]
    return None
