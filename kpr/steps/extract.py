"""Open a submission and take its extract: from the source into work rows, and from there, encrypted, into the vault.

What has been sent gets no second pair of MsgIds by accident: neither by a run that is carried out again when it has
ended, nor by another that finds the same extract.
"""

from __future__ import annotations

import hashlib

from kpr.conversation import SubmissionEvent, SubmissionState
from kpr.errors import BadExtract, BadSettings, Locked
from kpr.guard import Approval, Kind, has_left, may_correct, may_send_content, stands
from kpr.people import Deed
from kpr.sources.open import SourceSpec, source_from
from kpr.sources.work_rows import WorkRows, load
from kpr.steps.behind import demand_newest
from kpr.steps.workplace import Workplace, approval
from kpr.store import Submission


def open_submission(
    place: Workplace,
    *,
    by: str,
    second: str | None = None,
    mended: str | None = None,
    reason: str | None = None,
    run: str = "",
    practice: bool = False,
) -> str:
    """The version to work on: an unfinished one, or a new one where the guard permits it (Locked otherwise).

    ``run``: the opaque id of what carries this out; when it has sent a version, it opens no other. ``practice``: the
    same extract may be sent again.
    """
    act = place.act(by, mended or "")  # refuses words that name somebody, before anything else is told
    if second:
        place.demand(Deed.UNLOCK, by, second)
    asked = approval(by, second, reason)
    demand_newest(place, asked)
    _refuse_second_of(place, run)
    if not practice:
        _refuse_again(place, asked, correction=bool(mended))
    with place.vault.keeping() as key:
        submission = place.store.open_version(
            act,
            asked,
            key,
            ack_hours=place.year.ack_hours.value,
            too_late=place.too_late(place.clock()),
            mended=mended or "",
        )
    if run and submission.id not in _versions_of(place, run):
        with place.store.transaction() as session:
            place.store.note(session, place.act(why=run), "submission", _RUN, submission=submission)
    return submission.id


#: The event that says which run worked on a version. Written before anything is sent: a run that is killed in between
#: finds the unfinished version again.
_RUN = "RUN"


def _versions_of(place: Workplace, run: str) -> set[str]:
    """The ids of the versions that a run worked on."""
    events = place.store.events()
    return {event.submission_id or "" for event in events if (event.event, event.why) == (_RUN, run)}


def _refuse_second_of(place: Workplace, run: str) -> None:
    """Locked when the version that this run worked on has left: it has ended, and somebody has started it again."""
    for submission_id in sorted(_versions_of(place, run)) if run else ():
        sent = place.store.submission(submission_id)
        if has_left(sent.state):
            raise Locked(
                f"Dette løpet har allerede sendt innsending {sent.version}. Ingenting er sendt nå."
                " En ny versjon sendes av et nytt løp."
            )


def _refuse_again(place: Workplace, asked: Approval, *, correction: bool) -> None:
    """Locked, before a version is opened, when there is nothing to correct or the register has the same already."""
    permission = place.store.may_open(
        place.clock(), asked, ack_hours=place.year.ack_hours.value, too_late=place.too_late(place.clock())
    ).demand()
    if correction:
        may_correct(place.store.formers(), permission).demand()
    if permission.kind is Kind.S3 and not asked.two_persons_and_reason:
        may_send_content(_sent_with_same_extract(place), asked).demand()


def _sent_with_same_extract(place: Workplace) -> int | None:
    """The version that stands with what the source holds now; the source is read only where there is one that may.

    Whoever has decided since then that a person is left out, sends something else with the same extract.
    """
    sent = [each for each in place.store.submissions() if stands(each.state) and not _decided_since(place, each)]
    digest = _digest(read_extract(place).image()) if sent else ""
    return next((each.version for each in reversed(sent) if each.extract_sha256 == digest), None)


def _decided_since(place: Workplace, version: Submission) -> bool:
    """Whether it was decided who is left out after this version was checked for the last time."""
    checked = decided = 0
    for number, event in enumerate(place.store.events()):
        if event.submission_id == version.id and event.event == SubmissionEvent.FOUND_GOOD:
            checked = number
        if (event.what, event.event) == ("persons", "DECIDED"):
            decided = number
    return decided > checked


def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


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
    place.store.move(submission_id, SubmissionEvent.EXTRACTED, place.act(), extract_sha256=_digest(image))
    return work.count("person")


#: Until a person has approved, the extract may be read and checked again as often as one likes.
_OPEN = frozenset({SubmissionState.DRAFT, SubmissionState.EXTRACTED, SubmissionState.BLOCKED, SubmissionState.CHECKED})


def is_fixed(submission: Submission) -> bool:
    """Approved: what was checked is what is sent, so the extract is not read again."""
    return submission.state not in _OPEN


def kept_rows(place: Workplace, submission: Submission) -> WorkRows:
    """The work rows of a submission, out of the vault."""
    return WorkRows(place.shape, place.vault.get(submission.rows_name, submission.wrapped_key))
