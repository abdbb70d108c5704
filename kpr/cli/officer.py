"""``kpr page`` and ``kpr worklist``: what the officer reads, and what she hands on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from kpr.cli.output import out, print_json, progress_bar
from kpr.cli.season import Settings
from kpr.cli.setup import Json
from kpr.errors import BadInput
from kpr.steps.officer import write_page
from kpr.steps.work_list import write_work_list
from kpr.steps.workplace import open_workplace
from kpr.whole_file import whole_file


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("page")(page)
    app.command("worklist")(worklist)
    app.command("pages")(pages)


def page(
    to: Annotated[Path, typer.Option("--out", help="Filen som siden skrives til.")] = Path("innsending.html"),
    version: Annotated[int | None, typer.Option(help="En eldre versjon; uten: den nyeste.")] = None,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Alt om innsendingen på én side: hva du skal gjøre nå, funn, tall mot i fjor, hva som ble sendt. Virker uten nett."""
    with open_workplace(settings) as place, progress_bar(quiet=as_json) as progress:
        text = write_page(place, version=version, progress=progress)
    with whole_file(to) as file:
        file.write(text.encode())
    if as_json:
        print_json({"page": to.name})
    else:
        out.print(f"Siden er skrevet til {to}. Åpne den i en nettleser; den virker uten nett.", markup=False)


def worklist(
    to: Annotated[Path, typer.Option("--out", help="Filen som listen skrives til.")] = Path("arbeidsliste.csv"),
    english: Annotated[bool, typer.Option("--english", help="Ordene på engelsk.")] = False,
    settings: Settings = Path("kpr.yaml"),
    as_json: Json = False,
) -> None:
    """Alle funn som CSV, delt på enhet, med hva som er rettet siden sist. Lokale nøkler står der, aldri navn eller numre."""
    with open_workplace(settings) as place, progress_bar(quiet=as_json) as progress, whole_file(to) as file:
        made = write_work_list(place, file, language="en" if english else "nb", progress=progress)
    if as_json:
        print_json({"file": to.name, "counts": made})
        return
    out.print(f"Listen er skrevet til {to}. Åpne den i et regneark.", markup=False)
    out.print(f"Nye: {made.new}. Står igjen: {made.remaining}. Rettet siden sist: {made.mended}.")
    if made.left_out or made.explained:
        out.print(f"Borte uten å være rettet: {made.left_out} utelatt, {made.explained} forklart.")


def pages(
    folder: Annotated[Path, typer.Argument(help="Mappen som innstillingen pages.folder nevner.")],
    port: Annotated[int, typer.Option(help="Porten på denne maskinen.", min=0, max=65535)] = 8480,
) -> None:
    """Vis sidene i en nettleser på denne maskinen (127.0.0.1). Sett innlogging foran hvis andre skal se dem."""
    from kpr.report.serve import pages_server

    if not folder.is_dir():
        raise BadInput("Mappen finnes ikke.", place=folder.name, remedy="Gi mappen som pages.folder nevner.")
    try:
        server = pages_server(folder, port)
    except OSError:
        raise BadInput(f"Porten {port} er i bruk.", place="--port", remedy="Velg en annen.") from None
    with server:
        out.print(f"Sidene vises på http://127.0.0.1:{server.server_address[1]}/ – trykk Ctrl-C for å stoppe.")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
