"""A real Prefect server and real workers in the tests: the demo's processes, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kpr.demo.prefect_processes import QUIET, ROOT, PrefectServer, PrefectWorker

__all__ = ["QUIET", "ROOT", "PrefectServer", "PrefectWorker", "until"]


def until(fulfilled: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Wait until something is true, and give it back; AssertionError when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := fulfilled():
            return found
        time.sleep(0.2)
    raise AssertionError(f"did not come within {seconds} s: {what}")
