"""The bus breaks at any byte, the broker dies, this program dies: no second MsgId, nothing handled twice, nothing lost.

Each test breaks one thing, mends it, and runs again what anybody would run again.
"""

from __future__ import annotations

import contextlib
import gc
import io
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from broker_fixture import Rabbit, through
from fault_proxy import Direction, FaultProxy
from place import Place

from kpr.address_book import load_address_book
from kpr.errors import TransportError
from kpr.settings import load_settings
from kpr.simulator_bus import SimulatedBus, write_bus_files
from kpr.transports.amqp.amqp091 import Amqp091Bus
from kpr.transports.amqp.amqp10 import Amqp10Bus
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.outcomes import with_retries
from kpr.transports.amqp.queues import look_at_all
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.transport import AmqpTransport, open_bus
from kpr.transports.amqp.wire import Wire
from kpr.transports.seam import Envelope

DIALECTS = ("amqp10", "amqp091")
OURS, REGISTER = ("8000001", "8000002"), ("8000003", "8000004")
TIMEOUT, TRIES = 1, 2
#: Each try with several time-outs on the way in and out, and what a slow machine adds. A hang would be a minute.
GIVES_UP = TRIES * 4 * TIMEOUT + 15
#: pika leaves a socket that breaks in the handshake to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture(autouse=True, scope="module")
def _left_sockets() -> Iterator[None]:
    """What pika leaves is collected here, and not in the midst of another file's tests, where it would be a fault."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of the retry table are for a network, not for a test."""
    monkeypatch.setattr("kpr.transports.amqp.outcomes.pauses", lambda: iter([0.05] * (TRIES - 1)))
    monkeypatch.setattr("kpr.transports.amqp.amqp10._QUIET_SECONDS", 0.2)


# -- places ----------------------------------------------------------------------------------------------------------


@dataclass
class Made:
    """Places over the bus: each side goes to the broker by a port of its own, and waits a second for an answer."""

    rabbit: Rabbit

    def place(self, folder: Path, bus: SimulatedBus, port: int, register_port: int | None = None) -> Place:
        """A place of five persons."""
        place = Place(folder, persons=5, bus=bus)
        _rewrite(place.settings, port)
        _rewrite(folder / "register" / "register.yaml", register_port or bus.port)
        return place


def _rewrite(file: Path, port: int) -> None:
    settings = yaml.safe_load(file.read_text("utf-8"))
    settings["transport"] |= {"port": port, "timeout_seconds": TIMEOUT}
    file.write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")


@pytest.fixture(scope="module")
def made(rabbit: Rabbit) -> Made:
    """How to make places."""
    return Made(rabbit)


@pytest.fixture
def proxy(rabbit: Rabbit) -> Iterator[FaultProxy]:
    """The network between the municipality and the broker."""
    with FaultProxy("127.0.0.1", rabbit.broker.tls_port) as between:
        yield between


def rows(database: Path, query: str) -> list[Any]:
    """The first column of what a query finds."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute(query)]


def msg_ids(place: Place) -> set[str]:
    """Every MsgId that was ever made."""
    if not (place.folder / "kpr.sqlite").exists():
        return set()
    return set(rows(place.folder / "kpr.sqlite", "SELECT msg_id FROM message"))


def again(place: Place) -> None:
    """Run the report again, as a person or the flow does, unless it was done."""
    if place.status().state not in ("AWAITING", "ACCEPTED"):
        place.report()


def demand_sent_once(place: Place, before: set[str]) -> None:
    """Two messages, under the MsgIds that were made first, in one attempt each; the register has had each once."""
    store = place.folder / "kpr.sqlite"
    ids = msg_ids(place)
    assert len(ids) == 2
    assert before <= ids
    assert rows(store, "SELECT count(*) FROM attempt GROUP BY message_ref") == [1, 1]
    assert set(rows(store, "SELECT state FROM attempt")) == {"DELIVERED"}
    demand_answered(place)
    state = place.folder / "register" / "state" / "register.sqlite"
    assert set(rows(state, "SELECT msg_id FROM seen")) == ids
    assert sorted(rows(state, "SELECT family FROM accepted")) == ["ident", "iplos"]


def demand_answered(place: Place) -> None:
    """After some rounds both receipts are kept, each once, and nothing is left to be sent or collected.

    A broker puts back what a broken connection held, but a moment later: what a round misses is there in the next.
    """

    def answered() -> bool:
        place.exchange()
        return place.status().state == "ACCEPTED" and depths(place) == {0}

    wait_for(answered)
    assert rows(place.folder / "kpr.sqlite", "SELECT count(*) FROM inbox WHERE kind = 'RECEIPT'") == [2]
    assert rows(place.folder / "register" / "state" / "register.sqlite", "SELECT count(*) FROM due") == [0]


def depths(place: Place) -> set[int | None]:
    """How many messages wait in the queues of both sides."""
    settings, bus = load_settings(place.settings).transport, place.bus
    assert isinstance(settings, AmqpSettings)
    assert bus is not None
    return {look.waiting for look in look_at_all(settings, bus.queues()).values()}


# -- the network is cut ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marks:
    """How many bytes had passed before and after each of the two messages was handed over: (up, down)."""

    before: list[tuple[int, int]]
    after: list[tuple[int, int]]


@pytest.fixture(scope="module")
def measured(rabbit: Rabbit, made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Marks]:
    """What one undisturbed report looks like on the wire of each dialect."""
    return {dialect: _measured(rabbit, made, dialect, tmp_path_factory.mktemp(dialect)) for dialect in DIALECTS}


def _measured(rabbit: Rabbit, made: Made, dialect: str, folder: Path) -> Marks:
    kind = {"amqp10": Amqp10Bus, "amqp091": Amqp091Bus}[dialect]
    marks, publish = Marks([], []), kind.publish
    with FaultProxy("127.0.0.1", rabbit.broker.tls_port) as proxy:

        def marked(*args: Any) -> None:
            marks.before.append((proxy.bytes_up, proxy.bytes_down))
            publish(*args)
            marks.after.append((proxy.bytes_up, proxy.bytes_down))

        place = made.place(folder, rabbit.bus(dialect), proxy.port)
        with patch.object(kind, "publish", marked):
            place.report()
        assert len(marks.after) == 2
        demand_sent_once(place, set())
    return marks


#: Where it breaks, by what an undisturbed report showed. How TLS cuts its records varies by some bytes.
POINTS: dict[str, Callable[[Marks], tuple[int, Direction]]] = {
    "before the first byte": lambda _: (0, "up"),
    "in the TLS handshake": lambda _: (300, "up"),
    "in the TLS handshake, downwards": lambda _: (500, "down"),
    "in the login": lambda _: (770, "up"),
    "in the broker's welcome": lambda _: (2500, "down"),
    "right before the first message": lambda marks: (marks.before[0][0] - 20, "up"),
    "in the attach of the first message": lambda marks: (marks.before[0][0] + 60, "up"),
    "in the first message": lambda marks: ((marks.before[0][0] + marks.after[0][0]) // 2, "up"),
    "before the first outcome": lambda marks: (marks.after[0][0] - 100, "up"),
    "in the second message": lambda marks: ((marks.before[1][0] + marks.after[1][0]) // 2, "up"),
    "before the second outcome": lambda marks: (marks.after[1][0] - 100, "up"),
    "at goodbye": lambda marks: (marks.after[1][0] + 5, "up"),
}


def plan(proxy: FaultProxy, marks: Marks, where: str, act: Callable[[], object]) -> None:
    """Do something at a point. "Before an outcome" is when the whole message is up, and the next byte comes down."""
    n_bytes, direction = POINTS[where](marks)
    if "outcome" in where:
        proxy.at(n_bytes, direction, lambda: proxy.at(0, "down", act))
    else:
        proxy.at(n_bytes, direction, act)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("where", POINTS)
def test_a_report_that_is_cut_is_finished_once(
    made: Made, proxy: FaultProxy, measured: dict[str, Marks], tmp_path: Path, dialect: str, where: str
) -> None:
    """Cut anywhere and kept away, the report ends with exit 5; run again, it sends the same MsgIds, handled once each."""
    marks = measured[dialect]
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    plan(proxy, marks, where, lambda: (proxy.refuse(), proxy.cut()))
    failed = None
    try:
        place.report()
    except TransportError as error:
        failed = error
    assert where == "at goodbye" or (failed is not None and failed.exit_code == 5), str(failed)
    before = msg_ids(place)
    assert len(before) == 2
    proxy.heal()
    again(place)
    demand_sent_once(place, before)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("where", ["in the TLS handshake", "in the first message", "before the second outcome"])
def test_a_short_cut_is_not_even_noticed(
    made: Made, proxy: FaultProxy, measured: dict[str, Marks], tmp_path: Path, dialect: str, where: str
) -> None:
    """Cut once and open again at once, the report goes through in one run, by the retry table."""
    marks = measured[dialect]
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    plan(proxy, marks, where, proxy.cut)
    place.report()
    demand_sent_once(place, set())


@pytest.fixture(scope="module")
def collected(rabbit: Rabbit, made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many bytes an undisturbed collection of two receipts is in each direction."""
    with FaultProxy("127.0.0.1", rabbit.broker.tls_port) as proxy:
        place = made.place(tmp_path_factory.mktemp("collected"), rabbit.bus(), proxy.port)
        place.report()
        place.register()
        up, down = proxy.bytes_up, proxy.bytes_down
        place.collect()
        passed = {"up": proxy.bytes_up - up, "down": proxy.bytes_down - down}
        demand_answered(place)
    return passed


@pytest.mark.parametrize(
    ("direction", "part"),
    [("down", part) for part in (0.05, 0.3, 0.55, 0.75, 0.95)] + [("up", part) for part in (0.3, 0.7, 0.95)],
)
def test_a_collection_that_is_cut_loses_no_receipt(
    made: Made, proxy: FaultProxy, collected: dict[str, int], tmp_path: Path, direction: str, part: float
) -> None:
    """Cut anywhere while it reads, collecting again takes in both receipts, each once."""
    place = made.place(tmp_path, made.rabbit.bus(), proxy.port)
    place.report()
    place.register()
    proxy.cut_after(int(part * collected[direction]), direction)
    with contextlib.suppress(TransportError):
        place.collect()
    proxy.heal()
    demand_answered(place)


@pytest.mark.parametrize("n_bytes", [300, 30_000])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_register_that_is_cut_handles_each_message_once(
    made: Made, proxy: FaultProxy, tmp_path: Path, dialect: str, n_bytes: int
) -> None:
    """The other side of the same: cut while the register reads, each message is handled once and answered once."""
    bus = made.rabbit.bus(dialect)
    place = made.place(tmp_path, bus, bus.port, register_port=proxy.port)
    place.report()
    proxy.cut_after(n_bytes, "down")
    with contextlib.suppress(TransportError):
        place.register()
    proxy.heal()
    demand_sent_once(place, msg_ids(place))


# -- silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "where"),
    [("amqp10", "before the first byte"), ("amqp10", "in the second message"), ("amqp091", "in the second message")],
)
def test_a_black_hole_is_a_time_out(
    made: Made, proxy: FaultProxy, measured: dict[str, Marks], tmp_path: Path, dialect: str, where: str
) -> None:
    """When nothing comes back the report ends with exit 5 in time; what arrives late all the same is handled once."""
    marks = measured[dialect]
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    plan(proxy, marks, where, proxy.black_hole)
    started = time.monotonic()
    with pytest.raises(TransportError) as told:
        place.report()
    assert time.monotonic() - started < GIVES_UP
    assert told.value.exit_code == 5
    before = msg_ids(place)
    proxy.heal()
    again(place)
    demand_sent_once(place, before)


def test_a_collection_into_a_black_hole_ends(
    made: Made, proxy: FaultProxy, collected: dict[str, int], tmp_path: Path
) -> None:
    """Reading gives up in time as well, and reads everything afterwards."""
    place = made.place(tmp_path, made.rabbit.bus(), proxy.port)
    place.report()
    place.register()
    proxy.at(int(0.8 * collected["down"]), "down", proxy.black_hole)
    started = time.monotonic()
    with contextlib.suppress(TransportError):
        place.collect()
    assert time.monotonic() - started < GIVES_UP
    proxy.heal()
    demand_answered(place)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_slow_network_is_no_fault(made: Made, proxy: FaultProxy, tmp_path: Path, dialect: str) -> None:
    """With 10 ms on each piece both ways everything goes through in one run."""
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    proxy.delay(0.01)
    place.report()
    demand_sent_once(place, set())


# -- the broker takes nothing ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def disk_alarm(rabbit: Rabbit) -> Iterator[None]:
    """The broker's disk is full, and has room again."""
    rabbit.broker.raise_disk_alarm()
    try:
        yield
    finally:
        rabbit.broker.clear_disk_alarm()


@contextlib.contextmanager
def memory_alarm(rabbit: Rabbit) -> Iterator[None]:
    """The broker's memory is full, and has room again."""
    rabbit.broker.ctl("set_vm_memory_high_watermark", "0.0")
    try:
        yield
    finally:
        rabbit.broker.ctl("set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize(
    ("dialect", "alarm"), [("amqp10", disk_alarm), ("amqp091", disk_alarm), ("amqp091", memory_alarm)]
)
def test_a_full_broker_is_told_and_waited_for(
    made: Made, proxy: FaultProxy, tmp_path: Path, dialect: str, alarm: Callable[[Rabbit], Any]
) -> None:
    """A broker that takes nothing gives exit 5 in time, with a sentence; afterwards the same ids go through.

    An alarm of 3.x does not reach publishers over AMQP 1.0 (measured on 3.10): there everything goes through.
    """
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    if dialect == "amqp10" and made.rabbit.version < (4,):
        with alarm(made.rabbit):
            place.report()
        demand_sent_once(place, set())
        return
    with alarm(made.rabbit):
        started = time.monotonic()
        with pytest.raises(TransportError, match="Meldingsbussen") as told:
            place.report()
        assert time.monotonic() - started < GIVES_UP
        assert told.value.exit_code == 5
        before = msg_ids(place)
    again(place)
    demand_sent_once(place, before)


# -- somebody dies ---------------------------------------------------------------------------------------------------


def large_send(rabbit: Rabbit, bus: SimulatedBus, folder: Path, port: int, body: bytes) -> None:
    """One large message from the municipality to the register, always under the same id."""
    write_bus_files(folder, bus, OURS, REGISTER)
    book = load_address_book(folder / "addresses.yaml")
    settings = rabbit.settings(through(bus, port), timeout_seconds=TIMEOUT)
    envelope = Envelope(
        "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11",
        "KPR_IPL",
        OURS[1],
        REGISTER[1],
        datetime(2021, 1, 7, 9, tzinfo=UTC),
    )
    with contextlib.closing(open_bus(settings)) as opened:
        AmqpTransport(settings, book, OURS[1], opened).send(envelope, io.BytesIO(body), len(body))


def test_a_broker_killed_in_a_large_message(rabbit: Rabbit, proxy: FaultProxy, tmp_path: Path) -> None:
    """Killed in the middle of 18 MB it is away; started again it has nothing of it, and takes it whole, once."""
    bus, body = rabbit.bus(), bytes(range(256)) * 70_000
    proxy.at(len(body) // 2, "up", rabbit.broker.kill)
    try:
        with pytest.raises(TransportError) as told:
            large_send(rabbit, bus, tmp_path, proxy.port, body)
    finally:
        rabbit.broker.kill()
        rabbit.broker.start()
    assert told.value.exit_code == 5
    assert rabbit.broker.depth(bus.register_queue) == 0
    large_send(rabbit, bus, tmp_path, proxy.port, body)
    with rabbit.open(bus, "register") as theirs:
        bodies = [(taken.body == body, taken.accept()) for taken in theirs.take(bus.register_queue)]
    assert bodies == [(True, None)]


@pytest.mark.parametrize(("dialect", "where"), [("amqp10", "before the first outcome")])
def test_a_broker_killed_in_a_report(
    made: Made, proxy: FaultProxy, measured: dict[str, Marks], tmp_path: Path, dialect: str, where: str
) -> None:
    """Killed right after it took a message, and started again: the same MsgIds, handled once each."""
    marks = measured[dialect]
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    plan(proxy, marks, where, lambda: (made.rabbit.broker.kill(), proxy.cut()))
    try:
        with pytest.raises(TransportError) as told:
            place.report()
    finally:
        made.rabbit.broker.kill()
        made.rabbit.broker.start()
    assert told.value.exit_code == 5
    before = msg_ids(place)
    place.report()
    demand_sent_once(place, before)


def test_a_broker_killed_in_a_collection(
    made: Made, proxy: FaultProxy, collected: dict[str, int], tmp_path: Path
) -> None:
    """Killed while a receipt is on its way, and started again, it still has what was not accepted."""
    place = made.place(tmp_path, made.rabbit.bus(), proxy.port)
    place.report()
    place.register()
    proxy.at(int(0.8 * collected["down"]), "down", made.rabbit.broker.kill)
    try:
        with contextlib.suppress(TransportError):
            place.collect()
    finally:
        made.rabbit.broker.kill()
        made.rabbit.broker.start()
    demand_answered(place)


@pytest.mark.parametrize(
    ("dialect", "where"),
    [
        ("amqp10", "in the attach of the first message"),
        ("amqp10", "before the first outcome"),
        ("amqp091", "in the second message"),
    ],
)
def test_a_program_killed_in_a_report(
    made: Made, proxy: FaultProxy, measured: dict[str, Marks], tmp_path: Path, dialect: str, where: str
) -> None:
    """The program killed at a byte, as by a power cut, and run again: the same MsgIds, handled once each."""
    marks = measured[dialect]
    place = made.place(tmp_path, made.rabbit.bus(dialect), proxy.port)
    command = [sys.executable, "-m", "kpr", "report", "--settings", str(place.settings), "--by", "rolle A"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        plan(proxy, marks, where, child.kill)
        assert child.wait(60) == -9
    before = msg_ids(place)
    assert len(before) == 2
    again(place)
    demand_sent_once(place, before)


# -- an idle connection ----------------------------------------------------------------------------------------------


def publish(bus: Any, queue: str) -> None:
    """One small message."""
    bus.publish(queue, Wire("id", "to", "KPR_IPL"), io.BytesIO(b"x"), 1)


def read(bus: Any, queue: str) -> list[None]:
    """Everything that waits, accepted."""
    return [taken.accept() for taken in bus.take(queue)]


@contextlib.contextmanager
def idle_time_out(rabbit: Rabbit, seconds: int) -> Iterator[None]:
    """How long the broker waits for a sign of life on new connections."""
    rabbit.broker.ctl("eval", f"application:set_env(rabbit, heartbeat, {seconds}).")
    try:
        yield
    finally:
        rabbit.broker.ctl("eval", "application:set_env(rabbit, heartbeat, 60).")


def test_an_idle_connection_lives(rabbit: Rabbit, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle for longer than a broker waits that hears nothing, the connection is the same one: its thread gives signs of life."""
    monkeypatch.setattr("kpr.transports.amqp.line._HEARTBEAT_SECONDS", 0.2)
    bus = rabbit.bus()
    with idle_time_out(rabbit, 1), rabbit.open(through(bus, proxy.port)) as ours:
        publish(ours, bus.register_queue)
        said = proxy.bytes_up
        time.sleep(4)  # idleness is what is tested
        assert proxy.bytes_up > said
        publish(ours, bus.register_queue)
    assert proxy.connections == 1
    assert rabbit.broker.depth(bus.register_queue) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_connection_that_went_idle_is_opened_anew(
    rabbit: Rabbit, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """Without signs of life the broker gives it up; the next message goes over a new one, and nobody notices."""
    monkeypatch.setattr("kpr.transports.amqp.line._HEARTBEAT_SECONDS", 600)
    bus = rabbit.bus(dialect)
    before = connections(rabbit)
    with idle_time_out(rabbit, 1), rabbit.open(through(bus, proxy.port), timeout_seconds=1) as ours:
        publish(ours, bus.register_queue)
        wait_for(lambda: connections(rabbit) <= before)
        with_retries(lambda: publish(ours, bus.register_queue))
        assert proxy.connections == 2
    assert rabbit.broker.depth(bus.register_queue) == 2


#: 3.x lists and closes no AMQP 1.0 connection by its own commands (measured); these are what holds every socket.
SOCKETS = "S || R <- maps:keys(ranch:info()), S <- ranch:procs(R, connections)"


def connections(rabbit: Rabbit) -> int:
    """How many are connected."""
    return int(rabbit.broker.ctl("eval", f"length([{SOCKETS}])."))


def close_all_connections(rabbit: Rabbit) -> None:
    """As an administrator does before maintenance."""
    reader = 'rabbit_reader:shutdown(rabbit_connection_sup:reader(S), "maintenance")'
    rabbit.broker.ctl("eval", f"[catch {reader} || {SOCKETS.removeprefix('S || ')}].")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_connection_that_the_broker_closes_is_opened_anew(rabbit: Rabbit, proxy: FaultProxy, dialect: str) -> None:
    """Closed by an administrator, as before maintenance, the next message and the next reading find a new connection."""
    bus = rabbit.bus(dialect)
    with rabbit.open(through(bus, proxy.port)) as ours:
        publish(ours, bus.municipality_queue)
        for number in (2, 3):
            close_all_connections(rabbit)
            if number == 2:
                with_retries(lambda: publish(ours, bus.municipality_queue))
            else:
                assert len(with_retries(lambda: read(ours, bus.municipality_queue))) == 2
            assert proxy.connections == number


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_connection_that_was_reset_is_opened_anew(rabbit: Rabbit, proxy: FaultProxy, dialect: str) -> None:
    """Reset between two messages by a firewall, the second goes over a new connection."""
    bus = rabbit.bus(dialect)
    with rabbit.open(through(bus, proxy.port)) as ours:
        publish(ours, bus.register_queue)
        proxy.cut()
        with_retries(lambda: publish(ours, bus.register_queue))
        assert proxy.connections == 2
    assert rabbit.broker.depth(bus.register_queue) == 2


# -- at the door -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def hangs_up(after: int) -> Iterator[int]:
    """A server that reads so many bytes and says goodbye, as a balancer does whose broker is away; its port."""

    def answer(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                with server.accept()[0] as line:
                    line.settimeout(5)
                    while after and line.recv(1 << 16):
                        if after:
                            break
                    line.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("after", [0, 1])
def test_hung_up_in_the_handshake_is_no_wrong_certificate(rabbit: Rabbit, dialect: str, after: int) -> None:
    """Who hangs up in the TLS handshake is away, and is tried again; nobody is sent to look at certificates."""
    bus = rabbit.bus(dialect)
    with hangs_up(after) as port, rabbit.open(through(bus, port)) as ours, pytest.raises(BusFault) as fault:
        ours.open()
    assert fault.value.condition == "connection-lost"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nobody_at_home(rabbit: Rabbit, dialect: str) -> None:
    """A port where nobody listens is away, and not refused for good."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    bus = rabbit.bus(dialect)
    with rabbit.open(through(bus, port)) as ours, pytest.raises(BusFault) as fault:
        ours.open()
    assert fault.value.condition == "connection-lost"


def wait_for(so: Callable[[], bool], seconds: float = 15) -> None:
    """Until it is so."""
    ends = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < ends, "it did not come to be in time"
        time.sleep(0.05)
