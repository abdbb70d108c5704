"""The planner: ends of days, last safe sends, working days and hours (calendar rules K1 to K6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.calendar import (
    OSLO,
    add_working_hours,
    end_of_day,
    internal_target,
    is_working_day,
    last_safe_send,
    next_milestone,
    planned_day,
    warn_on,
    working_days_before,
)
from kpr.years import Mark, Milestone, load_year

YEARS = range(2021, 2031)

#: Weekdays of the season's days in each year; G is Good Friday.
WEEKDAYS = {
    (1, 15): "Fri Sat Sun Mon Wed Thu Fri Sat Mon Tue",
    (2, 10): "Wed Thu Fri Sat Mon Tue Wed Thu Sat Sun",
    (3, 15): "Mon Tue Wed Fri Sat Sun Mon Wed Thu Fri",
    (3, 26): "Fri Sat Sun Tue Wed Thu G Sun Mon Tue",
    (6, 15): "Tue Wed Thu Sat Sun Mon Tue Thu Fri Sat",
    (1, 11): "Mon Tue Wed Thu Sat Sun Mon Tue Thu Fri",
    (2, 6): "Sat Sun Mon Tue Thu Fri Sat Sun Tue Wed",
    (3, 22): "Mon Tue Wed Fri Sat Sun Mon Wed Thu Fri",
}
#: How many days before the planned day lies: Good Friday has Maundy Thursday before it.
MOVED = {"Sat": 1, "Sun": 2, "G": 2}
EASTER = [(4, 4), (4, 17), (4, 9), (3, 31), (4, 20), (4, 5), (3, 28), (4, 16), (4, 1), (4, 21)]

DAYS = [
    (date(year, *day), weekday)
    for day, row in WEEKDAYS.items()
    for year, weekday in zip(YEARS, row.split(), strict=True)
]


def milestone(day: date, name: str = "ordinary") -> Milestone:
    """A milestone on a day."""
    return Milestone(id=name, date=day, source="test", mark=Mark.CONFIRMED)


def oslo(text: str) -> datetime:
    """A time in Norway."""
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


# -- days -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "weekday"), DAYS)
def test_planned_day_of_the_season(day: date, weekday: str) -> None:
    """A day on a weekend or Good Friday is planned for the working day before, every other for itself (K3)."""
    assert planned_day(day) == day - timedelta(days=MOVED.get(weekday, 0))
    assert is_working_day(day) is (weekday not in MOVED)
    assert weekday in ("G", f"{day:%a}")


@pytest.mark.parametrize("easter", [date(year, *day) for year, day in zip(YEARS, EASTER, strict=True)])
def test_easter(easter: date) -> None:
    """Maundy Thursday, Good Friday, Easter Monday, Ascension and Whit Monday are holidays; the days around are not."""
    off = {days for days in (-4, -3, -2, 1, 2, 38, 39, 40, 50, 51) if not is_working_day(easter + timedelta(days=days))}
    near = {(5, 1), (5, 17)}
    moved = {n for n in (-4, 2, 38, 40, 51) if ((d := easter + timedelta(days=n)).month, d.day) in near}
    assert off - moved == {-3, -2, 1, 39, 50}


@pytest.mark.parametrize("day", [(1, 1), (5, 1), (5, 17), (12, 25), (12, 26)])
@pytest.mark.parametrize("year", [2021, 2026, 2029])
def test_fixed_holidays(year: int, day: tuple[int, int]) -> None:
    """New Year, 1 and 17 May and Christmas are no working days in any year."""
    assert not is_working_day(date(year, *day))


@pytest.mark.parametrize("day", [date(2021, 12, 24), date(2021, 12, 31), date(2021, 1, 4), date(2024, 3, 26)])
def test_ordinary_days(day: date) -> None:
    """Christmas Eve, New Year's Eve and the first days of Holy Week are working days by law."""
    assert is_working_day(day)


def test_good_friday_2027() -> None:
    """26 March 2027 is Good Friday: the working day before is Wednesday 24, the next is Tuesday 30 March."""
    assert planned_day(date(2027, 3, 26)) == date(2027, 3, 24)
    assert [is_working_day(date(2027, 3, day)) for day in range(24, 31)] == [True] + [False] * 5 + [True]


@pytest.mark.parametrize(
    ("day", "count", "before"),
    [
        (date(2021, 1, 15), 0, date(2021, 1, 15)),
        (date(2021, 1, 15), 1, date(2021, 1, 14)),
        (date(2021, 1, 18), 1, date(2021, 1, 15)),
        (date(2021, 1, 17), 1, date(2021, 1, 15)),
        (date(2021, 1, 18), 5, date(2021, 1, 11)),
        (date(2027, 3, 30), 1, date(2027, 3, 24)),
        (date(2022, 1, 3), 1, date(2021, 12, 31)),
    ],
)
def test_working_days_before(day: date, count: int, before: date) -> None:
    """Only working days are counted, over weekends, Easter and the turn of the year."""
    assert working_days_before(day, count) == before


@given(st.dates(date(2018, 1, 1), date(2035, 12, 31)))
def test_planned_day_is_never_later(day: date) -> None:
    """The planned day is a working day, never later, and nothing but days off lie between."""
    planned = planned_day(day)
    assert planned <= day
    assert is_working_day(planned)
    assert not any(is_working_day(planned + timedelta(days=n)) for n in range(1, (day - planned).days + 1))


# -- moments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2021, 1, 15), datetime(2021, 1, 15, 22, 59, 59, tzinfo=UTC)),
        (date(2021, 6, 15), datetime(2021, 6, 15, 21, 59, 59, tzinfo=UTC)),
        (date(2028, 3, 25), datetime(2028, 3, 25, 22, 59, 59, tzinfo=UTC)),
        (date(2028, 3, 26), datetime(2028, 3, 26, 21, 59, 59, tzinfo=UTC)),
        (date(2028, 10, 28), datetime(2028, 10, 28, 21, 59, 59, tzinfo=UTC)),
        (date(2028, 10, 29), datetime(2028, 10, 29, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_end_of_day(day: date, end: datetime) -> None:
    """A date ends at 23:59:59 in Norway, in winter and in summer, told in UTC (K2)."""
    assert end_of_day(day) == end
    assert end_of_day(day).tzinfo is UTC


@pytest.mark.parametrize(("day", "weekday"), [row for row in DAYS if (row[0].month, row[0].day) in WEEKDAYS])
def test_last_safe_send_is_96_hours_before(day: date, weekday: str) -> None:
    """The last safe send is the end of the milestone less 96 hours, and the warning falls on a working day (K4)."""
    safe = last_safe_send(milestone(day))
    assert end_of_day(day) - safe == timedelta(hours=96)
    assert warn_on(milestone(day)) == planned_day(day - timedelta(days=4))
    assert weekday


@pytest.mark.parametrize("year", [2023, 2028])
def test_clocks_go_forward(year: int) -> None:
    """26 March is the day the clocks go forward: 96 hours before it are told in UTC, an hour earlier by the wall."""
    safe = last_safe_send(milestone(date(year, 3, 26)))
    assert safe == datetime(year, 3, 22, 21, 59, 59, tzinfo=UTC)
    assert safe.astimezone(OSLO) == oslo(f"{year}-03-22T22:59:59")


def test_more_hours_over_edi() -> None:
    """With 168 hours (a new send after the transport's own warning, K5) the last safe send is a week before."""
    ordinary = milestone(date(2021, 1, 15))
    assert last_safe_send(ordinary, 168) == end_of_day(date(2021, 1, 8))
    assert warn_on(ordinary, 168) == date(2021, 1, 8)
    assert internal_target(ordinary, 168) == date(2021, 1, 6)


def test_days_are_those_of_norway() -> None:
    """A last safe send soon after midnight in Norway belongs to that day, though UTC still has the day before."""
    tuesday = milestone(date(2021, 1, 12))
    assert last_safe_send(tuesday, 23) == oslo("2021-01-12T00:59:59")
    assert warn_on(tuesday, 23) == date(2021, 1, 12)
    assert internal_target(tuesday, 23) == date(2021, 1, 8)


@pytest.mark.parametrize(
    ("name", "safe", "warned", "target"),
    [
        ("ordinary", date(2021, 1, 11), date(2021, 1, 11), date(2021, 1, 7)),
        ("corrections_preliminary", date(2021, 2, 6), date(2021, 2, 5), date(2021, 2, 4)),
        ("absolute_last", date(2021, 3, 22), date(2021, 3, 22), date(2021, 3, 18)),
    ],
)
def test_data_year_2020(name: str, safe: date, warned: date, target: date) -> None:
    """The letter's milestones give the last safe sends, warnings and internal targets of the reference example."""
    known = load_year(2020).milestone(name)
    assert known is not None
    assert last_safe_send(known) == end_of_day(safe)
    assert warn_on(known) == warned
    assert internal_target(known) == target


# -- the next milestone -----------------------------------------------------------------------------------------

FIRST, SECOND = milestone(date(2021, 1, 15)), milestone(date(2021, 2, 10), "corrections_preliminary")


@pytest.mark.parametrize(
    ("now", "coming"),
    [
        ("2020-12-01T12:00:00", FIRST),
        ("2021-01-15T23:59:59", FIRST),
        ("2021-01-16T00:00:00", SECOND),
        ("2021-02-10T23:59:59", SECOND),
        ("2021-02-11T00:00:00", None),
    ],
)
def test_next_milestone(now: str, coming: Milestone | None) -> None:
    """A milestone is the next one until its last second has passed, in whatever order they stand."""
    assert next_milestone((FIRST, SECOND), oslo(now)) == coming
    assert next_milestone((SECOND, FIRST), oslo(now)) == coming


def test_no_milestones_known() -> None:
    """A year without known milestones has no next one: none is guessed."""
    assert next_milestone(load_year(2024).milestones, oslo("2025-01-02T12:00:00")) is None


def test_a_clock_without_zone_is_refused() -> None:
    """A time without a zone cannot be compared, so it is an error and not a guess."""
    with pytest.raises(TypeError):
        next_milestone((FIRST,), datetime(2021, 1, 1))  # noqa: DTZ001


# -- working hours ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2021-01-11T10:00:00", 4, "2021-01-11T14:00:00"),
        ("2021-01-11T12:00:00", 4, "2021-01-11T16:00:00"),
        ("2021-01-11T07:00:00", 4, "2021-01-11T12:00:00"),
        ("2021-01-11T16:00:00", 4, "2021-01-12T12:00:00"),
        ("2021-01-11T19:30:00", 4, "2021-01-12T12:00:00"),
        ("2021-01-15T14:00:00", 4, "2021-01-18T10:00:00"),
        ("2021-01-16T10:00:00", 4, "2021-01-18T12:00:00"),
        ("2021-01-11T08:00:00", 8, "2021-01-11T16:00:00"),
        ("2021-01-11T08:00:00", 20, "2021-01-13T12:00:00"),
        ("2027-03-24T15:00:00", 4, "2027-03-30T11:00:00"),
        ("2021-01-11T15:59:59", 0.5, "2021-01-12T08:29:59"),
    ],
)
def test_add_working_hours(start: str, hours: float, end: str) -> None:
    """Only 08-16 on working days counts, over nights, weekends and Easter with its change of clocks."""
    assert add_working_hours(oslo(start), hours) == oslo(end)
    assert add_working_hours(oslo(start).astimezone(UTC), hours) == oslo(end)
    assert add_working_hours(oslo(start), hours).tzinfo is UTC


starts = st.datetimes(datetime(2020, 1, 1), datetime(2030, 12, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001
quarters = st.integers(1, 80).map(lambda n: n / 4)


@given(starts, quarters, quarters)
def test_working_hours_add_up(start: datetime, one: float, more: float) -> None:
    """Hours added one after the other end where their sum ends, later than before, in office hours."""
    end = add_working_hours(add_working_hours(start, one), more)
    assert end == add_working_hours(start, one + more)
    assert end > add_working_hours(start, one) > start
    local = end.astimezone(OSLO)
    assert is_working_day(local.date())
    assert 8 <= local.hour + local.minute / 60 + local.second / 3600 + local.microsecond / 3.6e9 <= 16
