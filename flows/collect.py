"""Collect: take in what has come back, receipts and ident e-mails, and move every open conversation. Runs often."""

from __future__ import annotations

from prefect import flow

from tasks.deliver import collect as collect_once


@flow(name="collect", persist_result=False)
def collect(settings_file: str) -> dict[str, int]:
    """One round of collecting; how many of each kind came."""
    return collect_once(settings_file)
