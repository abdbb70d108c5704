"""The fleet: where every municipality stands, and one sending for all who have approved."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.fleet.bulk import for_each
from kpr.fleet.installation import Entry
from tasks.board import in_board_order, show_board
from tasks.deliver import send_approved
from tasks.forms import DataYear, Limit
from tasks.outcome import done, of_many
from tasks.place import installation, places_of
from tasks.rhythm import keep_rhythm
from tasks.thread import if_it_can, see_to_thread


@flow(name="fleet", flow_run_name="tavle · {data_year}", persist_result=False)
def fleet(data_year: DataYear) -> State[Any]:
    """The board: sorted by days to the last safe sending, the ones that need a person first."""
    board = show_board(places_of(data_year))
    return done(board.sentence, board.counts)


@flow(name="fleet report", flow_run_name="sending for alle godkjente · {data_year}", persist_result=False)
def fleet_report(data_year: DataYear, limit: Limit = 0) -> State[Any]:
    """Send what has been approved and not yet sent, the most urgent first, at most ``limit`` of them (0: all)."""
    entries = places_of(data_year)
    ready = in_board_order(entries, ("APPROVED", "SENDING"))
    results = for_each(ready, _one, limit=limit or None)
    if results:
        keep_rhythm(True)
    show_board(entries)
    return of_many("Sending", results, installation().broken)


def _one(entry: Entry) -> str:
    send_approved(str(entry.settings_file), entry.label)
    if_it_can(see_to_thread, entry)
    return "sendt"
