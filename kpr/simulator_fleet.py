"""Lays out many municipalities with one stand-in register: to practise as a shared centre, for the demo and the bench.

Each place has its own settings, master key, vault, store and mailbox. Making RSA keys is slow, so where hundreds are
wanted the places take turns with a few pairs; only a simulator may do that.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from kpr.yaml_file import read_yaml
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
    trials: bool = False,
    ending: Mapping[str, datetime] | None = None,
) -> Path:
    """Settings, keys and extracts for these municipalities, and a register for them all; the installation's file.

    ``plays``: the register's scenario (docs/stand-in-register.md). ``marked``: national ids to put into the extracts.
    ``trials``: each place gets a profile for the trial submission too, and all of them a trial register. ``ending``:
    municipalities whose certificates are their own, and end then.
    """
    authority, ending = make_authority(), ending or {}
    ours = _register_keys(folder / "register" / "keys", authority)
    shared = cycle([_new_pair(authority, str(number)) for number in range(min(len(numbers), key_pairs))])
    senders = []
    for place, number in enumerate(numbers):
        pair = _new_pair(authority, number, ending[number]) if number in ending else next(shared)
        new = _new_place(number, data_year, _FIRST_HER_ID + 2 * place)
        _make_place(folder / "places" / number, new, pair, ours)
        extract_for(folder / "places" / number, number, data_year, persons, marked=marked)
        senders.append(_sender(folder / "register" / "keys", new, pair))
    write_register(folder / "register", NewPlace(data_year=data_year, clock=True), senders)
    _write_scenario(folder / "register", plays)
    if trials:
        _make_trials(folder, senders, data_year)
    file = folder / "kpr-fleet.yaml"
    named: dict[str, Any] = {"name": "Øvingssenteret", "places": ["places/*/kpr.yaml"]}
    named |= {"rehearsals": ["places/*/trial.yaml"]} if trials else {}
    file.write_text(yaml.safe_dump(named, allow_unicode=True), "utf-8")
    return file


def extract_for(
    place: Path,
    number: str,
    data_year: int,
    persons: int,
    *,
    seed: int | None = None,
    faults: Mapping[str, int] | None = None,
    marked: Sequence[str] = (),
) -> None:
    """What the care-record system of this place exports: written anew, with these faults in it.

    The same municipality has the same persons each time; a ``seed`` gives it others.
    """
    year, seed = load_year(data_year), int(number) if seed is None else seed
    source = SyntheticMunicipality(year, persons, seed, number, faults=dict(faults or {}), marked=tuple(marked))
    write_xml(source, year, place / "uttrekk")


def _new_place(number: str, data_year: int, her_id: int) -> NewPlace:
    known = load_year(data_year).municipality(number)
    name = known.name if known else f"Kommune {number}"
    return NewPlace(number, name, data_year=data_year, clock=True, her_ids=(str(her_id), str(her_id + 1)), shared=_UP)


def _write_pair(keys: Path, pair: _Pair) -> None:
    write_identity(pair.sign, keys / "sign.pem", keys / "sign.key")
    write_identity(pair.decrypt, keys / "decrypt.pem", keys / "decrypt.key")


def _write_certificates(keys: Path, number: str, pair: _Pair) -> None:
    _write_certificate(pair.sign, keys / f"{number}-sign.pem")
    _write_certificate(pair.decrypt, keys / f"{number}-decrypt.pem")


def _register_keys(keys: Path, authority: Identity) -> _Pair:
    pair = _Pair(
        make_identity(authority, "register sign", Purpose.SIGN),
        make_identity(authority, "register decrypt", Purpose.ENCRYPT),
    )
    _write_pair(keys, pair)
    MasterKey.make(keys / "register.key")
    return pair


def _new_pair(authority: Identity, name: str, ends: datetime | None = None) -> _Pair:
    until: dict[str, Any] = {"valid_to": ends} if ends else {}
    return _Pair(
        make_identity(authority, f"municipality {name} sign", Purpose.SIGN, **until),
        make_identity(authority, f"municipality {name} decrypt", Purpose.ENCRYPT, **until),
    )


def renew_certificates(folder: Path, number: str) -> None:
    """New certificates for one municipality, which the register is given too: it must be opened anew to see them."""
    pair = _new_pair(make_authority(), number)
    _write_pair(folder / "places" / number / "keys", pair)
    _write_certificates(folder / "register" / "keys", number, pair)


def _make_place(place: Path, new: NewPlace, pair: _Pair, register: _Pair) -> None:
    keys = place / "keys"
    _write_pair(keys, pair)
    _write_certificate(register.sign, keys / "register-sign.pem")
    _write_certificate(register.decrypt, keys / "register-encrypt.pem")
    MasterKey.make(keys / "municipality.key")
    (place / "kpr.yaml").write_text(settings_text(new), encoding="utf-8")


def _write_certificate(identity: Identity, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(identity.certificate.public_bytes(Encoding.PEM))


def _sender(keys: Path, new: NewPlace, pair: _Pair) -> dict[str, Any]:
    _write_certificates(keys, new.number, pair)
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


def _make_trials(folder: Path, senders: Sequence[Mapping[str, Any]], data_year: int) -> None:
    """A register for trials, and for each place a profile with a database, a vault and a way of its own."""
    register = folder / "trial" / "register"
    shutil.copytree(folder / "register" / "keys", register / "keys")
    for sender in senders:
        place = folder / "places" / sender["municipality"]
        trial = read_yaml(place / "kpr.yaml")
        for part, values in _TRIAL.items():
            trial[part] |= values
        (place / "trial.yaml").write_text(yaml.safe_dump(trial, allow_unicode=True), "utf-8")
    mails = [{**each, "mail_folder": f"../../places/{each['municipality']}/trial-mail"} for each in senders]
    write_register(register, NewPlace(data_year=data_year, clock=True, shared="../"), mails)


_TRIAL: Mapping[str, Mapping[str, str]] = {
    "store": {"url": "sqlite:///trial.sqlite"},
    "vault": {"folder": "trial-vault"},
    "mailbox": {"folder": "trial-mail"},
    "transport": {"folder": f"{_UP}trial/exchange"},
}
