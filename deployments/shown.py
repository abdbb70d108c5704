"""A deployment as plain values: the same shape for what is planned and for what a server has, so that they compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.check import flow_of
from deployments.form import fields, form_schema
from deployments.plan import SWITCHED, ZONE, Planned, Schedule

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Where:
    """What every deployment of an installation has in common: pool, installation file, and where the flows lie."""

    pool: str
    installation: str
    home: str

    @property
    def job_variables(self) -> Values:
        """What a worker gets for each run. Heartbeats, so that a lost run is found out (docs/operation.md)."""
        return {"env": {"KPR_INSTALLATION": self.installation, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}}

    @property
    def pull_steps(self) -> list[Values]:
        """Where a run begins."""
        return [{"prefect.deployments.steps.set_working_directory": {"directory": self.home}}]


def schedule_values(schedule: Schedule) -> Values:
    """A schedule as Prefect has it."""
    kind = {"cron": schedule.cron} if schedule.cron else {"rrule": schedule.rrule}
    return {**kind, "timezone": ZONE, "active": schedule.begins_active, "slug": schedule.slug}


def planned_values(planned: Planned, where: Where) -> Values:
    """Everything that must be as planned; where no times are planned, those that people have set are theirs."""
    schedules = _by_slug(schedule_values(schedule) for schedule in planned.schedules)
    return {
        "name": planned.name,
        "entrypoint": planned.entrypoint,
        "description": planned.description,
        "version": planned.version,
        "tags": sorted(planned.tags),
        "parameters": planned.parameters,
        "one_at_a_time": planned.one_at_a_time,
        "when_one_runs": "CANCEL_NEW" if planned.one_at_a_time else None,
        "paused": False,
        "checks_the_form": True,
        "form": fields(form_schema(flow_of(planned))),
        **({"schedules": schedules} if schedules else {}),
        "pool": where.pool,
        "job_variables": where.job_variables,
        "pull_steps": where.pull_steps,
    }


def _by_slug(schedules: Iterable[Values]) -> dict[str, Values]:
    """By slug; whether the switched one is on belongs to the running system, so it is left out."""
    found = {}
    for schedule in schedules:
        kept = {key: value for key, value in schedule.items() if key != "slug"}
        if schedule["slug"] == SWITCHED:
            del kept["active"]
        found[schedule["slug"]] = kept
    return found


def server_values(found: Any) -> Values:
    """The same of a deployment as the server gives it (``prefect.client.schemas.responses.DeploymentResponse``)."""
    return {
        "name": found.name,
        "entrypoint": found.entrypoint,
        "description": found.description,
        "version": found.version,
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "one_at_a_time": _limit(found) == 1,
        "when_one_runs": _strategy(found),
        "paused": found.paused,
        "checks_the_form": found.enforce_parameter_schema,
        "form": fields(found.parameter_openapi_schema),
        "schedules": _by_slug(_server_schedule(each) for each in found.schedules),
        "pool": found.work_pool_name,
        "job_variables": found.job_variables,
        "pull_steps": found.pull_steps,
    }


def _limit(found: Any) -> int | None:
    return found.global_concurrency_limit.limit if found.global_concurrency_limit else None


def _strategy(found: Any) -> str | None:
    """What is done with a second run; said only where there is a limit."""
    if not found.global_concurrency_limit or not found.concurrency_options:
        return None
    return str(found.concurrency_options.collision_strategy.value)


def _server_schedule(each: Any) -> Values:
    said = each.schedule
    kind = {name: getattr(said, name) for name in ("cron", "rrule", "interval") if getattr(said, name, None)}
    return {**kind, "timezone": said.timezone, "active": each.active, "slug": each.slug}


def differences(wanted: Mapping[str, Values], found: Mapping[str, Values]) -> list[str]:
    """What differs, a line each, by name and field; empty when all is as planned."""
    lines = [f"{name}: mangler" for name in wanted if name not in found]
    lines += [f"{name}: skal ikke være der" for name in found if name not in wanted]
    for name in wanted.keys() & found.keys():
        lines += _fields(name, wanted[name], found[name])
    return sorted(lines)


def _fields(name: str, wanted: Values, found: Values) -> list[str]:
    return [
        f"{name}.{key}: er et annet enn flytens, legg inn planen igjen"
        if key == "form"  # the whole schema would fill the screen
        else f"{name}.{key}: er {found.get(key)!r}, skal være {value!r}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
