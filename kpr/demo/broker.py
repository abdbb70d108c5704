"""A RabbitMQ of our own, as a user process in one folder: for ``kpr demo --over amqp`` and for the tests.

It has its own node name, free ports on loopback, its own epmd and cookie, and is stopped by pid. Its data survives a
kill. Debian's package (3.10, with the bundled AMQP 1.0 plugin) and any newer one found by ``KPR_RABBITMQ_HOME`` work.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pika

from kpr.demo.broker_keys import write_server_keys
from kpr.demo.own_server import HOST, OwnServer, free_ports
from kpr.errors import BadSettings, KprError
from kpr.security.throwaway import write_private
from kpr.simulator_bus import SimulatedBus

_DEBIAN = Path("/usr/lib/rabbitmq/lib")
#: More than any disk has: an alarm. And so little that there is none.
_ALARM, _NO_ALARM = "9000000GB", "1MB"


def find_rabbitmq() -> Path | None:
    """The folder with ``sbin/``: where ``KPR_RABBITMQ_HOME`` says, or Debian's newest; None where there is none."""
    named = os.environ.get("KPR_RABBITMQ_HOME")
    homes = [Path(named)] if named else list(_DEBIAN.glob("rabbitmq_server-*"))
    found = [home for home in homes if (home / "sbin" / "rabbitmq-server").exists()]
    return max(found, key=_version, default=None)


def _version(home: Path) -> tuple[int, ...]:
    """What its own library is called says it; the folder may be called anything."""
    library = next((home / "plugins").glob("rabbit-[0-9]*"), home)
    return tuple(int(part) for part in re.findall(r"\d+", library.name)[:3])


class Broker(OwnServer):
    """One RabbitMQ in one folder. ``port`` is plain, ``tls_port`` is TLS with a certificate that ``ca_file`` issued."""

    start_seconds, stop_seconds = 90.0, 30.0

    def __init__(self, folder: Path, config: Mapping[str, str] | None = None) -> None:
        home = find_rabbitmq()
        if home is None:
            raise BadSettings(
                "RabbitMQ is not installed.",
                place="rabbitmq-server",
                remedy="On Debian: apt-get install rabbitmq-server",
            )
        port, self.tls_port, self._epmd_port, self._dist_port = free_ports(4)
        super().__init__(folder, port)
        self._sbin, self.version = home / "sbin", _version(home)
        self.user, self.password = "kpr", secrets.token_hex(12)
        self.node = f"kpr{secrets.token_hex(4)}@localhost"
        self.ca_file = self.folder / "ca.pem"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._lay_out(config or {})

    def _lay_out(self, config: Mapping[str, str]) -> None:
        certificate, key = write_server_keys(self.folder, self.ca_file)
        lines = {
            "listeners.tcp.default": f"{HOST}:{self.port}",
            "listeners.ssl.default": f"{HOST}:{self.tls_port}",
            "ssl_options.cacertfile": str(self.ca_file),
            "ssl_options.certfile": str(certificate),
            "ssl_options.keyfile": str(key),
            "ssl_options.versions.1": "tlsv1.3",
            "ssl_options.versions.2": "tlsv1.2",
            "default_user": self.user,
            "default_pass": self.password,
            "disk_free_limit.absolute": _NO_ALARM,
            "log.console": "false",
            **config,
        }
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        write_private(self.folder / "rabbitmq.conf", text.encode())  # the password is in it
        plugins = "[rabbitmq_amqp1_0]." if self.version < (4,) else "[]."
        (self.folder / "enabled_plugins").write_text(plugins, encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        # What is set for this machine's own broker is not for ours, neither here nor in /etc/rabbitmq.
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return ours | {
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "HOME": str(folder),  # the cookie lies there, and not with whoever runs this
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_CRASH_DUMP": str(folder / "log" / "erl_crash.dump"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
        }

    # -- starting and stopping --------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it, also again after a kill, on the same ports; returns when it takes connections."""
        epmd = shutil.which("epmd")
        if epmd and (self._epmd is None or self._epmd.poll() is not None):  # else Erlang starts one that stays
            self._epmd = subprocess.Popen([epmd], env=self._environment(), stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            return super().start()
        except BaseException:  # an interrupt too: it does not reach the server's own session
            self._stop_epmd()
            raise

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        return [str(self._sbin / "rabbitmq-server")], {"env": self._environment()}

    def _listens(self) -> bool:
        with contextlib.suppress(pika.exceptions.AMQPError, OSError):
            self._connect().close()
            return True
        return False

    def stop(self) -> None:
        """Stop it in good order, and its epmd."""
        super().stop()
        self._stop_epmd()

    def _stop_epmd(self) -> None:
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(self.stop_seconds)
            self._epmd = None

    # -- what an administrator does ---------------------------------------------------------------------------------

    def ctl(self, *words: str) -> str:
        """Run rabbitmqctl against this node; what it printed."""
        command = [str(self._sbin / "rabbitmqctl"), "--quiet", "--node", self.node, *words]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=60)  # noqa: S603
        if done.returncode:
            raise KprError(f"rabbitmqctl {words[0]} failed: {done.stderr.strip()[-300:]}")
        return done.stdout

    def raise_disk_alarm(self) -> None:
        """No publisher is read from until it is cleared."""
        self.ctl("set_disk_free_limit", _ALARM)

    def clear_disk_alarm(self) -> None:
        """Publishers go on."""
        self.ctl("set_disk_free_limit", _NO_ALARM)

    def raise_memory_alarm(self) -> None:
        """As the disk alarm, for memory."""
        self.ctl("set_vm_memory_high_watermark", "absolute", "1")

    def clear_memory_alarm(self) -> None:
        """Publishers go on."""
        self.ctl("set_vm_memory_high_watermark", "0.4")

    def set_permissions(self, name: str, configure: str, write: str, read: str) -> None:
        """Rights by regular expression, in place of those that the user had."""
        self.ctl("set_permissions", name, configure, write, read)

    def add_user(self, name: str, password: str, configure: str, write: str, read: str) -> None:
        """A user with rights by regular expression."""
        self.ctl("add_user", name, password)
        self.set_permissions(name, configure, write, read)

    def declare(self, exchange: str, queues: Mapping[str, str | None]) -> None:
        """A durable direct exchange, and durable queues bound by their own names, each with its dead-letter queue."""
        with self._connect() as connection:
            channel = connection.channel()
            channel.exchange_declare(exchange, exchange_type="direct", durable=True)
            for queue, dead in queues.items():
                arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead} if dead else {}
                channel.queue_declare(queue, durable=True, arguments=arguments)
                channel.queue_bind(queue, exchange, queue)

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self._connect() as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    def purge(self, queue: str) -> None:
        """Empty a queue."""
        with self._connect() as connection:
            connection.channel().queue_purge(queue)

    def dead_letter(self, queue: str) -> None:
        """Reject everything that waits in a queue: it goes to the queue's dead letters."""
        with self._connect() as connection:
            channel = connection.channel()
            while (method := channel.basic_get(queue)[0]) is not None:
                channel.basic_nack(method.delivery_tag, requeue=False)

    def _connect(self) -> pika.BlockingConnection:
        credentials = pika.PlainCredentials(self.user, self.password)
        return pika.BlockingConnection(pika.ConnectionParameters(HOST, self.port, credentials=credentials))


def give_bus(broker: Broker, dialect: str = "amqp10") -> SimulatedBus:
    """Declare what the simulator's bus must have: the exchange, the queues, and a user for each side with its rights."""
    bus = SimulatedBus(
        broker.host, broker.tls_port, str(broker.ca_file), secrets.token_hex(12), secrets.token_hex(12), dialect
    )
    broker.declare(bus.exchange, bus.queues())
    own = f"^({bus.municipality_queue}|{bus.municipality_errors}|{bus.dead_letter_queue})$"
    theirs = f"^({bus.register_queue}|{bus.register_errors})$"
    # Nobody may declare anything; writing goes through the exchange, reading is from one's own queues.
    broker.add_user(bus.municipality_user, bus.municipality_password, "^$", f"^{bus.exchange}$", own)
    broker.add_user(bus.register_user, bus.register_password, "^$", f"^{bus.exchange}$", theirs)
    return bus
