"""The command ``alarms``: what needs a person now, and telling it once to those whom the installation names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kpr.alarms.message import Telling
from kpr.alarms.notice import Severity
from kpr.cli.output import console, out, print_json
from kpr.cli.setup import Json
from kpr.fleet.alarm_round import AlarmRound
from kpr.fleet.bulk import Result, for_each, worst
from kpr.fleet.installation import find_installation, load_installation

_COLOURS = {Severity.INFORMATION: "dim", Severity.WARNING: "yellow", Severity.URGENT: "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("alarms")(alarms)


def alarms(
    installation: Annotated[Path | None, typer.Option("--installation", help="Installasjonens fil.")] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Si fra, hver ting én gang, til dem installasjonen nevner.")
    ] = False,
    daily: Annotated[bool, typer.Option("--digest", help="Også dagens sammendrag, én gang om dagen.")] = False,
    as_json: Json = False,
) -> None:
    """Hva trenger en person nå, og hvem skal vite det? Med --send sies det fra, hver ting én gang."""
    this = AlarmRound(load_installation(installation or find_installation()), send)
    results = for_each(this.installation, this.one)
    summary = this.daily() if daily else None
    if summary is not None and send:
        results += for_each([next(iter(this.installation))], lambda _: _daily(this, summary))
    if as_json:
        failed = [{"place": each.entry.label, "message": each.error} for each in results if each.error]
        data = summary.data if summary else None
        print_json({"alarms": this.notices, "told": this.told, "digest": data, "failed": failed})
    else:
        _show(this, results, summary)
    if worst(results):
        raise typer.Exit(worst(results))


def _daily(this: AlarmRound, summary: Telling) -> str:
    this.told += this.send_daily(summary)
    return "sammendrag"


def _show(this: AlarmRound, results: list[Result], summary: Telling | None) -> None:
    for notice in this.notices:
        colour = _COLOURS[notice.severity]
        out.print(f"[bold]{notice.municipality} {escape(notice.name)} · {notice.data_year}[/] → {notice.level.value}")
        out.print(f"  [{colour}]{escape(notice.text.nb)}[/]\n  [bold]Nå:[/] {escape(notice.do.nb)}")
    if not this.notices:
        out.print("Ingenting trenger en person nå.")
    if summary is not None:
        out.print(summary.body, markup=False)
    for each in results:
        if each.error:
            console.print(f"[bold red]✗[/] {each.entry.label}: ", end="")
            console.print(each.error, markup=False)
    if this.send:
        tell_whom = this.installation.tell
        if tell_whom.smtp is None and tell_whom.webhook is None:
            out.print("Ingen er oppgitt å si fra til: legg smtp eller webhook til under tell i installasjonens fil.")
        else:
            out.print(f"Sagt fra nå: {len(this.told)}.")
