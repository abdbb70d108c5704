"""``kpr check``: the dry run. Reads an extract, shows everything at once, sends nothing.

The word ``connection`` in the place of an extract asks about the way to the register instead; a folder of that name is
``./connection``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from kpr.calendar import OSLO
from kpr.checks.content import ContentOptions
from kpr.checks.facts import fact_json
from kpr.checks.prediction import lost_persons
from kpr.checks.rules import findings
from kpr.checks.run import check as run_check
from kpr.cli.connection import check_connection
from kpr.cli.output import out, print_json, progress_bar
from kpr.cli.setup import Json
from kpr.errors import BadSettings, Blocked
from kpr.messages.shape import iplos_shape
from kpr.progress import Progress
from kpr.report.page import findings_page, place_texts
from kpr.settings import load_settings
from kpr.sources.open import SourceSpec, source_from, spec_of
from kpr.sources.work_rows import load
from kpr.steps.check import Checked
from kpr.steps.check import run_check as check_own
from kpr.steps.extract import read_extract
from kpr.steps.workplace import open_workplace
from kpr.years import Mark, Year, load_year

_STYLES = {"FATAL": "bold white on red", "ERROR": "red", "WARNING": "yellow", "INFO": "cyan"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="IPLOS-fil, eller mappe med tabeller; uten: som i innstillingene. Ordet «connection»: kontroller"
            " forbindelsen i stedet (en mappe som heter det: ./connection).",
        ),
    ] = None,
    ident: Annotated[Path | None, typer.Option(help="Identfilen, når den ikke ligger ved siden av.")] = None,
    year: Annotated[int | None, typer.Option(help="Rapporteringsår (2020 når ingenting er sagt).")] = None,
    settings: Annotated[Path, typer.Option(help="Innstillingsfil.")] = Path("kpr.yaml"),
    html: Annotated[Path | None, typer.Option(help="Skriv funnene som en side.")] = None,
    places: Annotated[int, typer.Option(help="Steder å vise per regel.")] = 3,
    as_json: Json = False,
) -> None:
    """Kontroller et uttrekk. Ingenting sendes; alt vises på én gang. Sluttkode 3 når noe ville stanset innsendingen.

    «kpr check connection» ser før sesongen om alt for å sende er på plass; sluttkodene står i docs/connection.md.
    """
    if what == "connection":
        _only_settings(ident, year, html)
        check_connection(settings, as_json=as_json)
    with progress_bar(quiet=as_json) as progress:
        progress("les uttrekket", 0, 0)
        if what is None and ident is None and year is None:
            data_year, checked = _own(settings, progress)
        else:
            data_year, checked = _any(Path(what) if what is not None else None, ident, year, settings, progress)
    if html:
        made = f"Laget {datetime.now(OSLO):%d.%m.%Y %H.%M}. Ingen navn eller fødselsnumre står på denne siden."
        html.write_text(findings_page(checked, data_year, f"Kontroll av uttrekk, {data_year.data_year}", made), "utf-8")
    if as_json:
        print_json(as_data(checked))
    else:
        _show(checked, data_year, places)
    if checked.result.blocked:
        raise (
            Blocked("Funn stanser innsendingen. Ingenting er sendt.") if not as_json else typer.Exit(Blocked.exit_code)
        )


def _own(settings: Path, progress: Progress) -> tuple[Year, Checked]:
    """The municipality's own extract: against last year, and without those who are left out by decision."""
    with open_workplace(settings) as place:
        work = read_extract(place)
        return place.year, Checked(check_own(place, work, progress=progress), work)


def _any(
    path: Path | None, ident: Path | None, year: int | None, settings: Path, progress: Progress
) -> tuple[Year, Checked]:
    """Any extract, by the rules alone."""
    spec, data_year, options, modes = _what(path, ident, year, settings)
    shape = iplos_shape(data_year.iplos_version.value)
    work = load(source_from(spec, shape), shape)
    return data_year, Checked(run_check(work, data_year, options, modes, progress), work)


def _only_settings(*others: object) -> None:
    """The connection is the settings', so the options of an extract would do nothing."""
    if any(other is not None for other in others):
        raise BadSettings(
            "The connection check takes --settings and --json only.",
            place="kpr check connection",
            remedy="Leave the other options out; a folder of that name is ./connection.",
        )


def _what(
    path: Path | None, ident: Path | None, year: int | None, settings: Path
) -> tuple[SourceSpec, Year, ContentOptions, Any]:
    """What to check and by which rules: the settings' where there are any, otherwise what the words say."""
    if path is None or (year is None and settings.exists()):
        loaded = load_settings(settings)
        number = loaded.municipality.number
        options = ContentOptions(environment=loaded.environment.value, municipality_number=number)
        spec = spec_of(path, ident) if path else loaded.source or spec_of(Path("uttrekk"))
        return spec, load_year(year or loaded.data_year, loaded.year_file), options, loaded.rules
    return spec_of(path, ident), load_year(year or 2020), ContentOptions(), {}


def as_data(checked: Checked) -> dict[str, Any]:
    """The whole result as plain data: counts, every finding with its place, the prediction and the letter's facts."""
    result = checked.result
    return {
        "blocked": result.blocked,
        "prediction": {
            "message_deleted": result.prediction.message_deleted,
            "persons": result.prediction.persons,
            "persons_kept": result.prediction.persons_kept,
            "rows": {table: {"all": a, "kept": k} for table, (a, k) in result.prediction.rows.items()},
            "values_lost": result.prediction.values_lost,
            "lost_persons": [{"person": person, "rule": rule} for person, rule in lost_persons(checked.work)],
        },
        "sentence": result.sentence,
        "rules": result.counts,
        "findings": list(findings(checked.work, result.catalogue)),
        "letter": [fact_json(fact) for fact in result.facts],
    }


def _show(checked: Checked, year: Year, places: int) -> None:
    result = checked.result
    table = Table(title=f"Funn, rapporteringsår {year.data_year}", title_justify="left", expand=True)
    table.add_column("Regel")
    table.add_column("Alvor")
    table.add_column("Antall", justify="right")
    table.add_column("Hva er galt, hvor, og slik rettes det")
    for count in result.counts:
        rule = result.catalogue[count.rule]
        where = place_texts(findings(checked.work, result.catalogue, rule=count.rule, limit=places))
        text = f"{rule.wrong.nb}\n[dim]{'; '.join(where)}[/]\n→ {rule.remedy.nb}"
        severity = f"[{_STYLES[count.severity]}]{count.severity}[/]" + (" (stanser)" if count.blocks else "")
        table.add_row(count.rule, severity, str(count.count), text)
    out.print(table if result.counts else "Ingen funn.")
    _show_letter(checked)
    _show_assumed(year)
    out.print(f"\n[bold]{result.sentence.nb}[/]")
    lost = [person or "?" for person, _rule in lost_persons(checked.work)]
    if lost:
        more = f" og {len(lost) - 20} til" if len(lost) > 20 else ""
        out.print(f"Disse personene mistes (lokale nøkler): {', '.join(lost[:20])}{more}")


def _show_letter(checked: Checked) -> None:
    table = Table(title="Brevets punkter (L5–L12)", title_justify="left", expand=True)
    for name in ("Punkt", "Hva", "I år", ""):
        table.add_column(name)
    for fact in checked.result.facts:
        for line in fact.lines:
            mark = "[yellow]se på dette[/]" if line.look_at_it else ""
            value = "–" if line.value is None else str(line.value)
            table.add_row(f"{line.id} ({fact.letter})", f"{fact.text.nb}: {line.text.nb}", value, mark)
    out.print(table)


def _show_assumed(year: Year) -> None:
    """A value that is only assumed is said so."""
    for name, value in year.assumed():
        if value.mark is Mark.ASSUMED and name.startswith(("iplos", "ident_version", "not_receiving", "function")):
            out.print(f"[dim]Antatt, ikke bekreftet: {name} = {value.value} ({value.source})[/]")
