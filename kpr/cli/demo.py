"""``kpr demo``: a whole reporting year in about two minutes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Over(StrEnum):
    """How the demo's messages travel."""

    DIRECTORY = "directory"
    AMQP10 = "amqp10"
    AMQP091 = "amqp091"
    MAIL = "mail"
    SFTP = "sftp"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)
    app.command("demo-prefect")(demo_prefect)


def demo_prefect(
    folder: Annotated[Path, typer.Option(help="En ny mappe; en tidligere demo der erstattes.")] = Path(
        "demo-output-prefect"
    ),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="La sidene stå åpne til Ctrl-C.")] = True,
) -> None:
    """Se en sesong for tre kommuner på Prefect, med tjener, arbeider og sider å se på."""
    from kpr.demo.prefect_season import run_prefect_demo
    from kpr.demo.year import clear

    clear(folder.resolve())
    run_prefect_demo(folder, wait=wait)


def demo(
    folder: Annotated[Path, typer.Option(help="Mappen demoen lages i; den som lå der fra før erstattes.")] = Path(
        "demo-output"
    ),
    persons: Annotated[int, typer.Option(min=50, max=20_000)] = 600,
    over: Annotated[
        Over, typer.Option(help="Hvordan meldingene reiser: en mappe, eller tjenere som startes for demoen.")
    ] = Over.DIRECTORY,
    plain: Annotated[bool, typer.Option("--plain", help="Uten Prefect, bare stegene.")] = False,
) -> None:
    """Se et helt rapporteringsår gå: feil i uttrekket, innsending, avvisning, rettelse, godtatt."""
    from kpr.demo.year import run_demo

    run_demo(folder, persons=persons, with_prefect=not plain, over=over.value)
