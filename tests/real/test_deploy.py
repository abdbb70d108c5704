"""``kpr deploy`` against a real Prefect server: again and again with the same result, and differences are found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from place import Place
from prefect import get_client
from prefect.automations import Automation
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import PrefectServer, until

from deployments.apply import ours
from deployments.ground import LOST
from kpr.calendar import OSLO
from kpr.cli import main
from tasks.rhythm import keep_rhythm

ROOT = Path(__file__).parents[2]


def asked() -> dict[str, Any]:
    """What the server has: deployments with their ids and schedules, limits, automations."""
    with get_client(sync_client=True) as client:
        found = {
            each.name: (each.id, {schedule.slug: schedule.active for schedule in each.schedules})
            for each in ours(client)
        }
        limits = [limit.name for limit in client.read_global_concurrency_limits(limit=100, offset=0)]
        automations = client.request("POST", "/automations/filter", json={"limit": 50}).json()
    return {"deployments": found, "limits": limits, "automations": [each["name"] for each in automations]}


def first_planned() -> datetime | None:
    """When the first run is planned for."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(limit=5, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    return found[0].expected_start_time if found else None


def spoil() -> None:
    """One deployment gone, one too many, one of another's, pauses, a limit gone, an automation off, and her own day."""
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One server for all, which this process speaks to as well."""
    with (
        PrefectServer(tmp_path_factory.mktemp("prefect")) as running,
        temporary_settings({PREFECT_API_URL: running.url}),
    ):
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A municipality in the season of 2020."""
    return Place(tmp_path_factory.mktemp("place"))


@dataclass(frozen=True)
class Told:
    """What a command came to."""

    code: int
    said: str
    complained: str


def deploy(made: Place, *words: str) -> Told:
    """``kpr deploy``, as an operator gives it in the place's folder, but in this process: starting one takes seconds."""
    said, complained = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(complained):
        patch.chdir(made.folder)
        patch.setattr(sys, "argv", ["kpr", "deploy", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return Told(int(ended.value.code or 0), said.getvalue(), complained.getvalue())


def commanded(environment: dict[str, str], made: Place) -> Told:
    """The same as a process of its own."""
    command = [sys.executable, "-m", "kpr", "deploy"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=made.folder, timeout=120, check=False
    )
    return Told(done.returncode, done.stdout, done.stderr)


def test_deploying_twice_changes_nothing(server: PrefectServer, made: Place) -> None:
    """The same deployments with the same ids, one automation, one limit per party; and the check agrees."""
    first = commanded(server.environment(), made)
    assert first.code == 0, first.complained[-2000:]
    before = asked()
    assert deploy(made).code == 0
    after = asked()
    ids = {name: values[0] for name, values in before["deployments"].items()}
    assert ids == {name: values[0] for name, values in after["deployments"].items()}
    assert len(after["automations"]) == 1
    assert after["limits"].count("collect-8000002") == 1
    checked = deploy(made, "--check")
    assert (checked.code, checked.said.strip()) == (0, "10 planer er som de skal være.")


def test_a_schedule_gives_runs(server: PrefectServer, made: Place) -> None:
    """The server itself plans the frequent collecting once it is switched on: runs stand there with their times."""
    deploy(made)
    keep_rhythm(True)
    first = until(first_planned, 90, "no run was planned").astimezone(OSLO)
    assert first.hour in range(6, 23)
    assert (first.minute % 5, first.second) == (0, 0)


def test_the_running_systems_switch_is_left_alone(server: PrefectServer, made: Place) -> None:
    """What collecting has switched on stays on over a deploy, and is no difference."""
    deploy(made)
    keep_rhythm(True)
    assert deploy(made, "--check").code == 0
    assert deploy(made).code == 0
    assert asked()["deployments"]["collect"][1]["often"] is True


def test_what_differs_is_told_and_mended(server: PrefectServer, made: Place) -> None:
    """What is gone, too many, paused or switched off is told with exit code 9; deploy mends it, and leaves others' alone."""
    deploy(made)
    spoil()
    told = deploy(made, "--check")
    assert told.code == 9
    assert "purge: mangler" in told.said
    assert "old: skal ikke være der" in told.said
    assert "others" not in told.said
    lines = " ".join(told.said.split())
    assert "watch.paused: er True" in lines
    assert "work pool kpr.paused: er True" in lines
    assert "work pool kpr.has_limit: er False" in lines
    assert "collect-8000002: mangler" in lines
    assert "kpr: løp uten livstegn.enabled: er False" in lines
    assert "report.schedules" not in lines
    mended = deploy(made)
    assert mended.code == 0
    said = " ".join(mended.said.split())
    assert "Arbeidspoolen kpr sto på pause, og er satt i gang igjen." in said
    assert "var slått av, og er på igjen." in said
    assert asked()["deployments"]["report"][1]["hers"] is True
    assert deploy(made, "--check").code == 0


def test_prefects_own_command_gives_the_same(server: PrefectServer, made: Place, tmp_path: Path) -> None:
    """The written file, deployed by ``prefect deploy --all``, leaves no difference."""
    file = tmp_path / "prefect.yaml"
    assert deploy(made, "--write", str(file)).code == 0
    assert deploy(made).code == 0
    environment = server.environment(KPR_HOME=str(ROOT), KPR_INSTALLATION=str(made.settings))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]
    checked = deploy(made, "--check")
    assert checked.code == 0, checked.said


def test_a_season_that_is_over_is_refused(server: PrefectServer, made: Place) -> None:
    """After the absolute last date: exit code 2, the date and the remedy; with --over it is deployed without active times."""
    now = made.now
    made.at(datetime(2021, 4, 1, tzinfo=UTC))
    try:
        told = deploy(made)
        assert told.code == 2
        assert "26.03.2021" in told.complained
        assert deploy(made, "--over").code == 0
    finally:
        made.at(now)


def test_broken_settings_keep_nobody_else_from_the_plan(server: PrefectServer, made: Place) -> None:
    """One place with an unknown field: the others' plan is laid in, the place is named, and the exit code is 9."""
    broken = made.settings.with_name("broken.yaml")
    text = made.settings.read_text("utf-8").replace('"1103"', '"4601"').replace("'1103'", "'4601'")
    broken.write_text(f"{text}\nno_such_field: 1\n", encoding="utf-8")
    fleet = made.settings.with_name("fleet.yaml")
    fleet.write_text(f"places: [broken.yaml, {made.settings.name}]\n", encoding="utf-8")
    told = deploy(made, "--installation", str(fleet))
    assert told.code == 9, told.complained[-2000:]
    assert "no_such_field" in told.said
    assert "mangler" not in told.said


def test_without_an_address_nothing_is_deployed(server: PrefectServer, made: Place, tmp_path: Path) -> None:
    """Neither environment nor profile names a server: a sentence and exit code 2, and no server for the moment."""
    environment = server.environment(PREFECT_HOME=str(tmp_path))
    del environment["PREFECT_API_URL"]
    told = commanded(environment, made)
    assert told.code == 2
    assert "PREFECT_API_URL er ikke satt" in told.complained


def test_a_server_that_is_away_is_a_sentence(server: PrefectServer, made: Place) -> None:
    """Nobody answers: exit code 5 and one sentence, no traceback."""
    environment = server.environment(PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES="0")
    told = commanded(environment, made)
    assert told.code == 5
    assert "Prefects tjener svarer ikke" in told.complained
    assert "Traceback" not in told.complained
