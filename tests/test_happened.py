"""Prefect's events, without a server: each thing that happened is told to automations once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from place import Place

from kpr.store import ToldBook
from tasks import happened

ALARM = "2020-1103-ident-overdue"


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ids of what Prefect is given."""
    given: list[Any] = []
    monkeypatch.setattr(happened, "emit_event", lambda **words: given.append(words["id"]))
    return given


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place where something was sent."""
    made = Place(tmp_path, persons=5)
    made.report()
    return made


def test_what_happened_is_told_once(place: Place, emitted: list[Any]) -> None:
    """The hourly watch tells what is new: the whole story the first time, nothing the second, an answer the third."""
    with place.open() as work:
        newest = happened.tell_events(work)
        assert len(emitted) == len(set(emitted)) == len(work.store.events())
        assert newest == happened.newest_event(work)
    with place.open() as work:  # another process, or the same one after a restart
        before = len(emitted)
        assert happened.tell_events(work) == newest
        assert len(emitted) == before
    place.exchange()
    with place.open() as work:
        assert happened.tell_events(work, newest) > newest
        assert len(emitted) == len(set(emitted)) == len(work.store.events())


def test_what_no_run_told_of_the_next_one_tells(place: Place, emitted: list[Any]) -> None:
    """What the command line did before a run began is told by the run, whatever the run itself begins after."""
    with place.open() as work:
        happened.tell_events(work, happened.newest_event(work))
        assert len(emitted) == len(work.store.events())


def test_one_that_is_killed_before_the_mark_tells_it_again_under_the_same_id(
    place: Place, emitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubled within Prefect's memory of ids, never lost."""
    with place.open() as work, monkeypatch.context() as patch:
        patch.setattr(ToldBook, "told_events", lambda *_words: None)
        happened.tell_events(work)
    first = list(emitted)
    with place.open() as work:
        happened.tell_events(work)
    assert emitted == first * 2


def test_the_mark_never_goes_back(place: Place) -> None:
    """A slower process that told less does not make the others' events new."""
    with place.open() as work:
        book = ToldBook(work.store)
        assert book.last_event() == 0
        book.told_events(7, place.now)
        book.told_events(5, place.now)
        assert book.last_event() == 7
        book.told_events(12, place.now)
        assert book.last_event() == 12


def test_an_alarm_is_told_to_automations_once(place: Place, emitted: list[Any]) -> None:
    """Each watch finds it again; only the first tells. To people it is told on channels of its own."""
    for _ in range(2):
        with place.open() as work:
            happened.tell_alarm(work, ALARM, "late")
            assert ToldBook(work.store).told() == []
    assert len(emitted) == 1
    with place.open() as work:
        assert ToldBook(work.store).claim(ALARM, "mail", place.now)


def test_an_alarm_whose_telling_was_killed_is_told_later(place: Place, emitted: list[Any]) -> None:
    """The claim of a killed run is taken over after ten minutes."""
    with place.open() as work:
        ToldBook(work.store).claim(ALARM, "prefect", place.now)
        happened.tell_alarm(work, ALARM, "late")
    assert emitted == []
    place.later(minutes=11)
    with place.open() as work:
        happened.tell_alarm(work, ALARM, "late")
    assert len(emitted) == 1
