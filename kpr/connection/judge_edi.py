"""The EDI route and the ident mailbox: what the servers, the folders and the agreement mean for the season."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography import x509

from kpr.calendar import end_of_day
from kpr.checks.finding import Severity as Weight
from kpr.connection.facts import StopFacts
from kpr.connection.findings import Case, ConnectionFinding, bad_setting, number, say, word_of
from kpr.errors import BadInput, TransportRefused
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.messages.ebxml.mismatch import Ours, mismatches
from kpr.transports.edi.settings import EdiSettings

#: Refusals that are about whom we speak with, and not about who we are.
_TRUST = (":tls)", ":no-starttls)", ":no-tls)", ":unknown-host-key)", ":changed-host-key)")
_ROWS = {
    Weight.FATAL: "agreement_broken",
    Weight.ERROR: "agreement_broken",
    Weight.WARNING: "agreement_differs",
    Weight.INFO: "agreement_note",
}


def judge_stops(case: Case) -> Iterator[ConnectionFinding]:
    """Each server or folder: reached, and with room for what we send."""
    for facts in case.facts.stops:
        if facts.error is not None:
            yield _trouble(facts, facts.error)
            continue
        values = _values(facts)
        yield say("stop_ok", **values, waiting="–" if facts.waiting is None else facts.waiting)
        if facts.missing:
            yield say("stop_folders_missing", "transport.carrier.folders", **values, folders=", ".join(facts.missing))
        yield from _size(case, facts)


def _trouble(facts: StopFacts, error: Exception) -> ConnectionFinding:
    if isinstance(error, BadInput):
        return bad_setting(error)
    row = "stop_away"
    if isinstance(error, TransportRefused):
        row = "stop_not_trusted" if str(error).endswith(_TRUST) else "stop_refused"
    return say(row, **_values(facts), said=str(error))


def _values(facts: StopFacts) -> dict[str, Any]:
    return {"what": word_of(facts.stop.value), "where": facts.where}


def _size(case: Case, facts: StopFacts) -> Iterator[ConnectionFinding]:
    """By mail a message is a third larger: base64, in lines (RFC 2045 s. 6.8)."""
    transport = case.settings.transport
    if facts.largest is None or not isinstance(transport, EdiSettings):
        return
    needed = transport.max_bytes * 78 // 57 + (1 << 16)
    if facts.largest < needed:
        sizes = {"largest": number(facts.largest), "ours": number(transport.max_bytes), "needed": number(needed)}
        yield say("stop_too_small", "transport.max_bytes", **_values(facts), **sizes)


def judge_agreement(case: Case) -> Iterator[ConnectionFinding]:
    """Where the agreement differs from what we have; nothing where there is none."""
    agreement, transport = case.facts.agreement, case.settings.transport
    if isinstance(agreement, BadInput):
        yield bad_setting(agreement)
    if not isinstance(agreement, Cpa) or not isinstance(transport, EdiSettings):
        return
    found = mismatches(transport, agreement, _ours(case), case.now)
    if not found:
        yield say("agreement_ok", "transport.cpa_file", cpa=agreement.id)
    for each in found:
        yield say(_ROWS[each.severity], "transport.cpa_file", said=each.text)


def _ours(case: Case) -> Ours:
    settings, year = case.settings, case.year
    own, theirs = settings.sender.service_her_id, settings.receiver.service_her_id
    book, last = case.book, year.milestone("absolute_last")
    parties = (book.find(own), book.find(theirs)) if book else (None, None)
    return Ours(
        own_her_id=own,
        other_her_id=theirs,
        actions=(year.message_type_ident.value, year.message_type_iplos.value),
        signing=_certificate(case, "keys.signing_certificate"),
        own_encryption=_certificate(case, "keys.decryption_certificate"),
        encryption=_certificate(case, "encryption_certificate"),
        own_edi_address=parties[0].addresses.edi if parties[0] else None,
        edi_address=parties[1].addresses.edi if parties[1] else None,
        until=end_of_day(last.date) if last else None,
    )


def _certificate(case: Case, name: str) -> x509.Certificate | None:
    found = (each.certificate for each in case.facts.certificates if each.name.endswith(name))
    return next(found, None)
