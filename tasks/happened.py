"""Prefect events for each step of the conversation, so that automations can act on them.

An event's id is made from the row that it tells of, so telling it twice is telling it once: the flow ``watch`` tells
the newest again, for the day when a run was killed between writing a step down and telling of it.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from prefect.events import emit_event

from kpr.steps.workplace import Workplace
from kpr.store import Event

#: Names of our events are unlike those of any other program.
_OURS = UUID("6f2d0c1e-7f0a-5b52-9f59-3f0e6c0c7a11")


def event_id(event: Event) -> UUID:
    """The id of the Prefect event for a row of the conversation; the same for the same row."""
    return uuid5(_OURS, f"{event.cycle_id}/{event.id}")


def tell_events(place: Workplace, after: int = 0) -> int:
    """Emit what happened in this cycle after an event; the newest one's id, to go on from."""
    newest = after
    for event in place.store.events():
        if event.id is not None and event.id > after:
            _emit(place, event)
            newest = event.id
    return newest


def newest_event(place: Workplace) -> int:
    """The id of the newest event; 0 before the first."""
    return max((event.id or 0 for event in place.store.events()), default=0)


def _emit(place: Workplace, event: Event) -> None:
    emit_event(
        event=f"kpr.{event.what}.{event.event}",
        resource={
            "prefect.resource.id": f"kpr.cycle.{place.label}",
            "prefect.resource.name": f"{place.settings.municipality.number} {place.settings.municipality.name}",
            "kpr.municipality": place.settings.municipality.number,
            "kpr.data-year": str(place.settings.data_year),
        },
        payload={
            "submission": event.submission_id or "",
            "message": event.message_ref or "",
            "from": event.from_state,
            "to": event.to_state,
        },
        occurred=event.at,
        id=event_id(event),
    )


def tell_alarm(place: Workplace, alarm_id: str, lateness: str) -> None:
    """Emit one alarm; the same alarm has the same id."""
    emit_event(
        event=f"kpr.alarm.{lateness}",
        resource={
            "prefect.resource.id": f"kpr.cycle.{place.label}",
            "kpr.municipality": place.settings.municipality.number,
            "kpr.data-year": str(place.settings.data_year),
        },
        payload={"alarm": alarm_id},
        id=uuid5(_OURS, f"{place.label}/{alarm_id}"),
    )
