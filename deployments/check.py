"""Whether every entry of a plan can be carried out: its flow is there, takes its parameters, and each place can be opened."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from deployments.plan import Planned
from kpr.errors import BadInput
from kpr.fleet.installation import Installation
from kpr.settings import load_settings


def flow_of(planned: Planned) -> Any:
    """The flow that an entrypoint names; BadInput when there is none."""
    file, _, name = planned.entrypoint.partition(":")
    module = Path(file).with_suffix("").as_posix().replace("/", ".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise BadInput(
            "Det finnes ingen slik flyt.", place=f"{planned.name}: {planned.entrypoint}", remedy="Rett inngangen."
        ) from None


def faults(planned: tuple[Planned, ...]) -> list[str]:
    """Every fault of the plan itself in a sentence; empty when all can be carried out."""
    return [fault for each in planned for fault in _of_entry(each)]


def broken_places(installation: Installation) -> list[str]:
    """The municipalities whose settings cannot be read, a sentence each: they keep nobody else from the plan."""
    found = list(installation.broken)
    for entry in installation:
        for file in filter(None, (entry.settings_file, entry.rehearsal)):
            try:
                load_settings(file)
            except BadInput as error:
                found.append(f"{entry.label}: {error}")
    return found


def _of_entry(planned: Planned) -> list[str]:
    try:
        flow = flow_of(planned)
    except BadInput as error:
        return [str(error)]
    known = inspect.signature(flow.fn).parameters
    return [f"{planned.name}: ukjent felt {name}" for name in planned.parameters if name not in known]
