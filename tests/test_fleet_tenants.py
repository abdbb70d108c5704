"""Two municipalities in one house: nothing of one in the hands of the other, not even by mistake."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from postgresql import find_binaries, running_postgresql

from kpr.calendar import OSLO
from kpr.clock import set_file_clock
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadInput
from kpr.fleet.board import place_of
from kpr.fleet.installation import Entry, Installation, load_installation
from kpr.fleet.look import awaiting, look, look_at_all, needs_collecting
from kpr.log import blot
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.security.vault import MasterKey, Vault
from kpr.simulator_fleet import make_fleet
from kpr.steps.collect import collect
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import Workplace, open_workplace
from kpr.store import MessageKind

START = datetime(2021, 1, 7, 10, tzinfo=OSLO)
NUMBERS = ("0301", "1103")

#: What the texts and files of one may never show of the other: national ids, and keys as they are written.
_SECRET = re.compile(r"\d{11}|[A-Za-z0-9+/]{40,}")


def _template(folder: Path, key_pairs: int) -> Path:
    make_fleet(folder, NUMBERS, persons=5, key_pairs=key_pairs)
    return folder


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, since keys are slow: each with its own certificates, as it must be."""
    return _template(tmp_path_factory.mktemp("apart"), key_pairs=2)


@pytest.fixture(scope="module")
def same_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one certificate for both, as no house should have it: the second line of defence."""
    return _template(tmp_path_factory.mktemp("same"), key_pairs=1)


def _copied(template: Path, folder: Path) -> Installation:
    shutil.copytree(template, folder)
    set_file_clock(folder / "clock", START)
    return load_installation(folder / "kpr-fleet.yaml")


@pytest.fixture
def fleet(apart: Path, tmp_path: Path) -> Installation:
    """Two municipalities on 7 January."""
    return _copied(apart, tmp_path / "fleet")


@pytest.fixture
def shared(fleet: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The same with one database for both."""
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{fleet.file.parent / 'shared.sqlite'}")
    return fleet


def report(entry: Entry) -> str:
    """Check and send; the submission's id."""
    with open_workplace(entry.settings_file) as place:
        submission, checked = prepare(place, by="rolle A")
        send_approved(place, submission, checked, by="rolle A", reason=None)
        return submission


def answer(fleet: Installation) -> None:
    """The register does what is due."""
    register = Register(load_register_settings(fleet.file.parent / "register" / "register.yaml"))
    register.step(START)
    register.close()


def take_in(entry: Entry) -> dict[str, int]:
    """One round of collecting."""
    with open_workplace(entry.settings_file) as place:
        return collect(place).counts()


def inbox(fleet: Installation, entry: Entry) -> Path:
    """Where messages to this municipality arrive."""
    return fleet.file.parent / "exchange" / entry.her_id


def misdeliver(fleet: Installation, entry: Entry, to: Entry) -> int:
    """Lay what is addressed to one into the other's inbox as well; how many files."""
    inbox(fleet, to).mkdir(parents=True, exist_ok=True)
    files = [path for path in inbox(fleet, entry).iterdir() if path.is_file()]
    for path in files:
        shutil.copy(path, inbox(fleet, to) / path.name)
    return len(files)


# -- what is kept -------------------------------------------------------------------------------------------------


def vault_names(place: Workplace) -> Iterator[tuple[str, bytes]]:
    """Everything that a place keeps of its submissions, with the wrapped keys that open it."""
    for submission in place.store.submissions():
        yield submission.rows_name, submission.wrapped_key
        for message in place.store.messages(submission.id):
            yield message.content_name, submission.wrapped_key
            attempt = place.attempts.latest(message.id)
            if attempt is not None:
                yield attempt.protected_name, submission.wrapped_key


def test_what_one_keeps_does_not_open_with_the_others_key(fleet: Installation) -> None:
    """Rows, both messages and what was sent: each refuses the other's master key, and the refusal shows nothing."""
    one, other = fleet
    report(one)
    wrong = MasterKey.load(other.settings_file.parent / "keys" / "municipality.key")
    with open_workplace(one.settings_file) as place:
        kept = list(vault_names(place))
        assert len(kept) == 5
        for name, wrapped in kept:
            assert place.vault.get(name, wrapped)
            with pytest.raises(BadInput) as told:
                Vault(place.vault.folder, wrong).get(name, wrapped)
            assert not _SECRET.search(str(told.value))
            assert told.value.remedy


def test_a_file_that_came_into_the_others_vault_does_not_open_there(fleet: Installation) -> None:
    """With the other's own data key under the file's own name it is a file that was changed, and nothing comes out."""
    one, other = fleet
    report(one)
    report(other)
    with open_workplace(one.settings_file) as place:
        names = [name for name, _ in vault_names(place)]
        source = place.vault.folder
    with open_workplace(other.settings_file) as place:
        own = place.store.submissions()[-1].wrapped_key
        for name in names:
            shutil.copy(source / f"{name}.vault", place.vault.folder)
            with pytest.raises(BadInput) as told:
                place.vault.get(name, own)
            assert not _SECRET.search(str(told.value))


def test_no_file_of_a_vault_shows_what_is_in_it(fleet: Installation) -> None:
    """Neither names of files nor their bytes hold an id or an element of a message."""
    one, _ = fleet
    report(one)
    files = list((one.settings_file.parent / "vault").iterdir())
    assert files
    for file in files:
        content = file.read_bytes()
        assert b"<" not in content[:4]
        assert b"MsgHead" not in content
        assert not re.search(rb"\d{11}", content)
        assert blot(file.name) == file.name


def test_the_two_have_nothing_of_their_keys_in_common(fleet: Installation) -> None:
    """Master keys, signing keys and certificates are each one's own."""
    one, other = (entry.settings_file.parent / "keys" for entry in fleet)
    for name in ("municipality.key", "sign.key", "decrypt.key", "sign.pem", "decrypt.pem"):
        assert (one / name).read_bytes() != (other / name).read_bytes(), name


# -- what comes in ------------------------------------------------------------------------------------------------


def test_a_receipt_for_one_is_not_taken_in_by_the_other(fleet: Installation) -> None:
    """Encrypted for the one, it is kept apart unopened by the other, whose submission stands as it stood."""
    one, other = fleet
    report(one)
    report(other)
    before = look(other)
    answer(fleet)
    own = [path.name for path in inbox(fleet, other).iterdir()]
    for name in own:
        (inbox(fleet, other) / name).rename(fleet.file.parent / name)
    assert misdeliver(fleet, one, other) >= 2
    came = take_in(other)
    assert all("unreadable" in kind or "mail" in kind for kind in came), came
    after = look(other)
    assert after.receipt_leg is before.receipt_leg is ReceiptLeg.NONE
    assert after.state is SubmissionState.AWAITING
    assert take_in(one)
    assert look(one).state is SubmissionState.ACCEPTED
    for name in own:
        (fleet.file.parent / name).rename(inbox(fleet, other) / name)
    take_in(other)
    assert look(other).state is SubmissionState.ACCEPTED


def test_even_one_that_could_be_opened_moves_nothing(same_keys: Path, tmp_path: Path) -> None:
    """Two with the same certificate: the MsgId decides, and the other never sent it."""
    fleet = _copied(same_keys, tmp_path / "fleet")
    one, other = fleet
    report(one)
    report(other)
    answer(fleet)
    shutil.rmtree(inbox(fleet, other))
    misdeliver(fleet, one, other)
    came = take_in(other)
    assert came.get("receipt: unknown message", 0) >= 1
    assert not any("POSITIVE" in kind for kind in came)
    assert look(other).receipt_leg is ReceiptLeg.NONE


def test_in_one_database_a_receipt_for_the_other_is_left_to_it(
    same_keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with a shared database: it stays where it is, and the one it is for takes it in."""
    fleet = _copied(same_keys, tmp_path / "fleet")
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{tmp_path / 'shared.sqlite'}")
    one, other = fleet
    report(one)
    report(other)
    answer(fleet)
    shutil.rmtree(inbox(fleet, other))
    misdeliver(fleet, one, other)
    came = take_in(other)
    assert not any("POSITIVE" in kind for kind in came)
    assert look(other).receipt_leg is ReceiptLeg.NONE
    assert look(one).receipt_leg is ReceiptLeg.NONE
    take_in(one)
    assert look(one).state is SubmissionState.ACCEPTED


def test_an_ident_mail_for_one_is_no_answer_for_the_other(fleet: Installation) -> None:
    """Laid into the other's mailbox it is one that a person must look at, and it stays there to be seen."""
    one, other = fleet
    report(one)
    report(other)
    answer(fleet)
    mine, others = (entry.settings_file.parent / "mail" for entry in fleet)
    own = shutil.move(others, fleet.file.parent / "own-mail")
    shutil.copytree(mine, others)
    take_in(other)
    assert look(other).ident_leg is IdentLeg.FEEDBACK_UNREAD
    assert look(other).state is SubmissionState.AWAITING
    assert place_of(look(other)) == "FAULT"
    assert len(list((others / "new").iterdir())) == 1
    take_in(one)
    assert look(one).ident_leg is IdentLeg.FEEDBACK_OK
    shutil.copytree(own, others, dirs_exist_ok=True)
    take_in(other)
    assert look(other).ident_leg is IdentLeg.FEEDBACK_OK


# -- what is written down -----------------------------------------------------------------------------------------


def test_one_database_shows_each_its_own_versions_and_events(shared: Installation) -> None:
    """Whatever is listed for one holds no row of the other."""
    one, other = shared
    report(one)
    with open_workplace(other.settings_file) as place:
        assert place.store.latest() is None
        assert place.store.submissions() == []
        assert place.store.events() == []
        assert place.store.numbers_of_other_years() == []
        assert place.store.set_aside("") == []
        assert place.attempts.unacknowledged() == []
    assert look(one).state is SubmissionState.AWAITING
    assert look(other).state is None
    assert needs_collecting(one)
    assert not needs_collecting(other)


def test_one_database_finds_no_message_of_the_other_by_its_ids(shared: Installation) -> None:
    """Neither the MsgId nor the transport's id of one leads to a message when the other asks."""
    one, other = shared
    submission = report(one)
    with open_workplace(one.settings_file) as place:
        messages = [place.store.message(submission, kind) for kind in MessageKind]
        attempts = [place.attempts.latest(message.id) for message in messages]
        assert all(place.store.message_by_msg_id(message.msg_id) for message in messages)
    with open_workplace(other.settings_file) as place:
        assert [place.store.message_by_msg_id(message.msg_id) for message in messages] == [None, None]
        assert [place.attempts.by_transport_id(each.message_id) for each in attempts if each] == [None, None]


def test_both_go_their_own_way_through_one_database(shared: Installation) -> None:
    """Each has its own version and number 1, its own answers, and its own line on the board."""
    ids = {entry.number: report(entry) for entry in shared}
    assert len(set(ids.values())) == 2
    answer(shared)
    for entry in shared:
        take_in(entry)
    standings = look_at_all(shared)
    assert [(each.number, each.version, each.state) for each in standings] == [
        (number, 1, SubmissionState.ACCEPTED) for number in NUMBERS
    ]
    for entry in shared:
        with open_workplace(entry.settings_file) as place:
            (submission,) = place.store.submissions()
            assert (submission.id, submission.sequence_number) == (ids[entry.number], 1)
            assert {event.cycle_id for event in place.store.events()} == {place.store.cycle_id}


def test_one_database_does_not_hold_a_key_that_opens_the_others(shared: Installation) -> None:
    """The wrapped key of one, read out of the shared database, is of no use with the other's master key."""
    one, other = shared
    report(one)
    with open_workplace(one.settings_file) as place:
        wrapped = place.store.submissions()[-1].wrapped_key
    with open_workplace(other.settings_file) as place, pytest.raises(BadInput):
        place.vault.create("proof", wrapped).__enter__()


def test_a_server_that_all_share_shows_each_its_own(fleet: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL for everyone: before the first opening nothing has been extracted, afterwards each has its own line."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed")
    one, other = fleet
    with running_postgresql(binaries) as server:
        monkeypatch.setenv("KPR_STORE__URL", server.new_database())
        assert [(each.state, each.error) for each in look_at_all(fleet)] == [(None, ""), (None, "")]
        assert awaiting(fleet) == []
        report(one)
        assert [each.state for each in look_at_all(fleet)] == [SubmissionState.AWAITING, None]
        assert awaiting(fleet) == [one]
        report(other)
        answer(fleet)
        take_in(one)
        assert [each.state for each in look_at_all(fleet)] == [SubmissionState.ACCEPTED, SubmissionState.AWAITING]
        assert awaiting(fleet) == [one, other]
    assert all(each.error for each in look_at_all(fleet))
