"""Approving apart from sending: what was approved is what is sent, whenever that is, and nobody else's word is needed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
import typer
from place import Place
from test_killed import killed_at, msg_ids, sent
from typer.testing import CliRunner

from kpr.calendar import OSLO
from kpr.cli import approve as command
from kpr.errors import Blocked, KprError, Locked
from kpr.guard import Approval, Kind, mint_pair, permission_of_approved
from kpr.steps.approve import approve_extract, record_approval, send_only_approved
from kpr.steps.report import prepare
from kpr.steps.watch import watch
from kpr.store import MessageKind, Submission

#: After the absolute last date of data year 2020 (26 March 2021).
TOO_LATE = datetime(2021, 3, 27, 9, tzinfo=OSLO)


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place with a small extract."""
    return Place(tmp_path, persons=5)


def kpr_approve(made: Place, *words: str) -> tuple[BaseException | None, str]:
    """Runs ``kpr approve``: what it raised, and what it said."""
    app = typer.Typer()
    command.register(app)
    done = CliRunner().invoke(app, ["--settings", str(made.settings), *words])
    ended_well = done.exception is None or isinstance(done.exception, SystemExit)
    return (None if ended_well else done.exception), done.stdout


def approved(made: Place) -> Submission:
    """Approve what is there now; the submission."""
    problem, said = kpr_approve(made, "--by", "rolle A", "--reason", "sett over")
    assert problem is None, said
    return latest(made)


def latest(made: Place) -> Submission:
    """The newest version."""
    with made.open() as place:
        found = place.store.latest()
    assert found is not None
    return found


def persons_sent(made: Place) -> int | None:
    """How many persons the IPLOS message carries."""
    with made.open() as place:
        return place.store.message(latest(made).id, MessageKind.IPLOS).persons


# -- the command -------------------------------------------------------------------------------------------------------


def test_approving_sends_nothing(made: Place) -> None:
    """``kpr approve`` reads, checks and records who approved and why; nothing is made to be sent, and nothing is sent."""
    problem, said = kpr_approve(made, "--by", "rolle A", "--reason", "sett over")
    assert problem is None
    found = latest(made)
    assert (found.state, found.approved_by, found.approval_reason) == ("APPROVED", "rolle A", "sett over")
    assert "Versjon 1 med 5 personer er godkjent av rolle A" in said
    assert (msg_ids(made), sent(made)) == ([], [])


def test_faults_are_not_approved(made: Place) -> None:
    """Findings that stop the submission stop the approval, and are shown."""
    made.extract(unknown_sex=2)
    problem, said = kpr_approve(made, "--by", "rolle A")
    assert isinstance(problem, Blocked)
    assert "Ingenting er godkjent" in str(problem)
    assert "R-peKjonn-K" in said
    assert latest(made).state == "BLOCKED"


def test_the_first_approval_stands(made: Place) -> None:
    """Approved a second time by another it stays the first one's, and it says so."""
    approved(made)
    problem, said = kpr_approve(made, "--by", "rolle B")
    assert problem is None
    assert "godkjent av rolle A" in said
    assert latest(made).approved_by == "rolle A"


def test_what_was_sent_is_not_approved_again(made: Place) -> None:
    """While answers are awaited the guard says no."""
    made.report()
    problem, _ = kpr_approve(made, "--by", "rolle A")
    assert isinstance(problem, Locked)


def test_a_reason_may_not_name_anybody(made: Place) -> None:
    """A reason that holds what looks like a national id is refused, and not repeated."""
    problem, said = kpr_approve(made, "--by", "rolle A", "--reason", "gjelder 01010112345")
    assert isinstance(problem, KprError)
    assert "01010112345" not in f"{problem}{said}"
    with made.open() as place:
        assert place.store.latest() is None


def test_the_answer_as_json(made: Place) -> None:
    """``--json`` gives the status as one object."""
    problem, said = kpr_approve(made, "--by", "rolle A", "--json")
    assert problem is None
    assert json.loads(said)["state"] == "APPROVED"


def test_another_extract_than_the_one_that_was_seen_is_not_approved(made: Place) -> None:
    """When another process reads another extract in between, the approval is refused, and nothing is approved."""
    with made.open() as place:
        submission, _ = prepare(place, by="rolle A")
        seen = place.store.submission(submission).extract_sha256
        made.persons = 6
        made.extract()
        prepare(place, by="rolle B")
        with pytest.raises(Locked, match="lest på nytt"):
            approve_extract(place, submission, seen, by="rolle A")
    assert (latest(made).state, latest(made).approved_by) == ("CHECKED", None)


# -- sending what was approved -----------------------------------------------------------------------------------------


def test_a_report_afterwards_sends_exactly_what_was_approved(made: Place) -> None:
    """The extract has changed meanwhile, for better or worse: the approved rows are sent, in the approver's name."""
    before = approved(made)
    made.persons = 8
    made.extract(unknown_sex=1)
    made.report(by="rolle B")
    after = latest(made)
    assert (after.id, after.state, after.approved_by) == (before.id, "AWAITING", "rolle A")
    assert after.extract_sha256 == before.extract_sha256
    assert persons_sent(made) == 5
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_a_report_sends_what_was_approved_though_the_extract_is_gone(made: Place) -> None:
    """What was approved lies in the vault: the export is not read again."""
    approved(made)
    for file in (made.folder / "uttrekk").iterdir():
        file.unlink()
    made.report(by="rolle B")
    assert persons_sent(made) == 5


def test_a_planned_sending_sends_what_was_approved(made: Place) -> None:
    """The planned run gives the id of the version that it sent, and the register accepts it."""
    before = approved(made)
    made.persons = 8
    made.extract()
    made.later(days=3)
    with made.open() as place:
        assert send_only_approved(place) == before.id
    made.exchange()
    assert (made.status().state, persons_sent(made)) == ("ACCEPTED", 5)


def test_the_register_s_time_to_answer_begins_when_it_is_sent(made: Place) -> None:
    """Approved on Thursday and sent a week later, nothing is late: the messages carry the time of the sending."""
    approved(made)
    made.later(days=7)
    with made.open() as place:
        submission = send_only_approved(place)
        assert {message.generated for message in place.store.messages(submission)} == {made.now}
        assert watch(place) == []


@pytest.mark.parametrize("point", range(0, 40, 3))
def test_a_planned_sending_killed_anywhere_is_finished_once(made: Place, point: int) -> None:
    """However far the first run came, the next one finishes the same version: one pair of ids, one of each sent."""
    before = approved(made)

    def send() -> None:
        with made.open() as place:
            send_only_approved(place)

    killed_at(point, send)
    if latest(made).state != "AWAITING":
        send()
    assert latest(made).id == before.id
    assert len(msg_ids(made)) == len(set(sent(made))) == len(sent(made)) == 2


def test_nobody_has_approved(made: Place) -> None:
    """Before the first extract, and while what was checked awaits its approval, a planned sending sends nothing."""
    with made.open() as place:
        with pytest.raises(Blocked, match=r"Ingen har godkjent en innsending.* Ingenting er sendt"):
            send_only_approved(place)
        prepare(place, by="rolle A")
        with pytest.raises(Blocked, match="Ingen har godkjent"):
            send_only_approved(place)
    assert sent(made) == []


def test_what_was_sent_is_not_sent_again(made: Place) -> None:
    """Once both messages are on their way there is nothing that waits to be sent."""
    approved(made)
    with made.open() as place:
        send_only_approved(place)
        with pytest.raises(Blocked):
            send_only_approved(place)
    assert len(sent(made)) == 2


def test_a_planned_sending_that_comes_after_the_last_date_is_refused(made: Place) -> None:
    """Whoever approved in time did not approve a sending after the last date: two persons with a reason may (K8)."""
    approved(made)
    made.at(TOO_LATE)
    with made.open() as place:
        with pytest.raises(Locked, match="Siste frist er passert"):
            send_only_approved(place)
        assert sent(made) == []
        send_only_approved(place, Approval(frozenset({"rolle A", "rolle B"}), "avtalt med registeret"))
    assert len(sent(made)) == 2


def test_what_two_persons_approved_after_the_last_date_is_sent(made: Place) -> None:
    """Approved when the date had passed, it was approved for that: the planned sending needs no more."""
    made.at(TOO_LATE)
    with made.open() as place:
        submission, _ = prepare(place, by="rolle A", second="rolle B", reason="avtalt med registeret")
        record_approval(place, submission, by="rolle A", reason="avtalt med registeret")
        send_only_approved(place)
    assert len(sent(made)) == 2


# -- the guard ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "kind"), [(1, Kind.FIRST), (2, Kind.S3), (7, Kind.S3)])
def test_an_approved_version_gets_its_ids(version: int, kind: Kind) -> None:
    """The first version is FIRST, every later one S3, and both may have new MsgIds."""
    permission = permission_of_approved(version, "rolle A")
    assert (permission.kind, permission.allowed) == (kind, True)
    assert len({mint_pair(permission).ident, mint_pair(permission).iplos}) == 2


@pytest.mark.parametrize("nobody", [None, "", "  "])
def test_a_version_that_nobody_approved_gets_none(nobody: str | None) -> None:
    """Without a named person the guard says no, in words, and no id is made."""
    permission = permission_of_approved(1, nobody)
    with pytest.raises(Locked):
        mint_pair(permission)
    with pytest.raises(Locked, match="Ingen har godkjent"):
        permission.demand()
