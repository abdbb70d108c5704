"""One round over all municipalities: what needs a person, telling it once, and the daily digest.

The command ``kpr alarms`` and the flow ``watch`` go this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kpr.alarms.digest import Change, Section, digest
from kpr.alarms.message import Telling
from kpr.alarms.notice import Notice
from kpr.alarms.season import Season
from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.clock import system_clock
from kpr.errors import KprError, Locked
from kpr.fleet.board import board
from kpr.fleet.installation import Entry, Installation
from kpr.fleet.look import look_at_all, year_and_now
from kpr.plausibility.units import expected_units
from kpr.steps.tell import due_alarms, tell, tell_all
from kpr.steps.timeline import timeline
from kpr.steps.workplace import Workplace, open_workplace
from kpr.store import ToldBook
from kpr.years import Year


@dataclass(slots=True)
class AlarmRound:
    """What one round over all municipalities found and did."""

    installation: Installation
    send: bool
    notices: list[Notice] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changes: dict[int, list[Change]] = field(default_factory=dict)
    years: dict[int, Year] = field(default_factory=dict)
    now: datetime = field(default_factory=system_clock)

    def one(self, entry: Entry) -> str:
        """Look at one municipality, and tell what is new. Whatever could not be told is told next time."""
        settings = self.installation.tell
        with open_workplace(entry.settings_file) as place:
            found = due_alarms(place, quiet_hours=settings.quiet_hours)
            self.notices += found
            self.years[entry.data_year], self.now = place.year, place.clock()
            self.changes.setdefault(entry.data_year, []).extend(_changes(place, entry))
            if self.send:
                self.told += tell(place, found, settings)
        return f"{len(found)} varsler"

    def daily(self) -> Telling | None:
        """Today's digest."""
        entries, sections = list(self.installation), []
        for year in sorted({entry.data_year for entry in entries}):
            ours = [entry for entry in entries if entry.data_year == year]
            known = self.years.get(year) or year_and_now(ours)[0]
            rows = board(look_at_all(ours), known, self.now)
            changes, missing = tuple(self.changes.get(year, ())), expected_units(known, entries)
            sections.append(Section(Season(known, self.now), rows, changes, tuple(unit.text for unit in missing)))
        name = self.installation.name if len(entries) > 1 else f"{entries[0].number}-{entries[0].data_year}"
        return digest(name, sections, self.now.astimezone(OSLO).date(), self.installation.tell.link)

    def daily_is_told(self) -> bool:
        """Whether today's digest has gone out, so that it need not be made again; also when no place can be opened.

        Every store that can be opened is asked: the one that kept count yesterday may be away today.
        """
        opened = False
        for place in self._places():
            opened = True
            if _told_today(place):
                return True
        return not opened

    def send_daily(self, telling: Telling) -> list[str]:
        """Tell it, once a day. The store that has begun today keeps count, or the first one that can be opened."""
        first = None
        for place in self._places():
            first = first or place.label
            if _told_today(place):
                return tell_all(place, [telling], self.installation.tell)
        for place in self._places():
            if place.label == first:
                return tell_all(place, [telling], self.installation.tell)
        raise Locked("Ingen av kommunene kan åpnes, så sammendraget kan ikke sendes.")

    def _places(self) -> Iterator[Workplace]:
        """One after the other, those that can be opened; the others stand in the digest as faults."""
        for entry in self.installation:
            with ExitStack() as stack:
                try:
                    place = stack.enter_context(open_workplace(entry.settings_file))
                except KprError:
                    continue
                yield place


def _told_today(place: Workplace) -> bool:
    day = place.clock().astimezone(OSLO).date()
    return any(told.alarm_id.startswith(f"digest-{day}-") for told in ToldBook(place.store).told())


def _changes(place: Workplace, entry: Entry) -> list[Change]:
    """What the timeline has of the last day and night; reasons that persons wrote are left out."""
    since = place.clock() - timedelta(days=1)
    lines = [line.text for line in timeline(place) if line.at > since]
    if not lines:
        return []
    said = Text(" ".join(line.nb for line in lines), " ".join(line.en for line in lines))
    return [Change(entry.number, entry.name, said)]
