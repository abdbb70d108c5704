"""``kpr purge``: after the season, make what was sent and received unreadable for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpr.calendar import OSLO
from kpr.cli.output import out, print_json
from kpr.cli.season import By, Second, Settings, no_ids
from kpr.cli.setup import Json
from kpr.errors import Locked
from kpr.guard import Approval
from kpr.steps.purge import Outlook, outlook
from kpr.steps.purge import purge as run_purge
from kpr.steps.workplace import Workplace, approval, open_workplace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("purge")(purge)


def purge(
    by: By,
    settings: Settings = Path("kpr.yaml"),
    second: Second = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Hvorfor nå, mens svar ventes.", callback=no_ids)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Bare vis hva som ville blitt slettet, og om det kan.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Slett for godt det som er sendt og mottatt: nøklene ødelegges, og et bevis skrives. Ikke før fristen er ute."""
    persons = approval(by, second, reason)
    with open_workplace(settings) as place:
        before = outlook(place, persons)
        if dry_run:
            _show(before, as_json)
        else:
            _purge(place, before, by, persons, as_json)


def _show(before: Outlook, as_json: bool) -> None:
    """What would happen; Locked, with the reason, when it may not be done."""
    if as_json:
        print_json(before)
    else:
        out.print(_sentence(before))
    if before.refused is not None and not as_json:
        raise Locked(before.refused.nb)
    raise typer.Exit(Locked.exit_code if before.refused else 0)


def _sentence(before: Outlook) -> str:
    moment = before.allowed_after
    day = f" Kan slettes etter {moment.astimezone(OSLO):%d.%m.%Y}." if moment else ""
    return f"{_counts(before)} kan fortsatt leses.{day}" if _something(before) else "Ingenting å slette."


def _counts(before: Outlook) -> str:
    documents = f", {before.documents} dokumenter" if before.documents else ""
    return f"{before.submissions} innsendinger, {before.received} svar{documents}, {before.files} filer"


def _something(before: Outlook) -> bool:
    return bool(before.submissions or before.received or before.documents)


def _purge(place: Workplace, before: Outlook, by: str, persons: Approval, as_json: bool) -> None:
    digest = run_purge(place, by=by, approval=persons)
    if as_json:
        print_json({"certificate_sha256": digest, "before": before, "now": outlook(place)})
    elif not _something(before):
        out.print("Ingenting å slette.")
    else:
        out.print(f"Slettet for godt: {_counts(before)}.")
        out.print(f"Beviset ligger i hvelvet (SHA-256 {digest}).")
        out.print("kpr rår ikke over kopier av sesongnøklene, postkassen og fagsystemets uttrekk: slett dem dere selv.")
