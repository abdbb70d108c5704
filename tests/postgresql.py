"""A PostgreSQL server for one test run: a user process on a free loopback port, in a temporary folder, ended by pid.

PostgreSQL refuses to run as root; where the tests run as root, it is started as ``postgres`` or ``nobody``, who then
owns the folder. No socket file, no service, nothing outside the folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

BINARIES = Path("/usr/lib/postgresql")
START_SECONDS = 60


def find_binaries() -> Path | None:
    """The folder of the newest installed server; None where there is none."""
    found = [path.parent for path in BINARIES.glob("*/bin/initdb") if (path.parent / "postgres").exists()]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path and shutil.which("postgres") else None


@dataclass(slots=True)
class Server:
    """A running server, with as many empty databases as one asks for."""

    port: int
    pid: int
    _numbers: Iterator[int] = field(default_factory=count)

    def new_database(self) -> str:
        """Make an empty database; its URL, as the settings want it."""
        name = f"kpr_{next(self._numbers)}"
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://kpr@127.0.0.1:{self.port}/{name}"

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """A plain connection, with every statement a transaction of its own."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="kpr", dbname=database, autocommit=True)


@contextmanager
def running_postgresql(binaries: Path) -> Iterator[Server]:
    """Start a server, wait until it answers, and end it by its pid."""
    folder = Path(tempfile.mkdtemp(prefix="kpr-postgresql-"))
    whose = _owner()
    if "user" in whose:
        shutil.chown(folder, whose["user"], whose["group"])
    port = _free_port()
    log = (folder / "log").open("wb")
    try:
        _initialise(binaries, folder, whose)
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=40"]
        command = [binaries / "postgres", "-D", folder / "data", "-p", str(port)]
        command += [part for option in options for part in ("-c", option)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **whose)
        try:
            server = Server(port, process.pid)
            _await(server, process, folder / "log")
            yield server
        finally:
            _stop(process)
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> dict[str, Any]:
    """Who runs the server: ourselves, or an unprivileged user when we are root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _initialise(binaries: Path, folder: Path, whose: dict[str, Any]) -> None:
    command = [binaries / "initdb", "-D", folder / "data", "-U", "kpr", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, **whose)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + START_SECONDS
    while time.monotonic() < last:
        if process.poll() is not None:
            break
        try:
            server.connect("postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-500:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGINT is PostgreSQL's fast shutdown; whoever does not obey within 20 seconds is killed."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
