"""``kpr audit``: is the log of events whole, what does it say, and the head to keep elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from kpr.calendar import OSLO
from kpr.cli.output import out, print_json
from kpr.cli.season import Settings
from kpr.cli.setup import Json
from kpr.errors import Altered
from kpr.steps.audit import Audit, log
from kpr.steps.audit import head as run_head
from kpr.steps.audit import verify as run_verify
from kpr.steps.workplace import open_workplace
from kpr.store import Event


def register(app: typer.Typer) -> None:
    """Add the commands."""
    audit = typer.Typer(no_args_is_help=True, help="Hendelsesloggen: hvem gjorde hva, og er noe endret etterpå?")
    for command in (verify, show, head):
        audit.command(command.__name__)(command)
    app.add_typer(audit, name="audit")


def verify(
    settings: Settings = Path("kpr.yaml"),
    known: Annotated[str, typer.Option("--head", help="Et merke fra «kpr audit head» som du har tatt vare på.")] = "",
    as_json: Json = False,
) -> None:
    """Er noe i loggen endret, fjernet, satt inn eller flyttet? 10: ja; første hendelse som ikke passer, blir sagt."""
    with open_workplace(settings) as place:
        seen = run_verify(place, known)
    if as_json:
        print_json(as_data(seen))
    else:
        _tell(seen)
    if seen.broken:
        raise typer.Exit(Altered.exit_code)


def show(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Alle hendelser i år, med hvem, rolle og grunn."""
    with open_workplace(settings) as place:
        events = log(place)
    if as_json:
        print_json([_event_data(number, event) for number, event in enumerate(events, 1)])
        return
    table = Table(title="Hendelser", title_justify="left", expand=True)
    table.add_column("Nr", justify="right")
    for name in ("Når", "Hvem", "Rolle", "Hva", "Til", "Grunn"):
        table.add_column(name)
    for number, event in enumerate(events, 1):
        cells = (_when(event), event.who, event.role, f"{event.what} {event.event}", event.to_state, event.why)
        table.add_row(str(number), *(escape(cell) for cell in cells))
    out.print(table)


def head(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Merket for den siste hendelsen. Ta vare på det et annet sted: det beviser alt som står før."""
    with open_workplace(settings) as place:
        found = run_head(place)
    if as_json:
        print_json({"head": found})
    else:
        out.print(found or "Ingen hendelser ennå.")


def as_data(seen: Audit) -> dict[str, Any]:
    """The audit as plain data."""
    broken = seen.broken
    problem = {"nb": broken.problem.nb, "en": broken.problem.en} if broken else None
    first = {"number": broken.number, "at": broken.at, "problem": problem} if broken else None
    return {
        "whole": broken is None,
        "events": seen.events,
        "head": seen.head,
        "held_against": list(seen.known),
        "broken": first,
    }


def _event_data(number: int, event: Event) -> dict[str, Any]:
    return {"number": number, **event.model_dump(exclude={"id", "cycle_id"})}


def _tell(seen: Audit) -> None:
    if seen.broken is None:
        out.print(f"[green]✓[/] Loggen er hel: {seen.events} hendelser.")
        if not seen.known:
            out.print("Om noe er fjernet på slutten, vises bare mot et merke som er tatt vare på: --head.")
        return
    at = f", {seen.broken.at.astimezone(OSLO):%d.%m.%Y kl. %H.%M.%S}" if seen.broken.at else ""
    out.print(f"[red]✗[/] Hendelse {seen.broken.number} av {seen.events}{at}: {seen.broken.problem.nb}")
    out.print("Ta vare på databasen som den er, og varsle den som har ansvar for informasjonssikkerheten.")


def _when(event: Event) -> str:
    return f"{event.at.astimezone(OSLO):%d.%m.%Y %H.%M.%S}"
