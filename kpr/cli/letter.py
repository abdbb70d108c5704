"""``kpr letter``: the letter to the register when something went wrong, drafted; it is sent on your word only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kpr.cli.output import out, print_json
from kpr.cli.season import By, Settings
from kpr.cli.setup import Json
from kpr.errors import Locked
from kpr.steps.letter import Drafted, as_mail, fitting_kinds, send_letter, write_letter
from kpr.steps.workplace import Workplace, open_workplace
from kpr.whole_file import whole_file

Kind = Annotated[str | None, typer.Option("--kind", help="Hvilket brev; uten: det som haster mest.")]
English = Annotated[bool, typer.Option("--english", help="Brevet på engelsk.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    letter = typer.Typer(no_args_is_help=True, help="Brev til registeret når noe er galt: se det, lagre det, send det.")
    for command in (show, save, send):
        letter.command(command.__name__)(command)
    app.add_typer(letter, name="letter")


def show(
    kind: Kind = None, english: English = False, settings: Settings = Path("kpr.yaml"), as_json: Json = False
) -> None:
    """Trengs et brev nå? Vis utkastet, og hvor det skal."""
    with open_workplace(settings) as place:
        fit = fitting_kinds(place)
        drafted = write_letter(place, kind, language="en" if english else "nb")
    if as_json:
        print_json({"fitting": fit, "letter": drafted})
    elif drafted is None:
        out.print("Ingen brev trengs nå. Gjør ingenting.")
    else:
        _show(drafted)
        others = [each for each in fit if each != drafted.letter.kind]
        if others:
            out.print(f"Disse passer også: {', '.join(others)} (--kind).")
        if drafted.fits:
            out.print(f"Send det med «kpr letter send --kind {drafted.letter.kind} --by …», eller lagre det.")


def save(
    to: Annotated[Path, typer.Option("--out", help="Filen: .eml for et e-postprogram, ellers ren tekst.")],
    kind: Kind = None,
    english: English = False,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Lagre utkastet, så du kan rette det og sende det selv."""
    with open_workplace(settings) as place:
        drafted = write_letter(place, kind, language="en" if english else "nb")
        if drafted is None:
            raise Locked("Ingen brev trengs nå. Gjør ingenting.")
        content = _content(place, drafted, to, "en" if english else "nb")
    with whole_file(to) as file:
        file.write(content)
    if as_json:
        print_json({"file": to.name, "letter": drafted.letter.kind, "fits": drafted.fits, "to": drafted.to})
    else:
        _warn(drafted)
        out.print(f"Brevet er lagret i {to}.", markup=False)


def send(
    by: By,
    kind: Kind = None,
    again: Annotated[bool, typer.Option("--again", help="Også om det er sendt, eller kan være det.")] = False,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Send brevet på e-post til registeret. Det samme brevet sendes én gang."""
    with open_workplace(settings) as place:
        drafted = send_letter(place, kind, by=by, again=again)
    if as_json:
        print_json({"sent": drafted.letter.kind, "to": drafted.to})
    else:
        out.print(f"Brevet «{drafted.letter.subject}» er sendt til {drafted.to}.", markup=False)


def _content(place: Workplace, drafted: Drafted, to: Path, language: str) -> bytes:
    return as_mail(place, drafted) if to.suffix.lower() == ".eml" else drafted.as_text(language).encode()


def _warn(drafted: Drafted) -> None:
    for warning in drafted.warnings:
        out.print(f"[yellow]{escape(warning)}[/]")


def _show(drafted: Drafted) -> None:
    _warn(drafted)
    to = drafted.to or "(ingen adresse kjent: sett letters.to i innstillingene)"
    out.print(f"Til: {to}  [{drafted.source}]", markup=False)
    out.print(f"Emne: {drafted.letter.subject}\n", markup=False)
    out.print(drafted.letter.body, markup=False)
