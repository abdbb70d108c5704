"""A RabbitMQ of our own starts, breaks and ends as it is told, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest

from kpr.demo.broker import Broker, find_rabbitmq
from kpr.errors import BadSettings, KprError

pytestmark = pytest.mark.skipif(
    find_rabbitmq() is None, reason="RabbitMQ is not installed (apt-get install rabbitmq-server)"
)

SECONDS = 20
#: How AMQP 1.0 opens a connection with SASL; whoever speaks it says the same back.
AMQP10 = b"AMQP\x03\x01\x00\x00"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the tests that leave it as it was."""
    with Broker(tmp_path_factory.mktemp("broker"), {"max_message_size": "1048576"}) as running:
        yield running


def connected(broker: Broker, user: str = "", password: str = "") -> pika.BlockingConnection:
    """A client on the plain port, as the broker's own user unless another is named."""
    credentials = pika.PlainCredentials(user or broker.user, password or broker.password)
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port, credentials=credentials))


def publish(broker: Broker, exchange: str, queue: str, body: bytes) -> None:
    """Publish a persistent message; returns when it is confirmed, raises when it is not."""
    with connected(broker) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(exchange, queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)


def fetch(broker: Broker, queue: str) -> bytes | None:
    """Take the next message of a queue; None when there is none."""
    with connected(broker) as connection:
        body = connection.channel().basic_get(queue, auto_ack=True)[2]
        assert body is None or isinstance(body, bytes)
        return body


def processes(folder: Path) -> set[int]:
    """Everything that runs with this folder as its home: the server, what it started, and its epmd."""
    home, found = f"HOME={folder.resolve()}".encode(), set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if home in (process / "environ").read_bytes().split(b"\0"):
                found.add(int(process.name))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def becomes(condition: Callable[[], bool]) -> bool:
    """Whether it is so within a while."""
    ends = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


class TestStarting:
    """What is there once it has started."""

    def test_it_is_the_version_that_it_says_and_speaks_amqp_1_0(self, broker: Broker) -> None:
        """The node tells the version that was read from the folder, and takes AMQP 1.0 on the plain port."""
        assert broker.ctl("version").strip() == ".".join(map(str, broker.version))
        with socket.create_connection((broker.host, broker.port), timeout=SECONDS) as line:
            line.sendall(AMQP10)
            assert line.recv(8) == AMQP10

    def test_a_setting_is_taken_over(self, broker: Broker) -> None:
        """A line given as ``config`` is what the node goes by."""
        assert broker.ctl("eval", "application:get_env(rabbit, max_message_size).").strip() == "{ok,1048576}"

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_its_tls_is_verified_with_its_own_authority(self, broker: Broker, version: ssl.TLSVersion) -> None:
        """Python trusts the certificate for localhost when it is given ``ca_file``, in TLS 1.2 and in 1.3."""
        context = ssl.create_default_context(cafile=str(broker.ca_file))
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection((broker.host, broker.tls_port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as line,
        ):
            assert line.version() == version.name.replace("_", ".")
            line.sendall(AMQP10)
            assert line.recv(8) == AMQP10

    @pytest.mark.parametrize(("ours", "name"), [(False, "localhost"), (True, "sb.nhn.example")])
    def test_its_tls_is_refused_for_others(self, broker: Broker, ours: bool, name: str) -> None:
        """Without ``ca_file``, or under another host name, the certificate is not trusted."""
        context = ssl.create_default_context(cafile=str(broker.ca_file) if ours else None)
        with (
            socket.create_connection((broker.host, broker.tls_port), timeout=SECONDS) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(plain, server_hostname=name)

    @pytest.mark.parametrize(("user", "password"), [("kpr", "wrong"), ("guest", "guest")])
    def test_nobody_else_gets_in(self, broker: Broker, user: str, password: str) -> None:
        """A wrong password is refused, and RabbitMQ's own first user does not exist."""
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connected(broker, user, password)

    def test_what_is_missing_is_said_with_its_remedy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is no RabbitMQ, the error names the package to install."""
        monkeypatch.setenv("KPR_RABBITMQ_HOME", str(tmp_path))
        with pytest.raises(BadSettings, match="apt-get install rabbitmq-server"):
            Broker(tmp_path)

    def test_what_cannot_start_says_why_and_is_gone(self, tmp_path: Path) -> None:
        """A setting that RabbitMQ does not know ends in an error with its last words, and in no process."""
        with pytest.raises(KprError, match="did not start"):
            Broker(tmp_path, {"no_such_setting": "1"}).start()
        assert becomes(lambda: not processes(tmp_path))


class TestRights:
    """Who may do what."""

    def test_a_user_may_do_what_was_said_and_no_more(self, broker: Broker) -> None:
        """Reading one queue and writing to one exchange is allowed; declaring, and another queue, are not."""
        broker.declare("rights", {"mine": None, "theirs": None})
        broker.add_user("reader", "secret", "^$", "^rights$", "^mine$")
        with connected(broker, "reader", "secret") as connection:
            connection.channel().basic_publish("rights", "mine", b"hello")
        assert becomes(lambda: broker.depth("mine") == 1)
        with connected(broker, "reader", "secret") as connection:
            assert connection.channel().basic_get("mine", auto_ack=True)[2] == b"hello"
            with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
                connection.channel().basic_get("theirs")
            with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
                connection.channel().queue_declare("of my own")

    def test_what_is_rejected_goes_to_its_dead_letters(self, broker: Broker) -> None:
        """A queue declared with a dead-letter queue gives it what is rejected."""
        broker.declare("dead", {"alive": "dead_letters", "dead_letters": None})
        publish(broker, "dead", "alive", b"unwanted")
        broker.dead_letter("alive")
        assert becomes(lambda: broker.depth("dead_letters") == 1)
        assert fetch(broker, "dead_letters") == b"unwanted"


class TestAlarm:
    """A disk that is full."""

    def test_a_publisher_waits_for_the_end_of_the_alarm(self, broker: Broker) -> None:
        """Under a disk alarm a publisher is told that it is blocked, and is confirmed nothing until it is cleared."""
        broker.declare("alarm", {"alarmed": None})
        told: list[str] = []
        confirmed = threading.Event()

        def publisher() -> None:
            publish(broker, "alarm", "alarmed", b"confirmed late")
            confirmed.set()

        broker.raise_disk_alarm()
        thread = threading.Thread(target=publisher)
        with connected(broker) as connection:
            connection.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
            connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))

            def is_told(*words: str) -> bool:
                connection.process_data_events(time_limit=0.1)
                return told == list(words)

            try:
                thread.start()
                connection.channel().basic_publish("alarm", "alarmed", b"not confirmed")
                assert becomes(lambda: is_told("blocked"))
                assert not confirmed.wait(1)
                assert told == ["blocked"]
            finally:
                broker.clear_disk_alarm()
                thread.join(SECONDS)
            assert confirmed.is_set()
            assert becomes(lambda: is_told("blocked", "unblocked"))
        assert becomes(lambda: broker.depth("alarmed") == 2)


class TestEnding:
    """What a kill and a stop leave."""

    def test_what_was_confirmed_survives_a_kill(self, tmp_path: Path) -> None:
        """After a kill nobody listens; started again, on the same ports, a confirmed persistent message is there."""
        with Broker(tmp_path) as broker:
            ports = broker.port, broker.tls_port
            broker.declare("lasting", {"kept": None})
            publish(broker, "lasting", "kept", b"still here")
            broker.kill()
            with pytest.raises(pika.exceptions.AMQPConnectionError):
                connected(broker)
            broker.start()
            assert (broker.port, broker.tls_port) == ports
            assert fetch(broker, "kept") == b"still here"

    def test_two_do_not_disturb_each_other(self, tmp_path: Path, broker: Broker) -> None:
        """A second broker knows neither the first one's queues nor its password, and ends without it."""
        broker.declare("pair", {"first": None})
        with Broker(tmp_path) as second:
            assert len({broker.port, broker.tls_port, second.port, second.tls_port}) == 4
            assert second.node != broker.node
            assert "first" not in second.ctl("list_queues", "name")
            with pytest.raises(pika.exceptions.ProbableAuthenticationError):
                connected(second, broker.user, broker.password)
        publish(broker, "pair", "first", b"undisturbed")
        assert fetch(broker, "first") == b"undisturbed"

    def test_a_stop_leaves_no_process(self, tmp_path: Path) -> None:
        """Server, whatever it started, and its epmd are gone, and no other process is."""
        broker = Broker(tmp_path).start()
        try:
            running = processes(tmp_path)
            assert running
            assert os.getpid() not in running
        finally:
            broker.stop()
        assert becomes(lambda: not processes(tmp_path))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", broker.port), timeout=SECONDS).close()
