"""``kpr demo``: a whole reporting year in about two minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Mappen demoen lages i; den som lå der fra før erstattes.")] = Path(
        "demo-output"
    ),
    persons: Annotated[int, typer.Option(min=50, max=20_000)] = 600,
    plain: Annotated[bool, typer.Option("--plain", help="Uten Prefect, bare stegene.")] = False,
) -> None:
    """Se et helt rapporteringsår gå: feil i uttrekket, innsending, avvisning, rettelse, godtatt."""
    from kpr.demo.year import run_demo

    run_demo(folder, persons=persons, with_prefect=not plain)
