"""One municipality's year as one thread on a real server and a real worker: waits, wakes, and survives whatever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Cancelled, Scheduled
from prefect_server import ROOT, PrefectServer, PrefectWorker, until
from test_canary import CANARIES, _find

from kpr.calendar import OSLO
from kpr.clock import set_file_clock
from kpr.fleet.installation import VARIABLE, Entry, Installation, load_installation
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.simulator_fleet import make_fleet
from kpr.steps.answer import extract_mark
from kpr.steps.prepare import prepare_daily
from kpr.steps.status import Status, status
from kpr.steps.workplace import open_workplace
from tasks import waiting
from tasks.thread import see_to_thread

NUMBERS = ("0301", "1101", "1103", "1106", "1108", "1111", "1112", "1114", "1119")
START = datetime(2021, 1, 7, 10, tzinfo=OSLO)
SEND = "Godkjenn og send nå"


class World:
    """Server, worker, fleet and register; each test has a municipality of its own."""

    def __init__(self, folder: Path, database: str = "", workers: int = 1, more: dict[str, str] | None = None) -> None:
        make_fleet(folder / "fleet", NUMBERS, persons=8, key_pairs=2, marked=CANARIES)
        self.folder, self.clock = folder, START
        self.at(START)
        self.fleet: Installation = load_installation(folder / "fleet" / "kpr-fleet.yaml")
        self.server = PrefectServer(folder / "prefect", database)
        self.die_at = folder / "die-at"
        dying = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'dying'}", "KPR_TEST_DIE_AT": str(self.die_at)}
        given = dying | (more or {})
        self.workers = [PrefectWorker(self.server, f"worker-{number}", given) for number in range(workers)]
        self.worker = self.workers[0]

    def at(self, moment: datetime) -> None:
        """Move everybody's clock."""
        self.clock = moment
        set_file_clock(self.folder / "fleet" / "clock", moment)

    def deploy(self) -> None:
        """As an operator does."""
        command = [sys.executable, "-m", "kpr", "deploy", "--installation", str(self.fleet.file)]
        done = subprocess.run(command, env=self.server.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def register(self) -> None:
        """The register answers."""
        register = Register(load_register_settings(self.folder / "fleet" / "register" / "register.yaml"))
        register.step(self.clock)
        register.close()

    def entry(self, number: str) -> Entry:
        """One of them."""
        return self.fleet.find(number, 2020)

    def status(self, number: str) -> Status:
        """Where it stands in our store."""
        with open_workplace(self.entry(number).settings_file) as place:
            return status(place)

    def msg_ids(self, number: str) -> list[str]:
        """Every MsgId that it ever got."""
        with open_workplace(self.entry(number).settings_file) as place:
            return [m.msg_id for s in place.store.submissions() for m in place.store.messages(s.id)]

    def mark(self, number: str) -> str:
        """The mark of the extract that a person looks at."""
        with open_workplace(self.entry(number).settings_file) as place:
            return extract_mark(place.store.latest())

    def thread(self, number: str) -> FlowRun:
        """Its run on the server."""
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(limit=200, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        found = [run for run in runs if number in run.tags and run.name.startswith(number)]
        assert len(found) == 1, [run.name for run in runs]
        return found[0]

    def wait_for(self, run: UUID, *types: StateType, seconds: float = 150) -> FlowRun:
        """Until a run stands so."""

        def asked() -> FlowRun | None:
            with get_client(sync_client=True) as client:
                found = client.read_flow_run(run)
            return found if found.state and found.state.type in types else None

        found: FlowRun = until(asked, seconds, f"{run}: {types}")
        return found

    def answer(self, number: str, **values: Any) -> UUID:
        """Fill in the form of the waiting thread, as the UI does."""
        run = self.wait_for(self.thread(number).id, StateType.PAUSED).id
        with get_client(sync_client=True) as client:
            said = client.resume_flow_run(run, run_input={"by": "rolle A", "extract": self.mark(number)} | values)
        assert said.status.value == "ACCEPT", said.details
        return run

    def collect(self) -> FlowRun:
        """Collect, until the planned one was not under way: then it is called off, or leaves the answers to that one."""

        def carried_out() -> FlowRun | None:
            ended = self.run("collect/collect", data_year=2020)
            assert ended.state is not None
            stood_back = ended.state.type is StateType.CANCELLED or "En annen henter nå" in (ended.state.message or "")
            return None if stood_back else ended

        ended: FlowRun = until(carried_out, 200, "collecting")
        return ended

    def watched(self, number: str) -> bool:
        """What the watch does again and again; whether the thread waits for a person by now."""
        see_to_thread(self.entry(number))
        state = self.thread(number).state
        return state is not None and state.is_paused()

    def reaches(self, number: str, state: str) -> None:
        """Until it stands so in our store, under the eyes of the watch: Prefect may lose a run that it has just resumed."""

        def there() -> bool:
            see_to_thread(self.entry(number))
            return self.status(number).state == state

        until(there, 200, f"{number}: {state}")

    def run(self, deployment: str, dies_at: str = "", **parameters: Any) -> FlowRun:
        """Run a deployment on the worker, to its end, or to the step after which it dies."""
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
            held = Scheduled(scheduled_time=datetime.now(OSLO) + timedelta(minutes=2))
            made = client.create_flow_run_from_deployment(found.id, parameters=parameters, state=held)
            if dies_at:
                self.dies(made.id, dies_at)
            client.set_flow_run_state(made.id, Scheduled(), force=True)
        ended = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
        return self.wait_for(made.id, *ended)

    def dies(self, run: UUID, point: str) -> None:
        """The next process of this run dies there, and no other run's."""
        self.die_at.write_text(f"{run} {point}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server and one worker for all."""
    made = World(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch, made.server:
        patch.setenv(VARIABLE, str(made.fleet.file))
        patch.setattr(waiting, "_NEVER_BEGAN", timedelta(seconds=40))
        patch.setattr(waiting, "_SETTLES", timedelta(seconds=10))
        made.deploy()
        with made.worker, temporary_settings({PREFECT_API_URL: made.server.url}):
            yield made


def prepared(world: World, number: str) -> None:
    """A thread that waits for an approval: the morning's dry run has found the extract good."""
    with open_workplace(world.entry(number).settings_file) as place:
        prepare_daily(place)
    assert see_to_thread(world.entry(number)) == "up to date"
    world.wait_for(world.thread(number).id, StateType.PAUSED)


def test_a_year_is_one_thread_from_the_first_look_to_the_end(world: World) -> None:
    """Waiting without a process; approved and sent by the form; named after where it stands; done after the last date."""
    assert see_to_thread(world.entry("1103")) == "up to date"
    world.answer("1103", wish="Se på nytt", extract="")
    world.reaches("1103", "CHECKED")
    world.wait_for(world.thread("1103").id, StateType.PAUSED)
    see_to_thread(world.entry("1103"))
    waiting = world.thread("1103")
    assert waiting.state is not None
    assert waiting.state.name == "Suspended"
    assert waiting.name == "1103 Stavanger · 2020 · innsending 1 · klar til godkjenning"
    world.answer("1103", wish=SEND)
    world.reaches("1103", "AWAITING")
    world.register()
    collected = world.collect()
    assert collected.state is not None
    assert collected.state.type is StateType.COMPLETED, collected.state.message
    assert world.status("1103").state == "ACCEPTED"
    assert world.thread("1103").name.endswith("godtatt")
    assert "state:ACCEPTED" in world.thread("1103").tags
    assert world.thread("1103").id == waiting.id
    world.at(datetime(2021, 3, 27, 9, tzinfo=OSLO))
    try:
        see_to_thread(world.entry("1103"))
        ended = world.wait_for(waiting.id, StateType.COMPLETED)
    finally:
        world.at(START)
    assert ended.state is not None
    assert ended.state.message == "Året er ferdig: ingenting mer ventes."


@pytest.mark.parametrize(("number", "point"), [("1101", 0), ("1106", 6), ("1108", 13)])
def test_a_pass_that_is_killed_is_taken_over(world: World, number: str, point: int) -> None:
    """Its process dies after a durable step; the watch takes the same run up again; one pair of MsgIds in the end."""
    prepared(world, number)
    world.dies(world.thread(number).id, str(point))
    run = world.answer(number, wish=SEND)
    world.wait_for(run, StateType.CRASHED)
    assert not world.die_at.exists()
    assert see_to_thread(world.entry(number)) == "up to date", "the worker has not said its last word"
    until(lambda: see_to_thread(world.entry(number)) == "taken over", 60)
    until(lambda: world.watched(number), 150, number)
    assert world.thread(number).id == run
    assert world.status(number).state == "AWAITING"
    assert len(world.msg_ids(number)) == 2


def test_the_same_report_twice_at_once_sends_once(world: World) -> None:
    """Two runs of ``report`` for one municipality: one pair of MsgIds, and neither is red for being late."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name("report/report")
        words = {"municipality": "1111", "data_year": 2020, "by": "rolle A"}
        runs = [client.create_flow_run_from_deployment(found.id, parameters=words).id for _ in range(2)]
    ended = [world.wait_for(run, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED) for run in runs]
    assert [run.state.type for run in ended if run.state].count(StateType.COMPLETED) >= 1
    assert len(world.msg_ids("1111")) == 2
    assert world.status("1111").state == "AWAITING"


def test_a_report_that_is_run_again_finishes_what_was_begun(world: World) -> None:
    """Killed in mid-send and run again by hand: the same MsgIds, sent."""
    killed = world.run("report/report", "fix_messages:3", municipality="1112", data_year=2020, by="rolle A")
    assert killed.state is not None
    assert killed.state.type is StateType.CRASHED
    before = world.msg_ids("1112")
    again = world.run("report/report", municipality="1112", data_year=2020)
    assert again.state is not None
    assert again.state.type is StateType.COMPLETED, again.state.message
    assert len(before) == 2
    assert world.msg_ids("1112") == before
    assert world.status("1112").state == "AWAITING"


def test_a_planned_report_without_an_approval_sends_nothing(world: World) -> None:
    """Planned for a later time and not approved by then: red, with the sentence, and nothing sent; the name is no approval."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name("report/report")
        later = Scheduled(scheduled_time=datetime.now(OSLO) + timedelta(minutes=30))
        words = {"municipality": "1114", "data_year": 2020, "by": "rolle A"}
        run = client.create_flow_run_from_deployment(found.id, parameters=words, state=later).id
        client.set_flow_run_state(run, Scheduled(), force=True)  # its time has come
    ended = world.wait_for(run, StateType.FAILED, StateType.COMPLETED)
    assert ended.state is not None
    assert "Ingen har godkjent" in (ended.state.message or "")
    assert world.msg_ids("1114") == []


def test_a_form_for_a_municipality_that_was_not_there_is_refused(world: World) -> None:
    """1238 was no municipality in 2020: a sentence with the remedy."""
    ended = world.run("report/report", municipality="1238", data_year=2020, by="rolle A")
    assert ended.state is not None
    assert "Det fantes ingen kommune 1238" in (ended.state.message or "")


def test_the_form_refuses_what_looks_like_a_national_id(world: World) -> None:
    """The server itself refuses the parameter, before it is kept."""
    from prefect.exceptions import PrefectHTTPStatusError

    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name("correct/correct")
        words = {"municipality": "1103", "data_year": 2020, "by": "rolle A", "mended": "gjelder 01017012345"}
        with pytest.raises(PrefectHTTPStatusError) as told:
            client.create_flow_run_from_deployment(found.id, parameters=words)
    assert told.value.response.status_code in (409, 422)


def test_a_cancelled_thread_loses_nothing(world: World) -> None:
    """Cancelled by a person: the answers are collected all the same, and the thread is left as it was ended."""
    prepared(world, "0301")
    world.answer("0301", wish=SEND)
    world.reaches("0301", "AWAITING")
    run = world.wait_for(world.thread("0301").id, StateType.PAUSED).id
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelled(), force=True)
    world.register()
    world.collect()
    assert world.status("0301").state == "ACCEPTED"
    assert world.thread("0301").state is not None
    assert world.wait_for(run, StateType.CANCELLED).id == run


def test_a_report_that_is_carried_out_again_sends_nothing_more(world: World) -> None:
    """It has sent and been answered, and somebody lets it retry: green, told so, and the same two MsgIds."""
    assert world.status("1111").state == "ACCEPTED"
    before = world.msg_ids("1111")
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        sent = [each for each in runs if each.parameters.get("by") and each.parameters["municipality"] == "1111"]
        # Both of the two at once may have: the one finished what the other had begun.
        run = next(each.id for each in sent if each.state and "er sendt" in (each.state.message or ""))
        client.set_flow_run_state(run, AwaitingRetry(scheduled_time=datetime.now(OSLO)), force=True)
    world.wait_for(run, StateType.RUNNING, StateType.PENDING)
    ended = world.wait_for(run, StateType.COMPLETED, StateType.FAILED)
    assert ended.state is not None
    assert ended.state.name == "Låst"
    assert "Dette løpet har allerede sendt innsending 1" in (ended.state.message or "")
    assert world.msg_ids("1111") == before


def test_a_server_that_is_restarted_keeps_the_threads(world: World) -> None:
    """Killed and started again on the same database: the waiting thread is there, and takes its answer."""
    until(lambda: world.watched("1106"), 150)
    before = world.thread("1106").id
    world.server.kill()
    time.sleep(1)
    world.server.start()
    assert world.thread("1106").id == before
    world.answer("1106", wish="Se på nytt")
    until(lambda: world.watched("1106"), 150)


def test_a_server_that_is_away_in_mid_run_loses_nothing(world: World) -> None:
    """It dies while a pass sends and comes back later: the sending is finished, once, and the thread waits again."""
    prepared(world, "1119")
    run = world.answer("1119", wish=SEND)
    world.wait_for(run, StateType.RUNNING)
    world.server.kill()
    time.sleep(20)
    world.server.start()
    world.reaches("1119", "AWAITING")
    until(lambda: world.watched("1119"), 200)
    assert world.thread("1119").id == run
    assert len(world.msg_ids("1119")) == 2


def test_a_worker_that_is_restarted_goes_on(world: World) -> None:
    """Killed while nothing runs and started again: the next answer is carried out."""
    world.worker.kill()
    world.worker.start()
    run = world.answer("1108", wish="Se på nytt")
    until(lambda: world.watched("1108"), 150)
    assert world.thread("1108").id == run


def test_a_machine_that_is_started_again_loses_no_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Server, worker and run end together, before the run gave a sign of life: the same run is taken up again."""
    until(lambda: world.watched("1101"), 150)
    run = world.answer("1101", wish="Se på nytt")
    world.wait_for(run, StateType.RUNNING)
    at_work = descendants(world.worker.pid)
    world.server.kill()
    world.worker.kill()
    for process in at_work:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    world.server.start()
    world.worker.start()
    assert world.wait_for(run, StateType.RUNNING).id == run
    monkeypatch.setattr(waiting, "SILENCE", timedelta(seconds=3))
    monkeypatch.setattr(waiting, "_HEARD_WITHIN", timedelta(seconds=6))
    until(lambda: see_to_thread(world.entry("1101")) == "taken over", 60)
    monkeypatch.undo()
    until(lambda: world.watched("1101"), 150)
    assert world.thread("1101").id == run


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs: a run has a process group of its own."""
    found = [int(child) for each in Path(f"/proc/{pid}/task").glob("*/children") for child in each.read_text().split()]
    return found + [grandchild for child in found for grandchild in descendants(child)]


def test_an_extract_that_cannot_be_read_is_red_and_shows_nothing(world: World) -> None:
    """A broken file: the run is red with the sentence; the thread waits on."""
    entry = world.entry("1114")
    file, marked = entry.settings_file.parent / "uttrekk" / "IDENT.xml", CANARIES[0].encode()
    assert marked in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(marked, b"<" + marked, 1))  # where a person with a marked id stands
    ended = world.run("report/report", municipality="1114", data_year=2020, by="rolle A")
    assert ended.state is not None
    assert ended.state.type is StateType.FAILED
    assert world.msg_ids("1114") == []


def test_no_waiting_run_was_taken_for_a_lost_one(world: World) -> None:
    """More than two minutes have passed since the first threads were suspended: their silence is no fault."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        said = [state.message or "" for run in runs for state in client.read_flow_run_states(run.id)]
    assert len(said) > 50
    assert [message for message in said if "Arbeideren forsvant" in message] == []


def test_no_marked_id_or_name_reached_prefect(world: World) -> None:
    """After all that: database, logs, results and output of server and workers hold none of the persons, nor do the stores."""
    planted = (world.entry("1103").settings_file.parent / "uttrekk" / "IDENT.xml").read_bytes()
    assert all(canary.encode() in planted for canary in CANARIES[:8])
    assert (world.server.folder / "home" / "prefect.db").stat().st_size > 100_000
    assert _find(world.folder, b"") == []
