"""The simulator's part of a place on the EDI route: settings, addresses and secrets for both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kpr.security.throwaway import write_private
from kpr.simulator_bus import certificates, write_book

MUNICIPALITY_ADDRESS = "iplos@kommune.example.invalid"
REGISTER_ADDRESS = "kpr@register.example.invalid"

#: Where the ident e-mail goes: a mailbox of people, not of machines.
FEEDBACK_ADDRESS = "omsorg@kommune.example.invalid"


@dataclass(frozen=True, slots=True)
class SimulatedEdi:
    """How both sides reach each other. Settings as they stand in the files; ``mailbox`` where the ident mail comes.

    ``secrets`` are files to write, readable by their owner alone; paths count from the municipality's folder.
    """

    municipality: Mapping[str, Any]
    register: Mapping[str, Any]
    mailbox: Mapping[str, Any] | None = None
    mail_server: Mapping[str, Any] | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_text(self) -> str:
        """The municipality's transport and mailbox, as they stand in its settings file."""
        parts = {"transport": dict(self.municipality)} | ({"mailbox": dict(self.mailbox)} if self.mailbox else {})
        return yaml.safe_dump(parts, allow_unicode=True, sort_keys=False)


def edi_by_folder(folder: Path, **more: Any) -> SimulatedEdi:
    """A folder on this machine between the two; ``more`` goes into the municipality's settings."""

    def side(outbox: str, inbox: str, own: str) -> dict[str, Any]:
        folders = {"outbox": outbox, "inbox": inbox, "archive": f"{own}-archive", "failed": f"{own}-failed"}
        return {"kind": "edi", "carrier": {"kind": "folder", "folder": str(folder), "folders": folders}}

    folder.mkdir(parents=True, exist_ok=True)
    ours = side("to-register", "to-municipality", "municipality") | more
    return SimulatedEdi(ours, side("to-municipality", "to-register", "register"))


def write_edi_files(folder: Path, edi: SimulatedEdi, ours: tuple[str, str], theirs: tuple[str, str]) -> dict[str, Any]:
    """Write address books and secrets for both sides; the register's transport settings. HER-ids are (level 1, 2)."""
    for name, secret in edi.secrets.items():
        write_private(folder / name, secret.encode())
    municipality = _entry(ours, "Saksbehandling", MUNICIPALITY_ADDRESS)
    register = _entry(theirs, "Register", REGISTER_ADDRESS)
    write_book(folder / "addresses.yaml", municipality, register | certificates("keys/register-"))
    write_book(folder / "register" / "addresses.yaml", municipality, register)
    return dict(edi.register)


def _entry(her_ids: tuple[str, str], name: str, address: str) -> dict[str, Any]:
    return {
        "her_id": her_ids[1],
        "name": name,
        "parent_her_id": her_ids[0],
        "parent_name": "Oppdiktet",
        "addresses": {"E_EDI": address},
    }
