"""Warnings before a certificate expires, and when one will not last until the register closes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from cryptography import x509

from kpr.calendar import OSLO, end_of_day
from kpr.checks.finding import Text
from kpr.security.certificates import days_left

Threshold = Literal[90, 30, 7, 0]

#: The most whole days left, the threshold that it means, and what to say; sharpest first.
_LIMITS: tuple[tuple[int, Threshold, Text], ...] = (
    (
        -1,
        0,
        Text("Sertifikatet «{name}» utløp {day_nb} og kan ikke brukes.", "'{name}' expired on {day}: it is of no use."),
    ),
    (7, 7, Text("Sertifikatet «{name}» utløper {day_nb}: det haster.", "'{name}' expires on {day}: this is urgent.")),
    (
        30,
        30,
        Text("Sertifikatet «{name}» utløper {day_nb}, om {days} dager.", "'{name}' expires on {day}, in {days} days."),
    ),
    (
        90,
        90,
        Text("Sertifikatet «{name}» utløper {day_nb}, om {days} dager.", "'{name}' expires on {day}, in {days} days."),
    ),
)
_TOO_SHORT = Text(
    " Det er før siste frist for innsending, {last_nb}.", " That is before the last date for submissions, {last}."
)
_TO_DO = Text(
    " Er det kommunens eget: bestill nytt virksomhetssertifikat (par for signering og kryptering) i god tid, legg det"
    " inn i innstillingene og få det registrert i Adresseregisteret. Er det registerets: hent det nye derfra.",
    " If it is your own: order a new enterprise certificate (a pair, for signing and encryption) in good time, put it"
    " into the settings and have it entered in the address register. If it is the register's: fetch the new one there.",
)


@dataclass(frozen=True, slots=True)
class ExpiryWarning:
    """One certificate that must be replaced: whole days left (negative when expired), how near, and what to do."""

    name: str
    days_left: int
    threshold: Threshold
    before_last_date: bool
    text: Text


def warnings_before_expiry(
    named: Mapping[str, x509.Certificate], now: datetime, absolute_last: date | None
) -> list[ExpiryWarning]:
    """At most one warning for each certificate, by the sharpest threshold: 90, 30 or 7 days left, or 0 when expired.

    One that holds longer, but not until the end of the absolute last date (in Norway, K2), is warned of at 90 too.
    The name is the setting that names the certificate; nothing is taken from its subject.
    """
    found = (_warning(name, certificate, now, absolute_last) for name, certificate in named.items())
    return [warning for warning in found if warning is not None]


def _warning(name: str, certificate: x509.Certificate, now: datetime, last: date | None) -> ExpiryWarning | None:
    ends, left = certificate.not_valid_after_utc, days_left(certificate, now)
    too_short = last is not None and now <= end_of_day(last) and ends < end_of_day(last)
    limits = (limit for limit in _LIMITS if left <= limit[0])
    limit = next(limits, _LIMITS[-1] if too_short else None)
    if limit is None:
        return None
    day = ends.astimezone(OSLO)
    values = {"name": name, "days": left, "day": day.date(), "day_nb": f"{day:%d.%m.%Y}"}
    if last is not None:
        values |= {"last": last, "last_nb": f"{last:%d.%m.%Y}"}
    said = [limit[2], _TOO_SHORT, _TO_DO] if too_short else [limit[2], _TO_DO]
    text = Text("".join(part.nb for part in said), "".join(part.en for part in said))
    return ExpiryWarning(name, left, limit[1], too_short, Text(text.nb.format(**values), text.en.format(**values)))
