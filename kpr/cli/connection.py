"""``kpr check connection``: before the season, whether everything for sending is in place."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer
from rich.table import Table
from rich.text import Text as Line

from kpr.cli.output import out, print_json, progress_bar
from kpr.clock import file_clock, system_clock
from kpr.connection import ConnectionFinding, Severity, exit_code, gather, judge, verdict
from kpr.log import blot
from kpr.settings import load_settings
from kpr.years import load_year

_MARKS = {Severity.OK: ("✓", "green"), Severity.WARNING: ("!", "yellow"), Severity.FAULT: ("✗", "bold red")}


def check_connection(settings_file: Path, *, as_json: bool) -> NoReturn:
    """Ask, judge and tell; ends the command with the code of what must be mended first."""
    settings = load_settings(settings_file)
    year = load_year(settings.data_year, settings.year_file)
    now = (file_clock(settings.clock_file) if settings.clock_file else system_clock)()
    with progress_bar(quiet=as_json) as progress:
        findings = judge(gather(settings, now, progress), year, settings, now)
    code, sentence = exit_code(findings), verdict(findings)
    if as_json:
        print_json({"exit_code": code, "sentence": sentence, "findings": findings})
    else:
        out.print(_table(findings))
        out.print(f"[bold {'red' if code else 'green'}]{sentence.nb}[/]")
    raise typer.Exit(code)


def _table(findings: list[ConnectionFinding]) -> Table:
    table = Table(title="Forbindelsen", title_justify="left", expand=True)
    table.add_column("")
    table.add_column("Hva ble sett, og hva gjør jeg", ratio=3)
    table.add_column("Hvor", ratio=1)
    for finding in findings:
        mark, style = _MARKS[finding.severity]
        said = blot(finding.text.nb) + (f" ({finding.exit_code})" if finding.exit_code else "")
        place = "" if finding.severity is Severity.OK else finding.place
        table.add_row(Line(mark, style), Line(said), Line(place, "dim"))  # as text: a name may hold brackets
    return table
