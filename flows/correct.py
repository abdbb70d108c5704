"""Correct: a new version, both messages again, after a rejection or after a fault was seen in the register's view.

Without ``send`` it only says what the guard would say: whether a correction may be sent now, and if not, from when.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.report import approve_now
from kpr.errors import Locked
from tasks.deliver import send_approved
from tasks.forms import Asker, DataYear, Mended, Number, Reason, Second, Send
from tasks.guard import what_the_guard_says
from tasks.outcome import done, locked
from tasks.place import place_of
from tasks.thread import after_sending


@flow(name="correct", flow_run_name="{municipality} · {data_year} · rettelse", persist_result=False)
def correct(
    municipality: Number,
    data_year: DataYear,
    by: Asker,
    mended: Mended,
    reason: Reason = "",
    second: Second = "",
    send: Send = False,
) -> State[Any]:
    """Send a corrected version. The guard refuses while an answer to the former is still awaited."""
    entry = place_of(municipality, data_year)
    says = what_the_guard_says(str(entry.settings_file), entry.label, by, second, reason)
    if not send:
        return done(says.sentence)
    if not says.allowed:
        return locked(says.sentence)
    try:
        approve_now(entry, by, reason, second, mended)
        submission = send_approved(str(entry.settings_file), entry.label, by, second, reason)
    except Locked as no:
        return locked(str(no))
    finally:
        after_sending(entry)
    return done("Den rettede versjonen er sendt. Gjør ingenting nå: svarene ventes.", submission)
