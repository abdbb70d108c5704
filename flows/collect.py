"""Collect: take in what has come back, receipts and ident e-mails, and move every open conversation. Runs often.

With nothing to do it costs little: only the conversations that await something are opened.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.fleet.bulk import for_each
from kpr.fleet.installation import Entry, with_trials
from kpr.fleet.look import awaiting, look
from tasks.board import show_board
from tasks.deliver import collect as collect_task
from tasks.deliver import collect_trial, one_at_a_time, send, standing
from tasks.forms import DataYear
from tasks.outcome import done, of_many
from tasks.place import AT_ONCE, installation, places_of
from tasks.rhythm import keep_rhythm
from tasks.thread import see_to_thread


@flow(name="collect", flow_run_name="henting · {data_year}", persist_result=False)
def collect(data_year: DataYear) -> State[Any]:
    """One round over everyone who awaits something; a sending that was cut off is finished on the way."""
    entries = places_of(data_year)
    waiting = awaiting(with_trials(entries))
    found: list[dict[str, int]] = []
    with one_at_a_time(entry.her_id for entry in waiting) as ours:
        if not ours:
            return done("En annen henter nå. Det som kommer, tas neste gang.", {})
        results = for_each(waiting, lambda entry: _one(entry, found), at_once=AT_ONCE)
    came = sum((Counter(each) for each in found), Counter[str]())
    if came:
        show_board(entries)
    keep_rhythm(bool(awaiting(with_trials(entries))))  # asked anew: something may have been sent meanwhile
    state = of_many("Henting", results, installation().broken)
    state.data = dict(came) if state.is_completed() else state.data
    return state


def _one(entry: Entry, came: list[dict[str, int]]) -> str:
    settings = str(entry.settings_file)
    if entry.trial_of:
        came.append(collect_trial(settings, str(entry.trial_of), entry.label))
        return _said(bool(came[-1]))
    came.append(found := collect_task(settings, entry.label))
    # What has come is safe by now, whatever keeps the rest of a sending that was cut off.
    finished = look(entry).state == "SENDING" and _finish(settings)
    if found or finished:
        see_to_thread(entry)
    return _said(bool(found))


def _finish(settings: str) -> bool:
    cut_off = standing(settings).unfinished_sending
    if cut_off:
        send(settings, cut_off)
    return bool(cut_off)


def _said(something: bool) -> str:
    return "noe kom" if something else "ingenting nytt"
