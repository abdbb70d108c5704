"""``kpr deploy``: put the year into Prefect, from the installation and the year's milestones. Again at any time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kpr.cli.output import out
from kpr.errors import BadSettings, TransportError
from kpr.fleet.installation import Installation, find_installation, load_installation
from kpr.fleet.look import clock_of
from kpr.settings import load_settings
from kpr.years import Year, load_year

#: What ``--check`` ends with when the server has something else than the plan.
DIFFERENT = 9


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("deploy")(deploy)


def deploy(
    installation: Annotated[
        Path | None, typer.Option(help="Installasjonen; ellers kpr-fleet.yaml eller kpr.yaml.")
    ] = None,
    year: Annotated[int | None, typer.Option(help="Rapporteringsår; ellers det nyeste i installasjonen.")] = None,
    pool: Annotated[str, typer.Option(help="Prefects arbeidspool.")] = "kpr",
    home: Annotated[Path | None, typer.Option(help="Der flows/ ligger hos arbeiderne.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Bare se: kontroller planen og vis forskjellen. 9: noe er annerledes.")
    ] = False,
    write: Annotated[Path | None, typer.Option(help="Skriv planen som prefect.yaml, og gjør ingenting mer.")] = None,
    over: Annotated[
        bool, typer.Option("--over", help="Også for en sesong som er over: bare det som hører etterpå til, er aktivt.")
    ] = False,
) -> None:
    """Legg årets plan inn i Prefect: flyter, tider mot fristene og vakt over tapte løp. Kan kjøres når som helst."""
    loaded = load_installation(installation or find_installation())
    data_year = year or max(entry.data_year for entry in loaded)
    chosen, now = _year(loaded, data_year)
    from deployments.check import faults
    from deployments.plan import plan
    from deployments.shown import Where

    planned = plan(chosen, now, purge_days_after=_purge_days(loaded, data_year), allow_over=over)
    where = Where(pool, str(loaded.file.resolve()), str((home or _flows_folder()).resolve()))
    if wrong := faults(planned, loaded):
        raise BadSettings("; ".join(wrong), place=loaded.file.name, remedy="Rett dem, og kjør på nytt.")
    if write:
        from deployments.write import ANYWHERE, prefect_yaml

        write.write_text(prefect_yaml(planned, ANYWHERE), encoding="utf-8")
        out.print(f"Skrev {write}.")
        return
    _apply_or_check(planned, where, [entry.her_id for entry in loaded], check=check)


def _apply_or_check(planned: Any, where: Any, parties: list[str], *, check: bool) -> None:
    import httpx
    from prefect import get_client

    from deployments.apply import apply, read_back
    from deployments.shown import differences, planned_values

    try:
        with get_client(sync_client=True) as client:
            if not check:
                apply(client, planned, where, parties)
            found = read_back(client)
    except (httpx.TransportError, RuntimeError):
        raise TransportError(
            "Prefects tjener svarer ikke. Start den («prefect server start»), eller sett PREFECT_API_URL."
        ) from None
    lines = differences({each.name: planned_values(each, where) for each in planned}, found)
    for line in lines:
        out.print(line, markup=False)
    if lines:
        raise typer.Exit(DIFFERENT)
    out.print(f"{len(planned)} planer er som de skal være." if check else f"{len(planned)} planer er lagt inn.")


def _year(loaded: Installation, data_year: int) -> tuple[Year, datetime]:
    """The year as the first of its municipalities has it, and the time there."""
    entry = next((entry for entry in loaded if entry.data_year == data_year), None)
    if entry is None:
        raise BadSettings(
            f"Installasjonen har ingen kommune med rapporteringsår {data_year}.",
            place=loaded.file.name,
            remedy="Velg et av årene som står der.",
        )
    return load_year(data_year, load_settings(entry.settings_file).year_file), clock_of(entry)()


def _purge_days(loaded: Installation, data_year: int) -> int:
    files = [entry.settings_file for entry in loaded if entry.data_year == data_year]
    return max(load_settings(file).purge_days_after for file in files)


def _flows_folder() -> Path:
    import flows

    return Path(str(flows.__file__)).parents[1]
