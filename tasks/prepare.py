"""The steps before sending: open a submission, take the extract, check it, approve it, build both messages.

Parameters and results are opaque ids and counts: Prefect stores whatever passes here.
"""

from __future__ import annotations

from pathlib import Path

from prefect import task

from kpr.steps import approve as approval
from kpr.steps import build, check, extract
from kpr.steps.prepare import prepare_daily
from kpr.steps.status import status
from kpr.steps.workplace import open_workplace
from tasks.guarded import guarded
from tasks.happened import newest_event, tell_events
from tasks.show import progress_artifact, show_findings, show_page, show_status


@task(task_run_name="open submission", persist_result=False)
@guarded
def open_submission(
    settings_file: str,
    by: str,
    mended: str | None = None,
    second: str | None = None,
    reason: str | None = None,
    run: str = "",
) -> str:
    """The submission to work on: a new one, or the unfinished one that a killed run left.

    ``run``: the id of the flow run; Locked when it has sent its version already.
    """
    with open_workplace(Path(settings_file)) as place:
        return extract.open_submission(place, by=by, mended=mended, second=second, reason=reason, run=run)


@task(task_run_name="extract {submission}", persist_result=False)
@guarded
def take_extract(settings_file: str, submission: str) -> int:
    """Read the extract into encrypted work rows; the number of persons."""
    with open_workplace(Path(settings_file)) as place:
        return extract.take_extract(place, submission)


@task(task_run_name="check {submission}", persist_result=False)
@guarded
def check_extract(settings_file: str, submission: str) -> bool:
    """Check the extract and show the findings as a table of counts; whether it may be sent."""
    with open_workplace(Path(settings_file)) as place, progress_artifact("check", place.label) as progress:
        result = check.check_submission(place, submission, progress=progress).result
        show_findings(place, result)
        return not result.blocked


@task(task_run_name="approve {submission}", persist_result=False)
@guarded
def approve(settings_file: str, submission: str, by: str, reason: str | None) -> None:
    """Record who approved what was checked, and why warnings are accepted."""
    with open_workplace(Path(settings_file)) as place:
        approval.approve(place, submission, by=by, reason=reason)


@task(task_run_name="build {submission}", persist_result=False)
@guarded
def build_messages(settings_file: str, submission: str) -> None:
    """Build, gate and pair-check the ident and the IPLOS message."""
    with open_workplace(Path(settings_file)) as place, progress_artifact("build", place.label) as progress:
        build.build_messages(place, submission, progress=progress)


@task(task_run_name="prepare {label}", persist_result=False)
@guarded
def prepare(settings_file: str, label: str) -> dict[str, int | bool]:
    """The daily dry run of one municipality: read, check and show. How many persons, and whether it may be sent."""
    with open_workplace(Path(settings_file)) as place:
        before = newest_event(place)
        found = prepare_daily(place)
        show_findings(place, found.result)
        tell_events(place, before)
        show_status(place, status(place))
        show_page(place, found.checked if found.submission else None)
        return {"persons": found.persons, "blocked": found.result.blocked}
