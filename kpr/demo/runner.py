"""Who carries out the steps in the demo: Prefect's flows, or the same steps called directly."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from kpr.errors import Locked
from kpr.fleet.installation import VARIABLE, Entry, load_installation
from kpr.steps.collect import collect
from kpr.steps.report import prepare, send_approved
from kpr.steps.watch import watch
from kpr.steps.workplace import open_workplace


class Runner(Protocol):
    """What the demo asks for; each does the whole step and raises what the step raises."""

    def report(self, settings: Path, by: str, mended: str | None = None) -> None:
        """Check and send; Blocked or Locked when it may not."""

    def collect(self, settings: Path) -> dict[str, int]:
        """One round; what came."""

    def watch(self, settings: Path) -> list[str]:
        """What is late."""


class Steps:
    """The steps themselves."""

    def report(self, settings: Path, by: str, mended: str | None = None) -> None:
        """As ``kpr report`` and ``kpr correct``."""
        with open_workplace(settings) as place:
            submission, checked = prepare(place, by=by, mended=mended)
            send_approved(place, submission, checked, by=by, reason=None)

    def collect(self, settings: Path) -> dict[str, int]:
        """As ``kpr collect``."""
        with open_workplace(settings) as place:
            return collect(place).counts()

    def watch(self, settings: Path) -> list[str]:
        """As ``kpr watch``."""
        with open_workplace(settings) as place:
            return [alarm.id for alarm in watch(place)]


def prepare_prefect(home: Path) -> None:
    """Give Prefect a home of its own, so that the demo never touches a user's Prefect. Before it is imported."""
    os.environ.update(
        {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        }
    )
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE"):
        with suppress(KeyError):
            del os.environ[name]


class Flows:
    """Prefect's flows, on its ephemeral API."""

    def report(self, settings: Path, by: str, mended: str | None = None) -> None:
        """The flow ``report``, or ``correct`` where something was mended. Locked when the guard says no."""
        from flows.correct import correct
        from flows.report import report

        entry = _only_entry(settings)
        if mended is None:
            state = report(entry.number, entry.data_year, by, return_state=True)
        else:
            state = correct(entry.number, entry.data_year, by, mended, send=True, return_state=True)
        if state.name == "Låst":
            raise Locked(state.message or "")
        state.result()

    def collect(self, settings: Path) -> dict[str, int]:
        """The flow ``collect``."""
        from flows.collect import collect as flow

        came: Any = flow(_only_entry(settings).data_year)
        return dict(came)

    def watch(self, settings: Path) -> list[str]:
        """The flow ``annual cycle``, which does what is due, and then ``watch``."""
        from flows.annual_cycle import annual_cycle
        from flows.watch import watch as flow

        entry = _only_entry(settings)
        annual_cycle(entry.number, entry.data_year)
        late: Any = flow(entry.data_year)
        return list(late)


def _only_entry(settings: Path) -> Entry:
    """The one municipality of the demo; the flows find it by the environment."""
    os.environ[VARIABLE] = str(settings)
    (entry,) = load_installation(settings)
    return entry
