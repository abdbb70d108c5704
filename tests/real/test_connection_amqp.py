"""``kpr check connection`` against a real broker and a real time server: what is in place, and each thing that is not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pika
import pytest
import yaml
from place import Place
from time_server import find_chronyd, running_chronyd

from kpr.cli import main
from kpr.demo.broker import Broker, find_rabbitmq, give_bus
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.simulator_bus import SimulatedBus

pytestmark = pytest.mark.skipif(
    find_rabbitmq() is None, reason="RabbitMQ is not installed (apt-get install rabbitmq-server)"
)

Check = Callable[..., tuple[int, dict[str, dict[str, Any]]]]
CHRONYD = find_chronyd()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for this file."""
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def module_bus(broker: Broker) -> SimulatedBus:
    """Exchange, queues and users of the simulator."""
    return give_bus(broker)


@pytest.fixture(params=["amqp10", "amqp091"])
def bus(request: pytest.FixtureRequest, module_bus: SimulatedBus, broker: Broker) -> SimulatedBus:
    """The bus in each dialect, its queues empty."""
    if request.param == "amqp10":
        pytest.importorskip("proton", reason="the extra amqp10 is not installed (sh scripts/install-amqp10)")
    for queue in module_bus.queues():
        broker.purge(queue)
    return replace(module_bus, dialect=request.param)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs the command as JSON: exit code, and the findings by id (the last, when one id comes twice)."""

    def run(made: Place) -> tuple[int, dict[str, dict[str, Any]]]:
        words = ["kpr", "check", "connection", "--settings", str(made.settings), "--json"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        data = json.loads(capsys.readouterr().out)
        assert data["exit_code"] == int(ended.value.code or 0)
        return data["exit_code"], {finding["id"]: finding for finding in data["findings"]}

    return run


def change(path: Path, before: str, after: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def transport(made: Place, **changes: Any) -> None:
    """Change the settings of the transport."""
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    settings["transport"].update(changes)
    made.settings.write_text(yaml.safe_dump(settings), "utf-8")


def fill(broker: Broker, queue: str, count: int) -> None:
    """Put so many messages on a queue."""
    credentials = pika.PlainCredentials(broker.user, broker.password)
    parameters = pika.ConnectionParameters("localhost", broker.port, credentials=credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(count):
            channel.basic_publish("", queue, b"x")


def test_all_in_place(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """With a fresh address book every probe is in order, the code is 0, and what broker answers is said."""
    made = Place(tmp_path, bus=bus)
    change(tmp_path / "addresses.yaml", "2020-12-01", "2021-01-04")
    transport(made, max_bytes=1_000_000)
    code, found = check(made)
    assert code == 0
    assert {finding["severity"] for finding in found.values()} == {"ok"}
    assert set(found) >= {"tls_ok", "login_ok", "exchange_ok", "own_queue_ok", "receiver_queue_ok", "who_over_amqp"}
    assert "TLSv1." in found["tls_ok"]["text"]["nb"]
    assert f"RabbitMQ {'.'.join(map(str, broker.version))}" in found["login_ok"]["text"]["nb"]
    assert ("size_unsaid" in found) is (bus.dialect == "amqp091" or broker.version < (4,))


def test_what_the_simulator_lays_out_gives_warnings_only(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """An old address book and a size that must be agreed are warnings: 0."""
    code, found = check(Place(tmp_path, bus=bus))
    assert code == 0
    assert {name for name, each in found.items() if each["severity"] == "warning"} >= {"book_stale", "size_to_agree"}


def test_nothing_secret_is_shown(
    tmp_path: Path, bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither form holds the password, whether it is right or wrong."""
    made = Place(tmp_path, bus=bus)
    for secret in (bus.municipality_password, "feil-hemmelighet"):
        (tmp_path / "keys" / "bus.password").write_text(secret, "utf-8")
        for form in ([], ["--json"]):
            monkeypatch.setattr(sys, "argv", ["kpr", "check", "connection", "--settings", str(made.settings), *form])
            with pytest.raises(SystemExit):
                main()
            said = capsys.readouterr()
            assert secret not in said.out + said.err
            assert "municipality" in said.out


def test_checking_takes_and_sends_nothing(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """Each queue holds after the check what it held before, and nothing was declared."""
    for queue in bus.queues():
        fill(broker, queue, 2)
    before = broker.ctl("list_queues", "name", "messages")
    check(Place(tmp_path, bus=bus))
    assert {queue: broker.depth(queue) for queue in bus.queues()} == dict.fromkeys(bus.queues(), 2)
    assert sorted(broker.ctl("list_queues", "name", "messages").split()) == sorted(before.split())


def test_what_waits_is_told(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """A queue that piles up, and an error or dead-letter queue that is not empty, are warnings with their numbers."""
    fill(broker, bus.municipality_queue, 100)
    fill(broker, bus.dead_letter_queue, 3)
    code, found = check(Place(tmp_path, bus=bus))
    assert code == 0
    assert "100" in found["queue_piles_up"]["text"]["nb"]
    assert bus.dead_letter_queue in found["queue_not_empty"]["text"]["nb"]
    assert ": 3" in found["queue_not_empty"]["text"]["nb"]


def test_a_wrong_password_is_22(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """The login is refused; the line is in order; queues were not asked for; certificates were."""
    made = Place(tmp_path, bus=bus)
    (tmp_path / "keys" / "bus.password").write_text("feil", "utf-8")
    code, found = check(made)
    assert code == 22
    assert {"tls_ok", "login_refused", "bus_not_asked", "certificate_ok"} <= set(found)
    assert "own_queue_ok" not in found


def test_no_password_is_2(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """A password that is nowhere is a setting to mend."""
    made = Place(tmp_path, bus=bus)
    (tmp_path / "keys" / "bus.password").unlink()
    code, found = check(made)
    assert (code, found["settings_incomplete"]["place"]) == (2, "transport.password_file")


def test_a_wrong_virtual_host_is_told(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """One that is not there ends the login; over AMQP 1.0 RabbitMQ 3.x says so only when a queue is asked for."""
    made = Place(tmp_path, bus=bus)
    transport(made, virtual_host="annen")
    code, found = check(made)
    late = bus.dialect == "amqp10" and broker.version < (4,)
    assert code == (23 if late else 22)
    [fault] = [each for each in found.values() if each["exit_code"] == code]
    assert "transport.virtual_host" in fault["text"]["nb"]


def test_a_foreign_authority_is_21(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """A broker whose certificate another authority issued is not talked to."""
    made = Place(tmp_path, bus=bus)
    other = tmp_path / "other.pem"
    write_identity(make_authority("other"), other, tmp_path / "other.key")
    transport(made, ca_file=str(other))
    code, found = check(made)
    assert code == 21
    assert "login_ok" not in found


def test_a_host_name_that_does_not_fit_is_21(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """The same broker under a name that its certificate does not have."""
    made = Place(tmp_path, bus=bus)
    transport(made, host="127.1")  # the network takes it for 127.0.0.1, and the certificate has no such name
    assert check(made)[0] == 21


def test_a_port_without_tls_is_21(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """The broker's plain port, where TLS is demanded."""
    made = Place(tmp_path, bus=bus)
    transport(made, port=broker.port)
    assert check(made)[0] == 21


def test_without_tls_on_this_machine(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """The plain port of a broker on this machine may be used, and is said."""
    made = Place(tmp_path, bus=bus)
    transport(made, port=broker.port, tls=False)
    code, found = check(made)
    assert code == 0
    assert {"tls_off", "login_ok", "own_queue_ok"} <= set(found)


def test_a_missing_own_queue_is_23(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """The queue is named, and the others are looked at all the same."""
    made = Place(tmp_path, bus=bus)
    change(tmp_path / "addresses.yaml", bus.municipality_errors, "8000002_borte")
    code, found = check(made)
    assert code == 23
    assert "8000002_borte" in found["own_queue_missing"]["text"]["nb"]
    assert {"own_queue_ok", "receiver_queue_ok"} <= set(found)


def test_a_missing_exchange_is_23(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """Case matters, and the receiver's queue is not blamed."""
    made = Place(tmp_path, bus=bus)
    transport(made, exchange=bus.exchange.upper())
    code, found = check(made)
    assert code == 23
    assert bus.exchange.upper() in found["exchange_missing"]["text"]["nb"]
    assert not {"receiver_queue_missing", "receiver_refused"} & set(found)


def test_a_missing_queue_of_the_receiver_is_24(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """Also where the broker would take a message for it and lose it."""
    made = Place(tmp_path, bus=bus)
    change(tmp_path / "addresses.yaml", bus.register_queue, "8000004_borte")
    code, found = check(made)
    assert code == 24
    assert "8000004_borte" in found["receiver_queue_missing"]["text"]["nb"]
    assert {"exchange_ok", "own_queue_ok"} <= set(found)


def test_somebody_elses_queue_cannot_be_read(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """In AMQP 1.0 the right to read is asked for; over 0-9-1 it shows when one collects."""
    made = Place(tmp_path, bus=bus)
    change(tmp_path / "addresses.yaml", bus.municipality_errors, bus.register_errors)
    code, found = check(made)
    expected = (23, True) if bus.dialect == "amqp10" else (0, False)
    assert (code, "own_queue_forbidden" in found) == expected


def test_an_expired_certificate_is_26(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """Ours has expired; the connection is in order all the same, and is said so."""
    made = Place(tmp_path, bus=bus)
    old = make_identity(make_authority(), "x", Purpose.SIGN, valid_to=made.now - timedelta(days=2))
    write_identity(old, tmp_path / "keys" / "sign.pem", tmp_path / "keys" / "sign.key")
    code, found = check(made)
    assert (code, found["certificate_expired"]["place"]) == (26, "keys.signing_certificate")
    assert {"login_ok", "receiver_queue_ok"} <= set(found)


def test_a_party_that_is_not_in_the_book_is_28(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """The queues that are known are asked for all the same."""
    made = Place(tmp_path, bus=bus)
    change(tmp_path / "addresses.yaml", "8000004'\n  name", "8000009'\n  name")
    code, found = check(made)
    assert (code, "party_missing" in found, "own_queue_ok" in found) == (26, True, True)
    assert found["party_missing"]["exit_code"] == 28
    assert found["certificate_unnamed"]["place"] == "keys.register_signing_certificate"


@pytest.mark.skipif(
    CHRONYD is None, reason="chronyd is not installed (apt-get install chrony); no time server was tried"
)
def test_the_clock_against_a_real_server(tmp_path: Path, bus: SimulatedBus, check: Check) -> None:
    """chronyd gives this machine's own time: the clock is right."""
    assert CHRONYD
    made = Place(tmp_path, bus=bus)
    (tmp_path / "chrony").mkdir()
    with running_chronyd(CHRONYD, tmp_path / "chrony") as server:
        transport(made, time_server=server)
        code, found = check(made)
    assert (code, found["clock_ok"]["severity"]) == (0, "ok")


@pytest.mark.skipif(
    CHRONYD is None, reason="chronyd is not installed (apt-get install chrony); no time server was tried"
)
def test_a_clock_that_is_off_against_a_real_server(
    tmp_path: Path, bus: SimulatedBus, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this program's clock two minutes ahead of chronyd's: 27."""
    import time

    import ntplib

    assert CHRONYD
    made = Place(tmp_path, bus=bus)
    (tmp_path / "chrony").mkdir()
    with running_chronyd(CHRONYD, tmp_path / "chrony") as server:
        transport(made, time_server=server)

        class Ahead:
            time = staticmethod(lambda: time.time() + 120)

        monkeypatch.setattr(ntplib, "time", Ahead)
        code, found = check(made)
    assert code == 27
    assert "sekunder foran" in found["clock_off"]["text"]["nb"]


def test_a_stopped_broker_is_20(tmp_path: Path, bus: SimulatedBus, broker: Broker, check: Check) -> None:
    """Nobody listens any more; started again, everything is in place."""
    made = Place(tmp_path, bus=bus)
    broker.kill()
    try:
        code, found = check(made)
    finally:
        broker.start()
    assert code == 20
    assert {"bus_unreachable", "bus_not_asked", "certificate_ok", "who_over_amqp"} <= set(found)
    assert check(made)[0] == 0
