"""The simulator's part of a place on a bus: address books for both sides, and what the broker must have.

Queue names here follow the customary pattern on purpose, and one does not: whoever derives a name from a HER-id fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kpr.security.throwaway import write_private


@dataclass(frozen=True, slots=True)
class SimulatedBus:
    """A broker on this machine, and the two users on it."""

    host: str
    port: int
    ca_file: str
    municipality_password: str
    register_password: str
    dialect: str = "amqp10"
    exchange: str = "SIMULATORServiceBus"
    municipality_user: str = "municipality"
    register_user: str = "register"
    municipality_password_file: str = "keys/bus.password"  # noqa: S105  (a path)
    dead_letter_queue: str = "8000002_dl"

    #: A shared queue at company level, as NHN recommends: not the party's own HER-id.
    municipality_queue: str = "8000001_async"
    municipality_errors: str = "8000002_error"
    register_queue: str = "8000004_async"
    register_errors: str = "8000004_error"

    def queues(self) -> Mapping[str, str | None]:
        """What must be declared: each queue with the one that its dead letters go to."""
        return {
            self.dead_letter_queue: None,
            self.municipality_queue: self.dead_letter_queue,
            self.municipality_errors: self.dead_letter_queue,
            self.register_queue: None,
            self.register_errors: None,
        }

    def registered(self, queue: str) -> str:
        """A queue as Adresseregisteret has it."""
        return f"{self.host}/{self.exchange}/{queue}"


def write_bus_files(folder: Path, bus: SimulatedBus, ours: tuple[str, str], theirs: tuple[str, str]) -> dict[str, Any]:
    """Write address books and passwords for both sides; the register's transport settings. HER-ids are (level 1, 2)."""
    write_private(folder / bus.municipality_password_file, bus.municipality_password.encode())
    write_private(folder / "register" / "keys" / "bus.password", bus.register_password.encode())
    municipality = _entry(bus, ours, "Saksbehandling", bus.municipality_queue, bus.municipality_errors)
    register = _entry(bus, theirs, "Register", bus.register_queue, bus.register_errors)
    write_book(folder / "addresses.yaml", municipality, register | certificates("keys/register-"))
    write_book(folder / "register" / "addresses.yaml", municipality, register)
    return {
        "kind": "amqp",
        "dialect": bus.dialect,
        "host": bus.host,
        "port": bus.port,
        "ca_file": bus.ca_file,
        "exchange": bus.exchange,
        "username": bus.register_user,
        "password_file": "keys/bus.password",
        "system_identifier": "kpr stand-in register",
    }


def _entry(bus: SimulatedBus, her_ids: tuple[str, str], name: str, queue: str, errors: str) -> dict[str, Any]:
    return {
        "her_id": her_ids[1],
        "name": name,
        "parent_her_id": her_ids[0],
        "parent_name": "Oppdiktet",
        "addresses": {"E_SB_ASYNC": bus.registered(queue), "E_SB_ERROR": bus.registered(errors)},
    }


def certificates(prefix: str) -> dict[str, str]:
    """The fields that name the register's certificates."""
    return {"encryption_certificate": f"{prefix}encrypt.pem", "signing_certificate": f"{prefix}sign.pem"}


def write_book(path: Path, *parties: dict[str, Any]) -> None:
    """An address book with these parties."""
    book = {"fetched": "2020-12-01", "source": "simulator", "parties": list(parties)}
    text = "# Adresseboken, som fra Adresseregisteret; her er alt oppdiktet.\n"
    path.write_text(text + yaml.safe_dump(book, allow_unicode=True, sort_keys=False), encoding="utf-8")
