"""Purge: after the last date, what is no longer needed is made unreadable for ever: its keys are destroyed."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.fleet.bulk import for_each
from kpr.fleet.installation import Entry
from kpr.people import PLAN
from tasks.forms import By, DataYear
from tasks.outcome import of_many
from tasks.place import installation, places_of
from tasks.purge import DONE
from tasks.purge import purge as purge_task
from tasks.thread import if_it_can, see_to_thread


@flow(name="purge", flow_run_name="sletting · {data_year}", persist_result=False)
def purge(data_year: DataYear, by: By = "") -> State[Any]:
    """Every municipality of this data year whose time has come; the others are left as they are, and counted by why.

    Planned, it is done by the clock alone; a form's name must be one who may purge.
    """
    results = for_each(places_of(data_year), lambda entry: _one(entry, by or PLAN))
    return of_many("Sletting", results, installation().broken)


def _one(entry: Entry, by: str) -> str:
    came = purge_task(str(entry.settings_file), entry.label, by)
    if came == DONE:
        if_it_can(see_to_thread, entry)
    return came
