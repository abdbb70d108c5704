"""The story of the demo: what happens on which day, told as it happens. Every line is something that really ran."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import yaml

from kpr.calendar import OSLO
from kpr.checks.rules import findings
from kpr.cli.output import out
from kpr.clock import set_file_clock
from kpr.demo.officer import (
    OFFICER,
    compare_and_sign,
    explain_swings,
    give_what_is_known,
    hand_out,
    leave_behind,
    leave_out_test_persons,
    waiting,
)
from kpr.demo.routes import Route, open_route
from kpr.demo.runner import Flows, Runner, Steps, prepare_prefect
from kpr.errors import Blocked, KprError, Locked
from kpr.log import configure_logs
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.registry.view import view_page, view_text
from kpr.report.page import findings_page, place_texts, status_page
from kpr.simulator import NewPlace, make_place
from kpr.steps.check import Checked, run_check
from kpr.steps.extract import read_extract
from kpr.steps.status import Status, status
from kpr.steps.workplace import Workplace, open_workplace
from kpr.synth import SyntheticMunicipality
from kpr.synth.write import write_xml
from kpr.years import load_year

#: What is wrong with the first extract: things that really happened (content-rules.md, E7-E10, and the pair).
FIRST_FAULTS = {
    "retired-code": 6,
    "service-after-period": 4,
    "from-after-to": 3,
    "unknown-sex": 2,
    "missing-ident": 2,
    "old-coordinator": 5,
    "no-assessment": 4,
}

#: The register's part: the first IPLOS message is rejected, a day later; everything else goes well.
SCENARIO = {"plays": [{"type": "iplos", "number": 1, "negative": "T99", "detail": "iiKontakt", "late_hours": 20}]}
_MARKER = ".kpr-demo"


class Demo:
    """One run of the story in one folder."""

    def __init__(
        self,
        folder: Path,
        persons: int,
        runner: Runner,
        marked: tuple[str, ...] = (),
        route: Route | None = None,
    ) -> None:
        self.folder, self.persons, self.runner, self.marked = folder, persons, runner, marked
        route = route or Route()
        self.settings = make_place(folder, NewPlace(clock=True, bus=route.bus, edi=route.edi))
        self._make_scenario()
        self.register = Register(load_register_settings(folder / "register" / "register.yaml"))
        self.now = datetime(2021, 1, 4, 9, tzinfo=OSLO)

    def _make_scenario(self) -> None:
        register = self.folder / "register"
        (register / "scenario.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
        settings = register / "register.yaml"
        settings.write_text(settings.read_text("utf-8") + "scenario: scenario.yaml\n", encoding="utf-8")

    def play(self) -> Status:
        """The whole year; where it ended."""
        for moment, scene in _SCENES:
            self._at(datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=OSLO))
            scene(self)
        return self._status()

    # -- what the scenes are made of ----------------------------------------------------------------------------

    def _at(self, moment: datetime) -> None:
        self.now = moment
        set_file_clock(self.folder / "clock", moment)
        out.print(f"\n[bold cyan]{_DAYS[moment.weekday()]} {moment:%d.%m.%Y kl. %H.%M}[/]")

    def _source(self, faults: dict[str, int]) -> SyntheticMunicipality:
        return SyntheticMunicipality(load_year(2020), self.persons, seed=7, faults=faults, marked=self.marked)

    def extract(self, faults: dict[str, int]) -> None:
        """What the care-record system exports."""
        write_xml(self._source(faults), load_year(2020), self.folder / "uttrekk")

    def _say(self, act: Callable[[Workplace], str | list[str]]) -> list[str]:
        """What a person does in between, told line by line."""
        with open_workplace(self.settings) as place:
            told = act(place)
        lines = [told] if isinstance(told, str) else told
        for line in lines:
            out.print(f"  {line}", markup=False)
        return lines

    def _report(self, mended: str | None = None) -> bool:
        """Check and send; False, and the reason is told, when findings stop it."""
        try:
            self.runner.report(self.settings, OFFICER, mended)
        except Blocked as stopped:
            out.print(f"  [red]{stopped}[/]")
            return False
        return True

    def _status(self) -> Status:
        with open_workplace(self.settings) as place:
            return status(place)

    def tell(self) -> None:
        """Say where things stand, and what to do now."""
        now = self._status()
        color = {"nothing": "green", "act": "yellow", "ask": "red"}[now.do]
        out.print(f"  [bold {color}]Nå:[/] {now.next_act.nb}")

    def answer(self) -> None:
        """The register does what is due, and what it sent is collected."""
        self.register.step(self.now)
        came = self.runner.collect(self.settings)
        for kind, count in came.items():
            out.print(f"  Kom inn: {count} × {kind}")

    # -- scenes -------------------------------------------------------------------------------------------------

    def first_extract(self) -> None:
        """A dry run finds faults, and nothing is sent."""
        out.print("  Fagsystemet har eksportert. kpr leser og kontrollerer:")
        self.extract(FIRST_FAULTS)
        self._say(lambda place: give_what_is_known(place, self._source({})))
        with open_workplace(self.settings) as place:
            self._show_findings(place)
        self._report()
        self._say(waiting)
        self._say(lambda place: hand_out(place, self.folder))
        self.tell()

    def _show_findings(self, place: Workplace) -> None:
        work = read_extract(place)
        checked = Checked(run_check(place, work), work)
        for count in [count for count in checked.result.counts if count.blocks][:6]:
            where = next(iter(place_texts(findings(work, checked.result.catalogue, rule=count.rule, limit=1))), "")
            wrong = checked.result.catalogue[count.rule].wrong.nb
            out.print(f"    [red]{count.rule:<16}[/] {count.count:>3}  {wrong} [dim]({where} …)[/]")
        out.print(f"  {checked.result.sentence.nb}")
        made = f"Laget {self.now:%d.%m.%Y %H.%M}. Ingen navn eller fødselsnumre står på denne siden."
        page = findings_page(checked, place.year, "Kontroll av første uttrekk, 2020", made)
        (self.folder / "funn.html").write_text(page, encoding="utf-8")

    def mended_extract(self) -> None:
        """Mended in the care-record system and extracted again. Sent when what swings has its reason."""
        out.print("  Feilene er rettet i fagsystemet, og det er eksportert på nytt.")
        self.extract({})
        self._say(leave_out_test_persons)
        out.print("  Sender:")
        if not self._report() and self._say(explain_swings):
            out.print("  Sender:")
            self._report()
        self.tell()

    def ident_feedback(self) -> None:
        """The e-mail about the ids comes at once; the receipt does not."""
        self.answer()
        self.tell()

    def impatience(self) -> None:
        """Sending again now is refused, with the reason."""
        out.print("  Kunne vi ikke bare sende på nytt?")
        try:
            self.runner.report(self.settings, OFFICER, mended="utålmodig")
        except Locked as locked:
            out.print(f"  [yellow]Låst:[/] {locked}")

    def rejection(self) -> None:
        """The receipt comes, and it is negative."""
        self.answer()
        self.tell()

    def correction(self) -> None:
        """A new version of both messages."""
        out.print("  Kontaktpersonene er rettet i fagsystemet. Sender ny versjon av begge meldingene:")
        self.extract({})
        self.runner.report(self.settings, OFFICER, mended="kontaktpersoner")
        self.tell()

    def acceptance(self) -> None:
        """Both answers come and are good."""
        self.answer()
        self.tell()

    def comparison(self) -> None:
        """The officer holds the register's view against what was sent, and signs: the third answer."""
        out.print("  Registerets visning er oppdatert. Den holdes opp mot det som ble sendt:")
        shown = self.register.state.latest_view("1103", 2020)
        self._say(lambda place: compare_and_sign(place, view_text(shown or {}).encode()))
        self.tell()

    def milestone(self) -> None:
        """A date passes; nothing is late."""
        late = self.runner.watch(self.settings)
        out.print("  Ingenting er forsinket." if not late else f"  Forsinket: {', '.join(late)}")
        self.tell()

    def finish(self) -> None:
        """Leave pages to look at. Our last acknowledgments reach the register, where there are such."""
        self.register.step(self.now)
        now = self._status()
        page = status_page(now, "Eksempel kommune, rapporteringsår 2020", f"Laget {self.now:%d.%m.%Y}.")
        (self.folder / "status.html").write_text(page, encoding="utf-8")
        with open_workplace(self.settings) as place:
            leave_behind(place, self.folder)
        self._say(lambda place: hand_out(place, self.folder))
        view = self.register.state.latest_view("1103", 2020)
        if view:
            (self.folder / "visning.html").write_text(view_page(view, "1103", 2020), encoding="utf-8")
        self.register.close()


_DAYS = ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag")
_SCENES: tuple[tuple[str, Callable[[Demo], None]], ...] = (
    ("2021-01-04 09:00", Demo.first_extract),
    ("2021-01-07 10:00", Demo.mended_extract),
    ("2021-01-07 10:20", Demo.ident_feedback),
    ("2021-01-07 13:00", Demo.impatience),
    ("2021-01-08 09:00", Demo.rejection),
    ("2021-01-11 09:30", Demo.correction),
    ("2021-01-11 10:00", Demo.acceptance),
    ("2021-01-13 08:30", Demo.comparison),
    ("2021-02-10 12:00", Demo.milestone),
    ("2021-03-27 09:00", Demo.milestone),
    ("2021-03-27 09:05", Demo.finish),
)


def run_demo(folder: Path, *, persons: int, with_prefect: bool, over: str = "directory") -> None:
    """Play the year in ``folder`` (a former demo there is replaced), and say what was left to look at.

    ``over``: ``directory``, or another route of ``routes.py``, whose servers are started and stopped again.
    """
    configure_logs(level=logging.WARNING)  # the story is told on the terminal; logs would talk over it
    folder = folder.resolve()
    clear(folder)
    if over != "directory":
        out.print("Starter tjenere bare for demoen (noen sekunder) …")
    with open_route(over, folder) as route:
        if route.told:
            out.print(route.told)
        _play(folder, persons, with_prefect, route)
        if left := route.left():
            raise KprError(f"Demoen etterlot meldinger som ingen har hentet: {left}")
        if route.told:
            out.print("Alt som ble sendt, er hentet: ingenting venter hos tjenerne.")


def _play(folder: Path, persons: int, with_prefect: bool, route: Route) -> None:
    runner: Runner = Steps()
    if with_prefect:
        prepare_prefect(folder / "prefect")
        out.print("Starter Prefect (noen sekunder) …")
        runner = Flows()
    end = Demo(folder, persons, runner, route=route).play()
    if end.state != "ACCEPTED":
        raise KprError(f"Demoen endte i {end.state}, ikke i ACCEPTED.")
    out.print("\n[bold green]Året er godtatt.[/] Se på:")
    for name, what in (
        ("innsending.html", "alt om innsendingen på én side: begynn her"),
        ("funn.html", "funnene i det første uttrekket"),
        ("arbeidsliste.csv", "funnene til enhetene, med hva som er rettet"),
        ("visning.html", "registerets visning"),
    ):
        out.print(f"  {folder / name}  ({what})")
    out.print(f"Tidslinjen i terminalen: kpr status --settings {folder / 'kpr.yaml'}")
    out.print(f"Beviset, som kan kontrolleres hvor som helst: kpr proof verify {folder / 'bevis.zip'}")


def clear(folder: Path) -> None:
    """Only ever removes what a demo made."""
    if not folder.exists():
        folder.mkdir(parents=True)
    elif any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise KprError(f"Mappen {folder.name} er ikke tom og er ikke fra en demo. Velg en annen med --folder.")
        shutil.rmtree(folder)
        folder.mkdir()
    (folder / _MARKER).touch()
