"""Prefect events for each step of the conversation, so that automations can act on them.

What has been told is marked in our store, so that nothing is told again by the next run, nor by a server that was
started anew: Prefect remembers ids for half an hour, in memory only. It is told first and marked after: a run that is
killed in between tells it once more within that half hour, under the same id, which Prefect drops. The other way round
it would be lost. What no run has told of, since it was killed or since the command line did it, the next one tells.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from prefect.events import emit_event

from kpr.steps.workplace import Workplace
from kpr.store import Event, ToldBook
from kpr.store.told import AUTOMATIONS

#: Names of our events are unlike those of any other program.
_OURS = UUID("6f2d0c1e-7f0a-5b52-9f59-3f0e6c0c7a11")


def event_id(event: Event) -> UUID:
    """The id of the Prefect event for a row of the conversation; the same for the same row."""
    return uuid5(_OURS, f"{event.cycle_id}/{event.id}")


def tell_events(place: Workplace, after: int = 0) -> int:
    """Emit what no run has told of yet; the id of the newest event, or ``after`` when there is none after it."""
    book, newest = ToldBook(place.store), after
    told = book.last_event()
    for event in place.store.events():
        if event.id is not None:
            newest = max(newest, event.id)
            if event.id > told:
                _emit(place, event)
    if newest > told:
        book.told_events(newest, place.clock())
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
    """Emit one alarm, once; one that a killed run was about to emit is taken over, under the same id."""
    book, at = ToldBook(place.store), place.clock()
    if not book.claim(alarm_id, AUTOMATIONS, at):
        return
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
    book.sent(alarm_id, AUTOMATIONS, place.clock())
