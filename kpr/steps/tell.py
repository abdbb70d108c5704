"""Tell: what needs a person in one municipality's year, and telling it, each thing once to each receiver.

Everything is tried before anything is raised: one channel that is away does not keep the others waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kpr.alarms.channels import Channel, channels
from kpr.alarms.due import QUIET_HOURS, Standing, due, of_watch
from kpr.alarms.message import Telling, telling_of
from kpr.alarms.notice import Notice
from kpr.alarms.settings import Tell
from kpr.conversation import HAS_LEFT, AttemptState, ReceiptLeg, SubmissionState
from kpr.errors import KprError
from kpr.log import get_log
from kpr.next_act import Trouble
from kpr.steps.status import status
from kpr.steps.watch import watch
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, MessageKind, Moved, Submission, ToldBook

_log = get_log("tell")

_AWAITING = (SubmissionState.SENDING, SubmissionState.AWAITING)


def due_alarms(place: Workplace, *, quiet_hours: float = QUIET_HOURS) -> tuple[Notice, ...]:
    """Everything that needs a person here now. Overdue legs are moved, as ``watch`` does; nothing is sent."""
    late = watch(place)
    now, standing = place.clock(), standing_of(place)
    found = due(standing, place.year, now, quiet_hours=quiet_hours)
    return *found, *(of_watch(alarm, standing, place.year, now) for alarm in late)


def tell(place: Workplace, alarms: Iterable[Notice], settings: Tell) -> list[str]:
    """Tell what is new; the ids of what was told now. TransportError or BadSettings at the end when a channel failed."""
    return tell_all(place, [telling_of(alarm, settings.link) for alarm in alarms], settings)


def tell_all(place: Workplace, tellings: Sequence[Telling], settings: Tell) -> list[str]:
    """The same for what is written already, the daily digest for one."""
    told: list[str] = []
    failed: KprError | None = None
    for telling in tellings:
        for channel in channels(telling, settings):
            try:
                if _once(place, telling, channel) and telling.id not in told:
                    told.append(telling.id)
            except KprError as error:
                failed = failed or error
                _log.warning("not told", alarm=telling.id, channel=channel.id, error=str(error))
    if failed is not None:
        raise failed
    return told


def _once(place: Workplace, telling: Telling, channel: Channel) -> bool:
    """Claim, send, mark; False when it has been told. A claim whose sending failed is given back."""
    book, at = ToldBook(place.store), place.clock()
    if not book.claim(telling.id, channel.id, at):
        return False
    try:
        channel.send(telling, at)
    except BaseException:
        book.release(telling.id, channel.id, at)
        raise
    book.sent(telling.id, channel.id, place.clock())
    _log.info("told", alarm=telling.id, channel=channel.id)
    return True


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
