"""Correct: a new version, both messages again, after a rejection or after a fault was seen in the register's view."""

from __future__ import annotations

from prefect import flow

from flows.report import report


@flow(name="correct", flow_run_name="correct · {by}", persist_result=False)
def correct(settings_file: str, by: str, mended: str, reason: str | None = None) -> str:
    """Send a corrected version. The guard refuses while an answer to the former is still awaited."""
    return report(settings_file, by, reason, mended)
