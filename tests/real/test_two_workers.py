"""Two workers on one PostgreSQL, which Prefect and our store share: both take work, and a lost run is taken over."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from postgresql import Server
from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import PrefectWorker, until
from test_canary import CANARIES, NAMES
from test_thread import SEND, World, prepared

from kpr.fleet.installation import VARIABLE


@pytest.fixture(scope="module")
def world(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server, two workers, two databases of one PostgreSQL."""
    prefects, ours = postgresql.new_database(), postgresql.new_database()
    database = prefects.replace("postgresql+psycopg", "postgresql+asyncpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPR_STORE__URL", ours)
        made = World(tmp_path_factory.mktemp("two"), database, workers=2)
        with made.server, made.workers[0], made.workers[1]:
            patch.setenv(VARIABLE, str(made.fleet.file))
            made.deploy()
            with temporary_settings({PREFECT_API_URL: made.server.url}):
                yield made


def worker_of(world: World, run: UUID) -> PrefectWorker | None:
    """The worker whose process, or whose process's process, carries this run out now; None while nobody does."""
    workers = {worker.pid: worker for worker in world.workers}
    named = f"PREFECT__FLOW_RUN_ID={run}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if named in (process / "environ").read_bytes().split(b"\0"):
                found = next((workers[each] for each in ancestors(int(process.name)) if each in workers), None)
                if found is not None:
                    return found
    return None


def ancestors(pid: int) -> Iterator[int]:
    """The processes that started it, the nearest first."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


@contextmanager
def held(worker: PrefectWorker) -> Iterator[None]:
    """It takes nothing meanwhile; what it has begun goes on."""
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def begun(world: World, number: str) -> UUID:
    """A report that a worker is to take."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name("report/report")
        values = {"municipality": number, "data_year": 2020, "by": "rolle A"}
        return client.create_flow_run_from_deployment(found.id, parameters=values).id


def test_both_take_work_and_each_is_sent_once(world: World) -> None:
    """Four reports at once, two on each worker: four pairs of MsgIds in one database, none twice."""
    numbers = ("0301", "1101", "1103", "1106")
    runs = []
    for worker, other, two in ((*world.workers, numbers[:2]), (*reversed(world.workers), numbers[2:])):
        with held(other):
            runs += [begun(world, number) for number in two]
            for run in runs[-2:]:
                assert until(partial(worker_of, world, run), 60) is worker
    for run in runs:
        ended = world.wait_for(run, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, seconds=200)
        assert ended.state is not None
        assert ended.state.type is StateType.COMPLETED, ended.state.message
    sent = [msg_id for number in numbers for msg_id in world.msg_ids(number)]
    assert len(sent) == len(set(sent)) == 8


def test_a_worker_killed_in_mid_run_is_taken_over_by_the_other(world: World) -> None:
    """Nobody says that the run died: its silence does. The watch takes it up, the other worker finishes it, once."""
    prepared(world, "1108")
    world.dies(world.thread("1108").id, "8")
    run = world.answer("1108", wish=SEND)
    had = until(lambda: worker_of(world, run), 60, "nobody took the run")
    until(lambda: not world.die_at.exists(), 60)
    had.kill()
    until(lambda: world.watched("1108"), 280, "the silent run was not found")
    assert world.thread("1108").id == run
    assert world.status("1108").state == "AWAITING"
    assert len(world.msg_ids("1108")) == 2
    world.register()
    until(lambda: world.collect() and world.status("1108").state == "ACCEPTED", 200)


def test_no_marked_id_or_name_is_in_the_databases(world: World, postgresql: Server) -> None:
    """Every table of Prefect's and of ours is looked through."""
    needles = [canary.encode() for canary in CANARIES] + list(NAMES)
    with postgresql.connect("postgres") as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'kpr%'")]
    seen = 0
    for name in names:
        with postgresql.connect(name) as connection:
            seen += sum(_look_through(connection, needles))
    assert seen > 200
    assert world.thread("1108").state is not None


def _look_through(connection: psycopg.Connection[object], needles: list[bytes]) -> Iterator[int]:
    """Rows per table; AssertionError when one of them holds a needle."""
    wanted = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
    for (table,) in connection.execute(wanted).fetchall():  # type: ignore[misc]
        rows = connection.execute(f"SELECT t::text FROM {table} t").fetchall()
        text = "\n".join(row[0] for row in rows).encode()  # type: ignore[index]
        # Bytes are shown as hex.
        assert not [needle for needle in needles if needle in text or needle.hex().encode() in text], table
        yield len(rows)
