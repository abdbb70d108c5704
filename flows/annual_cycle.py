"""The annual cycle: one municipality's year as one thread. It holds no state: each run does what is due now.

Run it as often as one likes. It sends nothing of its own accord but what a person has already approved.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.collect import collect
from flows.watch import watch
from kpr.steps.status import status
from kpr.steps.workplace import open_workplace
from tasks.deliver import send


@flow(name="annual cycle", persist_result=False)
def annual_cycle(settings_file: str) -> str:
    """Take the conversation one round further: finish an interrupted sending, collect, look at the clock."""
    with open_workplace(Path(settings_file)) as place:
        unfinished = status(place).unfinished_sending
    if unfinished:
        send(settings_file, unfinished)
    collect(settings_file)
    watch(settings_file)
    with open_workplace(Path(settings_file)) as place:
        return status(place).state
