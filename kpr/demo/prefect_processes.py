"""A Prefect server and its workers as user processes: a home of their own, a free port, stopped by pid."""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from kpr.demo.own_server import HOST, OwnServer, free_ports

#: Where the packages flows, tasks and kpr lie.
ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}


class PrefectServer(OwnServer):
    """A server with its database in its folder, or elsewhere by ``database`` (a URL for asyncpg)."""

    start_seconds = 120.0

    def __init__(self, folder: Path, database: str = "", more: dict[str, str] | None = None) -> None:
        super().__init__(folder, free_ports(1)[0])
        self.database, self.more = database, more or {}

    @property
    def url(self) -> str:
        """What PREFECT_API_URL is."""
        return f"http://{HOST}:{self.port}/api"

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process is not None
        return self._process.pid

    def environment(self, **more: str) -> dict[str, str]:
        """For whoever talks to it: a home of their own, and nothing of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        home = {"PREFECT_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        return kept | QUIET | home | {"PREFECT_API_URL": self.url} | more

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        environment = self.environment(**self.more)
        # The pages ask the server where the browser finds it.
        environment["PREFECT_UI_API_URL"] = environment.pop("PREFECT_API_URL")
        if self.database:
            environment["PREFECT_API_DATABASE_CONNECTION_URL"] = self.database
        words = ["server", "start", "--host", HOST, "--port", str(self.port)]
        return [sys.executable, "-m", "prefect", *words], {"env": environment, "cwd": ROOT}

    def _listens(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:  # noqa: S310  (our own address)
                return bool(answer.status == 200)
        except OSError:
            return False


class PrefectWorker(OwnServer):
    """A process worker, with the runs that it starts in its own process group; ``more`` goes into its environment.

    It has no limit of its own: Prefect 3.8's worker with ``--limit`` dies when a run that it has just suspended is
    resumed. The work pool has one.
    """

    def __init__(self, server: PrefectServer, name: str = "worker", more: dict[str, str] | None = None) -> None:
        super().__init__(server.folder / name, 0)
        self.server, self.name, self.more = server, name, more or {}
        self.log = self.folder / "output.log"

    @property
    def pid(self) -> int:
        """Of the worker."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start it; it asks for work every second."""
        return super().start()

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        told = {"PREFECT_LOGGING_LEVEL": "INFO", "PREFECT_WORKER_QUERY_SECONDS": "1"}
        environment = self.server.environment(**told | self.more)
        words = ["worker", "start", "--pool", "kpr", "--type", "process", "--name", self.name]
        return [sys.executable, "-m", "prefect", *words], {"env": environment, "cwd": ROOT}

    def _listens(self) -> bool:
        return True  # nobody connects to a worker
