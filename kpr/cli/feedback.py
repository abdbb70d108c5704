"""``kpr feedback``: the ident e-mail when it did not come by itself: dropped as a file, or seen by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpr.cli.output import out
from kpr.cli.season import By, Settings, tell
from kpr.cli.setup import Json
from kpr.steps.mails import add_mail
from kpr.steps.mails import seen as run_seen
from kpr.steps.status import status
from kpr.steps.workplace import open_workplace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    feedback = typer.Typer(no_args_is_help=True, help="Tilbakemeldingen på identmeldingen (e-posten), for hånd.")
    feedback.command("add")(add)
    feedback.command("seen")(seen)
    app.add_typer(feedback, name="feedback")


def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="E-posten, lagret som .eml.")],
    by: By,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Legg inn en e-post fra registeret som du har lagret som fil. Vedlegg åpnes ikke."""
    with open_workplace(settings) as place:
        outcome = add_mail(place, file, by)
        now = status(place)
    if not as_json:
        out.print(f"E-posten: {outcome}")
    tell(now, as_json)


def seen(
    by: By,
    faults: Annotated[bool, typer.Option("--faults/--ok", help="Melder e-posten feil, eller er alt i orden?")],
    note: Annotated[str, typer.Option(help="Hva den sier, uten å nevne noen.")] = "",
    number: Annotated[
        int | None, typer.Option(help="Løpenummeret den gjelder; ellers den nyeste innsendingen.")
    ] = None,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Skriv ned at du selv har sett e-posten om identmeldingen, og hva den sier. Navnet ditt og tiden blir stående."""
    with open_workplace(settings) as place:
        outcome = run_seen(place, by, faults=faults, note=note, sequence_number=number)
        now = status(place)
    if not as_json:
        out.print(f"Skrevet ned: {outcome}")
    tell(now, as_json)
