"""``kpr view``: what the register should show of what was sent, held against what it does show."""

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
from kpr.errors import BadInput
from kpr.mirror.compare import Agreement, Compared
from kpr.mirror.rows import Row
from kpr.pasted_text import MAX_BYTES
from kpr.steps.mirror import Mirror, mirror
from kpr.steps.mirror import explain_row as run_explain
from kpr.steps.mirror import give as run_give
from kpr.steps.mirror import sign as run_sign
from kpr.steps.workplace import open_workplace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    view = typer.Typer(no_args_is_help=True, help="Registerets visning: våre tall, visningens tall, og at de stemmer.")
    view.command("show")(show)
    view.command("give")(give)
    view.command("compare")(compare)
    view.command("explain")(explain)
    view.command("sign")(sign)
    app.add_typer(view, name="view")


def show(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Hva skal registerets visning vise av det som ble sendt?"""
    with open_workplace(settings) as place:
        seen = mirror(place)
    if as_json:
        print_json(as_data(seen))
        return
    _head(seen)
    table = _table("Våre tall, talt av de sendte bytene etter registerets slettinger")
    for name, justify in (("Rad", "left"), ("Tekst", "left"), ("I år", "right"), ("I fjor", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in seen.document.rows:
        before = "" if row.last_year is None else str(row.last_year)
        table.add_row(row.name, escape(row.text), ours_in_words(row), before)
    out.print(table)
    out.print("Gi visningens tall med «kpr view give FIL», eller lim inn: «kpr view give -».")


def give(
    by: By,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="CSV eller innlimt tekst; «-» leser det du limer inn.")
    ] = None,
    rows: Annotated[list[str] | None, typer.Option("--row", help="Én rad skrevet inn: T1.6=1250. Kan gjentas.")] = None,
    rest_is_zero: Annotated[
        bool, typer.Option("--rest-zero", help="Visningen har ikke flere rader: tjenestene som mangler, er 0 der.")
    ] = False,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Gi tallene som registerets visning viser. Det som gis senere, går foran."""
    raw, name = _given(file, rows)
    with open_workplace(settings) as place:
        given = run_give(place, raw, by=by, name=name, rest_is_zero=rest_is_zero)
        seen = mirror(place)
    if as_json:
        print_json(as_data(seen))
        return
    out.print(f"{len(given.numbers)} tall er tatt vare på.", markup=False)
    if given.left_out:
        out.print(f"{given.left_out} linjer var ingen rad i visningen og er ikke brukt.")
    _show_comparison(seen)


def compare(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Stemmer visningen med det som ble sendt? Rad for rad."""
    with open_workplace(settings) as place:
        seen = mirror(place)
    if as_json:
        print_json(as_data(seen))
    else:
        _show_comparison(seen)


def explain(
    row: Annotated[str, typer.Option("--row", help="Raden, som «kpr view compare» skriver den: T1.6.")],
    why: Annotated[str, typer.Option("--why", help="Hvorfor den avviker. Ingen navn eller fødselsnumre.")],
    by: By,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Skriv hvorfor en rad avviker, eller hvorfor den ikke kan gis."""
    with open_workplace(settings) as place:
        seen = run_explain(place, row, why=why, by=by)
    if as_json:
        print_json(as_data(seen))
    else:
        _show_comparison(seen)


def sign(
    by: By,
    why: Annotated[str, typer.Option("--why", help="En merknad, om du vil.")] = "",
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Underskriv at visningen stemmer med det som ble sendt. Bare slik blir innsendingen «riktig»."""
    with open_workplace(settings) as place:
        run_sign(place, by=by, why=why)
        seen = mirror(place)
    if as_json:
        print_json(as_data(seen))
        return
    out.print(f"[green]Versjon {seen.submission.version} er meldt riktig.[/] Lag beviset med «kpr proof make».")
    for table in seen.document.not_compared:
        out.print(f"[yellow]{table} ({_TABLES[table]}) er ikke sammenlignet:[/] ingen av visningens tall ble gitt.")


def _given(file: str | None, rows: list[str] | None) -> tuple[bytes, str]:
    if (file is None) == (not rows):
        raise BadInput("Gi enten en fil eller rader.", place="FILE, --row", remedy="kpr view give visning.csv --by …")
    if rows:
        return "\n".join(rows).encode(), "--row"
    return read_given(file or "", MAX_BYTES)


# -- how it is shown -------------------------------------------------------------------------------------------------

_TABLES = {"T1": "brukere per tjeneste", "T2": "langtidsopphold", "T3": "hjemmeboende"}
_WORDS = {
    Agreement.EQUAL: "[green]lik[/]",
    Agreement.SMALL: "[dim]for lite til å sammenlignes[/]",
    Agreement.DIFFERS: "[red]avviker[/]",
    Agreement.NOT_GIVEN: "[yellow]ikke gitt[/]",
}


def ours_in_words(row: Row) -> str:
    """Our number as a person reads it."""
    if row.of is None:
        return str(row.persons)
    return "–" if row.percent is None else f"{row.percent:.1f} %".replace(".", ",")


def theirs_in_words(line: Compared) -> str:
    """The view's number as a person reads it; empty where none was given."""
    if line.given is None:
        return ""
    if line.given.number is None:
        return "ikke vist"
    if line.row.of is None:
        return f"{line.given.number:.0f}"
    return f"{line.given.number:.{line.given.decimals}f} %".replace(".", ",")


def as_data(seen: Mirror) -> dict[str, Any]:
    """The mirror as plain data: counts and names of people who acted; no person of the extract."""
    document, signed = seen.document, seen.signed
    return {
        "version": seen.submission.version,
        "state": seen.submission.state,
        "message_sha256": document.message_sha256,
        "persons_sent": document.persons_sent,
        "persons_kept": document.persons_kept,
        "unsettled": [line.row.name for line in document.unsettled],
        "not_compared": document.not_compared,
        "right": signed is not None,
        "signed": {"who": signed.who, "at": signed.at, "why": signed.why} if signed else None,
        "rows": [
            {
                "row": line.row.name,
                "text": line.row.text,
                "ours": line.row.persons,
                "of": line.row.of,
                "last_year": line.row.last_year,
                "view": line.given,
                "agreement": line.agreement,
                "difference": line.difference,
                "explanation": line.explanation,
            }
            for line in document.compared
        ],
    }


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", expand=True)


def _head(seen: Mirror) -> None:
    document = seen.document
    out.print(
        f"Versjon {document.version} for {document.data_year}: "
        f"registeret beholder {document.persons_kept} av {document.persons_sent} personer."
    )
    if document.message_deleted:
        out.print("[red]Registeret sletter hele meldingen på grunn av feil i innholdet.[/]")
    if seen.signed:
        at = f"{seen.signed.at.astimezone(OSLO):%d.%m.%Y %H.%M}"
        out.print(f"Meldt riktig {at} av {seen.signed.who}.", markup=False)


def _show_comparison(seen: Mirror) -> None:
    _head(seen)
    given = [line for line in seen.document.compared if line.agreement is not Agreement.NOT_GIVEN]
    missing = [line for line in seen.document.unsettled if line.agreement is Agreement.NOT_GIVEN]
    if given:
        table = _table("Våre tall mot visningens")
        for name, side in (("Rad", "left"), ("Tekst", "left"), ("Vi", "right"), ("Visningen", "right"), ("", "left")):
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        for line in given:
            said = _WORDS[line.agreement] + (f": {escape(line.explanation.why)}" if line.explanation else "")
            table.add_row(line.row.name, escape(line.row.text), ours_in_words(line.row), theirs_in_words(line), said)
        out.print(table)
    if missing:
        out.print(f"Ikke gitt: {', '.join(line.row.name for line in missing)}.")
    _what_now(seen)


def _what_now(seen: Mirror) -> None:
    if seen.signed:
        out.print("Gjør ingenting nå.")
    elif not seen.document.given:
        out.print("Gi visningens tall med «kpr view give FIL», eller lim inn: «kpr view give -».")
    elif waiting := len(seen.document.unsettled):
        out.print(f"[yellow]{waiting} rader venter[/]: rett i fagsystemet og send på nytt, eller «kpr view explain».")
    else:
        out.print("Alt stemmer eller er forklart. Underskriv med «kpr view sign --by …».")
        if left := seen.document.not_compared:
            out.print(f"Ikke gitt, og ikke sammenlignet: {', '.join(f'{table} ({_TABLES[table]})' for table in left)}.")
