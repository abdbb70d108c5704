"""The steps that meet the other side: send, collect, watch. Only transport faults are tried again, with backoff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefect import task
from prefect.concurrency.sync import concurrency

from kpr.errors import TransportError, TransportRefused
from kpr.fleet.alarm_round import AlarmRound
from kpr.fleet.bulk import for_each
from kpr.steps import collect as collecting
from kpr.steps import send as sending
from kpr.steps.approve import send_only_approved
from kpr.steps.rehearsal import open_rehearsal
from kpr.steps.status import Status, status
from kpr.steps.tell import due_alarms, tell
from kpr.steps.workplace import approval, open_workplace
from tasks.guarded import guarded
from tasks.happened import newest_event, tell_alarm, tell_events
from tasks.place import installation
from tasks.show import show_page, show_status


def _is_transport_fault(_task: Any, _run: Any, state: Any) -> bool:
    try:
        state.result()
    except TransportRefused:  # somebody must mend something first
        return False
    except TransportError:
        return True
    except Exception:
        return False
    return False


#: Backoff for a transport that is away: the same bytes under the same ids, so trying again is safe (S1). Each try has
#: its own retries within a minute (the bus's retry table); these are for an outage that lasts longer.
_BACKOFF: list[float] = [1, 5, 15, 60]

#: How long a collecting waits for another one of the same communication party, in seconds.
_PATIENCE = 5


@task(
    task_run_name="send {submission}",
    persist_result=False,
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=3600,
)
@guarded
def send(settings_file: str, submission: str) -> None:
    """Protect and send both messages, ident first; does nothing for what is already on its way."""
    with open_workplace(Path(settings_file)) as place:
        before = newest_event(place)
        sending.send_messages(place, submission)
        tell_events(place, before)


@task(
    task_run_name="send {label}",
    persist_result=False,
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=3600,
)
@guarded
def send_approved(settings_file: str, label: str, by: str = "", second: str = "", reason: str = "") -> str:
    """Build and send what a person has approved, or finish what was begun; Blocked when nobody has approved."""
    with open_workplace(Path(settings_file)) as place:
        before = newest_event(place)
        submission = send_only_approved(place, approval(by, second or None, reason or None))
        tell_events(place, before)
        show_page(place)
        return submission


@task(
    task_run_name="collect {label}",
    persist_result=False,
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=600,
)
@guarded
def collect(settings_file: str, label: str) -> dict[str, int]:
    """Take in receipts and ident feedback; how many of each kind came."""
    with open_workplace(Path(settings_file)) as place:
        before = newest_event(place)
        came = collecting.collect(place).counts()
        if tell_events(place, before) != before:
            show_status(place, status(place))
            show_page(place)
        return came


@task(task_run_name="collect {label}", persist_result=False, timeout_seconds=600)
@guarded
def collect_trial(trial_settings: str, settings_file: str, label: str) -> dict[str, int]:
    """The same for a trial submission, with settings that cannot reach production. The next round tries again."""
    with open_rehearsal(Path(trial_settings), Path(settings_file)) as place:
        came = collecting.collect(place).counts()
        if came:
            show_status(place, status(place), trial=True)
        return came


@contextmanager
def one_at_a_time(parties: Iterable[str]) -> Iterator[bool]:
    """One collecting at a time for each communication party; False when another is under way.

    All are taken at once: a slot for each municipality in turn would cost more than the collecting itself. A slot that a
    killed run held is given back when its lease runs out.
    """
    slots = [f"collect-{party}" for party in sorted(set(parties))]
    with ExitStack() as stack:
        try:
            if slots:
                stack.enter_context(concurrency(slots, timeout_seconds=_PATIENCE))
        except TimeoutError:
            yield False
            return
        yield True


@task(
    task_run_name="watch {label}",
    persist_result=False,
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=600,
)
@guarded
def watch(settings_file: str, label: str) -> list[str]:
    """Look at the clock: what needs a person now, told once to those whom the installation names; the alarms' ids."""
    whom = installation().tell
    with open_workplace(Path(settings_file)) as place:
        alarms = due_alarms(place, quiet_hours=whom.quiet_hours)
        tell_events(place)
        for alarm in alarms:
            tell_alarm(place, alarm.id, alarm.severity.value)
        show_status(place, status(place))
        tell(place, alarms, whom)
        return [alarm.id for alarm in alarms]


@task(task_run_name="dagens sammendrag", persist_result=False, timeout_seconds=3600)
@guarded
def tell_digest() -> bool:
    """Tell today's digest, once a day; whether it was told now."""
    this = AlarmRound(installation(), send=False)
    if this.daily_is_told():
        return False
    for_each(this.installation, this.one)
    summary = this.daily()
    return bool(summary and this.send_daily(summary))


def standing(settings_file: str) -> Status:
    """Where the municipality stands; what a flow asks to know what is due."""
    with open_workplace(Path(settings_file)) as place:
        return status(place)
