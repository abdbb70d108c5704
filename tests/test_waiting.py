"""The waiting run seen from outside, with a server that is a plain object: which one is lost, and who takes it up."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.types._datetime import now

from tasks.waiting import Thread

RUN = UUID("11111111-1111-4111-8111-111111111111")


class Server:
    """One run, and the signs of life that were heard of it; ``away``: it does not answer."""

    def __init__(self, kind: StateType, seconds: float, signs: int = 0, *, away: bool = False) -> None:
        self.signs, self.away = signs, away
        self.asked: list[Any] = []
        self.forced: list[StateType] = []
        self.run = FlowRun(id=RUN, flow_id=RUN, name="1103")
        self.moves(kind, seconds)

    def moves(self, kind: StateType, seconds: float = 0) -> None:
        """The run came to this state so long ago."""
        state: State[Any] = State(type=kind, timestamp=now("UTC") - timedelta(seconds=seconds))
        self.run = self.run.model_copy(update={"state": state})

    def read_flow_run(self, _run: UUID) -> FlowRun:
        """As it stands."""
        return self.run

    def read_events(self, wanted: Any, limit: int) -> Any:
        """The signs of life."""
        if self.away:
            raise httpx.ConnectError("away")
        self.asked.append(wanted)
        return SimpleNamespace(events=["sign"] * min(self.signs, limit))

    def set_flow_run_state(self, _run: UUID, state: State[Any], force: bool) -> None:
        """Forced upon it."""
        assert force
        self.forced.append(state.type)
        self.moves(state.type)


def thread(server: Server) -> Thread:
    """The run as it was read."""
    return Thread(server, server.run)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.CANCELLING])
@pytest.mark.parametrize(
    ("seconds", "signs", "lost"), [(119, 0, False), (121, 0, True), (121, 1, False), (100_000, 1, False)]
)
def test_a_run_at_work_is_lost_when_nothing_is_heard_of_it(
    kind: StateType, seconds: float, signs: int, lost: bool
) -> None:
    """Two minutes old and silent: its machine was started again, maybe before its first sign of life."""
    assert thread(Server(kind, seconds, signs)).is_lost is lost


def test_its_own_signs_of_life_are_asked_for() -> None:
    """Heartbeats of this run, of the last three minutes."""
    server = Server(StateType.RUNNING, 500)
    assert thread(server).is_lost
    (asked,) = server.asked
    assert asked.resource.id == [f"prefect.flow-run.{RUN}"]
    assert asked.event.name == ["prefect.flow-run.heartbeat"]
    assert timedelta(seconds=170) < now("UTC") - asked.occurred.since < timedelta(seconds=190)


def test_nothing_is_taken_over_on_a_guess() -> None:
    """A server that cannot tell of signs of life says nothing about the run."""
    assert thread(Server(StateType.RUNNING, 500, away=True)).is_lost is False


@pytest.mark.parametrize(
    ("kind", "seconds", "lost"),
    [
        (StateType.PAUSED, 1_000_000, False),
        (StateType.COMPLETED, 1_000_000, False),
        (StateType.CANCELLED, 1_000_000, False),
        (StateType.CRASHED, 5, False),
        (StateType.CRASHED, 60, True),
        (StateType.PENDING, 60, False),
        (StateType.PENDING, 1_000, True),
    ],
)
def test_what_waits_or_has_ended_is_not_lost(kind: StateType, seconds: float, lost: bool) -> None:
    """Only what broke, or was given to a worker and never began; nobody asks for its signs of life."""
    server = Server(kind, seconds)
    assert thread(server).is_lost is lost
    assert server.asked == []


def test_a_lost_run_is_taken_up_once() -> None:
    """Two rounds that saw the same: the second finds that it has moved on, and forces nothing upon it."""
    server = Server(StateType.CRASHED, 60)
    one, other = thread(server), thread(server)
    assert one.is_lost
    assert other.is_lost
    assert one.take_over() is True
    server.moves(StateType.RUNNING)
    assert other.take_over() is False
    assert server.forced == [StateType.SCHEDULED]


def test_a_run_that_was_being_cancelled_is_ended() -> None:
    """Somebody ended it; its machine was gone before it could be."""
    server = Server(StateType.CANCELLING, 500)
    lost = thread(server)
    assert lost.is_lost
    assert lost.take_over()
    assert server.forced == [StateType.CANCELLED]
