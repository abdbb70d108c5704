"""The commands of the season: ``report``, ``collect``, ``watch``, ``status``, ``correct``, ``resend``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kpr.checks.run import CheckResult
from kpr.cli.output import out, print_json, progress_bar
from kpr.cli.setup import Json
from kpr.errors import Locked
from kpr.free_text import refuse_ids
from kpr.people import typed
from kpr.steps.collect import collect as run_collect
from kpr.steps.collect import reread
from kpr.steps.report import prepare, send_approved
from kpr.steps.send import resend as send_same
from kpr.steps.status import Status
from kpr.steps.status import status as run_status
from kpr.steps.watch import watch as run_watch
from kpr.steps.workplace import Workplace, approval, open_workplace
from kpr.store import MessageKind


def a_person(option: typer.CallbackParam, name: str | None) -> str | None:
    """A name as it was typed, tidied; BadInput when it is no person's (kpr.people.typed)."""
    return None if name is None else typed(name, option.opts[0])


def no_ids(option: typer.CallbackParam, text: str | None) -> str | None:
    """Free text as it was typed; BadInput when something in it looks like a national id."""
    refuse_ids(text or "", option.opts[0])
    return text


Settings = Annotated[Path, typer.Option("--settings", help="Innstillingsfil.")]
By = Annotated[str, typer.Option("--by", help="Hvem du er: den som godkjenner.", callback=a_person)]
Second = Annotated[str | None, typer.Option("--second", help="Den andre personen, der to trengs.", callback=a_person)]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Hvorfor advarslene godtas, eller hvorfor nå.", callback=no_ids)
]

_DO = {"nothing": "green", "act": "yellow", "ask": "red"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (report, correct, resend, collect, watch, status):
        app.command(command.__name__)(command)


def report(
    by: By, settings: Settings = Path("kpr.yaml"), second: Second = None, reason: Reason = None, as_json: Json = False
) -> None:
    """Les, kontroller, bygg og send. Avbrutt? Kjør igjen: den fortsetter med samme nummer."""
    _send(settings, by, second, reason, None, as_json)


def correct(
    by: By,
    mended: Annotated[str, typer.Option("--mended", help="Hva som er rettet.", callback=no_ids)],
    settings: Settings = Path("kpr.yaml"),
    second: Second = None,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Send en ny, rettet versjon av begge meldingene. Låst så lenge svar på den forrige mangler."""
    _send(settings, by, second, reason, mended, as_json)


def resend(
    by: By,
    message: Annotated[MessageKind, typer.Option("--message", help="Hvilken melding: IDENT eller IPLOS.")],
    settings: Settings = Path("kpr.yaml"),
    second: Second = None,
    reason: Reason = None,
    answered: Annotated[
        bool, typer.Option("--register-answered", help="Registeret sier at det ikke har fått meldingen.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send den samme meldingen én gang til, når kvitteringen mangler etter fristen. Låst ellers."""
    with open_workplace(settings) as place:
        latest = place.store.latest()
        if latest is None:
            raise Locked("Ingenting er sendt, så det er ingenting å sende på nytt.")
        send_same(place, latest.id, message, approval(by, second, reason), answered=answered)
        now = run_status(place)
    tell(now, as_json)


def _send(path: Path, by: str, second: str | None, reason: str | None, mended: str | None, as_json: bool) -> None:
    with open_workplace(path) as place, progress_bar(quiet=as_json) as progress:
        submission, checked = prepare(place, by=by, second=second, mended=mended, reason=reason, progress=progress)
        if not as_json:
            tell_stops(checked.result)
        send_approved(place, submission, checked, by=by, reason=reason, progress=progress)
        now = run_status(place)
    tell(now, as_json)


def tell_stops(result: CheckResult) -> None:
    """Each rule that stops the submission, with what to do about it."""
    for count in result.counts:
        if count.blocks:
            rule = result.catalogue[count.rule]
            out.print(f"[red]{count.rule}[/] ({count.count}): {escape(f'{rule.wrong.nb} {rule.remedy.nb}')}")


def collect(
    settings: Settings = Path("kpr.yaml"),
    again: Annotated[
        bool, typer.Option("--reread", help="Les også det som ikke lot seg åpne da det kom (nytt sertifikat).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hent det som har kommet: kvitteringer, feilmeldinger fra transporten og e-post om identmeldingen."""
    with open_workplace(settings) as place:
        came = run_collect(place)
        if again:
            came.kinds.update(reread(place).kinds)
        now = run_status(place)
    if as_json:
        print_json({"came": came.counts(), "status": now})
        return
    for kind, count in came.counts().items():
        out.print(f"{count} × {kind}")
    if not came.counts():
        out.print("Ingenting nytt har kommet.")
    tell(now, as_json)


def watch(settings: Settings = Path("kpr.yaml"), as_json: Json = False) -> None:
    """Se på klokken: hva er forsinket? Sender aldri noe."""
    with open_workplace(settings) as place:
        alarms = run_watch(place)
        now = run_status(place)
    if as_json:
        print_json({"alarms": alarms, "status": now})
        return
    for alarm in alarms:
        out.print(f"[yellow]{alarm.lateness}[/] {alarm.text.nb}")
    if not alarms:
        out.print("Ingenting er forsinket.")
    tell(now, as_json)


def status(
    settings: Settings = Path("kpr.yaml"),
    html: Annotated[Path | None, typer.Option(help="Skriv tidslinjen som en side.")] = None,
    as_json: Json = False,
) -> None:
    """Hva har skjedd, hva ventes, til når, og hva gjør jeg nå?"""
    with open_workplace(settings) as place:
        now = run_status(place)
        if html:
            html.write_text(_page(place, now), encoding="utf-8")
    tell(now, as_json, timeline=True)


def _page(place: Workplace, now: Status) -> str:
    from kpr.calendar import OSLO
    from kpr.report.page import status_page

    title = f"{place.settings.municipality.name}, rapporteringsår {now.data_year}"
    return status_page(now, title, f"Laget {place.clock().astimezone(OSLO):%d.%m.%Y %H.%M}.")


def tell(now: Status, as_json: bool, *, timeline: bool = False) -> None:
    """Where things stand, and what to do now."""
    if as_json:
        print_json(now)
        return
    from kpr.calendar import OSLO

    if timeline:
        for line in now.timeline:
            why = f" – {line.why}" if line.why else ""
            out.print(f"[dim]{line.at.astimezone(OSLO):%d.%m.%Y %H.%M}[/]  v{line.version}  {line.text.nb}{why}")
    for standing in now.lines:
        out.print(f"  {standing.what}: {standing.words}")
    answers = (("levert", now.verdict.delivered), ("godtatt", now.verdict.accepted), ("riktig", now.verdict.right))
    out.print("  " + " · ".join(f"{name}: {'ja' if yes else 'nei'}" for name, yes in answers))
    out.print(f"[bold {_DO[now.do]}]Nå:[/] {now.next_act.nb}")
