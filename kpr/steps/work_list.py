"""The work list: every finding of the newest version as CSV, by unit, with what was mended since the last run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from kpr.calendar import OSLO
from kpr.errors import BadMessage, Locked
from kpr.log import get_log
from kpr.progress import Progress, silent
from kpr.report.units import prepare_units
from kpr.report.work_list import NO_FORMER, Former, WorkList, entries, read_former
from kpr.steps.last_year import read_kept
from kpr.steps.officer import check_again
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind


@dataclass(frozen=True, slots=True)
class WorkListMade:
    """How many findings are new, remain and were mended since the last run."""

    new: int
    remaining: int
    mended: int


def write_work_list(
    place: Workplace, out: BinaryIO, *, language: str = "nb", progress: Progress = silent
) -> WorkListMade:
    """Write every finding of the newest version as CSV, and keep what the next run compares with.

    Locked when nothing has been extracted, or when the content has been purged.
    """
    submission = place.store.latest()
    checked = check_again(place, submission, progress)
    if submission is None or checked is None:
        raise Locked(
            "Det er ikke noe uttrekk å lage en arbeidsliste av. Kjør «kpr approve»: den leser og kontrollerer."
        )
    mark = (submission.extract_sha256 or "")[:12]
    made = WorkList(checked.result.catalogue, place.clock().astimezone(OSLO).date(), _former(place, mark), language)
    prepare_units(checked.work)
    for line in made.lines(entries(checked.work, checked.result.catalogue)):
        out.write(line.encode())
    newest = place.kept.newest(KeptKind.WORK_LIST)
    if newest is None or newest.note != mark:
        place.kept.keep(KeptKind.WORK_LIST, made.to_keep, place.act(), submission_id=submission.id, note=mark)
    return WorkListMade(made.counts["new"], made.counts["remains"], made.counts["mended"])


def _former(place: Workplace, mark: str) -> Former:
    """What the last run over another extract found."""
    for kept in reversed(place.kept.every(KeptKind.WORK_LIST)):
        if kept.note != mark and (raw := read_kept(place, kept)) is not None:
            try:
                return read_former(raw)
            except BadMessage as error:
                get_log("work list").warning("cannot be read", kept=kept.id, reason=str(error))
    return NO_FORMER
