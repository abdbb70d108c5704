"""How often collecting is done: every few minutes while something is open, rarely otherwise."""

from __future__ import annotations

from prefect import get_client
from prefect.exceptions import ObjectNotFound

DEPLOYMENT, OFTEN = "collect/collect", "often"


def keep_rhythm(something_is_open: bool) -> None:
    """Switch the frequent schedule on or off. Does nothing where collecting is not deployed."""
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return
        for schedule in deployment.schedules:
            if schedule.slug == OFTEN and schedule.active is not something_is_open:
                client.update_deployment_schedule(deployment.id, schedule.id, active=something_is_open)
