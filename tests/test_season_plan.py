"""The plan of a season: every time lies in the window, on Norwegian wall clocks, and the file in the repository is it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule, RRuleSchedule

from deployments.check import faults, flow_of
from deployments.plan import ZONE, Planned, Schedule, plan
from deployments.shown import Where, differences, planned_values
from deployments.write import ANYWHERE, prefect_yaml
from kpr.calendar import OSLO, end_of_day, is_working_day
from kpr.errors import BadInput, BadSettings
from kpr.season import dense_days, passed, season
from kpr.years import Mark, Milestone, Year, known_years, load_year

ROOT = Path(__file__).parents[1]
BEFORE = datetime(2018, 1, 1, tzinfo=UTC)


def year_with(**dates: date) -> Year:
    """Data year 2020 with other milestones."""
    milestones = tuple(Milestone(id=name, date=day, source="test", mark=Mark.ASSUMED) for name, day in dates.items())
    known = load_year(2020)
    return Year(known.profile.model_copy(update={"milestones": milestones}), known._code_lists)


def times(schedule: Schedule, begin: datetime, count: int = 2000) -> list[datetime]:
    """The times that Prefect itself makes of a schedule, in Norway."""

    async def ask() -> list[Any]:
        made = (
            CronSchedule(cron=schedule.cron, timezone=ZONE)
            if schedule.cron
            else RRuleSchedule(rrule=schedule.rrule, timezone=ZONE)
        )
        return list(await made.get_dates(count, start=begin))

    return [moment.astimezone(OSLO) for moment in anyio.run(ask)]


def in_season(planned: tuple[Planned, ...]) -> list[Schedule]:
    """The schedules that end with the season."""
    after = ("afterwards", "aftermath", "board-aftermath", "seldom")
    return [each for one in planned for each in one.schedules if each.rrule and each.slug not in after]


def test_every_time_lies_in_the_season() -> None:
    """Nothing of the season is planned before it opens or after the absolute last date."""
    year = load_year(2020)
    days = season(year)
    for schedule in in_season(plan(year, BEFORE)):
        planned = times(schedule, BEFORE)
        assert planned
        assert days.first <= planned[0].date()
        assert planned[-1].date() <= days.last


@given(
    opens=st.dates(date(2021, 1, 1), date(2031, 1, 10)),
    ordinary=st.integers(5, 60),
    later=st.integers(1, 90),
)
def test_every_milestone_date_gives_times_in_its_window(opens: date, ordinary: int, later: int) -> None:
    """Whatever the dates are, weekends and clock changes included, the plan stays within them and misses no last day."""
    first = opens + timedelta(days=ordinary)
    last = first + timedelta(days=later)
    year = year_with(opens=opens, ordinary=first, absolute_last=last)
    begin = datetime.combine(opens, datetime.min.time(), UTC) - timedelta(days=2)
    for schedule in in_season(plan(year, BEFORE)):
        planned = times(schedule, begin)
        earliest = min(opens, *(days.first for days in dense_days(year).values()))
        assert all(earliest <= moment.date() <= last for moment in planned)
    dense = next(s for s in in_season(plan(year, BEFORE)) if s.slug == "dense-absolute_last")
    assert times(dense, begin)[-1].date() == last


@pytest.mark.parametrize("last", [date(2023, 3, 26), date(2028, 3, 26), date(2027, 3, 26)])
def test_wall_clock_times_hold_over_the_clock_change(last: date) -> None:
    """On the Sunday when clocks go forward, and on Good Friday, the morning's dry run is at six as on every other day."""
    year = year_with(opens=date(last.year, 1, 2), ordinary=date(last.year, 1, 15), absolute_last=last)
    (morning,) = next(one for one in plan(year, BEFORE) if one.name == "prepare").schedules
    planned = times(morning, datetime(last.year, 1, 1, tzinfo=UTC))
    assert {(moment.hour, moment.minute) for moment in planned} == {(6, 0)}
    assert planned[-1].date() == last
    assert len(planned) == (last - date(last.year, 1, 2)).days + 1


def test_the_watch_is_denser_near_a_deadline() -> None:
    """From the last safe sending's working day through the deadline there is a look every hour of the day."""
    year = load_year(2020)
    watch = next(one for one in plan(year, BEFORE) if one.name == "watch")
    near = dense_days(year)["ordinary"]
    assert (near.first, near.last) == (date(2021, 1, 11), date(2021, 1, 15))
    dense = times(next(s for s in watch.schedules if s.slug == "dense-ordinary"), BEFORE)
    assert {moment.date() for moment in dense} == {near.first + timedelta(days=n) for n in range(5)}
    assert {moment.hour for moment in dense} == set(range(7, 21))
    office = times(next(s for s in watch.schedules if s.slug == "office"), BEFORE)
    assert all(moment.weekday() < 5 and moment.hour in (8, 12, 15) for moment in office)


def test_every_working_day_of_the_season_is_watched() -> None:
    """No working day passes without a look at the clock."""
    year = load_year(2020)
    days, watch = season(year), next(one for one in plan(year, BEFORE) if one.name == "watch")
    watched = {moment.date() for schedule in watch.schedules for moment in times(schedule, BEFORE)}
    span = (days.first + timedelta(days=n) for n in range((days.last - days.first).days + 1))
    assert {day for day in span if is_working_day(day)} <= watched


def test_purging_comes_after_the_last_date_and_its_days() -> None:
    """Thirty days after 26 March have passed on 26 April: then, and weekly to the end of the year for who still waits."""
    purge = next(one for one in plan(load_year(2020), BEFORE) if one.name == "purge")
    days = [moment.date() for moment in times(purge.schedules[0], BEFORE)]
    assert days[:2] == [date(2021, 4, 26), date(2021, 5, 3)]
    assert days[-1] == date(2021, 12, 27)


def test_every_alarm_that_can_fall_due_has_a_look_after_it() -> None:
    """A deadline that has passed, and a receipt that is overdue for what was sent in its last minute, are looked at."""
    year = load_year(2020)
    watch = next(one for one in plan(year, BEFORE) if one.name == "watch")
    looks = [moment for schedule in watch.schedules for moment in times(schedule, BEFORE)]
    for milestone in (m for m in year.milestones if m.is_deadline):
        for wait in (timedelta(), timedelta(hours=year.ack_hours.value)):
            due = end_of_day(milestone.date) + wait
            assert any(due < look < due + timedelta(days=4) for look in looks), (milestone.id, wait)


def test_after_the_last_date_one_looks_until_the_purge() -> None:
    """Watch and board go on from the day after the last date through the day of the purge."""
    planned = {one.name: one for one in plan(load_year(2020), BEFORE)}
    for name, slug, first in (("watch", "aftermath", 29), ("fleet", "board-aftermath", 27)):
        looks = times(next(each for each in planned[name].schedules if each.slug == slug), BEFORE)
        assert (looks[0].date(), looks[-1].date()) == (date(2021, 3, first), date(2021, 4, 26))


def test_collecting_ends_with_the_purge() -> None:
    """What is collected once a day begins with the season, and has nothing to fetch after the purge."""
    collect = next(one for one in plan(load_year(2020), BEFORE) if one.name == "collect")
    rare = times(next(each for each in collect.schedules if each.slug == "seldom"), BEFORE)
    assert (rare[0].date(), rare[-1].date()) == (date(2021, 1, 2), date(2021, 4, 26))
    assert {(moment.hour, moment.minute) for moment in rare} == {(5, 15)}


def test_what_comes_after_the_season_outlives_a_new_deploy() -> None:
    """An upgrade in April switches the watch, the collecting and the purge of that year not off."""
    planned = plan(load_year(2020), datetime(2021, 4, 1, tzinfo=UTC), allow_over=True)
    active = {(one.name, each.slug) for one in planned for each in one.schedules if each.active}
    assert active == {
        ("watch", "aftermath"),
        ("fleet", "board-aftermath"),
        ("collect", "often"),
        ("collect", "seldom"),
        ("purge", "afterwards"),
    }


def test_a_season_that_is_over_is_refused_with_the_date() -> None:
    """All milestones in the past: a sentence with the last of them, and what to do."""
    with pytest.raises(BadSettings, match=r"absolute_last var 26\.03\.2021") as told:
        plan(load_year(2020), datetime(2021, 3, 27, 1, tzinfo=UTC))
    assert "--over" in told.value.remedy


def test_a_season_that_is_over_has_nothing_active() -> None:
    """Where it is allowed all the same, every time is switched off."""
    planned = plan(load_year(2020), datetime(2022, 1, 1, tzinfo=UTC), allow_over=True)
    assert not [each for one in planned for each in one.schedules if each.active]


def test_a_year_without_dates_must_be_asked_for() -> None:
    """Nothing is guessed: the register must be asked."""
    with pytest.raises(BadSettings, match="ikke kjent"):
        plan(year_with(preliminary_publication=date(2021, 3, 15)), BEFORE)


@pytest.mark.parametrize(
    ("dates", "name"),
    [
        ({"ordinary": date(2020, 1, 15), "absolute_last": date(2021, 3, 26)}, "ordinary"),
        ({"opens": date(2021, 4, 2), "absolute_last": date(2021, 3, 26)}, "absolute_last"),
        ({"opens": date(2020, 1, 2), "ordinary": date(2020, 12, 31)}, "ordinary"),
        ({"ordinary": date(2021, 4, 15), "absolute_last": date(2021, 3, 26)}, "ordinary"),
    ],
)
def test_a_date_that_cannot_be_meant_is_refused(dates: dict[str, date], name: str) -> None:
    """A deadline before the opening or the data year's end, or after the absolute last date, is told by its name."""
    with pytest.raises(BadSettings, match=f"Fristen {name}") as told:
        season(year_with(**dates))
    assert told.value.place == f"milestones: {name}"
    assert "year_file" in told.value.remedy


@pytest.mark.parametrize("data_year", known_years())
def test_the_dates_of_every_known_year_can_be_meant(data_year: int) -> None:
    """What comes with the package passes its own check, or says that no date is known."""
    try:
        season(load_year(data_year))
    except BadSettings as error:
        assert "ikke kjent" in str(error)  # noqa: PT017  (a year may be without dates)


def test_the_deadlines_that_have_passed_are_known() -> None:
    """On 1 March two of three lie behind."""
    found = passed(load_year(2020), datetime(2021, 3, 1, tzinfo=UTC))
    assert [milestone.id for milestone in found] == ["ordinary", "corrections_preliminary"]


def test_a_year_that_does_not_say_when_it_opens_begins_in_january() -> None:
    """Without an opening the season begins on 1 January after the data year."""
    assert season(year_with(ordinary=date(2021, 1, 15))).first == date(2021, 1, 1)


def test_every_entry_names_a_flow_that_takes_its_parameters() -> None:
    """The repository's plan has no fault, and every flow file is in it."""
    planned = plan(load_year(2020), BEFORE)
    assert faults(planned) == []
    files = {path.name for path in (ROOT / "flows").glob("*.py")} - {"__init__.py"}
    assert files == {Path(one.entrypoint.split(":")[0]).name for one in planned}


@pytest.mark.parametrize("entrypoint", ["flows/nowhere.py:nobody", "flows/watch.py:nobody"])
def test_an_entry_that_names_no_flow_is_a_fault(entrypoint: str) -> None:
    """A wrong entrypoint is told by name."""
    wrong = Planned("wrong", entrypoint, "", True, ())
    with pytest.raises(BadInput, match="ingen slik flyt"):
        flow_of(wrong)


def test_a_parameter_that_the_flow_does_not_know_is_a_fault() -> None:
    """The check names the deployment and the field."""
    wrong = Planned("watch", "flows/watch.py:watch", "", True, (), {"kommune": "1103"})
    assert faults((wrong,)) == ["watch: ukjent felt kommune"]


def test_the_file_in_the_repository_is_the_plan() -> None:
    """``prefect.yaml`` is exactly what ``kpr deploy --write`` makes for data year 2020 before its season."""
    planned = plan(load_year(2020), BEFORE)
    assert (ROOT / "prefect.yaml").read_text("utf-8") == prefect_yaml(planned, ANYWHERE)
    assert len(yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]) == len(planned)


def test_a_difference_is_named_by_deployment_and_field() -> None:
    """Missing, extra and changed entries each get a line; the switched schedule's state is no difference."""
    where = Where("kpr", "i", "h")
    wanted = {one.name: planned_values(one, where) for one in plan(load_year(2020), BEFORE)}
    assert differences(wanted, wanted) == []
    found = {name: values for name, values in wanted.items() if name != "purge"} | {"old": {}}
    found["watch"] = found["watch"] | {"version": "0.0.9"}
    said = differences(wanted, found)
    assert said == sorted(["purge: mangler", "old: skal ikke være der", "watch.version: er '0.0.9', skal være '0.1.0'"])
    assert "active" not in wanted["collect"]["schedules"]["often"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("paused", True), ("checks_the_form", False), ("form", {}), ("when_one_runs", "ENQUEUE")],
)
def test_what_keeps_a_deployment_from_its_work_is_a_difference(field: str, value: Any) -> None:
    """A pause, an unchecked form, another form, and a second run that waits are each told by name."""
    wanted = {one.name: planned_values(one, Where("kpr", "i", "h")) for one in plan(load_year(2020), BEFORE)}
    found = wanted | {"watch": wanted["watch"] | {field: value}}
    (said,) = differences(wanted, found)
    assert said.startswith(f"watch.{field}: er ")


def test_a_day_that_a_person_planned_is_no_difference() -> None:
    """Where the plan has no times, those on the server are people's own."""
    wanted = {one.name: planned_values(one, Where("kpr", "i", "h")) for one in plan(load_year(2020), BEFORE)}
    hers = {"schedules": {"hers": {"cron": "0 9 11 1 *"}}}
    assert differences(wanted, wanted | {"report": wanted["report"] | hers}) == []
