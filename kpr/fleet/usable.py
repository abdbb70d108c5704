"""Whether a place could be opened, asked without opening it: its settings, its year and the municipality's key.

Settings are checked once for as long as neither the file nor the environment changes: hundreds are asked at a time.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from kpr.errors import BadSettings
from kpr.fleet.installation import Entry
from kpr.settings import VaultSettings, load_settings
from kpr.settings_file import version_of
from kpr.years import load_year


def demand_usable(entry: Entry) -> None:
    """BadSettings says what keeps the place from being opened: something for the operator, not for the officer."""
    vault, year_file = _checked(entry.settings_file, version_of(entry.settings_file), _environment())
    if year_file is not None:
        load_year(entry.data_year, year_file)
    by_variable = vault.key_variable and os.environ.get(vault.key_variable)
    if not by_variable and (vault.key_file is None or not vault.key_file.is_file()):
        raise BadSettings(
            "Kommunens nøkkel til hvelvet finnes ikke.",
            place="vault.key_file",
            remedy="Legg den tilbake fra sikkerhetskopien: en ny nøkkel åpner ikke det som ligger der.",
        )


@lru_cache(maxsize=2048)
def _checked(file: Path, _version: tuple[int, int], _environment: int) -> tuple[VaultSettings, Path | None]:
    """What is asked of the settings once they have passed; an error is not remembered."""
    settings = load_settings(file)
    return settings.vault, settings.year_file


def _environment() -> int:
    """Something that changes with the variables that override settings; it holds none of them."""
    return hash(frozenset((name, value) for name, value in os.environ.items() if name.upper().startswith("KPR_")))
