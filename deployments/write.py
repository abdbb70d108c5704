"""The plan as ``prefect.yaml``, for ``prefect deploy --all`` and for reading. Made by ``kpr deploy --write``."""

from __future__ import annotations

from typing import Any

import yaml

from deployments.plan import Planned
from deployments.shown import Where, schedule_values

#: The file holds on any machine: where the flows and the installation lie is said by the environment.
ANYWHERE = Where("kpr", "{{ $KPR_INSTALLATION }}", "{{ $KPR_HOME }}")

_HEAD = """\
# Made by `kpr deploy --write`; a test holds it against the plan. Change deployments/plan.yaml, plan.py or the data
# year's milestones, not this file. Every parameter is a number or an opaque id, never anything about a person.
# Before `prefect deploy --all`: KPR_HOME is the folder that has flows/, KPR_INSTALLATION the installation's file.
"""


def prefect_yaml(plan: tuple[Planned, ...], where: Where) -> str:
    """The file's text."""
    whole = {
        "name": "kpr",
        "pull": where.pull_steps,
        "deployments": [_entry(planned, where) for planned in plan],
    }
    text = yaml.dump(whole, Dumper=_Readable, allow_unicode=True, sort_keys=False, width=118)
    return _HEAD + text


def _entry(planned: Planned, where: Where) -> dict[str, Any]:
    one = {"concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"}} if planned.one_at_a_time else {}
    return {
        "name": planned.name,
        "entrypoint": planned.entrypoint,
        "description": planned.description,
        "version": planned.version,
        "tags": list(planned.tags),
        "parameters": planned.parameters,
        **one,
        "schedules": [schedule_values(schedule) for schedule in planned.schedules],
        "work_pool": {"name": where.pool, "job_variables": where.job_variables},
    }


class _Readable(yaml.SafeDumper):
    """Without YAML's own anchors, and with several lines where a text has them."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Every entry stands for itself."""
        return True
