"""The ident e-mail of the stand-in register (letter L18-L19), as bytes. Pure: values in, values out.

What the register's own mail looks like is not public; this is one that says what such a mail must say: counts, number
and period. Who is affected stands by local key in an attachment, never in the text, and never by national id.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import uuid5

from kpr.calendar import OSLO
from kpr.messages.faults import local_key
from kpr.registry.answers import SPACE
from kpr.registry.contents import Contents, Deficiency
from kpr.registry.reception import Verdict
from kpr.registry.scenario import Play

_STRANGERS_DOMAIN = "ukjent.example.invalid"
_TEXT = """\
Identmeldingen fra kommune {municipality} for rapporteringsåret {data_year} er mottatt.
Løpenummer: {number}
Periode: {first} til {last}
Antall personer: {persons}
{outcome}

Denne tilbakemeldingen gjelder bare fødselsnumrene. Den sier ikke noe om IPLOS-dataene.
"""


def ident_mails(verdict: Verdict, play: Play, address: str, municipality: str, at: datetime) -> list[bytes]:
    """The mail straight after an ident message that was accepted, as the scenario wants it; otherwise none."""
    contents = verdict.accepted
    if play.no_mail or play.negative or contents is None:
        return []
    mail = _unreadable_mail() if play.mail_unreadable else _ident_mail(contents, play, municipality)
    domain = _STRANGERS_DOMAIN if play.mail_unknown_sender else address.partition("@")[2]
    mail["From"] = f"kpr@{domain}" if play.mail_unknown_sender else address
    mail["To"] = f"iplos@kommune-{municipality}.example.invalid"
    mail["Date"] = format_datetime(at.astimezone(OSLO))
    mail["Message-ID"] = f"<{uuid5(SPACE, verdict.head.msg_id.lower() + 'mail')}@{domain}>"
    return [mail.as_bytes()] * (2 if play.mail_double else 1)


def _ident_mail(contents: Contents, play: Play, municipality: str) -> EmailMessage:
    invented = max(play.mail_faults - len(contents.deficiencies), 0)
    affected = (*contents.deficiencies, *[Deficiency("", "etter scenario")] * invented)
    said = f"{len(affected)} personer har feil eller mangler; se vedlegget." if affected else "Ingen feil ble funnet."
    mail = EmailMessage()
    mail["Subject"] = f"Tilbakemelding på identmelding, kommune {municipality}, {contents.data_year}"
    mail.set_content(
        _TEXT.format(
            municipality=municipality,
            data_year=contents.data_year,
            number=contents.sequence_number,
            first=contents.period[0],
            last=contents.period[1],
            persons=contents.persons,
            outcome=said,
        )
    )
    if affected:
        mail.add_attachment(_list(affected), subtype="csv", filename="mangelliste.csv")
    return mail


def _list(affected: tuple[Deficiency, ...]) -> str:
    """By local key. One that does not look like a local key may be a national id (I09), and is not repeated."""
    rows = (f"{local_key(one.pid) if one.pid else ''};{one.reason}" for one in affected)
    return "\r\n".join(("pid;årsak", *rows)) + "\r\n"


def _unreadable_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Melding fra registeret"
    mail.set_content("Se vedlegg.\n")
    return mail
