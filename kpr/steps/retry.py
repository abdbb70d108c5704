"""Retry: hand over again what nobody has acknowledged, and give up after the last try. For routes that acknowledge.

The same bytes under the same message id each time. Called when everything that waits has been taken in, since the
acknowledgment may be among it (HITS 1171 s. 8.1). A server that is away costs no try.
"""

from __future__ import annotations

from collections import Counter

from kpr.calendar import OSLO
from kpr.conversation import AttemptEvent, AttemptState
from kpr.errors import TransportError
from kpr.log import get_log
from kpr.reliability import HandedOver, Patience, Step, next_step, next_try_at
from kpr.steps.behind import unknown_ids
from kpr.steps.send import hand_over_again
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, Message, OnTheWay

_log = get_log("retry")


def retry(place: Workplace) -> Counter[str]:
    """Do what is due for each message that was handed over; how many of each."""
    done: Counter[str] = Counter()
    patience = place.packaging.patience
    for each in place.attempts.unacknowledged() if patience else ():
        step = next_step(_judged(each), place.clock(), patience) if patience else Step.WAIT
        if each.attempt.state is AttemptState.GIVEN_UP and step is not Step.ARRIVED:
            continue
        if told := _DO[step](place, each.attempt, each.message):
            done[told] += 1
    return done


def _judged(each: OnTheWay) -> HandedOver:
    """An attempt as the clock judges it."""
    attempt = each.attempt
    return HandedOver(attempt.tries, attempt.last_try_at or attempt.opened_at, each.arrived, each.wanted)


def next_try(each: OnTheWay, patience: Patience) -> str:
    """Which try it was, and when the next one is due, in words."""
    attempt, at = each.attempt, next_try_at(_judged(each), patience)
    coming = f"neste {at.astimezone(OSLO):%d.%m.%Y kl. %H.%M}" if at else "den siste"
    return f"forsøk {attempt.tries} av {patience.retries + 1}, {coming}"


def _wait(_place: Workplace, _attempt: Attempt, _message: Message) -> str:
    return ""


def _again(place: Workplace, attempt: Attempt, message: Message) -> str:
    if unknown_ids(place):  # the database is older than what was sent: this may not be the newest version
        return ""
    key = place.store.submission(message.submission_id).wrapped_key
    if not place.attempts.take_try(attempt, place.act()):
        return ""
    try:
        hand_over_again(place, message, attempt, key)
    except TransportError as error:
        place.attempts.give_back_try(attempt)
        _log.warning("a retry could not be handed over", transport_id=attempt.message_id, reason=type(error).__name__)
        return ""
    place.attempts.ended(attempt.id, AttemptEvent.HANDED_OVER, place.act(), unless_answered=True)
    _log.info("handed over again", transport_id=attempt.message_id, tries=attempt.tries + 1)
    return "retry: handed over again"


def _give_up(place: Workplace, attempt: Attempt, _message: Message) -> str:
    place.attempts.ended(attempt.id, AttemptEvent.GIVEN_UP, place.act("clock"), unless_answered=True)
    _log.error("no acknowledgment after the last try", transport_id=attempt.message_id)
    return "retry: given up"


def _arrived(place: Workplace, attempt: Attempt, _message: Message) -> str:
    place.attempts.ended(attempt.id, AttemptEvent.DELIVERED, place.act("register", "receipt"), unless_answered=True)
    return ""


_DO = {Step.WAIT: _wait, Step.RETRY: _again, Step.GIVE_UP: _give_up, Step.ARRIVED: _arrived}
