"""The store: one step is one transaction, ids are fixed once, answers move legs, and a kill at any point is harmless.

All of it runs here on SQLite, and once more on PostgreSQL (tests/real/test_store_postgresql.py).
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import count, product
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError
from sqlmodel import SQLModel, col

from kpr.conversation import (
    TABLE,
    AttemptEvent,
    AttemptState,
    IdentEvent,
    IdentLeg,
    ReceiptEvent,
    ReceiptLeg,
    SubmissionEvent,
    SubmissionState,
    consequence,
    is_contradiction,
)
from kpr.errors import BadSettings, IllegalStep, KprError, Locked
from kpr.guard import Approval, Ids, Kind, Permission, mint_pair
from kpr.store import (
    Act,
    Attempt,
    Attempts,
    InboxKind,
    Legs,
    Message,
    MessageKind,
    Moved,
    Store,
    Submission,
    migrate,
    open_engine,
)
from kpr.store.schema import MIGRATIONS
from kpr.store.tables import Inbox

AT = datetime(2021, 1, 11, 8, 15, tzinfo=UTC)
KEY = b"wrapped data key"
TYPES = {MessageKind.IDENT: "KPR_IDE", MessageKind.IPLOS: "KPR_IPL"}
NOBODY = Approval()
ONE = Approval(frozenset({"Rolle A"}))
TWO_REASON = Approval(frozenset({"Rolle A", "Rolle B"}), "adressen var feil")
LEAVE = Permission(Kind.FIRST, True, None)  # type: ignore[arg-type]
HERE = Path(__file__).parent


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


def act(hours: float = 0, who: str = "Rolle A", why: str = "") -> Act:
    """Something done some hours after the first sending."""
    return Act(who, AT + timedelta(hours=hours), why)


def open_version(store: Store, hours: float = 0, approval: Approval = NOBODY, **more: Any) -> Submission:
    """A version, as the step ``extract`` opens it."""
    return store.open_version(act(hours), approval, KEY, **{"ack_hours": 96, "too_late": False, **more})


def approve(store: Store, submission_id: str, hours: float = 0) -> None:
    """Bring a new version to APPROVED, with its ids fixed; whatever is done already is left."""
    ways = {
        SubmissionState.DRAFT: SubmissionEvent.EXTRACTED,
        SubmissionState.EXTRACTED: SubmissionEvent.FOUND_GOOD,
        SubmissionState.CHECKED: SubmissionEvent.APPROVED,
    }
    while (event := ways.get(store.submission(submission_id).state)) is not None:
        store.move(submission_id, event, act(hours))
    if not store.messages(submission_id):
        store.fix_messages(submission_id, mint_pair(LEAVE), TYPES, AT + timedelta(hours=hours))


def begin(store: Store, hours: float = 0, approval: Approval = NOBODY) -> Submission:
    """A version that is on its way out (SENDING); taken up where it was left."""
    submission = open_version(store, hours, approval)
    approve(store, submission.id, hours)
    if store.submission(submission.id).state is SubmissionState.APPROVED:
        store.move(submission.id, SubmissionEvent.SENDING, act(hours))
    return store.submission(submission.id)


def deliver(store: Store, submission_id: str, kind: MessageKind, hours: float = 0) -> None:
    """One message handed over."""
    attempt = Attempts(store).open(store.message(submission_id, kind), act(hours))
    assert attempt is not None
    Attempts(store).ended(attempt.id, AttemptEvent.DELIVERED, act(hours))


def send(store: Store, hours: float = 0, approval: Approval = NOBODY) -> Submission:
    """A version that awaits its answers."""
    submission = begin(store, hours, approval)
    for kind in MessageKind:
        deliver(store, submission.id, kind, hours)
    Attempts(store).all_delivered(submission.id, act(hours))
    return store.submission(submission.id)


def receipt(store: Store, submission: Submission, event: ReceiptEvent, kind: str = "IPLOS", codes: str = "") -> Moved:
    """A receipt for one of the messages."""
    message = store.message(submission.id, MessageKind(kind))
    return Legs(store).receipt(message.id, event, act(1, "register"), codes)


def accept(store: Store, submission: Submission) -> None:
    """Both answers, good."""
    Legs(store).ident(submission.id, IdentEvent.FEEDBACK_OK, act(1, "register"))
    receipt(store, submission, ReceiptEvent.POSITIVE)


def state(store: Store, submission: Submission) -> SubmissionState:
    """Where a version stands now."""
    return store.submission(submission.id).state


def put(store: Store, table: type[SQLModel], row_id: str, **values: Any) -> None:
    """Set a row as it could have come to be, past the state table."""
    with store.transaction() as session:
        session.execute(update(table).where(col(table.id) == row_id).values(**values))  # type: ignore[attr-defined]


def everything(store: Store, *without: str) -> dict[str, list[Any]]:
    """All rows of all tables, to see that nothing changed."""
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in without]
    with store.transaction() as session:
        return {t.name: list(session.execute(t.select().order_by(*t.primary_key.columns)).all()) for t in tables}


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, each in a thread; their results, or the exceptions that they raised."""
    gate, results = Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        gate.wait()
        try:
            results[number] = call()
        except Exception as error:
            results[number] = error

    threads = [Thread(target=run, args=numbered) for numbered in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def together(patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Hold two racing threads after ``owner.name`` until both have read; one that waits for a lock lets the other go."""
    original, gate = getattr(owner, name), Barrier(2)

    def held(*args: Any, **named: Any) -> Any:
        result = original(*args, **named)
        with suppress(BrokenBarrierError):
            gate.wait(1)
        return result

    patch.setattr(owner, name, held)


def meanwhile(patch: pytest.MonkeyPatch, owner: Any, name: str, other: Callable[[], Any]) -> None:
    """Let another process do its whole step just before ``owner.name`` is called for the first time."""
    original = getattr(owner, name)

    def interrupted(*args: Any, **named: Any) -> Any:
        patch.setattr(owner, name, original)
        other()
        return original(*args, **named)

    patch.setattr(owner, name, interrupted)


# -- opening ------------------------------------------------------------------------------------------------------

COLUMNS = {
    "cycle": "id municipality data_year head",
    "submission": "id cycle_id version sequence_number state ident_leg mended opened_at approved_by approval_reason "
    "extract_sha256 wrapped_key change",
    "message": "id submission_id kind message_type msg_id generated parent_msg_id conversation_msg_id receipt_leg "
    "receipt_codes content_sha256 content_size persons",
    "attempt": "id message_ref number message_id state kind protected_sha256 opened_at ended_at tries last_try_at "
    "digests",
    "taken": "id cycle_id to_her_id from_her_id message_id digest at",
    "event": "id cycle_id submission_id message_ref at who what event from_state to_state why role chain",
    "inbox": "id cycle_id submission_id kind fingerprint received_at verdict note wrapped_key",
    "told": "id cycle_id alarm_id channel claimed_at told_at",
    "collected": "cycle_id at",
    "kept": "id cycle_id submission_id kind made_at made_by number sha256 note wrapped_key",
    "reason": "id submission_id rule line now before at who why",
    "signoff": "id submission_id kept_id at who why",
    "alembic_version": "version_num",
}


def test_the_columns_are_these_and_none_is_for_a_person(engine: Engine) -> None:
    """A new column must be looked at here: none may hold anything about a person in the reports."""
    found = inspect(engine)
    assert {name: {c["name"] for c in found.get_columns(name)} for name in found.get_table_names()} == {
        name: set(columns.split()) for name, columns in COLUMNS.items()
    }


def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    """Alembic finds no difference between the migrated database and the tables in code."""
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_migrating_again_changes_nothing(engine: Engine, store: Store) -> None:
    """Every start migrates; what is there stays."""
    send(store)
    before = everything(store)
    migrate(engine)
    assert everything(store) == before


def test_the_first_migration_can_be_taken_back(engine: Engine) -> None:
    """Down to nothing and up again, triggers and functions included."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == set(COLUMNS)


def test_a_cycle_is_opened_once(engine: Engine, store: Store) -> None:
    """The same municipality and year is the same cycle; any other is another."""
    assert Store(engine, "1103", 2020).cycle_id == store.cycle_id
    others = {Store(engine, "1103", 2021).cycle_id, Store(engine, "0301", 2020).cycle_id}
    assert len(others | {store.cycle_id}) == 3


def test_two_processes_open_the_same_cycle(engine: Engine) -> None:
    """Whoever comes second takes the cycle that the first one made."""
    opened = race(*[lambda: Store(engine, "4601", 2020).cycle_id] * 4)
    assert {type(cycle) for cycle in opened} == {str}
    assert len(set(opened)) == 1


def test_cycles_do_not_see_each_other(engine: Engine, store: Store) -> None:
    """Versions, events and MsgIds of one municipality's year are invisible to another's."""
    sent = send(store)
    other = Store(engine, "0301", 2020)
    assert other.latest() is None
    assert other.submissions() == []
    assert other.events() == []
    assert other.message_by_msg_id(store.message(sent.id, MessageKind.IDENT).msg_id) is None
    assert open_version(other).version == 1


@pytest.mark.parametrize(
    "address",
    ["nonsense", "nodb://u:hemmelig@h/x", "postgresql+psycopg://kpr:hemmelig@127.0.0.1:1/x", "sqlite:////nowhere/x"],
)
def test_a_database_that_cannot_be_opened_is_a_setting_to_mend(address: str) -> None:
    """One sentence that points at the setting, without the address and the password in it."""
    with pytest.raises(BadSettings) as refused:
        migrate(open_engine(address))
    assert refused.value.place == "store.url"
    assert "hemmelig" not in str(refused.value)
    assert refused.value.remedy


# -- versions -----------------------------------------------------------------------------------------------------


def test_the_first_version_is_number_one(store: Store) -> None:
    """Version and running number begin at 1, in DRAFT, with nothing sent."""
    assert store.latest() is None
    opened = open_version(store, mended="ingenting")
    assert (opened.version, opened.sequence_number, opened.state) == (1, 1, SubmissionState.DRAFT)
    assert (opened.ident_leg, opened.mended, opened.wrapped_key) == (IdentLeg.NOT_SENT, "ingenting", KEY)
    assert opened.opened_at == AT
    assert store.submission(opened.id) == opened
    assert [event.event for event in store.events()] == ["FIRST"]


def test_an_unfinished_version_is_taken_up(store: Store) -> None:
    """However often it is asked for, an unfinished version stays the only one, with its own key."""
    first = open_version(store)
    for hours in (1, 500):
        again = store.open_version(act(hours), NOBODY, b"another key", ack_hours=96, too_late=False)
        assert (again.id, again.wrapped_key) == (first.id, KEY)
    assert len(store.submissions()) == len(store.events()) == 1


@pytest.mark.parametrize("until", ["EXTRACTED", "BLOCKED", "CHECKED", "APPROVED", "SENDING"])
def test_a_version_that_is_not_delivered_is_continued(store: Store, until: str) -> None:
    """In every state before AWAITING the same version goes on."""
    opened = open_version(store)
    put(store, Submission, opened.id, state=SubmissionState(until))
    assert open_version(store, 500).id == opened.id


def test_a_new_version_waits_for_the_former(store: Store) -> None:
    """While answers are awaited the guard says no, and nothing is written; two persons with a reason may."""
    send(store)
    before = everything(store)
    with pytest.raises(Locked, match="Gjør ingenting nå"):
        open_version(store, 95, ONE)
    assert everything(store) == before
    forced = open_version(store, 95, TWO_REASON)
    assert (forced.version, forced.sequence_number) == (2, 2)


def test_a_new_version_after_a_rejection_grows_by_one(store: Store) -> None:
    """The next version has the next running number, and the old one is kept."""
    first = send(store)
    receipt(store, first, ReceiptEvent.NEGATIVE)
    Legs(store).ident(first.id, IdentEvent.TIME_PASSED, act(10))
    second = open_version(store, 10)
    assert (second.version, second.sequence_number) == (2, 2)
    assert [s.id for s in store.submissions()] == [first.id, second.id]
    latest = store.latest()
    assert latest is not None
    assert latest.id == second.id
    assert [e.event for e in store.events() if e.submission_id == second.id] == ["S3"]


def test_silence_on_both_legs_opens_the_door(store: Store) -> None:
    """When both legs are overdue a new version may be opened without more ado."""
    first = send(store)
    Legs(store).ident(first.id, IdentEvent.TIME_PASSED, act(5))
    with pytest.raises(Locked):
        open_version(store, 97)
    receipt(store, first, ReceiptEvent.TIME_PASSED)
    assert open_version(store, 97).version == 2


def test_after_the_last_date_two_persons_are_needed(store: Store) -> None:
    """K8 holds for the first version as for any other."""
    with pytest.raises(Locked, match="Siste frist er passert"):
        open_version(store, approval=ONE, too_late=True)
    assert store.latest() is None
    assert open_version(store, approval=TWO_REASON, too_late=True).version == 1


def test_what_does_not_exist_is_said(store: Store) -> None:
    """An unknown id and messages that are not made yet are told of in a sentence."""
    with pytest.raises(KprError, match="There is no submission with this id"):
        store.submission("unknown")
    opened = open_version(store)
    assert store.messages(opened.id) == []
    with pytest.raises(KprError, match="have not been made yet"):
        store.message(opened.id, MessageKind.IDENT)


# -- ids ----------------------------------------------------------------------------------------------------------


def test_the_ids_are_fixed_once(store: Store) -> None:
    """A second pair of ids for the same version is not taken; types and time stay as they were."""
    opened = open_version(store)
    store.fix_messages(opened.id, Ids("a-1", "b-1"), TYPES, AT)
    before = everything(store, "submission")
    store.fix_messages(opened.id, Ids("a-2", "b-2"), TYPES, AT + timedelta(hours=1))
    assert everything(store, "submission") == before
    ident, iplos = store.messages(opened.id)
    assert (ident.kind, ident.msg_id, ident.message_type) == (MessageKind.IDENT, "a-1", "KPR_IDE")
    assert (iplos.kind, iplos.msg_id, iplos.message_type) == (MessageKind.IPLOS, "b-1", "KPR_IPL")
    assert ident.generated == iplos.generated == AT
    assert (ident.parent_msg_id, ident.conversation_msg_id) == (None, None)
    assert ident.receipt_leg is iplos.receipt_leg is ReceiptLeg.NONE


def test_each_message_refers_to_the_former_and_the_first_of_its_type(store: Store) -> None:
    """RefToParent is the former one of the same type, RefToConversation the first (HIS 80601)."""
    for number in (1, 2, 3):
        opened = open_version(store)
        store.fix_messages(opened.id, Ids(f"ident-{number}", f"iplos-{number}"), TYPES, AT)
        put(store, Submission, opened.id, state=SubmissionState.WITHDRAWN)
    references = [
        (m.msg_id, m.parent_msg_id, m.conversation_msg_id) for s in store.submissions() for m in store.messages(s.id)
    ]
    assert references == [
        ("ident-1", None, None),
        ("iplos-1", None, None),
        ("ident-2", "ident-1", "ident-1"),
        ("iplos-2", "iplos-1", "iplos-1"),
        ("ident-3", "ident-2", "ident-1"),
        ("iplos-3", "iplos-2", "iplos-1"),
    ]


def test_a_msg_id_stands_once_in_the_whole_database(engine: Engine, store: Store) -> None:
    """Not even another municipality can use it again; nothing of the second pair is written."""
    store.fix_messages(open_version(store).id, Ids("a", "b"), TYPES, AT)
    other = Store(engine, "0301", 2020)
    opened = open_version(other)
    with pytest.raises(IntegrityError):
        other.fix_messages(opened.id, Ids("c", "b"), TYPES, AT)
    assert other.messages(opened.id) == []


def test_a_message_is_found_by_its_msg_id_whatever_the_case(store: Store) -> None:
    """UUIDs are compared without regard to case; what we never sent is not found."""
    sent = send(store)
    for message in store.messages(sent.id):
        for written in (message.msg_id.upper(), message.msg_id.lower()):
            found = store.message_by_msg_id(written)
            assert found is not None
            assert found.id == message.id
    assert store.message_by_msg_id(str(UUID(int=0))) is None


def test_what_the_gate_saw_is_kept(store: Store) -> None:
    """Hash, size and number of persons belong to one message."""
    opened = begin(store)
    message = store.message(opened.id, MessageKind.IPLOS)
    store.record_gate(message.id, sha256="ab" * 32, size=5_000_000_000 // 4, persons=60_000)
    kept = store.message(opened.id, MessageKind.IPLOS)
    assert (kept.content_sha256, kept.content_size, kept.persons) == ("ab" * 32, 1_250_000_000, 60_000)
    assert store.message(opened.id, MessageKind.IDENT).content_sha256 is None


# -- attempts -----------------------------------------------------------------------------------------------------


def test_an_attempt_is_written_before_it_is_made(store: Store) -> None:
    """The first attempt is PENDING with its message id; asked for again it is the very same (S1)."""
    message = store.message(begin(store).id, MessageKind.IDENT)
    attempts = Attempts(store)
    assert attempts.latest(message.id) is None
    opened = attempts.open(message, act())
    assert opened is not None
    assert (opened.number, opened.state, opened.kind) == (1, AttemptState.PENDING, "FIRST")
    again = attempts.open(message, act(3))
    assert again is not None
    assert (again.id, again.message_id, again.opened_at) == (opened.id, opened.message_id, AT)


def test_a_failed_attempt_is_made_again_under_the_same_id(store: Store) -> None:
    """S1: the same attempt, the same message id, however often it fails."""
    message = store.message(begin(store).id, MessageKind.IPLOS)
    attempts = Attempts(store)
    ids = set()
    for hours in range(3):
        attempt = attempts.open(message, act(hours))
        assert attempt is not None
        assert attempt.state is AttemptState.PENDING
        ids.add((attempt.id, attempt.message_id, attempt.number))
        attempts.ended(attempt.id, AttemptEvent.FAILED, act(hours))
    assert len(ids) == 1
    latest = attempts.latest(message.id)
    assert latest is not None
    assert (latest.state, latest.ended_at) == (AttemptState.FAILED, AT + timedelta(hours=2))


def test_a_delivered_message_has_nothing_left_to_send(store: Store) -> None:
    """After delivery no attempt is opened; a second delivery is no step, and writes nothing."""
    submission = begin(store)
    deliver(store, submission.id, MessageKind.IDENT)
    message = store.message(submission.id, MessageKind.IDENT)
    assert Attempts(store).open(message, act(1)) is None
    latest = Attempts(store).latest(message.id)
    assert latest is not None
    before = everything(store)
    with pytest.raises(IllegalStep):
        Attempts(store).ended(latest.id, AttemptEvent.DELIVERED, act(1))
    assert everything(store) == before


def test_the_ident_leg_begins_when_the_ident_message_is_delivered(store: Store) -> None:
    """Neither the IPLOS message nor a failure begins it."""
    submission = begin(store)
    deliver(store, submission.id, MessageKind.IPLOS)
    assert store.submission(submission.id).ident_leg is IdentLeg.NOT_SENT
    message = store.message(submission.id, MessageKind.IDENT)
    attempt = Attempts(store).open(message, act())
    assert attempt is not None
    Attempts(store).ended(attempt.id, AttemptEvent.FAILED, act())
    assert store.submission(submission.id).ident_leg is IdentLeg.NOT_SENT
    deliver(store, submission.id, MessageKind.IDENT)
    assert store.submission(submission.id).ident_leg is IdentLeg.SENT


def test_the_protected_hash_belongs_to_the_attempt(store: Store) -> None:
    """New encryption is a new hash, on its own attempt."""
    message = store.message(begin(store).id, MessageKind.IDENT)
    attempt = Attempts(store).open(message, act())
    assert attempt is not None
    Attempts(store).record_protected(attempt.id, "cd" * 32)
    latest = Attempts(store).latest(message.id)
    assert latest is not None
    assert latest.protected_sha256 == "cd" * 32


def test_both_delivered_is_noted_once(store: Store) -> None:
    """The step to AWAITING is taken once; a second call changes no state and writes no event."""
    submission = send(store)
    assert submission.state is SubmissionState.AWAITING
    before = everything(store, "submission")
    Attempts(store).all_delivered(submission.id, act(1))
    assert everything(store, "submission") == before
    assert state(store, submission) is SubmissionState.AWAITING


@pytest.mark.parametrize("event", [AttemptEvent.REFUSED, AttemptEvent.FAILED, None])
def test_an_undelivered_message_is_not_awaited(store: Store, event: AttemptEvent | None) -> None:
    """SENT -> AWAITING only when both attempts are delivered: nothing is awaited for what was refused."""
    submission = begin(store)
    attempt = Attempts(store).open(store.message(submission.id, MessageKind.IDENT), act())
    assert attempt is not None
    if event:
        Attempts(store).ended(attempt.id, event, act())
    deliver(store, submission.id, MessageKind.IPLOS)
    Attempts(store).all_delivered(submission.id, act())
    assert state(store, submission) is SubmissionState.SENDING


def test_a_refused_message_goes_again_under_a_new_message_id(store: Store) -> None:
    """S2: an operator opens a new attempt for the same message; MsgId and time stay."""
    submission = begin(store)
    attempts = Attempts(store)
    message = store.message(submission.id, MessageKind.IDENT)
    first = attempts.open(message, act())
    assert first is not None
    attempts.ended(first.id, AttemptEvent.REFUSED, act())
    assert attempts.open(message, act(1)) is None
    with pytest.raises(Locked):
        attempts.open_again(message, NOBODY, act(1), ack_hours=96, answered=False)
    second = attempts.open_again(message, ONE, act(1), ack_hours=96, answered=False)
    assert (second.number, second.kind, second.state) == (2, "S2", AttemptState.PENDING)
    assert second.message_id != first.message_id
    assert store.message(submission.id, MessageKind.IDENT) == message
    taken_up = attempts.open(message, act(2))
    assert taken_up is not None
    assert taken_up.id == second.id


def test_a_silent_message_goes_again_once(store: Store) -> None:
    """S4: locked for 96 hours, then once with leave, under a new message id; never a second time."""
    submission = send(store)
    attempts = Attempts(store)
    message = store.message(submission.id, MessageKind.IPLOS)
    for hours, approval, answered in ((95, TWO_REASON, False), (96, ONE, False), (1, ONE, True)):
        before = everything(store)
        with pytest.raises(Locked):
            attempts.open_again(message, approval, act(hours), ack_hours=96, answered=answered)
        assert everything(store) == before
    again = attempts.open_again(message, TWO_REASON, act(96), ack_hours=96, answered=False)
    assert (again.number, again.kind) == (2, "S4")
    attempts.ended(again.id, AttemptEvent.DELIVERED, act(97))
    with pytest.raises(Locked, match="allerede sendt på nytt én gang"):
        attempts.open_again(message, TWO_REASON, act(300), ack_hours=96, answered=True)
    ids = {event.event for event in store.events() if event.what == "attempt"}
    assert ids == {"DELIVERED", "S4"}


@pytest.mark.parametrize("event", [None, AttemptEvent.FAILED])
def test_an_attempt_under_way_is_not_doubled(store: Store, event: AttemptEvent | None) -> None:
    """What is pending or failed is taken up by ``open``; a second attempt beside it is refused."""
    message = store.message(begin(store).id, MessageKind.IDENT)
    attempts = Attempts(store)
    with pytest.raises(ValueError, match="under way"):
        attempts.open_again(message, TWO_REASON, act(200), ack_hours=96, answered=True)
    attempt = attempts.open(message, act())
    assert attempt is not None
    if event:
        attempts.ended(attempt.id, event, act())
    with pytest.raises(ValueError, match="under way"):
        attempts.open_again(message, TWO_REASON, act(200), ack_hours=96, answered=True)
    latest = attempts.latest(message.id)
    assert latest is not None
    assert latest.id == attempt.id


def test_an_answer_that_came_meanwhile_locks_the_resend(store: Store) -> None:
    """The receipt leg is read in the same transaction as the attempt is written, not before."""
    submission = send(store)
    read_before = store.message(submission.id, MessageKind.IPLOS)
    receipt(store, submission, ReceiptEvent.POSITIVE)
    with pytest.raises(Locked):
        Attempts(store).open_again(read_before, TWO_REASON, act(100), ack_hours=96, answered=False)


def test_two_processes_open_one_attempt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two senders that start at the same moment share one attempt with one message id, or one of them is told no."""
    message = store.message(begin(store).id, MessageKind.IDENT)
    together(monkeypatch, Attempts, "_latest")
    opened = race(*[lambda: Attempts(store).open(message, act())] * 2)
    assert {type(attempt) for attempt in opened} <= {Attempt, Locked}
    assert len({attempt.message_id for attempt in opened if isinstance(attempt, Attempt)}) == 1


# -- the state table, through the store ---------------------------------------------------------------------------


def test_every_step_of_a_submission_is_the_tables(store: Store) -> None:
    """Each event in each state moves as the table says and is noted; all others raise and change nothing at all."""
    opened = open_version(store)
    for before, event in product(SubmissionState, SubmissionEvent):
        put(store, Submission, opened.id, state=before)
        rows = everything(store)
        after = TABLE[SubmissionState][before].get(event)
        if after is None:
            with pytest.raises(IllegalStep):
                store.move(opened.id, event, act(why="prøve"), approved_by="Rolle B")
            assert everything(store) == rows
        else:
            moved = store.move(opened.id, event, act(why="prøve"), approved_by="Rolle B")
            assert moved.state is after
            assert store.submission(opened.id).approved_by == "Rolle B"
            noted = store.events()[-1]
            assert (noted.event, noted.from_state, noted.to_state) == (event, before, after)
            assert (noted.what, noted.why, noted.who, noted.at) == ("submission", "prøve", "Rolle A", AT)
            put(store, Submission, opened.id, approved_by=None)


def test_every_receipt_moves_its_leg_as_the_table_says(store: Store) -> None:
    """Each event on each leg of each message: moved, the same again, a contradiction or without effect; always noted."""
    sent = send(store)
    for kind, before, event in product(MessageKind, ReceiptLeg, ReceiptEvent):
        message = store.message(sent.id, kind)
        put(store, Submission, sent.id, state=SubmissionState.SUPERSEDED, ident_leg=IdentLeg.SENT)
        put(store, Message, message.id, receipt_leg=before, receipt_codes="")
        rows, events = everything(store, "event", "submission", "cycle"), len(store.events())
        moved = Legs(store).receipt(message.id, event, act(1, "register"), "T02")
        after = TABLE[ReceiptLeg][before].get(event)
        expected = (
            Moved.CONTRADICTION
            if is_contradiction(before, event)
            else Moved.NO_EFFECT
            if after is None
            else Moved.SAME_AGAIN
            if after is before
            else Moved.MOVED
        )
        assert moved is expected
        now = store.message(sent.id, kind)
        assert now.receipt_leg is (after or before)
        assert now.receipt_codes == ("T02" if after else "")
        if after is None:
            assert everything(store, "event", "submission", "cycle") == rows
        noted = store.events()[events:]
        assert noted[0].message_ref == message.id
        assert (noted[0].what, noted[0].event, noted[0].from_state) == ("receipt", event, before)
        assert noted[0].to_state == (after if moved is Moved.MOVED else moved)
        starts = kind is MessageKind.IDENT and event is ReceiptEvent.NEGATIVE and moved is Moved.MOVED
        leg = IdentLeg.FEEDBACK_FAULTS if starts else IdentLeg.SENT
        assert store.submission(sent.id).ident_leg is leg
        assert len(noted) == (2 if starts else 1)


def test_every_mail_moves_the_ident_leg_as_the_table_says(store: Store) -> None:
    """Each event in each state of the ident leg, always noted."""
    sent = send(store)
    for before, event in product(IdentLeg, IdentEvent):
        put(store, Submission, sent.id, state=SubmissionState.SUPERSEDED, ident_leg=before)
        events = len(store.events())
        moved = Legs(store).ident(sent.id, event, act(1, "register"))
        after = TABLE[IdentLeg][before].get(event)
        expected = Moved.NO_EFFECT if after is None else Moved.SAME_AGAIN if after is before else Moved.MOVED
        assert moved is expected
        assert store.submission(sent.id).ident_leg is (after or before)
        (noted,) = store.events()[events:]
        assert (noted.what, noted.event, noted.from_state) == ("ident", event, before)
        assert noted.to_state == (after if moved is Moved.MOVED else moved)


def test_the_submission_follows_its_legs(store: Store) -> None:
    """After any last answer, the submission stands where the four together say."""
    sent = send(store)
    ident, iplos = store.messages(sent.id)
    for before, leg, own, other in product(("AWAITING", "ACCEPTED"), IdentLeg, ReceiptLeg, ReceiptLeg):
        put(store, Submission, sent.id, state=SubmissionState(before), ident_leg=leg)
        put(store, Message, ident.id, receipt_leg=own)
        put(store, Message, iplos.id, receipt_leg=other)
        Legs(store).receipt(iplos.id, ReceiptEvent.TIME_PASSED, act(1))
        other = ReceiptLeg.OVERDUE if other is ReceiptLeg.NONE else other
        event = consequence(SubmissionState(before), leg, other, own)
        expected = TABLE[SubmissionState][SubmissionState(before)][event] if event else before
        assert state(store, sent) == expected


# -- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["ident", "receipt"])
def test_accepted_needs_both_answers_in_any_order(store: Store, first: str) -> None:
    """One good answer leaves it awaiting, whichever comes first."""
    sent = send(store)
    if first == "receipt":
        receipt(store, sent, ReceiptEvent.POSITIVE)
    else:
        Legs(store).ident(sent.id, IdentEvent.FEEDBACK_OK, act(1))
    assert state(store, sent) is SubmissionState.AWAITING
    accept(store, sent)
    assert state(store, sent) is SubmissionState.ACCEPTED


def test_the_ident_messages_own_receipt_does_not_accept(store: Store) -> None:
    """It is recorded on its own leg and moves neither of the two that decide (L19)."""
    sent = send(store)
    receipt(store, sent, ReceiptEvent.POSITIVE, "IDENT")
    receipt(store, sent, ReceiptEvent.POSITIVE, "IPLOS")
    now = store.submission(sent.id)
    assert (now.ident_leg, now.state) == (IdentLeg.SENT, SubmissionState.AWAITING)
    assert store.message(sent.id, MessageKind.IDENT).receipt_leg is ReceiptLeg.POSITIVE


def test_a_negative_receipt_for_the_ident_message_sets_the_ident_leg(store: Store) -> None:
    """Its codes stand on the ident message; the IPLOS leg is left alone."""
    sent = send(store)
    receipt(store, sent, ReceiptEvent.NEGATIVE, "IDENT", "E31")
    assert store.submission(sent.id).ident_leg is IdentLeg.FEEDBACK_FAULTS
    ident, iplos = store.messages(sent.id)
    assert (ident.receipt_codes, iplos.receipt_codes, iplos.receipt_leg) == ("E31", "", ReceiptLeg.NONE)


def test_a_late_positive_still_counts(store: Store) -> None:
    """Both legs overdue, then both answers: accepted (HITS 1168 s. 4.1)."""
    sent = send(store)
    Legs(store).ident(sent.id, IdentEvent.TIME_PASSED, act(5))
    receipt(store, sent, ReceiptEvent.TIME_PASSED)
    assert state(store, sent) is SubmissionState.AWAITING
    accept(store, sent)
    assert state(store, sent) is SubmissionState.ACCEPTED


def test_a_contradicting_receipt_moves_nothing(store: Store) -> None:
    """The accepted version stays accepted, with the codes of the first receipt; the incident is noted (R15)."""
    sent = send(store)
    accept(store, sent)
    assert receipt(store, sent, ReceiptEvent.NEGATIVE, codes="T02") is Moved.CONTRADICTION
    assert state(store, sent) is SubmissionState.ACCEPTED
    iplos = store.message(sent.id, MessageKind.IPLOS)
    assert (iplos.receipt_leg, iplos.receipt_codes) == (ReceiptLeg.POSITIVE, "")
    assert store.events()[-1].to_state == "CONTRADICTION"


def test_a_newly_accepted_version_replaces_the_former_ones(store: Store) -> None:
    """Only acceptance replaces: until then the old version counts."""
    first = send(store)
    accept(store, first)
    second = send(store, 10)
    receipt(store, second, ReceiptEvent.NEGATIVE)
    Legs(store).ident(second.id, IdentEvent.FEEDBACK_OK, act(11))
    third = send(store, 20)
    assert state(store, first) is SubmissionState.ACCEPTED
    accept(store, third)
    assert [s.state for s in store.submissions()] == ["SUPERSEDED", "SUPERSEDED", "ACCEPTED"]


def test_an_acceptance_does_not_replace_newer_versions(store: Store) -> None:
    """A late acceptance of the old version leaves the newer one as it is."""
    first = send(store)
    second = send(store, 1, TWO_REASON)
    accept(store, first)
    assert [state(store, s) for s in (first, second)] == [SubmissionState.ACCEPTED, SubmissionState.AWAITING]


def test_the_register_may_take_an_acceptance_back(store: Store) -> None:
    """R7: withdrawn afterwards, the version counts no more."""
    sent = send(store)
    accept(store, sent)
    receipt(store, sent, ReceiptEvent.WITHDRAWN)
    assert state(store, sent) is SubmissionState.WITHDRAWN


def test_feedback_may_come_before_delivery_is_written_down(store: Store) -> None:
    """Killed between handing over and noting it, the mail that comes meanwhile counts: it proves the delivery."""
    submission = begin(store)
    Attempts(store).open(store.message(submission.id, MessageKind.IDENT), act())
    assert Legs(store).ident(submission.id, IdentEvent.FEEDBACK_OK, act(1, "register")) is Moved.MOVED
    for kind in MessageKind:
        deliver(store, submission.id, kind, 2)
    Attempts(store).all_delivered(submission.id, act(2))
    assert store.submission(submission.id).ident_leg is IdentLeg.FEEDBACK_OK


def test_answers_may_come_before_both_are_delivered(store: Store) -> None:
    """When both good answers came while it was still SENDING, the version is accepted as soon as it is delivered."""
    submission = begin(store)
    for kind in MessageKind:
        deliver(store, submission.id, kind)
    accept(store, submission)
    Attempts(store).all_delivered(submission.id, act(2))
    assert state(store, submission) is SubmissionState.ACCEPTED


def test_a_mail_before_anything_was_sent_is_noted(store: Store) -> None:
    """An unread mail is matched to the newest version, which may be a draft: it is noted, and has no effect."""
    opened = open_version(store)
    assert Legs(store).ident(opened.id, IdentEvent.FEEDBACK_UNREAD, act(1, "register")) is Moved.NO_EFFECT


def test_a_message_that_never_went_out_is_not_awaited(store: Store) -> None:
    """Rejected by the ident message's receipt before the IPLOS message was tried: nothing more can come."""
    submission = begin(store)
    deliver(store, submission.id, MessageKind.IDENT)
    receipt(store, submission, ReceiptEvent.NEGATIVE, "IDENT", "E31")
    assert state(store, submission) is SubmissionState.REJECTED
    assert Attempts(store).latest(store.message(submission.id, MessageKind.IPLOS).id) is None
    assert open_version(store, 1).version == 2


def test_a_mail_before_sending_does_not_hide_that_the_feedback_is_missing(store: Store) -> None:
    """An unread mail matched to an approved version has no effect, so that the alarm of L20 still comes later."""
    opened = open_version(store)
    approve(store, opened.id)
    assert Legs(store).ident(opened.id, IdentEvent.FEEDBACK_UNREAD, act(0, "register")) is Moved.NO_EFFECT
    sent = send(store, 1)
    assert sent.ident_leg is IdentLeg.SENT
    Legs(store).ident(sent.id, IdentEvent.TIME_PASSED, act(50))
    assert store.submission(sent.id).ident_leg is IdentLeg.OVERDUE


@pytest.mark.parametrize("event", [ReceiptEvent.POSITIVE, ReceiptEvent.POSITIVE_PART])
def test_a_receipt_proves_the_delivery(store: Store, event: ReceiptEvent) -> None:
    """A message that the transport refused and the register answers all the same did arrive: the version goes on."""
    submission = begin(store)
    deliver(store, submission.id, MessageKind.IDENT)
    attempt = Attempts(store).open(store.message(submission.id, MessageKind.IPLOS), act())
    assert attempt is not None
    Attempts(store).ended(attempt.id, AttemptEvent.REFUSED, act())
    receipt(store, submission, event)
    Attempts(store).all_delivered(submission.id, act(2))
    assert state(store, submission) is SubmissionState.AWAITING


# -- one transaction per step, one process per step ---------------------------------------------------------------


def test_a_step_and_its_event_are_written_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the event cannot be written, neither is the state."""
    sent = send(store)
    before = everything(store)

    def fails(*args: Any, **named: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(store, "note", fails)
    message = store.message(sent.id, MessageKind.IPLOS)
    for call in (
        lambda: store.move(sent.id, SubmissionEvent.WITHDRAWN, act()),
        lambda: Legs(store).receipt(message.id, ReceiptEvent.POSITIVE, act()),
        lambda: Legs(store).ident(sent.id, IdentEvent.FEEDBACK_OK, act()),
        lambda: open_version(store, 1, TWO_REASON),
    ):
        with pytest.raises(RuntimeError):
            call()
    assert everything(store) == before


def test_two_processes_cannot_both_take_a_step(store: Store) -> None:
    """Of many that want the same step at the same moment, one takes it; the others are told, and change nothing."""
    opened = open_version(store)
    put(store, Submission, opened.id, state=SubmissionState.CHECKED)
    results = race(*[lambda: store.move(opened.id, SubmissionEvent.APPROVED, act())] * 4)
    winners = [result for result in results if isinstance(result, Submission)]
    assert len(winners) == 1
    assert {type(result) for result in results} - {Submission} <= {Locked, IllegalStep}
    assert [event.event for event in store.events()] == ["FIRST", "APPROVED"]


def test_a_submission_that_moved_meanwhile_is_locked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads before another's step and writes after it finds the counter moved or the step gone."""
    opened = open_version(store)
    put(store, Submission, opened.id, state=SubmissionState.CHECKED)
    other = Store(store.engine, "1103", 2020)
    meanwhile(monkeypatch, store, "locked", lambda: other.move(opened.id, SubmissionEvent.APPROVED, act()))
    with pytest.raises((Locked, IllegalStep)):
        store.move(opened.id, SubmissionEvent.APPROVED, act())
    assert [event.event for event in store.events()] == ["FIRST", "APPROVED"]


def test_a_final_receipt_is_not_overwritten_by_one_that_came_at_the_same_moment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two receipts with different verdicts, read by two processes: the first holds, the second is an incident."""
    sent = send(store)
    message = store.message(sent.id, MessageKind.IPLOS)
    other = Legs(Store(store.engine, "1103", 2020))
    meanwhile(monkeypatch, store, "locked", lambda: other.receipt(message.id, ReceiptEvent.POSITIVE, act(1)))
    try:
        assert Legs(store).receipt(message.id, ReceiptEvent.NEGATIVE, act(1)) is Moved.CONTRADICTION
    except Locked:
        assert store.message(sent.id, MessageKind.IPLOS).receipt_leg is ReceiptLeg.POSITIVE
    assert store.message(sent.id, MessageKind.IPLOS).receipt_leg is ReceiptLeg.POSITIVE


def test_an_attempt_ends_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two senders took up the same attempt; one delivered and one failed: what was delivered never counts as failed."""
    message = store.message(begin(store).id, MessageKind.IDENT)
    attempt = Attempts(store).open(message, act())
    assert attempt is not None
    together(monkeypatch, Store, "note")
    ends = [AttemptEvent.DELIVERED, AttemptEvent.FAILED]
    results = race(*[partial(Attempts(store).ended, attempt.id, event, act()) for event in ends])
    written = [event.event for event in store.events() if event.what == "attempt"]
    refused = [isinstance(result, (Locked, IllegalStep)) for result in results]
    # Delivering may be told after a failure, as an answer of the other side would; never the other way round.
    assert (written, refused) in (
        (["DELIVERED"], [False, True]),
        (["FAILED"], [True, False]),
        (["FAILED", "DELIVERED"], [False, False]),
    )


def test_two_processes_open_one_version(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second gets the version that the first one opened, or Locked."""
    together(monkeypatch, Store, "_former")
    opened = race(*[lambda: open_version(store)] * 2)
    assert len(store.submissions()) == 1
    assert {type(version) for version in opened} <= {Submission, Locked}


def test_an_error_of_the_database_does_not_show_what_was_written(engine: Engine, store: Store) -> None:
    """Errors end up in logs: the database's own carry no values."""
    statement = text("INSERT INTO cycle (id, municipality, data_year) VALUES (:id, '1103', 2020)")
    with pytest.raises(IntegrityError) as refused, engine.begin() as connection:
        connection.execute(statement, {"id": "hemmelig verdi"})
    assert "hemmelig verdi" not in str(refused.value)


# -- events and times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET who = 'x'",
        "UPDATE event SET why = why",
        "DELETE FROM event",
        "DELETE FROM event WHERE id = (SELECT max(id) FROM event)",
    ],
)
def test_events_are_written_once(store: Store, statement: str) -> None:
    """The database itself refuses to change or delete an event, whoever asks."""
    send(store)
    before = everything(store)
    with pytest.raises(SQLAlchemyError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text(statement))
    assert everything(store) == before


def test_events_cannot_be_swept_away_or_overwritten(store: Store) -> None:
    """The ways round a row trigger are shut as well."""
    send(store)
    before = everything(store)
    ways = {
        "sqlite": "INSERT OR REPLACE INTO event SELECT id, cycle_id, submission_id, message_ref, at, 'x', what, event, "
        "from_state, to_state, why, role, chain FROM event",
        "postgresql": "TRUNCATE event",
    }
    with pytest.raises(SQLAlchemyError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text(ways[store.engine.dialect.name]))
    assert everything(store) == before


def test_events_come_in_the_order_in_which_they_happened(store: Store) -> None:
    """A whole course reads as a story, also when clocks disagree."""
    sent = send(store, 10)
    Legs(store).ident(sent.id, IdentEvent.FEEDBACK_OK, act(5, "register"))
    receipt(store, sent, ReceiptEvent.POSITIVE)
    assert [(event.what, event.event) for event in store.events()] == [
        ("submission", "FIRST"),
        ("submission", "EXTRACTED"),
        ("submission", "FOUND_GOOD"),
        ("submission", "APPROVED"),
        ("submission", "SENDING"),
        ("attempt", "DELIVERED"),
        ("attempt", "DELIVERED"),
        ("submission", "BOTH_DELIVERED"),
        ("ident", "FEEDBACK_OK"),
        ("receipt", "POSITIVE"),
        ("submission", "BOTH_LEGS_GOOD"),
    ]
    assert all(event.submission_id == sent.id for event in store.events())


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=1)), timezone(timedelta(hours=-9, minutes=-30))])
def test_times_come_back_as_the_same_moment_in_utc(store: Store, zone: timezone) -> None:
    """Whatever zone a time is given in, it comes back aware, in UTC, to the microsecond."""
    moment = datetime(2021, 3, 28, 2, 30, 0, 123456, tzinfo=zone)
    opened = store.open_version(Act("Rolle A", moment), NOBODY, KEY, ack_hours=96, too_late=False)
    kept = store.submission(opened.id).opened_at
    assert kept == moment
    assert kept.utcoffset() == timedelta()


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    """A naive time could be any moment: nothing is written."""
    with pytest.raises(StatementError, match="without a zone"):
        store.open_version(Act("Rolle A", datetime(2021, 1, 11)), NOBODY, KEY, ack_hours=96, too_late=False)  # noqa: DTZ001
    assert store.latest() is None


def test_states_are_kept_as_readable_codes(store: Store) -> None:
    """Someone with a database browser alone can read where things stand."""
    send(store)
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT state, ident_leg FROM submission")).all()
    assert [tuple(row) for row in rows] == [("AWAITING", "SENT")]


# -- what came in -------------------------------------------------------------------------------------------------


def test_the_same_thing_is_taken_in_once(store: Store) -> None:
    """The second time the very same comes nothing is added; another one is."""
    first = store.take_in(InboxKind.RECEIPT, "app-rec:1", KEY, act(1), verdict="POSITIVE", note="T02")
    assert first is not None
    assert store.take_in(InboxKind.RECEIPT, "app-rec:1", b"other", act(2), verdict="NEGATIVE") is None
    second = store.take_in(InboxKind.IDENT_MAIL, "mail:1", KEY, act(3))
    assert second is not None
    with store.transaction() as session:
        kept = session.get_one(Inbox, first.id)
    assert (kept.kind, kept.verdict, kept.note, kept.wrapped_key) == (InboxKind.RECEIPT, "POSITIVE", "T02", KEY)
    assert kept.received_at == AT + timedelta(hours=1)
    assert len(everything(store)["inbox"]) == 2


def test_two_processes_take_in_the_same_thing(store: Store) -> None:
    """Of many that take in the same at the same moment, exactly one does."""
    taken = race(*[lambda: store.take_in(InboxKind.RECEIPT, "app-rec:1", KEY, act())] * 4)
    assert sum(isinstance(entry, Inbox) for entry in taken) == 1
    assert sum(entry is None for entry in taken) == 3


def test_the_vaults_names_are_opaque(store: Store) -> None:
    """A name in the vault is an id and what it is; nothing else."""
    submission = begin(store)
    message = store.message(submission.id, MessageKind.IDENT)
    attempt = Attempts(store).open(message, act())
    entry = store.take_in(InboxKind.UNKNOWN, "raw:1", KEY, act())
    assert attempt is not None
    assert entry is not None
    names = [submission.rows_name, message.content_name, attempt.protected_name, entry.raw_name]
    assert names == [
        f"{submission.id}-rows",
        f"{message.id}-message",
        f"{attempt.id}-protected",
        f"{entry.id}-inbox",
    ]
    assert all(str(UUID(name.rpartition("-")[0])) == name.rpartition("-")[0] for name in names)


# -- killed -------------------------------------------------------------------------------------------------------

#: The points at which the process below is killed, in order.
POINTS = ("opened", "approved", "ids fixed", "sending", "outbox", "one delivered", "in a transaction")


def go_on(store: Store, reached: Callable[[str], None]) -> list[str]:
    """A whole sending, taken up where it was left; says at each point that it is there. All ids, at the end."""
    submission = open_version(store)
    reached("opened")
    approve_only = store.submission(submission.id).state is SubmissionState.DRAFT
    if approve_only:
        for event in (SubmissionEvent.EXTRACTED, SubmissionEvent.FOUND_GOOD, SubmissionEvent.APPROVED):
            store.move(submission.id, event, act())
    reached("approved")
    approve(store, submission.id)
    reached("ids fixed")
    submission = begin(store)
    reached("sending")
    ids = [submission.id]
    for kind in MessageKind:
        message = store.message(submission.id, kind)
        attempt = Attempts(store).open(message, act())
        reached("outbox")
        if attempt is not None:
            Attempts(store).ended(attempt.id, AttemptEvent.DELIVERED, act())
        reached("one delivered")
        latest = Attempts(store).latest(message.id)
        assert latest is not None
        ids += [message.id, message.msg_id, latest.id, latest.message_id]
    with store.transaction() as session:
        locked = store.locked(session, submission.id)
        if locked.state is SubmissionState.SENDING:
            store.step_submission(session, locked, SubmissionEvent.BOTH_DELIVERED, act())
            session.flush()
        reached("in a transaction")
    return ids


def go_on_and_hang(url: str, point: str) -> None:
    """The body of the process that is killed: prints the ids that it has fixed, and waits for its end."""
    engine = open_engine(url)
    store = Store(engine, "1103", 2020)

    def reached(there: str) -> None:
        if there == point:
            sys.stdout.write("there\n")
            sys.stdout.flush()
            sys.stdin.read()

    go_on(store, reached)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_is_taken_up_with_the_same_ids(store: Store, url: str, point: str) -> None:
    """Killed with SIGKILL and run again: one version, one pair of MsgIds, one attempt each, nothing lost or doubled."""
    program = f"import test_store; test_store.go_on_and_hang({url!r}, {point!r})"
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
    finally:
        child.kill()
        child.communicate()
    before = everything(store)
    ids = go_on(store, lambda _: None)
    assert [s.state for s in store.submissions()] == [SubmissionState.AWAITING]
    after = everything(store)
    for table, places in (("submission", (0,)), ("message", (0, 4)), ("attempt", (0, 3))):
        kept = {row[place] for row in before[table] for place in places}
        assert kept <= set(ids)
    assert [len(after[table]) for table in ("submission", "message", "attempt")] == [1, 2, 2]
    assert after["event"][: len(before["event"])] == before["event"]
    assert [event.event for event in store.events()].count("DELIVERED") == 2
    with pytest.raises(Locked):
        go_on(store, lambda _: None)


def test_the_kill_test_looks_at_the_ids() -> None:
    """The columns that the kill test compares are the ids: the row's own, the MsgId and the transport's."""
    tables = SQLModel.metadata.tables
    named = [(name, place) for name, places in (("message", (0, 4)), ("attempt", (0, 3))) for place in places]
    columns = {(name, place): list(tables[name].columns)[place].name for name, place in named}
    assert set(columns.values()) == {"id", "msg_id", "message_id"}


# -- over any course of events ------------------------------------------------------------------------------------


def test_no_course_of_events_doubles_an_id(store: Store) -> None:
    """A long course of openings, failures, answers and impatience, drawn by a fixed seed, keeps the invariants."""
    draw, hours = random.Random(2020), count()
    for _ in range(150):
        now = next(hours) * 7
        approval = draw.choice([NOBODY, ONE, TWO_REASON])
        before = store.latest()
        try:
            submission = begin(store, now, approval)
        except Locked:
            submission = before  # type: ignore[assignment]
        if before and submission.id != before.id and not approval.two_persons_and_reason:
            iplos = store.message(before.id, MessageKind.IPLOS)
            undecided = before.ident_leg in ("SENT", "FEEDBACK_UNREAD") or iplos.receipt_leg in ("NONE", "UNREADABLE")
            assert not undecided or before.state in ("ACCEPTED", "REJECTED", "WITHDRAWN")
        message = store.message(submission.id, draw.choice(list(MessageKind)))
        attempt = Attempts(store).open(message, act(now))
        if attempt is not None:
            Attempts(store).ended(attempt.id, draw.choice([AttemptEvent.DELIVERED, AttemptEvent.FAILED]), act(now))
        latest = [Attempts(store).latest(m.id) for m in store.messages(submission.id)]
        if all(a is not None and a.state is AttemptState.DELIVERED for a in latest):
            Attempts(store).all_delivered(submission.id, act(now))
        if draw.random() < 0.6:
            Legs(store).receipt(message.id, draw.choice(list(ReceiptEvent)), act(now, "register"))
        if draw.random() < 0.6:
            Legs(store).ident(submission.id, draw.choice(list(IdentEvent)), act(now, "register"))
    versions = store.submissions()
    assert len(versions) > 5
    assert [v.version for v in versions] == [v.sequence_number for v in versions] == list(range(1, len(versions) + 1))
    rows = everything(store)
    assert len({row.msg_id for row in rows["message"]}) == 2 * len(versions)
    assert len({row.message_id for row in rows["attempt"]}) == len(rows["attempt"])
    assert len({(row.message_ref, row.number) for row in rows["attempt"]}) == len(rows["attempt"])
    assert sum(v.state is SubmissionState.ACCEPTED for v in versions) <= 1
