"""Status: where the municipality stands, in plain words: what happened, what is awaited, until when, what to do now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from kpr.calendar import OSLO, last_safe_send, next_milestone
from kpr.checks.finding import StoppedBy, Text
from kpr.checks.run import full_catalogue
from kpr.conversation import AttemptState, ReceiptLeg, SubmissionEvent, SubmissionState, Verdict, verdict
from kpr.errors import BadMessage
from kpr.feedback.transport_fault import meaning
from kpr.mirror.document import read_document
from kpr.next_act import NOTHING_SENT, NextAct, Trouble, View, former_act, next_act
from kpr.report.words import MILESTONES, said
from kpr.steps.last_year import read_kept
from kpr.steps.retry import next_try
from kpr.steps.timeline import Line, timeline
from kpr.steps.workplace import Workplace
from kpr.store import Attempt, KeptKind, Message, MessageKind, Submission
from kpr.store.store import PURGED_KEY


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing and how it stands: its state, and the same in words where the state is a code."""

    what: str
    state: str
    said: str = ""

    @property
    def words(self) -> str:
        """How it stands, for people."""
        return self.said or self.state


@dataclass(frozen=True, slots=True)
class Status:
    """The whole answer of ``kpr status``."""

    municipality: str
    data_year: int
    state: str
    version: int
    verdict: Verdict
    do: str
    next_act: Text
    lines: tuple[Standing, ...]
    timeline: tuple[Line, ...]
    awaited_until: datetime | None
    unfinished_sending: str | None


def status(place: Workplace, version: Submission | None = None) -> Status:
    """Where this cycle stands now; of an earlier ``version``, what became of it."""
    newest = place.store.latest()
    if newest is None:
        return _status(place, "NOTHING_SENT", 0, Verdict(False, False, False), "act", NOTHING_SENT, _milestones(place))
    latest = version or newest
    messages = {message.kind: message for message in place.store.messages(latest.id)}
    iplos, ident = messages.get(MessageKind.IPLOS), messages.get(MessageKind.IDENT)
    receipt_leg = iplos.receipt_leg if iplos else ReceiptLeg.NONE
    until = iplos.generated + timedelta(hours=place.year.ack_hours.value) if iplos else None
    attempts = {kind: place.attempts.latest(message.id) for kind, message in messages.items()}
    right = place.judgements.signed_off(latest.id) is not None
    states = {kind: attempt.state if attempt else None for kind, attempt in attempts.items()}
    ident_attempt, iplos_attempt = states.get(MessageKind.IDENT), states.get(MessageKind.IPLOS)
    answer = verdict(ident_attempt, iplos_attempt, latest.ident_leg, receipt_leg, view_agrees=right)
    if latest.id == newest.id:
        act = _act(place, latest, messages, attempts, until, right=right)
    else:
        replaced = latest.state is SubmissionState.SUPERSEDED
        act = former_act(receipt_leg, latest.version, newest.version, accepted=answer.accepted, replaced=replaced)
    lines = (
        _numbered(latest),
        Standing("Identmelding: e-post", latest.ident_leg.value, said("ident", latest.ident_leg).nb),
        Standing("Identmelding: kvittering", *_receipt(ident.receipt_leg if ident else None)),
        Standing("IPLOS-melding: kvittering", *_receipt(receipt_leg)),
        *_on_the_way(place),
        *_milestones(place),
    )
    return _status(
        place, latest.state.value, latest.version, answer, act.do, act.text, lines, until, _unfinished(latest)
    )


def _numbered(version: Submission) -> Standing:
    number = f"versjon {version.version}, løpenummer {version.sequence_number}"
    return Standing("Innsending", f"{number}: {version.state}", f"{number}: {said('submission', version.state).nb}")


def _receipt(leg: ReceiptLeg | None) -> tuple[str, str]:
    return (leg.value, said("receipt", leg).nb) if leg else ("–", "")


def _act(
    place: Workplace,
    latest: Submission,
    messages: dict[MessageKind, Message],
    attempts: dict[MessageKind, Attempt | None],
    until: datetime | None,
    *,
    right: bool,
) -> NextAct:
    iplos = messages.get(MessageKind.IPLOS)
    codes = ", ".join(message.receipt_codes for message in messages.values() if message.receipt_codes)
    trouble, what = _transport(place, messages, attempts)
    return next_act(
        latest.state,
        latest.ident_leg,
        iplos.receipt_leg if iplos else ReceiptLeg.NONE,
        _values(until, codes) | what,
        transport=trouble,
        right=right,
        stopped_by=_stopped_by(place, latest),
        view=_view(place, latest),
    )


def _stopped_by(place: Workplace, latest: Submission) -> frozenset[StoppedBy]:
    """What the check's last verdict says that a blocked submission waits for."""
    if latest.state is not SubmissionState.BLOCKED:
        return frozenset()
    verdicts = [
        event.why
        for event in place.store.events()
        if event.submission_id == latest.id and event.event == SubmissionEvent.FOUND_FAULTS
    ]
    rules = [rule for rule in verdicts[-1].split(", ") if rule] if verdicts else []
    return full_catalogue(place.year).stopped_by(rules)


def _view(place: Workplace, latest: Submission) -> View:
    """How far the comparison with the register's view has come; only an accepted submission is asked about."""
    if latest.state is not SubmissionState.ACCEPTED:
        return View.NOT_GIVEN
    if latest.wrapped_key == PURGED_KEY:
        return View.GONE
    kept = place.kept.newest(KeptKind.VIEW, latest.id)
    raw = read_kept(place, kept) if kept else None
    document = None
    with suppress(BadMessage):  # of a later version of the program: its numbers must be given again
        document = read_document(raw) if raw else None
    if document is None or not document.given:
        return View.NOT_GIVEN
    return View.UNSETTLED if document.unsettled else View.SETTLED


def _transport(
    place: Workplace, messages: dict[MessageKind, Message], attempts: dict[MessageKind, Attempt | None]
) -> tuple[Trouble, dict[str, str]]:
    """What is wrong with the first message that has not arrived and that nothing has answered, and what to say of it."""
    for kind, message in messages.items():
        attempt = attempts[kind]
        if attempt is None or message.is_answered:
            continue
        code = place.attempts.refusal_code(message.id) if attempt.state in _TOLD else ""
        refused = f"{meaning(code.partition(' ')[0]).nb} ({code})" if code else "–"
        trouble = _TROUBLES.get((attempt.state, bool(code)))
        if trouble is not None:
            return trouble, {"kind": kind.value, "refused": refused}
    return Trouble.OK, {}


_TOLD = (AttemptState.REFUSED, AttemptState.FAILED)
_TROUBLES = {
    (AttemptState.REFUSED, True): Trouble.REFUSED,
    (AttemptState.FAILED, True): Trouble.RETURNED,
    (AttemptState.GIVEN_UP, False): Trouble.GIVEN_UP,
}


def _on_the_way(place: Workplace) -> tuple[Standing, ...]:
    """What was handed over and is not acknowledged: which try it was, and when the next one is due."""
    patience = place.packaging.patience
    return tuple(
        Standing(
            f"{said('message', each.message.kind).nb}: transport",
            f"{each.attempt.state}, {next_try(each, patience)}",
            f"{said('attempt', each.attempt.state).nb}, {next_try(each, patience)}",
        )
        for each in place.attempts.unacknowledged()
        if patience is not None and each.wanted
    )


def _status(
    place: Workplace,
    state: str,
    version: int,
    answer: Verdict,
    do: str,
    text: Text,
    lines: tuple[Standing, ...],
    until: datetime | None = None,
    unfinished: str | None = None,
) -> Status:
    settings = place.settings
    return Status(
        settings.municipality.number,
        settings.data_year,
        state,
        version,
        answer,
        do,
        text,
        lines,
        timeline(place),
        until,
        unfinished,
    )


def _unfinished(latest: Submission) -> str | None:
    unfinished = latest.state in (SubmissionState.APPROVED, SubmissionState.SENDING)
    return latest.id if unfinished else None


def _values(until: datetime | None, codes: str) -> dict[str, str]:
    values = {"codes": codes} if codes else {}
    if until:
        values["until"] = until.astimezone(OSLO).strftime("%d.%m.%Y kl. %H.%M")
    return values


def _milestones(place: Workplace) -> tuple[Standing, ...]:
    """The next date, and the last safe day before it; says so when the year's dates are not known."""
    deadlines = [milestone for milestone in place.year.milestones if milestone.is_deadline]
    coming = next_milestone(deadlines, place.clock())
    if coming is None:
        known = "passert" if deadlines else "ikke kjent for dette året: spør registeret"
        return (Standing("Frister", known),)
    safe = last_safe_send(coming, place.year.ack_hours.value).astimezone(OSLO)
    mark = "" if coming.mark == "confirmed" else f" ({coming.mark})"
    sure = "" if coming.mark == "confirmed" else f" ({said('mark', coming.mark).nb})"
    name = MILESTONES[coming.id].nb if coming.id in MILESTONES else coming.id
    return (
        Standing(
            "Neste frist",
            f"{coming.id} {coming.date}{mark}; siste trygge sending {safe:%d.%m.%Y}",
            f"{name} {coming.date:%d.%m.%Y}{sure}; siste trygge sending {safe:%d.%m.%Y}",
        ),
    )
