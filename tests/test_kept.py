"""Documents under keys of their own, and what people judge: kept encrypted, never changed, with name and time."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import Place

from kpr.errors import Locked
from kpr.steps.workplace import Workplace, open_workplace
from kpr.store import KeptKind


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A municipality with its own stand-in register."""
    return Place(tmp_path)


def test_a_document_comes_back_as_it_was_kept_and_stands_nowhere_in_plain(made: Place) -> None:
    """Read again it is the same; no file of the place holds it."""
    with open_workplace(made.settings) as place:
        kept = place.kept.keep(KeptKind.FIGURES, b"lines that nobody else reads", place.act("rolle A"), note="tall")
        assert place.kept.read(kept) == b"lines that nobody else reads"
        assert (kept.made_by, kept.note) == ("rolle A", "tall")
    plain = [file for file in made.settings.parent.rglob("*") if file.is_file() and b"nobody else" in file.read_bytes()]
    assert plain == []


def test_the_newest_of_a_kind_is_found_though_the_clock_stood_still(made: Place) -> None:
    """Three of one kind in the same second, one of another: each kind has its own newest."""
    with open_workplace(made.settings) as place:
        act = place.act("rolle A")
        for number in range(3):
            place.kept.keep(KeptKind.VIEW, str(number).encode(), act)
        place.kept.keep(KeptKind.KEYS, b"other", act)
        newest = place.kept.newest(KeptKind.VIEW)
        assert newest is not None
        assert place.kept.read(newest) == b"2"
        assert [place.kept.read(kept) for kept in place.kept.every(KeptKind.VIEW)] == [b"0", b"1", b"2"]
        assert place.kept.newest(KeptKind.PROOF) is None


def accepted(made: Place) -> str:
    """A version that the register has accepted."""
    made.report()
    made.exchange()
    with open_workplace(made.settings) as place:
        latest = place.store.latest()
        assert latest is not None
        return latest.id


def sign(place: Workplace, submission: str, who: str = "rolle A") -> None:
    """Sign as a person does."""
    kept = place.kept.keep(KeptKind.VIEW, b"{}", place.act(who), submission_id=submission)
    place.judgements.sign_off(submission, kept.id, place.act(who, "stemmer"))


def test_an_accepted_version_is_signed_once_and_the_first_one_stands(made: Place) -> None:
    """The second signature is refused; the event is there once."""
    submission = accepted(made)
    with open_workplace(made.settings) as place:
        sign(place, submission)
        with pytest.raises(Locked, match="alt meldt riktig"):
            sign(place, submission, "rolle B")
        signed = place.judgements.signed_off(submission)
        assert signed is not None
        assert signed.who == "rolle A"
        assert [event.who for event in place.store.events() if event.event == "SIGNED_OFF"] == ["rolle A"]


def test_what_is_not_accepted_cannot_be_signed(made: Place) -> None:
    """Sent, not answered: Locked, and nothing is written."""
    made.report()
    with open_workplace(made.settings) as place:
        latest = place.store.latest()
        assert latest is not None
        with pytest.raises(Locked, match="godtatt"):
            sign(place, latest.id)
        assert place.judgements.signed_off(latest.id) is None


def test_a_reason_is_kept_with_numbers_name_and_time(made: Place) -> None:
    """For this line and these numbers; a second reason stands beside the first."""
    submission = accepted(made)
    with open_workplace(made.settings) as place:
        for why in ("ny tjeneste", "ny tjeneste fra mars"):
            place.judgements.give_reason(submission, "X32", "tjTjenType 6", 12, 60, place.act("rolle A", why))
        given = place.judgements.reasons(submission)
    assert [(each.now, each.before, each.who, each.why) for each in given] == [
        (12, 60, "rolle A", "ny tjeneste"),
        (12, 60, "rolle A", "ny tjeneste fra mars"),
    ]
