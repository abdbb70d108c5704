"""The year on Prefect over a real broker, with the canary: marked ids are found nowhere, the broker included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("proton", reason="the extra amqp10 is not installed (sh scripts/install-amqp10)")
from broker_fixture import Rabbit
from test_canary import CANARIES, _find

YEAR = """
import json, sys
from pathlib import Path
from kpr.demo.routes import Route
from kpr.demo.runner import Flows, prepare_prefect
from kpr.demo.year import Demo, clear
from kpr.simulator_bus import SimulatedBus
folder = Path(sys.argv[1])
clear(folder)
prepare_prefect(folder / "prefect")
bus = SimulatedBus(**json.loads(sys.argv[2]))
end = Demo(folder, 60, Flows(), marked=tuple(sys.argv[3:]), route=Route(bus=bus)).play()
assert end.state == "ACCEPTED", end.state
"""


def test_the_year_on_prefect_over_amqp_shows_nobody(rabbit: Rabbit, tmp_path: Path) -> None:
    """The same flows, over the bus: accepted in the end, and no marked id in any file, log, or on the broker's disk."""
    bus, folder = rabbit.bus("amqp10"), tmp_path / "year"
    command = [sys.executable, "-c", YEAR, str(folder), json.dumps(asdict(bus)), *CANARIES]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(command, capture_output=True, timeout=280, env=environment, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert all(canary.encode() in (folder / "uttrekk" / "IDENT.xml").read_bytes() for canary in CANARIES)
    assert _find(folder, run.stdout + run.stderr) == []
    assert _find(rabbit.broker.folder, b"") == []
    passwords = (bus.municipality_password.encode(), bus.register_password.encode())
    printed = run.stdout + run.stderr + (folder / "prefect" / "prefect.db").read_bytes()
    assert not [password for password in passwords if password in printed]
