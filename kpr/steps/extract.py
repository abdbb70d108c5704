"""Open a submission and take its extract: from the source into work rows, and from there, encrypted, into the vault."""

from __future__ import annotations

import hashlib

from kpr.conversation import SubmissionEvent, SubmissionState
from kpr.errors import BadExtract, BadSettings
from kpr.people import Deed
from kpr.sources.open import SourceSpec, source_from
from kpr.sources.work_rows import WorkRows, load
from kpr.steps.workplace import Workplace, approval
from kpr.store import Submission


def open_submission(
    place: Workplace, *, by: str, second: str | None = None, mended: str | None = None, reason: str | None = None
) -> str:
    """The version to work on: an unfinished one, or a new one where the guard permits it (Locked otherwise)."""
    if second:
        place.demand(Deed.UNLOCK, by, second)
    with place.vault.keeping() as key:
        submission = place.store.open_version(
            place.act(by, mended or ""),
            approval(by, second, reason),
            key,
            ack_hours=place.year.ack_hours.value,
            too_late=place.too_late(place.clock()),
            mended=mended or "",
        )
    return submission.id


def read_extract(place: Workplace, spec: SourceSpec | None = None) -> WorkRows:
    """The extract as work rows; BadExtract when it cannot be read, or is of another municipality or year."""
    spec = spec or place.settings.source
    if spec is None:
        raise BadSettings("No extract is named.", place="source", remedy="Name one under 'source:' in the settings.")
    work = load(source_from(spec, place.shape), place.shape)
    _check_whose(place, work)
    return work


def _check_whose(place: Workplace, work: WorkRows) -> None:
    said = work.single("innhinfo").get("iiKomnr")
    if said and said != place.settings.municipality.number:
        raise BadExtract(
            f"The extract is for another municipality than {place.settings.municipality.number}.",
            place="innhinfo.iiKomnr",
            remedy="Choose the right extract, or the right settings file.",
        )


def take_extract(place: Workplace, submission_id: str) -> int:
    """Read the extract and keep it, encrypted; the number of persons. Skipped once the submission is approved."""
    submission = place.store.submission(submission_id)
    if is_fixed(submission):
        return kept_rows(place, submission).count("person")
    work = read_extract(place)
    image = work.image()
    place.vault.put(submission.rows_name, submission.wrapped_key, image)
    digest = hashlib.sha256(image).hexdigest()
    place.store.move(submission_id, SubmissionEvent.EXTRACTED, place.act(), extract_sha256=digest)
    return work.count("person")


#: Until a person has approved, the extract may be read and checked again as often as one likes.
_OPEN = frozenset({SubmissionState.DRAFT, SubmissionState.EXTRACTED, SubmissionState.BLOCKED, SubmissionState.CHECKED})


def is_fixed(submission: Submission) -> bool:
    """Approved: what was checked is what is sent, so the extract is not read again."""
    return submission.state not in _OPEN


def kept_rows(place: Workplace, submission: Submission) -> WorkRows:
    """The work rows of a submission, out of the vault."""
    return WorkRows(place.shape, place.vault.get(submission.rows_name, submission.wrapped_key))
