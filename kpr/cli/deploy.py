"""``kpr deploy``: put the year into Prefect, from the installation and the year's milestones. Again at any time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kpr.cli.output import out
from kpr.errors import BadInput, BadSettings, TransportError
from kpr.fleet.installation import Installation, find_installation, load_installation
from kpr.fleet.look import clock_of
from kpr.season import passed
from kpr.settings import load_settings
from kpr.years import Year, load_year

#: What it ends with when the server has something else than the plan, or a municipality's settings cannot be read.
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
    from deployments.check import broken_places, faults
    from deployments.plan import plan
    from deployments.shown import Where

    planned = plan(chosen, now, purge_days_after=_purge_days(loaded, data_year), allow_over=over)
    where = Where(pool, str(loaded.file.resolve()), str((home or _flows_folder()).resolve()))
    if wrong := faults(planned):
        raise BadSettings("; ".join(wrong), place=loaded.file.name, remedy="Rett dem, og kjør på nytt.")
    if write:
        from deployments.write import ANYWHERE, prefect_yaml

        write.write_text(prefect_yaml(planned, ANYWHERE), encoding="utf-8")
        out.print(f"Skrev {write}.")
        return
    if not check:
        for milestone in passed(chosen, now):
            out.print(f"Passert: {milestone.id}, {milestone.date:%d.%m.%Y}.")
    lines = _apply_or_check(planned, where, [entry.her_id for entry in loaded], check=check)
    lines += broken_places(loaded)
    for line in lines:
        out.print(line, markup=False)
    if lines:
        raise typer.Exit(DIFFERENT)
    out.print(f"{len(planned)} planer er som de skal være." if check else f"{len(planned)} planer er lagt inn.")


def _apply_or_check(planned: Any, where: Any, parties: list[str], *, check: bool) -> list[str]:
    """What differs afterwards."""
    import httpx
    from prefect import get_client

    from deployments.apply import apply, read_back
    from deployments.ground import needed
    from deployments.shown import differences, planned_values

    _demand_a_server()

    try:
        with get_client(sync_client=True) as client:
            if not check:
                for line in apply(client, planned, where, parties):
                    out.print(line, markup=False)
            found = read_back(client, where, parties)
    except (httpx.TransportError, RuntimeError):
        raise TransportError(
            "Prefects tjener svarer ikke. Start den («prefect server start»), eller sett PREFECT_API_URL."
        ) from None
    wanted = {each.name: planned_values(each, where) for each in planned} | needed(where.pool, parties)
    return differences(wanted, found)


def _demand_a_server() -> None:
    """Without an address Prefect would start a server for the moment, and the plan would be gone with it."""
    from prefect.settings import get_current_settings

    if not get_current_settings().api.url:
        raise BadSettings(
            "PREFECT_API_URL er ikke satt: kpr vet ikke hvilken Prefect-tjener planen skal inn i.",
            place="PREFECT_API_URL",
            remedy="Sett den, for eksempel til http://127.0.0.1:4200/api, og kjør på nytt.",
        )


def _year(loaded: Installation, data_year: int) -> tuple[Year, datetime]:
    """The year as the first of its municipalities has it that can be read, and the time there."""
    entries = [entry for entry in loaded if entry.data_year == data_year]
    if not entries:
        raise BadSettings(
            f"Installasjonen har ingen kommune med rapporteringsår {data_year}.",
            place=loaded.file.name,
            remedy="Velg et av årene som står der.",
        )
    for entry in entries[:-1]:
        with suppress(BadInput):
            return load_year(data_year, load_settings(entry.settings_file).year_file), clock_of(entry)()
    return load_year(data_year, load_settings(entries[-1].settings_file).year_file), clock_of(entries[-1])()


def _purge_days(loaded: Installation, data_year: int) -> int:
    files = [entry.settings_file for entry in loaded if entry.data_year == data_year]
    days = []
    for file in files:
        with suppress(BadInput):
            days.append(load_settings(file).purge_days_after)
    return max(days)


def _flows_folder() -> Path:
    import flows

    return Path(str(flows.__file__)).parents[1]
