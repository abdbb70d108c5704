"""What has been sent is not sent again by accident: neither by its own run, carried out again, nor from the same extract."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import Place

from kpr.errors import Locked
from kpr.guard import Approval, may_send_content
from kpr.persons.decisions import Verdict
from kpr.persons.suspects import keys_of
from kpr.steps.extract import open_submission, read_extract
from kpr.steps.persons import decide

REJECTING = {"type": "iplos", "number": 1, "negative": "T02", "detail": "iiKomnr"}


def begun(place: Place, run: str) -> str:
    """What the first step of a flow run does: the version that it works on."""
    with place.open() as opened:
        return open_submission(opened, by="rolle A", run=run)


def versions(place: Place) -> list[int]:
    """Every version there is."""
    with place.open() as opened:
        return [submission.version for submission in opened.store.submissions()]


def test_there_is_nothing_to_correct_before_something_was_sent(tmp_path: Path) -> None:
    """The word for a first submission is another, and a version that was begun is finished by that; then it may."""
    place = Place(tmp_path, persons=5)
    with pytest.raises(Locked, match="Ingenting er sendt ennå: bruk report"):
        place.report(mended="ingenting")
    assert versions(place) == []
    begun(place, "run 1")
    with pytest.raises(Locked, match="bruk report"):
        place.report(mended="ingenting")
    assert place.status().state == "DRAFT"


@pytest.mark.parametrize("plays", [[], [REJECTING]], ids=["accepted", "rejected"])
def test_a_run_that_has_sent_sends_nothing_more(tmp_path: Path, plays: list[dict[str, object]]) -> None:
    """Carried out again after the answers it is told so, and opens no version; another run opens one."""
    place = Place(tmp_path, plays, persons=5)
    assert begun(place, "run 1") == begun(place, "run 1")
    place.report()
    place.exchange()
    place.extract(unknown_sex=1)
    with pytest.raises(Locked, match="Dette løpet har allerede sendt innsending 1"):
        begun(place, "run 1")
    assert versions(place) == [1]
    begun(place, "run 2")
    assert versions(place) == [1, 2]


def test_a_run_that_was_killed_goes_on_with_its_own_version(tmp_path: Path) -> None:
    """Unfinished is not sent: the same version again, and it is noted once which run worked on it."""
    place = Place(tmp_path, persons=5)
    first = begun(place, "run 1")
    assert begun(place, "run 1") == first
    with place.open() as opened:
        noted = [event for event in opened.store.events() if event.why == "run 1"]
    assert [event.submission_id for event in noted] == [first]


def test_the_same_extract_is_not_sent_twice(tmp_path: Path) -> None:
    """The register has it: locked before a version is opened, with the remedy; a mended extract is sent."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.exchange()
    with pytest.raises(Locked, match="Samme uttrekk er allerede sendt, som innsending 1"):
        place.report(mended="ingenting")
    assert versions(place) == [1]
    assert place.status().state == "ACCEPTED"
    place.persons += 1
    place.extract()
    place.report(mended="en person")
    assert versions(place) == [1, 2]


def test_two_persons_with_a_reason_may_send_the_same_again(tmp_path: Path) -> None:
    """The register may have lost it, and ask."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.exchange()
    place.report(second="rolle B", reason="registeret ber om det", mended="ingenting")
    assert versions(place) == [1, 2]


def test_a_decision_about_a_person_makes_another_content(tmp_path: Path) -> None:
    """The same extract without one person, left out by decision since then, is a correction."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.exchange()
    with place.open() as opened:
        key = sorted(keys_of(read_extract(opened)))[0]
        decide(opened, key, Verdict.LEAVE_OUT, by="rolle A", why="Opplæring")
    place.report(mended="en testperson")
    assert versions(place) == [1, 2]


def test_what_was_rejected_may_be_sent_again_as_it_is(tmp_path: Path) -> None:
    """The fault need not lie in the extract: what is wrong in an address is mended in the settings."""
    place = Place(tmp_path, [REJECTING], persons=5)
    place.report()
    place.exchange()
    place.report(mended="iiKomnr")
    assert versions(place) == [1, 2]


def test_one_person_with_a_reason_is_not_enough() -> None:
    """Only two different persons, with a reason, send the same content again."""
    one, two = Approval(frozenset({"A"}), "derfor"), Approval(frozenset({"A", "B"}))
    assert not may_send_content(1, one).allowed
    assert not may_send_content(1, two).allowed
    assert may_send_content(1, Approval(two.persons, "derfor")).allowed
    assert may_send_content(None, Approval()).allowed
