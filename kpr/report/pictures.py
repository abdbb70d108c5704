"""Where things stand in the pictures: the season as a line with its dates, and bars of this year and last. Pure.

Numbers and words only; ``officer.html`` draws them. Nothing is told by colour alone: forms and words differ too, and
each picture has its content as a table or list beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kpr.calendar import OSLO, end_of_day
from kpr.checks.finding import Text
from kpr.report.officer import Bar, DateShown, Moment

WIDTH, EDGE = 900, 20
#: Pixels of a letter, of a row of labels, and of the longest bar.
_LETTER, _ROW, _BAR = 7.2, 22, 220
_SIDES = {
    "out": ("▲", Text("sendt", "sent")),
    "in": ("▼", Text("kom inn", "came in")),
    "person": ("◆", Text("godkjent eller bestemt", "approved or decided")),
    "opened": ("○", Text("åpnet og kontrollert", "opened and checked")),
}


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place beside the line."""

    x: float
    y: float
    text: str
    kind: str
    sign: str = ""

    @property
    def at_end(self) -> bool:
        """Whether the words stand to the left of their place, so that they stay in the picture."""
        return _at_end(self.x, self.text)

    @property
    def left(self) -> float:
        """Where the words begin."""
        return _span(self.x, self.text)[0]

    @property
    def width(self) -> float:
        """How wide the words are, roughly."""
        begins, ends = _span(self.x, self.text)
        return ends - begins


@dataclass(frozen=True, slots=True)
class SeasonPicture:
    """The line at ``line`` pixels from the top, labels above and below it, and the marks of the last safe sendings."""

    height: float
    line: float
    now: float
    above: tuple[Label, ...]
    below: tuple[Label, ...]
    safe: tuple[float, ...]


def season_picture(
    dates: Sequence[DateShown], moments: Sequence[Moment], now: datetime, language: str
) -> SeasonPicture | None:
    """Dates above the line, what happened below it; None when no date is known."""
    if not dates:
        return None
    ends = [end_of_day(each.date) for each in dates]
    scale = _Scale([*ends, *(each.at for each in moments), now.astimezone(UTC)])
    coming = [
        (scale(end), f"{each.date:%d.%m.} {_said(each.text, language)}", "deadline" if each.deadline else "plain", "")
        for end, each in zip(ends, dates, strict=True)
    ]
    done = [(scale(at), text, side, _SIDES[side][0]) for at, text, side in _days(moments, language)]
    upper, lower = _rows(coming), _rows(done)
    line = 30 + _ROW * (1 + max(upper, default=0))
    return SeasonPicture(
        height=line + 44 + _ROW * (1 + max(lower, default=0)),
        line=line,
        now=scale(now),
        above=tuple(_label(each, line - 14 - _ROW * row) for each, row in zip(coming, upper, strict=True)),
        below=tuple(_label(each, line + 34 + _ROW * row) for each, row in zip(done, lower, strict=True)),
        safe=tuple(scale(each.safe_until) for each in dates if each.safe_until),
    )


_Place = tuple[float, str, str, str]


def _label(place: _Place, y: float) -> Label:
    x, text, kind, sign = place
    return Label(x, y, text, kind, sign)


def _at_end(x: float, text: str) -> bool:
    return x + _width(text) > WIDTH - EDGE


def _width(text: str) -> float:
    return len(text) * _LETTER + 12


def _span(x: float, text: str) -> tuple[float, float]:
    return (x - _width(text), x) if _at_end(x, text) else (x, x + _width(text))


def _rows(places: Sequence[_Place]) -> list[int]:
    """For each label the row, counted from the line outwards: no two cover each other.

    A label stands further out than those whose places its words cover, so that no line goes through them: where the
    words go to the right the last comes first, where they go to the left the first.
    """
    rows: dict[int, int] = {}
    spans = [_span(x, text) for x, text, *_ in places]
    onwards = [n for n, (x, text, *_) in enumerate(places) if not _at_end(x, text)]
    backwards = [n for n in range(len(places)) if n not in onwards]
    for n in [*sorted(onwards, key=lambda n: -places[n][0]), *sorted(backwards, key=lambda n: places[n][0])]:
        begins, ends = spans[n]
        row = max((rows[m] + 1 for m in rows if begins < places[m][0] < ends), default=0)
        while any(rows[m] == row and not (ends < spans[m][0] or begins > spans[m][1]) for m in rows):
            row += 1
        rows[n] = row
    return [rows[n] for n in range(len(places))]


class _Scale:
    """From moments to places on the line."""

    def __init__(self, moments: Sequence[datetime]) -> None:
        self.first, self.last = min(moments) - timedelta(days=2), max(moments) + timedelta(days=2)

    def __call__(self, moment: datetime) -> float:
        share = (moment - self.first) / (self.last - self.first)
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)


def _days(moments: Sequence[Moment], language: str) -> list[tuple[datetime, str, str]]:
    """What went out, came in or was decided, day by day: many of a kind on one day are one mark."""
    days: dict[tuple[str, str], list[Moment]] = {}
    for each in moments:
        if each.side in _SIDES:
            days.setdefault((f"{each.at.astimezone(OSLO):%Y-%m-%d}", each.side), []).append(each)
    return [(group[0].at, _day(group, side, language), side) for (_, side), group in days.items()]


def _day(group: Sequence[Moment], side: str, language: str) -> str:
    more = f" ({len(group)})" if len(group) > 1 else ""
    return f"{group[0].at.astimezone(OSLO):%d.%m.} {_said(_SIDES[side][1], language)}{more}"


def _said(text: Text, language: str) -> str:
    return text.en if language == "en" else text.nb


@dataclass(frozen=True, slots=True)
class BarPicture:
    """Two bars: this year's, and last year's where it is known. In pixels."""

    bar: Bar
    now: float
    before: float | None
    change: str


def bar_pictures(bars: Sequence[Bar]) -> tuple[BarPicture, ...]:
    """Bars of one scale."""
    most = max((max(bar.now, bar.before or 0) for bar in bars), default=0) or 1
    return tuple(
        BarPicture(
            bar,
            round(bar.now * _BAR / most, 1),
            None if bar.before is None else round(bar.before * _BAR / most, 1),
            _change(bar),
        )
        for bar in bars
    )


def _change(bar: Bar) -> str:
    if not bar.before:
        return "–"
    return f"{(bar.now - bar.before) * 100 / bar.before:+.1f} %".replace(".", ",")
