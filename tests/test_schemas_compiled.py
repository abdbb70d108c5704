"""Schemas are compiled one at a time: libxml2's own first step has no lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from kpr.messages import schemas

_FRESH = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from kpr.messages.schemas import payload_schema, person_schema, persons_schema, schema_set
sys.setswitchinterval(1e-6)
together = Barrier(8)
def first(number):
    together.wait()
    (lambda: schema_set("iplos", "3.7"), lambda: person_schema("3.7"), lambda: persons_schema("3.7"),
     lambda: payload_schema("ident", "53.1.3"))[number % 4]()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(first, range(8)))
"""


def test_no_two_schemas_are_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that need one at the same moment come one after the other."""
    inside, most, together = [0], [0], Barrier(8)
    compile_one = schemas.etree.XMLSchema

    def counted(tree: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        try:
            return compile_one(tree)
        finally:
            inside[0] -= 1

    def wanted(number: int) -> None:
        together.wait()
        uncached = (schemas.schema_set, schemas.payload_schema, schemas.person_schema, schemas.persons_schema)[
            number % 4
        ]
        uncached.__wrapped__(*(("iplos", "3.7") if number % 4 < 2 else ("3.7",)))

    monkeypatch.setattr(schemas.etree, "XMLSchema", counted)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wanted, range(8)))
    assert most[0] == 1


def test_a_process_that_begins_with_many_threads_has_its_schemas() -> None:
    """The very first compiling of a process by eight threads at once, as a round over many municipalities begins."""
    root = Path(__file__).parents[1]
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", _FRESH], cwd=root, env=os.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-500:]
