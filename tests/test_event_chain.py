"""The chain of events: any edit shows, whatever way round the triggers was found; two who write at once make one chain.

All of it that needs a database runs here on SQLite, and once more on PostgreSQL (tests/real/test_chain_postgresql.py).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import DateTime, Engine, bindparam, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from kpr.conversation import SubmissionEvent
from kpr.guard import Approval
from kpr.store import Act, Event, Store, Submission, migrate, open_engine
from kpr.store.chain import FIELDS, Break, first_break, link, link_of, read_log
from kpr.store.schema import MIGRATIONS

AT = datetime(2021, 1, 11, 8, 15, tzinfo=UTC)
HERE = Path(__file__).parent

LIFT = {
    "sqlite": ("DROP TRIGGER IF EXISTS event_no_update", "DROP TRIGGER IF EXISTS event_no_delete"),
    "postgresql": ("ALTER TABLE event DISABLE TRIGGER USER",),
}


# -- core ------------------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
moments = st.integers(0, 3 * 10**15).map(lambda after: datetime(2018, 1, 1, tzinfo=UTC) + timedelta(microseconds=after))
events = st.builds(
    Event,
    cycle_id=st.just("cycle"),
    submission_id=st.none() | words,
    message_ref=st.none() | words,
    at=moments,
    **dict.fromkeys(("who", "role", "what", "event", "from_state", "to_state", "why"), words),
)
logs = st.lists(events, min_size=1, max_size=8)


def chained(log: list[Event]) -> str:
    """Chain these; the head."""
    head = ""
    for event in log:
        event.chain = head = link_of(head, event)
    return head


def copied(log: list[Event]) -> list[Event]:
    """The same values in other objects."""
    return [Event(**event.model_dump()) for event in log]


@given(logs)
def test_what_was_written_holds(log: list[Event]) -> None:
    """A log that nobody touched has no break, and holds every head that it ever had."""
    head = chained(log)
    assert first_break(log, head) is None
    assert first_break(log, head, [event.chain for event in log]) is None


@given(logs, st.data())
def test_any_changed_field_is_found_where_it_is(log: list[Event], data: st.DataObject) -> None:
    """Whatever field of whatever event is changed, the first event that does not fit is that one."""
    head = chained(log)
    number = data.draw(st.integers(0, len(log) - 1))
    name = data.draw(st.sampled_from([*FIELDS, "chain"]))
    old = getattr(log[number], name)
    other = moments if name == "at" else words if name not in ("submission_id", "message_ref") else st.none() | words
    setattr(log[number], name, data.draw(other.filter(lambda new: new != old)))
    found = first_break(log, head)
    assert found is not None
    assert (found.number, found.at) == (number + 1, log[number].at)


@given(logs, st.data())
def test_any_deletion_is_found(log: list[Event], data: st.DataObject) -> None:
    """One or several events gone from anywhere: the first one after the gap does not fit, or the end is missing."""
    head = chained(log)
    kept = data.draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log)).filter(lambda each: not all(each)))
    found = first_break([event for event, stays in zip(log, kept, strict=True) if stays], head)
    assert found is not None
    assert found.number == kept.index(False) + 1


@given(st.lists(events, min_size=2, max_size=8), st.data())
def test_any_other_order_is_found(log: list[Event], data: st.DataObject) -> None:
    """Events moved about: the first one that stands elsewhere than it was written is named."""
    head = chained(log)
    order = data.draw(st.permutations(range(len(log))).filter(lambda each: list(each) != sorted(each)))
    found = first_break([log[number] for number in order], head)
    assert found is not None
    assert found.number == next(place for place, number in enumerate(order, 1) if number != place - 1)


@given(logs, events, st.data())
def test_any_insertion_is_found(log: list[Event], new: Event, data: st.DataObject) -> None:
    """An event put in, with a chain of its own that fits what is before it: what is after it does not fit, or the end."""
    head = chained(log)
    number = data.draw(st.integers(0, len(log)))
    new.chain = link_of(log[number - 1].chain if number else "", new)
    twin = number < len(log) and new.chain == log[number].chain
    found = first_break([*log[:number], new, *log[number:]], head)
    assert found is not None
    assert found.number == number + 2 or twin


@given(logs, st.data())
def test_a_head_kept_elsewhere_shows_a_chain_written_anew(log: list[Event], data: st.DataObject) -> None:
    """Who changes an event and chains all anew, the cycle's head too, is found by a head from before, and by it alone."""
    known = chained(log)
    number = data.draw(st.integers(0, len(log) - 1))
    forged = copied(log)
    forged[number].why += "x"
    head = chained(forged)
    assert first_break(forged, head) is None
    found = first_break(forged, head, [known])
    assert found is not None
    assert (found.number, found.at) == (len(log) + 1, None)


@given(moments, st.integers(-12, 14))
def test_the_zone_in_which_a_time_is_said_is_no_edit(at: datetime, hours: int) -> None:
    """The same moment gives the same chain: databases put the zone back in their own way."""
    fields: dict[str, Any] = {**dict.fromkeys(FIELDS, ""), "at": at}
    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    assert link("", fields) == link("", {**fields, "at": elsewhere})


def test_what_stands_in_one_field_cannot_pass_for_another() -> None:
    """Text moved over from a field to its neighbour, or none instead of empty, is another event."""
    fields: dict[str, Any] = {**dict.fromkeys(FIELDS, ""), "at": AT}
    said: list[dict[str, Any]] = [{"who": "ab", "role": "c"}, {"who": "a", "role": "bc"}, {"who": 'ab","c'}]
    said += [{"submission_id": None}, {}]
    assert len({link("", {**fields, **each}) for each in said}) == len(said)


# -- store -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty SQLite database."""
    return f"sqlite:///{tmp_path / 'kpr.sqlite'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The database with its tables."""
    opened = open_engine(url)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    """One municipality's year."""
    return Store(engine, "1103", 2020)


def act(minutes: int = 0, who: str = "rolle A", why: str = "") -> Act:
    """Something done some minutes after the first."""
    return Act(who, AT + timedelta(minutes=minutes), why, "approver")


def played(store: Store) -> Submission:
    """A version with four events."""
    submission = store.open_version(act(), Approval(), b"key", ack_hours=96, too_late=False)
    for minutes, event in enumerate((SubmissionEvent.EXTRACTED, SubmissionEvent.FOUND_GOOD, SubmissionEvent.APPROVED)):
        store.move(submission.id, event, act(minutes + 1, why=event.value))
    return submission


def broken(store: Store, *known: str) -> Break | None:
    """The first break in the log as it stands in the database."""
    with store.transaction() as session:
        log, head = read_log(session, store.cycle_id)
    return first_break(log, head, known)


def tamper(engine: Engine, *statements: str) -> None:
    """What somebody with the right to change the tables can do: lift the triggers first."""
    with engine.begin() as connection:
        for statement in (*LIFT[engine.dialect.name], *statements):
            connection.execute(text(statement))


def test_events_carry_role_and_chain_and_the_cycle_its_head(store: Store) -> None:
    """Each event is chained to the former one of its own cycle, and the newest chain stands in the cycle."""
    played(store)
    other = Store(store.engine, "4601", 2020)
    played(other)
    store.move(store.submissions()[0].id, SubmissionEvent.SENDING, act(9))
    for each in (store, other):
        with each.transaction() as session:
            log, head = read_log(session, each.cycle_id)
        assert log == each.events()
        assert head == each.events()[-1].chain
        assert broken(each) is None
    assert {event.role for event in store.events()} == {"approver"}


def test_an_empty_log_is_whole(store: Store) -> None:
    """Before the first event there is no head, and nothing is broken."""
    with store.transaction() as session:
        assert read_log(session, store.cycle_id) == ([], "")
    assert broken(store) is None


def noted_in_vain(store: Store, submission: Submission) -> None:
    """Note something in a transaction that the database refuses at its end: there is such a version already."""
    with store.transaction() as session:
        store.note(session, act(), "submission", "X", submission=store.locked(session, submission.id))
        session.add(Submission(**submission.model_dump(exclude={"id"})))


def test_a_transaction_that_fails_leaves_neither_event_nor_head(store: Store) -> None:
    """What was noted before the failure is gone with all else, and the next event follows what was there before."""
    submission = played(store)
    with pytest.raises(IntegrityError):
        noted_in_vain(store, submission)
    assert len(store.events()) == 4
    store.move(submission.id, SubmissionEvent.SENDING, act(9))
    assert broken(store) is None


SECOND = "(SELECT id FROM event ORDER BY id LIMIT 1 OFFSET 1)"
LAST = "(SELECT max(id) FROM event)"
COLUMNS = "cycle_id, submission_id, message_ref, at, who, what, event, from_state, to_state, why, role, chain"


@pytest.mark.parametrize(
    ("number", "statements"),
    [
        (2, [f"UPDATE event SET who = 'rolle B' WHERE id = {SECOND}"]),
        (2, [f"UPDATE event SET role = 'operator' WHERE id = {SECOND}"]),
        (2, [f"UPDATE event SET at = '2021-01-11 08:17:00' WHERE id = {SECOND}"]),
        (2, [f"UPDATE event SET submission_id = NULL WHERE id = {SECOND}"]),
        (2, [f"UPDATE event SET chain = '' WHERE id = {SECOND}"]),
        (2, [f"DELETE FROM event WHERE id = {SECOND}"]),
        (1, ["DELETE FROM event"]),
        (4, [f"DELETE FROM event WHERE id = {LAST}"]),
        (5, [f"INSERT INTO event ({COLUMNS}) SELECT {COLUMNS} FROM event WHERE id = {SECOND}"]),
        (2, [f"UPDATE event SET id = 1000 WHERE id = {SECOND}"]),
        (5, ["UPDATE cycle SET head = ''"]),
    ],
)
def test_what_is_done_behind_the_triggers_is_found(store: Store, number: int, statements: list[str]) -> None:
    """Edited, deleted in the middle or at the end, put in, moved: the first event that does not fit is named."""
    played(store)
    tamper(store.engine, *statements)
    found = broken(store)
    assert found is not None
    assert found.number == number


UNREADABLE = {
    "sqlite": (
        f"UPDATE event SET at = 'garbage' WHERE id = {SECOND}",
        f"UPDATE event SET at = '2021-01-11 08:16:00+05:00' WHERE id = {SECOND}",
        f"UPDATE event SET at = 1610352900 WHERE id = {SECOND}",
        f"UPDATE event SET who = x'ff' WHERE id = {SECOND}",
        f"UPDATE event SET who = CAST(who AS BLOB) WHERE id = {SECOND}",
        f"UPDATE event SET why = CAST(x'ff' AS TEXT) WHERE id = {SECOND}",
        f"UPDATE event SET chain = x'ff' WHERE id = {SECOND}",
    ),
    "postgresql": (
        f"UPDATE event SET at = 'infinity' WHERE id = {SECOND}",
        f"UPDATE event SET at = '20021-01-11 08:16:00' WHERE id = {SECOND}",
    ),
}


def test_what_cannot_be_read_is_a_break_too(store: Store) -> None:
    """A time that is none and text that is none, as only another program writes them: that event is named."""
    played(store)
    for statement in UNREADABLE[store.engine.dialect.name]:
        kept = [event.model_dump() for event in store.events()][1]
        tamper(store.engine, statement)
        found = broken(store)
        assert found is not None, statement
        assert (found.number, found.at) == (2, None), statement
        with store.engine.begin() as connection:
            names = ("at", "who", "why", "chain")
            again = {name: kept[name] for name in names} | {"number": kept["id"]}
            again["at"] = again["at"].replace(tzinfo=None)
            restore = text("UPDATE event SET at = :at, who = :who, why = :why, chain = :chain WHERE id = :number")
            connection.execute(restore.bindparams(bindparam("at", type_=DateTime)), again)
        assert broken(store) is None, statement


def test_a_head_that_is_no_text_is_a_break(store: Store) -> None:
    """The cycle's head overwritten with bytes: the log does not end where it should."""
    if store.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite keeps bytes where text belongs")
    played(store)
    tamper(store.engine, "UPDATE cycle SET head = x'ff'")
    found = broken(store)
    assert found is not None
    assert found.number == 5


def test_an_end_cut_off_shows_after_further_events_too(store: Store) -> None:
    """The next event follows the cycle's head, not what is left: the gap does not close over."""
    submission = played(store)
    tamper(store.engine, f"DELETE FROM event WHERE id = {LAST}")
    store.move(submission.id, SubmissionEvent.SENDING, act(9))
    found = broken(store)
    assert found is not None
    assert (found.number, found.at) == (4, AT + timedelta(minutes=9))


def test_an_end_cut_off_together_with_the_head_needs_a_known_head(store: Store) -> None:
    """Who sets the cycle's head back as well leaves a whole chain: only a head from elsewhere tells."""
    played(store)
    *_, before, last = store.events()
    tamper(store.engine, f"DELETE FROM event WHERE id = {LAST}", f"UPDATE cycle SET head = '{before.chain}'")
    assert broken(store) is None
    assert broken(store, before.chain) is None
    found = broken(store, last.chain)
    assert found is not None
    assert (found.number, found.at) == (4, None)


def test_the_triggers_are_back_after_the_migration(store: Store) -> None:
    """The migration that chained the events has shut the door behind it."""
    played(store)
    for statement in ("UPDATE event SET chain = ''", "DELETE FROM event"):
        with pytest.raises(SQLAlchemyError, match="append-only"), store.engine.begin() as connection:
            connection.execute(text(statement))
    assert broken(store) is None


def test_events_from_before_the_chain_are_chained(url: str) -> None:
    """Down to the tables as they were and up again: old events get their chain, each year its head, and new ones follow."""
    engine = open_engine(url)
    try:
        migrate(engine)
        stores = [Store(engine, "1103", 2020), Store(engine, "4601", 2020)]
        submissions = [played(store) for store in stores]
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0004")
            columns = connection.execute(text("SELECT * FROM event")).keys()
        assert not {"chain", "role"} & set(columns)
        migrate(engine)
        for store, submission in zip(stores, submissions, strict=True):
            assert broken(store) is None
            assert [event.role for event in store.events()] == [""] * 4
            store.move(submission.id, SubmissionEvent.SENDING, act(9))
            assert broken(store) is None
            assert len(store.events()) == 5
        with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
            connection.execute(text("UPDATE event SET who = 'x'"))
    finally:
        engine.dispose()


#: Notes by turns with and without having taken the submission: whoever has taken it must not wait for who has not.
WRITER = """
import sys, time
from datetime import UTC, datetime
from kpr.errors import Locked, StoreAway
from kpr.store import Act, Store, open_engine

url, name, submission_id, rounds = sys.argv[1:]
store = Store(open_engine(url), "1103", 2020)
submission = store.submission(submission_id)


def one_round(number):
    with store.transaction() as session:
        act = Act(name, datetime.now(UTC), str(number))
        taken = store.locked(session, submission_id) if number % 2 else submission
        store.note(session, act, "submission", "FIRST", submission=taken)
        if number % 3 == 0:
            store.note(session, act, "submission", "SECOND", submission=taken)


print("ready", flush=True)
sys.stdin.readline()
for number in range(int(rounds)):
    while True:
        try:
            one_round(number)
            break
        except (Locked, StoreAway):  # nothing is half-done: the same again
            pass
    # However quick one of them is: it goes on when the other has begun.
    while number == 4 and not any(event.what == "submission" and event.event == "FIRST" and event.why.isdigit()
                                  and event.who != name for event in store.events()):
        time.sleep(0.01)
"""


def test_two_processes_at_once_write_one_chain(store: Store, url: str) -> None:
    """Both get all their events in, in one chain whose numbers rise, each transaction's events side by side."""
    submission, rounds = played(store), 60
    command_line = [sys.executable, "-W", "error", "-c", WRITER, url]
    writers = [
        subprocess.Popen(
            [*command_line, name, submission.id, str(rounds)],
            cwd=HERE.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("rolle A", "rolle B")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert broken(store) is None
    log = store.events()[4:]
    for name in ("rolle A", "rolle B"):
        mine = [(event.why, event.event) for event in log if event.who == name]
        assert mine == [
            (str(number), what) for number in range(rounds) for what in ("FIRST", "SECOND")[: 1 + (number % 3 == 0)]
        ]
    turns = sum(one.who != other.who for one, other in pairwise(log))
    assert turns > 1, "the two did not write at the same time"
    for one, other in pairwise(log):
        if other.event == "SECOND":
            assert (one.who, one.why, one.event) == (other.who, other.why, "FIRST")
