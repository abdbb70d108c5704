"""Opens a database and brings its tables to the newest version (alembic), SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, ProgrammingError
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
    cursor.execute(f"PRAGMA busy_timeout={_PATIENCE * 1000}")
    _write_ahead(cursor)
    # secure_delete: a data key that was destroyed must not stand in the free part of a page.
    for habit in ("foreign_keys=ON", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {habit}")
    cursor.close()


#: Seconds that one waits for another process that holds the file.
_PATIENCE = 10


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Keep a write-ahead log. Turning it on is the one thing for which SQLite does not wait by itself."""
    ends = time.monotonic() + _PATIENCE
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.01)


#: What takes overwritten values out of the database's own files. Backups, and PostgreSQL's log, are not reached.
_SCRUB = {
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)",),
    "postgresql": ("VACUUM FULL submission", "VACUUM FULL inbox", "VACUUM FULL kept"),
}


def scrub(engine: Engine) -> None:
    """Let nothing of what was overwritten stand in the database's files. StoreAway when others keep it busy."""
    with plain_errors(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in _SCRUB.get(engine.dialect.name, ()):
            done = connection.exec_driver_sql(statement)
            if done.returns_rows and done.scalar():  # SQLite's first column: somebody else still reads the old log
                raise busy()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _is_newest(engine: Engine) -> bool:
    """Whether the tables are of the newest version. Alembic itself takes ten times as long to find out."""
    with engine.connect() as connection:
        try:
            return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [_newest()]
        except (OperationalError, ProgrammingError):  # no such table yet; anything else is told when it is made
            return False


#: Whoever comes at the same moment waits here, and then finds the tables made. The number is ours, and says nothing.
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(5375746)"}


#: Alembic holds what it is doing in variables of its own module.
_ONE_THREAD = Lock()


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version; when they are there, that is one question and nothing more."""
    try:
        if _is_newest(engine):
            return
        config = _config()
        with _ONE_THREAD, engine.begin() as connection:
            connection.exec_driver_sql(_ALONE[engine.dialect.name])
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        away = store_away(error)
        if away is not None and away.kind != "away":
            raise away from None
        raise BadSettings(
            "The database cannot be opened.", place="store.url", remedy="Check that it runs, and who may use it."
        ) from None
