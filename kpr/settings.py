"""The settings of one municipality: one YAML file that explains itself (``kpr init``), secrets from elsewhere.

Every value may be overridden by the environment (``KPR_STORE__URL``), which is where passwords belong: a settings
file can be shown to anyone. Relative paths count from the folder of the settings file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
from kpr.security.trust_settings import Trust
from kpr.sources.open import SourceSpec
from kpr.transports.edi.settings import ImapServer
from kpr.transports.open import DirectorySettings, TransportSettings


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
    """Files with certificates and keys: PEM, or one PKCS#12 file for both. Passwords come by the environment."""

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


class VaultSettings(_Part):
    """Where the encrypted payloads lie, and the municipality's key that opens them (a file or a variable)."""

    folder: Path = Path("vault")
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


class StoreSettings(_Part):
    """The database of the conversation: SQLite by default, PostgreSQL by URL."""

    url: SecretStr = SecretStr("sqlite:///kpr.sqlite")


class Contact(_Part):
    """A contact person, written into both messages when the extract has none (code list 9341 type)."""

    type: str = Field(pattern="^[123]$")
    name: str
    phone: str
    email: str


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
    year_file: Path | None = None
    receipt_refers_back: bool = True
    clock_file: Path | None = None
    extracted_on: date | None = None

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
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
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
    _refuse_passwords(raw, path)
    try:
        return Settings(**_resolve_paths(raw, path.parent.resolve()))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadSettings(
            f"A setting is missing or wrong: {first['msg']}.", place=f"{path.name}: {field}", remedy="Mend it there."
        ) from None


def _refuse_passwords(raw: dict[str, Any], path: Path) -> None:
    """A settings file can be shown to anyone, so there is no place for a password in it."""
    for part in ("keys", "transport", "mailbox"):
        for place in _passwords(raw.get(part), part):
            variable = f"KPR_{place.replace('.', '__')}".upper()
            raise BadSettings(
                "A password stands in the settings file.",
                place=f"{path.name}: {place}",
                remedy=f"Take it out, change it, and set {variable} in the environment.",
            )


def _passwords(part: object, place: str) -> Iterator[str]:
    """Where passwords stand, however deep."""
    if isinstance(part, list):
        for value in part:
            yield from _passwords(value, place)
    if isinstance(part, dict):
        for name, value in part.items():
            if str(name).lower().endswith("password"):
                yield f"{place}.{name}"
            yield from _passwords(value, f"{place}.{name}")


def _yaml_place(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path.name}, line {mark.line + 1}" if mark else path.name


#: Settings that hold a path; counted from the folder of the settings file when relative. By part, and by kind where
#: the same word means something else: an IMAP server's folder is no path.
_SERVER = ("ca_file", "password_file")
_PATHS = {
    "keys": tuple(name for name in Keys.model_fields if not name.endswith("password")),
    "trust": ("roots",),
    "vault": ("folder", "key_file"),
    "transport": ("folder", "cpa_file", *_SERVER),
    "transport.carrier": ("folder", "known_hosts", "key_file", *_SERVER),
    "transport.carrier.smtp": _SERVER,
    "transport.carrier.imap": _SERVER,
    "mailbox": ("folder", *_SERVER),
    "mailbox imap": _SERVER,
    "source": ("iplos", "ident", "folder", "queries"),
}
_PATH_DEFAULTS: dict[str, dict[str, str]] = {
    "vault": {"folder": "vault", "key_file": "keys/municipality.key"},
    "transport": {"kind": "directory", "folder": "exchange"},
    "mailbox": {"kind": "maildir", "folder": "mail"},
}


def _resolve_paths(raw: dict[str, Any], base: Path) -> dict[str, Any]:
    settings = dict(raw)
    for part in ("keys", "trust", "vault", "transport", "mailbox", "source"):
        if part in settings or part in _PATH_DEFAULTS:
            fields = _with_defaults(_PATH_DEFAULTS.get(part, {}), dict(settings.get(part) or {}))
            settings[part] = _resolved(fields, part, base)
    for name in ("year_file", "clock_file", "addresses"):
        if settings.get(name):
            settings[name] = base / settings[name]
    url = (settings.get("store") or {}).get("url", "sqlite:///kpr.sqlite")
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        settings["store"] = {"url": f"sqlite:///{base / url.removeprefix('sqlite:///')}"}
    return settings


def _resolved(fields: dict[str, Any], place: str, base: Path) -> dict[str, Any]:
    """One part with its paths and those of the parts within it; what is not text is left for the check of its type."""
    names = _PATHS.get(f"{place} {fields.get('kind')}", _PATHS[place])
    paths = {name: base / fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]}
    within = {
        name: _resolved(value, f"{place}.{name}", base)
        for name, value in fields.items()
        if isinstance(value, dict) and f"{place}.{name}" in _PATHS
    }
    return fields | paths | within


def _with_defaults(defaults: dict[str, str], said: dict[str, Any]) -> dict[str, Any]:
    """The defaults of the kind that the settings name, or that is usual."""
    other = "kind" in defaults and said.get("kind", defaults["kind"]) != defaults["kind"]
    return said if other else defaults | said
