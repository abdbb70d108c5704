"""The trial submission before the season."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from kpr.steps.rehearsal import open_rehearsal, rehearse_once
from kpr.steps.status import status
from tasks.guarded import guarded
from tasks.show import show_status


@task(task_run_name="prøvesending", persist_result=False, timeout_seconds=3600)
@guarded
def send_trial(trial_settings: str, settings_file: str, by: str) -> str:
    """One trial, with settings that cannot reach production; where it stands."""
    with open_rehearsal(Path(trial_settings), Path(settings_file)) as place:
        rehearse_once(place, by)
        now = status(place)
        show_status(place, now, trial=True)
        return now.state
