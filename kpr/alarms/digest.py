"""The daily digest of an installation: one mail a day with how many stand where, what is new and who needs a person.

Pure: rows of the board, what happened since yesterday, and the clock come in. No season running, no digest; while one
runs it comes every day, so that a day without it says that something has stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from kpr.alarms.due import name_of
from kpr.alarms.message import Telling
from kpr.alarms.season import Season
from kpr.checks.finding import Text
from kpr.fleet.board import Row, counts, faults_only
from kpr.fleet.board import name_of as place_name
from kpr.log import blot
from kpr.yaml_file import table_beside

#: More lines than these in one list, and nobody reads them; the board has them all.
_LINES = 25


@dataclass(frozen=True, slots=True)
class Change:
    """What happened in one municipality since yesterday, as the timeline has it."""

    number: str
    name: str
    text: Text


@dataclass(frozen=True, slots=True)
class Section:
    """One data year of the installation."""

    season: Season
    rows: tuple[Row, ...]
    changes: tuple[Change, ...] = ()
    #: Municipalities that are expected to report and that the installation does not have (content rule Y4).
    missing: tuple[Text, ...] = ()

    @property
    def done(self) -> int:
        """How many are accepted."""
        return sum(row.place in ("DONE", "RIGHT") for row in self.rows)


@cache
def _words() -> dict[str, Any]:
    return dict(table_beside(__file__))


def digest(name: str, sections: Sequence[Section], today: date, link: str = "") -> Telling | None:
    """The day's digest; None when no season is running. ``name`` is the installation's, and keeps two of them apart."""
    running = [section for section in sections if section.rows and section.season.is_running]
    if not running:
        return None
    rows = [row for section in running for row in section.rows]
    totals = {"all": len(rows), "done": sum(section.done for section in running), "person": len(faults_only(rows))}
    body = "\n\n".join(
        part
        for part in (
            *(_section(section, "nb") for section in running),
            _said("link", "nb", link=link) if link else "",
            "--\nEnglish\n\n" + "\n\n".join(_section(section, "en") for section in running),
            _said("foot", "nb"),
        )
        if part
    )
    data = {"id": f"digest-{today}-{name}", "link": link, "years": [_data(section) for section in running]}
    groups = ("operator", "officer") if len(rows) == 1 else ("operator",)
    return Telling(
        str(data["id"]), groups, _said("subject", "nb", day=f"{today:%d.%m.%Y}", **totals), f"{body}\n", data
    )


def _section(section: Section, language: str) -> str:
    year, everyone = section.season.year.data_year, len(section.rows)
    lines = [
        _said("heading", language, year=year, done=section.done, all=everyone),
        _coming(section.season, language),
        *(getattr(text, language) for text in section.missing[:_LINES]),
        "",
        *_list(
            "counts",
            "",
            [f"{getattr(place_name(place), language)}: {n}" for place, n in counts(section.rows).items()],
            language,
        ),
        "",
        *_list("person", "nobody", [_person(row, language) for row in faults_only(section.rows)], language),
        "",
        *_list("changes", "no_changes", [_change(each, language) for each in section.changes], language),
    ]
    return "\n".join(lines)


def _coming(season: Season, language: str) -> str:
    milestone = season.coming
    if milestone is None:
        return _said("none_coming", language)
    values = {"milestone": getattr(name_of(milestone), language)}
    values |= {"date": _day(milestone.date, language), "safe": _day(season.safe_day(milestone), language)}
    return _said("coming", language, **values)


def _list(heading: str, empty: str, lines: Sequence[str], language: str) -> list[str]:
    if not lines:
        return [_said(empty, language)]
    left = len(lines) - _LINES
    more = [_said("more", language, count=left)] if left > 0 else []
    return [f"{_said(heading, language)}:", *(f"  {line}" for line in lines[:_LINES]), *(f"  {line}" for line in more)]


def _person(row: Row, language: str) -> str:
    return blot(f"{row.standing.label}: {getattr(row.text, language)}")


def _change(change: Change, language: str) -> str:
    return blot(f"{change.number} {change.name}: {getattr(change.text, language)}")


def _data(section: Section) -> dict[str, Any]:
    coming = section.season.coming
    return {
        "data_year": section.season.year.data_year,
        "counts": counts(section.rows),
        "need_a_person": [row.standing.number for row in faults_only(section.rows)],
        "changed": [change.number for change in section.changes],
        "next": {"id": coming.id, "date": coming.date.isoformat()} if coming else None,
    }


def _day(day: date, language: str) -> str:
    return f"{day:%d.%m.%Y}" if language == "nb" else day.isoformat()


def _said(row: str, language: str, **values: object) -> str:
    return str(_words()[row][language]).format(**values)
