"""From receipt to event: status, codes, who mends, what is sensitive, and what must be mirrored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.conversation import ReceiptEvent
from kpr.errors import BadMessage
from kpr.feedback.receipt import SentMessage, answer_of, disagreements, read_receipt, same_id
from kpr.messages.app_rec import AppRec, AppRecError, write_app_rec
from kpr.messages.head import Party

LIST = "2.16.578.1.12.4.1.1.8221"
MSG_ID = "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0011"
SENT_AT = datetime(2021, 1, 11, 8, 15, tzinfo=UTC)
SENT = SentMessage(MSG_ID, "KPR_IPL", SENT_AT, "8000002", "8133973")
REGISTER = Party("Registereier (test)", "8000003", "KPR (test)", "8133973")
US = Party("Eksempel kommune", "8000001", "Saksbehandling", "8000002")
CANARY = "01818012337"


def app_rec(status: str = "2", *errors: AppRecError, **changes: object) -> AppRec:
    """A receipt that mirrors what was sent, with changes."""
    made = AppRec("1.1", "6a1d7c52-90a4-4a59-8f0e-5d3c1b2a0001", SENT_AT, status, errors, MSG_ID, "KPR_IPL",
                  SENT_AT, "8133973", "8000002")  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def rejected(detail: str = "") -> AppRec:
    """A rejection."""
    return app_rec("2", AppRecError("T02", LIST, "XML validerer ikke", detail))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bytes_become_an_answer(version: str) -> None:
    """Both versions: event, codes, who mends, the detail kept apart, and no faults in a whole receipt."""
    answer = read_receipt(write_app_rec(replace(rejected("iiKomnr"), version=version), REGISTER, US))
    assert answer.event is ReceiptEvent.NEGATIVE
    assert (answer.original_msg_id, answer.codes, answer.who_mends) == (MSG_ID, "T02", ("sender",))
    assert (answer.details, answer.faults) == (("iiKomnr",), ())


def test_the_detail_shows_itself_nowhere() -> None:
    """OT may hold person data: it is in no text form, and not in what identifies the receipt."""
    answer = answer_of(rejected(CANARY))
    assert answer.details == (CANARY,)
    for text in (repr(answer), str(answer), answer.codes, answer.fingerprint):
        assert CANARY not in text


@pytest.mark.parametrize("code", [CANARY, "12345678", "T02 and more", "", "𝟙𝟚", "a.b"])
def test_a_foreign_code_that_looks_like_no_code_is_not_repeated(code: str) -> None:
    """What stands in V of an unknown list can be anything, and goes into the database only if it looks like a code."""
    assert answer_of(app_rec("2", AppRecError(code, "1.2.3", "text"))).codes == "?"


def test_a_code_of_the_messages_own_list_is_repeated() -> None:
    """Message-specific lists are allowed (HIS 80415): their codes are shown, and nobody is named to mend them."""
    answer = answer_of(app_rec("2", AppRecError("KPR17", "1.2.3", "text")))
    assert (answer.codes, answer.who_mends) == ("KPR17", ())


@given(st.uuids(), st.sampled_from([str.upper, str.lower, lambda text: "{" + text + "}", lambda t: "urn:uuid:" + t]))
def test_the_same_id_is_the_same_in_any_form(id: UUID, form: object) -> None:
    """Case, braces and prefix do not make another MsgId."""
    assert same_id(form(str(id))) == str(id)  # type: ignore[operator]
    answers = [answer_of(app_rec("1", original_msg_id=text)) for text in (str(id), form(str(id)))]  # type: ignore[operator]
    assert answers[0].fingerprint == answers[1].fingerprint


@given(st.text(max_size=50))
def test_what_is_no_uuid_stays_what_it_is(text: str) -> None:
    """An id that is none is compared as text, without case."""
    assert same_id(text) == same_id(same_id(text))


def test_a_receipt_that_mirrors_what_was_sent_disagrees_in_nothing() -> None:
    """Also with another zone, lost fractions of a second, and the id in upper case."""
    sent = replace(SENT, generated=SENT_AT + timedelta(milliseconds=400))
    back = app_rec("1", original_msg_id=MSG_ID.upper(), original_issue_date=SENT_AT.astimezone())
    assert disagreements(back, sent) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"original_msg_id": "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0012"}, "answers another message"),
        ({"original_type": "KPR_IDE"}, "another message type"),
        ({"original_type": ""}, "another message type"),
        ({"original_issue_date": None}, "no issue date"),
        ({"original_issue_date": SENT_AT + timedelta(seconds=1)}, "another issue date"),
        ({"original_issue_date": SENT_AT - timedelta(hours=1)}, "another issue date"),
        ({"sender_her_id": "8000004"}, "sender is not the register"),
        ({"receiver_her_id": "8000001"}, "receiver is not us"),
    ],
)
def test_each_disagreement_is_told_without_values(change: dict[str, object], said: str) -> None:
    """Each field that is only checked is told when it differs, and it alone."""
    assert disagreements(app_rec("1", **change), SENT) == (said,)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_receipt_are_refused(data: bytes) -> None:
    """Only our own error comes out of noise."""
    with pytest.raises(BadMessage):
        read_receipt(data)


def test_the_official_samples_become_their_events(official: Path) -> None:
    """The published receipts of both versions: the good ones are positive, the rejected ones negative with E21."""
    samples = official / "samples" / "apprec"
    for path in sorted(samples.glob("v1.*-example-*.xml")):
        answer = read_receipt(path.read_bytes())
        good = path.stem.endswith("ok")
        assert answer.event is (ReceiptEvent.POSITIVE if good else ReceiptEvent.NEGATIVE), path.name
        assert answer.codes == ("" if good else "E21"), path.name
