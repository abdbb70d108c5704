"""The work list: every finding of the newest version as CSV, by unit, with what was mended since the last run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from kpr.calendar import OSLO
from kpr.errors import BadMessage, Locked
from kpr.log import get_log
from kpr.progress import Progress, silent
from kpr.report.units import prepare_units
from kpr.report.work_list import NO_FORMER, Former, WorkList, entries, read_former
from kpr.sources.work_rows import WorkRows
from kpr.steps.check import run_check
from kpr.steps.extract import kept_rows
from kpr.steps.last_year import read_kept
from kpr.steps.persons import settle
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind, Submission


@dataclass(frozen=True, slots=True)
class WorkListMade:
    """How many findings are new and remain since the last run, and how many are gone: mended, left out or explained."""

    new: int
    remaining: int
    mended: int
    left_out: int = 0
    explained: int = 0


def write_work_list(
    place: Workplace, out: BinaryIO, *, language: str = "nb", progress: Progress = silent
) -> WorkListMade:
    """Write every finding of the newest version as CSV, and keep what the next run compares with.

    Locked when nothing has been extracted, or when the content has been purged.
    """
    submission = place.store.latest()
    work = _rows(place, submission)
    if submission is None or work is None:
        raise Locked(
            "Det er ikke noe uttrekk å lage en arbeidsliste av. Kjør «kpr approve»: den leser og kontrollerer."
        )
    settled = settle(place, work, submission)
    catalogue = run_check(place, work, submission, settled=settled, progress=progress).catalogue
    mark = (submission.extract_sha256 or "")[:12]
    today = place.clock().astimezone(OSLO).date()
    made = WorkList(catalogue, today, _former(place, mark), language, left_out=settled.sides.out)
    prepare_units(work)
    for line in made.lines(entries(work, catalogue)):
        out.write(line.encode())
    newest = place.kept.newest(KeptKind.WORK_LIST)
    if newest is None or newest.note != mark:
        place.kept.keep(KeptKind.WORK_LIST, made.to_keep, place.act(), submission_id=submission.id, note=mark)
    counts = made.counts
    return WorkListMade(counts["new"], counts["remains"], counts["mended"], counts["left out"], counts["explained"])


def _rows(place: Workplace, submission: Submission | None) -> WorkRows | None:
    """The kept rows; None when nothing was extracted, or when the content has been purged."""
    if submission is None or not submission.extract_sha256:
        return None
    with suppress(Locked):
        return kept_rows(place, submission)
    return None


def _former(place: Workplace, mark: str) -> Former:
    """What the last run over another extract found."""
    for kept in reversed(place.kept.every(KeptKind.WORK_LIST)):
        if kept.note != mark and (raw := read_kept(place, kept)) is not None:
            try:
                return read_former(raw)
            except BadMessage as error:
                get_log("work list").warning("cannot be read", kept=kept.id, reason=str(error))
    return NO_FORMER
