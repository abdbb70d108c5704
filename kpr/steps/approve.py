"""Approve: a named person says that what was checked may be sent. What was approved is what is sent, whenever that is.

The ids, and with them the messages' own time, are fixed when sending begins: the register's 96 hours to answer are
counted from that time (HITS 1168 s. 4.1), so a version that was approved on Monday and is sent on Friday must not
carry Monday's.
"""

from __future__ import annotations

from datetime import datetime

from kpr.conversation import SubmissionEvent, SubmissionState
from kpr.errors import Blocked, Locked
from kpr.guard import Approval, mint_pair, permission_of_approved
from kpr.people import Deed
from kpr.steps.behind import demand_newest
from kpr.steps.build import build_messages
from kpr.steps.extract import is_fixed
from kpr.steps.send import send_messages
from kpr.steps.workplace import Workplace
from kpr.store import MessageKind, Submission


def approve(place: Workplace, submission_id: str, *, by: str, reason: str | None = None) -> None:
    """Record the approval and fix ids and time of both messages, for sending now; a second call changes nothing."""
    record_approval(place, submission_id, by=by, reason=reason)
    fix_ids(place, submission_id)


def record_approval(place: Workplace, submission_id: str, *, by: str, reason: str | None = None) -> None:
    """Write down who says that what was checked may be sent, and why. Once: the first one stands."""
    if place.store.submission(submission_id).state is not SubmissionState.CHECKED:
        return
    place.demand(Deed.APPROVE, by)
    act = place.act(by, reason or "")
    place.store.move(submission_id, SubmissionEvent.APPROVED, act, approved_by=by, approval_reason=reason)


def approve_extract(
    place: Workplace, submission_id: str, extract_sha256: str | None, *, by: str, reason: str | None = None
) -> Submission:
    """Record the approval of this extract and no other, to be sent later; the submission, with who approved it first.

    Locked when another process has read another extract since this one was looked at.
    """
    if place.store.submission(submission_id).extract_sha256 == extract_sha256:
        record_approval(place, submission_id, by=by, reason=reason)
    approved = place.store.submission(submission_id)
    if not is_fixed(approved):
        raise Locked("Uttrekket ble lest på nytt imens. Se på funnene igjen. Ingenting er godkjent eller sendt.")
    return approved


def fix_ids(place: Workplace, submission_id: str) -> None:
    """Fix ids and time of both messages, once; Locked when nobody has approved."""
    if place.store.messages(submission_id):
        return
    demand_newest(place)
    submission = place.store.submission(submission_id)
    permission = permission_of_approved(submission.version, submission.approved_by).demand()
    types = {
        MessageKind.IDENT: place.year.message_type_ident.value,
        MessageKind.IPLOS: place.year.message_type_iplos.value,
    }
    place.store.fix_messages(submission_id, mint_pair(permission), types, place.clock().replace(microsecond=0))


def send_only_approved(place: Workplace, approval: Approval | None = None) -> str:
    """Build and send the version that a person has approved, or finish the one that was begun; its id.

    For sendings that were planned: Blocked, and nothing is sent, when nobody has approved. Locked when the absolute
    last date has passed since the approval, unless two persons have a reason (K8).
    """
    latest = place.store.latest()
    if latest is None or latest.state not in (SubmissionState.APPROVED, SubmissionState.SENDING):
        raise Blocked(
            "Ingen har godkjent en innsending som venter på å bli sendt. Ingenting er sendt."
            " Se på funnene, og godkjenn med «kpr approve»."
        )
    if approval is not None and len(approval.persons) > 1:
        place.demand(Deed.UNLOCK, *approval.persons)
    _demand_in_time(place, latest, approval or Approval())
    demand_newest(place, approval)
    fix_ids(place, latest.id)
    build_messages(place, latest.id)
    send_messages(place, latest.id)
    return latest.id


def _demand_in_time(place: Workplace, latest: Submission, approval: Approval) -> None:
    """A planned sending may come late; whoever approved in time did not approve that."""
    now, approved = place.clock(), _approved_at(place, latest)
    too_late = place.too_late(now) and not (approved and place.too_late(approved))
    place.store.may_open(now, approval, ack_hours=place.year.ack_hours.value, too_late=too_late).demand()


def _approved_at(place: Workplace, submission: Submission) -> datetime | None:
    wanted = ("submission", SubmissionEvent.APPROVED.value, submission.id)
    events = place.store.events()
    return next((event.at for event in events if (event.what, event.event, event.submission_id) == wanted), None)
