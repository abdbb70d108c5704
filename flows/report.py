"""Report: extract, check, approve, build, send. What comes back is collected by another flow.

Kill it anywhere and run it again: the conversation in our store decides what is left to do, and no message gets a
second MsgId. A run that has sent, and is carried out again, sends nothing more. A run that was planned for a later day
sends what has been approved by then, and nothing else.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.errors import Blocked, Locked
from kpr.fleet.installation import Entry
from tasks.deliver import send_approved
from tasks.forms import By, DataYear, Number, Reason, Second
from tasks.outcome import done, locked
from tasks.place import place_of, this_run, was_planned
from tasks.prepare import approve, build_messages, check_extract, open_submission, take_extract
from tasks.thread import after_sending


@flow(name="report", flow_run_name="{municipality} · {data_year}", persist_result=False)
def report(
    municipality: Number, data_year: DataYear, by: By = "", reason: Reason = "", second: Second = ""
) -> State[Any]:
    """Send one submission. ``by`` approves what is found good now; without it only what is approved is sent."""
    entry = place_of(municipality, data_year)
    try:
        if by and not was_planned():
            approve_now(entry, by, reason, second)
        submission = send_approved(str(entry.settings_file), entry.label, by, second, reason)
    except Locked as no:
        return locked(str(no))
    finally:
        after_sending(entry)
    return done("Begge meldingene er sendt. Gjør ingenting nå: svarene ventes.", submission)


def approve_now(entry: Entry, by: str, reason: str, second: str, mended: str = "") -> None:
    """Extract, check and approve; Blocked when findings stop it, Locked when the guard says no."""
    settings = str(entry.settings_file)
    submission = open_submission(settings, by, mended or None, second or None, reason or None, this_run())
    take_extract(settings, submission)
    if not check_extract(settings, submission):
        raise Blocked("Funn stanser innsendingen. «kpr status» sier hva du gjør nå. Ingenting er sendt.")
    approve(settings, submission, by, reason or None)
    build_messages(settings, submission)
