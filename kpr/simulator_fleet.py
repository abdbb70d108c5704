"""Lays out many municipalities with one stand-in register: to practise as a shared centre, for the demo and the bench.

Each place has its own settings, master key, vault, store and mailbox. Making RSA keys is slow, so where hundreds are
wanted the places take turns with a few pairs; only a simulator may do that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.security.certificates import Identity, Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.security.vault import MasterKey
from kpr.simulator import NewPlace, settings_text, write_register
from kpr.synth import SyntheticMunicipality
from kpr.synth.write import write_xml
from kpr.years import load_year

#: The HER-ids of the places begin here; the stand-in register's own are below.
_FIRST_HER_ID = 8_100_000
_UP = "../../"


@dataclass(frozen=True, slots=True)
class _Pair:
    """A municipality's two identities."""

    sign: Identity
    decrypt: Identity


def make_fleet(
    folder: Path,
    numbers: Sequence[str],
    *,
    data_year: int = 2020,
    persons: int = 25,
    plays: Sequence[Mapping[str, Any]] = (),
    key_pairs: int = 24,
    marked: Sequence[str] = (),
) -> Path:
    """Settings, keys and extracts for these municipalities, and a register for them all; the installation's file.

    ``plays``: the register's scenario (docs/stand-in-register.md). ``marked``: national ids to put into the extracts.
    """
    authority = make_authority()
    ours = _register_keys(folder / "register" / "keys", authority)
    pairs = [_new_pair(authority, number) for number in range(min(len(numbers), key_pairs))]
    senders = []
    for place, (number, pair) in enumerate(zip(numbers, cycle(pairs), strict=False)):
        her_id = _FIRST_HER_ID + 2 * place
        new = _new_place(number, data_year, her_id)
        _make_place(folder / "places" / number, new, pair, ours)
        extract_for(folder / "places" / number, number, data_year, persons, seed=place + 1, marked=marked)
        senders.append(_sender(folder / "register" / "keys", new, pair))
    write_register(folder / "register", NewPlace(data_year=data_year, clock=True), senders)
    _write_scenario(folder / "register", plays)
    file = folder / "kpr-fleet.yaml"
    file.write_text(yaml.safe_dump({"name": "Øvingssenteret", "places": ["places/*/kpr.yaml"]}, allow_unicode=True))
    return file


def extract_for(
    place: Path,
    number: str,
    data_year: int,
    persons: int,
    *,
    seed: int,
    faults: Mapping[str, int] | None = None,
    marked: Sequence[str] = (),
) -> None:
    """What the care-record system of this place exports: written anew, with these faults in it."""
    year = load_year(data_year)
    source = SyntheticMunicipality(year, persons, seed, number, faults=dict(faults or {}), marked=tuple(marked))
    write_xml(source, year, place / "uttrekk")


def _new_place(number: str, data_year: int, her_id: int) -> NewPlace:
    known = load_year(data_year).municipality(number)
    name = known.name if known else f"Kommune {number}"
    return NewPlace(number, name, data_year=data_year, clock=True, her_ids=(str(her_id), str(her_id + 1)), shared=_UP)


def _register_keys(keys: Path, authority: Identity) -> _Pair:
    pair = _Pair(
        make_identity(authority, "register sign", Purpose.SIGN),
        make_identity(authority, "register decrypt", Purpose.ENCRYPT),
    )
    write_identity(pair.sign, keys / "sign.pem", keys / "sign.key")
    write_identity(pair.decrypt, keys / "decrypt.pem", keys / "decrypt.key")
    MasterKey.make(keys / "register.key")
    return pair


def _new_pair(authority: Identity, number: int) -> _Pair:
    return _Pair(
        make_identity(authority, f"municipality {number} sign", Purpose.SIGN),
        make_identity(authority, f"municipality {number} decrypt", Purpose.ENCRYPT),
    )


def _make_place(place: Path, new: NewPlace, pair: _Pair, register: _Pair) -> None:
    keys = place / "keys"
    write_identity(pair.sign, keys / "sign.pem", keys / "sign.key")
    write_identity(pair.decrypt, keys / "decrypt.pem", keys / "decrypt.key")
    _write_certificate(register.sign, keys / "register-sign.pem")
    _write_certificate(register.decrypt, keys / "register-encrypt.pem")
    MasterKey.make(keys / "municipality.key")
    (place / "kpr.yaml").write_text(settings_text(new), encoding="utf-8")


def _write_certificate(identity: Identity, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(identity.certificate.public_bytes(Encoding.PEM))


def _sender(keys: Path, new: NewPlace, pair: _Pair) -> dict[str, Any]:
    _write_certificate(pair.sign, keys / f"{new.number}-sign.pem")
    _write_certificate(pair.decrypt, keys / f"{new.number}-decrypt.pem")
    return {
        "her_id": new.her_ids[1],
        "municipality": new.number,
        "signing_certificate": f"keys/{new.number}-sign.pem",
        "encryption_certificate": f"keys/{new.number}-decrypt.pem",
        "mail_folder": f"../places/{new.number}/mail",
    }


def _write_scenario(register: Path, plays: Sequence[Mapping[str, Any]]) -> None:
    (register / "scenario.yaml").write_text(yaml.safe_dump({"plays": [dict(play) for play in plays]}), "utf-8")
    settings = register / "register.yaml"
    settings.write_text(settings.read_text("utf-8") + "scenario: scenario.yaml\n", encoding="utf-8")
