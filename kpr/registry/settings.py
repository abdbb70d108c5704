"""The settings of the stand-in register: one YAML file, made by ``kpr init``."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from kpr.errors import BadSettings


class Sender(BaseModel):
    """A municipality that may send: its HER-id and its certificates."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    her_id: str
    municipality: str
    signing_certificate: Path
    encryption_certificate: Path
    mail_folder: Path


class RegisterSettings(BaseModel):
    """Everything that the stand-in register must know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    organisation_name: str
    organisation_her_id: str
    service_name: str
    service_her_id: str
    exchange_folder: Path
    state_folder: Path
    signing_certificate: Path
    signing_key: Path
    decryption_certificate: Path
    decryption_key: Path
    vault_key_file: Path
    mail_address: str
    senders: tuple[Sender, ...]
    scenario: Path | None = None
    clock_file: Path | None = None
    year_file: Path | None = None


def load_register_settings(path: Path) -> RegisterSettings:
    """Read the file; paths count from its folder. BadSettings names the field that is wrong."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings = RegisterSettings.model_validate(raw)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings(
            "The register's settings cannot be read.", place=path.name, remedy="Make them with 'kpr init'."
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadSettings(f"{first['msg']}.", place=f"{path.name}: {field}", remedy="Mend it there.") from None
    return _resolved(settings, path.parent.resolve())


def _resolved(settings: RegisterSettings, base: Path) -> RegisterSettings:
    paths = {name: base / value for name, value in settings if isinstance(value, Path)}
    senders = tuple(
        sender.model_copy(update={name: base / value for name, value in sender if isinstance(value, Path)})
        for sender in settings.senders
    )
    return settings.model_copy(update=paths | {"senders": senders})
