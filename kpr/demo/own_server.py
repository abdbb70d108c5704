"""A server program as a user process of ours: a free port of this machine, its log in its folder, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kpr.errors import KprError

HOST = "127.0.0.1"


class OwnServer:
    """A process in its own session; it is there when its port answers, and it can be killed and started again."""

    start_seconds, stop_seconds = 20.0, 10.0

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.host, self.port = folder.resolve(), "localhost", port
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        """What is run, and Popen's other arguments."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start it, also again after a kill, on the same port; returns when it takes connections."""
        command, how = self._command()
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **how
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait(self) -> None:
        ends = time.monotonic() + self.start_seconds
        while time.monotonic() < ends and self._process is not None and self._process.poll() is None:
            if self._listens():
                return
            time.sleep(0.02)
        raise KprError(f"{type(self).__name__} did not start; see output.log in its folder.")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        """Stop it in good order."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.stop_seconds)
        self.kill()

    def kill(self) -> None:
        """As a power cut would: the whole process group, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(self.stop_seconds)
            self._process = None

    def __enter__(self) -> Self:
        """Started."""
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Stopped."""
        self.stop()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end what runs inside as Ctrl-C does, in good order: servers that were started are stopped.

    One is enough: what follows while things are stopped is not listened to.
    """
    signals = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, end) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different, and none that a system hands out to clients (32768 and up, at least).

    A client that happened to get one would keep a server from starting, or from coming back after a kill.
    """
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind((HOST, 20_000 + secrets.randbelow(12_000)))
                ports.append(one.getsockname()[1])
        return ports
