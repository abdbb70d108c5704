"""Watch: what is late, by the clock. Runs daily and must not miss."""

from __future__ import annotations

from prefect import flow

from tasks.deliver import watch as watch_once


@flow(name="watch", persist_result=False)
def watch(settings_file: str) -> list[str]:
    """One look at the clock; the ids of the alarms."""
    return watch_once(settings_file)
