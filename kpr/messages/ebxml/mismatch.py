"""Where the agreement with the receiver (CPA) differs from what we have: seen before the season, not by a refusal.

Every row is in mismatch.yaml: how serious, and a sentence with the remedy in it. Pure: what is compared comes in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509

from kpr.calendar import OSLO
from kpr.checks.finding import Severity, Text
from kpr.errors import BadSettings
from kpr.messages.ebxml.agreement import encryption_of, signature_of
from kpr.messages.ebxml.cpa_model import ALWAYS, SMTP, Agreed, Cpa, agreement_between
from kpr.messages.ebxml.names import SHA1, SHA256
from kpr.transports.edi.settings import EdiSettings
from kpr.yaml_file import table_beside

#: The digest that belongs to each signature algorithm, and how agreements write it.
_DIGESTS = {"rsa-sha256": (SHA256, "sha256", "sha-256"), "rsa-sha1": (SHA1, "sha1", "sha-1")}


_FOR_EVER = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What we have: HER-ids, the actions that we send, certificates and addresses. None: not known, not compared.

    ``encryption`` and ``edi_address`` are the receiver's by the address book, ``own_…`` ours. ``until`` is the last
    moment of the season.
    """

    own_her_id: str
    other_her_id: str
    actions: tuple[str, ...]
    signing: x509.Certificate | None = None
    own_encryption: x509.Certificate | None = None
    encryption: x509.Certificate | None = None
    edi_address: str | None = None
    own_edi_address: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference, by the id of its row; an ERROR keeps our messages from being taken."""

    id: str
    severity: Severity
    text: Text


def mismatches(settings: EdiSettings, cpa: Cpa, ours: Ours, now: datetime) -> list[Mismatch]:
    """Every difference, the gravest kind first: who, when, what, and then how. ``now`` is aware."""
    found = [*_parties(cpa, ours), *_time(cpa, ours, now)]
    if settings.cpa_id not in (None, cpa.id):
        found.append(_say("cpa_id_differs", cpa, ours=settings.cpa_id))
    if cpa.party(ours.own_her_id) and cpa.party(ours.other_her_id):
        for action in ours.actions:
            agreed = agreement_between(cpa, ours.own_her_id, ours.other_her_id, action)
            found += (
                [_say("action_missing", cpa, action=action)] if agreed is None else _action(settings, cpa, ours, agreed)
            )
    return list(dict.fromkeys(found))  # two actions in one channel differ in the same way: told once


@cache
def rows() -> dict[str, dict[str, str]]:
    """mismatch.yaml."""
    return dict(table_beside(__file__))


def _say(row_id: str, cpa: Cpa, **values: Any) -> Mismatch:
    row = rows()[row_id]
    nb = {name: value.nb if isinstance(value, Text) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    text = Text(row["nb"].format(cpa=cpa.id, **nb), row["en"].format(cpa=cpa.id, **en))
    return Mismatch(row_id, Severity(row["severity"]), text)


def _parties(cpa: Cpa, ours: Ours) -> Iterator[Mismatch]:
    if cpa.party(ours.own_her_id) is None:
        yield _say("own_party_missing", cpa, own=ours.own_her_id)
    if cpa.party(ours.other_her_id) is None:
        yield _say("receiver_missing", cpa, other=ours.other_her_id)


def _time(cpa: Cpa, ours: Ours, now: datetime) -> Iterator[Mismatch]:
    if now < cpa.start:
        yield _say("not_yet_valid", cpa, day=_day(cpa.start))
    if now > cpa.end:
        yield _say("ended", cpa, day=_day(cpa.end))
    elif ours.until is not None and ours.until > cpa.end:
        yield _say("ends_in_season", cpa, day=_day(cpa.end))


def _action(settings: EdiSettings, cpa: Cpa, ours: Ours, agreed: Agreed) -> Iterator[Mismatch]:
    yield from _certificates(cpa, ours, agreed)
    yield from _addresses(settings, cpa, ours, agreed)
    if not agreed.ack_requested == agreed.ack_signature_requested == ALWAYS:
        yield _say("no_acknowledgment", cpa, action=agreed.action)
    yield from _algorithms(settings, cpa, agreed)
    yield from _retries(settings, cpa, agreed)


def _certificates(cpa: Cpa, ours: Ours, agreed: Agreed) -> Iterator[Mismatch]:
    pairs = (
        ("signing_certificate_differs", ours.signing, agreed.signing_certificate),
        ("own_encryption_certificate_differs", ours.own_encryption, agreed.own_encryption_certificate),
        ("receiver_certificate_differs", ours.encryption, agreed.encryption_certificate),
    )
    for row, have, said in pairs:
        if have is not None and said is not None and have != said:
            yield _say(row, cpa, ours=_serial(have), theirs=_serial(said))


def _addresses(settings: EdiSettings, cpa: Cpa, ours: Ours, agreed: Agreed) -> Iterator[Mismatch]:
    if settings.carrier.kind != "mail":
        return  # by file the parties have agreed on a server among themselves, which no agreement names
    if agreed.protocol.upper() != SMTP:
        yield _say("not_by_mail", cpa, action=agreed.action, protocol=agreed.protocol or "?")
        return
    pairs = (
        ("endpoint_differs", ours.edi_address, agreed.endpoint),
        ("own_endpoint_differs", ours.own_edi_address, agreed.own_endpoint),
    )
    for row, have, said in pairs:
        if have and said and have.lower() != said.lower():
            yield _say(row, cpa, ours=have, theirs=said)


def _algorithms(settings: EdiSettings, cpa: Cpa, agreed: Agreed) -> Iterator[Mismatch]:
    for read, said in ((signature_of, agreed.signature), (encryption_of, agreed.encryption)):
        try:
            read(agreed)
        except BadSettings:
            yield _say("algorithm_unknown", cpa, theirs=said)
            return
    signature = signature_of(agreed) or settings.signature
    if signature != settings.signature:
        yield _say("signature_differs", cpa, theirs=signature, ours=settings.signature)
    if agreed.digest and agreed.digest.lower() not in _DIGESTS[signature]:
        yield _say("digest_differs", cpa, theirs=agreed.digest, ours=signature)


def _retries(settings: EdiSettings, cpa: Cpa, agreed: Agreed) -> Iterator[Mismatch]:
    have = settings.retries, timedelta(hours=settings.retry_hours)
    said = have[0] if agreed.retries is None else agreed.retries, agreed.retry_interval or have[1]
    if have != said:
        yield _say("retries_differ", cpa, ours=_tries(*have), theirs=_tries(*said))


def _tries(retries: int, interval: timedelta) -> Text:
    hours = f"{interval / timedelta(hours=1):g}"
    return Text(f"{retries} nye forsøk hver {hours.replace('.', ',')}. time", f"{retries} retries {hours} hours apart")


def _serial(certificate: x509.Certificate) -> Text:
    serial, day = f"{certificate.serial_number:x}", _day(certificate.not_valid_after_utc)
    return Text(f"serienummer {serial}, gyldig til {day.nb}", f"serial number {serial}, valid until {day.en}")


def _day(moment: datetime) -> Text:
    # "For ever" is 9999-12-31T23:59:59Z (RFC 5280 s. 4.1.2.5), which has no time in Norway.
    local = moment if moment.year == _FOR_EVER else moment.astimezone(OSLO)
    return Text(f"{local:%d.%m.%Y}", f"{local:%Y-%m-%d}")
