"""Opening a place whose tables are of the newest version asks the database one question; any other goes by alembic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text

from kpr.store import migrate, open_engine
from kpr.store.schema import MIGRATIONS


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database file without tables."""
    opened = open_engine(f"sqlite:///{tmp_path / 'kpr.sqlite'}")
    yield opened
    opened.dispose()


def config() -> Config:
    """Alembic, as the store sets it up."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("path_separator", "os")
    return made


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][::-1]


def revision_of(engine: Engine) -> str:
    """What the version table says."""
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def asked(engine: Engine) -> list[str]:
    """The statements that reach the database from now on, in a list that grows."""
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    return statements


def test_tables_of_the_newest_version_are_asked_for_once(engine: Engine) -> None:
    """One SELECT of the version table, and nothing more."""
    migrate(engine)
    statements = asked(engine)
    migrate(engine)
    assert statements == ["SELECT version_num FROM alembic_version"]


def test_an_empty_database_gets_its_tables(engine: Engine) -> None:
    """No version table yet: all of them are made."""
    migrate(engine)
    assert revision_of(engine) == revisions()[-1]
    assert inspect(engine).has_table("submission")


@pytest.mark.parametrize("older", revisions()[:-1])
def test_older_tables_are_brought_to_the_newest_version(engine: Engine, older: str) -> None:
    """Every revision that was ever the newest goes on from where it is."""
    with engine.begin() as connection:
        made = config()
        made.attributes["connection"] = connection
        command.upgrade(made, older)
    assert revision_of(engine) == older
    migrate(engine)
    assert revision_of(engine) == revisions()[-1]


def test_a_version_table_that_was_emptied_is_not_taken_for_the_newest(engine: Engine) -> None:
    """The question has one right answer; with none, alembic begins at the beginning, as it would have before."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    migrate(engine)
    assert revision_of(engine) == revisions()[-1]
