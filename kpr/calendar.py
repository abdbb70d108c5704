"""The planner's rules: when a milestone ends, when to have sent, when to warn. Pure; the clock is passed in.

K2: a date means 23:59:59 that day in Norway, and hours are subtracted in UTC (clocks go forward on the last Sunday
of March). K3: a date on a weekend or holiday is never moved later; one plans for the working day before. K4: a
receipt that does not come is certain only after 96 hours (HITS 1168:2016 s. 4.1), so that much must be left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from kpr.years import Milestone

OSLO = ZoneInfo("Europe/Oslo")

#: The office hours in which "working hours" run (assumed; calendar.md section 3).
_OPENS, _CLOSES = time(8), time(16)


@cache
def _norway(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("NO", years=year))


def is_working_day(day: date) -> bool:
    """Monday to Friday and no public holiday in Norway."""
    return day.weekday() < 5 and day not in _norway(day.year)


def planned_day(day: date) -> date:
    """The day itself, or the working day before it (K3)."""
    while not is_working_day(day):
        day -= timedelta(days=1)
    return day


def working_days_before(day: date, count: int) -> date:
    """The working day that lies ``count`` working days before a day."""
    for _ in range(count):
        day = planned_day(day - timedelta(days=1))
    return day


def end_of_day(day: date) -> datetime:
    """23:59:59 that day in Norway, in UTC (K2)."""
    return datetime.combine(day, time(23, 59, 59), OSLO).astimezone(UTC)


def last_safe_send(milestone: Milestone, ack_hours: int = 96) -> datetime:
    """The last moment after which a missing receipt would be certain only after the milestone (K4), in UTC."""
    return end_of_day(milestone.date) - timedelta(hours=ack_hours)


def warn_on(milestone: Milestone, ack_hours: int = 96) -> date:
    """The working day on which to say that this is the last safe day (K4)."""
    return planned_day(last_safe_send(milestone, ack_hours).astimezone(OSLO).date())


def internal_target(milestone: Milestone, ack_hours: int = 96) -> date:
    """Two working days before the last safe send, to leave room for one correction (K6)."""
    return working_days_before(last_safe_send(milestone, ack_hours).astimezone(OSLO).date(), 2)


def next_milestone(milestones: Iterable[Milestone], now: datetime) -> Milestone | None:
    """The first milestone that has not ended; None when all have, or none is known."""
    return min((m for m in milestones if end_of_day(m.date) >= now), key=lambda m: m.date, default=None)


def add_working_hours(start: datetime, hours: float) -> datetime:
    """The moment when so many working hours (08-16 on working days in Norway) have passed since ``start``, in UTC."""
    left = timedelta(hours=hours)
    moment = start.astimezone(OSLO)
    while True:
        day = moment.date()
        opens = max(moment, datetime.combine(day, _OPENS, OSLO))
        closes = datetime.combine(day, _CLOSES, OSLO)
        if is_working_day(day) and opens < closes:
            if opens + left <= closes:
                return (opens + left).astimezone(UTC)
            left -= closes - opens
        moment = datetime.combine(day + timedelta(days=1), time(0), OSLO)
