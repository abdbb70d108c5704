"""The officer's part of the demo: what she gives is made so that one line swings and one person is a test person."""

from __future__ import annotations

import pytest

from kpr.checks.counting import service_type_counts
from kpr.demo.officer import last_year_table, names_list
from kpr.messages.shape import iplos_shape
from kpr.persons.names import LISTED, known_marks, read_names
from kpr.plausibility.figures import figures_of_lines
from kpr.plausibility.last_year_table import read_last_year_table
from kpr.plausibility.swings import Limits, swings
from kpr.sources.work_rows import WorkRows, load
from kpr.synth import SyntheticMunicipality
from kpr.years import load_year

YEAR, BEFORE = load_year(2020), load_year(2019)


@pytest.fixture(scope="module", params=[50, 600])
def rows(request: pytest.FixtureRequest) -> WorkRows:
    """The demo's municipality without faults, as small as it may be and as large as it usually is."""
    source = SyntheticMunicipality(YEAR, request.param, seed=7)
    return load(source, iplos_shape(YEAR.iplos_version.value))


def test_one_line_of_last_year_swings(rows: WorkRows) -> None:
    """The safety alarms have grown so much that a reason is asked for; of all other lines nothing is said."""
    table = read_last_year_table(last_year_table(rows, YEAR, BEFORE), BEFORE, "i-fjor.csv")
    now = figures_of_lines(2020, service_type_counts(rows, YEAR))
    found = swings(now, figures_of_lines(2019, table.lines), Limits())
    assert [(swing.line, swing.asks) for swing in found] == [("tjTjenType 6", True)]
    assert table.missing == ()


def test_the_test_person_is_not_one_of_those_who_swing(rows: WorkRows) -> None:
    """One person is on the list by her name; leaving her out changes no number that was explained."""
    found = read_names(names_list(rows), known_marks(), "navn.csv")
    assert list(found.values()) == [{LISTED}]
    types = {
        kind for key, kind in rows.connection.execute(
            "SELECT p.pePeID, t.tjTjenType FROM person p JOIN tjeneste t ON t.person_row = p.row_no"
        ) if key in found
    }  # fmt: skip
    assert "6" not in types
