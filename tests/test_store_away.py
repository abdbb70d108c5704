"""The database is busy, full or away: one clear sentence, nothing half-done, and the same command goes on afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import postgresql
import pytest
from place import Place
from postgresql import Server, find_binaries, running_postgresql
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from test_killed import msg_ids, sent

from kpr.errors import KprError, StoreAway
from kpr.steps.approve import approve
from kpr.steps.build import build_messages
from kpr.steps.report import prepare, send_approved
from kpr.steps.send import send_messages
from kpr.steps.workplace import Workplace
from kpr.store import MessageKind
from kpr.store.away import plain_errors, store_away


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place with a small extract."""
    return Place(tmp_path, persons=5)


def hurry(place: Workplace) -> None:
    """Do not wait long for others: the next transaction uses the same connection."""
    with place.store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")


@contextmanager
def held_by_another(made: Place, how: str = "IMMEDIATE") -> Iterator[None]:
    """Another connection holds the database."""
    with closing(sqlite3.connect(made.folder / "kpr.sqlite", isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


@contextmanager
def no_room(place: Workplace) -> Iterator[None]:
    """The database may not grow by a single page."""
    with place.store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    yield
    with place.store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")


def plain(error: BaseException) -> bool:
    """Neither a statement nor a value of it, nor the driver's own error, goes with it."""
    said = str(error)
    leaks = [word for word in ("SELECT", "UPDATE", "INSERT", "[SQL", "sqlalche.me", "rolle") if word in said]
    return not leaks and error.__cause__ is None and bool(error.__suppress_context__)


def is_whole(made: Place) -> bool:
    """SQLite finds nothing broken."""
    with closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def finished(made: Place) -> None:
    """The next run goes on to the end: one pair of ids, each sent once, accepted."""
    made.report()
    assert len(msg_ids(made)) == len(sent(made)) == 2
    made.exchange()
    assert made.status().state == "ACCEPTED"
    assert is_whole(made)


# -- the words -------------------------------------------------------------------------------------------------------------


class _Said(Exception):
    """What a driver raises."""

    def __init__(self, **codes: str) -> None:
        super().__init__("SELECT hemmelig")
        for name, value in codes.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("busy", {"sqlite_errorname": "SQLITE_BUSY"}),
        ("busy", {"sqlite_errorname": "SQLITE_BUSY_SNAPSHOT"}),
        ("busy", {"sqlstate": "55P03"}),
        ("busy", {"sqlstate": "40P01"}),
        ("busy", {"sqlstate": "53300"}),
        ("full", {"sqlite_errorname": "SQLITE_FULL"}),
        ("full", {"sqlstate": "53100"}),
        ("away", {"sqlite_errorname": "SQLITE_IOERR_WRITE"}),
        ("away", {"sqlite_errorname": "SQLITE_READONLY"}),
        ("away", {"sqlstate": "57P01"}),
        ("away", {"sqlstate": "08006"}),
        ("away", {}),
    ],
)
def test_the_code_decides_which_of_the_three_it_is(kind: str, codes: dict[str, str]) -> None:
    """Each code gives its sentence with what to do, the code, and exit code 8; never the statement."""
    told = store_away(OperationalError("SELECT hemmelig", {"x": "hemmelig"}, _Said(**codes)))
    assert told is not None
    assert (told.kind, told.exit_code) == (kind, 8)
    assert {"busy": "opptatt", "full": "full", "away": "borte"}[kind] in str(told)
    assert all(code in str(told) for code in codes.values())
    assert "kjør igjen" in str(told)
    assert "hemmelig" not in str(told)


def test_a_file_that_is_no_database_is_away(tmp_path: Path) -> None:
    """SQLite calls it another kind of error, and it says the same to the user."""
    (tmp_path / "x").write_bytes(b"no database at all, but long enough to be read as one" * 20)
    with pytest.raises(StoreAway, match="SQLITE_NOTADB") as told, plain_errors(), _engine(tmp_path / "x") as engine:
        engine.connect().execute(text("SELECT 1 FROM submission"))
    assert told.value.kind == "away"


@contextmanager
def _engine(path: Path) -> Iterator[Engine]:
    from sqlmodel import create_engine

    engine = create_engine(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


def test_what_we_asked_wrongly_is_not_the_database_s_fault() -> None:
    """A broken rule of the tables is left as it is: whoever asked knows what it means."""
    broken = IntegrityError("INSERT", {}, _Said(sqlite_errorname="SQLITE_CONSTRAINT_UNIQUE"))
    assert store_away(broken) is None
    with pytest.raises(IntegrityError), plain_errors():
        raise broken
    assert store_away(DBAPIError("SELECT", {}, _Said(sqlstate="42703"))) is None


def test_other_errors_pass_through() -> None:
    """What a step raises in the middle of a transaction is not about the database."""
    with pytest.raises(KprError, match="noe annet"), plain_errors():
        raise KprError("noe annet")


# -- busy --------------------------------------------------------------------------------------------------------------------


def test_a_locked_database_is_busy(made: Place) -> None:
    """Another connection writes: the step says so, changes nothing, and succeeds when the other is done."""
    with made.open() as place:
        hurry(place)
        with held_by_another(made), pytest.raises(StoreAway, match="SQLITE_BUSY") as told:
            prepare(place, by="rolle A")
        assert plain(told.value)
        assert told.value.kind == "busy"
        assert place.store.submissions() == []
        submission, checked = prepare(place, by="rolle A")
        with held_by_another(made), pytest.raises(StoreAway, match="opptatt"):
            send_approved(place, submission, checked, by="rolle A", reason=None)
        assert place.store.submission(submission).state == "CHECKED"
    finished(made)


def test_the_command_line_says_it_in_one_sentence(made: Place) -> None:
    """Exit code 8 and one sentence, with neither a traceback nor a statement."""
    report = [sys.executable, "-m", "kpr", "report", "--by", "rolle A", "--settings", made.settings]
    with made.open():
        pass
    with closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database:
        database.execute("ALTER TABLE submission RENAME TO moved")
        database.commit()
    done = subprocess.run(report, capture_output=True, text=True, check=False)
    assert done.returncode == 8, done.stderr
    assert "Databasen er borte" in done.stderr
    assert "Traceback" not in done.stderr
    assert "SELECT" not in done.stderr


# -- full --------------------------------------------------------------------------------------------------------------------


def fill_up(place: Workplace) -> None:
    """Fill what is free in the last pages, until not even a short row has room; StoreAway then."""
    for size in (3000, 300, 30, 0):
        with suppress(StoreAway):
            while True:
                note(place, "x" * size)
    note(place, "")


def note(place: Workplace, why: str) -> None:
    """Write an event."""
    with place.store.transaction() as session:
        place.store.note(session, place.act("fyll", why), "test", "FILL")


@pytest.mark.parametrize("step", ["prepare", "approve", "send"])
def test_a_full_disk_leaves_nothing_half_done(made: Place, step: str) -> None:
    """Whichever step runs out of room, what it began is not there, and the next run finishes the same submission."""
    with made.open() as place:
        stopped = _carry_out(place, stop_at=step)
        assert stopped.kind == "full"
        assert plain(stopped)
        assert is_whole(made)
        _nothing_half_done(place)
    finished(made)


def _carry_out(place: Workplace, stop_at: str) -> StoreAway:
    """Do the steps of a report, and leave no room at one of them; what that step raised."""
    ids: list[str] = []
    steps: dict[str, Callable[[], Any]] = {
        "prepare": lambda: ids.append(prepare(place, by="rolle A")[0]),
        "approve": lambda: approve(place, ids[0], by="rolle A"),
        "build": lambda: build_messages(place, ids[0]),
        "send": lambda: send_messages(place, ids[0]),
    }
    for name, step in steps.items():
        if name != stop_at:
            step()
            continue
        with no_room(place):
            with pytest.raises(StoreAway, match="SQLITE_FULL"):
                fill_up(place)
            with pytest.raises(StoreAway) as told:
                step()
        return told.value
    raise AssertionError(stop_at)


def _nothing_half_done(place: Workplace) -> None:
    """Events and rows tell the same: a step is there with its event, or not at all."""
    latest = place.store.latest()
    if latest is None:
        return
    events = [
        event for event in place.store.events() if event.submission_id == latest.id and event.what == "submission"
    ]
    assert events[-1].to_state == latest.state
    messages = place.store.messages(latest.id)
    assert len(messages) in (0, 2)
    assert [message.kind for message in messages] in ([], [MessageKind.IDENT, MessageKind.IPLOS])


# -- away --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server of this test's own, since it is stopped."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgresql(binaries) as running:
        yield running


@contextmanager
def started_again(command: list[str], server: Server) -> Iterator[None]:
    """The same server on the same data, ended by its pid."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(command[2]), **postgresql._owner()
    )
    try:
        postgresql._await(server, process, Path(command[2]) / "postmaster.pid")
        yield
    finally:
        postgresql._stop(process)


def command_of(pid: int) -> list[str]:
    """How a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def test_a_server_that_stops_in_the_middle_is_away(
    made: Place, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped by its pid between two steps: the next one says so; when it is there again, the report is finished."""
    monkeypatch.setenv("KPR_STORE__URL", server.new_database())
    command = command_of(server.pid)
    with made.open() as place:
        submission, checked = prepare(place, by="rolle A")
        os.kill(server.pid, signal.SIGINT)
        os.waitpid(server.pid, 0)
        with pytest.raises(StoreAway, match="borte") as told:
            send_approved(place, submission, checked, by="rolle A", reason=None)
        assert plain(told.value)
        assert str(server.port) not in str(told.value)
        assert sent(made) == []
    with started_again(command, server):
        assert made.report() == submission
        made.exchange()
        assert made.status().state == "ACCEPTED"
    assert len(sent(made)) == 2


def test_a_session_that_is_ended_in_a_transaction_leaves_nothing(
    made: Place, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends our session in the middle of a step: nothing of it is there, and the next step goes through."""
    monkeypatch.setenv("KPR_STORE__URL", server.new_database())
    with made.open() as place:
        with pytest.raises(StoreAway, match="57P01") as told:
            _begin_and_be_ended(place, server)
        assert told.value.kind == "away"
        assert [event for event in place.store.events() if event.event == "HALF"] == []
    made.report()
    assert len(sent(made)) == 2


def _begin_and_be_ended(place: Workplace, server: Server) -> None:
    """Write in a transaction, and have the server end the session before it is over."""
    with place.store.transaction() as session:
        place.store.note(session, place.act("rolle A"), "test", "HALF")
        session.flush()
        pid = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with server.connect(str(place.store.engine.url.database)) as other:
            os.kill(int(pid or 0), signal.SIGTERM)
            while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                pass
        session.connection().exec_driver_sql("SELECT 1")
