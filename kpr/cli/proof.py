"""``kpr proof``: a signed file that says what was sent, who approved it and what came back; and whether one is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.cli.given import read_given
from kpr.cli.output import out, print_json
from kpr.cli.season import Settings, a_person
from kpr.cli.setup import Json
from kpr.errors import Altered
from kpr.proof.bundle import MAX_FILE
from kpr.proof.verify import Verified, another_organisation, not_trusted
from kpr.proof.verify import verify as run_verify
from kpr.steps.proof import make_proof as run_make
from kpr.steps.proof_here import compare_with_store
from kpr.steps.workplace import open_workplace
from kpr.whole_file import whole_file


def register(app: typer.Typer) -> None:
    """Add the commands."""
    proof = typer.Typer(no_args_is_help=True, help="Beviset for en innsending: lag det, og kontroller det uten nett.")
    proof.command("make")(make)
    proof.command("verify")(verify)
    app.add_typer(proof, name="proof")


def make(
    to: Annotated[Path | None, typer.Option("--out", help="Filen det skrives til; ellers et navn av seg selv.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Hvem du er.", callback=a_person)] = None,
    version: Annotated[int | None, typer.Option(help="En eldre versjon; uten: den nyeste.")] = None,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Lag et underskrevet bevis: hva som ble sendt, hvem som godkjente, hva som kom tilbake. Ingen personopplysninger."""
    with open_workplace(settings) as place:
        made = run_make(place, by=by or "kpr", version=version)
    target = to or Path(made.name)
    with whole_file(target) as file:
        file.write(made.content)
    if as_json:
        print_json({"proof": target.name, "sha256": made.sha256})
        return
    out.print(f"Beviset er skrevet til {target}.", markup=False)
    out.print(f"Kontroller det når som helst, uten nett: kpr proof verify {target}", markup=False)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Beviset.")],
    roots: Annotated[Path | None, typer.Option(help="Rotsertifikater (PEM) som underskriften skal lede til.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="Hold det også opp mot det som ligger her.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Er beviset det som ble underskrevet? Virker uten nett, innstillinger og nøkler. 10: noe er endret, og hva."""
    found = run_verify(read_given(file, MAX_FILE)[0])
    altered = [*found.altered, *(not_trusted(found, roots) if roots else ())]
    if settings is not None and found.said:
        with open_workplace(settings) as place:
            altered += compare_with_store(place, found)
    if as_json:
        print_json(_data(found, altered))
    else:
        _tell(found, altered, by_roots=roots is not None)
    if altered and as_json:
        raise typer.Exit(Altered.exit_code)
    if altered:
        raise Altered("Beviset er ikke det som ble underskrevet. Stol ikke på det.", tuple(text.nb for text in altered))


def _data(found: Verified, altered: list[Text]) -> dict[str, Any]:
    return {
        "whole": not altered,
        "altered": altered,
        "signer": found.signer,
        "signer_is_another": another_organisation(found),
        "signed_at": found.signature.at if found.signature else None,
        "whose": found.said.get("whose"),
        "standing": found.said.get("standing"),
        "event_head": found.said.get("event_head"),
    }


def _tell(found: Verified, altered: list[Text], *, by_roots: bool) -> None:
    whose, standing = found.said.get("whose") or {}, found.said.get("standing") or {}
    if whose:
        out.print(
            f"Bevis for {whose.get('municipality')} {whose.get('name')}, {whose.get('data_year')}, "
            f"innsending {whose.get('version')} ({whose.get('environment')}).",
            markup=False,
        )
        names = (("Levert", "delivered"), ("Godtatt", "accepted"), ("Riktig", "right"))
        out.print("  " + " · ".join(f"{word}: {'ja' if standing.get(name) else 'nei'}" for word, name in names))
    if found.signer:
        made = f"{found.made_at.astimezone(OSLO):%d.%m.%Y %H.%M}"
        out.print(f"  Underskrevet med sertifikatet til {found.signer}. Laget {made}.", markup=False)
    for text in altered:
        out.print(f"  {text.nb}", style="red", markup=False)
    if (other := another_organisation(found)) and other not in altered:
        out.print(f"  {other.nb}", style="yellow", markup=False)
    if not altered:
        out.print("[green]Beviset er helt: ingenting er endret siden det ble underskrevet.[/]")
        if not by_roots:
            out.print("Hvem som helst kan underskrive; se at navnet er riktig, eller bruk --roots.")
