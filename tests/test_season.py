"""The season, step by step: what is sent, what comes back, and what may be done when."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from place import Place

from kpr.conversation import IdentLeg, ReceiptLeg
from kpr.errors import Blocked, Locked, TransportError
from kpr.guard import Approval
from kpr.steps.send import resend
from kpr.steps.watch import watch
from kpr.store import MessageKind
from kpr.transports.directory import DirectoryTransport


def sent(place: Place) -> list[dict[str, str]]:
    """The envelopes that lie in the register's folder, taken in or not."""
    folder = place.folder / "exchange" / "8000004"
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]


def legs(place: Place) -> tuple[IdentLeg, ReceiptLeg, ReceiptLeg]:
    """Ident leg, receipt leg of the ident message, receipt leg of the IPLOS message."""
    with place.open() as work:
        latest = work.store.latest()
        assert latest is not None
        ident, iplos = (work.store.message(latest.id, kind) for kind in (MessageKind.IDENT, MessageKind.IPLOS))
    return latest.ident_leg, ident.receipt_leg, iplos.receipt_leg


def test_a_good_report_is_accepted(tmp_path: Path) -> None:
    """Two messages go out (L17), the e-mail (L18) and the receipt (L22) come, and only then it is accepted."""
    place = Place(tmp_path)
    place.report()
    assert [envelope["message_type"] for envelope in sent(place)].count("KPR_IDE") == 1
    assert len(sent(place)) == 2
    assert place.status().state == "AWAITING"
    assert place.status().do == "nothing"
    assert place.exchange() == {"receipt: POSITIVE": 2, "ident e-mail: FEEDBACK_OK": 1}
    now = place.status()
    assert (now.state, now.verdict.delivered, now.verdict.accepted, now.verdict.right) == (
        "ACCEPTED",
        True,
        True,
        False,
    )


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_versions_of_receipts_are_understood(tmp_path: Path, version: str) -> None:
    """AppRec 1.0 and 1.1 move the conversation alike."""
    place = Place(tmp_path, version=version)
    place.report()
    place.exchange()
    assert place.status().state == "ACCEPTED"


def test_findings_stop_it_and_nothing_is_sent(tmp_path: Path) -> None:
    """A person whom the register would delete stops the submission before anything leaves."""
    place = Place(tmp_path)
    place.extract(unknown_sex=1)
    with pytest.raises(Blocked):
        place.report()
    assert sent(place) == []
    assert place.status().state == "BLOCKED"


def test_a_mended_extract_goes_out_under_the_same_number(tmp_path: Path) -> None:
    """A blocked draft is taken up again: no number of the year is wasted on what was never sent."""
    place = Place(tmp_path)
    place.extract(unknown_sex=1)
    with pytest.raises(Blocked):
        place.report()
    place.extract()
    place.report()
    assert "versjon 1, løpenummer 1" in place.status().lines[0].state


def test_sending_again_is_locked_until_the_answer_is_read(tmp_path: Path) -> None:
    """While the receipt is awaited nobody may send (L23); the refusal says so and changes nothing."""
    place = Place(tmp_path)
    place.report()
    before = sent(place)
    with pytest.raises(Locked, match="L23"):
        place.report(mended="utålmodig")
    assert sent(place) == before


def test_two_persons_with_a_reason_can_unlock(tmp_path: Path) -> None:
    """Two different persons and a reason open a new version; one person twice does not."""
    place = Place(tmp_path)
    place.report()
    with pytest.raises(Locked):
        place.report(by="rolle A", second="rolle A", reason="avtalt")
    place.report(by="rolle A", second="rolle B", reason="avtalt med registeret")
    assert len(sent(place)) == 4


def test_after_the_last_date_two_persons_are_needed(tmp_path: Path) -> None:
    """After 26 March (L4) one person alone cannot send any more."""
    place = Place(tmp_path)
    place.later(days=90)
    with pytest.raises(Locked, match="Siste frist"):
        place.report()


def test_a_rejection_leads_to_a_new_pair(tmp_path: Path) -> None:
    """After a negative receipt both messages go again, with new MsgIds, the next number, and a reference back."""
    place = Place(tmp_path, [{"type": "iplos", "number": 1, "negative": "T02", "detail": "iiKomnr"}])
    place.report()
    place.exchange()
    assert place.status().state == "REJECTED"
    assert "T02" in place.status().next_act.nb
    place.report(mended="iiKomnr")
    with place.open() as work:
        first, second = work.store.submissions()
        old = {message.kind: message for message in work.store.messages(first.id)}
        new = {message.kind: message for message in work.store.messages(second.id)}
    assert (first.sequence_number, second.sequence_number) == (1, 2)
    for kind in MessageKind:
        assert new[kind].msg_id != old[kind].msg_id
        assert new[kind].parent_msg_id == new[kind].conversation_msg_id == old[kind].msg_id
    place.exchange()
    assert place.status().state == "ACCEPTED"


def test_a_correction_replaces_the_accepted_version_only_when_it_is_accepted(tmp_path: Path) -> None:
    """The old version counts until the new one has both answers."""
    place = Place(tmp_path, [{"type": "iplos", "number": 2, "late_hours": 5}])
    place.report()
    place.exchange()
    place.later(days=1)
    place.persons += 1
    place.extract()
    place.report(mended="boliger manglet i visningen")
    place.exchange()
    with place.open() as work:
        assert [submission.state for submission in work.store.submissions()] == ["ACCEPTED", "AWAITING"]
    place.later(hours=6)
    place.exchange()
    with place.open() as work:
        assert [submission.state for submission in work.store.submissions()] == ["SUPERSEDED", "ACCEPTED"]


def test_silence_is_overdue_and_a_late_positive_still_counts(tmp_path: Path) -> None:
    """96 hours without a receipt is OVERDUE, never a rejection, and a receipt after 100 hours is good."""
    place = Place(tmp_path, [{"type": "iplos", "late_hours": 100}])
    place.report()
    place.exchange()
    alarms = []
    for hours in (25, 48, 24):
        place.later(hours=hours)
        with place.open() as work:
            alarms += [alarm.lateness.value for alarm in watch(work)]
    assert alarms == ["INFORMATION", "WARNING", "OVERDUE"]
    assert legs(place)[2] is ReceiptLeg.OVERDUE
    assert place.status().state == "AWAITING"
    place.later(hours=10)
    place.exchange()
    assert place.status().state == "ACCEPTED"


def resent(place: Place, **words: object) -> None:
    """Send the IPLOS message once more."""
    with place.open() as work:
        latest = work.store.latest()
        assert latest is not None
        people = Approval(frozenset({"rolle A", "rolle B"}), "registeret er spurt")
        resend(work, latest.id, MessageKind.IPLOS, people, answered=bool(words.get("answered")))


def test_the_same_message_goes_once_more_after_96_hours(tmp_path: Path) -> None:
    """S4: locked for 96 hours, then once, under the same MsgId and a new message id; the register ignores a duplicate."""
    place = Place(tmp_path, [{"type": "iplos", "silent": True}])
    place.report()
    place.exchange()
    with pytest.raises(Locked):
        resent(place)
    place.later(hours=97)
    resent(place)
    assert len(sent(place)) == 3
    assert len({envelope["message_id"] for envelope in sent(place)}) == 3
    with pytest.raises(Locked, match="allerede"):
        resent(place)
    place.register()
    assert place.collect() == {}


def test_missing_ident_mail_is_an_alarm(tmp_path: Path) -> None:
    """Without the e-mail something went wrong (L20), and a positive receipt alone accepts nothing (L19, L21)."""
    place = Place(tmp_path, [{"type": "ident", "no_mail": True}])
    place.report()
    place.exchange()
    assert legs(place) == (IdentLeg.SENT, ReceiptLeg.POSITIVE, ReceiptLeg.POSITIVE)
    place.later(days=1)
    with place.open() as work:
        assert [alarm.lateness.value for alarm in watch(work)] == ["OVERDUE"]
    now = place.status()
    assert (now.state, now.do) == ("AWAITING", "ask")
    assert "L20" in now.next_act.nb


def test_ident_faults_keep_it_from_accepted(tmp_path: Path) -> None:
    """An e-mail that reports faults is followed up; it neither accepts nor rejects."""
    place = Place(tmp_path, [{"type": "ident", "mail_faults": 3}])
    place.report()
    place.exchange()
    assert legs(place)[0] is IdentLeg.FEEDBACK_FAULTS
    assert place.status().state == "AWAITING"


def test_unrecognised_mail_is_looked_at_by_a_person(tmp_path: Path) -> None:
    """A mail that cannot be recognised is never guessed to be the feedback."""
    place = Place(tmp_path, [{"type": "ident", "mail_unreadable": True}])
    place.report()
    place.exchange()
    assert legs(place)[0] is IdentLeg.FEEDBACK_UNREAD
    assert place.status().do == "ask"


@pytest.mark.parametrize("fault", ["double", "mail_double"])
def test_the_same_answer_twice_changes_nothing(tmp_path: Path, fault: str) -> None:
    """A doubled receipt or mail is told of, and moves nothing."""
    family = "ident" if fault == "mail_double" else "iplos"
    place = Place(tmp_path, [{"type": family, fault: True}])
    place.report()
    place.exchange()
    assert place.status().state == "ACCEPTED"


def test_a_negative_after_a_positive_is_an_incident(tmp_path: Path) -> None:
    """A second receipt with another verdict moves nothing and stands in the timeline (R15)."""
    place = Place(tmp_path, [{"type": "iplos", "contradict": True}])
    place.report()
    assert place.exchange()["receipt: CONTRADICTION"] == 1
    assert place.status().state == "ACCEPTED"
    assert any("motsier" in line.text.nb for line in place.status().timeline)


def test_a_receipt_for_nothing_of_ours_touches_no_state(tmp_path: Path) -> None:
    """A receipt for a message that we never sent is kept apart, with the reason."""
    place = Place(tmp_path, [{"type": "iplos", "unknown_original": True}])
    place.report()
    assert place.exchange()["receipt: unknown message"] == 1
    assert legs(place)[2] is ReceiptLeg.NONE
    assert list((place.folder / "exchange" / "8000002" / "aside").glob("*.reason"))


def test_an_unreadable_receipt_is_kept_apart(tmp_path: Path) -> None:
    """Bytes that are no receipt are kept raw and move nothing."""
    place = Place(tmp_path, [{"type": "iplos", "unreadable": True}])
    place.report()
    assert place.exchange()["unreadable"] == 1
    assert legs(place)[2] is ReceiptLeg.NONE


def test_a_huge_mail_is_not_read_into_memory(tmp_path: Path) -> None:
    """A mail above the limit is only recognised by its head, and a person looks at it."""
    place = Place(tmp_path)
    place.report()
    new = place.folder / "mail" / "new"
    new.mkdir(parents=True, exist_ok=True)
    (new / "1.huge").write_bytes(b"From: kpr@register.example.invalid\n\n" + b"x" * (6 << 20))
    assert place.collect() == {"ident e-mail: FEEDBACK_UNREAD": 1}


def test_mail_from_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """Mail from a domain that the settings do not name is not even counted."""
    place = Place(tmp_path)
    place.report()
    new = place.folder / "mail" / "new"
    new.mkdir(parents=True, exist_ok=True)
    (new / "1.spam").write_text("From: kpr@example.com\nSubject: 1103 2020 løpenummer 1 ingen feil\n\n")
    assert place.collect() == {}
    assert (new / "1.spam").exists()


def test_a_transport_that_is_away_is_tried_again_under_the_same_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport fault leaves the submission to be finished; the second try carries the same ids (S1)."""
    place = Place(tmp_path)
    whole = DirectoryTransport.send

    def away(*_: object) -> None:
        raise TransportError("away")

    monkeypatch.setattr(DirectoryTransport, "send", away)
    with pytest.raises(TransportError):
        place.report()
    with place.open() as work:
        latest = work.store.latest()
        assert latest is not None
        message = work.store.message(latest.id, MessageKind.IDENT)
        attempt = work.attempts.latest(message.id)
        assert attempt is not None
    monkeypatch.setattr(DirectoryTransport, "send", whole)
    place.report()
    assert attempt.message_id in [envelope["message_id"] for envelope in sent(place)]
    assert len(sent(place)) == 2


def test_events_cannot_be_changed(tmp_path: Path) -> None:
    """The database refuses to alter or delete what happened."""
    place = Place(tmp_path)
    place.report()
    with sqlite3.connect(place.folder / "kpr.sqlite") as database:
        for statement in ("UPDATE event SET who = 'x'", "DELETE FROM event"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)
    database.close()


def test_nothing_in_the_place_is_in_clear(tmp_path: Path) -> None:
    """No national id of the extract stands anywhere but in the extract itself."""
    place = Place(tmp_path)
    place.report()
    place.exchange()
    ids = {part.split('"')[0] for part in (tmp_path / "uttrekk" / "IDENT.xml").read_text().split('fid="')[1:]}
    assert len(ids) == 25
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name != "uttrekk":
            content = path.read_bytes()
            assert not [found for found in ids if found.encode() in content], path.name
