"""The board as one self-contained HTML page: who needs a person first, everyone at a tick. Never a care fact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO, last_safe_send, next_milestone
from kpr.fleet.board import Row, counts, faults_only, name_of, phone, sentence
from kpr.years import Year

#: Calls listed apart; the table has them all.
CALLS = 10

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))


def board_page(rows: Sequence[Row], year: Year, now: datetime) -> str:
    """Rows in the board's order, as a page."""
    rows = tuple(rows)
    calls = phone(rows)
    made = now.astimezone(OSLO)
    return _pages.get_template("board.html").render(
        title=f"Tavle, rapporteringsår {year.data_year}",
        made=f"Laget {made:%d.%m.%Y %H.%M}. Ingen navn eller fødselsnumre på personer står på denne siden.",
        now=sentence(rows),
        stop=bool(faults_only(rows)),
        deadline=deadline_text(year, now),
        bars=[{"name": name_of(place).nb, "count": count, "place": place} for place, count in counts(rows).items()],
        most=max(counts(rows).values(), default=1),
        calls=[{"text": _capital(call.text.nb), "about": call.rows[0].text.nb} for call in calls[:CALLS]],
        more_calls=max(0, len(calls) - CALLS),
        rows=[_as_shown(row) for row in rows],
        faults=len(faults_only(rows)),
    )


def deadline_text(year: Year, now: datetime) -> str:
    """The next deadline and the last safe sending before it, in Norwegian; says so when the dates are not known."""
    deadlines = [milestone for milestone in year.milestones if milestone.is_deadline]
    coming = next_milestone(deadlines, now)
    if coming is None:
        known = "er passert" if deadlines else "er ikke kjent for dette året: spør registeret"
        return f"Fristene {known}."
    safe = last_safe_send(coming, year.ack_hours.value).astimezone(OSLO)
    return f"Neste frist er {coming.date:%d.%m.%Y}. Siste trygge sending er {safe:%d.%m.%Y kl. %H.%M}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _as_shown(row: Row) -> dict[str, object]:
    return {
        "municipality": row.standing.label,
        "place": row.place,
        "name": name_of(row.place).nb,
        "left": row.left,
        "text": row.text.nb,
        "whom": row.whom,
        "person": row.needs_person,
    }
