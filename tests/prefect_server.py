"""A real Prefect server and real workers, as user processes on free ports, each with a home of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def until(fulfilled: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Wait until something is true, and give it back; AssertionError when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := fulfilled():
            return found
        time.sleep(0.2)
    raise AssertionError(f"did not come within {seconds} s: {what}")


@dataclass
class _Process:
    """A process in a session of its own: stopped by pid, with everything that it started."""

    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def run(self, words: Sequence[str], environment: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *words],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=ROOT,
                start_new_session=True,
            )

    def end(self, how: signal.Signals) -> None:
        """The whole session."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
        self.process = None


class PrefectServer:
    """A server with its database in a folder, or elsewhere by ``database`` (a URL for asyncpg)."""

    def __init__(self, folder: Path, database: str = "", more: dict[str, str] | None = None) -> None:
        self.folder, self.database, self.more = folder, database, more or {}
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._process = _Process(folder / "server.log")

    @property
    def url(self) -> str:
        """What PREFECT_API_URL is."""
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self, **more: str) -> dict[str, str]:
        """For whoever talks to it: a home of their own, and nothing of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        home = {"PREFECT_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        return kept | QUIET | home | {"PREFECT_API_URL": self.url} | more

    def start(self) -> None:
        """Start, on the same port and database as before, and wait until it answers."""
        environment = self.environment(**self.more)
        environment["PREFECT_UI_API_URL"] = environment.pop("PREFECT_API_URL")
        if self.database:
            environment["PREFECT_API_DATABASE_CONNECTION_URL"] = self.database
        self._process.run(["server", "start", "--host", "127.0.0.1", "--port", str(self.port)], environment)
        until(self._answers, 120, (self.folder / "server.log").name)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """As an operator stops it."""
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut stops it."""
        self._process.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process.process is not None
        return self._process.process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class PrefectWorker:
    """A process worker; ``more`` goes into its environment."""

    def __init__(self, server: PrefectServer, name: str = "worker", more: dict[str, str] | None = None):
        self.server, self.name, self.more = server, name, more or {}
        self.log = server.folder / f"{name}.log"
        self._process = _Process(self.log)

    def start(self) -> None:
        """Start it; it asks for work every second."""
        environment = self.server.environment(PREFECT_WORKER_QUERY_SECONDS="1", **self.more)
        words = ["worker", "start", "--pool", "kpr", "--type", "process", "--name", self.name]
        self._process.run(words, environment)

    def stop(self) -> None:
        """As an operator stops it."""
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """With all that it runs, as a power cut does."""
        self._process.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of the worker."""
        assert self._process.process is not None
        return self._process.process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
