"""What was altered in the lists of a proof, told as people count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kpr.proof.altered import altered_values
from kpr.proof.bundle import plain_digest
from kpr.proof.facts import leaves

FACTS: dict[str, Any] = {
    "made_by": "rolle A",
    "events": [{"chain": f"c{number}", "event": "X"} for number in range(1, 21)],
    "messages": [{"msg_id": "m1", "size": 1}, {"msg_id": "m2", "size": 2}],
}
KNOWN = {path: plain_digest(value) for path, value in leaves(FACTS)}


def told(**changes: Any) -> list[str]:
    """The sentences when the proof has these values."""
    return [text.nb for text in altered_values(json.dumps(FACTS | changes).encode(), KNOWN)]


def test_what_is_as_it_was_is_not_told() -> None:
    """Nothing was altered."""
    assert told() == []


def test_both_lists_and_a_value_are_told() -> None:
    """Each by itself: an event that is gone, a message that was put in, and a changed value."""
    more = [*FACTS["messages"], {"msg_id": "m3", "size": 3}]
    assert told(events=FACTS["events"][1:], messages=more, made_by="rolle B") == [
        "events: hendelse 1 er fjernet",
        "messages: melding 3 er satt inn",
        "made_by",
    ]


@pytest.mark.parametrize(("gone", "said"), [(8, "1, 2, 3, 4, 5, 6, 7, 8"), (10, "1, 2, 3, 4, 5, 6, 7, 8 (+2)")])
def test_many_are_counted(gone: int, said: str) -> None:
    """Eight are named, the rest are a number."""
    assert told(events=FACTS["events"][gone:]) == [f"events: hendelse {said} er fjernet"]


def test_another_order_is_told() -> None:
    """The same members in other places."""
    assert told(events=FACTS["events"][::-1]) == ["events: i en annen rekkefølge"]


@pytest.mark.parametrize("content", [b"no json", b"[]", b"7"])
def test_what_cannot_be_read_has_no_places(content: bytes) -> None:
    """Another sentence is told of it, by whoever asks."""
    assert altered_values(content, KNOWN) == []


def test_an_emptied_proof_lacks_all() -> None:
    """Every value is told, and nothing fails."""
    assert set(altered_values(b"{}", KNOWN)) != set()
