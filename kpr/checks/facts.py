"""The letter's list of what to look at before sending (L5-L12), as computed facts D1-D8.

Each line is a count now, the count last year where it is known, and whether somebody should look at it. Persons are
counted once per line; who counts is said in :mod:`kpr.checks.counting`. A fact never says that something is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from kpr.checks.counting import counted_lines, counting_tables, service_type_counts
from kpr.checks.fact import Change, Fact, FactLine, FactOptions, compare, fact_json
from kpr.checks.letter_points import ALWAYS, FROM_2019, Counter, care_record_system, persons_to_decide
from kpr.sources.work_rows import WorkRows
from kpr.years import Year

__all__ = ["Change", "Fact", "FactLine", "FactOptions", "compare", "fact_json", "letter_facts", "service_type_counts"]


def letter_facts(
    work: WorkRows, year: Year, last_year: Mapping[str, int] | None = None, options: FactOptions | None = None
) -> list[Fact]:
    """D1-D8 in the letter's order; ``last_year`` is what :func:`service_type_counts` gave for the last submission.

    Points that the format of the data year does not have (L10-L12 before 2019) are left out. D1 reads the findings of
    the content rules, which must have run.
    """
    limits = options or FactOptions()
    with counting_tables(work, year) as connection:
        changes = compare(counted_lines(connection, work, year), last_year, limits)
        count = Counter(connection, work, year, changes)
        makers = (*ALWAYS, *FROM_2019) if year.data_year >= 2019 else ALWAYS
        facts = [make(count) for make in makers]
    facts += [persons_to_decide(work, limits), care_record_system(work, limits)]
    return sorted(facts, key=lambda fact: fact.id)
