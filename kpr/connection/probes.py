"""The probes: the edge that asks the bus, the folder, the issuers and the time server. Holds no rules.

Each probe stands by itself: one that fails says so in the facts, and does not keep the others from being asked. Nothing
is sent, taken, made or changed anywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import ntplib  # type: ignore[import-untyped]  # carries no types of its own
from cryptography import x509
from pydantic import SecretStr

from kpr.address_book import AddressBook, load_address_book, queue_name
from kpr.connection.facts import NOT_SEEN, BusFacts, CertificateFacts, ClockFacts, Facts, FolderFacts, QueueFacts, Role
from kpr.connection.probe_edi import ask_agreement, ask_mailbox, ask_route
from kpr.errors import BadInput, BadSettings, KprError
from kpr.progress import Progress, silent
from kpr.security.certificates import Identity, Purpose, load_certificate, load_identity
from kpr.security.trust_settings import Checked
from kpr.settings import Settings
from kpr.transports.amqp.amqp091 import PIKA_ERRORS, connected, fault_of
from kpr.transports.amqp.bus import Bus, BusFault
from kpr.transports.amqp.queues import Presence, QueueLook, look_at_all
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.tls import connected_socket
from kpr.transports.amqp.transport import open_bus
from kpr.transports.open import DirectorySettings

#: A time server answers at once or not at all (assumed).
_CLOCK_SECONDS = 5
_NTP = 123


def gather(settings: Settings, now: datetime, progress: Progress = silent) -> Facts:
    """Ask everything that can be asked, in order. ``now`` is the time by which an issuer's answer must hold."""
    transport = settings.transport
    book = _book(settings)
    known = book if isinstance(book, AddressBook) else None
    progress("meldingsbussen", 0, 3)
    bus = ask_bus(transport, names(settings, known)) if isinstance(transport, AmqpSettings) else None
    own_her_id = settings.sender.service_her_id
    folder = ask_folder(transport.folder, own_her_id) if isinstance(transport, DirectorySettings) else None
    stops = (*ask_route(settings), ask_mailbox(settings))
    progress("sertifikatene", 1, 3)
    certificates = tuple(_trusted(each, chain, settings, now) for each, chain in _certificates(settings, known))
    progress("klokken", 2, 3)
    clock = ask_clock(transport.time_server if isinstance(transport, AmqpSettings) else None)
    return Facts(
        book=book,
        bus=bus,
        folder=folder,
        stops=stops,
        agreement=ask_agreement(settings),
        certificates=certificates,
        clock=clock,
    )


def _book(settings: Settings) -> AddressBook | BadSettings | None:
    try:
        return load_address_book(settings.addresses) if settings.addresses else None
    except BadSettings as error:
        return error


# -- the bus ---------------------------------------------------------------------------------------------------------


def names(settings: Settings, book: AddressBook | None) -> dict[Role, str]:
    """The queues to ask for, by what they are for: as they are registered, and the dead-letter queue of the settings."""
    own = book.find(settings.sender.service_her_id) if book else None
    receiver = book.find(settings.receiver.service_her_id) if book else None
    registered = {
        Role.ASYNC: own.addresses.asynchronous if own else None,
        Role.ERROR: own.addresses.error if own else None,
        Role.DEAD_LETTER: getattr(settings.transport, "dead_letter_queue", None),
        Role.RECEIVER: receiver.addresses.asynchronous if receiver else None,
    }
    return {role: queue_name(address) for role, address in registered.items() if address}


def ask_bus(settings: AmqpSettings, queues: dict[Role, str]) -> BusFacts:
    """The line, the login, and each queue, as far as one comes."""
    facts = BusFacts()
    try:
        facts = replace(facts, tls=_line(settings))
        settings.secret()
        with closing(open_bus(settings)) as bus:
            return _ask_opened(bus, settings, facts, queues)
    except BadSettings as error:
        return replace(facts, error=error)
    except BusFault as fault:
        return replace(facts, line=fault.condition)


def _line(settings: AmqpSettings) -> str | None:
    """The version of TLS, None without."""
    try:
        with closing(connected_socket(settings)) as line:
            version: Callable[[], str | None] | None = getattr(line, "version", None)
            return version() if version else None
    except UnicodeError:  # a host name that no network knows how to ask for
        raise BusFault("connection-lost") from None


def _ask_opened(bus: Bus, settings: AmqpSettings, facts: BusFacts, queues: dict[Role, str]) -> BusFacts:
    try:
        bus.open()
        product = bus.product()
    except BusFault as fault:
        return replace(facts, login=fault.condition)
    looks = _looks(settings, queues)
    asked = tuple(_ask_queue(bus, QueueFacts(role, name, look=looks[name])) for role, name in queues.items())
    return replace(facts, product=product, exchange=_exchange(settings), queues=asked)


def _looks(settings: AmqpSettings, queues: dict[Role, str]) -> dict[str, QueueLook]:
    try:
        return look_at_all(settings, queues.values())
    except PIKA_ERRORS:
        return dict.fromkeys(queues.values(), NOT_SEEN)


def _ask_queue(bus: Bus, facts: QueueFacts) -> QueueFacts:
    """Open the way to the receiver's queue, or from one of ours."""
    try:
        if facts.role is Role.RECEIVER:
            return replace(facts, largest=bus.check_target(facts.name))
        bus.check_source(facts.name)
    except BusFault as fault:
        return replace(facts, condition=fault.condition)
    return facts


def _exchange(settings: AmqpSettings) -> Presence:
    """Asked over 0-9-1, as queues are looked at: on a connection of its own, and not knowing is an answer."""
    try:
        connection = connected(settings)
    except BusFault:
        return Presence.UNKNOWN
    try:
        connection.channel().exchange_declare(settings.exchange, passive=True)
    except PIKA_ERRORS as error:
        missing = fault_of(error).condition == "amqp:not-found"
        return Presence.MISSING if missing else Presence.UNKNOWN
    else:
        return Presence.THERE
    finally:
        with suppress(*PIKA_ERRORS):
            if connection.is_open:
                connection.close()


# -- the folder ------------------------------------------------------------------------------------------------------


def ask_folder(folder: Path, own_her_id: str) -> FolderFacts:
    """Write a file without a name and let it go; where the folder is not made yet, in the one it would be made in."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"kpr")
        waiting = sum(1 for _ in (folder / own_her_id).glob("*.json"))
    except OSError as error:
        return FolderFacts(folder, error.strerror or type(error).__name__)
    return FolderFacts(folder, waiting=waiting)


# -- certificates ----------------------------------------------------------------------------------------------------

_Chain = tuple[x509.Certificate, ...]


def _certificates(settings: Settings, book: AddressBook | None) -> Iterator[tuple[CertificateFacts, _Chain]]:
    """Ours with their keys, then the register's; what came along with a certificate goes along."""
    keys = settings.keys
    signing, decryption = keys.password_of("signing"), keys.password_of("decryption")
    yield _own("keys.signing_certificate", Purpose.SIGN, keys.signing_certificate, keys.signing_key, signing)
    yield _own(
        "keys.decryption_certificate", Purpose.ENCRYPT, keys.decryption_certificate, keys.decryption_key, decryption
    )
    if keys.former_decryption_certificate is not None:
        name, password = "keys.former_decryption_certificate", keys.password_of("former_decryption")
        yield _own(name, None, keys.former_decryption_certificate, keys.former_decryption_key, password)
    for part, purpose, path in (
        ("encryption_certificate", Purpose.ENCRYPT, keys.register_encryption_certificate),
        ("signing_certificate", Purpose.SIGN, keys.register_signing_certificate),
    ):
        yield _registers(settings, book, part, purpose, path), ()


def _own(
    name: str, purpose: Purpose | None, path: Path, key: Path | None, password: SecretStr | None
) -> tuple[CertificateFacts, _Chain]:
    try:
        identity: Identity = load_identity(path, key, password)
    except BadInput as error:
        return _without_key(name, purpose, path, error), ()
    return CertificateFacts(name=name, purpose=purpose, certificate=identity.certificate), identity.chain


def _without_key(name: str, purpose: Purpose | None, path: Path, error: BadInput) -> CertificateFacts:
    """When the certificate alone can be read, it is the key that is wrong."""
    try:
        certificate = load_certificate(path)
    except BadInput:
        return CertificateFacts(name=name, purpose=purpose, error=error)
    return CertificateFacts(name=name, purpose=purpose, certificate=certificate, key_error=error)


def _registers(
    settings: Settings, book: AddressBook | None, part: str, purpose: Purpose, path: Path | None
) -> CertificateFacts:
    """The register's: where the settings name it, or as the address book has it."""
    entry = book.find(settings.receiver.service_her_id) if book else None
    name = f"keys.register_{part}" if path or entry is None else f"addresses: {part}"
    facts = CertificateFacts(name=name, purpose=purpose)
    try:
        if path is not None:
            return replace(facts, certificate=load_certificate(path))
        if entry is None:
            raise BadSettings("The register's certificate is not named.", place=name)
        found = entry.encryption() if purpose is Purpose.ENCRYPT else entry.signing()
    except BadInput as error:
        return replace(facts, error=error)
    return replace(facts, certificate=found)


def _trusted(facts: CertificateFacts, chain: _Chain, settings: Settings, now: datetime) -> CertificateFacts:
    """How far it is to be trusted; the issuers' services are asked over the network."""
    if settings.trust.roots is None or facts.certificate is None or facts.purpose is None:
        return facts
    from kpr.security.trust import check_trust  # takes half a second to import

    trust: Checked | KprError
    try:
        trust = check_trust(facts.certificate, chain, settings.trust, now)
    except KprError as error:
        trust = error
    return replace(facts, trust=trust)


# -- the clock -------------------------------------------------------------------------------------------------------


def ask_clock(server: str | None) -> ClockFacts:
    """How far the time server is ahead of this machine; a server that is not synchronised itself tells nothing."""
    if server is None:
        return ClockFacts()
    try:
        host, port = _host_and_port(server)
        answer = ntplib.NTPClient().request(host, version=4, port=port, timeout=_CLOCK_SECONDS)
    except (ntplib.NTPException, OSError, ValueError, OverflowError):
        return ClockFacts(server)
    synchronised = answer.leap != 3 and 1 <= answer.stratum <= 15
    return ClockFacts(server, float(answer.offset) if synchronised else None)


def _host_and_port(server: str) -> tuple[str, int]:
    """``host``, ``host:port``, or an IPv6 address, in brackets when a port follows. ValueError: neither."""
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return server.strip("[]"), _NTP
    if not 0 < int(port) < 1 << 16:
        raise ValueError(port)
    return host.strip("[]"), int(port)
