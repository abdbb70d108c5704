"""Lays out a place to work in: settings, throw-away keys, and a stand-in register to talk to. For ``kpr init``.

For the simulator everything is made, so that ``kpr report`` works at once. For a real environment only the settings
file is written: certificates come from the municipality's own issuer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kpr.errors import BadSettings
from kpr.security.certificates import Identity, Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.security.vault import MasterKey
from kpr.simulator_bus import SimulatedBus, write_bus_files
from kpr.simulator_edi import FEEDBACK_ADDRESS, SimulatedEdi, write_edi_files
from kpr.years import load_year

MAIL_DOMAIN = "register.example.invalid"

#: HER-ids of the simulator: seven digits beginning with 8, as the test register has them; invented.
_OURS = ("8000001", "8000002")
_REGISTER = ("8000003", "8000004")


@dataclass(frozen=True, slots=True)
class NewPlace:
    """What to write into the settings."""

    number: str = "1103"
    name: str = "Eksempel kommune"
    organisation_number: str = "777777777"
    data_year: int = 2020
    environment: str = "simulator"
    clock: bool = False
    bus: SimulatedBus | None = None
    edi: SimulatedEdi | None = None
    #: HER-ids of organisation and communication party.
    her_ids: tuple[str, str] = _OURS
    #: Where the exchange folder and the clock lie, seen from here, when several places share them.
    shared: str = ""


def make_place(folder: Path, new: NewPlace) -> Path:
    """Write settings (and for the simulator keys and a register) into a folder; the settings file."""
    settings = folder / "kpr.yaml"
    if settings.exists():
        raise BadSettings(
            "There is a settings file already.", place=settings.name, remedy="Edit it, or choose another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if new.environment == "simulator":
        _make_keys(folder)
        MasterKey.make(folder / "register" / "keys" / "register.key")
    MasterKey.make(folder / "keys" / "municipality.key")
    write_settings(folder, new)
    return settings


def write_settings(folder: Path, new: NewPlace) -> None:
    """The settings of both sides, for keys that lie there."""
    if new.environment == "simulator":
        write_register(folder / "register", new, [_sender(new)])
    (folder / "kpr.yaml").write_text(settings_text(new), encoding="utf-8")


def settings_text(new: NewPlace) -> str:
    """The municipality's settings file."""
    year = load_year(new.data_year)
    simulated = new.environment == "simulator"
    receiver = _REGISTER if simulated else ("", year.receiver_production.value)
    values = {
        "number": new.number,
        "name": new.name,
        "organisation_number": new.organisation_number,
        "data_year": new.data_year,
        "environment": new.environment,
        "sender_organisation_her_id": new.her_ids[0] if simulated else "",
        "sender_service_her_id": new.her_ids[1] if simulated else "",
        "receiver_organisation_name": "Registereier (stedfortreder)" if simulated else "",
        "receiver_organisation_her_id": receiver[0],
        "receiver_service_name": year.receiver_name.value,
        "receiver_service_her_id": receiver[1],
        "mail_domain": MAIL_DOMAIN if simulated else "",
        "clock_file": f"{new.shared}clock" if new.clock else "",
        "shared": new.shared,
        "bus": new.bus,
        "edi": new.edi,
    }
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False)  # noqa: S701  (YAML, not HTML)
    return templates.get_template("settings_template.yaml").render(values)


def _make_keys(folder: Path) -> None:
    """Two pairs for each side from one throw-away authority; each side gets the other's certificates only."""
    authority = make_authority()
    ours, theirs = folder / "keys", folder / "register" / "keys"
    for name, purpose in (("sign", Purpose.SIGN), ("decrypt", Purpose.ENCRYPT)):
        _pair(authority, f"municipality {name}", purpose, ours / name, theirs / f"municipality-{name}.pem")
        other = {"sign": "register-sign.pem", "decrypt": "register-encrypt.pem"}[name]
        _pair(authority, f"register {name}", purpose, theirs / name, ours / other)


def _pair(authority: Identity, name: str, purpose: Purpose, own: Path, other: Path) -> None:
    identity = make_identity(authority, name, purpose)
    certificate = own.with_suffix(".pem")
    write_identity(identity, certificate, own.with_suffix(".key"))
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(certificate.read_bytes())


def _way_to_register(folder: Path, new: NewPlace) -> dict[str, Any]:
    if new.bus is not None:
        return {"transport": write_bus_files(folder.parent, new.bus, _OURS, _REGISTER), "addresses": "addresses.yaml"}
    if new.edi is not None:
        mail = {"mail_server": dict(new.edi.mail_server)} if new.edi.mail_server else {}
        transport = write_edi_files(folder.parent, new.edi, _OURS, _REGISTER)
        return {"transport": transport, "addresses": "addresses.yaml", **mail}
    return {"exchange_folder": "../exchange"}


def _way_of_mail(new: NewPlace) -> dict[str, str]:
    """Where the ident e-mail goes: into the municipality's own folder, or to its address by SMTP."""
    by_mail = new.edi is not None and new.edi.mail_server is not None
    return {"mail_to": FEEDBACK_ADDRESS} if by_mail else {"mail_folder": "../mail"}


def _sender(new: NewPlace) -> dict[str, Any]:
    """The municipality as the register knows it."""
    return {
        "her_id": new.her_ids[1],
        "municipality": new.number,
        "signing_certificate": "keys/municipality-sign.pem",
        "encryption_certificate": "keys/municipality-decrypt.pem",
        **_way_of_mail(new),
    }


def write_register(folder: Path, new: NewPlace, senders: Sequence[dict[str, Any]]) -> None:
    """The stand-in register's settings, for keys that lie there and for these senders."""
    settings: dict[str, Any] = {
        "organisation_name": "Registereier (stedfortreder)",
        "organisation_her_id": _REGISTER[0],
        "service_name": load_year(new.data_year).receiver_name.value,
        "service_her_id": _REGISTER[1],
        **_way_to_register(folder, new),
        "state_folder": "state",
        "signing_certificate": "keys/sign.pem",
        "signing_key": "keys/sign.key",
        "decryption_certificate": "keys/decrypt.pem",
        "decryption_key": "keys/decrypt.key",
        "vault_key_file": "keys/register.key",
        "mail_address": f"kpr@{MAIL_DOMAIN}",
        "senders": list(senders),
    }
    if new.clock:
        settings["clock_file"] = f"../{new.shared}clock"
    text = (
        "# Stedfortrederen for registeret. Feil den skal spille: scenario: scenario.yaml (docs/stand-in-register.md)\n"
    )
    (folder / "register.yaml").write_text(text + yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), "utf-8")
