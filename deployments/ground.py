"""What all deployments stand on: the work pool, one collecting at a time per party, and what finds lost runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from tasks.waiting import SILENCE

LOST = "kpr: løp uten livstegn"
#: Runs at the same time on a pool that has no number yet; an operator may change it there.
_AT_ONCE = 4


def lay(client: SyncPrefectClient, pool: str, parties: Iterable[str]) -> list[str]:
    """All of it as it must be; a sentence for what was switched off and is on again."""
    said = _open_pool(client, pool)
    for party in sorted(set(parties)):
        client.upsert_global_concurrency_limit_by_name(_limit_name(party), 1)
    return said + _watch_for_lost_runs()


def needed(pool: str, parties: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What must be there, by name, in the shape of ``deployments.shown``."""
    limits = {_limit_name(party): {"limit": 1} for party in set(parties)}
    return {
        f"work pool {pool}": {"paused": False, "has_limit": True},
        LOST: _automation_values(_lost_runs()),
        **limits,
    }


def standing(client: SyncPrefectClient, pool: str, parties: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What of it the server has."""
    found: dict[str, dict[str, Any]] = {}
    try:
        there = client.read_work_pool(pool)
        found[f"work pool {pool}"] = {"paused": there.is_paused, "has_limit": there.concurrency_limit is not None}
    except ObjectNotFound:
        pass
    for name in map(_limit_name, set(parties)):
        try:
            found[name] = {"limit": client.read_global_concurrency_limit_by_name(name).limit}
        except ObjectNotFound:
            continue
    automation = _automation_there()
    return found | ({LOST: _automation_values(automation)} if automation else {})


def _limit_name(party: str) -> str:
    return f"collect-{party}"


def _open_pool(client: SyncPrefectClient, name: str) -> list[str]:
    """The limit stands here and not at the worker: one with --limit dies when a run it has just suspended is resumed (3.8).

    A worker that starts first makes the pool without a limit.
    """
    try:
        there = client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=name, type="process", base_job_template=template, concurrency_limit=_AT_ONCE)
        )
        return []
    if there.concurrency_limit is None:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=_AT_ONCE))
    if there.is_paused:
        client.update_work_pool(name, WorkPoolUpdate(is_paused=False))
        return [f"Arbeidspoolen {name} sto på pause, og er satt i gang igjen."]
    return []


def _automation_there() -> Automation | None:
    try:
        return cast(Automation, Automation.read(name=LOST))
    except ValueError:
        return None


def _watch_for_lost_runs() -> list[str]:
    """An automation: after a sign of life some other must follow, or the run's ending; else the run is lost."""
    wanted, there = _lost_runs(), _automation_there()
    if there is None:
        wanted.create()
        return []
    wanted.id = there.id
    wanted.update()
    return [] if there.enabled else [f"Automatikken «{LOST}» var slått av, og er på igjen."]


def _automation_values(automation: Automation) -> dict[str, Any]:
    """What decides when it acts and what it does; sets in order, so that they compare."""
    trigger = cast(EventTrigger, automation.trigger)
    return {
        "enabled": automation.enabled,
        "match": {name: sorted(values) for name, values in trigger.match.items()},
        "for_each": sorted(trigger.for_each),
        "after": sorted(trigger.after),
        "expect": sorted(trigger.expect),
        "when": (str(trigger.posture.value), trigger.threshold, trigger.within.total_seconds()),
        "actions": [(each.type, str(getattr(getattr(each, "state", ""), "value", ""))) for each in automation.actions],
    }


def _lost_runs() -> Automation:
    return Automation(
        name=LOST,
        description="Et løp som ikke gir livstegn, har mistet arbeideren sin. Vakten tar det opp igjen.",
        trigger=EventTrigger(
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            # Whatever a run says next will do: its end, its suspension, or another sign of life.
            expect={"prefect.flow-run.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="Arbeideren forsvant. Vakten tar det opp igjen.")],
    )
