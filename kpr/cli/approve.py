"""``kpr approve``: a named person approves what was checked. Sending is another step, now or on a planned day."""

from __future__ import annotations

from pathlib import Path

import typer

from kpr.cli.output import out, progress_bar
from kpr.cli.season import By, Reason, Second, Settings, tell, tell_stops
from kpr.cli.setup import Json
from kpr.errors import Blocked
from kpr.next_act import blocked_act
from kpr.steps.approve import approve_extract
from kpr.steps.check import Checked, check_submission
from kpr.steps.extract import open_submission, take_extract
from kpr.steps.status import status
from kpr.steps.workplace import open_workplace
from kpr.store import Submission


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve")(approve)


def approve(
    by: By, settings: Settings = Path("kpr.yaml"), second: Second = None, reason: Reason = None, as_json: Json = False
) -> None:
    """Les, kontroller og godkjenn. Ingenting sendes: det gjør «kpr report» etterpå, med akkurat det som ble godkjent."""
    with open_workplace(settings) as place, progress_bar(quiet=as_json) as progress:
        submission = open_submission(place, by=by, second=second, reason=reason)
        persons = take_extract(place, submission)
        seen = place.store.submission(submission).extract_sha256
        _refuse_faults(check_submission(place, submission, progress=progress), as_json)
        approved = approve_extract(place, submission, seen, by=by, reason=reason)
        now = status(place)
    if not as_json:
        _tell(approved, persons)
    tell(now, as_json)


def _refuse_faults(checked: Checked, as_json: bool) -> None:
    if not checked.result.blocked:
        return
    if not as_json:
        tell_stops(checked.result)
    raise Blocked(f"{blocked_act(checked.result.stopped_by).text.nb} Ingenting er godkjent.")


def _tell(approved: Submission, persons: int) -> None:
    out.print(f"Versjon {approved.version} med {persons} personer er godkjent av {approved.approved_by}.", markup=False)
    out.print("Send den med «kpr report»: da sendes akkurat dette, også om uttrekket er et annet da.")
