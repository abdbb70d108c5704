"""Our own figures of a submission: what next year's are compared with. Counts only, nothing about a person.

Counted as the content rules count, over everything that was extracted: two years are compared alike, and what the
register would delete is told by the prediction. Kept as JSON under a key of its own, so that it outlives what it was
counted from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from kpr.checks.counting import counted_lines, counting_tables
from kpr.checks.fact import Fact
from kpr.checks.view_tables import GroupTable, view_tables
from kpr.errors import BadMessage
from kpr.national_id import valid_organisation_number
from kpr.sources.work_rows import WorkRows
from kpr.years import Year


class Part(StrEnum):
    """What is compared: the view's three tables (T1-T3), the units, and the refusals."""

    SERVICES = "services"
    LONG_TERM_STAY = "long_term_stay"
    HOME_DWELLING = "home_dwelling"
    DISTRICTS = "districts"
    PROVIDERS = "providers"
    REFUSALS = "refusals"


#: The line of T2 and T3 that holds the size of the group; the others are facts mapped for its members.
GROUP = "persons"


@dataclass(frozen=True, slots=True)
class Count:
    """So many; ``of`` is the whole that they are a share of, where they are one."""

    now: int
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A submission's figures. ``system`` is the care-record system's name and version.

    ``drift``: of the persons (``PERSON``) and services (``TJENESTE``) of the former extract of the same year, how many
    are still there, and how many there were. ``facts`` are the letter's lines (``D4.old``) that are numbers.
    """

    data_year: int
    counts: Mapping[Part, Mapping[str, Count]]
    facts: Mapping[str, int] = field(default_factory=dict)
    system: tuple[str, str] = ("", "")
    drift: Mapping[str, Count] = field(default_factory=dict)

    @property
    def lines(self) -> dict[str, int]:
        """T1 and the fields as :func:`kpr.checks.counting.service_type_counts` gives them: persons by line."""
        return {line: count.now for line, count in self.counts.get(Part.SERVICES, {}).items()}


_JSON = TypeAdapter(Figures)


def figures_of_lines(data_year: int, lines: Mapping[str, int]) -> Figures:
    """Figures of which only persons by service type are known, as from a table."""
    return Figures(data_year, {Part.SERVICES: {line: Count(persons) for line, persons in lines.items()}})


def figures_json(figures: Figures) -> bytes:
    """As JSON in UTF-8; the same figures give the same bytes."""
    ordered = {part: dict(sorted(lines.items())) for part, lines in sorted(figures.counts.items())}
    return _JSON.dump_json(replace(figures, counts=ordered, facts=dict(sorted(figures.facts.items()))))


def read_figures(raw: bytes) -> Figures:
    """Figures out of JSON; BadMessage when it is something else, or from a later version of the program."""
    try:
        return _JSON.validate_json(raw)
    except ValidationError:
        raise BadMessage(
            "The kept figures cannot be read.", place="figures", remedy="Give last year's figures as a table."
        ) from None


def count_figures(work: WorkRows, year: Year) -> Figures:
    """Count the figures of work rows; the letter's facts and the drift are laid in by those who know them."""
    with counting_tables(work, year) as connection:
        view = view_tables(work, year)
        counts = {
            Part.SERVICES: {line: Count(persons) for line, persons in counted_lines(connection, work, year).items()},
            Part.LONG_TERM_STAY: _group(view.long_term_stay),
            Part.HOME_DWELLING: _group(view.home_dwelling),
            Part.DISTRICTS: _districts(connection),
            Part.PROVIDERS: _providers(connection),
            Part.REFUSALS: _refusals(connection, year),
        }
    header = work.single("innhinfo")
    return Figures(year.data_year, counts, system=(header.get("iiSysID") or "", header.get("iiSysVersjon") or ""))


def _group(table: GroupTable) -> dict[str, Count]:
    shares = {share.fact: Count(share.persons, table.persons) for share in table.shares}
    return {GROUP: Count(table.persons)} | shares


def _districts(connection: sqlite3.Connection) -> dict[str, Count]:
    # Two digits only: whatever else stands there is no bydel, and is not carried on.
    query = (
        "SELECT p.peBydelsnr, count(DISTINCT s.person_row) FROM service s JOIN person p ON p.row_no = s.person_row "
        "WHERE s.in_year AND p.peBydelsnr GLOB '[0-9][0-9]' GROUP BY 1"
    )
    return {code: Count(persons) for code, persons in connection.execute(query)}


def _providers(connection: sqlite3.Connection) -> dict[str, Count]:
    query = (
        "SELECT t.tjInstOrgnr, count(DISTINCT s.person_row) FROM service s JOIN tjeneste t ON t.row_no = s.row_no "
        "WHERE s.in_year AND length(t.tjInstOrgnr) = 9 GROUP BY 1"
    )
    found = connection.execute(query).fetchall()
    return {number: Count(persons) for number, persons in found if valid_organisation_number(number)}


def _refusals(connection: sqlite3.Connection, year: Year) -> dict[str, Count]:
    query = "SELECT type, sum(decision = '1'), count(*) FROM service WHERE decision IN ('1', '2') GROUP BY type"
    types = year.codes("tjTjenType")
    return {code: Count(refused, decided) for code, refused, decided in connection.execute(query) if code in types}


def together(parts: Sequence[Figures]) -> Figures:
    """The figures of several municipalities of one year as one's. A person who had services in two counts as two.

    A line that the letter asks for is known only where all of them have it.
    """
    if len(parts) == 1:
        return parts[0]
    counts: dict[Part, dict[str, Count]] = {}
    for figures in parts:
        for part, lines in figures.counts.items():
            summed = counts.setdefault(part, {})
            for line, count in lines.items():
                summed[line] = _sum(summed[line], count) if line in summed else count
    facts = {line: sum(each.facts[line] for each in parts) for line in _in_all([each.facts for each in parts])}
    systems = {each.system for each in parts}
    return Figures(parts[0].data_year, counts, facts, systems.pop() if len(systems) == 1 else ("", ""))


def _sum(one: Count, other: Count) -> Count:
    return Count(one.now + other.now, None if one.of is None or other.of is None else one.of + other.of)


def _in_all(mappings: Sequence[Mapping[str, int]]) -> list[str]:
    return [key for key in mappings[0] if all(key in each for each in mappings)]


def with_facts(figures: Figures, facts: Sequence[Fact]) -> Figures:
    """The figures with the letter's lines that are numbers."""
    lines = {line.id: line.value for fact in facts for line in fact.lines}
    return replace(figures, facts={line: value for line, value in lines.items() if isinstance(value, int)})


def with_last_year(facts: Sequence[Fact], before: Figures | None) -> list[Fact]:
    """The letter's facts, each line with last year's number where it is known (D1-D8)."""
    known = before.facts if before else {}
    return [
        replace(fact, lines=tuple(replace(line, last_year=known.get(line.id, line.last_year)) for line in fact.lines))
        for fact in facts
    ]
