"""What the register makes of a message: its checks, its deletions, and the tables of what it keeps (letter L2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kpr.checks.prediction import Prediction, apply_prediction, predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.checks.view_tables import ViewTables, view_tables
from kpr.sources.work_rows import WorkRows
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class RegisterView:
    """What is kept of a message, and the tables T1-T3 of it."""

    kept: Prediction
    tables: ViewTables


def register_view(work: WorkRows, year: Year, last_year: Mapping[str, int] | None = None) -> RegisterView:
    """Check, delete and null as the register does, and count what is left. ``work`` holds only that afterwards."""
    create_finding_table(work)
    run_register_checks(work, year, Catalogue(register_rules(year)))
    kept = predict(work)
    apply_prediction(work)
    return RegisterView(kept, view_tables(work, year, last_year))
