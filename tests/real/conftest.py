"""Servers for the tests that need real ones. Each is a process of the test run, and ends with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgresql import Server, find_binaries, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running PostgreSQL server; the test skips, saying so, where none is installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here; the store was tested on SQLite only")
    with running_postgresql(binaries) as server:
        yield server
