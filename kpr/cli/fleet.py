"""``kpr fleet``: every municipality of the installation at once. One that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text as Line

from kpr.cli.output import console, out, print_json
from kpr.cli.season import a_person
from kpr.cli.setup import Json
from kpr.conversation import SubmissionState
from kpr.errors import BadSettings, Blocked, TransportRefused
from kpr.fleet.board import Row, board, counts, faults_only, phone, sentence
from kpr.fleet.board_page import board_page, deadline_text
from kpr.fleet.bulk import Result, Step, for_each, worst
from kpr.fleet.installation import Entry, Installation, find_installation, load_installation, with_trials
from kpr.fleet.look import awaiting, look_at_all, year_and_now
from kpr.log import blot
from kpr.people import Deed
from kpr.plausibility.units import expected_units
from kpr.steps.approve import send_only_approved
from kpr.steps.check import run_check
from kpr.steps.collect import collect as run_collect
from kpr.steps.extract import read_extract
from kpr.steps.rehearsal import open_either
from kpr.steps.send import send_messages
from kpr.steps.watch import watch as run_watch
from kpr.steps.workplace import Workplace
from kpr.years import Year

File = Annotated[Path | None, typer.Option("--installation", help="Installasjonen; ellers kpr-fleet.yaml.")]
DataYear = Annotated[int | None, typer.Option("--year", help="Rapporteringsår; ellers det nyeste i installasjonen.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    fleet = typer.Typer(no_args_is_help=True, help="Alle kommunene i installasjonen på én gang.")
    for name, command in (("board", show), ("check", check), ("collect", collect), ("watch", watch), ("send", send)):
        fleet.command(name)(command)
    app.add_typer(fleet, name="fleet")


@dataclass(frozen=True, slots=True)
class _Fleet:
    """The municipalities of one data year."""

    installation: Installation
    entries: tuple[Entry, ...]

    def rows(self) -> tuple[Row, ...]:
        """Where everyone stands, the most urgent first."""
        return board(look_at_all(self.entries), *year_and_now(self.entries))

    def of(self, row: Row) -> Entry:
        """The municipality that a row is about."""
        return self.installation.by_key[row.standing.number, row.standing.data_year]


def _fleet(file: Path | None, data_year: int | None) -> _Fleet:
    installation = load_installation(file or find_installation())
    wanted = data_year or max(entry.data_year for entry in installation)
    entries = tuple(entry for entry in installation if entry.data_year == wanted)
    if not entries:
        raise BadSettings(
            f"Installasjonen har ingen kommune med rapporteringsår {wanted}.",
            place=installation.file.name,
            remedy="Velg et av årene som står der.",
        )
    for broken in installation.broken:
        console.print(f"✗ {broken}", style="bold red", markup=False)
    return _Fleet(installation, entries)


# -- the board --------------------------------------------------------------------------------------------------------


def show(
    installation: File = None,
    year: DataYear = None,
    everyone: Annotated[bool, typer.Option("--all", help="Vis også dem som ikke trenger noen nå.")] = False,
    html: Annotated[Path | None, typer.Option(help="Skriv tavlen som en side.")] = None,
    as_json: Json = False,
) -> None:
    """Hvor står hver kommune, hva haster mest, og hvem ringer jeg først?"""
    fleet = _fleet(installation, year)
    rows = fleet.rows()
    data_year, now = year_and_now(fleet.entries)
    if html:
        html.write_text(board_page(rows, data_year, now), encoding="utf-8")
    missing = expected_units(data_year, fleet.installation)
    if as_json:
        print_json(_as_data(rows) | {"missing": [{"number": unit.number, "text": unit.text} for unit in missing]})
        return
    for unit in missing:
        out.print(f"! {unit.text.nb}", style="yellow", markup=False)
    shown = rows if everyone else faults_only(rows)
    if shown:
        out.print(_table(shown, data_year))
    out.print(deadline_text(data_year, now), style="dim")
    out.print(sentence(rows), style="bold", markup=False)


def _as_data(rows: Sequence[Row]) -> dict[str, Any]:
    """All of it: a program chooses for itself."""
    shown = [
        {
            "municipality": row.standing.number,
            "name": row.standing.name,
            "place": row.place,
            "needs_person": row.needs_person,
            "person": row.person,
            "hours": None if row.hours is None else round(row.hours, 1),
            "state": row.standing.state,
            "version": row.standing.version,
            "text": {"nb": blot(row.text.nb), "en": blot(row.text.en)},
        }
        for row in rows
    ]
    calls = [
        {"person": call.person, "about": [row.standing.number for row in call.rows], "text": call.text}
        for call in phone(rows)
    ]
    return {"sentence": sentence(tuple(rows)), "counts": counts(rows), "phone": calls, "rows": shown}


def _table(rows: Iterable[Row], year: Year) -> Table:
    table = Table(title=f"Tavle, rapporteringsår {year.data_year}", title_justify="left", expand=True)
    table.add_column("Kommune")
    table.add_column("Igjen")  # to the last safe sending
    table.add_column("Hvor det står, og hva gjøres nå", ratio=1)
    table.add_column("Ring")
    for row in rows:
        said = (row.standing.label, row.left, blot(row.text.nb), row.whom)
        table.add_row(*(Line(each) for each in said))  # as text: a name may hold brackets
    return table


# -- a step for all of them -------------------------------------------------------------------------------------------


def check(installation: File = None, year: DataYear = None, as_json: Json = False) -> None:
    """Kontroller uttrekket til alle kommunene. Ingenting sendes. Sluttkode 3 når noe ville stanset en av dem."""
    _round("kontroll", _fleet(installation, year).entries, _in_place(_check), as_json)


def _check(place: Workplace) -> str:
    work = read_extract(place)
    result = run_check(place, work)
    stopping = [f"{count.rule} ({count.count})" for count in result.counts if count.blocks]
    if stopping:
        raise Blocked(f"Funn ville stanset innsendingen: {', '.join(stopping)}. Ingenting er sendt.")
    found = sum(count.count for count in result.counts)
    return f"{work.count('person')} personer, {found} funn som ikke stanser"


def collect(installation: File = None, year: DataYear = None, as_json: Json = False) -> None:
    """Hent det som har kommet til dem som venter på noe, også til prøvene, og fullfør sendinger som ble avbrutt."""
    _round("henting", awaiting(with_trials(_fleet(installation, year).entries)), _in_place(_collect), as_json)


def _collect(place: Workplace) -> str:
    came = run_collect(place).counts()
    # What has come is safe by now, whatever keeps the rest of a sending that was cut off.
    latest = place.store.latest()
    if latest is not None and latest.state is SubmissionState.SENDING:
        send_messages(place, latest.id)
        return "sendingen som ble avbrutt, er fullført"
    return ", ".join(f"{count} × {kind}" for kind, count in came.items()) or "ingenting nytt"


def watch(installation: File = None, year: DataYear = None, as_json: Json = False) -> None:
    """Se på klokken for alle: hva er forsinket? Sender aldri noe."""
    _round("vakt", _fleet(installation, year).entries, _in_place(_watch), as_json)


def _watch(place: Workplace) -> str:
    return " ".join(alarm.text.nb for alarm in run_watch(place)) or "ingenting er forsinket"


def send(
    by: Annotated[str, typer.Option("--by", help="Hvem du er: den som setter i gang sendingen.", callback=a_person)],
    limit: Annotated[int | None, typer.Option(min=1, help="Høyst så mange, de som haster mest først.")] = None,
    installation: File = None,
    year: DataYear = None,
    as_json: Json = False,
) -> None:
    """Send det som er godkjent og ikke sendt, eller halvveis sendt, det som haster mest først. Godkjenner ingenting."""
    fleet = _fleet(installation, year)
    # One that cannot be asked is tried as well: what is wrong with it is told, and it sends nothing unapproved either.
    ready = [fleet.of(row) for row in fleet.rows() if row.standing.unfinished or row.standing.error]
    _round("sending", ready, _in_place(lambda place: _send(place, by)), as_json, limit)


def _send(place: Workplace, by: str) -> str:
    place.demand(Deed.RESEND_TRANSPORT, by)
    latest = place.store.latest()
    if latest is not None and latest.state in (SubmissionState.APPROVED, SubmissionState.SENDING):
        with place.store.transaction() as session:
            place.store.note(session, place.act(by), "submission", "FLEET_SEND", submission=latest)
    sent = place.store.submission(send_only_approved(place))
    if sent.state is SubmissionState.SENDING:
        raise TransportRefused("Meldingene er ikke levert: noe må rettes først. «kpr status» sier hva.")
    return "sendt"


def _in_place(step: Callable[[Workplace], str]) -> Step:
    """The step, in the municipality's workplace."""

    def inner(entry: Entry) -> str:
        with open_either(entry.settings_file, entry.trial_of) as place:
            return step(place)

    return inner


def _round(what: str, entries: Sequence[Entry], step: Step, as_json: bool, limit: int | None = None) -> None:
    """Run it, tell of each as it goes, and end with the code of the one that went worst."""
    results = for_each(entries, step, limit=limit, on_done=_nothing if as_json else _tell)
    wrong = [result for result in results if result.error]
    if as_json:
        print_json(
            {"places": [_plain(result) for result in results], "failed": len(wrong), "exit_code": worst(results)}
        )
    else:
        out.print(f"{what.capitalize()}: {len(results)} kommuner, {len(wrong)} med feil.", style="bold")
    raise typer.Exit(worst(results))


def _nothing(_result: Result) -> None:
    """Programs read the end only."""


def _tell(result: Result) -> None:
    mark, style = ("✗", "bold red") if result.error else ("✓", "green")
    out.print(Line(mark, style), Line(f"{result.entry.label}: {blot(result.error or result.outcome)}"))


def _plain(result: Result) -> dict[str, Any]:
    entry = result.entry
    said = {"outcome": blot(result.outcome), "error": result.error, "exit_code": result.exit_code}
    return {"municipality": entry.number, "name": entry.name, "data_year": entry.data_year} | said
