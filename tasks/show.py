"""What Prefect's UI shows: progress, findings by rule, the state of both legs, the board. Counts, ids and sentences only.

Artifact keys are stable, so that history grows under one key per municipality and data year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from kpr.calendar import OSLO
from kpr.checks.run import CheckResult
from kpr.errors import KprError
from kpr.log import blot
from kpr.steps.check import Checked
from kpr.steps.pages import keep_page, page_address
from kpr.steps.status import Status
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


_SEVERITIES = {"FATAL": 0, "ERROR": 1, "WARNING": 2, "INFO": 3}


def show_findings(place: Workplace, result: CheckResult) -> None:
    """The findings as a table of counts per rule, the worst first."""
    counts = sorted(result.counts, key=lambda row: (not row.blocks, _SEVERITIES.get(row.severity.value, 9)))
    table = [
        {
            "Regel": row.rule,
            "Alvor": row.severity.value,
            "Antall": row.count,
            "Personer": row.persons,
            "Stanser": "ja" if row.blocks else "nei",
            "Hva": result.catalogue[row.rule].wrong.nb,
        }
        for row in counts
    ]
    create_table_artifact(table=table, key=f"findings-{place.label}", description=result.sentence.nb)


def show_status(place: Workplace, now: Status, *, trial: bool = False, said: str = "") -> None:
    """Where the municipality stands: both legs and the milestones as a table, and the timeline with what to do now."""
    label = f"trial-{place.label}" if trial else place.label
    rows = [{"Hva": line.what, "Hvordan det står": line.words} for line in now.lines]
    create_table_artifact(table=rows, key=f"status-{label}", description=now.next_act.nb)
    create_markdown_artifact(timeline_text(place, now, said), key=f"timeline-{label}", description="Tidslinje")


def timeline_text(place: Workplace, now: Status, said: str = "") -> str:
    """The timeline as text, newest last, under what came of the form (``said``) and what to do now."""
    name = place.settings.municipality
    lines = [f"# {name.number} {name.name} · {now.data_year}", ""]
    lines += [f"**Svaret på skjemaet:** {blot(said)}", ""] if said else []
    lines += [f"**Nå:** {now.next_act.nb}", ""]
    lines += [
        f"- {line.at.astimezone(OSLO):%d.%m.%Y %H.%M} · versjon {line.version} · {line.text.nb}"
        for line in now.timeline
    ]
    return "\n".join([*lines, "", links(place)])


def show_page(place: Workplace, checked: Checked | None = None) -> None:
    """Keep the officer's page up to date and link to it, where the settings name a folder and an address for it.

    The page itself never goes into Prefect: it holds local keys.
    """
    try:
        address = keep_page(place, checked)
    except KprError as error:  # a page that cannot be written is no reason for a red run: what was done is done
        get_run_logger().warning(str(error))
        return
    if address:
        name = place.settings.municipality
        create_link_artifact(
            link=address,
            link_text=f"{name.number} {name.name} · {place.settings.data_year}",
            key=f"page-{place.label}",
            description="Alt om innsendingen på én side",
        )


def links(place: Workplace) -> str:
    """The officer's page where there is one, the findings and the timeline, for texts in the UI."""
    page = [f"[Siden om innsendingen]({address})"] if (address := page_address(place)) else []
    table, text = (f"/artifacts/key/{kind}-{place.label}" for kind in ("findings", "timeline"))
    return " · ".join([*page, f"[Funnene]({table})", f"[Tidslinjen]({text})"])


def show_table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """A table under a key of its own."""
    create_table_artifact(table=rows, key=key, description=description)
