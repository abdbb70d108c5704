"""Check a submission's extract, or any extract: a dry run sends nothing and shows everything at once."""

from __future__ import annotations

from dataclasses import dataclass

from kpr.checks.content import ContentOptions
from kpr.checks.run import CheckResult, check
from kpr.conversation import SubmissionEvent
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows
from kpr.steps.extract import is_fixed, kept_rows
from kpr.steps.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Checked:
    """A result together with the rows in which its findings lie."""

    result: CheckResult
    work: WorkRows


def check_submission(place: Workplace, submission_id: str, *, progress: Progress = silent) -> Checked:
    """Check the kept rows and write down what came of it. After approval it only looks, and moves nothing."""
    submission = place.store.submission(submission_id)
    work = kept_rows(place, submission)
    result = run_check(place, work, sequence_number=submission.sequence_number, progress=progress)
    if not is_fixed(submission):
        event = SubmissionEvent.FOUND_FAULTS if result.blocked else SubmissionEvent.FOUND_GOOD
        why = ", ".join(count.rule for count in result.counts if count.blocks)
        place.store.move(submission_id, event, place.act(why=why))
    return Checked(result, work)


def run_check(
    place: Workplace, work: WorkRows, *, sequence_number: int | None = None, progress: Progress = silent
) -> CheckResult:
    """Check work rows with this municipality's rules and modes."""
    options = ContentOptions(
        environment=place.settings.environment.value,
        municipality_number=place.settings.municipality.number,
        sequence_number=sequence_number,
    )
    return check(work, place.year, options, place.settings.rules, progress)
