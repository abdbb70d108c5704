"""The season over EDI with real servers: what goes through a folder goes by mail and by SFTP, faults included."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from place import Place

from kpr.demo.mail_servers import SmtpReceiver, find_dovecot
from kpr.demo.routes import Route, open_route
from kpr.demo.runner import Steps
from kpr.demo.ssh_server import find_sshd
from kpr.demo.year import Demo
from kpr.errors import TransportError
from kpr.national_id import make_synthetic
from kpr.steps.send import resend
from kpr.steps.workplace import approval
from kpr.store import MessageKind

CANARIES = tuple(made for serial in range(1, 20) if (made := make_synthetic(date(1931, 5, 17), serial)))
_NEEDED = {"mail": (find_dovecot, "Dovecot", "sh scripts/dovecot"), "sftp": (find_sshd, "sshd", "sh scripts/sshd")}


def opened(over: str, folder: Path) -> Iterator[Route]:
    """A route with its servers; the test skips, saying so, where they are not there."""
    find, name, remedy = _NEEDED[over]
    if find() is None:
        pytest.skip(f"{name} is not here ({remedy}); the year over {over} was not tried")
    with open_route(over, folder) as route:
        yield route


@pytest.fixture(params=["mail", "sftp"])
def route(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Route]:
    """Each way with its servers, for the place in ``tmp_path / "year"``."""
    yield from opened(request.param, tmp_path / "year")


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Route]:
    """The way by mail."""
    yield from opened("mail", tmp_path / "year")


def place(tmp_path: Path, route: Route, *plays: dict[str, object]) -> Place:
    """A place on this route."""
    return Place(tmp_path / "year", list(plays), edi=route.edi)


def ids(made: Place) -> dict[MessageKind, tuple[str, str]]:
    """Each message's MsgId, with the transport id of its newest attempt."""
    with made.open() as workplace:
        latest = workplace.store.latest()
        assert latest is not None
        messages = workplace.store.messages(latest.id)
        attempts = [(message, workplace.attempts.latest(message.id)) for message in messages]
        return {message.kind: (message.msg_id, a.message_id if a else "") for message, a in attempts}


def again(made: Place, kind: MessageKind) -> None:
    """What ``kpr resend`` does."""
    with made.open() as workplace:
        latest = workplace.store.latest()
        assert latest is not None
        resend(workplace, latest.id, kind, approval("rolle A", None, "rettet"), answered=False)


def test_a_year_ends_accepted_and_leaves_no_message(tmp_path: Path, route: Route) -> None:
    """The demo's year, rejection and correction included, ends accepted; nothing waits; the servers saw nobody."""
    demo = Demo(tmp_path / "year", 60, Steps(), marked=CANARIES, route=route)
    assert demo.play().state == "ACCEPTED"
    assert route.left() == {}
    assert route.folder is not None
    seen = b"".join(path.read_bytes() for path in route.folder.rglob("*") if path.is_file())
    assert b"enveloped-data" in seen
    assert not [canary for canary in CANARIES if canary.encode() in seen]


@pytest.mark.parametrize(
    ("play", "came"),
    [
        ({"acknowledge_double": True}, {"acknowledgment: the same again": 1, "receipt: POSITIVE": 2}),
        ({"receipt_first": True}, {"acknowledgment: acknowledged": 2, "receipt: POSITIVE": 2}),
        ({"acknowledge_as_warning": True}, {"acknowledgment: acknowledged": 2}),
        ({"double": True}, {"receipt: the same again": 1}),
        ({"wrong_signature": True}, {"unreadable": 2, "acknowledgment: acknowledged": 1}),
        ({"unknown_certificate": True}, {"unreadable": 2, "acknowledgment: acknowledged": 1}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_fault_of_the_register_is_told_for_what_it_is(
    tmp_path: Path, route: Route, play: dict[str, object], came: dict[str, int]
) -> None:
    """What comes is counted for what it is, nothing comes twice, and nothing is left with the servers."""
    made = place(tmp_path, route, {"type": "iplos", **play})
    made.report()
    counts = made.exchange()
    assert {kind: counts.get(kind) for kind in came} == came
    assert made.collect() == {}
    made.register()
    assert route.left() == {}
    assert made.status().state == ("AWAITING" if "unreadable" in came else "ACCEPTED")


def test_a_missing_acknowledgment_brings_the_same_message_again(tmp_path: Path, route: Route) -> None:
    """After twelve hours the same id goes out again; the third try is acknowledged; the register counts it once."""
    made = place(tmp_path, route, {"type": "iplos", "acknowledge_from_try": 3, "silent": True})
    made.report()
    before = ids(made)
    assert made.exchange()["acknowledgment: acknowledged"] == 1
    for _ in range(2):
        made.later(hours=12, minutes=1)
        assert made.collect()["retry: handed over again"] == 1
        came = made.exchange()
    assert came["acknowledgment: acknowledged"] == 1
    assert ids(made) == before
    assert made.status().verdict.delivered


def test_servers_that_are_away_for_a_while_lose_nothing(tmp_path: Path, route: Route) -> None:
    """Killed at any time, and started again: the ids stay, each step only waits, and the year goes on."""
    made = place(tmp_path, route)
    _away(route)
    with pytest.raises(TransportError):
        made.report()
    before = ids(made)[MessageKind.IDENT]
    _back(route)
    made.report()
    assert ids(made)[MessageKind.IDENT] == before
    _away(route)
    with pytest.raises(TransportError):
        made.register()
    _back(route)
    made.register()
    _away(route)
    with pytest.raises(TransportError):
        made.collect()
    _back(route)
    assert made.collect()["receipt: POSITIVE"] == 2
    assert made.status().state == "ACCEPTED"
    assert ids(made)[MessageKind.IDENT] == before


def _away(route: Route) -> None:
    for server in route.servers:
        server.kill()


def _back(route: Route) -> None:
    for server in route.servers:
        server.start()


def test_an_error_signal_is_mended_and_the_same_message_sent_again(tmp_path: Path, route: Route) -> None:
    """The attempt is refused with the framework's code; resent, it has a new message id and the same MsgId."""
    made = place(tmp_path, route, {"type": "iplos", "number": 1, "error": "ebxml:SecurityFailure"})
    made.report()
    before = ids(made)
    assert made.exchange()["transport error: ebxml:SecurityFailure"] == 1
    assert "Adresseregisteret" in made.status().next_act.nb
    again(made, MessageKind.IPLOS)
    after = ids(made)
    assert after[MessageKind.IPLOS][0] == before[MessageKind.IPLOS][0]
    assert after[MessageKind.IPLOS][1] != before[MessageKind.IPLOS][1]
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_a_mail_that_a_server_returns_is_sent_again_under_the_same_ids(tmp_path: Path, mail: Route) -> None:
    """The bounce of a real mail server is understood; when the address is mended, the same ids go out again."""
    receiver = next(server for server in mail.servers if isinstance(server, SmtpReceiver))
    made = place(tmp_path, mail)
    receiver.say(bounce="5.1.1")
    made.report()
    before = ids(made)
    receiver.say()
    assert made.collect()["transport error: mail:5.1.1"] == 2
    assert "kom i retur" in made.status().next_act.nb
    for kind in MessageKind:
        again(made, kind)
    assert ids(made) == before
    made.exchange()
    assert made.status().state == "ACCEPTED"


YEAR = """
import sys
from pathlib import Path
from kpr.demo.year import run_demo
run_demo(Path(sys.argv[1]), persons=60, with_prefect=True, over=sys.argv[2])
"""


def test_the_demo_over_edi_runs_on_prefect(tmp_path: Path) -> None:
    """What ``make demo-edi`` plays: the same flows, and in the end nothing waits with the servers."""
    over = "mail"
    find, name, remedy = _NEEDED[over]
    if find() is None:
        pytest.skip(f"{name} is not here ({remedy}); the demo over {over} was not tried")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", YEAR, str(tmp_path / "year"), over]
    run = subprocess.run(command, capture_output=True, timeout=280, env=environment, check=False, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "Året er godtatt" in run.stdout
    assert "ingenting venter hos tjenerne" in run.stdout.replace("\n", " ")
