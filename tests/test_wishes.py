"""What a person may ask for: the form shows what makes sense now, and asking twice does nothing the second time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from place import Place

from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadInput, KprError, Locked
from kpr.steps.answer import carry_out, extract_mark
from kpr.steps.approve import send_only_approved
from kpr.steps.last_year import give_last_year
from kpr.steps.prepare import prepare_daily
from kpr.store import MessageKind
from kpr.wishes import Answer, Wish, offered


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place where an extract lies."""
    return Place(tmp_path)


def ask(made: Place, wish: Wish, **words: Any) -> str:
    """Fill in the form for the extract that lies there, and have it carried out."""
    with made.open() as place:
        mark = extract_mark(place.store.latest())
        return carry_out(place, Answer(**{"wish": wish, "by": "rolle A", "extract": mark} | words))


def msg_ids(made: Place) -> list[str]:
    """Every MsgId there is."""
    with made.open() as place:
        return [m.msg_id for s in place.store.submissions() for m in place.store.messages(s.id)]


def test_looking_again_is_always_offered_and_first() -> None:
    """Whatever the state, one may look again, and that is what the form begins with."""
    for state in (None, *SubmissionState):
        for ident in IdentLeg:
            for receipt in ReceiptLeg:
                assert offered(state, ident, receipt)[0] is Wish.LOOK


def test_an_approval_is_offered_for_what_was_checked_only() -> None:
    """Only a checked extract can be approved."""
    for state in SubmissionState:
        found = offered(state, IdentLeg.NOT_SENT, ReceiptLeg.NONE)
        assert (Wish.APPROVE in found) is (Wish.SEND in found) is (state is SubmissionState.CHECKED)


def test_nothing_can_be_sent_again_once_it_is_accepted() -> None:
    """An accepted version offers looking, and signing when nothing speaks against it."""
    for ident in IdentLeg:
        found = offered(SubmissionState.ACCEPTED, ident, ReceiptLeg.POSITIVE)
        assert found == ((Wish.LOOK, Wish.SIGN) if ident is IdentLeg.FEEDBACK_OK else (Wish.LOOK,))


def test_the_form_approves_and_sends(made: Place) -> None:
    """What was prepared is approved and sent by the form, and the event bears the person's name."""
    with made.open() as place:
        prepare_daily(place)
    assert ask(made, Wish.SEND).startswith("Sendt.")
    assert made.status().state == "AWAITING"
    with made.open() as place:
        assert [event.who for event in place.store.events() if event.event == "APPROVED"] == ["rolle A"]


def test_the_same_form_twice_sends_once(made: Place) -> None:
    """A killed run reads its form again: no second MsgId, and a plain sentence."""
    with made.open() as place:
        prepare_daily(place)
    ask(made, Wish.SEND)
    before = msg_ids(made)
    assert "allerede gjort" in ask(made, Wish.SEND)
    assert msg_ids(made) == before


def test_a_sending_that_was_cut_off_after_the_approval_goes_on(made: Place) -> None:
    """Killed between approving and sending: the same form, read again, sends; somebody else's does not."""
    with made.open() as place:
        prepare_daily(place)
    ask(made, Wish.APPROVE)
    assert "gjelder ikke lenger" in ask(made, Wish.SEND, by="rolle B")
    assert ask(made, Wish.SEND).startswith("Sendt.")
    assert made.status().state == "AWAITING"


def test_an_approval_is_of_the_extract_that_was_shown(made: Place) -> None:
    """When the extract has been read again since, the approval is refused and nothing is sent."""
    with made.open() as place:
        prepare_daily(place)
        shown = extract_mark(place.store.latest())
    made.persons += 1
    made.extract()
    with made.open() as place:
        prepare_daily(place)
        assert extract_mark(place.store.latest()) != shown
    with pytest.raises(Locked, match="lest på nytt"):
        ask(made, Wish.SEND, extract=shown)
    assert made.status().state == "CHECKED"


def test_approving_apart_from_sending(made: Place) -> None:
    """An approved version waits, keeps its bytes when a new extract comes, and is sent by whoever sends what is approved."""
    with made.open() as place:
        prepare_daily(place)
    ask(made, Wish.APPROVE)
    assert made.status().state == "APPROVED"
    with made.open() as place:
        digest = place.store.submissions()[-1].extract_sha256
    made.extract(unknown_sex=2)
    with made.open() as place:
        assert prepare_daily(place).submission is None
        send_only_approved(place)
        assert place.store.submissions()[-1].extract_sha256 == digest
    assert made.status().state == "AWAITING"


def test_a_planned_sending_without_an_approval_is_refused(made: Place) -> None:
    """Nobody has approved: nothing is sent, and the sentence says what to do."""
    with made.open() as place:
        prepare_daily(place)
        with pytest.raises(KprError, match="Ingen har godkjent") as told:
            send_only_approved(place)
    assert told.value.exit_code == 3
    assert msg_ids(made) == []


def test_having_seen_the_mail_is_an_event_with_a_name(made: Place) -> None:
    """The form's word that the mail was seen moves the ident leg, and says who said so."""
    made.report()
    assert "FEEDBACK_OK" in ask(made, Wish.SEEN_OK)
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        assert latest.ident_leg is IdentLeg.FEEDBACK_OK


def test_unlocking_a_resend_needs_the_time_or_the_register(made: Place) -> None:
    """Before the receipt is overdue the door stays shut; after it, a reason opens it once, under the same MsgId."""
    made.report()
    with pytest.raises(Locked):
        ask(made, Wish.RESEND_IPLOS, second="rolle B", reason="spurt registeret")
    made.later(hours=97)
    before = msg_ids(made)
    assert "én gang til" in ask(made, Wish.RESEND_IPLOS, second="rolle B", reason="spurt registeret")
    assert msg_ids(made) == before
    with pytest.raises(Locked, match="én gang"):
        ask(made, Wish.RESEND_IPLOS, second="rolle B", reason="spurt registeret")


@pytest.mark.parametrize("by", ["", "  "])
def test_a_form_without_a_name_does_nothing(made: Place, by: str) -> None:
    """Who asks must be said."""
    with made.open() as place:
        prepare_daily(place)
    with pytest.raises(BadInput, match="hvem"):
        ask(made, Wish.SEND, by=by)
    assert made.status().state == "CHECKED"


def test_a_reason_that_names_somebody_is_refused_and_not_shown(made: Place) -> None:
    """Something like a national id in the reason: refused, and the sentence does not repeat it."""
    with made.open() as place:
        prepare_daily(place)
    with pytest.raises(BadInput) as told:
        ask(made, Wish.SEND, reason="gjelder 010170 12345")
    assert "12345" not in str(told.value)


def test_the_daily_dry_run_touches_nothing_that_was_sent(made: Place) -> None:
    """Once a version is on its way, the dry run only looks: no new version, no event."""
    made.report()
    made.now += timedelta(hours=1)
    with made.open() as place:
        events = len(place.store.events())
        found = prepare_daily(place)
        assert found.submission is None
        assert found.persons == made.persons
        assert len(place.store.events()) == events
        assert place.store.message(place.store.submissions()[-1].id, MessageKind.IPLOS).msg_id


def test_the_form_takes_the_reason_for_what_swings(made: Place) -> None:
    """One reason for every number that waits for one; the next look is not stopped by them, and it is kept with name."""
    with made.open() as place:
        give_last_year(place, b"6;220\n15;90\n", by="fagansvarlig")
        prepare_daily(place)
        latest = place.store.latest()
        assert latest is not None
        assert latest.state is SubmissionState.BLOCKED
    with pytest.raises(BadInput, match="mangler"):
        ask(made, Wish.EXPLAIN)
    assert "2 linjer" in ask(made, Wish.EXPLAIN, reason="alarmene er flyttet til et annet system")
    with made.open() as place:
        prepare_daily(place)
        latest = place.store.latest()
        assert latest is not None
        assert latest.state is SubmissionState.CHECKED
        assert {each.who for each in place.judgements.reasons(latest.id)} == {"rolle A"}


def test_the_form_signs_only_what_was_compared(made: Place) -> None:
    """Without the view's numbers the form says where to give them, and nothing becomes right."""
    made.report()
    made.exchange()
    with pytest.raises(Locked, match="kpr view give"):
        ask(made, Wish.SIGN)
    assert not made.status().verdict.right
