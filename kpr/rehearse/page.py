"""The season as one self-contained Norwegian page: the picture day by day, a line per municipality, and who was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.alarms.due import name_of as name_of_milestone
from kpr.calendar import OSLO
from kpr.fleet.board import name_of, places
from kpr.rehearse.mishaps import Script
from kpr.rehearse.outcome import Happening, Line, Record, Summary, Told, lines, summary
from kpr.rehearse.season import Plan
from kpr.years import Milestone, Year

#: The picture's own measures: the field in which the bars stand, and the room above it for the dates.
WIDTH, HEIGHT, TOP = 1080, 260, 44

_WHOM = {
    "operator": "driften",
    "officer": "fagansvarlig",
    "officer+leader": "fagansvarlig og leder",
    "officer+leader+letter": "fagansvarlig og leder, med utkast til brev",
}
_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))


def season_page(plan: Plan, record: Record, script: Script, *, persons: int, seed: int) -> str:
    """The whole season as a page."""
    found = lines(plan, record)
    told = summary(plan, record, found)
    names = {each.number: f"{each.number} {each.name}" for each in plan.year.municipalities}
    return _pages.get_template("page.html").render(
        title=f"Øvd sesong, rapporteringsår {plan.year.data_year}",
        persons=persons,
        seed=seed,
        summary=told,
        good=not (told.failed or told.unscripted or any(told.differs.values())),
        deadlines=[_deadline(milestone, told, names) for milestone in plan.deadlines],
        width=WIDTH,
        height=HEIGHT,
        top=TOP,
        days=picture(record.picture),
        marks=marks(plan.year, record.picture),
        legend=[(place, name_of(place).nb) for place in _seen_places(record)],
        rows=[_row(line, names) for line in found],
        alarms=alarm_kinds(record.told),
        happenings=[_happening(each, names, script) for each in record.happenings if each.outcome in _TELLING],
        elapsed=_minutes(told.elapsed),
        mean=_decimal(told.seconds / max(1, told.municipalities)),
        slowest=_decimal(told.slowest),
    )


#: What is listed day by day: everything that went otherwise than a sending that goes well.
_TELLING = frozenset({"blocked", "locked", "away", "certificate", "seen", "renewed", "trial_open", "failed"})


# -- the picture ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a day's bar, in the picture's measures."""

    place: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day: where its bar stands, its pieces from below, and what it says in words."""

    x: float
    width: float
    text: str
    bars: tuple[Bar, ...]


def picture(counted: Mapping[date, Mapping[str, int]]) -> tuple[Day, ...]:
    """The stacked bars: whoever is accepted at the bottom, the worst at the top."""
    width = WIDTH / max(1, len(counted))
    return tuple(
        _day(day, counts, number * width, width) for number, (day, counts) in enumerate(sorted(counted.items()))
    )


def _day(day: date, counts: Mapping[str, int], x: float, width: float) -> Day:
    total, bars, below = sum(counts.values()) or 1, [], 0.0
    for place in reversed(places()):
        if counts.get(place):
            height = HEIGHT * counts[place] / total
            below += height
            bars.append(Bar(place, round(TOP + HEIGHT - below, 2), round(height, 2)))
    said = ", ".join(f"{name_of(place).nb.lower()}: {counts[place]}" for place in places() if counts.get(place))
    return Day(round(x, 2), round(width, 2), f"{day:%d.%m.%Y}: {said}", tuple(bars))


@dataclass(frozen=True, slots=True)
class Mark:
    """A milestone in the picture: ``end`` when its text stands to the left of its line, for want of room."""

    x: float
    text: str
    end: bool
    deadline: bool
    row: int


def marks(year: Year, counted: Mapping[date, Mapping[str, int]]) -> tuple[Mark, ...]:
    """The milestones that lie within the picture, at the end of their day."""
    days = sorted(counted)
    inside = sorted((m for m in year.milestones if m.date in counted), key=lambda milestone: milestone.date)
    return tuple(_mark(milestone, days, row) for row, milestone in enumerate(inside))


def _mark(milestone: Milestone, days: Sequence[date], row: int) -> Mark:
    x = round(WIDTH * (days.index(milestone.date) + 1) / len(days), 2)
    text = f"{milestone.date:%d.%m} {_MARKS.get(milestone.id, milestone.id)}"
    return Mark(x, text, x > WIDTH / 2, milestone.is_deadline, row % 2)


_MARKS = {
    "opens": "åpner",
    "ordinary": "ordinær frist",
    "corrections_preliminary": "teller i foreløpige tall",
    "preliminary_publication": "foreløpige tall ut",
    "absolute_last": "siste frist",
}


def _seen_places(record: Record) -> list[str]:
    seen = {place for counts in record.picture.values() for place in counts}
    return [place for place in places() if place in seen]


# -- the tables -----------------------------------------------------------------------------------------------------


def _deadline(milestone: Milestone, told: Summary, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": milestone.id,
        "date": f"{milestone.date:%d.%m}",
        "name": name_of_milestone(milestone).nb,
        "missing": [names[number] for number in told.missing[milestone.id]],
        "differs": [names[number] for number in told.differs[milestone.id]],
    }


def _row(line: Line, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "municipality": names[line.number],
        "mishap": line.nb,
        "sent": _moment(line.sent),
        "accepted": _moment(line.accepted),
        "counts": [f"versjon {version}" if version else "" for version in line.counts.values()],
        "as_scripted": line.as_scripted,
        "alarms": line.alarms,
        "messages": line.messages,
        "seconds": _decimal(line.seconds),
    }


def alarm_kinds(told: Iterable[Told]) -> list[dict[str, Any]]:
    """One line for each kind of alarm and receiver, in the order in which they were first told."""
    kinds: dict[tuple[str, str], list[Told]] = {}
    for each in told:
        kinds.setdefault((each.alarm.split(":")[1], each.level), []).append(each)
    return [_kind(level, group) for (_, level), group in kinds.items()]


def _kind(level: str, group: Sequence[Told]) -> dict[str, Any]:
    return {
        "whom": _WHOM.get(level, level),
        "text": group[0].nb,
        "first": _moment(group[0].at),
        "last": _moment(group[-1].at),
        "count": len(group),
        "municipalities": sorted({each.number for each in group}),
    }


def _happening(happening: Happening, names: Mapping[str, str], script: Script) -> dict[str, str]:
    said = script.outcomes[happening.outcome]
    return {"at": _moment(happening.at), "municipality": names[happening.number], "text": said}


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(OSLO):%d.%m kl. %H}" if at else ""


def _decimal(number: float) -> str:
    return f"{number:.1f}".replace(".", ",")


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
