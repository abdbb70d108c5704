"""Carry out what a person asked for in a form: the same checks and the same events as the command line gives.

The Prefect flow ``annual_cycle`` and the commands ``approve``, ``report``, ``feedback seen`` and ``resend`` end in the
same steps. What a person asks for twice (a killed run reads its form again) does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kpr.conversation import ReceiptLeg, SubmissionState
from kpr.errors import Locked
from kpr.free_text import refuse_ids
from kpr.people import typed
from kpr.person_name import bare, tidy
from kpr.steps.approve import approve_extract, send_only_approved
from kpr.steps.mails import seen
from kpr.steps.mirror import sign
from kpr.steps.plausibility import explain, look
from kpr.steps.send import resend
from kpr.steps.workplace import Workplace, approval
from kpr.store import MessageKind, Submission
from kpr.wishes import Answer, Wish, offered


def wishes(place: Workplace) -> tuple[Wish, ...]:
    """What may be asked for now."""
    latest = place.store.latest()
    if latest is None:
        return (Wish.LOOK,)
    receipts = {message.kind: message.receipt_leg for message in place.store.messages(latest.id)}
    return offered(latest.state, latest.ident_leg, receipts.get(MessageKind.IPLOS, ReceiptLeg.NONE))


def extract_mark(submission: Submission | None) -> str:
    """A short mark of the extract that a person looks at: an approval is of this one and no other."""
    return (submission.extract_sha256 or "")[:12] if submission else ""


def carry_out(place: Workplace, answer: Answer) -> str:
    """Do what was asked for; one sentence of what came of it. BadInput or Locked when it may not be done."""
    if answer.wish is Wish.LOOK:
        return "Så på nytt."
    answer = _checked(answer)
    if answer.wish is Wish.SEND and _was_cut_off(place, answer):
        return _send(place, answer)
    if answer.wish not in wishes(place):
        return "Det er allerede gjort, eller det gjelder ikke lenger. Ingenting ble gjort nå."
    return _ACTS[answer.wish](place, answer)


def _checked(answer: Answer) -> Answer:
    """With tidied names; BadInput when one is no person's, or the reason names somebody. Prefect hands on any text."""
    refuse_ids(answer.reason, "grunn")
    second = typed(answer.second, "den andre personen") if tidy(answer.second) else ""
    return replace(answer, by=typed(answer.by, "hvem"), second=second)


def _was_cut_off(place: Workplace, answer: Answer) -> bool:
    """The same person's approval of the same extract stands, and its sending did not come to an end: it goes on."""
    latest = place.store.latest()
    if latest is None or latest.state not in (SubmissionState.APPROVED, SubmissionState.SENDING):
        return False
    return (bare(latest.approved_by or ""), extract_mark(latest)) == (bare(answer.by), answer.extract)


def _explain(place: Workplace, answer: Answer) -> str:
    """One reason for every line that waits for one, as the form shows them; line by line is «kpr swings explain»."""
    waiting = [line.swing.line for line in look(place).lines if line.waits]
    if not waiting:
        return "Ingen tall venter på en grunn. Det er noe annet som stanser: se på funnene."
    for line in waiting:
        explain(place, line, why=answer.reason, by=answer.by)
    return f"Grunnen er skrevet ned for {len(waiting)} linjer. Uttrekket kontrolleres på nytt."


def _sign(place: Workplace, answer: Answer) -> str:
    sign(place, by=answer.by, why=answer.reason)
    return "Meldt riktig: registerets visning stemmer med det som ble sendt. Gjør ingenting nå."


def _approve(place: Workplace, answer: Answer) -> str:
    latest = _demand(place)
    if answer.extract != extract_mark(latest):
        raise Locked("Uttrekket er lest på nytt siden skjemaet ble vist. Se på funnene igjen. Ingenting er sendt.")
    approve_extract(place, latest.id, latest.extract_sha256, by=answer.by, reason=answer.reason or None)
    return "Godkjent. Ingenting er sendt ennå."


def _send_now(place: Workplace, answer: Answer) -> str:
    _approve(place, answer)
    return _send(place, answer)


def _send(place: Workplace, answer: Answer) -> str:
    send_only_approved(place, approval(answer.by, answer.second or None, answer.reason or None))
    return "Sendt. Gjør ingenting nå: svarene ventes."


def _seen(place: Workplace, answer: Answer) -> str:
    outcome = seen(place, answer.by, faults=answer.wish is Wish.SEEN_FAULTS, note=answer.reason)
    return f"Skrevet ned at {answer.by} har sett e-posten ({outcome})."


def _resend(place: Workplace, answer: Answer) -> str:
    kind = MessageKind.IDENT if answer.wish is Wish.RESEND_IDENT else MessageKind.IPLOS
    persons = approval(answer.by, answer.second or None, answer.reason or None)
    resend(place, _demand(place).id, kind, persons, answered=answer.register_answered)
    return "Samme melding er sendt én gang til, med samme nummer."


def _demand(place: Workplace) -> Submission:
    latest = place.store.latest()
    if latest is None:
        raise Locked("Ingenting er påbegynt for dette året.")
    return latest


_ACTS: dict[Wish, Callable[[Workplace, Answer], str]] = {
    Wish.EXPLAIN: _explain,
    Wish.APPROVE: _approve,
    Wish.SEND: _send_now,
    Wish.SEND_APPROVED: _send,
    Wish.SEEN_OK: _seen,
    Wish.SEEN_FAULTS: _seen,
    Wish.RESEND_IDENT: _resend,
    Wish.RESEND_IPLOS: _resend,
    Wish.SIGN: _sign,
}
