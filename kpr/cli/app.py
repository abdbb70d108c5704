"""The command line: ``kpr``. Thin: each command opens a workplace, calls a step, and tells what came of it.

Exit codes stand in kpr/errors.py: 0 done, 2 input that cannot be used, 3 stopped by findings, 4 the guard says no,
5 transport (try again), 6 a step that the conversation does not allow, 7 transport (mend something first), 8 the
database is busy, full or away, 9 ``kpr deploy --check`` found a difference, 10 a proof or the log of events was altered.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kpr import __version__
from kpr.cli import (
    alarms,
    approve,
    audit,
    demo,
    deploy,
    extracts,
    feedback,
    fleet,
    letter,
    mirror,
    officer,
    persons,
    plausibility,
    proof,
    purge,
    rehearse,
    season,
    setup,
)
from kpr.cli.output import tell_error
from kpr.errors import KprError
from kpr.log import configure_logs

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Kommunens årlige IPLOS-rapport til KPR: uttrekk, kontroll, sending, svar, rettelse.",
)
for part in (
    setup,
    extracts,
    plausibility,
    persons,
    approve,
    season,
    feedback,
    letter,
    mirror,
    officer,
    proof,
    purge,
    audit,
    fleet,
    alarms,
    deploy,
    rehearse,
    demo,
):
    part.register(app)


@app.callback()
def _every_command(
    version: Annotated[bool, typer.Option("--version", help="Vis versjon og avslutt.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Logg som JSON-linjer.")] = False,
) -> None:
    # Before anything imports Prefect: it reads these once, and its first setting is to tell its maker what it does.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    configure_logs(as_json=log_json)
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command; every error that we raise on purpose becomes a sentence and its own exit code."""
    try:
        app(standalone_mode=True)
    except KprError as error:
        sys.exit(tell_error(error, as_json="--json" in sys.argv))
    except MemoryError:
        sys.exit(tell_error(KprError("Ikke nok minne til dette uttrekket."), as_json="--json" in sys.argv))
