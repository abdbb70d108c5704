"""When a season is: its window, and the days near a deadline on which one looks more often. Pure.

From the year's milestones and nothing else: they have changed between years, and what is not known is not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kpr.calendar import end_of_day, warn_on
from kpr.errors import BadSettings
from kpr.years import Milestone, Year


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included."""

    first: date
    last: date


def season(year: Year) -> Days:
    """From the opening (or 1 January after the data year) to the absolute last date, or the last deadline there is.

    BadSettings when no deadline is known for the data year, or one cannot be meant.
    """
    deadlines = _deadlines(year)
    if not deadlines:
        raise BadSettings(
            f"Fristene for rapporteringsåret {year.data_year} er ikke kjent.",
            place="milestones",
            remedy="Spør registeret, og skriv dem i en year_file (docs/years.md).",
        )
    first = _first(year)
    for milestone in deadlines:
        _demand_within(milestone, max(first, date(year.data_year + 1, 1, 1)), year.milestone("absolute_last"))
    return Days(first, max(milestone.date for milestone in deadlines))


def _deadlines(year: Year) -> list[Milestone]:
    return [milestone for milestone in year.milestones if milestone.is_deadline]


def _first(year: Year) -> date:
    opens = year.milestone("opens")
    return opens.date if opens else date(year.data_year + 1, 1, 1)


def _demand_within(milestone: Milestone, earliest: date, absolute: Milestone | None) -> None:
    """A typing error in a date would leave a season without a watch, so it is refused."""
    if milestone.date < earliest:
        fault = f"er før rapporteringen åpner ({earliest:%d.%m.%Y})"
    elif absolute and absolute.date < milestone.date:
        fault = f"er etter absolute_last ({absolute.date:%d.%m.%Y})"
    else:
        return
    raise BadSettings(
        f"Fristen {milestone.id}, {milestone.date:%d.%m.%Y}, {fault}.",
        place=f"milestones: {milestone.id}",
        remedy="Rett datoen, eller den den måles mot, i year_file (docs/years.md).",
    )


def passed(year: Year, now: datetime) -> list[Milestone]:
    """The deadlines that lie in the past, the earliest first."""
    return sorted((m for m in _deadlines(year) if now > end_of_day(m.date)), key=lambda m: m.date)


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
            remedy="Velg et annet år med --year, eller lag planen med --over: bare det som hører etterpå til, er aktivt.",
        )
