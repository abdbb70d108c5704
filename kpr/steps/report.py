"""Report: the steps before and of sending, in order, for the command line and for tests. The flow does the same."""

from __future__ import annotations

from kpr.errors import Blocked
from kpr.next_act import blocked_act
from kpr.progress import Progress, silent
from kpr.steps.approve import approve
from kpr.steps.build import build_messages
from kpr.steps.check import Checked, check_submission
from kpr.steps.extract import open_submission, take_extract
from kpr.steps.send import send_messages
from kpr.steps.workplace import Workplace


def prepare(
    place: Workplace,
    *,
    by: str,
    second: str | None = None,
    mended: str | None = None,
    reason: str | None = None,
    practice: bool = False,
    progress: Progress = silent,
) -> tuple[str, Checked]:
    """Open a submission, take its extract and check it; its id and what was found. Nothing is sent."""
    submission = open_submission(place, by=by, second=second, mended=mended, reason=reason, practice=practice)
    take_extract(place, submission)
    return submission, check_submission(place, submission, progress=progress)


def send_approved(
    place: Workplace, submission: str, checked: Checked, *, by: str, reason: str | None, progress: Progress = silent
) -> None:
    """Approve, build and send what was checked; Blocked when findings stop it."""
    if checked.result.blocked:
        raise Blocked(blocked_act(checked.result.stopped_by).text.nb)
    approve(place, submission, by=by, reason=reason)
    build_messages(place, submission, progress=progress)
    send_messages(place, submission)
