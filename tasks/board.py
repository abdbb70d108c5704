"""The board as a page and a table, and the daily digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.artifacts import create_table_artifact

from kpr.fleet.board import Row, board, counts, name_of, sentence
from kpr.fleet.installation import Entry
from kpr.fleet.look import look_at_all, year_and_now
from kpr.plausibility.units import expected_units
from tasks.place import installation


@dataclass(frozen=True, slots=True)
class Board:
    """The board as it was shown."""

    rows: tuple[Row, ...]
    sentence: str
    counts: dict[str, int]


def look_at(entries: Sequence[Entry]) -> Board:
    """Where everyone stands now."""
    rows = board(look_at_all(entries), *year_and_now(entries))
    return Board(rows, sentence(rows), counts(rows))


def show_board(entries: Sequence[Entry]) -> Board:
    """The board as an artifact, the ones that need a person first."""
    shown = look_at(entries)
    table: list[dict[str, Any]] = [
        {
            "Kommune": f"{unit.number} {unit.name}",
            "Hvor": "Ikke i installasjonen",
            "Dager til siste trygge sending": "",
            "Hvem": "",
            "Hva nå": unit.text.nb,
        }
        for unit in expected_units(year_and_now(entries)[0], installation())
    ]
    table += [
        {
            "Kommune": f"{row.standing.number} {row.standing.name}",
            "Hvor": name_of(row.place).nb,
            "Dager til siste trygge sending": "" if row.hours is None else round(row.hours / 24, 1),
            "Hvem": row.whom,
            "Hva nå": row.text.nb,
        }
        for row in sorted(shown.rows, key=lambda row: not row.needs_person)
    ]
    create_table_artifact(table=table, key=f"board-{entries[0].data_year}", description=shown.sentence)
    return shown


def in_board_order(entries: Sequence[Entry], states: tuple[str, ...]) -> list[Entry]:
    """Those in one of these states, the most urgent first."""
    by_number = {entry.number: entry for entry in entries}
    rows = look_at(entries).rows
    return [by_number[row.standing.number] for row in rows if row.standing.state in states]
