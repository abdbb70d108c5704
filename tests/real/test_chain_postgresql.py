"""The chain of events once more, on a real PostgreSQL server: two who write at once wait for each other, never in a ring."""

from __future__ import annotations

import pytest
from postgresql import Server
from sqlalchemy import Engine
from test_event_chain import (  # noqa: F401  (the tests and their fixtures; only the database is another)
    engine,
    store,
    test_a_transaction_that_fails_leaves_neither_event_nor_head,
    test_an_empty_log_is_whole,
    test_an_end_cut_off_shows_after_further_events_too,
    test_an_end_cut_off_together_with_the_head_needs_a_known_head,
    test_events_carry_role_and_chain_and_the_cycle_its_head,
    test_events_from_before_the_chain_are_chained,
    test_the_triggers_are_back_after_the_migration,
    test_two_processes_at_once_write_one_chain,
    test_what_cannot_be_read_is_a_break_too,
    test_what_is_done_behind_the_triggers_is_found,
)


@pytest.fixture
def url(postgresql: Server) -> str:
    """An empty PostgreSQL database."""
    return postgresql.new_database()


def test_it_is_postgresql_that_chains(engine: Engine) -> None:  # noqa: F811  (the fixture)
    """The tests above do run on the server that was started."""
    assert engine.dialect.name == "postgresql"
