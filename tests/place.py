"""A municipality's place in a temporary folder, with a stand-in register and a clock that the test moves."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kpr.calendar import OSLO
from kpr.clock import set_file_clock
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.simulator import NewPlace, make_place, write_settings
from kpr.simulator_bus import SimulatedBus
from kpr.simulator_edi import SimulatedEdi
from kpr.steps.collect import collect
from kpr.steps.report import prepare, send_approved
from kpr.steps.status import Status, status
from kpr.steps.workplace import Workplace, open_workplace
from kpr.synth import SyntheticMunicipality
from kpr.synth.write import write_xml
from kpr.years import load_year

START = datetime(2021, 1, 7, 10, tzinfo=OSLO)


@cache
def _template() -> Path:
    """A place with keys and empty databases, made once: eight RSA keys and the tables take longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="kpr-place-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_place(folder, NewPlace(clock=True))
    with open_workplace(folder / "kpr.yaml"):
        pass
    Register(load_register_settings(folder / "register" / "register.yaml")).close()
    return folder


@dataclass
class Place:
    """The folder with everything in it; ``plays`` is the register's scenario, ``bus`` a broker instead of a folder."""

    folder: Path
    plays: list[dict[str, Any]] = field(default_factory=list)
    persons: int = 25
    version: str = "1.1"
    bus: SimulatedBus | None = None
    edi: SimulatedEdi | None = None

    def __post_init__(self) -> None:
        shutil.copytree(_template(), self.folder, dirs_exist_ok=True)
        if self.bus is not None or self.edi is not None:
            write_settings(self.folder, NewPlace(clock=True, bus=self.bus, edi=self.edi))
        self.settings = self.folder / "kpr.yaml"
        register = self.folder / "register"
        scenario = {"app_rec_version": self.version, "plays": self.plays}
        (register / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
        settings = register / "register.yaml"
        settings.write_text(settings.read_text("utf-8") + "scenario: scenario.yaml\n", encoding="utf-8")
        self.now = START
        self.at(START)
        self.extract()

    def at(self, moment: datetime) -> None:
        """Move the clock."""
        self.now = moment
        set_file_clock(self.folder / "clock", moment)

    def later(self, **step: float) -> None:
        """Move the clock on."""
        self.at(self.now + timedelta(**step))

    def extract(self, **faults: int) -> None:
        """Write what the care-record system exports; ``unknown_sex=2`` spoils two persons."""
        named = {name.replace("_", "-"): count for name, count in faults.items()}
        year = load_year(2020)
        write_xml(SyntheticMunicipality(year, self.persons, seed=3, faults=named), year, self.folder / "uttrekk")

    def open(self) -> AbstractContextManager[Workplace]:
        """The workplace."""
        return open_workplace(self.settings)

    def report(self, by: str = "rolle A", mended: str | None = None, **words: Any) -> str:
        """Check and send; the submission's id."""
        with self.open() as place:
            submission, checked = prepare(place, by=by, mended=mended, **words)
            send_approved(place, submission, checked, by=by, reason=None)
            return submission

    def register(self) -> int:
        """Let the register do what is due."""
        register = Register(load_register_settings(self.folder / "register" / "register.yaml"))
        try:
            return register.step(self.now)
        finally:
            register.close()

    def collect(self) -> dict[str, int]:
        """Take in what came."""
        with self.open() as place:
            return collect(place).counts()

    def exchange(self) -> dict[str, int]:
        """The register answers, and the answers are collected."""
        self.register()
        return self.collect()

    def status(self) -> Status:
        """Where it stands."""
        with self.open() as place:
            return status(place)
