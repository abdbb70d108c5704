"""The conversation over EDI, by the clock: what is sent again, what is acknowledged, refused, returned and set aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cpa_maker import CPA_ID, OTHER, OWN, cpa_text
from edi_place import (
    OURS,
    REGISTER,
    acknowledgment,
    again,
    alarms,
    edi_place,
    entity_of,
    error_signal,
    files,
    hold_back,
    kept,
    line,
    newest,
    packed,
    put,
    receipt,
    references_of,
    register_packaging,
    sent,
    sent_of,
    set_aside,
    soap_of,
    states,
    transport_lines,
)
from place import Place

from kpr.conversation import AttemptState, ReceiptEvent, ReceiptLeg
from kpr.errors import BadMessage, Locked, TransportError
from kpr.messages.ebxml.model import SignalError
from kpr.packaging.returned import returned_mail
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.steps.collect import collect, reread
from kpr.store import InboxKind, MessageKind
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.seam import Envelope

IDENT, IPLOS = MessageKind.IDENT, MessageKind.IPLOS
TYPES = {IDENT: "KPR_IDE", IPLOS: "KPR_IPL"}
CODES = [
    *("ValueNotRecognized", "NotSupported", "Inconsistent", "OtherXml", "DeliveryFailure", "TimeToLiveExpired"),
    *("SecurityFailure", "MimeProblem", "Unknown"),
]


def silent(kind: MessageKind, from_try: int = 0) -> dict[str, Any]:
    """A play: neither receipt nor mail, and no acknowledgment before this try."""
    more: dict[str, Any] = {"no_mail": True} if kind is IDENT else {}
    return {"type": kind.value.lower(), "silent": True, "acknowledge_from_try": from_try, **more}


def reported(tmp_path: Path, *plays: dict[str, Any], **more: Any) -> Place:
    """A place that has sent its report; the register has not looked yet."""
    made = edi_place(tmp_path, *plays, **more)
    made.report()
    return made


# -- the good case, and the silence ------------------------------------------------------------------------------------


def test_a_good_report_is_acknowledged_and_accepted(tmp_path: Path) -> None:
    """Handed over, acknowledged, answered; our acknowledgments of the receipts go back, and nothing waits anywhere."""
    made = reported(tmp_path)
    assert states(made) == (AttemptState.HANDED_OVER,) * 2
    assert made.status().state == "AWAITING"
    assert not made.status().verdict.delivered
    assert made.exchange() == {
        "ident e-mail: FEEDBACK_OK": 1,
        "acknowledgment: acknowledged": 2,
        "receipt: POSITIVE": 2,
    }
    now = made.status()
    assert (now.state, now.verdict.delivered, now.verdict.accepted) == ("ACCEPTED", True, True)
    assert len(sent_of(made, "Acknowledgment")) == 2
    assert made.exchange() == {}
    assert files(made, "to-municipality", "to-register", "municipality-failed", "register-failed") == {}
    assert transport_lines(made) == []


@pytest.mark.parametrize("kind", MessageKind)
def test_what_nobody_acknowledges_is_tried_six_times_and_given_up(tmp_path: Path, kind: MessageKind) -> None:
    """The same eb:MessageId and the same bytes, five times after the first, then an alarm; the register sees one."""
    made = reported(tmp_path, silent(kind))
    first = newest(made, kind)
    done = [made.exchange().get("retry: handed over again", 0)]
    for number in range(1, 6):
        assert f"forsøk {number} av 6, neste" in transport_lines(made)[0]
        made.later(hours=12)
        done.append(made.exchange().get("retry: handed over again", 0))
    assert done == [0, 1, 1, 1, 1, 1]
    assert "forsøk 6 av 6, den siste" in transport_lines(made)[0]
    assert "transport-given-up" not in alarms(made)
    made.later(hours=12)
    assert made.collect()["retry: given up"] == 1
    assert (newest(made, kind).state, newest(made, kind).tries) == (AttemptState.GIVEN_UP, 6)
    tries = sent_of(made, TYPES[kind])
    assert len(tries) == 6
    assert set(tries) == {tries[0]}
    header = soap_of(tries[0]).header
    assert header is not None
    assert header.message_id == first.transport_id == newest(made, kind).transport_id
    assert "transport-given-up" in alarms(made)
    now = made.status()
    assert now.do == "ask"
    assert f"({kind})" in now.next_act.nb
    assert "etter siste forsøk" in now.next_act.nb
    assert "etter siste forsøk" in now.timeline[-1].text.nb
    made.later(hours=12)
    assert made.collect() == {}
    assert len(sent_of(made, TYPES[kind])) == 6


def test_looking_often_sends_nothing_before_its_time(tmp_path: Path) -> None:
    """A minute before the twelve hours nothing goes out, however often one collects."""
    made = reported(tmp_path, silent(IPLOS))
    made.exchange()
    for hours in (1, 5, 5.98):
        made.later(hours=hours)
        assert made.collect() == {}
    assert len(sent_of(made, "KPR_IPL")) == 1
    made.later(minutes=2)
    assert made.collect() == {"retry: handed over again": 1}
    assert made.collect() == {}


def test_the_settings_give_another_rhythm(tmp_path: Path) -> None:
    """Retries and hours of the settings hold where there is no agreement: none, and it is given up after an hour."""
    made = reported(tmp_path, silent(IPLOS), retries=0, retry_hours=1)
    made.exchange()
    assert "forsøk 1 av 1, den siste" in transport_lines(made)[0]
    made.later(hours=1)
    assert made.collect()["retry: given up"] == 1
    assert len(sent_of(made, "KPR_IPL")) == 1


def test_the_third_try_is_acknowledged(tmp_path: Path) -> None:
    """The retries end with the acknowledgment, and the register has counted the message once."""
    made = reported(tmp_path, silent(IPLOS, 3))
    made.exchange()
    for outcome in ({"retry: handed over again": 1}, {"retry: handed over again": 1}):
        made.later(hours=12)
        assert made.collect() == outcome
        came = made.exchange()
    assert came == {"acknowledgment: acknowledged": 1}
    assert (newest(made).state, newest(made).tries) == (AttemptState.DELIVERED, 3)
    made.later(days=3)
    assert "retry: handed over again" not in made.collect()


def test_a_late_acknowledgment_counts_after_it_was_given_up(tmp_path: Path) -> None:
    """Silence is no verdict: acknowledged a hundred hours later, the message is delivered and the alarm is gone."""
    made = reported(tmp_path, {**silent(IPLOS, 1), "acknowledge_late_hours": 100})
    made.exchange()
    for _ in range(6):
        made.later(hours=12)
        made.collect()
    assert newest(made).state is AttemptState.GIVEN_UP
    made.later(hours=29)
    assert made.exchange()["acknowledgment: acknowledged"] >= 1
    assert newest(made).state is AttemptState.DELIVERED
    assert "transport-given-up" not in alarms(made)


def test_a_receipt_after_it_was_given_up_proves_that_it_arrived(tmp_path: Path) -> None:
    """The message is delivered, accepted, and the alarm is gone."""
    made = reported(tmp_path, {"type": "iplos", "acknowledge_from_try": 0, "late_hours": 80})
    made.exchange()
    for _ in range(7):
        made.later(hours=12)
        made.collect()
    assert newest(made).state is AttemptState.GIVEN_UP
    assert made.exchange() == {"receipt: POSITIVE": 1}
    now = made.status()
    assert (now.state, now.do, now.verdict.delivered) == ("ACCEPTED", "act", True)
    assert "transport-given-up" not in alarms(made)


def test_no_alarm_for_what_has_been_answered(tmp_path: Path) -> None:
    """A receipt that was read by another way than collecting, by rereading say, is proof enough."""
    made = reported(tmp_path, silent(IPLOS), retries=0)
    made.exchange()
    made.later(hours=12)
    made.collect()
    assert "transport-given-up" in alarms(made)
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        message = place.store.message(latest.id, IPLOS)
        place.legs.receipt(message.id, ReceiptEvent.POSITIVE_PART, place.act("register"))
    assert "transport-given-up" not in alarms(made)


def test_a_server_that_is_away_costs_no_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that cannot leave is still due, and is made as soon as the server is back."""
    made = reported(tmp_path, silent(IPLOS))
    made.exchange()
    made.later(hours=12)

    def away(*_: object) -> None:
        raise TransportError("away")

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", away)
        assert made.collect() == {}
    assert newest(made).tries == 1
    assert made.collect() == {"retry: handed over again": 1}
    assert newest(made).tries == 2


def test_an_acknowledgment_that_waits_spares_the_retry(tmp_path: Path) -> None:
    """HITS 1171 s. 8.1: the mailbox is emptied before anything is sent again."""
    made = reported(tmp_path)
    made.register()
    made.later(days=1)
    assert "retry: handed over again" not in made.collect()
    assert len(sent_of(made, "KPR_IPL")) == 1


def test_the_ninety_six_hours_hold_over_edi(tmp_path: Path) -> None:
    """After 96 hours the same message may go once more (S4), under a new eb:MessageId and its own MsgId."""
    made = reported(tmp_path, silent(IPLOS, 1))
    made.exchange()
    first = newest(made)
    made.later(hours=95)
    with pytest.raises(Locked):
        again(made)
    made.later(hours=2)
    assert "receipt-overdue" in alarms(made)
    again(made)
    second = newest(made)
    assert (second.msg_id, second.number, second.kind) == (first.msg_id, 2, "S4")
    assert second.transport_id != first.transport_id
    made.register()
    assert made.collect() == {"acknowledgment: acknowledged": 1}
    with pytest.raises(Locked, match="allerede"):
        again(made)


def test_the_retry_of_a_resent_message_is_acknowledged_again(tmp_path: Path) -> None:
    """The register ignores the old MsgId, and still acknowledges each arrival of the new transport message."""
    made = reported(tmp_path, silent(IPLOS, 1))
    made.exchange()
    made.later(hours=97)
    again(made)
    made.register()
    [first] = hold_back(made, "Acknowledgment")
    made.later(hours=12)
    assert made.collect()["retry: handed over again"] == 1
    made.register()
    assert list(files(made, "to-municipality").values()) == [first]
    assert made.collect() == {"acknowledgment: acknowledged": 1}


def test_only_the_newest_attempt_is_tried_again(tmp_path: Path) -> None:
    """Sent once more under a new id, the message is not tried under the old one any more."""
    made = reported(tmp_path, silent(IPLOS))
    made.exchange()
    made.later(hours=97)
    again(made)
    made.later(hours=12)
    assert made.collect()["retry: handed over again"] == 1
    headers = [soap.header for raw in sent_of(made, "KPR_IPL") if (soap := soap_of(raw)).header]
    ids = [header.message_id for header in headers if header]
    assert sorted(ids.count(each) for each in set(ids)) == [1, 2]
    assert ids.count(newest(made).transport_id) == 2


def test_the_first_interval_counts_from_the_handing_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that was opened while the server was away has waited for nobody yet."""
    made = edi_place(tmp_path, silent(IPLOS))

    def away(*_: object) -> None:
        raise TransportError("away")

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", away)
        with pytest.raises(TransportError):
            made.report()
    made.later(hours=10)
    made.report()
    made.exchange()
    made.later(hours=11)
    assert made.collect() == {}
    made.later(hours=1)
    assert made.collect() == {"retry: handed over again": 1}


def test_what_is_accepted_has_arrived(tmp_path: Path) -> None:
    """No word about the ident message but the e-mail: with the receipt it is accepted, so nothing is sent again."""
    made = reported(tmp_path, {"type": "ident", "silent": True, "acknowledge_from_try": 0})
    made.exchange()
    now = made.status()
    assert (now.state, now.verdict.delivered) == ("ACCEPTED", True)
    made.later(days=1)
    assert made.collect() == {}
    assert len(sent_of(made, "KPR_IDE")) == 1


# -- other forms of acknowledgment -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("play", "came"),
    [
        ({"acknowledge_double": True}, {"acknowledgment: the same again": 1, "acknowledgment: acknowledged": 2}),
        ({"acknowledge_as_warning": True}, {"acknowledgment: acknowledged": 2}),
        ({"receipt_first": True}, {"acknowledgment: acknowledged": 2, "receipt: POSITIVE": 2}),
        ({"double": True}, {"receipt: the same again": 1, "acknowledgment: acknowledged": 2}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_other_ways_to_acknowledge_end_the_same(tmp_path: Path, play: dict[str, Any], came: dict[str, int]) -> None:
    """Doubled, as a warning, or after the receipt: delivered and accepted, and nothing is sent again."""
    made = reported(tmp_path, {"type": "iplos", **play})
    counts = made.exchange()
    assert {name: counts.get(name) for name in came} == came
    assert states(made) == (AttemptState.DELIVERED,) * 2
    assert made.status().state == "ACCEPTED"
    made.later(days=1)
    assert made.exchange() == {}


def test_a_receipt_before_the_acknowledgment_proves_the_arrival(tmp_path: Path) -> None:
    """The late acknowledgment comes to a message that is delivered already, and changes nothing."""
    made = reported(tmp_path)
    made.register()
    acknowledgments = hold_back(made, "Acknowledgment")
    assert made.collect() == {"ident e-mail: FEEDBACK_OK": 1, "receipt: POSITIVE": 2}
    assert states(made) == (AttemptState.DELIVERED,) * 2
    for raw in acknowledgments:
        put(made, raw)
    assert made.collect() == {"acknowledgment: the same again": 2}
    assert made.status().state == "ACCEPTED"


def test_an_acknowledgment_with_fewer_references_is_taken(tmp_path: Path) -> None:
    """That a reference is missing is a finding only (HITS 1172 rules 116 and 117); what is there is ours."""
    made = reported(tmp_path)
    _, references = references_of(made, IPLOS)
    for number, few in enumerate(([], references[:1], references[1:])):
        put(made, acknowledgment(made, references=tuple(few)), f"{number}.mime")
    assert made.collect() == {"acknowledgment: acknowledged": 1, "acknowledgment: the same again": 2}
    assert newest(made).state is AttemptState.DELIVERED


# -- refused, returned, and sent again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_an_error_signal_refuses_the_attempt_and_a_person_sends_again(tmp_path: Path, code: str) -> None:
    """Each code has its sentence; resent, it has a new eb:MessageId and keeps MsgId and ConversationId."""
    made = reported(tmp_path, {"type": "iplos", "number": 1, "error": f"ebxml:{code}"})
    before = newest(made)
    assert made.exchange()[f"transport error: ebxml:{code}"] == 1
    assert newest(made).state is AttemptState.REFUSED
    now = made.status()
    assert now.do == "act"
    assert f"(ebxml:{code})" in now.next_act.nb
    assert "kpr ikke kjenner" not in now.next_act.nb
    made.later(days=2)
    assert "retry: handed over again" not in made.collect()
    again(made)
    after = newest(made)
    assert (after.msg_id, after.number, after.kind) == (before.msg_id, 2, "S2")
    assert after.transport_id != before.transport_id
    headers = [soap.header for raw in sent_of(made, "KPR_IPL") if (soap := soap_of(raw)).header]
    assert len({header.message_id for header in headers if header}) == 2
    assert len({header.conversation_id for header in headers if header}) == 1
    made.exchange()
    assert made.status().state == "ACCEPTED"


@pytest.mark.parametrize("kind", MessageKind)
def test_a_soap_fault_is_about_the_message_that_it_names(tmp_path: Path, kind: MessageKind) -> None:
    """It has no header and no signature: In-Reply-To says which of our messages it is about."""
    made = reported(tmp_path, {"type": kind.value.lower(), "number": 1, "error": "ebxml:X", "error_form": "soap"})
    assert made.exchange()["transport error: soap:Client"] == 1
    other = IDENT if kind is IPLOS else IPLOS
    assert newest(made, kind).state is AttemptState.REFUSED
    assert newest(made, other).state is AttemptState.DELIVERED
    assert f"kpr resend --message {kind}" in made.status().next_act.nb


@pytest.mark.parametrize("kind", MessageKind)
def test_a_returned_mail_goes_again_under_the_same_id(tmp_path: Path, kind: MessageKind) -> None:
    """S1: nothing was delivered, so the same bytes go out under the same eb:MessageId when the address is mended."""
    made = reported(tmp_path, {"type": kind.value.lower(), "number": 1, "returned": True})
    before = newest(made, kind)
    came = made.exchange()
    assert [name for name in came if name.startswith("transport error: mail:")] != []
    assert newest(made, kind).state is AttemptState.FAILED
    assert "kom i retur" in made.status().next_act.nb
    made.later(days=2)
    assert "retry: handed over again" not in made.collect()
    again(made, kind)
    after = newest(made, kind)
    assert after == replace(before, tries=2)
    assert len(set(sent_of(made, TYPES[kind]))) == 1
    made.exchange()
    assert made.status().state == "ACCEPTED"


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered"])
def test_a_report_that_is_no_failure_moves_nothing(tmp_path: Path, action: str) -> None:
    """That a mail is late on its way is news, and nothing to mend."""
    made = reported(tmp_path)
    put(made, _bounce(newest(made).transport_id).replace(b"Action: failed", f"Action: {action}".encode()))
    assert made.collect() == {"unreadable": 1}
    assert newest(made).state is AttemptState.HANDED_OVER


def _bounce(transport_id: str) -> bytes:
    return returned_mail(f"{transport_id}.00000001", f"{transport_id}.00000001@kpr", "x@example.invalid")


def test_a_bounce_with_the_whole_mail_in_it_is_understood(tmp_path: Path) -> None:
    """Servers that cannot be asked for the head alone send back everything, which is many megabytes."""
    made = reported(tmp_path)
    whole = b"\r\n--returned\r\nContent-Type: message/rfc822\r\n\r\n" + b"x" * (8 << 20)
    put(made, _bounce(newest(made).transport_id).replace(b"\r\n--returned--", whole + b"\r\n--returned--"))
    assert made.collect() == {"transport error: mail:5.1.1": 1}
    assert newest(made).state is AttemptState.FAILED
    [(verdict, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert verdict == "mail:5.1.1"
    assert len(raw) < 8 << 20


def test_a_bounce_after_the_acknowledgment_moves_nothing(tmp_path: Path) -> None:
    """Anybody can write one: what the register has signed for stays delivered."""
    made = reported(tmp_path)
    made.exchange()
    put(made, _bounce(newest(made).transport_id))
    assert made.collect() == {"transport error: the same again": 1}
    assert newest(made).state is AttemptState.DELIVERED


@pytest.mark.parametrize(
    ("errors", "severity", "state"),
    [
        ((SignalError("OtherXml", "Warning"),), "Warning", AttemptState.DELIVERED),
        ((SignalError("OtherXml", "Warning"), SignalError("Inconsistent")), "Error", AttemptState.REFUSED),
        ((SignalError("OtherXml", "Warning"),), "Error", AttemptState.REFUSED),
        ((), "Error", AttemptState.REFUSED),
        ((), "Warning", AttemptState.DELIVERED),
        ((SignalError("OtherXml", "Fatal"),), "Warning", AttemptState.REFUSED),
    ],
)
def test_only_what_calls_itself_a_warning_is_an_acknowledgment(
    tmp_path: Path, errors: tuple[SignalError, ...], severity: str, state: AttemptState
) -> None:
    """The gravest of the list's own severity and those of its errors decides (HITS 1171 s. 8.4)."""
    made = reported(tmp_path)

    def grave(soap: bytes) -> bytes:
        text = soap.decode()
        for word in ("Warning", "Error"):
            text = text.replace(f'eb:highestSeverity="{word}"', f'eb:highestSeverity="{severity}"')
        return text.encode()

    put(made, error_signal(made, *errors, change=grave))
    made.collect()
    assert newest(made).state is state


# -- what must not be believed -----------------------------------------------------------------------------------------


def outcome(made: Place, body: bytes) -> tuple[dict[str, int], AttemptState]:
    """Lay one thing in the inbox, alone; how it is counted, and how the IPLOS attempt stands then."""
    put(made, body)
    return made.collect(), newest(made).state


@pytest.mark.parametrize("play", ["wrong_signature", "unknown_certificate"])
def test_what_is_signed_wrongly_moves_nothing_and_is_kept_raw(tmp_path: Path, play: str) -> None:
    """Acknowledgment and receipt alike: set aside, the raw bytes in the vault, the attempt as before."""
    made = reported(tmp_path, {"type": "iplos", play: True})
    assert made.exchange()["unreadable"] == 2
    assert newest(made).state is AttemptState.HANDED_OVER
    assert made.status().state == "AWAITING"
    assert sorted(raw for _, raw in kept(made)) == sorted(set_aside(made).values())
    assert len(sent_of(made, "MessageError")) == (1 if play == "wrong_signature" else 0)
    assert len(sent_of(made, "Acknowledgment")) == 1
    made.later(hours=12)
    assert made.collect()["retry: handed over again"] == 1


@pytest.mark.parametrize("ref", ["0b9c2f0a-0f3d-4a51-9d3c-5d7c5f0a1b2c", "", "Ola Nordmann", "' OR 1=1 --"])
def test_an_acknowledgment_for_nobody_is_set_aside(tmp_path: Path, ref: str) -> None:
    """It names no message of ours: kept, not answered, and no state is touched."""
    made = reported(tmp_path)
    body = acknowledgment(made, ref=ref)
    assert outcome(made, body) == ({"unreadable": 1}, AttemptState.HANDED_OVER)
    assert [raw for _, raw in kept(made)] == [body]
    assert sent_of(made, "MessageError") == sent_of(made, "Acknowledgment") == []


def test_an_acknowledgment_of_other_bytes_is_set_aside(tmp_path: Path) -> None:
    """What was received was not what we sent: that is no delivery."""
    made = reported(tmp_path)
    _, references = references_of(made, IPLOS)
    for number in (0, 1):
        other = [replace(each, digest=bytes(32)) if at == number else each for at, each in enumerate(references)]
        counts, state = outcome(made, acknowledgment(made, references=tuple(other)))
        assert (counts, state) == ({"unreadable": 1}, AttemptState.HANDED_OVER)
    assert {verdict for verdict, _ in kept(made)} == {"an acknowledgment of other bytes than ours"}


def test_an_acknowledgment_between_others_is_left(tmp_path: Path) -> None:
    """Rightly signed, and from or to another HER-id: not for us to take."""
    made = reported(tmp_path)
    for words in ({"from_her_id": "8000009"}, {"to_her_id": "8000009"}):
        assert outcome(made, acknowledgment(made, **words)) == ({}, AttemptState.HANDED_OVER)


def test_a_signal_that_breaks_the_rules_is_set_aside(tmp_path: Path) -> None:
    """HITS 1172 rule 12: a CPAId of no known form; it is not answered either."""
    made = reported(tmp_path)
    assert outcome(made, acknowledgment(made, cpa_id="hva som helst")) == ({"unreadable": 1}, AttemptState.HANDED_OVER)
    assert sent_of(made, "MessageError") == []


def test_an_error_about_a_message_that_we_never_sent(tmp_path: Path) -> None:
    """Kept and set aside; nobody is told anything."""
    made = reported(tmp_path)
    body = error_signal(made, SignalError("OtherXml"), ref_to_message_id=str(uuid4()))
    assert outcome(made, body) == ({"transport error: unknown message": 1}, AttemptState.HANDED_OVER)
    assert len(kept(made, InboxKind.TRANSPORT_ERROR)) == 1


def test_signals_between_others_do_not_refuse_our_message(tmp_path: Path) -> None:
    """Only the register can say that it could not use what we sent to it."""
    made = reported(tmp_path)
    _, state = outcome(made, error_signal(made, SignalError("OtherXml"), from_her_id="8000009"))
    assert state is AttemptState.HANDED_OVER


# -- what comes to us: acknowledged once it is durable -----------------------------------------------------------------


def test_the_duplicate_of_a_receipt_gets_the_very_same_acknowledgment(tmp_path: Path) -> None:
    """HIS 1037 s. 6.2.1: not handed on again, and answered byte for byte as before, days later too."""
    made = reported(tmp_path)
    made.exchange()
    [raw, _] = [
        body for body in files(made, "municipality-archive").values() if soap_of(body).header.action == "APPREC"
    ]  # type: ignore[union-attr]
    before = sent_of(made, "Acknowledgment")
    made.later(days=2)
    put(made, raw)
    assert made.collect() == {"transport duplicate: acknowledged again": 1}
    after = sent_of(made, "Acknowledgment")
    assert len(after) == len(before) + 1
    assert set(after) == set(before)
    assert made.status().state == "ACCEPTED"


def test_another_message_under_an_old_id_is_an_incident(tmp_path: Path) -> None:
    """HITS 1172 s. 5.8.2: a false duplicate is kept, neither handed on nor answered."""
    made = reported(tmp_path)
    transport_id = str(uuid4())
    put(made, packed(made, receipt(made, newest(made).msg_id), message_id=transport_id))
    assert made.collect() == {"receipt: POSITIVE": 1}
    other = packed(made, receipt(made, newest(made).msg_id, "2"), message_id=transport_id)
    put(made, other)
    assert made.collect() == {"unreadable": 1}
    assert made.status().lines[3].state == ReceiptLeg.POSITIVE.value
    assert kept(made) == [("another message under an id that was taken in before", other)]
    assert len(sent_of(made, "Acknowledgment")) == 1
    assert sent_of(made, "MessageError") == []


def test_a_receipt_for_nothing_of_ours_is_acknowledged_and_set_aside(tmp_path: Path) -> None:
    """It could be opened, so it is acknowledged; that it answers nothing of ours is no fault of the transport's."""
    made = reported(tmp_path)
    put(made, packed(made, receipt(made, str(uuid4()))))
    assert made.collect() == {"receipt: unknown message": 1}
    assert len(sent_of(made, "Acknowledgment")) == 1
    assert len(set_aside(made)) == 1


def test_what_is_no_receipt_is_acknowledged_and_kept(tmp_path: Path) -> None:
    """Well packed, and something else inside: once, and no retry follows."""
    made = reported(tmp_path)
    body = packed(made, b"<Hilsen/>")
    put(made, body)
    assert made.collect() == {"unreadable": 1}
    assert kept(made) == [("not a receipt", body)]
    assert len(sent_of(made, "Acknowledgment")) == 1


def test_a_message_after_its_time_is_refused_and_its_duplicate_is_not(tmp_path: Path) -> None:
    """TimeToLiveExpired when it first comes too late; taken in in time, its retries get the same acknowledgment."""
    made = reported(tmp_path)
    theirs = register_packaging(made)
    living = replace(theirs, settings=theirs.settings.model_copy(update={"time_to_live_hours": 1}))
    in_time, late = (packed(made, receipt(made, newest(made).msg_id), living) for _ in range(2))
    put(made, in_time)
    assert made.collect() == {"receipt: POSITIVE": 1}
    made.later(hours=2)
    put(made, in_time, "again.mime")
    assert made.collect()["transport duplicate: acknowledged again"] == 1
    assert len(set(sent_of(made, "Acknowledgment"))) == 1
    put(made, late)
    assert made.collect() == {"unreadable": 1}
    [error] = sent_of(made, "MessageError")
    assert [each.code for each in soap_of(error).errors] == ["TimeToLiveExpired"]
    assert kept(made)[-1] == ("it came after its time to live", late)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cpa_id": "hva som helst"}, "ValueNotRecognized"),
        ({"service": ""}, "OtherXml"),
        ({"message_id": "uten form"}, "ValueNotRecognized"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_with_its_code(
    tmp_path: Path, change: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HITS 1172: the sender gets a signed error signal with the rule's code, and its number in the description."""
    made = reported(tmp_path)
    body = _without_our_check(monkeypatch, made, **change)
    put(made, body)
    assert made.collect() == {"unreadable": 1}
    [error] = sent_of(made, "MessageError")
    [said] = soap_of(error).errors
    assert said.code == code
    assert said.description.startswith("Rule ")
    assert kept(made) == [("unreadable (RuleBroken)", body)]
    assert sent_of(made, "Acknowledgment") == []


def _without_our_check(monkeypatch: pytest.MonkeyPatch, made: Place, **change: str) -> bytes:
    """A rightly signed receipt whose header is otherwise than the register would write it."""
    theirs = register_packaging(made)
    whole = type(theirs)._header

    def header(self: Any, *words: Any) -> Any:
        return replace(whole(self, *words), **change)

    with monkeypatch.context() as patched:
        patched.setattr(type(theirs), "_header", header)
        patched.setattr("kpr.packaging.ebxml_rules.Table.demand_ours", lambda *_: None)
        return packed(made, receipt(made, newest(made).msg_id), theirs)


@pytest.mark.parametrize("change", [{"from_her_id": "8000009"}, {"to_her_id": "8000009"}], ids=["from", "to"])
def test_what_others_exchange_is_left_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    """A mailbox may be read by other programs too: what is not between us and the register is not ours to touch."""
    made = reported(tmp_path)
    before = sent(made)
    body = _without_our_check(monkeypatch, made, **change)
    put(made, body)
    assert made.collect() == {}
    assert (kept(made), sent(made)) == ([], before)
    assert body in [path.read_bytes() for path in made.folder.parent.rglob("to-municipality/*.mime")]


def test_a_ping_is_never_answered(tmp_path: Path) -> None:
    """Neither is a signal that does not say what it acknowledges: kept, and nothing goes out."""
    made = reported(tmp_path)
    before = sent(made)
    ping = acknowledgment(made, ref="")
    put(made, ping)
    assert made.collect() == {"unreadable": 1}
    assert sent(made) == before
    assert [raw for _, raw in kept(made)] == [ping]


def test_receipts_that_could_not_be_opened_are_read_later_and_all_of_them_count(tmp_path: Path) -> None:
    """With the register's certificate renewed in our folder, each is opened and acknowledged for itself, and known."""
    made = reported(tmp_path)
    made.register()
    path = made.folder / "keys" / "register-sign.pem"
    right = path.read_bytes()
    write_identity(make_identity(make_authority(), "old", Purpose.SIGN), path, made.folder / "unused.key")
    assert made.collect()["unreadable"] == 4
    path.write_bytes(right)
    first, second = (raw for raw in set_aside(made).values() if b"pkcs7" in raw)
    put(made, first, "retry.mime")
    assert made.collect() == {"receipt: POSITIVE": 1}
    with made.open() as place:
        counts = reread(place).counts()
    assert counts == {"transport duplicate: acknowledged again": 1, "receipt: POSITIVE": 1}
    assert made.status().state == "ACCEPTED"
    put(made, second, "retry.mime")
    assert made.collect() == {"transport duplicate: acknowledged again": 1}
    acknowledgments = sent_of(made, "Acknowledgment")
    acknowledged = [soap_of(raw).acknowledged for raw in acknowledgments]
    assert len({each.ref_to_message_id for each in acknowledged if each}) == len(set(acknowledgments)) == 2


def test_an_acknowledgment_that_cannot_leave_is_made_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt stays on the line until its acknowledgment has left; it counts once all the same."""
    made = reported(tmp_path)
    made.register()
    waiting = files(made, "to-municipality")

    def away(*_: object) -> None:
        raise TransportError("away")

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", away)
        made.collect()
    assert made.status().state == "ACCEPTED"
    left = files(made, "to-municipality")
    assert 0 < len(left) < len(waiting)
    assert made.collect() == {"transport duplicate: acknowledged again": 2}
    assert files(made, "to-municipality") == {}
    assert len(sent_of(made, "Acknowledgment")) == 2


# -- versions: what is old must not arrive after what is new -----------------------------------------------------------


def test_a_version_that_was_rejected_is_not_sent_again(tmp_path: Path) -> None:
    """Its ident message was never acknowledged: a retry could reach the register after the correction."""
    plays = [{**silent(IDENT), "number": 1}, {"type": "iplos", "number": 1, "negative": "T02"}]
    made = reported(tmp_path, *plays)
    made.exchange()
    assert made.status().state == "REJECTED"
    made.later(hours=13)
    assert "retry: handed over again" not in made.collect()
    made.later(days=5)
    assert made.collect() == {}
    assert "transport-given-up" not in alarms(made)
    assert len(sent_of(made, "KPR_IDE")) == 1


def test_a_version_that_two_persons_replaced_is_not_sent_again(tmp_path: Path) -> None:
    """The new version is tried again by the clock, the old one is left alone."""
    made = reported(tmp_path, {**silent(IPLOS), "number": 1}, {**silent(IPLOS), "number": 2})
    made.exchange()
    old = newest(made)
    made.report(by="rolle A", second="rolle B", reason="avtalt", mended="boliger")
    made.exchange()
    made.later(hours=12)
    assert made.collect()["retry: handed over again"] == 1
    ids = [soap.header.message_id for raw in sent_of(made, "KPR_IPL") if (soap := soap_of(raw)).header]
    assert ids.count(old.transport_id) == 1
    assert ids.count(newest(made).transport_id) == 2
    assert len(transport_lines(made)) == 1


# -- races -------------------------------------------------------------------------------------------------------------


def test_the_acknowledgment_may_come_before_we_wrote_down_that_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes it in while we are still handing over: the answer stands, and the report goes on."""
    made = edi_place(tmp_path)
    whole, answered = FileCarrier.put, []

    def quick(self: FileCarrier, label: Any, body: Any, size: int) -> None:
        whole(self, label, body, size)
        if label.message_type in ("KPR_IDE", "KPR_IPL"):
            answered.append(made.exchange())

    monkeypatch.setattr(FileCarrier, "put", quick)
    made.report()
    assert [each["acknowledgment: acknowledged"] for each in answered] == [1, 1]
    assert states(made) == (AttemptState.DELIVERED,) * 2
    assert made.status().state == "ACCEPTED"


def test_a_refusal_may_come_before_we_wrote_down_that_it_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The IPLOS message is held back, since the ident message was refused meanwhile."""
    made = edi_place(tmp_path, {"type": "ident", "number": 1, "error": "ebxml:OtherXml"})
    whole = FileCarrier.put

    def quick(self: FileCarrier, label: Any, body: Any, size: int) -> None:
        whole(self, label, body, size)
        if label.message_type == "KPR_IDE":
            made.exchange()

    monkeypatch.setattr(FileCarrier, "put", quick)
    made.report()
    assert newest(made, IDENT).state is AttemptState.REFUSED
    assert sent_of(made, "KPR_IPL") == []
    assert "kpr resend --message IDENT" in made.status().next_act.nb


def test_a_mail_may_come_back_before_we_wrote_down_that_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The IPLOS message is held back; sent again under the same ids, both arrive."""
    made = edi_place(tmp_path, {"type": "ident", "number": 1, "returned": True})
    whole = FileCarrier.put

    def quick(self: FileCarrier, label: Any, body: Any, size: int) -> None:
        whole(self, label, body, size)
        if label.message_type == "KPR_IDE":
            made.exchange()

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", quick)
        made.report()
    before = newest(made, IDENT)
    assert (before.state, before.tries, sent_of(made, "KPR_IPL")) == (AttemptState.FAILED, 1, [])
    assert "kom i retur" in made.status().next_act.nb
    made.report()
    made.exchange()
    assert made.status().state == "ACCEPTED"
    assert newest(made, IDENT).transport_id == before.transport_id


def test_two_collects_at_once_make_one_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process is in the middle of the same retry: it goes out once, and counts once."""
    made = reported(tmp_path, silent(IPLOS))
    made.exchange()
    made.later(hours=12)
    whole, inner = FileCarrier.put, []

    def meanwhile(self: FileCarrier, label: Any, body: Any, size: int) -> None:
        if label.message_type == "KPR_IPL" and not inner:
            inner.append(None)
            inner[0] = made.collect()
        whole(self, label, body, size)

    monkeypatch.setattr(FileCarrier, "put", meanwhile)
    assert made.collect() == {"retry: handed over again": 1}
    assert inner == [{}]
    assert (newest(made).tries, len(sent_of(made, "KPR_IPL"))) == (2, 2)


@pytest.mark.parametrize("from_try", [0, 2])
def test_two_collects_at_once_end_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_try: int) -> None:
    """The other process has acted on the same list meanwhile: given up once, or delivered, and no error."""
    made = reported(tmp_path, silent(IPLOS, from_try), retries=0 if from_try == 0 else 5)
    made.exchange()
    if from_try:
        made.later(hours=12)
        made.collect()
        made.register()
        acknowledgments = hold_back(made, "Acknowledgment")
    made.later(hours=12)
    with made.open() as first:
        listed = first.attempts.unacknowledged()
        for raw in acknowledgments if from_try else ():
            put(made, raw)
        made.collect()
        monkeypatch.setattr("kpr.store.attempts.Attempts.unacknowledged", lambda _: listed)
        assert collect(first).counts() in ({}, {"retry: given up": 1})
    monkeypatch.undo()
    assert newest(made).state is (AttemptState.DELIVERED if from_try else AttemptState.GIVEN_UP)
    assert len(sent_of(made, "KPR_IPL")) == (2 if from_try else 1)


def test_two_collects_at_once_take_a_receipt_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process takes it in between our reading and our acknowledging; both acknowledge with the same bytes."""
    made = reported(tmp_path)
    made.register()
    whole, inner = FileCarrier.put, []

    def meanwhile(self: FileCarrier, label: Any, body: Any, size: int) -> None:
        if label.message_type == "Acknowledgment" and not inner:
            inner.append(None)
            inner[0] = made.collect()
        whole(self, label, body, size)

    monkeypatch.setattr(FileCarrier, "put", meanwhile)
    made.collect()
    assert inner[0] == {"transport duplicate: acknowledged again": 1, "receipt: POSITIVE": 1}
    assert len(set(sent_of(made, "Acknowledgment"))) == 2
    assert made.status().state == "ACCEPTED"
    assert files(made, "to-municipality") == {}


def test_nothing_of_a_person_stands_on_the_line(tmp_path: Path) -> None:
    """The envelope is readable to everybody on the way: HER-ids, codes and random ids are all that it says."""
    made = reported(tmp_path)
    made.exchange()
    planted = (made.folder / "uttrekk" / "IDENT.xml").read_text("utf-8")
    ids = {part.split('"')[0].encode() for part in planted.split('fid="')[1:]}
    assert len(ids) == 5
    parcels = [path for path in line(made).rglob("*") if path.is_file()]
    assert len(parcels) == 8
    for path in parcels:
        soap = entity_of(path.read_bytes()).soap
        assert not [each for each in ids if each in path.read_bytes() + soap + path.name.encode()]
        assert OURS.encode() in soap


def test_the_interval_counts_from_the_last_try(tmp_path: Path) -> None:
    """Collected late, a retry does not make the next one come earlier."""
    made = reported(tmp_path, silent(IPLOS))
    made.exchange()
    made.later(hours=20)
    assert made.collect() == {"retry: handed over again": 1}
    made.later(hours=11, minutes=59)
    assert made.collect() == {}
    made.later(minutes=1)
    assert made.collect() == {"retry: handed over again": 1}


def test_what_was_taken_in_is_known_by_both_parties_and_the_id(tmp_path: Path) -> None:
    """An id is its sender's own: the same from another, or to another, is another message."""
    made = edi_place(tmp_path)
    envelope = Envelope(str(uuid4()), "APPREC", REGISTER, OURS, made.now)
    with made.open() as place:
        first = place.taken_in.add(envelope, "digest", place.act())
        assert place.taken_in.find(envelope) == first
        for change in ({"from_her_id": "8000009"}, {"to_her_id": "8000009"}, {"message_id": str(uuid4())}):
            assert place.taken_in.find(replace(envelope, **change)) is None  # type: ignore[arg-type]
        made.later(hours=1)
        again = place.taken_in.add(envelope, "other", place.act())
        assert (again.id, again.digest, again.at) == (first.id, "digest", first.at)


# -- with an agreement -------------------------------------------------------------------------------------------------


def agreed(tmp_path: Path, end: str = "2022-01-01T00:00:00Z", *plays: dict[str, Any]) -> Place:
    """A place with an agreement (CPA) of both parties: four retries, 240 minutes apart."""
    text = cpa_text(start="2020-01-01T00:00:00Z", end=end).replace(OWN, OURS).replace(OTHER, REGISTER)
    (tmp_path / "cpa.xml").write_text(text, "utf-8")
    return edi_place(tmp_path, *plays, cpa_file=str(tmp_path / "cpa.xml"))


def test_an_agreement_sets_the_rhythm_and_the_id(tmp_path: Path) -> None:
    """Its id stands in every message, and it is given up after twenty hours, whatever the settings say."""
    made = agreed(tmp_path, "2022-01-01T00:00:00Z", silent(IPLOS))
    made.report()
    made.exchange()
    retries = 0
    for _ in range(20):
        made.later(hours=1)
        counts = made.exchange()
        retries += counts.get("retry: handed over again", 0)
    assert (retries, counts) == (4, {"retry: given up": 1})
    headers = [soap_of(raw).header for raw in sent_of(made, "KPR_IPL")]
    assert {header.cpa_id for header in headers if header} == {CPA_ID}
    assert len(headers) == 5


def test_an_agreement_that_has_ended_stops_the_report(tmp_path: Path) -> None:
    """HITS 1172 rule 114: the register would refuse it, so nothing leaves; with a new agreement the report goes on."""
    made = agreed(tmp_path, "2021-01-01T00:00:00Z")
    with pytest.raises(BadMessage, match="rule 114") as told:
        made.report()
    assert "transport.cpa_file" in told.value.remedy
    assert sent(made) == {}
    agreed_until = (tmp_path / "cpa.xml").read_text("utf-8").replace("2021-01-01T00", "2022-01-01T00")
    (tmp_path / "cpa.xml").write_text(agreed_until, "utf-8")
    made.report()
    made.exchange()
    assert made.status().state == "ACCEPTED"
    assert newest(made).number == 1


def test_a_signal_under_another_agreement_is_set_aside(tmp_path: Path) -> None:
    """Rule 110: an id of an agreement that is not ours; the id of the two HER-ids says that there is none, and is taken."""
    made = agreed(tmp_path)
    made.report()
    assert outcome(made, acknowledgment(made, cpa_id=str(uuid4()))) == ({"unreadable": 1}, AttemptState.HANDED_OVER)
    plain = acknowledgment(made, cpa_id=f"{OURS}_{REGISTER}")
    assert outcome(made, plain) == ({"acknowledgment: acknowledged": 1}, AttemptState.DELIVERED)
