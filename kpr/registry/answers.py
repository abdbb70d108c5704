"""What the stand-in register answers: receipts as bytes, and the ident e-mail. Pure: values in, values out."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID, uuid5

from kpr.messages.app_rec import AppRec, AppRecError, error_codes, write_app_rec
from kpr.messages.head import Party
from kpr.registry.reception import Verdict
from kpr.registry.scenario import Play, Scenario

#: Receipts get ids that follow from what they answer, so that the same run gives the same receipts.
_SPACE = UUID("5d9a5a3e-52c8-4f7e-9f0c-6c1c8f5f0a11")
_LIST_8221 = "2.16.578.1.12.4.1.1.8221"


def receipts(verdict: Verdict, play: Play, scenario: Scenario, register: Party, now: datetime) -> list[bytes]:
    """The receipts for one message, as the scenario wants them; none when the register stays silent."""
    if play.silent:
        return []
    status, code, detail = _status(verdict, play)
    made = [_receipt(verdict, scenario, register, now, (status, code, detail), play)]
    if play.double:
        made.append(made[0])
    if play.contradict:
        other: tuple[str, str | None, str] = ("1", None, "") if status != "1" else ("2", "X99", "")
        made.append(_receipt(verdict, scenario, register, now, other, play, salt="other"))
    return [b"<AppRec>" + bytes(8) if play.unreadable else receipt for receipt in made]


def _status(verdict: Verdict, play: Play) -> tuple[str, str | None, str]:
    if play.negative:
        return "2", play.negative, play.detail
    if play.part:
        return "3", play.part, play.detail
    return ("2", verdict.code, verdict.detail) if verdict.code else ("1", None, "")


def _receipt(
    verdict: Verdict,
    scenario: Scenario,
    register: Party,
    now: datetime,
    outcome: tuple[str, str | None, str],
    play: Play,
    salt: str = "",
) -> bytes:
    head = verdict.info.head
    status, code, detail = outcome
    errors = (AppRecError(code, _LIST_8221, error_codes()[code].text, detail),) if code else ()
    original = str(uuid5(_SPACE, head.msg_id + "unknown")) if play.unknown_original else head.msg_id
    app_rec = AppRec(
        version=scenario.app_rec_version,
        id=str(uuid5(_SPACE, f"{head.msg_id}{status}{salt}")),
        generated=now,
        status=status,
        errors=errors,
        original_msg_id=original,
        original_type=head.message_type,
        original_issue_date=head.generated,
        sender_her_id=register.service_her_id,
        receiver_her_id=head.sender.service_her_id,
    )
    return write_app_rec(app_rec, register, head.sender)


def ident_mails(verdict: Verdict, play: Play, address: str, municipality: str, now: datetime) -> list[bytes]:
    """The ident e-mail straight after an ident message (letter L18): counts only, never a national id."""
    if play.no_mail or verdict.code:
        return []
    mail = _unreadable_mail() if play.mail_unreadable else _ident_mail(verdict, play, municipality)
    mail["From"] = address
    mail["To"] = f"iplos@kommune-{municipality}.example.invalid"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{uuid5(_SPACE, verdict.info.head.msg_id + 'mail')}@{address.partition('@')[2]}>"
    return [mail.as_bytes()] * (2 if play.mail_double else 1)


def _ident_mail(verdict: Verdict, play: Play, municipality: str) -> EmailMessage:
    outcome = f"{play.mail_faults} personer har feil eller mangler." if play.mail_faults else "Ingen feil ble funnet."
    mail = EmailMessage()
    mail["Subject"] = f"Tilbakemelding på identmelding, kommune {municipality}, {verdict.data_year}"
    mail.set_content(
        f"Identmeldingen fra kommune {municipality} for rapporteringsåret {verdict.data_year} er mottatt.\n"
        f"Løpenummer: {verdict.sequence_number}\nAntall personer: {verdict.persons}\n{outcome}\n\n"
        "Denne tilbakemeldingen gjelder bare fødselsnumrene og bekrefter ikke at IPLOS-dataene er i orden.\n"
    )
    return mail


def _unreadable_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Melding fra registeret"
    mail.set_content("Se vedlegg.\n")
    return mail
