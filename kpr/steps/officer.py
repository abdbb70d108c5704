"""Gather what the officer's page shows: one check over the kept rows, and what the store knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from kpr import __version__
from kpr.calendar import last_safe_send
from kpr.checks.fact import Fact
from kpr.checks.finding import Fate, Text
from kpr.checks.rules import findings
from kpr.errors import BadInput, Locked
from kpr.log import blot
from kpr.mirror.document import read_document
from kpr.plausibility.figures import Figures, read_figures
from kpr.progress import Progress, silent
from kpr.report.officer import (
    PLACES,
    Bar,
    DateShown,
    Found,
    Moment,
    OfficerReport,
    RuleShown,
    SentMessage,
    SwingShown,
    Trip,
    ViewShown,
)
from kpr.report.officer_page import officer_page
from kpr.report.units import prepare_units
from kpr.report.words import MILESTONES
from kpr.report.work_list import entries
from kpr.steps.check import Checked, run_check
from kpr.steps.extract import kept_rows
from kpr.steps.last_year import last_year, read_kept
from kpr.steps.plausibility import look
from kpr.steps.status import Status, status
from kpr.steps.timeline import Line
from kpr.steps.workplace import Workplace
from kpr.store import Kept, KeptKind, SignOff, Submission


def write_page(
    place: Workplace, *, version: int | None = None, checked: Checked | None = None, progress: Progress = silent
) -> str:
    """The officer's page of a version (the newest), as HTML. BadInput when there is no such version.

    ``checked`` is what a check of that version has just found; without it the kept rows are checked again.
    """
    submission = version_of(place, version) if version is not None else place.store.latest()
    checked = checked or check_again(place, submission, progress)
    now = status(place, submission)
    return officer_page(_report(place, submission, checked, now))


def version_of(place: Workplace, version: int) -> Submission:
    """The submission of this version; BadInput when there is none."""
    for submission in place.store.submissions():
        if submission.version == version:
            return submission
    raise BadInput("Det finnes ingen slik versjon.", place="--version", remedy="«kpr status» viser versjonene.")


def check_again(place: Workplace, submission: Submission | None, progress: Progress) -> Checked | None:
    """The findings of the kept rows; None when nothing was extracted, or when the content has been purged."""
    if submission is None or not submission.extract_sha256:
        return None
    with suppress(Locked):
        work = kept_rows(place, submission)
        return Checked(run_check(place, work, submission, progress=progress), work)
    return None


def _report(place: Workplace, submission: Submission | None, checked: Checked | None, now: Status) -> OfficerReport:
    settings, known = place.settings, last_year(place)
    return OfficerReport(
        municipality=settings.municipality.number,
        name=settings.municipality.name,
        data_year=settings.data_year,
        version=submission.version if submission else 0,
        made_at=place.clock(),
        program=f"kpr {__version__}",
        now=now.next_act,
        do=now.do,
        verdict=now.verdict,
        dates=tuple(_dates(place)),
        moments=tuple(
            Moment(line.at, line.text, "" if line.who in _MACHINES else line.who, line.why, _side(line))
            for line in now.timeline
        ),
        found=_found(checked) if checked else None,
        bars=tuple(_bars(place, _figures(place, submission, checked), known.figures)),
        compared_with=known.source,
        swings=tuple(_swings(place, submission)),
        view=_view(place, submission),
        sent=tuple(_sent(place, submission)) if submission else (),
        approved_by=(submission.approved_by or "") if submission else "",
        approval_reason=(submission.approval_reason or "") if submission else "",
        ident_leg=submission.ident_leg.value if submission else "",
        assumed=tuple((name, str(value.value)) for name, value in place.year.assumed()),
    )


_MACHINES = ("kpr", "register", "clock")


#: What went out, what came in, what a person decided, and what only led up to that: for the picture.
_SIDES = {
    "attempt.DELIVERED": "out",
    "attempt.HANDED_OVER": "out",
    "receipt.POSITIVE": "in",
    "receipt.POSITIVE_PART": "in",
    "receipt.NEGATIVE": "in",
    "receipt.UNREADABLE": "in",
    "ident.FEEDBACK_OK": "in",
    "ident.FEEDBACK_FAULTS": "in",
    "ident.FEEDBACK_UNREAD": "in",
    "submission.APPROVED": "person",
    "swing.REASON_GIVEN": "person",
    "persons.DECIDED": "person",
    "view.SIGNED_OFF": "person",
    "submission.FIRST": "opened",
    "submission.S3": "opened",
    "submission.FOUND_FAULTS": "opened",
    "submission.FOUND_GOOD": "opened",
}


def _side(line: Line) -> str:
    return _SIDES.get(line.event, "in" if line.who == "register" else "")


def _dates(place: Workplace) -> Iterator[DateShown]:
    for milestone in place.year.milestones:
        safe = last_safe_send(milestone, place.year.ack_hours.value) if milestone.is_deadline else None
        text = MILESTONES.get(milestone.id, Text(milestone.id, milestone.id))
        yield DateShown(milestone.id, text, milestone.date, milestone.mark.value, milestone.is_deadline, safe)


def _found(checked: Checked) -> Found:
    result = checked.result
    prepare_units(checked.work)
    return Found(
        result.sentence,
        result.prediction.persons,
        result.prediction.persons_kept,
        tuple(_rules(checked)),
        tuple(_facts(result.facts)),
    )


def _facts(facts: Iterable[Fact]) -> Iterator[Fact]:
    """The letter's points; what the care-record system says of itself is its own text, and is blotted."""
    for fact in facts:
        lines = (replace(line, value=blot(line.value)) if isinstance(line.value, str) else line for line in fact.lines)
        yield replace(fact, lines=tuple(lines))


def _rules(checked: Checked) -> Iterator[RuleShown]:
    for count in checked.result.counts:
        rule = checked.result.catalogue[count.rule]
        first = list(findings(checked.work, checked.result.catalogue, rule=count.rule, limit=1))
        yield RuleShown(
            count.rule,
            count.severity,
            rule.owner,
            first[0].fate if first else Fate.NONE,
            count.blocks,
            rule.wrong,
            rule.remedy,
            count.count,
            count.persons,
            tuple(_places(checked, count.rule)),
            rule.nothing_to_mend,
        )


def _places(checked: Checked, rule: str) -> Iterator[Text]:
    for entry in entries(checked.work, checked.result.catalogue, rule=rule, limit=PLACES):
        parts = [(f"enhet {entry.unit}", f"unit {entry.unit}")] if entry.unit else []
        parts += [(f"person {entry.person}",) * 2] if entry.person else []
        parts += [(entry.table,) * 2] if entry.table else []
        parts += [(f"rad {entry.row}", f"row {entry.row}")] if entry.row else []
        parts += [(entry.element,) * 2] if entry.element else []
        yield Text(", ".join(part[0] for part in parts), ", ".join(part[1] for part in parts))


def _figures(place: Workplace, submission: Submission | None, checked: Checked | None) -> Figures | None:
    if checked:
        return checked.result.figures
    kept = place.kept.newest(KeptKind.FIGURES, submission.id) if submission else None
    raw = read_kept(place, kept) if kept else None
    return read_figures(raw) if raw else None


def _bars(place: Workplace, now: Figures | None, before: Figures | None) -> Iterator[Bar]:
    if now is None:
        return
    for code, told in place.year.codes("tjTjenType").items():
        if (persons := now.lines.get(code)) is not None:
            yield Bar(code, told.text_nb, persons, before.lines.get(code) if before else None)


def _swings(place: Workplace, submission: Submission | None) -> Iterator[SwingShown]:
    for line in look(place, submission).lines if submission else ():
        said = line.reason
        yield SwingShown(
            line.swing.line,
            line.text,
            line.swing.now,
            line.swing.before,
            line.swing.asks,
            said.who if said else "",
            said.at if said else None,
            said.why if said else "",
            line.swing.of_now,
            line.swing.of_before,
        )


def _view(place: Workplace, submission: Submission | None) -> ViewShown | None:
    if submission is None:
        return None
    signed = place.judgements.signed_off(submission.id)
    kept = _kept_view(place, submission, signed)
    raw = read_kept(place, kept) if kept else None
    if raw is None:
        return None
    document = read_document(raw)
    return ViewShown(
        document.compared,
        bool(document.given),
        len(document.unsettled),
        signed.who if signed else "",
        signed.at if signed else None,
        signed.why if signed else "",
    )


def _kept_view(place: Workplace, submission: Submission, signed: SignOff | None) -> Kept | None:
    """What was signed, whatever was kept since; the newest while nobody has signed."""
    if signed is None:
        return place.kept.newest(KeptKind.VIEW, submission.id)
    return next((kept for kept in place.kept.every(KeptKind.VIEW) if kept.id == signed.kept_id), None)


def _sent(place: Workplace, submission: Submission) -> Iterator[SentMessage]:
    for message in place.store.messages(submission.id):
        trips = tuple(
            Trip(each.message_id, each.state.value, each.opened_at, each.tries)
            for each in place.attempts.of_message(message.id)
        )
        yield SentMessage(
            message.kind.value,
            message.message_type,
            message.msg_id,
            message.generated,
            message.content_sha256 or "",
            message.persons,
            message.receipt_leg.value,
            message.receipt_codes,
            trips,
        )
