"""Servers for the tests that need real ones. Each is a process of the test run, and ends with it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from postgresql import Server, find_binaries, running_postgresql

from kpr.demo.broker import find_rabbitmq


@pytest.fixture(autouse=True, scope="module")
def _left_by_pika(request: pytest.FixtureRequest) -> Iterator[None]:
    """What pika leaves of a broken line is collected with the file that broke it, not in the midst of another's tests."""
    yield
    if "amqp" in request.node.name:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running PostgreSQL server; the test skips, saying so, where none is installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here; the store was tested on SQLite only")
    with running_postgresql(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running RabbitMQ; the test skips, saying so, where none is installed."""
    if find_rabbitmq() is None:
        pytest.skip("RabbitMQ is not installed here (and KPR_RABBITMQ_HOME names none); no bus was tried")
    pytest.importorskip("proton", reason="the extra amqp10 is not installed (sh scripts/install-amqp10)")
    from broker_fixture import running_rabbit

    with running_rabbit(tmp_path_factory.mktemp("rabbitmq")) as running:
        yield running
