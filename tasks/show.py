"""What Prefect's UI shows: progress, findings by rule, and the state of both legs. Counts and codes only.

Artifact keys are stable, so that history grows under one key per municipality and data year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact

from kpr.checks.run import CheckResult
from kpr.steps.status import status
from kpr.steps.workplace import Workplace

Progress = Callable[[str, int, int], None]


@contextmanager
def progress_artifact(step: str, label: str) -> Iterator[Progress]:
    """A progress bar in the UI; moved at most once per whole per cent."""
    artifact = cast(UUID, create_progress_artifact(progress=0.0, key=f"{step}-{label}", description=step))
    shown = 0

    def move(_name: str, done: int, total: int) -> None:
        nonlocal shown
        percent = int(100 * done / total) if total else 100
        if percent > shown:
            shown = percent
            update_progress_artifact(artifact, progress=float(percent))

    yield move
    update_progress_artifact(artifact, progress=100.0)


def show_findings(place: Workplace, result: CheckResult) -> None:
    """The findings as a table of counts per rule."""
    table = [
        {
            "rule": row.rule,
            "severity": row.severity.value,
            "count": row.count,
            "persons": row.persons,
            "blocks": row.blocks,
        }
        for row in result.counts
    ]
    create_table_artifact(table=table, key=f"findings-{place.label}", description=result.sentence.nb)


def show_status(place: Workplace) -> None:
    """Where the municipality stands: state, both legs, and what to do now."""
    now = status(place)
    rows = [{"what": line.what, "state": line.state} for line in now.lines]
    create_table_artifact(table=rows, key=f"status-{place.label}", description=now.next_act.nb)
