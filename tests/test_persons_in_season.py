"""Test persons through a whole sending: they stop it, she decides, and neither message has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from place import Place

from kpr.checks.fact import Fact
from kpr.errors import Blocked
from kpr.persons.decisions import Verdict
from kpr.progress import silent
from kpr.steps.check import check_submission
from kpr.steps.extract import open_submission, take_extract
from kpr.steps.officer import check_again
from kpr.steps.persons import decide, look, rows_as_checked
from kpr.steps.prepare import prepare_daily


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """25 invented recipients; two made by the vendor, one dead before the year."""
    place = Place(tmp_path)
    place.extract(test_person=2, dead_before_year=1)
    return place


def leave_all_out(made: Place) -> list[str]:
    """She leaves everybody on the list out."""
    with made.open() as place:
        keys = [line.key for line in look(place).lines]
        for key in keys:
            decide(place, key, Verdict.LEAVE_OUT, by="fagansvarlig", why="Opplæring")
    return keys


def left_out(facts: list[Fact]) -> int | None:
    """What D1 says."""
    (line,) = [line for fact in facts for line in fact.lines if line.id == "D1.left_out"]
    return line.value


def keys_in_message(content: bytes) -> set[str]:
    """The local keys of a message: pePeID of the IPLOS message, pid of the ident message."""
    root = etree.fromstring(content)
    return {
        value
        for node in root.iter()
        for name, value in ((etree.QName(name).localname, value) for name, value in node.attrib.items())
        if name in ("pePeID", "pid")
    } | {node.text or "" for node in root.iter() if isinstance(node.tag, str) and node.tag.endswith("}pePeID")}


def test_test_persons_stop_until_she_decides_and_then_are_in_neither_message(made: Place) -> None:
    """Blocked by X29f; left out, 22 are sent in both messages, D1 counts three, and the register answers."""
    with pytest.raises(Blocked):
        made.report()
    keys = leave_all_out(made)
    submission = made.report()
    with made.open() as place:
        sent = place.store.submission(submission)
        for message in place.store.messages(submission):
            with place.vault.open(message.content_name, sent.wrapped_key) as content:
                there = keys_in_message(content.read())
            assert len(there) == 22
            assert not there & set(keys)
            assert message.persons == 22
        again = check_again(place, sent, silent)
        assert again is not None
        assert left_out(again.result.facts) == 3
    made.exchange()


def test_who_was_left_out_has_not_fallen_out_of_the_next_extract(made: Place) -> None:
    """A second extract of the same persons: the former one had them, and nobody is said to be gone (Y3)."""
    with made.open() as place:
        prepare_daily(place)
    leave_all_out(made)
    made.persons += 1  # another extract, with the same persons and one more
    made.extract(test_person=2, dead_before_year=1)
    with made.open() as place:
        rules = {count.rule for count in prepare_daily(place).result.counts}
    assert not {rule for rule in rules if rule.startswith("Y3")}


def test_a_decision_after_the_check_waits_for_the_next(made: Place) -> None:
    """Looking at the findings again does not change who is built."""
    with made.open() as place:
        submission = open_submission(place, by="rolle A")
        take_extract(place, submission)
        assert left_out(check_submission(place, submission).result.facts) == 0
    leave_all_out(made)
    with made.open() as place:
        again = check_again(place, place.store.submission(submission), silent)
        assert again is not None
        assert left_out(again.result.facts) == 3
        assert rows_as_checked(place, place.store.submission(submission)).count("person") == 25
        take_extract(place, submission)
        assert left_out(check_submission(place, submission).result.facts) == 3
        assert rows_as_checked(place, place.store.submission(submission)).count("person") == 22
