"""A server of our own does not outlive the program that started it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from kpr.demo.own_server import OwnServer, ended_by_signals


class Sleeper(OwnServer):
    """A process that nobody connects to; it is started before it is entered, so that its pid is known."""

    def __enter__(self) -> Self:
        return self

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        return [sys.executable, "-S", "-c", "import time; time.sleep(60)"], {}

    def _listens(self) -> bool:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["terminated", "hung up"])
def test_a_signal_stops_the_servers_too(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever ends the program, by a signal or by closing the terminal, leaves no process behind."""
    before = signal.getsignal(number)
    server = Sleeper(tmp_path, 0)
    server.start()
    assert server._process is not None
    pid = server._process.pid
    with pytest.raises(SystemExit) as ended, ended_by_signals(), server:
        os.kill(os.getpid(), number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
