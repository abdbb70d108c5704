"""The address book, and who we are: what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kpr.address_book import AddressBook, Entry
from kpr.connection.facts import Role
from kpr.connection.findings import (
    Case,
    ConnectionFinding,
    bad_setting,
    on_day,
    say,
    word_of,
)
from kpr.errors import BadSettings
from kpr.settings import Environment, PartySettings, Settings
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.edi.settings import EdiSettings, MailCarrierSettings


def judge_book(case: Case) -> Iterator[ConnectionFinding]:
    """The address book: is it there, fresh, and does it have both parties with their queues."""
    book = case.facts.book
    over_amqp, by_mail = case.facts.bus is not None, goes_by_mail(case.settings)
    if isinstance(book, BadSettings):
        yield bad_setting(book)
        return
    if book is None:
        if over_amqp:
            yield say("book_missing", "addresses")
        if by_mail:
            yield say("book_missing_for_mail", "addresses")
        return
    days = (case.now.date() - book.fetched).days
    yield say("book_stale" if book.is_stale(case.now) else "book_ok", "addresses", day=on_day(book.fetched), days=days)
    own = _party(book, case.settings.sender, "us", "sender")
    receiver = _party(book, case.settings.receiver, "receiver", "receiver")
    yield from own.findings
    yield from receiver.findings
    if by_mail:
        yield from _edi_addresses(own, receiver)
    if not over_amqp:
        return
    if own.entry is not None:
        for role, address in ((Role.ASYNC, own.entry.addresses.asynchronous), (Role.ERROR, own.entry.addresses.error)):
            if address is None:
                yield say("own_queue_unregistered", "addresses", role=word_of(role), her_id=own.entry.her_id)
    if receiver.entry is not None and receiver.entry.addresses.asynchronous is None:
        yield say("receiver_queue_unregistered", "addresses", her_id=receiver.entry.her_id)


def goes_by_mail(settings: Settings) -> bool:
    """Whether messages go by mail, so that EDI addresses are needed."""
    transport = settings.transport
    return isinstance(transport, EdiSettings) and isinstance(transport.carrier, MailCarrierSettings)


def _edi_addresses(own: _Party, receiver: _Party) -> Iterator[ConnectionFinding]:
    for party, who in ((own, "us"), (receiver, "receiver")):
        if party.entry is not None and not party.entry.addresses.edi:
            yield say("edi_address_missing", "addresses", who=word_of(who), her_id=party.entry.her_id)


@dataclass(frozen=True, slots=True)
class _Party:
    entry: Entry | None
    findings: tuple[ConnectionFinding, ...] = ()


def _party(book: AddressBook, party: PartySettings, word: str, setting: str) -> _Party:
    """The party as the address book has it, and what does not fit."""
    said: dict[str, Any] = {"who": word_of(word), "her_id": party.service_her_id}
    entry = book.find(party.service_her_id)
    if entry is None:
        return _Party(None, (say("party_missing", f"{setting}.service_her_id", **said),))
    found = []
    if not entry.active:
        found.append(say("party_inactive", "addresses", **said))
    if entry.parent_her_id != party.organisation_her_id:
        said |= {"registered": entry.parent_her_id, "said": party.organisation_her_id}
        found.append(say("party_parent_differs", f"{setting}.organisation_her_id", **said))
    return _Party(entry, tuple(found))


def judge_identity(case: Case) -> Iterator[ConnectionFinding]:
    """Who we are, whom we send to, and whether that is the data year's receiver."""
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
        yield say("who_over_amqp", exchange=transport.exchange, username=transport.username, **values)
    elif isinstance(transport, EdiSettings):
        yield say("who_over_edi", carrier=transport.carrier.kind, form=transport.form, **values)
    else:
        yield say("who_by_folder", folder=transport.folder, **values)
    yield from _right_receiver(case)


def _right_receiver(case: Case) -> Iterator[ConnectionFinding]:
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
            yield say("simulator_to_register", place, **values)
        return
    profile = known[case.environment]
    if profile is None:
        yield say("receiver_unknown", "environment", **values)
    elif profile.value != theirs:
        yield say("receiver_differs", place, expected=profile.value, mark=profile.mark.value, **values)
