"""The clock. Everything that asks what time it is takes one of these, so that a year can pass in a minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kpr.errors import BadSettings

#: Gives the time now, aware, in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


def file_clock(path: Path) -> Clock:
    """A clock that stands where a file says (one ISO time with offset): for the simulator and the demo only."""

    def now() -> datetime:
        try:
            moment = datetime.fromisoformat(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            raise BadSettings("The clock file cannot be read.", place=path.name, remedy="Write one ISO time.") from None
        if moment.tzinfo is None:
            raise BadSettings("The time in the clock file has no offset.", place=path.name, remedy="Add +01:00.")
        return moment.astimezone(UTC)

    return now


def set_file_clock(path: Path, moment: datetime) -> None:
    """Move a file clock; readers see the old time or the new one, never half of it."""
    part = path.with_suffix(".part")
    part.write_text(moment.isoformat(), encoding="ascii")
    part.replace(path)
