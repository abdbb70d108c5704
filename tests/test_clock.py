"""The clock that a simulator can move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from kpr.clock import file_clock, set_file_clock, system_clock
from kpr.errors import BadSettings


def test_system_clock_is_aware_utc() -> None:
    """The machine's time comes with its zone, UTC."""
    assert system_clock().tzinfo is UTC


def test_file_clock_shows_what_was_set(tmp_path: Path) -> None:
    """A moved clock shows the new time, in UTC, to whoever holds it."""
    path = tmp_path / "clock"
    now = file_clock(path)
    moment = datetime(2021, 1, 11, 10, tzinfo=timezone(timedelta(hours=1)))
    set_file_clock(path, moment)
    assert now() == moment
    assert now().tzinfo is UTC
    set_file_clock(path, moment + timedelta(days=4))
    assert now() == moment + timedelta(days=4)


@pytest.mark.parametrize("text", ["", "soon", "2021-01-11T10:00:00"])
def test_unreadable_clock_is_bad_settings(tmp_path: Path, text: str) -> None:
    """A clock file without a whole time with offset is refused with a clear sentence."""
    path = tmp_path / "clock"
    path.write_text(text)
    with pytest.raises(BadSettings, match="clock file"):
        file_clock(path)()
