"""What a person may ask for at this moment: the choices of the form, as data. Pure.

The form shows only what makes sense now; the guard and the state table still decide when it is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState


class Wish(StrEnum):
    """The choices, in the officer's own words: what is shown is what is kept."""

    LOOK = "Se på nytt"
    EXPLAIN = "Tallene som svinger, er riktige: dette er grunnen"
    APPROVE = "Godkjenn"
    SEND = "Godkjenn og send nå"
    SEND_APPROVED = "Send det som er godkjent"
    SEEN_OK = "Jeg har sett e-posten om identmeldingen: alt i orden"
    SEEN_FAULTS = "Jeg har sett e-posten om identmeldingen: den melder feil"
    RESEND_IDENT = "Lås opp: send identmeldingen på nytt"
    RESEND_IPLOS = "Lås opp: send IPLOS-meldingen på nytt"
    SIGN = "Underskriv: registerets visning stemmer med det som ble sendt"


_S, _I, _R, _W = SubmissionState, IdentLeg, ReceiptLeg, Wish
_WAITING = (_S.SENDING, _S.AWAITING, _S.REJECTED)
_SILENT_IDENT = (_I.SENT, _I.OVERDUE, _I.FEEDBACK_UNREAD)

#: Wish -> (states, ident legs, receipt legs) in which it is offered; an empty tuple: any.
_OFFERED: dict[Wish, tuple[tuple[StrEnum, ...], ...]] = {
    _W.EXPLAIN: ((_S.BLOCKED,), (), ()),
    _W.APPROVE: ((_S.CHECKED,), (), ()),
    _W.SEND: ((_S.CHECKED,), (), ()),
    _W.SEND_APPROVED: ((_S.APPROVED, _S.SENDING), (), ()),
    _W.SEEN_OK: (_WAITING, _SILENT_IDENT, ()),
    _W.SEEN_FAULTS: (_WAITING, _SILENT_IDENT, ()),
    _W.RESEND_IDENT: ((_S.SENDING, _S.AWAITING), _SILENT_IDENT, ()),
    _W.RESEND_IPLOS: ((_S.SENDING, _S.AWAITING), (), (_R.NONE, _R.OVERDUE)),
    _W.SIGN: ((_S.ACCEPTED,), (_I.FEEDBACK_OK,), ()),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person filled in. ``extract`` is the mark of the extract that the form was shown for."""

    wish: Wish = Wish.LOOK
    by: str = ""
    second: str = ""
    reason: str = field(default="", repr=False)
    on: date | None = None
    register_answered: bool = False
    extract: str = ""


def offered(state: SubmissionState | None, ident: IdentLeg, receipt: ReceiptLeg) -> tuple[Wish, ...]:
    """The wishes that make sense now; looking again always does, and stands first."""
    if state is None:
        return (Wish.LOOK,)
    asked = (state, ident, receipt)
    fits = (
        wish
        for wish, rows in _OFFERED.items()
        if all(not row or now in row for now, row in zip(asked, rows, strict=True))
    )
    return (Wish.LOOK, *fits)
