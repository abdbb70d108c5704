"""``kpr swings`` and ``kpr lastyear``: can the numbers be right, and who says why they are."""

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
from kpr.pasted_text import MAX_BYTES
from kpr.steps.last_year import LastYear, last_year
from kpr.steps.last_year import give_last_year as run_give
from kpr.steps.plausibility import Explained, Look
from kpr.steps.plausibility import explain as run_explain
from kpr.steps.plausibility import look as run_look
from kpr.steps.workplace import open_workplace
from kpr.store import Reason


def register(app: typer.Typer) -> None:
    """Add the commands."""
    swings = typer.Typer(no_args_is_help=True, help="Svingninger fra i fjor og fra forrige uttrekk, og grunnene.")
    swings.command("show")(show)
    swings.command("explain")(explain)
    app.add_typer(swings, name="swings")
    lastyear = typer.Typer(no_args_is_help=True, help="Fjorårets tall, som årets sammenlignes med.")
    lastyear.command("give")(give)
    lastyear.command("show")(show_last_year)
    app.add_typer(lastyear, name="lastyear")


def show(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Hva svinger i det som sist ble kontrollert, og hva venter på en grunn?"""
    with open_workplace(settings) as place:
        seen = run_look(place)
    if as_json:
        print_json(as_data(seen))
    else:
        _show(seen)


def explain(
    line: Annotated[str, typer.Option("--line", help="Linjen, som «kpr swings show» skriver den: «tjTjenType 6».")],
    why: Annotated[str, typer.Option("--why", help="Grunnen. Ingen navn eller fødselsnumre.")],
    by: By,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Skriv hvorfor tallet er riktig. Grunnen gjelder disse to tallene; endrer de seg, spørres det igjen."""
    with open_workplace(settings) as place:
        run_explain(place, line, why=why, by=by)
        seen = run_look(place)
    if as_json:
        print_json(as_data(seen))
    else:
        _show(seen)


def give(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV eller limt inn tekst; «-» leser det du limer inn.")],
    by: By,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Gi fjorårets tall: én linje per tjeneste, «kode;personer». Brukes når fjorårets innsending ikke er her."""
    raw, name = read_given(file, MAX_BYTES)
    with open_workplace(settings) as place:
        table = run_give(place, raw, by=by, name=name)
        known = last_year(place)
    if as_json:
        print_json({"given": table, "last_year": _last_year_data(known)})
        return
    out.print(f"{len(table.lines)} linjer for {table.data_year} er tatt vare på.")
    if table.missing:
        out.print(f"Ikke gitt, og ikke sammenlignet: {', '.join(table.missing)}.")
    _show_last_year(known)


def show_last_year(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Hvilke tall fra i fjor sammenlignes det med, og hvor kommer de fra?"""
    with open_workplace(settings) as place:
        known = last_year(place)
    if as_json:
        print_json(_last_year_data(known))
        return
    _show_last_year(known)
    for line, persons in (known.figures.lines if known.figures else {}).items():
        out.print(f"  {line}: {persons}")


def as_data(seen: Look) -> dict[str, Any]:
    """The look as plain data: counts, names and reasons; no person of the extract."""
    return {
        "version": seen.version,
        "waiting": seen.waiting,
        "last_year": _last_year_data(seen.last_year),
        "lines": [_line_data(line) for line in seen.lines],
    }


def _line_data(line: Explained) -> dict[str, Any]:
    swing = line.swing
    return {
        "rule": swing.rule,
        "line": swing.line,
        "text": line.text,
        "now": swing.now,
        "before": swing.before,
        "of_now": swing.of_now,
        "of_before": swing.of_before,
        "percent": swing.percent,
        "asks": swing.asks,
        "waits": line.waits,
        "reason": _reason_data(line.reason),
        "earlier_reason": _reason_data(line.earlier),
    }


def _reason_data(reason: Reason | None) -> dict[str, Any] | None:
    return {"who": reason.who, "at": reason.at, "why": reason.why} if reason else None


def _last_year_data(known: LastYear) -> dict[str, Any]:
    return {
        "data_year": known.figures.data_year if known.figures else None,
        "source": known.source,
        "lines": known.figures.lines if known.figures else {},
        "given_otherwise": {line: {"used": used, "given": given} for line, (used, given) in known.otherwise.items()},
    }


def _show(seen: Look) -> None:
    if seen.version is None:
        out.print("Ingen uttrekk er kontrollert ennå. Kjør «kpr approve»: den kontrollerer først.")
        return
    _show_last_year(seen.last_year)
    if not seen.lines:
        out.print(f"Versjon {seen.version}: ingen svingninger.")
        return
    table = Table(title=f"Svingninger, versjon {seen.version}", title_justify="left", expand=True)
    for name, justify in (("Linje", "left"), ("Hva", "left"), ("Før", "right"), ("Nå", "right"), ("Grunn", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for line in seen.lines:
        table.add_row(line.swing.line, line.text.nb, _of(line, now=False), _of(line, now=True), _reason(line))
    out.print(table)
    if seen.waiting:
        out.print(f"[yellow]{seen.waiting} venter på en grunn:[/] kpr swings explain --line … --why … --by …")
    else:
        out.print("Ingen venter på en grunn. Er innsendingen ikke godkjent ennå, kjør «kpr approve».")


def _of(line: Explained, *, now: bool) -> str:
    count, whole = (line.swing.now, line.swing.of_now) if now else (line.swing.before, line.swing.of_before)
    return str(count) if whole is None else f"{count} av {whole}"


def _reason(line: Explained) -> str:
    if line.reason is not None:
        return _said(line.reason)
    if not line.swing.asks:
        return "[dim]trengs ikke[/]"
    return "[yellow]mangler[/]" + (f" (sist: {_said(line.earlier)})" if line.earlier else "")


def _said(reason: Reason) -> str:
    at = f"{reason.at.astimezone(OSLO):%d.%m.%Y %H.%M}"
    return escape(f"{reason.why} ({reason.who}, {at})")


def _show_last_year(known: LastYear) -> None:
    out.print(f"Sammenlignet med: {known.source.nb}", markup=False)
    for line, (used, given) in known.otherwise.items():
        out.print(f"  Linje {line}: tabellen sier {given}, innsendingen {used}. Innsendingens tall brukes.")
