"""Prepare: the daily dry run of the season. Reads and checks what the care-record system exports; sends nothing.

While nothing has been approved, the extract becomes the version that a person may approve. Once something is on its
way or accepted, the check only looks: what was sent stays what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from kpr.checks.run import CheckResult
from kpr.progress import Progress, silent
from kpr.steps.check import Checked, check_submission, run_check
from kpr.steps.extract import is_fixed, open_submission, read_extract, take_extract
from kpr.steps.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the dry run found. ``submission`` is the version that may be approved; None when it only looked."""

    checked: Checked
    persons: int
    submission: str | None

    @property
    def result(self) -> CheckResult:
        """What the check says."""
        return self.checked.result


def prepare_daily(place: Workplace, *, progress: Progress = silent) -> Prepared:
    """Read and check the extract. BadExtract when it cannot be read; Blocked is never raised: findings are told."""
    latest = place.store.latest()
    if latest is not None and is_fixed(latest):
        work = read_extract(place)
        return Prepared(Checked(run_check(place, work, progress=progress), work), work.count("person"), None)
    submission = open_submission(place, by="kpr")
    persons = take_extract(place, submission)
    return Prepared(check_submission(place, submission, progress=progress), persons, submission)
