"""Put the plan into Prefect, as often as one likes with the same result; and read back what is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast, get_type_hints

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, StateType
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.client.schemas.sorting import DeploymentSort
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic.fields import FieldInfo

from deployments.check import flow_of
from deployments.plan import SWITCHED, ZONE, Planned, Schedule
from deployments.shown import Values, Where, server_values
from tasks.waiting import SILENCE

LOST = "kpr: løp uten livstegn"
#: Runs at the same time on a new pool; an operator may change it there.
_AT_ONCE = 4


def apply(client: SyncPrefectClient, plan: tuple[Planned, ...], where: Where, parties: Iterable[str]) -> None:
    """Pool, deployments, one collecting at a time per communication party, and what finds lost runs."""
    _open_pool(client, where.pool)
    for planned in plan:
        _deploy(client, planned, where)
    names = {planned.name for planned in plan}
    for found in ours(client):
        if found.name not in names:
            client.delete_deployment(found.id)
    for party in sorted(set(parties)):
        client.upsert_global_concurrency_limit_by_name(f"collect-{party}", 1)
    _watch_for_lost_runs()


def ours(client: SyncPrefectClient) -> list[Any]:
    """The deployments that are ours: tagged, and of our own flows. Nobody else's are touched."""
    found: list[Any] = []
    while page := client.read_deployments(limit=200, offset=len(found), sort=DeploymentSort.NAME_ASC):
        found += page
    return [each for each in found if "kpr" in each.tags and (each.entrypoint or "").startswith("flows/")]


def read_back(client: SyncPrefectClient) -> dict[str, Values]:
    """What the server has, by name."""
    return {found.name: server_values(found) for found in ours(client)}


def _open_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        # The limit stands here and not at the worker: one with --limit dies when a run that it has just suspended is
        # resumed (Prefect 3.8).
        client.create_work_pool(
            WorkPoolCreate(name=name, type="process", base_job_template=template, concurrency_limit=_AT_ONCE)
        )


def _deploy(client: SyncPrefectClient, planned: Planned, where: Where) -> None:
    flow = flow_of(planned)
    one = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    flow_id = client.create_flow_from_name(flow.name)
    switched_on = _is_switched_on(client, f"{flow.name}/{planned.name}")
    client.create_deployment(
        flow_id,
        planned.name,
        version=planned.version,
        description=planned.description,
        tags=list(planned.tags),
        parameters=planned.parameters,
        schedules=[_schedule(each, switched_on=switched_on) for each in planned.schedules],
        concurrency_limit=1 if planned.one_at_a_time else None,
        concurrency_options=one if planned.one_at_a_time else None,
        work_pool_name=where.pool,
        entrypoint=planned.entrypoint,
        pull_steps=where.pull_steps,
        job_variables=where.job_variables,
        parameter_openapi_schema=form_schema(flow),
        enforce_parameter_schema=True,
    )


def form_schema(flow: Any) -> dict[str, Any]:
    """The schema of the run form, with each field's own title and help: Prefect has only the parameters' names."""
    schema = parameter_schema(flow).model_dump_for_openapi()
    for name, hint in get_type_hints(flow.fn, include_extras=True).items():
        said = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, FieldInfo)), None)
        if said is not None and name in schema["properties"]:
            schema["properties"][name] |= {"title": said.title, "description": said.description}
    return dict(schema)


def _is_switched_on(client: SyncPrefectClient, name: str) -> bool:
    """Whether the running system has switched the frequent schedule on: that is not ours to change."""
    try:
        found = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return False
    return any(each.slug == SWITCHED and each.active for each in found.schedules)


def _schedule(schedule: Schedule, *, switched_on: bool) -> DeploymentScheduleCreate:
    when = (
        CronSchedule(cron=schedule.cron, timezone=ZONE)
        if schedule.cron
        else RRuleSchedule(rrule=schedule.rrule, timezone=ZONE)
    )
    active = schedule.active and (switched_on or schedule.slug != SWITCHED)
    return DeploymentScheduleCreate(schedule=when, active=active, slug=schedule.slug)


def _watch_for_lost_runs() -> None:
    """An automation: after a sign of life some other must follow, or the run's ending; else the run is lost."""
    wanted = _lost_runs()
    try:
        there = cast(Automation, Automation.read(name=LOST))
    except ValueError:
        wanted.create()
        return
    wanted.id = there.id
    wanted.update()


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
