"""The trial submission before the season: the whole way, with settings that cannot reach production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpr.errors import BadSettings
from kpr.settings import Environment, Settings, load_settings
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import Workplace, open_workplace
from kpr.years import known_years, load_year


@contextmanager
def open_rehearsal(trial_file: Path, production_file: Path) -> Iterator[Workplace]:
    """The trial's workplace; BadSettings when it could reach production, or would touch what is really sent."""
    trial, real = load_settings(trial_file), load_settings(production_file)
    _refuse_production(trial, trial_file.name)
    _refuse_sharing(trial, real, trial_file.name)
    with open_workplace(trial_file) as place:
        yield place


def rehearse_once(place: Workplace, by: str) -> str:
    """Extract, check, build and send the trial; its id. Blocked or Locked as in the season."""
    submission, checked = prepare(place, by=by, mended="prøve" if place.store.latest() else None)
    send_approved(place, submission, checked, by=by, reason="prøvesending")
    return submission


def _refuse_production(trial: Settings, file: str) -> None:
    if trial.environment is Environment.PRODUCTION:
        raise BadSettings(
            "Prøveinnstillingene går til produksjon.",
            place=f"{file}: environment",
            remedy="Skriv qa, test eller simulator.",
        )
    if trial.receiver.service_her_id in production_receivers():
        raise BadSettings(
            "Prøveinnstillingene har produksjonens mottaker.",
            place=f"{file}: receiver.service_her_id",
            remedy="Bruk prøvemottakerens HER-id fra Adresseregisteret.",
        )


def production_receivers() -> frozenset[str]:
    """The register's production HER-ids in every data year that we know."""
    return frozenset(load_year(year).receiver_production.value for year in known_years())


def _refuse_sharing(trial: Settings, real: Settings, file: str) -> None:
    for what, one, other in (
        ("store.url", trial.store.url, real.store.url),
        ("vault.folder", trial.vault.folder, real.vault.folder),
    ):
        if one == other:
            raise BadSettings(
                "Prøven ville skrevet der det virkelige ligger.", place=f"{file}: {what}", remedy="Gi prøven en egen."
            )
    if (trial.municipality.number, trial.data_year) != (real.municipality.number, real.data_year):
        raise BadSettings(
            "Prøveinnstillingene er for en annen kommune eller et annet år.",
            place=f"{file}: municipality",
            remedy="Lag dem for den samme.",
        )
