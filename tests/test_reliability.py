"""When a message is sent again and when it is given up, by a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kpr.reliability import HandedOver, Patience, Step, next_step, next_try_at

START = datetime(2021, 1, 7, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: HIS 1037 s. 5.2.
STANDARD = Patience(5, 12 * HOUR)
#: An agreement that was met: four retries, 240 minutes apart.
AGREED = Patience(4, timedelta(minutes=240))

patiences = some.builds(
    Patience,
    retries=some.integers(0, 12),
    interval=some.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=3)),
)

moments = some.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3000)).map(lambda passed: START + passed)


def played(patience: Patience, step: timedelta, until: timedelta, answered_at: timedelta | None = None) -> list[str]:
    """What is done from the first try on, asked every ``step``: ``hours: what``."""
    message, done, now = HandedOver(1, START), [], START
    while now <= START + until:
        if answered_at is not None and now >= START + answered_at:
            message = replace(message, answered=True)
        act = next_step(message, now, patience)
        if act is Step.RETRY:
            message = replace(message, tries=message.tries + 1, last_try_at=now)
        if act is not Step.WAIT:
            done.append(f"{(now - START) / HOUR:g}: {act}")
        if act in (Step.GIVE_UP, Step.ARRIVED):
            break
        now += step
    return done


def test_five_retries_twelve_hours_apart_and_then_it_is_given_up() -> None:
    """HIS 1037 s. 5.2: tries at 0, 12, 24, 36, 48 and 60 hours; the last has its twelve hours too."""
    retries = [f"{hours}: RETRY" for hours in (12, 24, 36, 48, 60)]
    assert played(STANDARD, HOUR, timedelta(days=7)) == [*retries, "72: GIVE_UP"]
    assert STANDARD.silence == 72 * HOUR


def test_an_agreement_has_its_own_rhythm() -> None:
    """Four retries, four hours apart: given up after twenty hours."""
    assert played(AGREED, timedelta(minutes=1), timedelta(days=2)) == [
        *("4: RETRY", "8: RETRY", "12: RETRY", "16: RETRY"),
        "20: GIVE_UP",
    ]
    assert AGREED.silence == 20 * HOUR


def test_without_retries_it_is_only_waited() -> None:
    """A message handler tries by itself: one interval, and then it is given up."""
    assert played(Patience(0, 72 * HOUR), HOUR, timedelta(days=5)) == ["72: GIVE_UP"]


def test_a_receipt_ends_the_waiting() -> None:
    """Whatever is due at that moment, a receipt proves that the message arrived."""
    assert played(STANDARD, HOUR, timedelta(days=7), 24 * HOUR) == ["12: RETRY", "24: ARRIVED"]
    assert played(STANDARD, HOUR, timedelta(days=7), timedelta(0)) == ["0: ARRIVED"]


@pytest.mark.parametrize(("late", "step"), [(timedelta(microseconds=-1), Step.WAIT), (timedelta(0), Step.RETRY)])
def test_the_interval_ends_on_its_moment(late: timedelta, step: Step) -> None:
    """Not a moment before, and then at once."""
    assert next_step(HandedOver(1, START), START + STANDARD.interval + late, STANDARD) is step


@pytest.mark.parametrize(("tries", "step"), [(1, Step.RETRY), (5, Step.RETRY), (6, Step.GIVE_UP), (9, Step.GIVE_UP)])
def test_the_sixth_try_is_the_last(tries: int, step: Step) -> None:
    """Five retries make six tries; what was tried more often than agreed is given up too."""
    assert next_step(HandedOver(tries, START), START + STANDARD.interval, STANDARD) is step


@pytest.mark.parametrize("tries", range(1, 8))
@pytest.mark.parametrize("hours", [0, 11.9, 12, 500])
def test_what_was_replaced_is_left_alone(tries: int, hours: float) -> None:
    """A version that is not wanted any more is neither sent again nor given up; its receipt still counts."""
    message = HandedOver(tries, START, wanted=False)
    now = START + hours * HOUR
    assert next_step(message, now, STANDARD) is Step.WAIT
    assert next_try_at(message, STANDARD) is None
    assert next_step(replace(message, answered=True), now, STANDARD) is Step.ARRIVED


def test_when_it_is_tried_again_is_told() -> None:
    """One interval after the last try; after the last one there is no next."""
    assert next_try_at(HandedOver(1, START), STANDARD) == START + 12 * HOUR
    assert next_try_at(HandedOver(5, START), STANDARD) == START + 12 * HOUR
    assert next_try_at(HandedOver(6, START), STANDARD) is None


@given(patiences, some.timedeltas(min_value=timedelta(seconds=30), max_value=timedelta(days=2)))
def test_however_seldom_one_looks_the_number_of_tries_is_kept(patience: Patience, step: timedelta) -> None:
    """Exactly the agreed retries, each at least an interval after the one before, and then it is given up."""
    patience = replace(patience, interval=max(patience.interval, step / 50))
    done = played(patience, step, (patience.silence + step) * 2 + step * (patience.retries + 2))
    assert [line.partition(": ")[2] for line in done] == ["RETRY"] * patience.retries + ["GIVE_UP"]
    hours = [0.0, *(float(line.partition(":")[0]) for line in done)]
    gaps = [later - former for former, later in pairwise(hours)]
    assert all(gap >= patience.interval / HOUR * (1 - 1e-4) for gap in gaps)


@given(
    some.integers(0, 200),
    moments,
    some.booleans(),
    some.booleans(),
    moments,
    patiences,
)
def test_step_and_announcement_agree(
    tries: int, at: datetime, answered: bool, wanted: bool, now: datetime, patience: Patience
) -> None:
    """It is tried again exactly when the announced time has come, and nothing has answered."""
    message = HandedOver(tries, at, answered, wanted)
    announced = next_try_at(message, patience)
    retried = next_step(message, now, patience) is Step.RETRY
    assert retried == (announced is not None and announced <= now and not answered)
