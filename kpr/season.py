"""When a season is: its window, and the days near a deadline on which one looks more often. Pure.

From the year's milestones and nothing else: they have changed between years, and what is not known is not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kpr.calendar import end_of_day, warn_on
from kpr.errors import BadSettings
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included."""

    first: date
    last: date


def season(year: Year) -> Days:
    """From the opening (or 1 January after the data year) to the absolute last date, or the last deadline there is.

    BadSettings when no deadline is known for the data year.
    """
    deadlines = [milestone.date for milestone in year.milestones if milestone.is_deadline]
    if not deadlines:
        raise BadSettings(
            f"Fristene for rapporteringsåret {year.data_year} er ikke kjent.",
            place="milestones",
            remedy="Spør registeret, og skriv dem i en year_file (docs/years.md).",
        )
    opens = year.milestone("opens")
    first = opens.date if opens else date(year.data_year + 1, 1, 1)
    return Days(first, max(deadlines))


def dense_days(year: Year) -> dict[str, Days]:
    """Per deadline: from the working day of its last safe sending through the day itself."""
    ack_hours = year.ack_hours.value
    return {m.id: Days(warn_on(m, ack_hours), m.date) for m in year.milestones if m.is_deadline}


def demand_not_over(year: Year, now: datetime) -> None:
    """BadSettings, with the milestone and its date, when the whole season lies in the past."""
    days = season(year)
    if now > end_of_day(days.last):
        last = next(m for m in year.milestones if m.is_deadline and m.date == days.last)
        raise BadSettings(
            f"Sesongen for {year.data_year} er over: {last.id} var {last.date:%d.%m.%Y}.",
            place="milestones",
            remedy="Velg et annet år med --year, eller lag planen uten aktive tider med --over.",
        )
