"""Put the plan into Prefect, as often as one likes with the same result; and read back what is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.client.schemas.sorting import DeploymentSort
from prefect.exceptions import ObjectNotFound

from deployments.check import flow_of
from deployments.form import form_schema
from deployments.ground import lay, standing
from deployments.plan import SWITCHED, ZONE, Planned, Schedule
from deployments.shown import Values, Where, server_values


def apply(client: SyncPrefectClient, plan: tuple[Planned, ...], where: Where, parties: Iterable[str]) -> list[str]:
    """Pool, deployments, one collecting at a time per communication party, and what finds lost runs.

    A sentence for each thing that somebody had switched off, and that is on again.
    """
    said = lay(client, where.pool, parties)
    for planned in plan:
        _deploy(client, planned, where)
    wanted = {planned.name for planned in plan}
    for found in ours(client):
        if found.name not in wanted:
            client.delete_deployment(found.id)
    return said


def ours(client: SyncPrefectClient) -> list[Any]:
    """The deployments that are ours: tagged, and of our own flows. Nobody else's are touched."""
    found: list[Any] = []
    while page := client.read_deployments(limit=200, offset=len(found), sort=DeploymentSort.NAME_ASC):
        found += page
    return [each for each in found if "kpr" in each.tags and (each.entrypoint or "").startswith("flows/")]


def read_back(client: SyncPrefectClient, where: Where, parties: Iterable[str]) -> dict[str, Values]:
    """What the server has, by name: deployments, and what they stand on (``deployments.ground``)."""
    return {found.name: server_values(found) for found in ours(client)} | standing(client, where.pool, parties)


def _deploy(client: SyncPrefectClient, planned: Planned, where: Where) -> None:
    flow = flow_of(planned)
    one = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    flow_id = client.create_flow_from_name(flow.name)
    there = _schedules_there(client, f"{flow.name}/{planned.name}")
    client.create_deployment(
        flow_id,
        planned.name,
        version=planned.version,
        description=planned.description,
        tags=list(planned.tags),
        parameters=planned.parameters,
        schedules=_schedules(planned, there),
        paused=False,
        concurrency_limit=1 if planned.one_at_a_time else None,
        concurrency_options=one if planned.one_at_a_time else None,
        work_pool_name=where.pool,
        entrypoint=planned.entrypoint,
        pull_steps=where.pull_steps,
        job_variables=where.job_variables,
        parameter_openapi_schema=form_schema(flow),
        enforce_parameter_schema=True,
    )


def _schedules_there(client: SyncPrefectClient, name: str) -> list[DeploymentSchedule]:
    try:
        return list(client.read_deployment_by_name(name).schedules)
    except ObjectNotFound:
        return []


def _schedules(planned: Planned, there: list[DeploymentSchedule]) -> list[DeploymentScheduleCreate]:
    """The plan's; where the plan has none, those that people made: an officer may plan her own day of sending.

    Whether the frequent one is on belongs to the running system, and is kept.
    """
    if not planned.schedules:
        kept = {"schedule", "active", "max_scheduled_runs", "parameters", "slug"}
        return [DeploymentScheduleCreate(**{name: getattr(each, name) for name in kept}) for each in there]
    switched_on = any(each.slug == SWITCHED and each.active for each in there)
    return [_schedule(each, switched_on=switched_on) for each in planned.schedules]


def _schedule(schedule: Schedule, *, switched_on: bool) -> DeploymentScheduleCreate:
    when = (
        CronSchedule(cron=schedule.cron, timezone=ZONE)
        if schedule.cron
        else RRuleSchedule(rrule=schedule.rrule, timezone=ZONE)
    )
    active = schedule.active and (switched_on or schedule.slug != SWITCHED)
    return DeploymentScheduleCreate(schedule=when, active=active, slug=schedule.slug)
