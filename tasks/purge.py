"""Purge one municipality's year, when its time has come."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from kpr.steps.purge import outlook
from kpr.steps.purge import purge as purge_step
from kpr.steps.workplace import Workplace, open_workplace
from tasks.guarded import guarded

#: What the task says when it has been done.
DONE = "slettet"


@task(task_run_name="slett {label}", persist_result=False)
@guarded
def purge(settings_file: str, label: str, by: str) -> str:
    """Destroy keys and files and write the certificate; what came of it: done, or why not yet.

    Locked when it may not be done though its time has come: that is for a person to see to.
    """
    with open_workplace(Path(settings_file)) as place:
        not_yet = _not_yet(place)
        if not not_yet:
            purge_step(place, by=by)
        return not_yet or DONE


def _not_yet(place: Workplace) -> str:
    """Why the time has not come; empty when it has."""
    now = outlook(place)
    if now.refused is None:
        return ""
    if now.allowed_after is None:
        return "ikke ennå: siste frist er ikke kjent"
    return "ikke ennå: dagen er ikke kommet" if place.clock() <= now.allowed_after else "ikke ennå: svar ventes"
