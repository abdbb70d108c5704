"""Killed at any step and run again: no second MsgId, nothing sent twice, no receipt lost."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from place import Place

from kpr.security.vault import Vault
from kpr.store.store import Store
from kpr.transports.directory import DirectoryMessage, DirectoryTransport

#: What is durable: a transaction, a vault file, a sending, an acceptance.
CONTEXTS: list[tuple[type, str]] = [(Store, "transaction"), (Vault, "create")]
CALLS: list[tuple[type, str]] = [(DirectoryTransport, "send"), (DirectoryMessage, "accept")]


def killed_at(point: int, work: Callable[[], Any]) -> bool:
    """Run ``work`` in a child that dies at its n-th durable step; whether it got that far before it was done."""
    child = os.fork()
    if child == 0:
        _die_at(point)
        try:
            work()
        except BaseException:
            os._exit(3)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), f"the child failed with {status}"
    return status == 9


def _die_at(point: int) -> None:
    """Die right after the n-th durable step."""
    left = [point]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)

    def context(original: Any) -> Any:
        @contextlib.contextmanager
        def wrapped(*args: Any, **words: Any) -> Iterator[Any]:
            with original(*args, **words) as value:
                yield value
            count()

        return wrapped

    def call(original: Any) -> Any:
        def wrapped(*args: Any, **words: Any) -> Any:
            value = original(*args, **words)
            count()
            return value

        return wrapped

    for owner, name in CONTEXTS:
        setattr(owner, name, context(getattr(owner, name)))
    for owner, name in CALLS:
        setattr(owner, name, call(getattr(owner, name)))


def msg_ids(place: Place) -> list[str]:
    """Every MsgId that was ever made."""
    with contextlib.closing(sqlite3.connect(place.folder / "kpr.sqlite")) as database:
        return [row[0] for row in database.execute("SELECT msg_id FROM message")]


def sent(place: Place) -> list[str]:
    """The message ids that reached the register's folder."""
    folder = place.folder / "exchange" / "8000004"
    return [json.loads(path.read_text())["message_id"] for path in folder.rglob("*.json")]


@pytest.mark.parametrize("point", range(0, 70, 3))
def test_a_report_killed_anywhere_is_finished_once(tmp_path: Path, point: int) -> None:
    """However far the first run came, the second finishes the same submission: one pair of MsgIds, one of each sent."""
    place = Place(tmp_path, persons=5)
    killed_at(point, place.report)
    if place.status().state not in ("AWAITING", "ACCEPTED"):
        place.report()
    assert len(msg_ids(place)) == 2
    assert len(sent(place)) == len(set(sent(place))) == 2
    place.exchange()
    assert place.status().state == "ACCEPTED"


def test_the_kill_points_cover_the_whole_report(tmp_path: Path) -> None:
    """A report has fewer durable steps than the kill points above reach."""
    place = Place(tmp_path, persons=5)
    assert not killed_at(70, place.report)


@pytest.mark.parametrize("point", range(0, 60, 4))
def test_a_collection_killed_anywhere_loses_no_answer(tmp_path: Path, point: int) -> None:
    """Whatever was taken in before the kill counts once, and the rest is taken in afterwards."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.register()
    killed_at(point, place.collect)
    place.collect()
    assert place.status().state == "ACCEPTED"
    assert not list((tmp_path / "mail" / "new").iterdir())
