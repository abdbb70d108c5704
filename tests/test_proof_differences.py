"""What a proof may say otherwise than the store of the same moment: nothing, unless an event since then has changed it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kpr.checks.finding import Text
from kpr.proof.differences import differences

TRIP = {
    "message_id": "t-1",
    "opened_at": "2021-01-07T09:00:00+00:00",
    "state": "DELIVERED",
    "ended_at": "2021-01-07T09:01:00+00:00",
    "tries": 1,
    "protected_sha256": "aa",
}
MESSAGE = {
    "kind": "IDENT",
    "message_type": "KPR_IDE",
    "msg_id": "m-1",
    "generated": "2021-01-07T09:00:00+00:00",
    "sha256": "bb",
    "size": 100,
    "persons": 25,
    "receipt": "POSITIVE",
    "codes": "",
    "transports": [TRIP],
}
FACTS: dict[str, Any] = {
    "whose": {"municipality": "1103", "data_year": 2020, "version": 1},
    "extract_sha256": "cc",
    "approved_by": "rolle A",
    "approval_reason": "",
    "mended": "",
    "standing": {"state": "AWAITING", "delivered": True},
    "messages": [MESSAGE],
    "answers": [],
    "reasons": [],
    "signed": None,
    "view": [],
    "program": "0.1.0",
    "rules": {"content-rules.yaml": "dd", "year_file": "ee"},
    "events": [],
}


def told(change: dict[str, Any], since: frozenset[str] = frozenset(), *path: str | int) -> list[str]:
    """The paths that are told when the proof has these values at a place of the facts."""
    said = deepcopy(FACTS)
    place: Any = said
    for step in path:
        place = place[step]
    place |= change
    return [text.nb.split(":")[0] for text in differences(said, FACTS, since)]


TRIP_AT = ("messages", 0, "transports", 0)


def test_the_same_facts_differ_in_nothing() -> None:
    """Whatever has happened since."""
    for since in (frozenset[str](), frozenset({"receipt", "attempt", "ident"})):
        assert list(differences(FACTS, deepcopy(FACTS), since)) == []


def test_a_difference_is_a_sentence_in_both_languages() -> None:
    """With the place in it."""
    said = FACTS | {"approved_by": "rolle B"}
    assert list(differences(said, FACTS, ())) == [
        Text(
            "approved_by: beviset sier noe annet enn det som ligger her.",
            "approved_by: the proof differs from what is here.",
        )
    ]


@pytest.mark.parametrize(
    ("field", "value", "later"),
    [
        ("opened_at", "2021-01-08T09:00:00+00:00", True),
        ("state", "REFUSED", False),
        ("ended_at", "", False),
        ("tries", 2, False),
        ("protected_sha256", "a0", True),
    ],
)
def test_an_attempt_changes_by_events_alone(field: str, value: Any, later: bool) -> None:
    """Without an event of an attempt since, all of it is fixed; with one, only when it was opened, and its bytes."""
    path = f"messages.IDENT.transports.t-1.{field}"
    assert told({field: value}, frozenset(), *TRIP_AT) == [path]
    assert told({field: value}, frozenset({"receipt"}), *TRIP_AT) == [path]
    assert told({field: value}, frozenset({"attempt"}), *TRIP_AT) == ([path] if later else [])


def test_the_bytes_of_a_first_try_may_be_packed_after_the_proof() -> None:
    """An attempt that was only opened has no hash yet."""
    assert told({"protected_sha256": "", "state": "PENDING"}, frozenset({"attempt"}), *TRIP_AT) == []
    assert told({"protected_sha256": "", "state": "FAILED"}, frozenset({"attempt"}), *TRIP_AT) != []


def test_an_attempt_that_is_not_here_is_told() -> None:
    """Also when others came since; one that came since is no difference."""
    assert told({"message_id": "t-2"}, frozenset({"attempt"}), *TRIP_AT) == ["messages.IDENT.transports"]
    assert told({"transports": []}, frozenset({"attempt"}), "messages", 0) == []
    assert told({"transports": []}, frozenset(), "messages", 0) == ["messages.IDENT.transports"]


@pytest.mark.parametrize(("field", "value"), [("receipt", "NEGATIVE"), ("codes", "T02")])
def test_a_receipt_changes_by_an_event_of_a_receipt_alone(field: str, value: str) -> None:
    """Outcome and codes."""
    assert told({field: value}, frozenset({"attempt"}), "messages", 0) == [f"messages.IDENT.{field}"]
    assert told({field: value}, frozenset({"receipt"}), "messages", 0) == []


@pytest.mark.parametrize("field", ["message_type", "msg_id", "generated", "sha256", "size", "persons"])
def test_what_a_message_is_never_changes(field: str) -> None:
    """Whatever has happened since."""
    assert told({field: "x"}, frozenset({"receipt", "attempt", "ident"}), "messages", 0) == [f"messages.IDENT.{field}"]


def test_the_rules_of_the_same_program_are_the_same() -> None:
    """Changed, added or gone; but the municipality's own file may change, and another program has other rules."""
    assert told({"content-rules.yaml": "d0"}, frozenset(), "rules") == ["rules.content-rules.yaml"]
    assert told({"more.yaml": "d0"}, frozenset(), "rules") == ["rules.more.yaml"]
    assert told({"year_file": "e0"}, frozenset(), "rules") == []
    gone = FACTS | {"rules": {"year_file": "ee"}}
    assert [text.nb.split(":")[0] for text in differences(gone, FACTS, ())] == ["rules.content-rules.yaml"]
    other = FACTS | {"rules": {}, "program": "0.0.9"}
    assert list(differences(other, FACTS, ())) == []


def test_whose_it_is_is_compared_on_both_sides() -> None:
    """A value that only one of them has is a difference."""
    assert told({"more": 1}, frozenset(), "whose") == ["whose.more"]
    fewer = FACTS | {"whose": {"municipality": "1103", "data_year": 2020}}
    assert [text.nb.split(":")[0] for text in differences(fewer, FACTS, ())] == ["whose.version"]
