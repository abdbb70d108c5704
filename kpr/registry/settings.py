"""The settings of the stand-in register: one YAML file, made by ``kpr init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kpr.errors import BadSettings
from kpr.transports.edi.settings import SmtpServer
from kpr.transports.open import DirectorySettings, TransportSettings
from kpr.yaml_file import read_yaml

HerId = Annotated[str, Field(pattern=r"^[1-9][0-9]*$", max_length=20)]


class Sender(BaseModel):
    """A municipality that may send: its HER-id (level 2), its certificates, and where its mail goes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    her_id: HerId
    municipality: str = Field(pattern=r"^\d{4}$")
    signing_certificate: Path
    encryption_certificate: Path
    mail_folder: Path | None = None
    mail_to: str | None = Field(default=None, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")

    @model_validator(mode="after")
    def _one_place_for_mail(self) -> Self:
        if (self.mail_folder is None) == (self.mail_to is None):
            raise ValueError("give mail_folder, or mail_to with the register's mail_server")
        return self


class RegisterSettings(BaseModel):
    """Everything that the stand-in register must know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    organisation_name: str
    organisation_her_id: HerId
    service_name: str
    service_her_id: HerId
    exchange_folder: Path | None = None
    transport: TransportSettings | None = None
    addresses: Path | None = None
    state_folder: Path
    signing_certificate: Path
    signing_key: Path
    decryption_certificate: Path
    decryption_key: Path
    vault_key_file: Path
    mail_address: str = Field(pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")
    mail_server: SmtpServer | None = None
    senders: tuple[Sender, ...]
    scenario: Path | None = None
    clock_file: Path | None = None
    year_file: Path | None = None

    @property
    def transport_settings(self) -> TransportSettings:
        """How it is reached: as ``transport`` says, or by the folder."""
        return self.transport or DirectorySettings(folder=self.exchange_folder or Path("exchange"))

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.transport is None) == (self.exchange_folder is None):
            raise ValueError("give exchange_folder or transport, and not both")
        return self

    @model_validator(mode="after")
    def _mail_can_leave(self) -> Self:
        if self.mail_server is None and any(sender.mail_to for sender in self.senders):
            raise ValueError("mail_to needs a mail_server")
        return self

    @model_validator(mode="after")
    def _each_sender_once(self) -> Self:
        her_ids = [sender.her_id for sender in self.senders]
        if len(set(her_ids)) != len(her_ids):
            raise ValueError("two senders have the same her_id")
        return self


def load_register_settings(path: Path) -> RegisterSettings:
    """Read the file; paths count from its folder. BadSettings names the field that is wrong."""
    try:
        raw = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError):  # ValueError: bad UTF-8, and a date that does not exist
        raise BadSettings(
            "The register's settings cannot be read.", place=path.name, remedy="Make them with 'kpr init'."
        ) from None
    try:
        settings = RegisterSettings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        place = f"{path.name}: {where}" if where else path.name
        raise BadSettings(f"{said}.", place=place, remedy="Mend it there.") from None
    return _resolved(settings, path.parent.resolve())


def _resolved(settings: RegisterSettings, base: Path) -> RegisterSettings:
    paths = {name: base / value for name, value in settings if isinstance(value, Path)}
    senders = tuple(
        sender.model_copy(update={name: base / value for name, value in sender if isinstance(value, Path)})
        for sender in settings.senders
    )
    transport = settings.transport
    if transport is not None:
        own = {name: base / value for name, value in transport if isinstance(value, Path)}
        transport = transport.model_copy(update=own)
    return settings.model_copy(update=paths | {"senders": senders, "transport": transport})
