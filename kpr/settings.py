"""The settings of one municipality: one YAML file that explains itself (``kpr init``), secrets from elsewhere.

Every value may be overridden by the environment (``KPR_STORE__URL``), which is where passwords belong: a settings
file can be shown to anyone. Relative paths count from the folder of the settings file.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kpr.checks.finding import Mode
from kpr.errors import BadSettings
from kpr.letters.settings import Letters
from kpr.security.trust_settings import Trust
from kpr.settings_file import parsed, refuse_passwords, resolve_paths
from kpr.sources.open import SourceSpec
from kpr.transports.edi.settings import ImapServer
from kpr.transports.open import DirectorySettings, TransportSettings
from kpr.transports.secret import secret


class Environment(StrEnum):
    """Where the submission goes (addresses.md section 6): decides receiver, ProcessingStatus and who may be in it."""

    SIMULATOR = "simulator"
    TEST = "test"
    QA = "qa"
    PRODUCTION = "production"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Municipality(_Part):
    """Who reports: the number that was valid in the data year."""

    number: str = Field(pattern=r"^\d{4}$")
    name: str
    district: str = Field(default="00", pattern=r"^\d{2}$")
    organisation_number: str = Field(pattern=r"^\d{9}$")


class PartySettings(_Part):
    """Addressing on two levels (HIS 1153-2): organisation and communication party, by HER-id."""

    organisation_name: str
    organisation_her_id: str = Field(pattern=r"^[1-9][0-9]*$")
    service_name: str
    service_her_id: str = Field(pattern=r"^[1-9][0-9]*$")


class Keys(_Part):
    """Files with certificates and keys: PEM, or one PKCS#12 file for both.

    Passwords come by the environment, or from files that their owner alone can read: the environment is the same for
    every municipality of an installation.
    """

    signing_certificate: Path
    signing_key: Path | None = None
    decryption_certificate: Path
    decryption_key: Path | None = None
    #: The pair that was replaced: what was encrypted for it is still on its way (amqp.md s. 3.2, roll-over).
    former_decryption_certificate: Path | None = None
    former_decryption_key: Path | None = None
    #: When the address book has them, they need not stand here.
    register_encryption_certificate: Path | None = None
    register_signing_certificate: Path | None = None
    password: SecretStr | None = None
    signing_password: SecretStr | None = None
    decryption_password: SecretStr | None = None
    former_decryption_password: SecretStr | None = None
    password_file: Path | None = None
    signing_password_file: Path | None = None
    decryption_password_file: Path | None = None
    former_decryption_password_file: Path | None = None

    def password_of(self, use: Literal["signing", "decryption", "former_decryption"]) -> SecretStr | None:
        """The password of a key: its own before the one for all, None without any; BadSettings for an unusable file."""
        for name in (f"{use}_password", "password"):
            said, file = getattr(self, name), getattr(self, f"{name}_file")
            if said or file:
                return SecretStr(secret(said, file, place=f"keys.{name}_file"))
        return None


class VaultSettings(_Part):
    """Where the encrypted payloads lie, and the municipality's key that opens them (a file or a variable).

    ``season_folder`` has the keys that a purge destroys: no backup of the store or the vault may have it as well.
    """

    folder: Path = Path("vault")
    season_folder: Path = Path("keys/seasons")
    key_file: Path | None = Path("keys/municipality.key")
    key_variable: str | None = None


class MaildirSettings(_Part):
    """A folder where the ident feedback arrives, and the domains that it may come from."""

    kind: Literal["maildir"] = "maildir"
    folder: Path = Path("mail")
    sender_domains: tuple[str, ...] = ("register.example.invalid",)


class ImapMailboxSettings(ImapServer):
    """A mailbox where the ident feedback arrives. What counted is moved to ``archive``; ``failed`` is not used."""

    kind: Literal["imap"]
    username: str = Field(min_length=1)
    sender_domains: tuple[str, ...] = Field(min_length=1)


MailboxSettings = Annotated[MaildirSettings | ImapMailboxSettings, Field(discriminator="kind")]


#: Names the trial's database where ``KPR_STORE__URL`` names the real one, for both settings files.
TRIAL_STORE = "KPR_TRIAL_STORE__URL"


class StoreSettings(_Part):
    """The database of the conversation: SQLite by default, PostgreSQL by URL."""

    url: SecretStr = SecretStr("sqlite:///kpr.sqlite")


class Contact(_Part):
    """A contact person, written into both messages when the extract has none (code list 9341 type)."""

    type: str = Field(pattern="^[123]$")
    name: str
    phone: str
    email: str


class People(_Part):
    """Who may approve and who may operate, by the name that they give; empty: nobody is kept from anything."""

    approvers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    #: User name at this machine -> name above. Where it is set, people can only act under their own.
    logins: dict[str, str] = {}


class ExpectedUnits(_Part):
    """Units that must have recipients, also where nothing is known of last year (content rule Y4)."""

    districts: tuple[Annotated[str, Field(pattern=r"^\d{2}$")], ...] = ()
    providers: tuple[Annotated[str, Field(pattern=r"^\d{9}$")], ...] = ()


class Plausibility(_Part):
    """When a number asks for a reason (content rules X32, Y1-Y5; the limits are assumed)."""

    swing_percent: int = Field(default=20, ge=0)
    swing_persons: int = Field(default=10, ge=0)
    drift_percent: int = Field(default=5, ge=0)
    refusal_percent: int = Field(default=50, ge=0)
    #: How many must have had a service last year for it to be missed when nobody has it now.
    zero_from: int = Field(default=1, ge=1)
    expected: ExpectedUnits = ExpectedUnits()


class Pages(_Part):
    """Where the officer's page of each municipality is kept up to date, and the address under which people reach it.

    Without a folder no page is written. The page holds local keys and counts: whatever serves the folder must ask who
    they are (docs/report.md).
    """

    folder: Path | None = None
    url: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")


class Retention(_Part):
    """How many days after the absolute last date each kind of document is kept (assumed: no source has numbers).

    What was sent and received has its own, ``purge_days_after``. Figures are what next January is compared with, the
    list of test persons is proposed then, and what proves something is kept as long as records of accounts are.
    """

    figures: int = Field(default=800, ge=0)
    last_year: int = Field(default=800, ge=0)
    persons: int = Field(default=400, ge=0)
    keys: int = Field(default=30, ge=0)
    work_list: int = Field(default=30, ge=0)
    view: int = Field(default=3650, ge=0)
    letter: int = Field(default=3650, ge=0)
    proof: int = Field(default=3650, ge=0)


class CareRecordSystem(_Part):
    """The care-record system, when the extract does not say it itself."""

    vendor: str = ""
    name: str = ""
    version: str = ""
    extract_version: str = ""
    code: str = Field(default="", max_length=15)


class Settings(BaseSettings):
    """Everything that one municipality must say before it can report."""

    model_config = SettingsConfigDict(
        env_prefix="KPR_", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    municipality: Municipality
    data_year: int = Field(ge=2018, le=2100)
    environment: Environment = Environment.SIMULATOR
    source: SourceSpec | None = None
    sender: PartySettings
    receiver: PartySettings
    keys: Keys
    trust: Trust = Trust()
    vault: VaultSettings = VaultSettings()
    transport: TransportSettings = DirectorySettings()
    addresses: Path | None = None
    mailbox: MailboxSettings = MaildirSettings()
    store: StoreSettings = StoreSettings()
    contacts: tuple[Contact, ...] = ()
    care_record_system: CareRecordSystem = CareRecordSystem()
    rules: dict[str, Mode] = {}
    plausibility: Plausibility = Plausibility()
    people: People = People()
    pages: Pages = Pages()
    letters: Letters = Letters()
    year_file: Path | None = None
    receipt_refers_back: bool = True
    clock_file: Path | None = None
    extracted_on: date | None = None
    #: Days after the absolute last date from which everything is made unreadable (assumed: no source has a number).
    purge_days_after: int = Field(default=30, ge=0)
    retention: Retention = Retention()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file: that is where an operator puts what must not stand in it."""
        return env_settings, file_secret_settings, init_settings

    @model_validator(mode="after")
    def _trust_outside_the_simulator(self) -> Self:
        if self.environment in (Environment.QA, Environment.PRODUCTION) and self.trust.roots is None:
            raise ValueError("trust.roots is needed: the authorities of enterprise certificates (docs/amqp.md)")
        return self

    @field_validator("clock_file")
    @classmethod
    def _clock_only_in_simulator(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("environment") is not Environment.SIMULATOR:
            raise ValueError("a clock file is for the simulator only")
        return value


def load_settings(path: Path) -> Settings:
    """Read a settings file; BadSettings names the field that is wrong, never its value."""
    try:
        raw = parsed(path)
    except OSError as error:
        raise BadSettings(
            "The settings file cannot be read.", place=path.name, remedy="Make one with 'kpr init'."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSettings(
            "The settings file is not valid YAML in UTF-8.", place=_yaml_place(path, error), remedy="Mend that line."
        ) from None
    if not isinstance(raw, dict):
        raise BadSettings("The settings file is empty.", place=path.name, remedy="Make one with 'kpr init'.")
    refuse_passwords(raw, path)
    try:
        return Settings(**resolve_paths(raw, path.parent.resolve()))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadSettings(
            f"A setting is missing or wrong: {first['msg']}.", place=f"{path.name}: {field}", remedy="Mend it there."
        ) from None


def _yaml_place(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path.name}, line {mark.line + 1}" if mark else path.name
