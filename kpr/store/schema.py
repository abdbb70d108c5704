"""Opens a database and brings its tables to the newest version (alembic), SQLite or PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlmodel import create_engine

from kpr.errors import BadSettings
from kpr.store.away import busy, plain_errors, store_away

MIGRATIONS = Path(__file__).parent / "migrations"


def open_engine(url: str) -> Engine:
    """An engine for this URL; BadSettings, without the URL in it, when there is no such database."""
    try:
        engine = create_engine(url, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError):
        raise BadSettings(
            "The address of the database is not understood.",
            place="store.url",
            remedy="Write sqlite:///file or postgresql+psycopg://user@host/name.",
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_habits)
    return engine


def _sqlite_habits(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    # secure_delete: a data key that was destroyed must not stand in the free part of a page.
    for habit in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {habit}")
    cursor.close()


#: What takes overwritten values out of the database's own files. Backups, and PostgreSQL's log, are not reached.
_SCRUB = {
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)",),
    "postgresql": ("VACUUM FULL submission", "VACUUM FULL inbox"),
}


def scrub(engine: Engine) -> None:
    """Let nothing of what was overwritten stand in the database's files. StoreAway when others keep it busy."""
    with plain_errors(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in _SCRUB.get(engine.dialect.name, ()):
            done = connection.exec_driver_sql(statement)
            if done.returns_rows and done.scalar():  # SQLite's first column: somebody else still reads the old log
                raise busy()


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version; does nothing when they are there."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        away = store_away(error)
        if away is not None and away.kind != "away":
            raise away from None
        raise BadSettings(
            "The database cannot be opened.", place="store.url", remedy="Check that it runs, and who may use it."
        ) from None
