"""The installation: which municipalities this house reports for, and whom it tells when something needs a person.

One YAML file that names the settings file of each municipality. A house with one municipality needs none: its
settings file is an installation of one. Nothing is shared between municipalities but this list: each place has its
own source, keys, vault, mailbox and certificates.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kpr.alarms.settings import Tell
from kpr.errors import BadInput, BadSettings
from kpr.settings_file import parsed
from kpr.years import load_year

#: Parts of the settings that are each municipality's own, and what to name in its file instead of a variable: the
#: environment is the same for all of them.
_OWN = {
    "SOURCE": "source.url_file",
    "VAULT": "vault.key_file",
    "MUNICIPALITY": "municipality",
    "SENDER": "sender",
    "KEYS": "keys.password_file",
}

#: Where flows look for the installation when nothing else is said.
VARIABLE = "KPR_INSTALLATION"
FILE_NAMES = ("kpr-fleet.yaml", "kpr.yaml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One municipality's year: who, and where its settings are.

    ``trial``: its trial submission, as an entry of its own. That one says in ``trial_of`` what is really sent.
    """

    number: str
    name: str
    data_year: int
    environment: str
    her_id: str
    settings_file: Path
    trial: Entry | None = None
    trial_of: Path | None = None

    @property
    def rehearsal(self) -> Path | None:
        """The settings of the trial submission."""
        return self.trial.settings_file if self.trial else None

    @property
    def label(self) -> str:
        """As it stands in a run's name: ``1103 Stavanger · 2020``."""
        return f"{self.number} {self.name} · {self.data_year}"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = "kpr"
    places: tuple[str, ...] = Field(min_length=1)
    rehearsals: tuple[str, ...] = ()
    tell: Tell = Tell()


class Installation:
    """What the installation's file says, with each settings file looked into once.

    ``broken``: settings files that cannot be read, a sentence each. They stop nobody else, and are told wherever the
    others are shown.
    """

    def __init__(
        self, file: Path, name: str, entries: tuple[Entry, ...], tell: Tell, broken: tuple[str, ...] = ()
    ) -> None:
        self.file, self.name, self.entries, self.tell, self.broken = file, name, entries, tell, broken

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @cached_property
    def by_key(self) -> dict[tuple[str, int], Entry]:
        """The entries by municipality number and data year."""
        return {(entry.number, entry.data_year): entry for entry in self.entries}

    def find(self, number: str, data_year: int) -> Entry:
        """One municipality's year. BadInput when there was no such municipality then, or it is not one of ours."""
        year = load_year(data_year)
        if year.municipalities and year.municipality(number) is None:
            raise BadInput(
                f"Det fantes ingen kommune {number} i rapporteringsåret {data_year}.",
                place="municipality",
                remedy="Bruk nummeret kommunen hadde 1. januar i rapporteringsåret.",
            )
        entry = self.by_key.get((number, data_year))
        if entry is None:
            raise BadInput(
                f"Kommune {number} for {data_year} er ikke en av dem denne installasjonen rapporterer for.",
                place="municipality",
                remedy=f"Legg innstillingsfilen til under places i {self.file.name}.",
            )
        return entry


def find_installation(folder: Path | None = None) -> Path:
    """The file that the environment names, or the one that lies in the folder (the working directory)."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = folder or Path.cwd()
    found = next((here / name for name in FILE_NAMES if (here / name).exists()), None)
    if found is None:
        raise BadSettings(
            "No installation was found.",
            place=str(VARIABLE),
            remedy=f"Make {' or '.join(FILE_NAMES)} with 'kpr init', or name one in {VARIABLE}.",
        )
    return found


def load_installation(path: Path) -> Installation:
    """Read an installation, or one municipality's settings file as an installation of one; BadSettings with place."""
    raw = _read(path)
    if "municipality" in raw:
        return Installation(path, "kpr", (_entry(path, raw),), Tell())
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadSettings(f"{first['msg']}.", place=f"{path.name}: {where}", remedy="Mend it there.") from None
    broken: list[str] = []
    rehearsals = {(one.number, one.data_year): one for one in _entries(path, file.rehearsals, "rehearsals", broken)}
    entries = tuple(_with_rehearsal(one, rehearsals) for one in _entries(path, file.places, "places", broken))
    if not entries:
        raise BadSettings("No municipality's settings can be read.", place=path.name, remedy=broken[0])
    if len({entry.number for entry in entries}) + len(broken) > 1:
        _refuse_variables()
    return Installation(path, file.name, entries, file.tell.resolved(path.parent.resolve()), tuple(broken))


def _refuse_variables() -> None:
    """BadSettings names a variable that would give every municipality what is one's own, and shows nothing of it."""
    for variable in sorted(os.environ):
        prefix, _, part = variable.upper().partition("__")[0].partition("_")
        if prefix == "KPR" and part in _OWN:
            raise BadSettings(
                "A variable of the environment holds for all municipalities of the installation at once.",
                place=variable,
                remedy=f"Take it away, and say {_OWN[part]} in each municipality's settings file.",
            )


def _with_rehearsal(entry: Entry, rehearsals: dict[tuple[str, int], Entry]) -> Entry:
    trial = rehearsals.get((entry.number, entry.data_year))
    if trial is None:
        return entry
    return replace(entry, trial=replace(trial, name=f"{entry.name} (prøve)", trial_of=entry.settings_file))


def with_trials(entries: Iterable[Entry]) -> list[Entry]:
    """These, each followed by its trial submission: for what must look at both."""
    return [one for entry in entries for one in (entry, entry.trial) if one is not None]


def _entries(path: Path, patterns: tuple[str, ...], part: str, broken: list[str]) -> Iterator[Entry]:
    """Each settings file that the patterns name, in order; two for one municipality's year are refused."""
    seen: dict[tuple[str, int], Path] = {}
    for file in _files(path, patterns, part):
        if file in seen.values():  # named by two patterns
            continue
        try:
            entry = _entry(file, _read(file))
        except BadSettings as error:
            broken.append(f"{_short(file, path)}: {error}")
            continue
        first = seen.setdefault((entry.number, entry.data_year), file)
        if first is not file:
            raise BadSettings(
                f"Two profiles for municipality {entry.number}, data year {entry.data_year}.",
                place=f"{path.name}: {part}: {_short(first, path)} and {_short(file, path)}",
                remedy="Keep one; the trial submission's profile belongs under rehearsals.",
            )
        yield entry


def _files(path: Path, patterns: tuple[str, ...], part: str) -> Iterator[Path]:
    for pattern in patterns:
        files = sorted(path.parent.resolve().glob(pattern))
        if not files:
            raise BadSettings(
                "No settings file fits.",
                place=f"{path.name}: {part}: {pattern}",
                remedy="Mend the path, or take it out.",
            )
        yield from files


def _short(file: Path, path: Path) -> str:
    base = path.parent.resolve()
    return str(file.relative_to(base)) if file.is_relative_to(base) else file.name


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = parsed(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings(
            "The file cannot be read as YAML in UTF-8.", place=path.name, remedy="Make one with 'kpr init'."
        ) from None
    if not isinstance(raw, dict):
        raise BadSettings("The file is empty.", place=path.name, remedy="Make one with 'kpr init'.")
    return raw


def _entry(file: Path, raw: dict[str, Any]) -> Entry:
    """Who a settings file is for. The whole of it is checked when the place is opened."""
    try:
        who = raw["municipality"]
        return Entry(
            str(who["number"]),
            str(who["name"]),
            int(raw["data_year"]),
            str(raw.get("environment", "simulator")),
            str(raw["sender"]["service_her_id"]),
            file,
        )
    except (KeyError, TypeError, ValueError):
        raise BadSettings(
            "The settings file does not say which municipality, data year and communication party it is for.",
            place=file.name,
            remedy="Make one with 'kpr init'.",
        ) from None
