"""Killed at any step of the EDI route and run again: no second id, no lost receipt, nothing durable unacknowledged."""

from __future__ import annotations

import contextlib
import copy
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_killed
import yaml
from edi_place import edi_place, files, hold_back, line, newest, put, sent_of, soap_of
from place import Place
from test_killed import killed_at, msg_ids

from kpr.conversation import AttemptState
from kpr.registry.state import RegisterState
from kpr.security.vault import Vault
from kpr.store import InboxKind, MessageKind
from kpr.store.store import Store
from kpr.transports.edi.file_carrier import FileCarrier

Copied = Callable[..., Place]

SILENT = {"type": "iplos", "silent": True, "acknowledge_from_try": 0}


@pytest.fixture(autouse=True)
def _durable_steps_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child dies after a step of this route: a transaction of either side, a vault file, a file put or moved."""
    contexts = [(Store, "transaction"), (Vault, "create"), (RegisterState, "_transaction")]
    monkeypatch.setattr(test_killed, "CONTEXTS", contexts)
    monkeypatch.setattr(test_killed, "CALLS", [(FileCarrier, name) for name in ("put", "archive", "fail")])


@pytest.fixture(scope="module")
def sent_once(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A report that lies before the register; made once for all."""
    made = edi_place(tmp_path_factory.mktemp("sent"))
    made.report()
    return made


@pytest.fixture
def reported(sent_once: Place, tmp_path: Path) -> Copied:
    """That place and its line in a folder of the test's own; what the register is to play comes along."""

    def copied(*plays: dict[str, Any]) -> Place:
        shutil.copytree(sent_once.folder.parent, tmp_path, dirs_exist_ok=True)
        made = copy.copy(sent_once)
        made.folder = tmp_path / sent_once.folder.name
        made.settings, register = made.folder / "kpr.yaml", made.folder / "register"
        for file in (made.settings, register / "register.yaml"):
            file.write_text(file.read_text("utf-8").replace(str(line(sent_once)), str(line(made))), "utf-8")
        scenario = {"app_rec_version": made.version, "plays": list(plays)}
        (register / "scenario.yaml").write_text(yaml.safe_dump(scenario), "utf-8")
        return made

    return copied


def transport_ids(made: Place) -> list[str]:
    """Every eb:MessageId that was ever made for a message of ours."""
    with contextlib.closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database:
        return [row[0] for row in database.execute("SELECT message_id FROM attempt")]


def sent_ids(made: Place, *actions: str) -> list[str]:
    """The eb:MessageIds that we handed over, once each."""
    headers = [soap_of(raw).header for action in actions for raw in sent_of(made, action)]
    return sorted({header.message_id for header in headers if header})


def unacknowledged(made: Place) -> set[str]:
    """Messages to us that are durable here and were never acknowledged."""
    with contextlib.closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database:
        taken = {row[0] for row in database.execute("SELECT message_id FROM taken")}
    told = [soap_of(raw).acknowledged for raw in sent_of(made, "Acknowledgment")]
    return taken - {each.ref_to_message_id for each in told if each}


def finished(made: Place) -> None:
    """All that follows of a report that was killed somewhere."""
    if made.status().state not in ("AWAITING", "ACCEPTED"):
        made.report()
    made.exchange()
    made.exchange()
    assert made.status().state == "ACCEPTED"
    assert len(set(msg_ids(made))) == len(msg_ids(made)) == 2
    assert sorted(transport_ids(made)) == sent_ids(made, "KPR_IDE", "KPR_IPL")
    assert len(transport_ids(made)) == 2
    assert unacknowledged(made) == set()
    assert files(made, "to-municipality", "municipality-failed", "register-failed") == {}


@pytest.mark.parametrize("point", range(66))
def test_a_report_killed_anywhere_is_finished_under_the_same_ids(tmp_path: Path, point: int) -> None:
    """One MsgId and one eb:MessageId for each message, whatever was killed; the same bytes whenever they went twice."""
    made = edi_place(tmp_path)
    killed_at(point, made.report)
    finished(made)
    for action in ("KPR_IDE", "KPR_IPL"):
        assert len(set(sent_of(made, action))) == 1


def test_the_kill_points_cover_the_whole_report(tmp_path: Path) -> None:
    """A report has fewer durable steps than the kill points above reach."""
    assert not killed_at(66, edi_place(tmp_path).report)


@pytest.mark.parametrize("point", range(45))
def test_a_collection_killed_anywhere_loses_no_receipt(reported: Copied, point: int) -> None:
    """What was taken in before the kill counts once, and is acknowledged; the rest is taken in afterwards."""
    made = reported()
    made.register()
    killed_at(point, made.collect)
    made.collect()
    finished(made)
    assert len(set(sent_of(made, "Acknowledgment"))) == 2


def test_the_kill_points_cover_the_whole_collection(reported: Copied) -> None:
    """A collection has fewer durable steps than the kill points above reach."""
    made = reported()
    made.register()
    assert not killed_at(45, made.collect)


@pytest.mark.parametrize("point", range(10))
def test_a_retry_killed_anywhere_keeps_id_and_count(reported: Copied, point: int) -> None:
    """No new id, at most six tries that the other side sees, and in the end it is given up."""
    made = reported(SILENT)
    made.exchange()
    before = newest(made)
    made.later(hours=12)
    killed_at(point, made.collect)
    for _ in range(8):
        made.register()
        made.collect()
        made.later(hours=12)
    after = newest(made)
    assert (after.msg_id, after.transport_id, after.number) == (before.msg_id, before.transport_id, 1)
    assert after.state is AttemptState.GIVEN_UP
    assert after.tries == 6
    assert len(set(sent_of(made, "KPR_IPL"))) == 1
    assert 6 <= len(sent_of(made, "KPR_IPL")) <= 7


@pytest.mark.parametrize("point", range(12))
def test_giving_up_and_an_error_report_survive_a_kill(reported: Copied, point: int) -> None:
    """An error signal is applied, kept once and taken off the line; then it is resent under the same MsgId."""
    made = reported({"type": "iplos", "number": 1, "error": "ebxml:OtherXml"})
    made.register()
    [error] = hold_back(made, "MessageError")
    made.collect()
    put(made, error)
    killed_at(point, made.collect)
    made.collect()
    assert newest(made).state is AttemptState.REFUSED
    with contextlib.closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database:
        query = "SELECT count(*) FROM inbox WHERE kind = ?"
        assert database.execute(query, (InboxKind.TRANSPORT_ERROR.value,)).fetchone() == (1,)
    assert files(made, "to-municipality") == {}


@pytest.mark.parametrize("point", range(19))
def test_the_register_killed_anywhere_answers_once(reported: Copied, point: int) -> None:
    """It handles each message once, and loses neither receipt nor acknowledgment."""
    made = reported()
    killed_at(point, made.register)
    made.register()
    made.collect()
    finished(made)
    assert [newest(made, kind).state for kind in MessageKind] == [AttemptState.DELIVERED] * 2


def test_the_kill_points_cover_the_registers_step(reported: Copied) -> None:
    """The register has fewer durable steps than the kill points above reach."""
    made = reported()
    assert not killed_at(19, made.register)


@pytest.mark.parametrize("play", [{"returned": True}, {"error": "ebxml:OtherXml"}, {"acknowledge_double": True}])
@pytest.mark.parametrize("point", range(20))
def test_the_register_killed_in_a_play_ends_as_it_would_have(
    reported: Copied, play: dict[str, Any], point: int
) -> None:
    """The play is neither lost nor played at another message."""
    made = reported({"type": "iplos", "number": 1, **play})
    killed_at(point, made.register)
    made.register()
    made.register()
    made.collect()
    wanted = {"returned": AttemptState.FAILED, "error": AttemptState.REFUSED}.get(next(iter(play)))
    assert newest(made).state is (wanted or AttemptState.DELIVERED)
    assert newest(made, MessageKind.IDENT).state is AttemptState.DELIVERED
