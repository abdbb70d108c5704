"""The whole of tests/test_store.py once more, on a real PostgreSQL server: the same promises, the other database."""

from __future__ import annotations

import psycopg
import pytest
from postgresql import Server
from sqlalchemy import Engine
from test_store import *  # noqa: F403  (the tests and their fixtures; only the database is another)


@pytest.fixture
def url(postgresql: Server) -> str:
    """An empty PostgreSQL database."""
    return postgresql.new_database()


def test_this_is_postgresql(engine: Engine, postgresql: Server) -> None:
    """The tests above do run on the server that was started, on loopback, and by the driver that the README names."""
    assert engine.dialect.name == "postgresql"
    assert engine.dialect.driver == "psycopg"
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert (driver.info.host, driver.info.port) == ("127.0.0.1", postgresql.port)
