"""The season as a plan: who has which mishap, and what is done when. Pure: the same seed gives the same season.

Days count from the year's milestones, so that a year with other dates gives another season and no other code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from kpr.calendar import OSLO, is_working_day, planned_day
from kpr.errors import BadSettings
from kpr.rehearse.mishaps import Do, Mishap, Script, Scripted, When
from kpr.years import Milestone, Year

#: The hours at which somebody acts, when the script names none.
_HOURS = range(9, 15)
_MORNING, _EVENING = time(7), time(17)

#: Days after the absolute last date on which one still looks every day.
_AFTERWARDS = 7


class Round(StrEnum):
    """The centre's own rounds: in the morning answers and alarms, in the evening answers and a look at the board."""

    MORNING = "morning"
    EVENING = "evening"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done for one municipality at one moment."""

    at: datetime
    number: str
    scripted: Scripted

    @property
    def do(self) -> Do:
        """What it is."""
        return self.scripted.do


@dataclass(frozen=True, slots=True)
class Plan:
    """``mishaps``: by municipality. ``plays`` and ``ending`` are what the register and the fleet are made with."""

    year: Year
    mishaps: Mapping[str, Mishap]
    acts: tuple[Act, ...]
    plays: tuple[Mapping[str, Any], ...]
    ending: Mapping[str, datetime]

    @property
    def deadlines(self) -> tuple[Milestone, ...]:
        """The dates by which something must have been accepted, in order."""
        return tuple(sorted((m for m in self.year.milestones if m.is_deadline), key=lambda m: m.date))


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment: a round of the centre or none, and then the acts."""

    at: datetime
    round: Round | None
    acts: tuple[Act, ...]


def plan(year: Year, numbers: Sequence[str], script: Script, seed: int) -> Plan:
    """Who has which mishap, and all acts in order. BadSettings when a date that the script needs is not known."""
    random = Random(seed)  # noqa: S311  (a rehearsal, nothing secret)
    mishaps = dict(zip(numbers, _drawn(script.rows, len(numbers), random), strict=True))
    acts = [act for number, mishap in mishaps.items() for act in _acts(year, number, mishap, script, random)]
    plays = [{"municipality": number, **play} for number, mishap in mishaps.items() for play in mishap.plays]
    ending = {
        number: _moment(year, mishap.certificate_ends, random)
        for number, mishap in mishaps.items()
        if mishap.certificate_ends
    }
    return Plan(year, mishaps, tuple(sorted(acts, key=lambda act: (act.at, act.number))), tuple(plays), ending)


def _drawn(rows: Sequence[Mishap], count: int, random: Random) -> list[Mishap]:
    """Each row once as long as they reach, the rest by their shares."""
    certain = list(rows[:count])
    drawn = certain + random.choices(rows, [row.share for row in rows], k=count - len(certain))
    random.shuffle(drawn)
    return drawn


def _acts(year: Year, number: str, mishap: Mishap, script: Script, random: Random) -> Iterator[Act]:
    trial = script.trial if random.randrange(100) < script.trial_share else ()
    for scripted in (*trial, *mishap.acts, *script.after):
        yield Act(_moment(year, scripted.when, random), number, scripted)


def _moment(year: Year, when: When, random: Random) -> datetime:
    day = _milestone(year, when.of).date + timedelta(days=when.days + random.randint(0, when.spread))
    hour = random.choice(_HOURS) if when.at is None else when.at
    return datetime.combine(_office_day(day, _milestone(year, "opens").date), time(hour), OSLO)


def _office_day(day: date, opens: date) -> date:
    """The working day before, where the day is none; the next one, where that would lie before the opening."""
    planned = planned_day(day)
    if planned >= opens or day < opens:
        return planned
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def _milestone(year: Year, milestone_id: str) -> Milestone:
    found = year.milestone(milestone_id)
    if found is None:
        raise BadSettings(
            f"Datoen «{milestone_id}» er ikke kjent for rapporteringsåret {year.data_year}.",
            place="milestones",
            remedy="Øv på et år der alle fristene er kjent, for eksempel 2020.",
        )
    return found


def timetable(plan: Plan) -> tuple[Moment, ...]:
    """Every moment of the season in order: two rounds a day while it runs, and whenever somebody acts."""
    rounds = {datetime.combine(day, at, OSLO): name for day in _season(plan.year) for at, name in _ROUNDS.items()}
    acts: dict[datetime, list[Act]] = {}
    for act in plan.acts:
        acts.setdefault(act.at, []).append(act)
    return tuple(Moment(at, rounds.get(at), tuple(acts.get(at, ()))) for at in sorted({*rounds, *acts}))


_ROUNDS = {_MORNING: Round.MORNING, _EVENING: Round.EVENING}


def _season(year: Year) -> Iterator[date]:
    day, last = (_milestone(year, milestone).date for milestone in ("opens", "absolute_last"))
    while day <= last + timedelta(days=_AFTERWARDS):
        yield day
        day += timedelta(days=1)
