"""Which alarms are due for one municipality's year, by a clock passed in. Pure; texts and levels stand in due.yaml.

The alert table and K1-K8 of the calendar. What is late by the two legs, the transport's acknowledgment and the
certificates is found by ``kpr watch``; here it is only given its place: who is told, how loudly, and what to do.
An alarm that is overtaken by a sharper one of its kind is not due any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any

from kpr.alarms.notice import Level, Notice, Severity
from kpr.alarms.season import Season
from kpr.calendar import OSLO, add_working_hours
from kpr.checks.finding import Text
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.next_act import NOTHING_SENT, Trouble
from kpr.overdue import Alarm
from kpr.yaml_file import table_beside
from kpr.years import Milestone, Year

_S = SubmissionState

#: Handed over, whatever came of it since: no longer "not sent".
_SENT = (_S.AWAITING, _S.ACCEPTED, _S.SUPERSEDED)

#: Office hours without a round over mailbox and transport, while answers are awaited (assumed).
QUIET_HOURS = 6.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One municipality's year: its newest version, and what stands of the others.

    ``accepted``: some version counts now (K9). ``awaiting_since``: when what is awaited was made; None when nothing
    is. ``collected_at``: the last whole round over mailbox and transport.
    """

    number: str
    name: str
    data_year: int
    state: SubmissionState | None = None
    version: int = 0
    ident_leg: IdentLeg = IdentLeg.NOT_SENT
    receipt_leg: ReceiptLeg = ReceiptLeg.NONE
    trouble: Trouble = Trouble.OK
    accepted: bool = False
    contradicted: bool = False
    edi: bool = False
    awaiting_since: datetime | None = None
    collected_at: datetime | None = None
    next_act: Text = NOTHING_SENT

    @property
    def is_sent(self) -> bool:
        """Whether the newest version has left."""
        return self.state in _SENT

    @property
    def is_extracted(self) -> bool:
        """Whether an extract was read, in this version or in one that counts."""
        return self.accepted or self.state not in (None, _S.DRAFT)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """A row that is due: ``about`` makes its id the same each time, ``values`` fill its texts."""

    row: str
    about: str = ""
    values: dict[str, Text] = field(default_factory=dict)
    milestone: Milestone | None = None


@cache
def _data() -> dict[str, Any]:
    return dict(table_beside(__file__))


def due(standing: Standing, year: Year, now: datetime, *, quiet_hours: float = QUIET_HOURS) -> tuple[Notice, ...]:
    """What needs a person now, apart from what ``watch`` finds; the same ids until something changes."""
    season = Season(year, now)
    occasions = [occasion for rule in _RULES for occasion in rule(standing, season)]
    occasions += _not_collected(standing, now, quiet_hours)
    return tuple(_notice(occasion, standing, season) for occasion in occasions)


def of_watch(alarm: Alarm, standing: Standing, year: Year, now: datetime) -> Notice:
    """An alarm of ``watch`` with its place. One about a certificate is told again when the season begins."""
    season = Season(year, now)
    row = next(name for name in _data()["alarms"] if alarm.id.startswith(name))
    again = "-season" if row == "certificate" and season.has_begun else ""
    return _notice(_Occasion(row, alarm.id.removeprefix(row).strip("-:") + again), standing, season, alarm.text)


# -- the rules ----------------------------------------------------------------------------------------------------


def _not_extracted(standing: Standing, season: Season) -> Iterator[_Occasion]:
    if season.coming and season.extract_is_late and not standing.is_extracted:
        yield _Occasion("not-extracted")


def _red_findings(standing: Standing, season: Season) -> Iterator[_Occasion]:
    if season.coming and standing.state is _S.BLOCKED and season.findings_hurry(season.coming):
        yield _by_deadline("red-findings", season.coming, season, f"{season.coming.id}-{season.today}")


def _not_sent(standing: Standing, season: Season) -> Iterator[_Occasion]:
    coming = season.coming
    if coming is None or standing.is_sent:
        return
    step = season.not_sent_step(coming)
    if step is not None:
        yield _by_deadline(f"not-sent-{step}", coming, season, coming.id)
    if standing.edi and season.today >= season.edi_day(coming):
        yield _by_deadline("edi-not-sent", coming, season, coming.id)


def _milestone_passed(standing: Standing, season: Season) -> Iterator[_Occasion]:
    """Only the last one that passed: a house that begins late is not told of the ones before."""
    if season.passed and not standing.accepted:
        last = season.passed[-1]
        yield _by_deadline("milestone-passed", last, season, last.id)


def _calendar_unknown(standing: Standing, season: Season) -> Iterator[_Occasion]:
    if not season.deadlines and season.has_begun and not standing.accepted:
        yield _Occasion("calendar-unknown")


def _by_state(standing: Standing, _season: Season) -> Iterator[_Occasion]:
    asked = {
        "state": standing.state,
        "ident": standing.ident_leg,
        "receipt": standing.receipt_leg,
        "transport": standing.trouble,
        "contradicted": standing.contradicted,
    }
    for name, row in _data()["alarms"].items():
        if "when" in row and all(asked[what] in values for what, values in row["when"].items()):
            yield _Occasion(name, f"v{standing.version}")


def _not_collected(standing: Standing, now: datetime, quiet_hours: float) -> list[_Occasion]:
    if standing.awaiting_since is None:
        return []
    last = max(standing.awaiting_since, standing.collected_at or standing.awaiting_since)
    if now < add_working_hours(last, quiet_hours):
        return []
    local = last.astimezone(OSLO)
    said = Text(f"{local:%d.%m.%Y kl. %H.%M}", f"{local:%Y-%m-%d %H:%M}")
    return [_Occasion("not-collected", f"{last:%Y-%m-%dT%H%M}", {"since": said})]


_RULES: tuple[Callable[[Standing, Season], Iterator[_Occasion]], ...] = (
    _milestone_passed,
    _not_sent,
    _red_findings,
    _not_extracted,
    _calendar_unknown,
    _by_state,
)


# -- the words ----------------------------------------------------------------------------------------------------


def _by_deadline(row: str, milestone: Milestone, season: Season, about: str) -> _Occasion:
    values = {
        "milestone": name_of(milestone),
        "date": _day(milestone.date),
        "safe": _day(season.safe_day(milestone)),
        "edi": _day(season.edi_day(milestone)),
    }
    return _Occasion(row, about, values, milestone)


def name_of(milestone: Milestone) -> Text:
    """A deadline as it begins a sentence; its id where it has no name."""
    said = _data()["milestones"].get(milestone.id)
    return Text(said["nb"], said["en"]) if said else Text(f"Fristen «{milestone.id}»", f"The deadline '{milestone.id}'")


def _day(day: date) -> Text:
    return Text(f"{day:%d.%m.%Y}", day.isoformat())


def _notice(occasion: _Occasion, standing: Standing, season: Season, text: Text | None = None) -> Notice:
    row = _data()["alarms"][occasion.row]
    loud = season.level(accepted=standing.accepted)
    level = loud if row["level"] == "season" else Level(row["level"])
    values = occasion.values | {"year": _same(standing.data_year), "next": standing.next_act}
    return Notice(
        id=":".join(filter(None, (f"{standing.number}-{standing.data_year}", occasion.row, occasion.about))),
        municipality=standing.number,
        name=standing.name,
        data_year=standing.data_year,
        severity=Severity(row["severity"]),
        level=level,
        text=text or _filled(Text(row["nb"], row["en"]), values),
        do=_filled(Text(row["do_nb"], row["do_en"]), values),
    )


def _same(value: object) -> Text:
    return Text(str(value), str(value))


def _filled(text: Text, values: dict[str, Text]) -> Text:
    nb = {name: value.nb for name, value in values.items()}
    return Text(text.nb.format(**nb), text.en.format(**{name: value.en for name, value in values.items()}))
