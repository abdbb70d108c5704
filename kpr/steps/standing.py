"""How a municipality's year stands, as the rules of alarms and letters ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kpr.alarms.due import Standing
from kpr.conversation import HAS_LEFT, AttemptState, ReceiptLeg, SubmissionState
from kpr.next_act import Trouble
from kpr.steps.status import status
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, MessageKind, Moved, Submission, ToldBook

_AWAITING = (SubmissionState.SENDING, SubmissionState.AWAITING)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message of the newest version with its newest attempt."""

    message: Message
    attempt: Attempt | None


def standing_of(place: Workplace) -> Standing:
    """How it stands here, as the alarms' rules ask."""
    settings, latest, now = place.settings, place.store.latest(), status(place)
    who = (settings.municipality.number, settings.municipality.name, settings.data_year)
    if latest is None:
        return Standing(*who, edi=settings.transport.kind == "edi", next_act=now.next_act)
    sent = [_Sent(message, place.attempts.latest(message.id)) for message in place.store.messages(latest.id)]
    receipts = {each.message.kind: each.message.receipt_leg for each in sent}
    return Standing(
        *who,
        state=latest.state,
        version=latest.version,
        ident_leg=latest.ident_leg,
        receipt_leg=receipts.get(MessageKind.IPLOS, ReceiptLeg.NONE),
        trouble=_trouble(place, sent),
        accepted=any(each.state is SubmissionState.ACCEPTED for each in place.store.submissions()),
        contradicted=_contradicted(place, latest),
        edi=settings.transport.kind == "edi",
        awaiting_since=_awaiting_since(latest, sent),
        collected_at=ToldBook(place.store).last_collected(),
        next_act=now.next_act,
    )


def _trouble(place: Workplace, sent: Sequence[_Sent]) -> Trouble:
    """What the transport says of the first message that nothing has answered."""
    found = (_of(place, each) for each in sent if each.attempt is not None and not each.message.is_answered)
    return next((trouble for trouble in found if trouble is not Trouble.OK), Trouble.OK)


def _of(place: Workplace, each: _Sent) -> Trouble:
    state = each.attempt.state if each.attempt else None
    if state is AttemptState.FAILED and place.attempts.refusal_code(each.message.id):
        return Trouble.RETURNED
    return _TROUBLES.get(state, Trouble.OK)


_TROUBLES: dict[AttemptState | None, Trouble] = {
    AttemptState.REFUSED: Trouble.REFUSED,
    AttemptState.GIVEN_UP: Trouble.GIVEN_UP,
}


def _contradicted(place: Workplace, latest: Submission) -> bool:
    events = place.store.events()
    return any(each.submission_id == latest.id and each.to_state == Moved.CONTRADICTION for each in events)


def _awaiting_since(latest: Submission, sent: Sequence[_Sent]) -> datetime | None:
    """When the first of what is awaited had left; None when nothing is awaited."""
    left = [each.attempt for each in sent if each.attempt is not None and each.attempt.state in HAS_LEFT]
    if latest.state not in _AWAITING or not left:
        return None
    return min(attempt.ended_at or attempt.opened_at for attempt in left)
