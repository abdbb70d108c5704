"""Which of three things is wrong when the database does not do its work: it is busy, full, or away.

Every step is one transaction, so nothing half-done is left behind by any of them: the same command goes on. What the
database's driver says is not passed on: it quotes the statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from kpr.checks.finding import Text
from kpr.errors import StoreAway
from kpr.yaml_file import table_beside


@contextmanager
def plain_errors() -> Iterator[None]:
    """StoreAway instead of the driver's error when the database is busy, full or away; all else is left as it is."""
    try:
        yield
    except DBAPIError as error:
        away = store_away(error)
        if away is None:
            raise
        raise away from None


def store_away(error: DBAPIError) -> StoreAway | None:
    """Which of the three it is; None when the database did its work, and what we asked of it was wrong."""
    code = _code(error)
    kind = next((kind for kind, row in _rows().items() if code and code.startswith(tuple(row["codes"]))), None)
    if kind is None and (error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)):
        kind = "away"
    return StoreAway(kind, _said(kind, code).nb) if kind else None


def busy() -> StoreAway:
    """Someone else keeps the database busy, though it gave no error."""
    return StoreAway("busy", _said("busy", "").nb)


def _code(error: DBAPIError) -> str:
    """SQLite's name of the error, or PostgreSQL's SQLSTATE; empty when there is none."""
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""


def _said(kind: str, code: str) -> Text:
    row, mark = _rows()[kind], f" ({code})" if code else ""
    return Text(
        f"{row['nb']}{mark}. Ingenting halvgjort ble stående. {row['remedy_nb']}",
        f"{row['en']}{mark}. Nothing was left half-done. {row['remedy_en']}",
    )


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return dict(table_beside(__file__))
