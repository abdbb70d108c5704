"""What stands in a mail and in a webhook's JSON: ids, counts, sentences and a link. Norwegian first. Pure.

Sentences go through the last net for national ids once more; ids of ours do not, since they must stay the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from kpr.alarms.notice import GROUPS, Notice, Severity
from kpr.alarms.settings import Tell
from kpr.log import blot

_FIRST_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÆØÅ])")

_PREFIX = {Severity.INFORMATION: "", Severity.WARNING: "", Severity.URGENT: "HASTER: "}

_BODY = """{head}

{nb}

Gjør dette nå: {do_nb}
{link}{letter}
--
English: {en}
What to do now: {do_en}

Varsel {id}. Sendes én gang. E-posten inneholder ingen personopplysninger, og ingen leser svar på den.
"""
_LETTER = "\nUtkast til brev. Les det, rett det og send det selv:\n\n{nb}"


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing as it is told: the groups that are told, the mail, and the webhook's JSON as plain data."""

    id: str
    groups: tuple[str, ...]
    subject: str
    body: str
    data: dict[str, Any]


def telling_of(notice: Notice, link: str = "") -> Telling:
    """A notice as it is told."""
    head = f"{notice.municipality} {notice.name}"
    title = _FIRST_SENTENCE.split(notice.text.nb, maxsplit=1)[0].rstrip(".")
    body = _BODY.format(
        head=f"{head}, rapporteringsår {notice.data_year}",
        nb=blot(notice.text.nb),
        en=blot(notice.text.en),
        do_nb=blot(notice.do.nb),
        do_en=blot(notice.do.en),
        link=f"\nMer: {link}\n" if link else "",
        letter=_LETTER.format(nb=blot(notice.letter.nb)) if notice.letter else "",
        id=notice.id,
    )
    subject = f"{_PREFIX[notice.severity]}KPR {head} {notice.data_year}: {blot(title)}"
    return Telling(notice.id, GROUPS[notice.level], subject, body, _data(notice, link))


def _data(notice: Notice, link: str) -> dict[str, Any]:
    return {
        "id": notice.id,
        "municipality": notice.municipality,
        "data_year": notice.data_year,
        "severity": notice.severity.value,
        "level": notice.level.value,
        "text": {"nb": blot(notice.text.nb), "en": blot(notice.text.en)},
        "do": {"nb": blot(notice.do.nb), "en": blot(notice.do.en)},
        "link": link,
    }


def recipients(groups: tuple[str, ...], settings: Tell) -> tuple[str, ...]:
    """The mailboxes of these groups, each once. Where they have none, the first other group that has: never nobody."""
    named = tuple(dict.fromkeys(address for group in groups for address in getattr(settings, group)))
    return named or settings.officer or settings.operator or settings.leader


def mail_entity(telling: Telling) -> bytes:
    """The mail without the fields that the sender writes (From, To, Date, Message-ID); ASCII, lines end with CRLF."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(telling.subject.split())
    mail["Auto-Submitted"] = "auto-generated"  # so that an absence reply does not answer it (RFC 3834)
    mail.set_content(telling.body, cte="quoted-printable")
    return mail.as_bytes()
