"""What the stand-in register remembers: MsgIds seen, what it accepted, and answers that are due later. No persons."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (msg_id TEXT PRIMARY KEY, transport_id TEXT, family TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS accepted (
    id INTEGER PRIMARY KEY, msg_id TEXT, family TEXT, her_id TEXT, municipality TEXT, data_year INTEGER,
    sequence_number INTEGER, at TEXT, wrapped_key BLOB, view TEXT);
CREATE TABLE IF NOT EXISTS due (id INTEGER PRIMARY KEY, at TEXT, kind TEXT, her_id TEXT, body BLOB, correlation TEXT);
"""


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that is to go out at some time."""

    id: int
    kind: str
    her_id: str
    body: bytes
    correlation: str | None


class RegisterState:
    """A small SQLite file; payloads lie in the register's own vault."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "register.sqlite", check_same_thread=False)
        self._database.executescript(_TABLES)

    def is_new(self, msg_id: str) -> bool:
        """Whether this MsgId has not been seen before (R18: the second is ignored)."""
        return self._database.execute("SELECT 1 FROM seen WHERE msg_id = ?", (msg_id.lower(),)).fetchone() is None

    def count(self, family: str) -> int:
        """How many messages of a family have been seen."""
        return int(self._database.execute("SELECT count(*) FROM seen WHERE family = ?", (family,)).fetchone()[0])

    def handled(
        self,
        msg_id: str,
        transport_id: str,
        family: str,
        at: datetime,
        dues: list[tuple[datetime, str, str, bytes, str]],
    ) -> None:
        """A message was handled, and these answers follow: written together, so that none is lost or doubled."""
        with self._database as database:
            database.execute(
                "INSERT INTO seen VALUES (?, ?, ?, ?)", (msg_id.lower(), transport_id, family, at.isoformat())
            )
            for moment, kind, her_id, body, correlation in dues:
                values = (moment.isoformat(), kind, her_id, body, correlation)
                database.execute("INSERT INTO due (at, kind, her_id, body, correlation) VALUES (?, ?, ?, ?, ?)", values)

    def due(self, now: datetime) -> list[Due]:
        """Answers whose time has come, oldest first."""
        query = "SELECT id, kind, her_id, body, correlation FROM due WHERE at <= ? ORDER BY at, id"
        return [Due(*row) for row in self._database.execute(query, (now.isoformat(),))]

    def sent(self, due_id: int) -> None:
        """An answer went out."""
        with self._database as database:
            database.execute("DELETE FROM due WHERE id = ?", (due_id,))

    def accept(self, values: dict[str, Any]) -> None:
        """Keep what was accepted, with its view as counts."""
        names = (
            "msg_id",
            "family",
            "her_id",
            "municipality",
            "data_year",
            "sequence_number",
            "at",
            "wrapped_key",
            "view",
        )
        marks = ", ".join("?" * len(names))
        with self._database as database:
            database.execute(
                f"INSERT INTO accepted ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
                [values.get(name) for name in names],
            )

    def latest_view(self, municipality: str, data_year: int) -> dict[str, Any] | None:
        """The view of the last accepted IPLOS message; None when there is none."""
        query = (
            "SELECT view, at, sequence_number FROM accepted WHERE family = 'iplos' AND municipality = ? AND data_year = ? "
            "ORDER BY id DESC LIMIT 1"
        )
        row = self._database.execute(query, (municipality, data_year)).fetchone()
        return json.loads(row[0]) | {"submitted": row[1], "sequence_number": row[2]} if row else None

    def accepted_units(self) -> list[tuple[str, int]]:
        """Municipalities and data years for which something was accepted."""
        query = "SELECT DISTINCT municipality, data_year FROM accepted WHERE family = 'iplos' ORDER BY 1, 2"
        return list(self._database.execute(query))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
