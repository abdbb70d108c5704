"""``kpr rehearse``: a whole season for many synthetic municipalities, with scripted mishaps, in minutes."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from kpr.cli.output import out, print_json, progress_bar
from kpr.cli.setup import Json
from kpr.errors import BadInput, KprError
from kpr.log import configure_logs

if TYPE_CHECKING:
    from kpr.rehearse.outcome import Summary

PAGE = "sesong.html"
_MARKER = ".kpr-rehearse"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse")(rehearse)


def rehearse(
    folder: Annotated[Path, typer.Argument(help="En ny mappe; en tidligere øvelse der erstattes.")],
    municipalities: Annotated[int, typer.Option(min=1, help="Hvor mange kommuner.")] = 60,
    persons: Annotated[int, typer.Option(min=6, max=2_000, help="Oppdiktede personer i hver.")] = 12,
    seed: Annotated[int, typer.Option(help="Samme frø gir samme sesong.")] = 1,
    year: Annotated[int, typer.Option(help="Rapporteringsåret som øves; fristene må være kjent.")] = 2020,
    as_json: Json = False,
) -> None:
    """Øv på en hel sesong, fra prøve i november til sletting i april, med uhell som er skrevet på forhånd."""
    from kpr.rehearse.mishaps import script
    from kpr.rehearse.outcome import lines, summary
    from kpr.rehearse.page import season_page
    from kpr.rehearse.play import play
    from kpr.rehearse.season import plan
    from kpr.simulator_fleet import make_fleet
    from kpr.years import load_year

    known = load_year(year)
    planned = plan(known, _drawn([each.number for each in known.municipalities], municipalities, seed), script(), seed)
    configure_logs(level=logging.WARNING)  # hundreds of municipalities would talk over what is told at the end
    clear(folder)
    make_fleet(
        folder, [*planned.mishaps], data_year=year, persons=persons, plays=planned.plays, trials=True,
        key_pairs=12, ending=planned.ending,
    )  # fmt: skip
    with progress_bar(quiet=as_json) as progress:
        record = play(folder, planned, persons=persons, progress=progress)
    found = lines(planned, record)
    told = summary(planned, record, found)
    page = season_page(planned, record, script(), persons=persons, seed=seed)
    (folder / PAGE).write_text(page, encoding="utf-8")
    if as_json:
        print_json({"summary": told, "municipalities": found, "happenings": record.happenings, "alarms": record.told})
    else:
        _tell(told, folder / PAGE)
    if told.failed or told.unscripted or any(told.differs.values()):
        raise typer.Exit(KprError.exit_code)


def _drawn(numbers: list[str], count: int, seed: int) -> list[str]:
    if count > len(numbers):
        raise BadInput(
            f"Så mange kommuner fantes ikke: {len(numbers)} er kjent for dette året.",
            place="--municipalities",
            remedy=f"Velg høyst {len(numbers)}.",
        )
    return sorted(Random(seed).sample(numbers, count))  # noqa: S311  (a rehearsal, nothing secret)


def clear(folder: Path) -> None:
    """An empty folder; only ever removes what a rehearsal made. BadInput when something else lies there."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise BadInput(
                f"Mappen {folder.name} er ikke tom og er ikke fra en øvelse.",
                place="FOLDER",
                remedy="Velg en annen mappe.",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()


def _tell(told: Summary, page: Path) -> None:
    out.print(f"{told.in_time} av {told.municipalities} kommuner ble godtatt innen den ordinære fristen.", style="bold")
    for milestone, missing in told.missing.items():
        out.print(f"  {milestone}: {len(missing)} mangler", markup=False)
    for count, said in (
        (len(told.unscripted), "kommuner endte annerledes enn uhellet sier"),
        (told.failed, "steg kunne ikke gjøres"),
        (sum(map(len, told.differs.values())), "ganger hadde registeret en annen versjon"),
    ):
        if count:
            out.print(f"✗ {count} {said}", style="bold red", markup=False)
    out.print(f"{told.messages} meldinger, {told.alarms} varsler, {told.elapsed:.0f} s i alt.", style="dim")
    out.print(f"Siden: {page}", markup=False)
