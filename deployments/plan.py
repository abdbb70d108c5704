"""The plan: every deployment with its schedules, made from the year's milestones. Pure: no Prefect, no network.

All times are Norwegian wall-clock times, over clock changes too: Prefect is given the time zone, not an offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from kpr import __version__
from kpr.calendar import OSLO, end_of_day
from kpr.season import Days, demand_not_over, dense_days, season
from kpr.yaml_file import table_beside
from kpr.years import Year

ZONE = "Europe/Oslo"
#: This schedule is switched on and off by the running system (tasks/rhythm.py).
SWITCHED = "often"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: a cron line, or an RRULE with its own beginning and end."""

    slug: str
    cron: str = ""
    rrule: str = ""
    active: bool = True

    @property
    def begins_active(self) -> bool:
        """Whether it is on where nobody has said anything yet; the switched one waits for the running system."""
        return self.active and self.slug != SWITCHED


@dataclass(frozen=True, slots=True)
class Planned:
    """One deployment as it shall be."""

    name: str
    entrypoint: str
    description: str
    one_at_a_time: bool
    tags: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    version: str = __version__


def plan(year: Year, now: datetime, *, purge_days_after: int = 30, allow_over: bool = False) -> tuple[Planned, ...]:
    """All deployments for a data year. BadSettings when its season is over, unless that is allowed.

    Then nothing of the season is active any more, and what comes after it (``_AFTER``) until its own year ends.
    """
    if not allow_over:
        demand_not_over(year, now)
    made = _schedules(year, purge_days_after)
    purging = _after(year, purge_days_after, to_year_end=True)
    active = {slug for each in made.values() for slug in (schedule.slug for schedule in each)}
    if now > end_of_day(season(year).last):
        active = set(_AFTER) if now <= end_of_day(purging.last) else set()
    return tuple(_planned(row, year, made, active) for row in _rows())


@cache
def _rows() -> list[dict[str, Any]]:
    return list(table_beside(__file__))


def _planned(row: dict[str, Any], year: Year, made: dict[str, list[Schedule]], active: set[str]) -> Planned:
    schedules = [schedule for name in row["when"] for schedule in made[name]]
    return Planned(
        row["name"],
        row["flow"],
        row["text"],
        row["one"],
        ("kpr", str(year.data_year)),
        {"data_year": year.data_year},
        tuple(each if each.slug in active else _inactive(each) for each in schedules),
    )


def _inactive(schedule: Schedule) -> Schedule:
    return Schedule(schedule.slug, schedule.cron, schedule.rrule, active=False)


def _schedules(year: Year, purge_days_after: int) -> dict[str, list[Schedule]]:
    days = season(year)
    aftermath = _after(year, purge_days_after)
    collecting = Days(days.first, aftermath.last)
    purging = Days(aftermath.last, _after(year, purge_days_after, to_year_end=True).last)
    office = f"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,12,15;{_ON_THE_HOUR}"
    hourly = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(7, 21)))};BYMINUTE=30;BYSECOND=0"
    return {
        "morning": [Schedule("morning", rrule=_rule(days, time(6), "FREQ=DAILY"))],
        "board": [Schedule("board", rrule=_rule(days, time(7, 30), "FREQ=DAILY"))],
        "office": [Schedule("office", rrule=_rule(days, time(8), office))],
        "dense": [
            Schedule(f"dense-{name}", rrule=_rule(near, time(7, 30), hourly)) for name, near in dense_days(year).items()
        ],
        "often": [Schedule(SWITCHED, cron="*/5 6-22 * * *")],
        "seldom": [Schedule("seldom", rrule=_rule(collecting, time(5, 15), "FREQ=DAILY"))],
        "aftermath": [Schedule("aftermath", rrule=_rule(aftermath, time(8), office))],
        "board-aftermath": [Schedule("board-aftermath", rrule=_rule(aftermath, time(7, 30), "FREQ=DAILY"))],
        "afterwards": [Schedule("afterwards", rrule=_rule(purging, time(10), "FREQ=WEEKLY"))],
    }


#: What goes on after the last date: the last alarms fall due then, late answers come, and in the end comes the purge.
_AFTER = (SWITCHED, "seldom", "aftermath", "board-aftermath", "afterwards")


def _after(year: Year, purge_days_after: int, *, to_year_end: bool = False) -> Days:
    """From the day after the last date to the day of the purge, or to the end of that year: some still wait for answers."""
    last = season(year).last
    purge_day = last + timedelta(days=purge_days_after + 1)
    return Days(last + timedelta(days=1), date(purge_day.year, 12, 31) if to_year_end else purge_day)


_ON_THE_HOUR = "BYMINUTE=0;BYSECOND=0"


def _rule(days: Days, at: time, rule: str) -> str:
    """An RRULE from the first day to the last. UNTIL is in UTC, as RFC 5545 s. 3.3.10 wants it beside a time zone."""
    begins = datetime.combine(days.first, at)
    return f"DTSTART;TZID={ZONE}:{begins:%Y%m%dT%H%M%S}\nRRULE:{rule};UNTIL={_utc(days.last)}"


def _utc(day: date) -> str:
    return f"{datetime.combine(day, time(23, 59, 59), OSLO).astimezone(UTC):%Y%m%dT%H%M%SZ}"
