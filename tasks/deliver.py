"""The steps that meet the other side: send, collect, watch. Only transport faults are tried again, with backoff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task

from kpr.errors import TransportError, TransportRefused
from kpr.steps import collect as collecting
from kpr.steps import send as sending
from kpr.steps import watch as watching
from kpr.steps.workplace import open_workplace
from tasks.show import show_status


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


@task(
    task_run_name="send {submission}",
    persist_result=False,
    tags=["transport"],
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_jitter_factor=0.5,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=3600,
)
def send(settings_file: str, submission: str) -> None:
    """Protect and send both messages, ident first; does nothing for what is already on its way."""
    with open_workplace(Path(settings_file)) as place:
        sending.send_messages(place, submission)


@task(
    task_run_name="collect",
    persist_result=False,
    tags=["transport"],
    retries=len(_BACKOFF),
    retry_delay_seconds=_BACKOFF,
    retry_condition_fn=_is_transport_fault,
    timeout_seconds=600,
)
def collect(settings_file: str) -> dict[str, int]:
    """Take in receipts and ident feedback; how many of each kind came."""
    with open_workplace(Path(settings_file)) as place:
        came = collecting.collect(place)
        show_status(place)
        return came.counts()


@task(task_run_name="watch", persist_result=False, timeout_seconds=600)
def watch(settings_file: str) -> list[str]:
    """Look at the clock: what is late now; the ids of the alarms."""
    with open_workplace(Path(settings_file)) as place:
        alarms = watching.watch(place)
        show_status(place)
        return [alarm.id for alarm in alarms]
