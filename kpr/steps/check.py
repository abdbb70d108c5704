"""Check a submission's extract, or any extract: a dry run sends nothing and shows everything at once."""

from __future__ import annotations

from dataclasses import dataclass

from kpr.checks.content import ContentOptions
from kpr.checks.run import CheckResult, check
from kpr.conversation import SubmissionEvent
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows
from kpr.steps.extract import is_fixed, kept_rows
from kpr.steps.persons import Settled, remember_left_out, settle
from kpr.steps.plausibility import plausibility_options, remember
from kpr.steps.workplace import Workplace
from kpr.store import Submission


@dataclass(frozen=True, slots=True)
class Checked:
    """A result together with the rows in which its findings lie."""

    result: CheckResult
    work: WorkRows


def check_submission(place: Workplace, submission_id: str, *, progress: Progress = silent) -> Checked:
    """Check the kept rows, without those who are left out by decision, and write down what came of it.

    After approval it only looks, and moves nothing.
    """
    submission = place.store.submission(submission_id)
    work = kept_rows(place, submission)
    settled = settle(place, work, submission)
    result = _run(place, work, submission, settled, progress)
    if not is_fixed(submission):
        remember_left_out(place, submission, settled)
        remember(place, submission, work, result.figures)
        event = SubmissionEvent.FOUND_FAULTS if result.blocked else SubmissionEvent.FOUND_GOOD
        why = ", ".join(count.rule for count in result.counts if count.blocks)
        place.store.move(submission_id, event, place.act(why=why))
    return Checked(result, work)


def run_check(
    place: Workplace,
    work: WorkRows,
    submission: Submission | None = None,
    *,
    settled: Settled | None = None,
    progress: Progress = silent,
) -> CheckResult:
    """Check work rows with this municipality's rules and modes, against what is known of last year.

    Those who are left out by decision are gone from ``work`` afterwards; with ``settled`` they already are.
    """
    return _run(place, work, submission, settled or settle(place, work, submission), progress)


def _run(
    place: Workplace, work: WorkRows, submission: Submission | None, settled: Settled, progress: Progress
) -> CheckResult:
    options = ContentOptions(
        environment=place.settings.environment.value,
        municipality_number=place.settings.municipality.number,
        sequence_number=submission.sequence_number if submission else None,
        **settled.into(plausibility_options(place, submission)),
    )
    return check(work, place.year, options, place.settings.rules, progress)
