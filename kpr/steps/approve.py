"""Approve: a named person says that what was checked may be sent. From here on the ids are fixed."""

from __future__ import annotations

from kpr.checks.finding import Text
from kpr.conversation import SubmissionEvent, SubmissionState
from kpr.errors import Blocked
from kpr.guard import Kind, Permission, mint_pair
from kpr.steps.build import build_messages
from kpr.steps.send import send_messages
from kpr.steps.workplace import Workplace
from kpr.store import MessageKind


def approve(place: Workplace, submission_id: str, *, by: str, reason: str | None = None) -> None:
    """Record the approval and fix ids and time of both messages, once; a second call changes nothing."""
    submission = place.store.submission(submission_id)
    if submission.state is SubmissionState.CHECKED:
        place.store.move(
            submission_id,
            SubmissionEvent.APPROVED,
            place.act(by, reason or ""),
            approved_by=by,
            approval_reason=reason,
        )
    _fix_ids(place, submission_id)


def _fix_ids(place: Workplace, submission_id: str) -> None:
    if place.store.messages(submission_id):
        return
    submission = place.store.submission(submission_id)
    kind = Kind.FIRST if submission.version == 1 else Kind.S3
    permission = Permission(kind, allowed=submission.approved_by is not None, reason=_APPROVED)
    types = {
        MessageKind.IDENT: place.year.message_type_ident.value,
        MessageKind.IPLOS: place.year.message_type_iplos.value,
    }
    place.store.fix_messages(submission_id, mint_pair(permission), types, place.clock().replace(microsecond=0))


def send_only_approved(place: Workplace) -> str:
    """Build and send the version that a person has approved, or finish the one that was begun; its id.

    For sendings that were planned: Blocked, and nothing is sent, when nobody has approved.
    """
    latest = place.store.latest()
    if latest is None or latest.state not in (SubmissionState.APPROVED, SubmissionState.SENDING):
        raise Blocked(
            "Ingen har godkjent en innsending, så ingenting er sendt. Se på funnene, og godkjenn med «kpr approve»."
        )
    build_messages(place, latest.id)
    send_messages(place, latest.id)
    return latest.id


_APPROVED = Text("Godkjent av en navngitt person.", "Approved by a named person.")
