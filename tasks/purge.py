"""Purge one municipality's year, when its time has come."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from kpr.steps.purge import purge as purge_step
from kpr.steps.workplace import open_workplace
from tasks.guarded import guarded


@task(task_run_name="slett {label}", persist_result=False)
@guarded
def purge(settings_file: str, label: str, by: str) -> str:
    """Destroy keys and files and write the certificate; its SHA-256. Locked before the time."""
    with open_workplace(Path(settings_file)) as place:
        return purge_step(place, by=by)
