"""Several processes open the same new database at the same moment: each finds its tables, none of them fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from postgresql import Server
from sqlalchemy import inspect

from kpr.store import migrate, open_engine

MANY = 6
OPEN_IT = """
import sys, time
from pathlib import Path
from sqlalchemy import inspect
from kpr.store import migrate, open_engine
engine = open_engine(sys.argv[1])
print(flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
migrate(engine)
print(len(inspect(engine).get_table_names()))
"""


def _open_all_at_once(url: str, start: Path) -> list[int]:
    """How many tables each process finds; all begin when the last one is ready."""
    command = [sys.executable, "-c", OPEN_IT, url, str(start)]
    ready = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(MANY)]
    for each in ready:
        assert each.stdout is not None
        each.stdout.readline()
    start.touch()
    return [int(each.communicate()[0]) for each in ready]


@pytest.mark.parametrize("round_", range(3))
def test_a_new_sqlite_file_is_made_once(tmp_path: Path, round_: int) -> None:
    """Six at once on a file that is not there."""
    file = tmp_path / f"kpr{round_}.sqlite"
    assert set(_open_all_at_once(f"sqlite:///{file}", tmp_path / "go")) == {_tables(tmp_path)}


def test_a_new_postgresql_database_is_made_once(postgresql: Server, tmp_path: Path) -> None:
    """Six at once on an empty database."""
    assert set(_open_all_at_once(postgresql.new_database(), tmp_path / "go")) == {_tables(tmp_path)}


def _tables(folder: Path) -> int:
    engine = open_engine(f"sqlite:///{folder / 'alone.sqlite'}")
    migrate(engine)
    found = len(inspect(engine).get_table_names())
    engine.dispose()
    return found
