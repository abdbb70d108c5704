"""What is done in one municipality's workplace, by the steps of the command line; each says what it ended in.

What they return, or what their errors are called, is a key of the script's outcomes; empty when there is nothing to say.
"""

from __future__ import annotations

from kpr.conversation import SubmissionState
from kpr.errors import BadCertificate, Blocked, Locked, TransportError
from kpr.guard import Approval
from kpr.rehearse.mishaps import Scripted
from kpr.rehearse.transport_away import TransportAway
from kpr.steps.collect import collect
from kpr.steps.mails import seen
from kpr.steps.prepare import prepare_daily
from kpr.steps.purge import purge
from kpr.steps.rehearsal import rehearse_once
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import Workplace

_OFFICER, _LEADER = "fagansvarlig", "leder"

#: What an error is called; the first that fits.
_ENDS: tuple[tuple[type[Exception], str], ...] = (
    (Blocked, "blocked"),
    (Locked, "locked"),
    (BadCertificate, "certificate"),
    (TransportError, "away"),
    (Exception, "failed"),
)


def end_of(error: Exception) -> str:
    """What a step that raised this ended in."""
    return next(name for kind, name in _ENDS if isinstance(error, kind))


def collect_answers(place: Workplace) -> str:
    """One round over mailbox and transport; nothing worth a line by itself."""
    collect(place)
    return ""


def dry_run(place: Workplace) -> str:
    """The daily dry run of the season."""
    return "blocked" if prepare_daily(place).result.blocked else "checked"


def send_report(place: Workplace, scripted: Scripted) -> str:
    """Check, approve and send, as the script has it; raises what the steps raise."""
    if scripted.away:
        place.transport = TransportAway()
    second, reason = (_LEADER, "levert etter siste frist, avtalt med registeret") if scripted.second else (None, None)
    submission, checked = prepare(place, by=_OFFICER, second=second, mended=scripted.mended or None, reason=reason)
    send_approved(place, submission, checked, by=_OFFICER, reason=reason)
    return "sent"


def write_down_seen(place: Workplace) -> str:
    """A person has asked the register, and writes down what it said."""
    seen(place, _OFFICER, faults=False, note="registeret sa på telefon at identmeldingen er mottatt uten feil")
    return "seen"


def purge_all(place: Workplace) -> str:
    """Make everything unreadable."""
    return "purged" if purge(place, by=_LEADER, approval=Approval(frozenset({_LEADER}))) else "nothing_to_purge"


def send_trial(place: Workplace) -> str:
    """The trial submission."""
    rehearse_once(place, _OFFICER)
    return "trial_sent"


def take_trial_answer(place: Workplace) -> str:
    """Take in the trial register's answers; whether it accepted."""
    collect(place)
    latest = place.store.latest()
    return "trial_accepted" if latest and latest.state is SubmissionState.ACCEPTED else "trial_open"
