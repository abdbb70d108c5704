"""The trial submission before the season: the whole way, with settings that cannot reach production.

It has a database, a vault and a way of its own, so that nothing of it is ever taken for the real submission. The same
certificate, mailbox and extract may be used. Where the environment names the database (``KPR_STORE__URL``), which goes
before both settings files, ``KPR_TRIAL_STORE__URL`` names the trial's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kpr.errors import BadSettings
from kpr.settings import TRIAL_STORE, Environment, Settings, StoreSettings, load_settings
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import Workplace, open_settings, open_workplace
from kpr.years import known_years, load_year

_LOOPBACK = ("127.0.0.1", "::1")
_PORTS = {"postgresql": 5432}


@contextmanager
def open_rehearsal(trial_file: Path, production_file: Path) -> Iterator[Workplace]:
    """The trial's workplace; BadSettings when it could reach production, or would touch what is really sent."""
    trial, real = _with_its_database(load_settings(trial_file)), load_settings(production_file)
    for refused in (_not_the_same, _production, _shared):
        refused(trial, real, trial_file.name)
    with open_settings(trial) as place:
        yield place


@contextmanager
def open_either(settings_file: Path, trial_of: Path | None = None) -> Iterator[Workplace]:
    """The workplace of what is really sent, or of the trial of it: a trial's answers are collected where it was sent."""
    with open_rehearsal(settings_file, trial_of) if trial_of else open_workplace(settings_file) as place:
        yield place


def _with_its_database(trial: Settings) -> Settings:
    """The environment's database is the real one, for both files: the trial's has a variable of its own."""
    url = os.environ.get(TRIAL_STORE)
    return trial.model_copy(update={"store": StoreSettings(url=SecretStr(url))}) if url else trial


def rehearse_once(place: Workplace, by: str) -> str:
    """Extract, check, build and send the trial; its id. Blocked or Locked as in the season."""
    submission, checked = prepare(place, by=by, mended="prøve" if place.store.latest() else None, practice=True)
    send_approved(place, submission, checked, by=by, reason="prøvesending")
    return submission


def _not_the_same(trial: Settings, real: Settings, file: str) -> None:
    for what, one, other in (
        ("municipality.number", trial.municipality.number, real.municipality.number),
        ("data_year", trial.data_year, real.data_year),
    ):
        if one != other:
            raise BadSettings(
                f"Prøveinnstillingene er for en annen kommune eller et annet år ({one}, ikke {other}).",
                place=f"{file}: {what}",
                remedy="Lag prøveinnstillinger for den samme kommunen og det samme året.",
            )


def _production(trial: Settings, real: Settings, file: str) -> None:
    if trial.environment is Environment.PRODUCTION:
        raise BadSettings(
            "Prøveinnstillingene går til produksjon.",
            place=f"{file}: environment",
            remedy="Skriv qa, test eller simulator.",
        )
    if trial.receiver.service_her_id in production_receivers(trial, real):
        raise BadSettings(
            "Prøveinnstillingene har produksjonens mottaker.",
            place=f"{file}: receiver.service_her_id",
            remedy="Bruk prøvemottakerens HER-id fra Adresseregisteret.",
        )


def production_receivers(trial: Settings, real: Settings) -> frozenset[str]:
    """The register's production HER-ids: in every data year that we know, in both year files, and as really used."""
    years = [load_year(year) for year in known_years()]
    years += [load_year(each.data_year, each.year_file) for each in (trial, real)]
    used = {real.receiver.service_her_id} if real.environment is Environment.PRODUCTION else set()
    return frozenset({year.receiver_production.value for year in years} | used)


def _shared(trial: Settings, real: Settings, file: str) -> None:
    """The trial must not write where the real thing lies, by whatever name it calls the place."""
    own, others = _places(trial), _places(real)
    for what, place in own.items():
        if place and place == others[what]:
            raise BadSettings(
                "Prøven ville skrevet der det virkelige ligger.",
                place=f"{file}: {what}",
                remedy="Gi prøven en egen database, et eget hvelv og en egen utvekslingsmappe."
                f" Står databasen i KPR_STORE__URL, gis prøvens i {TRIAL_STORE}.",
            )


def _places(settings: Settings) -> dict[str, str]:
    """Where a profile keeps and hands over things; empty where it is no folder of this machine."""
    transport = settings.transport
    carrier = getattr(transport, "carrier", None)
    return {
        "store.url": _database(settings.store.url.get_secret_value()),
        "vault.folder": str(settings.vault.folder.resolve()),
        "transport.folder": _folder(getattr(transport, "folder", None)),
        "transport.carrier.folder": _folder(getattr(carrier, "folder", None)),
    }


def _folder(path: Path | None) -> str:
    return str(path.resolve()) if path else ""


def _database(address: str) -> str:
    """Which database it is, whoever asks for it and by which driver."""
    try:
        url = make_url(address)
    except ArgumentError:  # opening it says what is wrong
        return ""
    if url.get_backend_name() == "sqlite":
        return str(Path(url.database).resolve()) if url.database else ""
    host = (url.host or "localhost").lower()
    return (
        f"{'localhost' if host in _LOOPBACK else host}:{url.port or _PORTS.get(url.get_backend_name())}/{url.database}"
    )
