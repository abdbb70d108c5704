"""The receipts that the stand-in register answers with, as bytes. Pure: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from kpr.messages.app_rec import AppRec, AppRecError, error_codes, write_app_rec
from kpr.messages.head import Party
from kpr.registry.reception import Verdict
from kpr.registry.scenario import Play, Version

#: Answers get ids that follow from what they answer, so that the same run gives the same answers.
SPACE = UUID("5d9a5a3e-52c8-4f7e-9f0c-6c1c8f5f0a11")
_LIST_8221 = "2.16.578.1.12.4.1.1.8221"

#: Who a receipt says that it comes from, when the scenario wants a stranger.
_STRANGER = Party("Ukjent virksomhet", "8999998", "Ukjent tjeneste", "8999999")


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: str
    code: str | None = None
    detail: str = ""


def receipts(verdict: Verdict, play: Play, version: Version, register: Party, at: datetime) -> list[bytes]:
    """The receipts for one message, as the scenario wants them; none when the register stays silent."""
    if play.silent:
        return []
    sender = _STRANGER if play.unknown_sender else register
    outcome = _outcome(verdict, play, version)
    made = [_receipt(verdict, play, version, sender, at, outcome)]
    if play.double:
        made.append(made[0])
    if play.contradict:
        other = _Outcome("1") if outcome.status == "2" else _Outcome("2", "X99", "motsier den første kvitteringen")
        made.append(_receipt(verdict, play, version, sender, at, other))
    return [b"<AppRec>" + bytes(8) if play.unreadable else receipt for receipt in made]


def _outcome(verdict: Verdict, play: Play, version: Version) -> _Outcome:
    """What the scenario wants comes first; otherwise what the register itself found."""
    if play.negative or play.part:
        return _Outcome("2" if play.negative else "3", play.negative or play.part, play.detail)
    code = verdict.code_in(version)
    return _Outcome("2", code, verdict.detail) if code else _Outcome("1")


def _receipt(verdict: Verdict, play: Play, version: Version, sender: Party, at: datetime, outcome: _Outcome) -> bytes:
    head = verdict.head
    code = outcome.code
    errors = (AppRecError(code, _LIST_8221, error_codes()[code].text, outcome.detail),) if code else ()
    original = str(uuid5(SPACE, head.msg_id + "unknown")) if play.unknown_original else head.msg_id
    app_rec = AppRec(
        version=version,
        id=str(uuid5(SPACE, f"{head.msg_id.lower()}{outcome.status}")),
        generated=at,
        status=outcome.status,
        errors=errors,
        original_msg_id=original,
        original_type=head.message_type,
        original_issue_date=head.generated,
        sender_her_id=sender.service_her_id,
        receiver_her_id=head.sender.service_her_id,
    )
    return write_app_rec(app_rec, sender, head.sender)
