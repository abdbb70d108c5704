"""The annual cycle: one municipality's year as one thread. It holds no state: each pass does what is due now.

It waits without a process: suspended, with a form for whoever has something to say (approve, "I have seen the
e-mail", unlock a resend). What happens wakes it; it sends nothing but what a person has approved.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.errors import KprError
from tasks.deliver import send, standing
from tasks.forms import DataYear, Number
from tasks.outcome import done
from tasks.place import place_of
from tasks.prepare import prepare
from tasks.thread import carry_out_answers, collect_often, if_it_can, name_thread, wait, year_is_over
from tasks.waiting import can_wait

#: Nothing that a person looks at yet: the extract is read and checked anew.
_UNPREPARED = ("NOTHING_SENT", "DRAFT", "EXTRACTED", "BLOCKED")


@flow(name="annual cycle", flow_run_name="{municipality} · {data_year}", persist_result=False)
def annual_cycle(municipality: Number, data_year: DataYear) -> State[Any]:
    """Carry out what people have asked for, do what is due, show how it stands, and wait."""
    entry = place_of(municipality, data_year)
    settings = str(entry.settings_file)
    said = carry_out_answers(settings, entry.label)
    now = standing(settings)
    try:
        if now.state in _UNPREPARED:
            prepare(settings, entry.label)
        elif now.state == "SENDING" and now.unfinished_sending:
            send(settings, now.unfinished_sending)
    except KprError as error:  # shown, and the thread goes on: the cause lies outside of it
        said = str(error)
    now = name_thread(entry, said)
    if_it_can(collect_often, entry)
    if year_is_over(entry, now):
        return done("Året er ferdig: ingenting mer ventes.", now.state)
    if can_wait():
        wait(entry, now, said)
    return done(now.next_act.nb, now.state)
