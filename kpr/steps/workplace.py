"""The workplace: one municipality's settings with everything that they open. Made at the edge, handed to each step."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509

from kpr.address_book import AddressBook, Entry, load_address_book
from kpr.calendar import end_of_day
from kpr.clock import Clock, file_clock, system_clock
from kpr.errors import BadSettings, Locked
from kpr.free_text import refuse_ids
from kpr.guard import Approval
from kpr.log import blot
from kpr.messages.shape import PayloadShape, iplos_shape
from kpr.packaging.open import open_packaging
from kpr.packaging.seam import Packaging
from kpr.people import PROGRAMS, Deed, Role, demand, role_of
from kpr.person_name import bare
from kpr.security.certificates import Identity, Purpose, check_certificate, load_certificate, load_identity
from kpr.security.season_keys import SeasonKeys
from kpr.security.trust_settings import Checked
from kpr.security.vault import MasterKey, Vault
from kpr.settings import Environment, Settings, load_settings
from kpr.store import Act, Attempts, Judgements, KeptBook, Legs, Store, TakenIn, migrate, open_engine
from kpr.transports.open import open_transport
from kpr.transports.seam import Transport
from kpr.years import Year, load_year


@dataclass
class Workplace:
    """Settings, year, store, vault, keys, transport and clock of one municipality's year."""

    settings: Settings
    year: Year
    store: Store
    vault: Vault
    transport: Transport
    clock: Clock
    address_book: AddressBook | None = None

    @property
    def label(self) -> str:
        """Municipality and data year, as it may stand in a name: ``1103-2020``."""
        return f"{self.settings.municipality.number}-{self.settings.data_year}"

    @property
    def shape(self) -> PayloadShape:
        """The shape of the IPLOS payload of the data year."""
        return iplos_shape(self.year.iplos_version.value)

    @property
    def attempts(self) -> Attempts:
        """The outbox."""
        return Attempts(self.store)

    @property
    def legs(self) -> Legs:
        """The two legs."""
        return Legs(self.store)

    def act(self, who: str = "kpr", why: str = "") -> Act:
        """Something done now by someone. BadInput when name or reason holds what looks like a national id.

        What the program or the register says is blotted instead: an answer with a number in it must be taken in.
        """
        if who in PROGRAMS:
            return Act(who, self.clock(), blot(why), Role.PROGRAM)
        refuse_ids(who, "--by")
        refuse_ids(why, "--reason")
        return Act(who, self.clock(), why, role_of(self.settings.people, who))

    def demand(self, deed: Deed, *names: str) -> None:
        """Locked unless each of these may do it, and one of them is who is logged in here (docs/people.md).

        A person's refused try leaves an event; the program's own is asked again every day, and leaves none.
        """
        people = self.settings.people
        for name in names:
            refuse_ids(name, "--by")
        try:
            demand(people, deed, names, _login() if people.logins else "")
        except Locked:
            if not PROGRAMS.issuperset(names):
                self._note_refusal(deed, ", ".join(sorted(names)))
            raise

    def _note_refusal(self, deed: Deed, who: str) -> None:
        with self.store.transaction() as session:
            self.store.note(session, self.act(who), "people", "REFUSED", to_state=deed)

    def too_late(self, now: datetime) -> bool:
        """Whether the absolute last date has passed; never, when it is not known.

        Practice against the stand-in, by the machine's own clock, is welcome at any time of the year.
        """
        if self.settings.environment is Environment.SIMULATOR and self.settings.clock_file is None:
            return False
        last = self.year.milestone("absolute_last")
        return last is not None and now > end_of_day(last.date)

    @property
    def taken_in(self) -> TakenIn:
        """What came by a route that acknowledges."""
        return TakenIn(self.store)

    @property
    def kept(self) -> KeptBook:
        """Documents under keys of their own."""
        return KeptBook(self.store, self.vault)

    @property
    def judgements(self) -> Judgements:
        """What people have judged."""
        return Judgements(self.store)

    @cached_property
    def packaging(self) -> Packaging:
        """The form in which messages travel to the register and back."""
        settings = self.settings
        own, theirs = settings.sender.service_her_id, settings.receiver.service_her_id
        return open_packaging(settings.transport, RegistersKeys(self), self.year, own, theirs)

    @cached_property
    def signing_identity(self) -> Identity:
        """Our signing certificate with its key, valid now."""
        identity = self._own_signing
        check_certificate(identity.certificate, Purpose.SIGN, self.clock())
        self.check_trust(identity.certificate, identity.chain)
        return identity

    @cached_property
    def _own_signing(self) -> Identity:
        keys = self.settings.keys
        return load_identity(keys.signing_certificate, keys.signing_key, keys.password_of("signing"))

    @cached_property
    def decryption_identities(self) -> tuple[Identity, ...]:
        """Our encryption certificate with its key, and the one that it replaced, where the settings still name it."""
        keys = self.settings.keys
        own = load_identity(keys.decryption_certificate, keys.decryption_key, keys.password_of("decryption"))
        if keys.former_decryption_certificate is None:
            return (own,)
        password = keys.password_of("former_decryption")
        return own, load_identity(keys.former_decryption_certificate, keys.former_decryption_key, password)

    @property
    def decryption_identity(self) -> Identity:
        """The present one of them."""
        return self.decryption_identities[0]

    @cached_property
    def register_encryption_certificate(self) -> x509.Certificate:
        """The register's encryption certificate, valid now."""
        return self._valid_register_certificate(Purpose.ENCRYPT)

    @cached_property
    def register_signing_certificate(self) -> x509.Certificate:
        """The certificate that the register signs with, valid now."""
        return self._valid_register_certificate(Purpose.SIGN)

    def _valid_register_certificate(self, purpose: Purpose) -> x509.Certificate:
        certificate = self._register_certificate(purpose)
        check_certificate(certificate, purpose, self.clock())
        self.check_trust(certificate)
        return certificate

    def _register_certificate(self, purpose: Purpose) -> x509.Certificate:
        """As the settings name it, or as the address book has it."""
        keys = self.settings.keys
        if purpose is Purpose.ENCRYPT:
            path = keys.register_encryption_certificate
            return load_certificate(path) if path else self._receiver_entry().encryption()
        path = keys.register_signing_certificate
        return load_certificate(path) if path else self._receiver_entry().signing()

    def check_trust(self, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()) -> Checked:
        """Whether it leads to a root that we trust and is not revoked. RevocationUnknown: to be tried again."""
        if self.settings.trust.roots is None:
            return Checked.NOTHING
        from kpr.security.trust import check_trust  # takes half a second to import

        return check_trust(certificate, chain, self.settings.trust, self.clock())

    def named_certificates(self) -> dict[str, x509.Certificate]:
        """All certificates in use, by the setting that names each. BadInput when one cannot be loaded."""
        keys = self.settings.keys
        return {
            "keys.signing_certificate": self._dates_of(keys.signing_certificate, lambda: self._own_signing),
            "keys.decryption_certificate": self._dates_of(
                keys.decryption_certificate, lambda: self.decryption_identity
            ),
            "keys.register_encryption_certificate": self._register_certificate(Purpose.ENCRYPT),
            "keys.register_signing_certificate": self._register_certificate(Purpose.SIGN),
        }

    def _dates_of(self, file: Path, identity: Callable[[], Identity]) -> x509.Certificate:
        """The certificate alone where a PEM file has it: loading its key takes longer than all else that is asked."""
        return identity().certificate if file.suffix.lower() in (".p12", ".pfx") else load_certificate(file)

    def _receiver_entry(self) -> Entry:
        if self.address_book is None:
            raise BadSettings(
                "The register's certificates are not named.",
                place="keys.register_encryption_certificate",
                remedy="Name them there, or give an address book that has them.",
            )
        return self.address_book.entry(self.settings.receiver.service_her_id)


@dataclass(frozen=True, slots=True)
class RegistersKeys:
    """The workplace's keys as packaging asks for them: the other party is the register."""

    place: Workplace

    @property
    def signing_identity(self) -> Identity:
        """What we sign with."""
        return self.place.signing_identity

    @property
    def decryption_identities(self) -> Sequence[Identity]:
        """What we open with."""
        return self.place.decryption_identities

    @property
    def their_encryption_certificate(self) -> x509.Certificate:
        """What we encrypt for."""
        return self.place.register_encryption_certificate

    @property
    def their_signing_certificate(self) -> x509.Certificate:
        """What the register signs with."""
        return self.place.register_signing_certificate


@contextmanager
def open_workplace(settings_file: Path) -> Iterator[Workplace]:
    """Open everything that a settings file names; BadSettings or BadCertificate when something does not fit."""
    with open_settings(load_settings(settings_file)) as place:
        yield place


@contextmanager
def open_settings(settings: Settings) -> Iterator[Workplace]:
    """The same for settings that have been read."""
    year = load_year(settings.data_year, settings.year_file)
    _check_receiver(settings, year)
    book = load_address_book(settings.addresses) if settings.addresses else None
    transport = open_transport(
        settings.transport, settings.sender.service_her_id, book, settings.receiver.service_her_id
    )
    engine = open_engine(settings.store.url.get_secret_value())
    try:
        migrate(engine)
        yield Workplace(
            settings,
            year,
            Store(engine, settings.municipality.number, settings.data_year),
            _open_vault(settings),
            transport,
            file_clock(settings.clock_file) if settings.clock_file else system_clock,
            book,
        )
    finally:
        transport.close()
        engine.dispose()


def season_label(settings: Settings) -> str:
    """Whose season keys: ``1103-2020``. A trial, which has a vault of its own, has keys of its own beside the real ones."""
    usual = f"{settings.municipality.number}-{settings.data_year}"
    vault = "".join(sign if sign.isalnum() else "_" for sign in settings.vault.folder.name)
    return usual if vault == "vault" else f"{usual}-{vault}"


def _open_vault(settings: Settings) -> Vault:
    said = settings.vault
    if said.season_folder.resolve().is_relative_to(said.folder.resolve()):
        raise BadSettings(
            "The season keys lie in the vault, so that its backups would have them.",
            place="vault.season_folder",
            remedy="Name a folder outside of vault.folder.",
        )
    seasons = SeasonKeys(said.season_folder, season_label(settings))
    return Vault(said.folder, MasterKey.load(said.key_file, said.key_variable), seasons)


def _check_receiver(settings: Settings, year: Year) -> None:
    """L0-5: in production, QA and test the receiver is the one of the data year's profile."""
    expected = {
        Environment.PRODUCTION: year.receiver_production,
        Environment.QA: year.receiver_qa,
        Environment.TEST: year.receiver_test,
    }
    if settings.environment is Environment.SIMULATOR:
        return
    profile = expected[settings.environment]
    if profile is None:
        raise BadSettings(
            f"Data year {year.data_year} has no receiver for {settings.environment}.",
            place="environment",
            remedy="Use another environment, or give it in a year_file.",
        )
    if settings.receiver.service_her_id != profile.value:
        raise BadSettings(
            f"The receiver's HER-id is not the one of data year {year.data_year} ({profile.value}, {profile.mark}).",
            place="receiver.service_her_id",
            remedy="Take it from Adresseregisteret; a newer one than the profile's goes into a year_file.",
        )


def _login() -> str:
    """The name of the machine's user that runs this; empty when it has none. Not by $USER: anyone can set that."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def approval(by: str, second: str | None, reason: str | None) -> Approval:
    """Who asks, and why, as the guard wants it: persons only, and the same one once, as the first wrote it."""
    named = {bare(name): name for name in (second, by) if name and bare(name) not in PROGRAMS}
    return Approval(frozenset(named.values()), reason or "")
