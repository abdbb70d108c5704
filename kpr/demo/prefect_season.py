"""A season of three municipalities on a real Prefect server and worker, with a time-lapse clock; its pages stay open.

Everything that happens is a flow run of a deployment, or a person's answer in the form of a waiting thread.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kpr.calendar import OSLO
from kpr.cli.output import out
from kpr.clock import set_file_clock
from kpr.demo.own_server import ended_by_signals
from kpr.demo.prefect_processes import PrefectServer, PrefectWorker
from kpr.errors import KprError
from kpr.fleet.board import board, sentence
from kpr.fleet.installation import VARIABLE, Installation, load_installation
from kpr.fleet.look import look_at_all, year_of
from kpr.log import configure_logs
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.registry.view import view_text
from kpr.report.serve import pages_server
from kpr.simulator_fleet import extract_for, make_fleet
from kpr.steps.answer import extract_mark
from kpr.steps.mirror import give
from kpr.steps.workplace import open_workplace
from kpr.wishes import Wish

#: Oslo goes well; Stavanger is rejected once; Bergen's e-mail is late.
NUMBERS = ("0301", "1103", "4601")
PLAYS = (
    {"type": "iplos", "municipality": "1103", "number": 1, "negative": "T99", "detail": "iiKontakt", "late_hours": 20},
    {"type": "ident", "municipality": "4601", "mail_late_hours": 30},
)
OFFICER = "fagansvarlig"
_SECONDS = 180.0


class Season:
    """The three municipalities, their register, and what their people do."""

    def __init__(self, folder: Path, fleet: Installation) -> None:
        self.folder, self.fleet = folder, fleet
        self.register = Register(load_register_settings(folder / "register" / "register.yaml"))
        self.now = datetime(2021, 1, 4, 9, tzinfo=OSLO)

    def at(self, moment: str) -> None:
        """Time passes."""
        self.now = datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=OSLO)
        set_file_clock(self.folder / "clock", self.now)
        out.print(f"\n[bold cyan]{self.now:%d.%m.%Y kl. %H.%M}[/]")

    def run(self, deployment: str, **parameters: Any) -> str:
        """Run a deployment on the worker, to its end; its state's sentence."""
        from prefect import get_client
        from prefect.client.schemas.objects import TERMINAL_STATES

        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
            run = client.create_flow_run_from_deployment(found.id, parameters=parameters).id
            state = _until(lambda: client.read_flow_run(run).state, lambda state: state.type in TERMINAL_STATES)
        out.print(f"  {deployment.partition('/')[0]}: {state.message or state.name}")
        return str(state.type.value)

    def answer(self, number: str, wish: Wish, **values: Any) -> None:
        """What a person fills in in the form of her municipality's thread."""
        from prefect import get_client

        from tasks.thread import DEPLOYMENT, thread_key

        entry = self.fleet.find(number, 2020)
        with open_workplace(entry.settings_file) as place:
            mark = extract_mark(place.store.latest())
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(DEPLOYMENT)
            whose = {"municipality": number, "data_year": 2020}
            key = thread_key(entry)
            run = client.create_flow_run_from_deployment(found.id, parameters=whose, idempotency_key=key).id
            form = {"wish": wish.value, "by": OFFICER, "extract": mark} | values
            client.resume_flow_run(run, run_input=form)
            _until(lambda: client.read_flow_run(run).state, lambda state: state.name not in ("Suspended", "Resuming"))
            _until(lambda: client.read_flow_run(run).state, lambda state: state.is_paused() or state.is_final())
        out.print(f"  {entry.label}: {OFFICER} svarer «{wish.value}»")

    def answers(self) -> None:
        """The register does what is due, and what came is collected."""
        self.register.step(self.now)
        self.run("collect/collect", data_year=2020)

    def tell(self) -> None:
        """The board in a sentence."""
        rows = board(look_at_all(self.fleet), year_of(self.fleet.entries[0]), self.now)
        out.print(f"  [bold]Tavle:[/] {sentence(rows)}")

    # -- scenes -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """The morning's dry run: two are ready, one has findings that stop it."""
        self._extract("4601", {"unknown-sex": 2})
        self.run("prepare/prepare", data_year=2020)
        self.run("watch/watch", data_year=2020)

    def _extract(self, number: str, faults: dict[str, int]) -> None:
        place = self.fleet.find(number, 2020).settings_file.parent
        extract_for(place, number, 2020, 40, faults=faults)

    def send_two(self) -> None:
        """Oslo approves in the form and sends; Stavanger approves, and the centre sends for all who have approved."""
        self.answer("0301", Wish.SEND)
        self.answer("1103", Wish.APPROVE)
        self.run("fleet report/fleet-report", data_year=2020)

    def first_answers(self) -> None:
        """E-mails come; the third has mended its extract and sends by the run form."""
        self.answers()
        self._extract("4601", {})
        self.run("report/report", municipality="4601", data_year=2020, by=OFFICER)

    def rejection(self) -> None:
        """Stavanger's receipt is negative; what would the guard say to a correction?"""
        self.answers()
        self.run("correct/correct", municipality="1103", data_year=2020, by=OFFICER, mended="kontaktpersoner")
        self.run(
            "correct/correct", municipality="1103", data_year=2020, by=OFFICER, mended="kontaktpersoner", send=True
        )

    def last_answers(self) -> None:
        """All answers are there."""
        self.answers()
        self.run("watch/watch", data_year=2020)

    def comparison(self) -> None:
        """Oslo's officer gives the view's numbers, and signs in the form that they agree."""
        shown = self.register.state.latest_view("0301", 2020)
        with open_workplace(self.fleet.find("0301", 2020).settings_file) as place:
            give(place, view_text(shown or {}).encode(), by=OFFICER)
        self.run("watch/watch", data_year=2020)
        self.answer("0301", Wish.SIGN)

    def after(self) -> None:
        """The last date has passed: the threads come to their end, and later everything is made unreadable."""
        self.run("watch/watch", data_year=2020)
        self.run("fleet/fleet", data_year=2020)

    def purge(self) -> None:
        """Thirty days later."""
        self.run("purge/purge", data_year=2020)
        self.register.close()


_SCENES: tuple[tuple[str, Callable[[Season], None]], ...] = (
    ("2021-01-07 08:00", Season.prepare),
    ("2021-01-07 10:00", Season.send_two),
    ("2021-01-07 12:00", Season.first_answers),
    ("2021-01-08 09:00", Season.rejection),
    ("2021-01-09 15:00", Season.last_answers),
    ("2021-01-13 09:00", Season.comparison),
    ("2021-03-27 08:00", Season.after),
    ("2021-04-26 10:00", Season.purge),
)


def run_prefect_demo(folder: Path, *, wait: bool) -> None:
    """Play the season in an empty folder, and leave the pages open until someone presses Ctrl-C (``wait``)."""
    configure_logs(level=logging.WARNING)
    folder = folder.resolve()
    out.print("Lager tre kommuner og et register, og starter Prefect med én arbeider (et halvt minutt) …")
    fleet = load_installation(make_fleet(folder, NUMBERS, persons=40, plays=PLAYS))
    with (
        ended_by_signals(),
        _pages(folder / "sider") as pages,
        PrefectServer(folder / "prefect") as server,
        PrefectWorker(server),
        _talking_to(server, fleet),
    ):
        _deploy(server, folder, fleet)
        season = Season(folder, fleet)
        for moment, scene in _SCENES:
            season.at(moment)
            scene(season)
            season.tell()
        _demand_done(fleet)
        page = server.url.removesuffix("/api")
        out.print(f"\n[bold green]Sesongen er over, og alle tre er godtatt.[/] Se på {page} i en nettleser:")
        out.print(f"  {page}/runs          løpene: én tråd per kommune, og hver henting og sending")
        out.print(f"  {page}/artifacts     tavlen, funnene, tidslinjene")
        out.print(f"  {page}/deployments   planene; «Run» viser skjemaet")
        out.print(f"  {pages}/             sidene om innsendingene, som løpene lenker til")
        if wait:
            out.print("Trykk Ctrl-C når du er ferdig.")
            _until_interrupted()


@contextmanager
def _pages(folder: Path) -> Iterator[str]:
    """The officers' pages are kept in a folder and shown on this machine; their address."""
    folder.mkdir(mode=0o700)
    with pages_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        os.environ.update({"KPR_PAGES__FOLDER": str(folder), "KPR_PAGES__URL": address})
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def _deploy(server: PrefectServer, folder: Path, fleet: Installation) -> None:
    """As an operator does it, with the clock at the beginning of the season."""
    set_file_clock(folder / "clock", datetime(2021, 1, 4, 9, tzinfo=OSLO))
    command = [sys.executable, "-m", "kpr", "deploy", "--installation", str(fleet.file)]
    done = subprocess.run(command, env=server.environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise KprError(f"kpr deploy: {done.stdout}{done.stderr}")
    out.print(f"  {done.stdout.strip()}")


@contextmanager
def _talking_to(server: PrefectServer, fleet: Installation) -> Iterator[None]:
    """This process asks that server, and nothing of the user's own Prefect."""
    os.environ.update(server.environment() | {VARIABLE: str(fleet.file)})
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.url}):
        yield


def _until(ask: Callable[[], Any], fulfilled: Callable[[Any], bool]) -> Any:
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        found = ask()
        if found is not None and fulfilled(found):
            return found
        time.sleep(0.3)
    raise KprError("Prefect ble ikke ferdig i tide; se output.log i mappen prefect.")


def _demand_done(fleet: Installation) -> None:
    left = [standing.label for standing in look_at_all(fleet) if not standing.accepted]
    if left:
        raise KprError(f"Demoen endte uten at disse var godtatt: {', '.join(left)}")


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        out.print("Stopper.")
