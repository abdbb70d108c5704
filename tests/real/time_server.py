"""A real time server, chronyd, as a user process of the test run: it gives this machine's own time and changes nothing."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ntplib

_START_SECONDS = 15


def find_chronyd() -> Path | None:
    """The program: where ``KPR_CHRONYD`` says, on the path, or where Debian puts it; None where there is none."""
    named = os.environ.get("KPR_CHRONYD") or shutil.which("chronyd") or "/usr/sbin/chronyd"
    return Path(named) if Path(named).exists() else None


@contextmanager
def running_chronyd(program: Path, folder: Path) -> Iterator[str]:
    """Its address, ``host:port``. ``-x`` leaves the machine's clock alone; nothing listens beyond loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "chrony.conf"
    settings.write_text(
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 10\ncmdport 0\nbindcmdaddress /\n"
        f"pidfile {folder}/pid\ndriftfile {folder}/drift\n"
    )
    command = [str(program), "-x", "-d", "-U", "-u", getpass.getuser(), "-f", str(settings)]
    log = folder / "chronyd.log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        _wait(process, port, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            ntplib.NTPClient().request("127.0.0.1", version=4, port=port, timeout=0.5)
        except (ntplib.NTPException, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"chronyd did not start: {log.read_text(errors='replace')[-500:]}")
