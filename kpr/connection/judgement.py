"""From facts to findings: what each thing seen means, with which sentence and exit code. Pure; the rows are data.

Findings come in the order in which one would ask: address book, line, login, queues, size, certificates, clock, and
who we are. A fault ends the command with its code; of several, the lowest, since that is to be mended first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from kpr.address_book import AddressBook, Entry
from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.connection.facts import BusFacts, CertificateFacts, ClockFacts, Facts, FolderFacts, QueueFacts, Role
from kpr.errors import BadCertificate, BadInput, BadSettings, KprError
from kpr.security.certificates import check_certificate
from kpr.security.expiry import warnings_before_expiry
from kpr.security.refusals import OutOfDate, Revoked, WrongUse
from kpr.security.trust_settings import Checked, RevocationUnknown
from kpr.settings import Environment, PartySettings, Settings
from kpr.transports.amqp.outcomes import outcome
from kpr.transports.amqp.queues import Presence
from kpr.transports.amqp.settings import AmqpSettings
from kpr.years import Year


class Severity(StrEnum):
    """Only a fault keeps one from sending."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class ConnectionCode(IntEnum):
    """What ``kpr check connection`` ends with; the lower, the sooner it must be mended (docs/connection.md)."""

    READY = 0
    SETTINGS = 2
    UNREACHABLE = 20
    TLS = 21
    LOGIN = 22
    OWN_QUEUE = 23
    RECEIVER_QUEUE = 24
    SIZE = 25
    CERTIFICATE = 26
    CLOCK = 27
    WHO = 28
    UNKNOWN_NOW = 29


@dataclass(frozen=True, slots=True)
class ConnectionFinding:
    """One thing that was looked at: a sentence with the remedy in it, and the setting or file where one mends it."""

    id: str
    severity: Severity
    exit_code: ConnectionCode
    text: Text
    place: str = ""


@cache
def table() -> dict[str, Any]:
    """findings.yaml."""
    path = Path(__file__).with_name("findings.yaml")
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def judge(facts: Facts, year: Year, settings: Settings, now: datetime) -> list[ConnectionFinding]:
    """Everything that the facts mean, in the order of the probes. ``now`` is aware: certificates are judged by it."""
    case = _Case(facts, year, settings, now)
    parts = (_book(case), _transport(case), _certificates(case), _clock(facts.clock), _who(case))
    return [finding for part in parts for finding in part]


def exit_code(findings: Iterable[ConnectionFinding]) -> ConnectionCode:
    """The code of the fault that must be mended first; READY when there is none."""
    faults = (finding.exit_code for finding in findings if finding.severity is Severity.FAULT)
    return min(faults, default=ConnectionCode.READY)


def verdict(findings: Iterable[ConnectionFinding]) -> Text:
    """One sentence about all of them."""
    found = list(findings)
    faults, warnings = (sum(each.severity is kind for each in found) for kind in (Severity.FAULT, Severity.WARNING))
    word = "mend" if faults else "ready_but_look" if warnings else "ready"
    return _filled(table()["words"][word], {"faults": faults, "warnings": warnings, "code": exit_code(found).value})


# -- how a finding is said -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    facts: Facts
    year: Year
    settings: Settings
    now: datetime

    @property
    def book(self) -> AddressBook | None:
        return self.facts.book if isinstance(self.facts.book, AddressBook) else None

    @property
    def environment(self) -> Environment:
        return self.settings.environment


def _say(row_id: str, place: str = "", **values: Any) -> ConnectionFinding:
    row = table()["findings"][row_id]
    code = ConnectionCode(row.get("exit_code", ConnectionCode.READY))
    return ConnectionFinding(row_id, Severity(row["severity"]), code, _filled(row, values), place)


def _filled(row: dict[str, str], values: dict[str, Any]) -> Text:
    nb = {name: value.nb if isinstance(value, Text) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    return Text(row["nb"].format(**nb), row["en"].format(**en))


def _word(name: str) -> Text:
    row = table()["words"][name]
    return Text(row["nb"], row["en"])


def _limit(name: str) -> int:
    return int(table()["limits"][name]["value"])


def _bus_row(where: str, condition: str) -> str:
    """The row for what the bus answered at this point."""
    rows = table()["outcomes"][where]
    return str(rows.get(outcome(condition).name, rows["else"]))


def _day(moment: date) -> Text:
    return Text(f"{moment:%d.%m.%Y}", moment.isoformat()[:10])


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _bad_setting(error: BadInput) -> ConnectionFinding:
    return _say("settings_incomplete", error.place, said=error.problem, remedy=error.remedy)


# -- the address book ------------------------------------------------------------------------------------------------


def _book(case: _Case) -> Iterator[ConnectionFinding]:
    book = case.facts.book
    over_amqp = case.facts.bus is not None
    if isinstance(book, BadSettings):
        yield _bad_setting(book)
        return
    if book is None:
        if over_amqp:
            yield _say("book_missing", "addresses")
        return
    days = (case.now.date() - book.fetched).days
    yield _say("book_stale" if book.is_stale(case.now) else "book_ok", "addresses", day=_day(book.fetched), days=days)
    own = _party(book, case.settings.sender, "us", "sender")
    receiver = _party(book, case.settings.receiver, "receiver", "receiver")
    yield from own.findings
    yield from receiver.findings
    if not over_amqp:
        return
    if own.entry is not None:
        for role, address in ((Role.ASYNC, own.entry.addresses.asynchronous), (Role.ERROR, own.entry.addresses.error)):
            if address is None:
                yield _say("own_queue_unregistered", "addresses", role=_word(role), her_id=own.entry.her_id)
    if receiver.entry is not None and receiver.entry.addresses.asynchronous is None:
        yield _say("receiver_queue_unregistered", "addresses", her_id=receiver.entry.her_id)


@dataclass(frozen=True, slots=True)
class _Party:
    entry: Entry | None
    findings: tuple[ConnectionFinding, ...] = ()


def _party(book: AddressBook, party: PartySettings, word: str, setting: str) -> _Party:
    """The party as the address book has it, and what does not fit."""
    said: dict[str, Any] = {"who": _word(word), "her_id": party.service_her_id}
    entry = book.find(party.service_her_id)
    if entry is None:
        return _Party(None, (_say("party_missing", f"{setting}.service_her_id", **said),))
    found = []
    if not entry.active:
        found.append(_say("party_inactive", "addresses", **said))
    if entry.parent_her_id != party.organisation_her_id:
        said |= {"registered": entry.parent_her_id, "said": party.organisation_her_id}
        found.append(_say("party_parent_differs", f"{setting}.organisation_her_id", **said))
    return _Party(entry, tuple(found))


# -- the bus, or the folder ------------------------------------------------------------------------------------------


def _transport(case: _Case) -> Iterator[ConnectionFinding]:
    transport = case.settings.transport
    if case.facts.folder is not None:
        yield _folder(case.facts.folder)
    if case.facts.bus is None or not isinstance(transport, AmqpSettings):
        return
    bus = case.facts.bus
    yield from _line_and_login(bus, transport)
    if not bus.logged_in:
        yield _say("bus_not_asked", "transport")
        return
    yield from _exchange(bus, transport)
    for queue in bus.queues:
        yield from (_receiver_queue if queue.role is Role.RECEIVER else _own_queue)(queue, transport)
    if transport.dead_letter_queue is None:
        yield _say("dead_letter_unnamed", "transport.dead_letter_queue")
    yield from _size(case, bus, transport)


def _folder(facts: FolderFacts) -> ConnectionFinding:
    row = "folder_not_writable" if facts.fault else "folder_ok"
    return _say(row, "transport.folder", folder=facts.folder, said=facts.fault, waiting=facts.waiting)


def _line_and_login(bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    values = {"host": transport.host, "port": transport.port, "username": transport.username, "tls": bus.tls}
    if bus.line is not None:
        yield _say(_bus_row("line", bus.line), "transport.host", condition=bus.line, **values)
        return
    if bus.error is None or bus.tls:
        yield _say("tls_ok" if bus.tls else "tls_off", "transport.host", **values)
    if bus.error is not None:
        yield _bad_setting(bus.error)
    elif bus.login is not None:
        yield _say(_bus_row("login", bus.login), "transport", condition=bus.login, **values)
    else:
        yield _say("login_ok", "transport", product=bus.product, dialect=transport.dialect, **values)


def _exchange(bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    """Seen over 0-9-1; where that cannot be, the way to the receiver tells, which leads through it."""
    receiver = next((queue for queue in bus.queues if queue.role is Role.RECEIVER), None)
    presence = bus.exchange
    if presence is Presence.UNKNOWN and receiver is not None:
        if receiver.condition is None:
            presence = Presence.THERE
        elif outcome(receiver.condition).name == "not_found" and receiver.look.presence is not Presence.MISSING:
            presence = Presence.MISSING
    if presence is not Presence.UNKNOWN:
        row = "exchange_ok" if presence is Presence.THERE else "exchange_missing"
        yield _say(row, "transport.exchange", exchange=transport.exchange)


def _own_queue(queue: QueueFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    place = "transport.dead_letter_queue" if queue.role is Role.DEAD_LETTER else "addresses"
    values: dict[str, Any] = {
        "role": _word(queue.role),
        "queue": queue.name,
        "waiting": queue.look.waiting,
        "condition": queue.condition,
        "username": transport.username,
    }
    most = _limit("piled_up") if queue.role is Role.ASYNC else 1
    if queue.look.presence is Presence.MISSING:
        row = "own_queue_missing"
    elif queue.condition is not None:
        row = _bus_row("own_queue", queue.condition)
    elif queue.look.waiting is None:
        row = "own_queue_unseen"
    elif queue.look.waiting >= most:
        row = "queue_piles_up" if queue.role is Role.ASYNC else "queue_not_empty"
    else:
        row = "own_queue_ok"
    yield _say(row, place, **values)


def _receiver_queue(queue: QueueFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    values = {"queue": queue.name, "exchange": transport.exchange, "username": transport.username}
    if queue.look.presence is Presence.MISSING:
        yield _say("receiver_queue_missing", "addresses", **values)
    elif queue.condition is None:
        seen = queue.look.presence is Presence.THERE
        yield _say("receiver_queue_ok" if seen else "receiver_queue_unseen", "addresses", **values)
    elif outcome(queue.condition).name != "not_found":  # that is the exchange, which has been told of
        yield _say(_bus_row("receiver", queue.condition), "addresses", condition=queue.condition, **values)


def _size(case: _Case, bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    free, ours = case.year.max_bytes_amqp.value, transport.max_bytes
    asked = [queue for queue in bus.queues if queue.role is Role.RECEIVER and queue.condition is None]
    limit = min((queue.largest for queue in asked if queue.largest is not None), default=None)
    values = {"free": _number(free), "ours": _number(ours), "limit": _number(limit or 0)}
    if limit is not None:
        row = "size_too_small" if limit < free else "size_below_ours" if limit < ours else "size_ok"
        yield _say(row, "transport.max_bytes", **values)
    elif asked:
        yield _say("size_unsaid", "transport.max_bytes", **values)
    if ours > free:
        yield _say("size_to_agree", "transport.max_bytes", **values)


# -- certificates ----------------------------------------------------------------------------------------------------


def _certificates(case: _Case) -> Iterator[ConnectionFinding]:
    told: set[str] = set()  # a file of roots that cannot be read is told of once, not for each certificate
    for each in case.facts.certificates:
        for finding in _certificate(case, each):
            if finding.id != "settings_incomplete" or finding.place not in told:
                yield finding
            if finding.id == "settings_incomplete":
                told.add(finding.place)


def _certificate(case: _Case, facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    found = [*_loaded(facts)]
    if facts.certificate is not None and facts.purpose is not None:
        invalid = [*_validity(case, facts, facts.certificate)]
        found += invalid or [*_near_its_end(case, facts.name, facts.certificate)]
        found += [each for each in _trust(case, facts) if not (invalid and each.id == "certificate_untrusted")]
    if not found and facts.purpose is None:
        found.append(_say("former_key_ok", facts.name, name=facts.name))
    elif not found and facts.certificate is not None and isinstance(facts.trust, Checked):
        day = _day(facts.certificate.not_valid_after_utc.astimezone(OSLO).date())
        found.append(_say("certificate_ok", facts.name, name=facts.name, day=day, checked=_word(facts.trust.name)))
    yield from found


def _loaded(facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    if isinstance(facts.error, BadSettings):
        yield _say("certificate_unnamed", facts.name, name=facts.name)
    elif facts.error is not None:
        yield _say("certificate_unreadable", facts.name, name=facts.name, said=facts.error.problem)
    elif facts.key_error is not None:
        yield _say("key_unusable", facts.name, name=facts.name, said=facts.key_error.problem)


def _validity(case: _Case, facts: CertificateFacts, certificate: x509.Certificate) -> Iterator[ConnectionFinding]:
    assert facts.purpose is not None
    try:
        check_certificate(certificate, facts.purpose, case.now)
    except OutOfDate:
        if case.now < certificate.not_valid_before_utc:
            day = _day(certificate.not_valid_before_utc.astimezone(OSLO).date())
            yield _say("certificate_not_yet", facts.name, name=facts.name, day=day)
        else:
            [warning] = warnings_before_expiry({facts.name: certificate}, case.now, None)
            yield _say("certificate_expired", facts.name, warning=warning.text)
    except WrongUse:
        yield _say("certificate_wrong_use", facts.name, name=facts.name, purpose=_word(facts.purpose))
    except BadCertificate as error:
        yield _say("certificate_not_usable", facts.name, name=facts.name, said=error.problem)


def _near_its_end(case: _Case, name: str, certificate: x509.Certificate) -> Iterator[ConnectionFinding]:
    last = case.year.milestone("absolute_last")
    for warning in warnings_before_expiry({name: certificate}, case.now, last.date if last else None):
        yield _say("certificate_expires", name, warning=warning.text)


def _trust(case: _Case, facts: CertificateFacts) -> Iterator[ConnectionFinding]:
    trust = facts.trust
    if trust is Checked.NOTHING and case.environment is not Environment.SIMULATOR:
        yield _say("trust_unchecked", "trust.roots", name=facts.name)
    if not isinstance(trust, KprError):
        return
    said = trust.problem if isinstance(trust, BadInput) else str(trust)
    if isinstance(trust, BadSettings):
        yield _bad_setting(trust)
        return
    rows = ((Revoked, "certificate_revoked"), (RevocationUnknown, "revocation_unknown"))
    row = next((row for kind, row in rows if isinstance(trust, kind)), "certificate_untrusted")
    yield _say(row, facts.name, name=facts.name, said=said)


# -- the clock -------------------------------------------------------------------------------------------------------


def _clock(clock: ClockFacts) -> Iterator[ConnectionFinding]:
    place = "transport.time_server"
    if clock.server is None:
        yield _say("clock_not_measured", place)
        return
    if clock.offset_seconds is None:
        yield _say("clock_unanswered", place, server=clock.server)
        return
    away = abs(clock.offset_seconds)
    rows = ((_limit("clock_fault_seconds"), "clock_off"), (_limit("clock_warning_seconds"), "clock_drifts"))
    row = next((row for limit, row in rows if away > limit), "clock_ok")
    seconds = Text(f"{away:.2f}".replace(".", ","), f"{away:.2f}")
    way = _word("behind" if clock.offset_seconds > 0 else "ahead")
    yield _say(row, place, server=clock.server, seconds=seconds, way=way)


# -- who we are ------------------------------------------------------------------------------------------------------


def _who(case: _Case) -> Iterator[ConnectionFinding]:
    settings, transport = case.settings, case.settings.transport
    values: dict[str, Any] = {
        "municipality": settings.municipality.number,
        "name": settings.municipality.name,
        "organisation": settings.municipality.organisation_number,
        "own": f"{settings.sender.organisation_her_id}/{settings.sender.service_her_id}",
        "environment": settings.environment.value,
        "receiver": settings.receiver.service_name,
        "theirs": settings.receiver.service_her_id,
    }
    if isinstance(transport, AmqpSettings):
        values |= {"host": transport.host, "port": transport.port, "vhost": transport.virtual_host}
        yield _say("who_over_amqp", exchange=transport.exchange, username=transport.username, **values)
    else:
        yield _say("who_by_folder", folder=transport.folder, **values)
    yield from _right_receiver(case)


def _right_receiver(case: _Case) -> Iterator[ConnectionFinding]:
    """The receiver is the one of the data year's profile; in a rehearsal it is none of them (addresses.md s. 6)."""
    theirs, year = case.settings.receiver.service_her_id, case.year
    known = {
        Environment.PRODUCTION: year.receiver_production,
        Environment.QA: year.receiver_qa,
        Environment.TEST: year.receiver_test,
    }
    values = {"theirs": theirs, "environment": case.environment.value, "year": year.data_year}
    place = "receiver.service_her_id"
    if case.environment is Environment.SIMULATOR:
        if theirs in {profile.value for profile in known.values() if profile is not None}:
            yield _say("simulator_to_register", place, **values)
        return
    profile = known[case.environment]
    if profile is None:
        yield _say("receiver_unknown", "environment", **values)
    elif profile.value != theirs:
        yield _say("receiver_differs", place, expected=profile.value, mark=profile.mark.value, **values)
