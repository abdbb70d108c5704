"""Certificates and the clock."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.connection.facts import CertificateFacts, ClockFacts
from kpr.connection.findings import (
    Case,
    ConnectionFinding,
    bad_setting,
    limit,
    on_day,
    say,
    word_of,
)
from kpr.errors import BadCertificate, BadInput, BadSettings, KprError
from kpr.security.certificates import check_certificate
from kpr.security.expiry import warnings_before_expiry
from kpr.security.refusals import OutOfDate, Revoked, WrongUse
from kpr.security.trust_settings import Checked, RevocationUnknown
from kpr.settings import Environment


def judge_certificates(case: Case) -> Iterator[ConnectionFinding]:
    """Each certificate: loaded, of the right kind, valid, trusted, and for how long."""
    told: set[str] = set()  # a file of roots that cannot be read is told of once, not for each certificate
    for each in case.facts.certificates:
        for finding in _certificate(case, each):
            if finding.id != "settings_incomplete" or finding.place not in told:
                yield finding
            if finding.id == "settings_incomplete":
                told.add(finding.place)


def _certificate(case: Case, facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    found = [*_loaded(facts)]
    if facts.certificate is not None and facts.purpose is not None:
        invalid = [*_validity(case, facts, facts.certificate)]
        found += invalid or [*_near_its_end(case, facts.name, facts.certificate)]
        found += [each for each in _trust(case, facts) if not (invalid and each.id == "certificate_untrusted")]
    if not found and facts.purpose is None:
        found.append(say("former_key_ok", facts.name, name=facts.name))
    elif not found and facts.certificate is not None and isinstance(facts.trust, Checked):
        day = on_day(facts.certificate.not_valid_after_utc.astimezone(OSLO).date())
        found.append(say("certificate_ok", facts.name, name=facts.name, day=day, checked=word_of(facts.trust.name)))
    yield from found


def _loaded(facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    if isinstance(facts.error, BadSettings):
        yield say("certificate_unnamed", facts.name, name=facts.name)
    elif facts.error is not None:
        yield say("certificate_unreadable", facts.name, name=facts.name, said=facts.error.problem)
    elif facts.key_error is not None:
        yield say("key_unusable", facts.name, name=facts.name, said=facts.key_error.problem)


def _validity(case: Case, facts: CertificateFacts, certificate: x509.Certificate) -> Iterator[ConnectionFinding]:
    assert facts.purpose is not None
    try:
        check_certificate(certificate, facts.purpose, case.now)
    except OutOfDate:
        if case.now < certificate.not_valid_before_utc:
            day = on_day(certificate.not_valid_before_utc.astimezone(OSLO).date())
            yield say("certificate_not_yet", facts.name, name=facts.name, day=day)
        else:
            [warning] = warnings_before_expiry({facts.name: certificate}, case.now, None)
            yield say("certificate_expired", facts.name, warning=warning.text)
    except WrongUse:
        yield say("certificate_wrong_use", facts.name, name=facts.name, purpose=word_of(facts.purpose))
    except BadCertificate as error:
        yield say("certificate_not_usable", facts.name, name=facts.name, said=error.problem)


def _near_its_end(case: Case, name: str, certificate: x509.Certificate) -> Iterator[ConnectionFinding]:
    last = case.year.milestone("absolute_last")
    for warning in warnings_before_expiry({name: certificate}, case.now, last.date if last else None):
        yield say("certificate_expires", name, warning=warning.text)


def _trust(case: Case, facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    trust = facts.trust
    if trust is Checked.NOTHING and case.environment is not Environment.SIMULATOR:
        yield say("trust_unchecked", "trust.roots", name=facts.name)
    if not isinstance(trust, KprError):
        return
    said = trust.problem if isinstance(trust, BadInput) else str(trust)
    if isinstance(trust, BadSettings):
        yield bad_setting(trust)
        return
    rows = ((Revoked, "certificate_revoked"), (RevocationUnknown, "revocation_unknown"))
    row = next((row for kind, row in rows if isinstance(trust, kind)), "certificate_untrusted")
    yield say(row, facts.name, name=facts.name, said=said)


def judge_clock(clock: ClockFacts) -> Iterator[ConnectionFinding]:
    """How far this machine's clock is from the time server's."""
    place = "transport.time_server"
    if clock.server is None:
        yield say("clock_not_measured", place)
        return
    if clock.offset_seconds is None:
        yield say("clock_unanswered", place, server=clock.server)
        return
    away = abs(clock.offset_seconds)
    rows = ((limit("clock_fault_seconds"), "clock_off"), (limit("clock_warning_seconds"), "clock_drifts"))
    row = next((row for limit, row in rows if away > limit), "clock_ok")
    seconds = Text(f"{away:.2f}".replace(".", ","), f"{away:.2f}")
    way = word_of("behind" if clock.offset_seconds > 0 else "ahead")
    yield say(row, place, server=clock.server, seconds=seconds, way=way)
