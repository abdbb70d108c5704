"""``kpr deploy`` against a real Prefect server: again and again with the same result, and differences are found."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from place import Place
from prefect_server import PrefectServer, until

ROOT = Path(__file__).parents[2]

ASK = """
import json, sys
from prefect import get_client
from deployments.apply import ours
from prefect.automations import Automation
with get_client(sync_client=True) as client:
    found = {each.name: [str(each.id), {s.slug: [str(s.id), s.active] for s in each.schedules}] for each in ours(client)}
    limits = [limit.name for limit in client.read_global_concurrency_limits(limit=100, offset=0)]
    automations = client.request("POST", "/automations/filter", json={"limit": 50}).json()
print(json.dumps({"deployments": found, "limits": limits, "automations": [a["name"] for a in automations]}))
"""
PLANNED = """
from zoneinfo import ZoneInfo
from prefect import get_client
from prefect.client.schemas.sorting import FlowRunSort
with get_client(sync_client=True) as client:
    found = client.read_flow_runs(limit=5, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    for run in found[:1]:
        print(run.expected_start_time.astimezone(ZoneInfo("Europe/Oslo")).isoformat())
"""
SWITCH = """
from tasks.rhythm import keep_rhythm
keep_rhythm(True)
"""
SPOIL = """
from prefect import get_client, flow
from prefect.automations import Automation
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.schedules import CronSchedule
from deployments.ground import LOST
with get_client(sync_client=True) as client:
    found = client.read_deployment_by_name("watch/watch")
    client.delete_deployment(client.read_deployment_by_name("purge/purge").id)
    client.create_deployment(found.flow_id, "old", entrypoint="flows/watch.py:watch", tags=["kpr"])
    client.create_deployment(found.flow_id, "others", entrypoint="elsewhere.py:watch", tags=["kpr"])
    client.update_deployment(found.id, DeploymentUpdate(paused=True))
    report = client.read_deployment_by_name("report/report")
    hers = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 9 11 1 *", timezone="Europe/Oslo"), slug="hers")
    client.create_deployment_schedules(report.id, [hers])
    client.update_work_pool("kpr", WorkPoolUpdate(is_paused=True, concurrency_limit=None))
    client.delete_global_concurrency_limit_by_name("collect-8000002")
    Automation.read(name=LOST).disable()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One server for all."""
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A municipality in the season of 2020."""
    return Place(tmp_path_factory.mktemp("place"))


def run(server: PrefectServer, made: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, as an operator gives it in the place's folder."""
    command = [sys.executable, *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=server.environment(), cwd=made.folder, timeout=120, check=False
    )


def deploy(server: PrefectServer, made: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """``kpr deploy``."""
    return run(server, made, "-m", "kpr", "deploy", *words)


def asked(server: PrefectServer, made: Place) -> Any:
    """What the server has."""
    import json

    told = run(server, made, "-c", ASK)
    assert told.returncode == 0, told.stderr[-2000:]
    return json.loads(told.stdout)


def test_deploying_twice_changes_nothing(server: PrefectServer, made: Place) -> None:
    """The same deployments with the same ids, one automation, one limit per party; and the check agrees."""
    first = deploy(server, made)
    assert first.returncode == 0, first.stderr[-2000:]
    before = asked(server, made)
    assert deploy(server, made).returncode == 0
    after = asked(server, made)
    ids = {name: values[0] for name, values in before["deployments"].items()}
    assert ids == {name: values[0] for name, values in after["deployments"].items()}
    assert len(after["automations"]) == 1
    assert after["limits"].count("collect-8000002") == 1
    checked = deploy(server, made, "--check")
    assert (checked.returncode, checked.stdout.strip()) == (0, "10 planer er som de skal være.")


def test_a_schedule_gives_runs(server: PrefectServer, made: Place) -> None:
    """The server itself plans the frequent collecting once it is switched on: runs stand there with their times."""
    deploy(server, made)
    run(server, made, "-c", SWITCH)

    def planned() -> str:
        return run(server, made, "-c", PLANNED).stdout.strip()

    first = until(planned, 90, "no run was planned")
    assert re.search(r"T(0[6-9]|1\d|2[0-2]):[0-5][05]:00\+0[12]:00$", first), first


def test_the_running_systems_switch_is_left_alone(server: PrefectServer, made: Place) -> None:
    """What collecting has switched on stays on over a deploy, and is no difference."""
    deploy(server, made)
    switched = run(server, made, "-c", SWITCH)
    assert switched.returncode == 0, switched.stderr[-2000:]
    assert deploy(server, made, "--check").returncode == 0
    assert deploy(server, made).returncode == 0
    assert asked(server, made)["deployments"]["collect"][1]["often"][1] is True


def test_what_differs_is_told_and_mended(server: PrefectServer, made: Place) -> None:
    """What is gone, too many, paused or switched off is told with exit code 9; deploy mends it, and leaves others' alone."""
    deploy(server, made)
    spoiled = run(server, made, "-c", SPOIL)
    assert spoiled.returncode == 0, spoiled.stderr[-2000:]
    told = deploy(server, made, "--check")
    assert told.returncode == 9
    assert "purge: mangler" in told.stdout
    assert "old: skal ikke være der" in told.stdout
    assert "others" not in told.stdout
    lines = " ".join(told.stdout.split())
    assert "watch.paused: er True" in lines
    assert "work pool kpr.paused: er True" in lines
    assert "work pool kpr.has_limit: er False" in lines
    assert "collect-8000002: mangler" in lines
    assert "kpr: løp uten livstegn.enabled: er False" in lines
    assert "report.schedules" not in lines
    mended = deploy(server, made)
    assert mended.returncode == 0
    said = " ".join(mended.stdout.split())
    assert "Arbeidspoolen kpr sto på pause, og er satt i gang igjen." in said
    assert "var slått av, og er på igjen." in said
    assert asked(server, made)["deployments"]["report"][1]["hers"][1] is True
    assert deploy(server, made, "--check").returncode == 0


def test_prefects_own_command_gives_the_same(server: PrefectServer, made: Place, tmp_path: Path) -> None:
    """The written file, deployed by ``prefect deploy --all``, leaves no difference."""
    file = tmp_path / "prefect.yaml"
    assert deploy(server, made, "--write", str(file)).returncode == 0
    assert deploy(server, made).returncode == 0
    environment = server.environment(KPR_HOME=str(ROOT), KPR_INSTALLATION=str(made.settings))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]
    checked = deploy(server, made, "--check")
    assert checked.returncode == 0, checked.stdout


def test_a_season_that_is_over_is_refused(server: PrefectServer, made: Place) -> None:
    """After the absolute last date: exit code 2, the date and the remedy; with --over it is deployed without active times."""
    now = made.now
    made.at(datetime(2021, 4, 1, tzinfo=UTC))
    try:
        told = deploy(server, made)
        assert told.returncode == 2
        assert "26.03.2021" in told.stderr
        assert deploy(server, made, "--over").returncode == 0
    finally:
        made.at(now)


def test_broken_settings_keep_nobody_else_from_the_plan(server: PrefectServer, made: Place) -> None:
    """One place with an unknown field: the others' plan is laid in, the place is named, and the exit code is 9."""
    broken = made.settings.with_name("broken.yaml")
    text = made.settings.read_text("utf-8").replace('"1103"', '"4601"').replace("'1103'", "'4601'")
    broken.write_text(f"{text}\nno_such_field: 1\n", encoding="utf-8")
    fleet = made.settings.with_name("fleet.yaml")
    fleet.write_text(f"places: [broken.yaml, {made.settings.name}]\n", encoding="utf-8")
    told = deploy(server, made, "--installation", str(fleet))
    assert told.returncode == 9, told.stderr[-2000:]
    assert "no_such_field" in told.stdout
    assert "mangler" not in told.stdout


def test_without_an_address_nothing_is_deployed(server: PrefectServer, made: Place, tmp_path: Path) -> None:
    """Neither environment nor profile names a server: a sentence and exit code 2, and no server for the moment."""
    environment = server.environment(PREFECT_HOME=str(tmp_path))
    del environment["PREFECT_API_URL"]
    command = [sys.executable, "-m", "kpr", "deploy"]
    told = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=made.folder, timeout=120, check=False
    )
    assert told.returncode == 2
    assert "PREFECT_API_URL er ikke satt" in told.stderr


def test_a_server_that_is_away_is_a_sentence(server: PrefectServer, made: Place) -> None:
    """Nobody answers: exit code 5 and one sentence, no traceback."""
    environment = server.environment(PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES="0")
    told = subprocess.run(
        [sys.executable, "-m", "kpr", "deploy"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=made.folder,
        timeout=120,
        check=False,
    )
    assert told.returncode == 5
    assert "Prefects tjener svarer ikke" in told.stderr
    assert "Traceback" not in told.stderr
