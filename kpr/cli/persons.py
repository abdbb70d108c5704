"""``kpr persons``: who may be a test person or dead, and what the reporting officer decides about each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from kpr.calendar import OSLO
from kpr.cli.given import read_given
from kpr.cli.output import out, print_json
from kpr.cli.season import By, Settings
from kpr.cli.setup import Json
from kpr.persons.decisions import Decision, Line, Verdict
from kpr.persons.measure import as_table, measure
from kpr.persons.sheet import last_time, reasons_said, word
from kpr.persons.text import MAX_BYTES
from kpr.steps.persons import PersonsLook
from kpr.steps.persons import decide as run_decide
from kpr.steps.persons import export as run_export
from kpr.steps.persons import give_names as run_names
from kpr.steps.persons import look as run_look
from kpr.steps.persons import take_sheet as run_take
from kpr.steps.workplace import open_workplace
from kpr.whole_file import whole_file


def register(app: typer.Typer) -> None:
    """Add the commands."""
    persons = typer.Typer(no_args_is_help=True, help="Testpersoner og døde: se hvem, og bestem hvem som utelates.")
    persons.command("show")(show)
    persons.command("decide")(decide)
    persons.command("export")(export)
    persons.command("import")(take)
    persons.command("measure")(measured)
    app.add_typer(persons, name="persons")


def show(
    settings: Settings = Path("kpr.yaml"),
    names: Annotated[
        Path | None, typer.Option("--names", help="CSV fra fagsystemet: nøkkel, navn, merke. Navn tas ikke vare på.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hvem kan være testperson eller død, hva er bestemt, og hva venter på deg?"""
    with open_workplace(settings) as place:
        given = run_names(place, read_given(names, MAX_BYTES)[0], name=names.name) if names is not None else None
        seen = run_look(place)
    if as_json:
        print_json(as_data(seen) | ({"names": given} if given else {}))
        return
    if given:
        out.print(f"Listen har {given.listed} navn; {given.known} av nøklene finnes i uttrekket.")
        out.print(f"Den peker på {given.pointed}. Navnene er ikke tatt vare på.")
    _show(seen)


def decide(
    key: Annotated[str, typer.Option("--key", help="Personens nøkkel i fagsystemet, som «show» viser den.")],
    verdict: Annotated[Verdict, typer.Option("--as", help="Utelates, er virkelig, eller er uavgjort igjen.")],
    by: By,
    why: Annotated[str, typer.Option("--why", help="Hvorfor. Ingen navn eller fødselsnumre.")] = "",
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Bestem om én person, også en som ingenting peker på. Ingen utelates uten at du har sagt det."""
    with open_workplace(settings) as place:
        line = run_decide(place, key, verdict, by=by, why=why)
        seen = run_look(place)
    if as_json:
        print_json({"decided": _line_data(line)} | as_data(seen))
    else:
        out.print(f"Bestemt: {word(line.verdict)}.")
        _sum_up(seen)


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Filen som skrives.")],
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Skriv listen som CSV for regneark. Rett kolonnene avgjørelse og hvorfor, og les den inn med «import»."""
    with open_workplace(settings) as place, whole_file(file) as written:
        written.write(run_export(place))
    if as_json:
        print_json({"file": file.name})
    else:
        out.print(f"{file.name} er skrevet. Den har lokale nøkler: oppbevar den deretter, og slett den etterpå.")


def take(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="Den rettede listen; «-» leser det du limer inn.")],
    by: By,
    why: Annotated[str, typer.Option("--why", help="Grunnen for rader som ikke har sin egen.")] = "",
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Les inn den rettede listen: alle radene, eller ingen."""
    raw, name = read_given(file, MAX_BYTES)
    with open_workplace(settings) as place:
        changed = run_take(place, raw, by=by, why=why, name=name or "listen")
        seen = run_look(place)
    if as_json:
        print_json({"changed": changed} | as_data(seen))
    else:
        out.print(f"{changed} avgjørelser er endret.")
        _sum_up(seen)


def measured(as_json: Json = False) -> None:
    """Hvor mange testpersoner finner reglene i det publiserte, syntetiske settet, og hvor ofte tar de feil?"""
    found = measure()
    if as_json:
        print_json(found)
    else:
        out.print(as_table(found), markup=False)


def as_data(seen: PersonsLook) -> dict[str, Any]:
    """The list as plain data, for the officer's own use: local keys, no names and no ids."""
    return {
        "persons": seen.persons,
        "stopping": seen.stopping,
        "counts": seen.counts,
        "lines": [_line_data(line) for line in seen.lines],
    }


def _line_data(line: Line) -> dict[str, Any]:
    return {
        "key": line.key,
        "reasons": line.reasons,
        "verdict": line.verdict,
        "stops": line.stops,
        "decision": _decision_data(line.decision),
        "earlier": _decision_data(line.earlier),
        "last_year": _decision_data(line.proposed),
    }


def _decision_data(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {"verdict": decision.verdict, "by": decision.by, "at": decision.at, "why": decision.why}


def _show(seen: PersonsLook) -> None:
    if seen.lines:
        table = Table(title="Testpersoner og døde", title_justify="left", expand=True)
        for name in ("Nøkkel", "Hva som peker på det", "Avgjørelse", "I fjor"):
            table.add_column(name)
        for line in seen.lines:
            table.add_row(
                escape(line.key), reasons_said(line.reasons), _stands(line), escape(last_time(line.proposed)) or "–"
            )
        out.print(table)
    _sum_up(seen)


def _stands(line: Line) -> str:
    if line.decision is None:
        wait = "[red]mangler, stanser[/]" if line.stops else "[yellow]mangler[/]"
        return f"{wait} [dim](før: {word(line.earlier.verdict)})[/]" if line.earlier else wait
    said = line.decision
    at = f"{said.at.astimezone(OSLO):%d.%m.%Y}"
    return f"[bold]{word(said.verdict)}[/] {escape(f'{said.why} ({said.by}, {at})')}"


def _sum_up(seen: PersonsLook) -> None:
    counts = seen.counts
    out.print(
        f"Av {seen.persons} personer: {counts['leave-out']} utelates, {counts['real']} er virkelige,"
        f" {counts['undecided']} er uavgjort."
    )
    if seen.stopping:
        out.print(f"[red]{seen.stopping} stanser innsendingen:[/] kpr persons decide --key … --as … --why … --by …")
    else:
        out.print("Ingen av dem stanser innsendingen. Er den ikke godkjent ennå, kjør «kpr approve».")
