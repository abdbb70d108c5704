"""Commands that make things: ``init`` (a settings file that explains itself), ``synth`` (invented extracts), ``registry``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kpr.cli.output import out, print_json
from kpr.errors import BadSettings
from kpr.simulator import NewPlace, make_place

Json = Annotated[bool, typer.Option("--json", help="Svar som ett JSON-objekt.")]


class Format(StrEnum):
    """How an extract is written."""

    XML = "xml"
    CSV = "csv"
    PARQUET = "parquet"
    SQLITE = "sqlite"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("synth")(synth)
    registry = typer.Typer(no_args_is_help=True, help="Stedfortrederen for registeret, for øving og prøving.")
    registry.command("serve")(serve)
    registry.command("step")(step)
    app.add_typer(registry, name="registry")


def init(
    folder: Annotated[Path, typer.Argument(help="Mappen innstillingene skal ligge i.")] = Path(),
    municipality: Annotated[str, typer.Option(help="Kommunenummer i rapporteringsåret.")] = "1103",
    name: Annotated[str, typer.Option(help="Kommunens navn.")] = "Eksempel kommune",
    year: Annotated[int, typer.Option(help="Rapporteringsår.")] = 2020,
    environment: Annotated[str, typer.Option(help="simulator, test, qa eller production.")] = "simulator",
    as_json: Json = False,
) -> None:
    """Lag en innstillingsfil som forklarer seg selv, og for simulatoren nøkler og et register å øve mot."""
    path = make_place(folder, NewPlace(municipality, name, data_year=year, environment=environment))
    if as_json:
        print_json({"settings": str(path)})
        return
    out.print(f"Laget [bold]{path}[/]. Les den, og legg uttrekket der den sier.")
    if environment == "simulator":
        out.print(f"Start registeret: kpr registry serve --settings {folder / 'register' / 'register.yaml'}")


def synth(
    target: Annotated[Path, typer.Argument(help="Mappe (xml, csv, parquet) eller fil (sqlite).")],
    persons: Annotated[int, typer.Option(min=1, max=400_000)] = 600,
    year: Annotated[int, typer.Option(help="Rapporteringsår.")] = 2020,
    seed: Annotated[int, typer.Option(help="Samme tall gir samme personer.")] = 1,
    form: Annotated[Format, typer.Option("--format")] = Format.XML,
    services: Annotated[float | None, typer.Option(help="Tjenester per person i snitt.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="NAVN=ANTALL, kan gjentas.")] = None,
    municipality: Annotated[str, typer.Option(help="Kommunenummer.")] = "1103",
    as_json: Json = False,
) -> None:
    """Lag et oppdiktet uttrekk: ingen virkelige personer, feil på bestilling."""
    from kpr.synth import SyntheticMunicipality, write
    from kpr.years import load_year

    data_year = load_year(year)
    source = SyntheticMunicipality(
        data_year, persons, seed, municipality, services_per_person=services, faults=_faults(fault or [])
    )
    if form is Format.XML:
        write.write_xml(source, data_year, target)
    elif form is Format.SQLITE:
        write.write_sqlite(source, data_year, target)
    else:
        {Format.CSV: write.write_csv, Format.PARQUET: write.write_parquet}[form](source, target)
    if as_json:
        print_json({"target": str(target), "persons": persons, "format": form})
    else:
        out.print(f"{persons} oppdiktede personer ligger i {target}.")


def _faults(wanted: list[str]) -> dict[str, int]:
    faults: dict[str, int] = {}
    for item in wanted:
        name, _, count = item.partition("=")
        if not count.isdigit():
            raise BadSettings(f"The fault {item!r} has no count.", place="--fault", remedy="Write NAME=COUNT.")
        faults[name] = int(count)
    return faults


Settings = Annotated[Path, typer.Option("--settings", help="Registerets innstillinger.")]


def serve(settings: Settings = Path("register/register.yaml"), port: Annotated[int, typer.Option()] = 0) -> None:
    """Kjør registeret til det stoppes, med visningen på 127.0.0.1."""
    from kpr.registry.serve import serve as run
    from kpr.registry.settings import load_register_settings

    run(load_register_settings(settings), port, lambda address: out.print(f"Registeret svarer på {address}"))


def step(settings: Settings = Path("register/register.yaml"), as_json: Json = False) -> None:
    """La registeret ta imot og svare på alt som venter, én gang."""
    from kpr.registry.register import Register
    from kpr.registry.serve import clock_of
    from kpr.registry.settings import load_register_settings

    loaded = load_register_settings(settings)
    handled = Register(loaded).step(clock_of(loaded)())
    if as_json:
        print_json({"handled": handled})
    else:
        out.print(f"Registeret behandlet {handled} meldinger og svar.")
