"""Prepare: the daily dry run of the season. Reads and checks every municipality's extract. Sends nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.fleet.bulk import for_each
from kpr.fleet.installation import Entry
from tasks.board import show_board
from tasks.forms import DataYear
from tasks.outcome import of_many
from tasks.place import installation, places_of
from tasks.prepare import prepare as prepare_task
from tasks.thread import see_to_thread


@flow(name="prepare", flow_run_name="daglig prøvekjøring · {data_year}", persist_result=False)
def prepare(data_year: DataYear) -> State[Any]:
    """Every municipality of this data year, in order; one that fails does not stop the others."""
    entries = places_of(data_year)
    results = for_each(entries, _one)
    show_board(entries)
    return of_many("Prøvekjøring", results, installation().broken)


def _one(entry: Entry) -> str:
    found = prepare_task(str(entry.settings_file), entry.label)
    see_to_thread(entry)
    return "funn som stanser" if found["blocked"] else "klar til godkjenning"
