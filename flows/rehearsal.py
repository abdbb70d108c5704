"""Rehearsal: a trial submission before the season, with the municipality's own trial settings. Never to production."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from kpr.errors import BadSettings, Locked
from tasks.forms import Asker, DataYear, Number
from tasks.outcome import done, locked
from tasks.place import place_of
from tasks.rehearse import send_trial
from tasks.thread import collect_often, if_it_can


@flow(name="rehearsal", flow_run_name="{municipality} · {data_year} · prøve", persist_result=False)
def rehearsal(municipality: Number, data_year: DataYear, by: Asker) -> State[Any]:
    """Extract, check and send with the trial settings; the flow ``collect`` takes in the register's answer there, too."""
    entry = place_of(municipality, data_year)
    if entry.rehearsal is None:
        raise BadSettings(
            f"Kommune {municipality} har ingen prøveinnstillinger for {data_year}.",
            place="rehearsals",
            remedy="Lag en innstillingsfil med miljøet qa eller test, og nevn den under rehearsals.",
        )
    try:
        state = send_trial(str(entry.rehearsal), str(entry.settings_file), by)
    except Locked as no:
        return locked(str(no))
    if entry.trial:
        if_it_can(collect_often, entry.trial)
    return done(f"Prøven er sendt, og står som {state}.", state)
