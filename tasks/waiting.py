"""Waiting for hours and days without a process: one run per municipality and data year, suspended while it waits.

The run is the thread that people look at; the durable conversation in our store is what is true. A suspended run has
no process. Its name, its tags and its form are brought up to date from outside; only a person's answer starts it, from
the top: it asks the store what is due, does it, and suspends again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import orjson
from prefect import get_client, runtime, suspend_flow_run
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.input import RunInput
from prefect.input.actions import delete_flow_run_input, filter_flow_run_input
from prefect.input.run_input import Keyset, keyset_from_paused_state
from prefect.states import Cancelled, Scheduled, Suspended
from prefect.types._datetime import now as now_of_prefect

#: A run that was given to a worker and never began, after so long: the worker is gone.
_NEVER_BEGAN = timedelta(minutes=10)

#: Seconds that events have to reach the server before a run is suspended.
_TO_ARRIVE = 10

#: A run that gives no sign of life for so long has lost its worker. It tells of itself when it begins, and then every 30
#: seconds (deployments.shown).
SILENCE = timedelta(seconds=120)

#: Signs of life are looked for so far back: some are late, and the server may have been away for a while.
_HEARD_WITHIN = timedelta(seconds=180)

#: How a run stands that a process works on.
_AT_WORK = (StateType.RUNNING, StateType.CANCELLING)

#: How a run ended that nobody ended on purpose.
_BROKEN = (StateType.CRASHED, StateType.FAILED)

#: Prefect 3.8's worker says of a process that died that it crashed, and says so again some seconds later, whatever the
#: run has come to meanwhile. Taken up in between it would be marked as crashed under way; two processes would meet,
#: and the worker itself dies when a run that it is about to start is suspended by another process.
_SETTLES = timedelta(seconds=30)


def can_wait() -> bool:
    """Whether this run may be suspended: it has a deployment, so that a worker can take it up again."""
    return bool(runtime.deployment.id)


def wait_for_person(form: type[RunInput]) -> None:
    """Suspend this run until someone fills in the form. Does not return."""
    _let_signs_of_life_arrive()
    suspend_flow_run(wait_for_input=form, key=str(uuid4()), timeout=None)


def _let_signs_of_life_arrive() -> None:
    """What was said goes before the suspension: a sign of life that comes after it would be taken for the last one.

    The automation that finds lost runs hears a run's events in the order in which they arrive. The wait is bounded: a
    server that is away must not hold the run.
    """
    arrived = threading.Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    arrived.start()
    arrived.join(timeout=_TO_ARRIVE)


def answers() -> list[dict[str, Any]]:
    """What people have filled in since the last pass, oldest first. None where a run cannot wait."""
    return [orjson.loads(given.value) for given in _given() if given.key.endswith("-response")] if can_wait() else []


def forget_answers() -> None:
    """They have been carried out: their forms are taken away. Killed before, they are read and refused again."""
    for given in _given():
        delete_flow_run_input(key=given.key)


def _given() -> list[Any]:
    found: Any = filter_flow_run_input(key_prefix="suspended-", limit=200)
    return list(found)


class Thread:
    """One municipality's run, seen from outside. Made, and found again, by an idempotency key."""

    def __init__(self, client: SyncPrefectClient, run: FlowRun) -> None:
        self._client, self.run = client, run

    @property
    def is_waiting(self) -> bool:
        """Suspended, with a form."""
        return self.run.state is not None and self.run.state.is_paused()

    @property
    def is_lost(self) -> bool:
        """It broke some time ago, a worker took it and never began, or it began and has been silent for too long.

        The automation that finds lost runs waits for a first sign of life, so a run that was killed before it (a machine
        that was started again) is found here only.
        """
        state = self.run.state
        if state is None:
            return True
        age = now_of_prefect("UTC") - state.timestamp
        if state.type in _AT_WORK:
            return age > SILENCE and not self._is_heard()
        return (state.type in _BROKEN and age > _SETTLES) or (state.is_pending() and age > _NEVER_BEGAN)

    def _is_heard(self) -> bool:
        """Whether it gave a sign of life lately; true where the server cannot say."""
        since = now_of_prefect("UTC") - _HEARD_WITHIN
        signs = EventFilter(
            occurred=EventOccurredFilter(since=since),
            event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{self.run.id}"]),
        )
        try:
            return bool(self._client.read_events(signs, limit=1).events)
        except (httpx.HTTPError, ValueError):
            return True

    def has_tag(self, tag: str) -> bool:
        """Whether it has been brought up to date with this."""
        return tag in self.run.tags

    def renew(self, form: type[RunInput], name: str, tags: Iterable[str]) -> None:
        """Bring a waiting run up to date: its form, its name and its tags, in this order."""
        keys = self.run.state.state_details.run_input_keyset if self.run.state else None
        if keys:
            for key in (keys["schema"], keys["description"]):
                _take_away(key, self.run.id)
            form.save(cast(Keyset, keys), flow_run_id=self.run.id)
        self._client.update_flow_run(self.run.id, name=name, tags=sorted(tags))

    def take_over(self) -> bool:
        """Let a worker take it up again, from the top; one that was being cancelled is ended. False: it has moved on.

        Asked again first: another round may have looked at the same time, and a state is forced upon it here.
        """
        now = self._client.read_flow_run(self.run.id).state
        if now is None or self.run.state is None or now.id != self.run.state.id:
            return False
        state: State[Any] = (
            Cancelled(message="Avbrutt.") if now.is_cancelling() else Scheduled(message="Tatt opp igjen.")
        )
        self._client.set_flow_run_state(self.run.id, state, force=True)
        return True

    def resume(self) -> None:
        """Let it look again by itself."""
        self._client.resume_flow_run(self.run.id, run_input={})


def _take_away(key: str, run_id: UUID) -> None:
    """Delete one piece of a form, if it is there."""
    try:
        delete_flow_run_input(key=key, flow_run_id=run_id)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != 404:
            raise


@contextmanager
def open_thread(deployment: str, key: str, parameters: dict[str, Any]) -> Iterator[Thread | None]:
    """The thread for this key; a new one begins waiting, without a process. None where the flow is not deployed.

    A new one has no form yet: killed here, the next who looks finds it not up to date, and renews it.
    """
    with get_client(sync_client=True) as client:
        same_key = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
        if there := client.read_flow_runs(flow_run_filter=same_key, limit=1, sort=FlowRunSort.EXPECTED_START_TIME_ASC):
            yield Thread(client, there[0])  # asked for first: to have it made again costs the server twice as much
            return
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            yield None
            return
        waiting: State[Any] = Suspended(timeout_seconds=None, pause_key=str(uuid4()))
        waiting.state_details.run_input_keyset = dict(cast(dict[str, str], keyset_from_paused_state(waiting)))
        made = client.create_flow_run_from_deployment(
            found.id, parameters=parameters, state=waiting, idempotency_key=key
        )
        yield Thread(client, made)


def started_by_hand(run_id: UUID) -> bool:
    """Whether a run began when it was asked for, and was not planned for a later time."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
    if run.auto_scheduled or run.expected_start_time is None or run.created is None:
        return not run.auto_scheduled
    return run.expected_start_time - run.created < timedelta(minutes=5)
