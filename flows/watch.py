"""Watch: what is late, by the clock, and who is told. Runs daily and must not miss.

It also sees to each municipality's thread: one that a worker lost is taken up again.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.fleet.bulk import for_each
from kpr.fleet.installation import Entry, with_trials
from kpr.fleet.look import awaiting
from tasks.board import show_board
from tasks.deliver import tell_digest
from tasks.deliver import watch as watch_task
from tasks.forms import DataYear
from tasks.outcome import of_many
from tasks.place import AT_ONCE, installation, places_of
from tasks.rhythm import keep_rhythm
from tasks.thread import see_to_thread


@flow(name="watch", flow_run_name="vakt · {data_year}", persist_result=False)
def watch(data_year: DataYear) -> State[Any]:
    """One look at the clock for every municipality; the ids of what is late."""
    entries = places_of(data_year)
    late: list[str] = []
    results = for_each(entries, lambda entry: _one(entry, late), at_once=AT_ONCE)
    show_board(entries)
    results += [result for result in for_each(entries[:1], _digest) if result.error]
    keep_rhythm(bool(awaiting(with_trials(entries))))
    state = of_many("Vakt", results, installation().broken)
    state.data = late if state.is_completed() else state.data
    return state


def _digest(_first: Entry) -> str:
    return "sammendrag" if tell_digest() else "sammendraget er sendt før"


def _one(entry: Entry, late: list[str]) -> str:
    alarms = watch_task(str(entry.settings_file), entry.label)
    late.extend(alarms)
    see_to_thread(entry)
    return "noe er forsinket" if alarms else "ingenting er forsinket"
