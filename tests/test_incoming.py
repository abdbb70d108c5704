"""What comes by the transport: error reports and what follows of them, and what nobody can use."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import pytest
import yaml
from place import Place

from kpr.conversation import AttemptState
from kpr.errors import BadCertificate, BadInput, BadMessage, BadSettings, Locked, TransportError
from kpr.guard import Approval
from kpr.log import configure_logs
from kpr.security import refusals
from kpr.security.certificates import Identity, Purpose, load_certificate, load_identity
from kpr.security.cms_write import protect
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.steps import incoming
from kpr.steps.collect import collect, reread
from kpr.steps.incoming import RECEIPT_LIMIT, take_in
from kpr.steps.send import resend
from kpr.steps.workplace import open_workplace
from kpr.store import InboxKind, MessageKind
from kpr.transports.amqp.wire import SOAP_FAULT, Wire, from_wire
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Envelope, ErrorForm, Fault

OURS, REGISTER, STRANGER = "8000002", "8000004", "8000009"
CODE = "transport:expired-certificate"
CANARY = "01818012337"


def error(kind: str = "iplos", **more: Any) -> dict[str, Any]:
    """A play: the first message of a kind is refused by the register's transport."""
    return {"type": kind, "number": 1, "error": CODE, **more}


def reported(tmp_path: Path, *plays: dict[str, Any]) -> Place:
    """A place whose report the register has taken in, by this scenario; nothing is collected yet."""
    made = Place(tmp_path, list(plays), persons=5)
    made.report()
    made.register()
    return made


@dataclass(frozen=True)
class Sent:
    """A message with its newest attempt."""

    msg_id: str
    transport_id: str
    number: int
    kind: str
    state: AttemptState


def sent(made: Place, kind: MessageKind) -> Sent:
    """What was sent of a kind, as the store has it."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        message = place.store.message(latest.id, kind)
        attempt = place.attempts.latest(message.id)
        assert attempt is not None
        return Sent(message.msg_id, attempt.message_id, attempt.number, attempt.kind, attempt.state)


def send_again(made: Place, kind: MessageKind, *persons: str) -> None:
    """Resend a message."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        resend(place, latest.id, kind, Approval(frozenset(persons), ""), answered=False)


def inbox(made: Place, part: str = "") -> dict[str, dict[str, Any]]:
    """The envelopes in our folder, or in a part of it."""
    folder = made.folder / "exchange" / OURS / part
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def reasons(made: Place) -> list[str]:
    """Why messages were set aside on the transport."""
    aside = made.folder / "exchange" / OURS / "aside"
    return [path.read_text("utf-8").strip() for path in sorted(aside.glob("*.reason"))]


def told(made: Place) -> list[str]:
    """The conditions that the register is told of."""
    waiting = DirectoryTransport(made.folder / "exchange", REGISTER).receive()
    return [received.envelope.fault.condition for received in waiting if received.envelope.fault]


def put(made: Place, body: bytes, **changes: Any) -> Envelope:
    """A message with these bytes in our folder."""
    envelope = replace(Envelope(str(uuid4()), "APPREC", REGISTER, OURS, made.now), **changes)
    DirectoryTransport(made.folder / "exchange", envelope.from_her_id or "x").send(
        envelope, io.BytesIO(body), len(body)
    )
    return envelope


def put_error(made: Place, about: str, fault: Fault | None = None, **changes: Any) -> None:
    """An error report about a transport id in our folder."""
    of = replace(Envelope(about, "KPR_IPL", OURS, REGISTER, made.now), **changes)
    fault = fault or Fault(CODE, about, noticed_at=made.now)
    DirectoryTransport(made.folder / "exchange", REGISTER).report(fault, of)


def protected(made: Place, plain: bytes, signer: Identity | None = None) -> bytes:
    """Bytes as the register protects them for us, or as another signer does."""
    theirs, out = made.folder / "register" / "keys", io.BytesIO()
    identity = signer or load_identity(theirs / "sign.pem", theirs / "sign.key")
    protect(io.BytesIO(plain), len(plain), out, identity, load_certificate(theirs / "municipality-decrypt.pem"))
    return out.getvalue()


def kept(made: Place, kind: InboxKind = InboxKind.UNKNOWN) -> list[tuple[str, bytes]]:
    """What was kept of a kind: verdict and raw bytes."""
    with sqlite3.connect(made.folder / "kpr.sqlite") as database, made.open() as place:
        query = "SELECT id, verdict, wrapped_key FROM inbox WHERE kind = ? ORDER BY rowid"
        rows = database.execute(query, (kind.value,)).fetchall()
        found = [(verdict, place.vault.get(f"{id}-inbox", key)) for id, verdict, key in rows]
    database.close()
    return found


# -- error reports: refused, mended, sent again (S2) -----------------------------------------------------------------


@pytest.mark.parametrize("form", ErrorForm)
def test_an_error_report_refuses_the_attempt_and_says_what_to_do(tmp_path: Path, form: ErrorForm) -> None:
    """Only the attempt is moved, as the register has not judged, and status tells meaning, code and command."""
    made = reported(tmp_path, error(error_form=form.value))
    assert made.collect() == {f"transport error: {CODE}": 1, "receipt: POSITIVE": 1, "ident e-mail: FEEDBACK_OK": 1}
    assert sent(made, MessageKind.IPLOS).state is AttemptState.REFUSED
    assert sent(made, MessageKind.IDENT).state is AttemptState.DELIVERED
    now = made.status()
    assert (now.state, now.do, now.verdict.delivered, now.verdict.accepted) == ("AWAITING", "act", False, False)
    assert "utløpt" in now.next_act.nb
    assert f"({CODE})" in now.next_act.nb
    for text in (now.next_act.nb, now.next_act.en):
        assert "kpr resend --message IPLOS" in text
    assert "avvist av transporten" in now.timeline[-1].text.nb + now.timeline[-2].text.nb + now.timeline[-3].text.nb


@pytest.mark.parametrize("kind", MessageKind)
def test_the_same_message_goes_again_under_its_own_msg_id(tmp_path: Path, kind: MessageKind) -> None:
    """S2: same MsgId, new transport id, when a person asks for it; and then it is accepted."""
    made = reported(tmp_path, error(kind.value.lower()))
    made.collect()
    before = sent(made, kind)
    assert f"--message {kind.value}" in made.status().next_act.nb
    with pytest.raises(Locked):
        send_again(made, kind)
    assert sent(made, kind) == before
    send_again(made, kind, "rolle A")
    after = sent(made, kind)
    assert after.msg_id == before.msg_id
    assert after.transport_id != before.transport_id
    assert (before.number, after.number, after.kind, after.state) == (1, 2, "S2", AttemptState.DELIVERED)
    assert made.status().do == "nothing"
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_sending_the_whole_report_again_is_locked_all_the_same(tmp_path: Path) -> None:
    """A refused attempt is no reason for a new version while the register may still answer."""
    made = reported(tmp_path, error())
    made.collect()
    with pytest.raises(Locked):
        made.report()
    assert sent(made, MessageKind.IPLOS).number == 1


def test_it_may_be_refused_twice(tmp_path: Path) -> None:
    """As long as the fault is not mended each attempt is refused, and each has its own number and id."""
    made = reported(tmp_path, error(), error() | {"number": 2, "error": "transport:invalid-certificate"})
    made.collect()
    first = sent(made, MessageKind.IPLOS)
    send_again(made, MessageKind.IPLOS, "rolle A")
    made.exchange()
    second = sent(made, MessageKind.IPLOS)
    assert (second.number, second.state) == (2, AttemptState.REFUSED)
    assert "transport:invalid-certificate" in made.status().next_act.nb
    send_again(made, MessageKind.IPLOS, "rolle A")
    made.exchange()
    third = sent(made, MessageKind.IPLOS)
    assert len({first.transport_id, second.transport_id, third.transport_id}) == 3
    assert {first.msg_id, second.msg_id} == {third.msg_id}
    assert made.status().state == "ACCEPTED"


def test_a_refused_ident_message_while_sending_holds_the_other_back(tmp_path: Path, monkeypatch: Any) -> None:
    """The IPLOS message waits for the ident message; after resending, the report goes on under the same ids."""
    made = Place(tmp_path, [error("ident")], persons=5)
    whole = DirectoryTransport.send

    def only_ident(self: DirectoryTransport, envelope: Envelope, body: BinaryIO, size: int) -> None:
        if envelope.message_type == "KPR_IPL":
            raise TransportError("away")
        whole(self, envelope, body, size)

    monkeypatch.setattr(DirectoryTransport, "send", only_ident)
    with pytest.raises(TransportError):
        made.report()
    monkeypatch.setattr(DirectoryTransport, "send", whole)
    made.exchange()
    assert made.status().state == "SENDING"
    assert "kpr resend --message IDENT" in made.status().next_act.nb
    send_again(made, MessageKind.IDENT, "rolle A")
    iplos = sent(made, MessageKind.IPLOS)
    made.report()
    assert sent(made, MessageKind.IPLOS).transport_id == iplos.transport_id
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_the_same_error_twice_changes_nothing(tmp_path: Path) -> None:
    """Delivered again, it is taken off the transport, told as the same, and kept once."""
    made = reported(tmp_path, error())
    made.collect()
    before = made.status()
    folder = made.folder / "exchange" / OURS
    [again] = [path for path in (folder / "done").glob("*.json") if json.loads(path.read_text())["fault"]]
    shutil.copy(again, folder)
    assert made.collect() == {"transport error: the same again": 1}
    assert inbox(made) == {}
    after = made.status()
    assert (after.state, after.next_act, after.do) == (before.state, before.next_act, before.do)
    assert len(kept(made, InboxKind.TRANSPORT_ERROR)) == 1


def test_an_error_about_an_attempt_that_was_replaced(tmp_path: Path) -> None:
    """A second report about the first attempt does not touch the one that was sent after it."""
    made = reported(tmp_path, error())
    made.collect()
    first = sent(made, MessageKind.IPLOS)
    send_again(made, MessageKind.IPLOS, "rolle A")
    put_error(made, first.transport_id, Fault("transport:internal-error", first.transport_id))
    assert made.collect() == {"transport error: the same again": 1}
    assert sent(made, MessageKind.IPLOS).state is AttemptState.DELIVERED
    assert made.status().do == "nothing"


def test_the_id_may_come_back_in_upper_case(tmp_path: Path) -> None:
    """UUIDs are compared without regard to case."""
    made = reported(tmp_path)
    put_error(made, sent(made, MessageKind.IPLOS).transport_id.upper())
    assert made.collect()[f"transport error: {CODE}"] == 1


@pytest.mark.parametrize("about", ["0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0009", "", "Ola Nordmann", "' OR 1=1 --", "{}"])
def test_an_error_about_a_message_that_we_never_sent(tmp_path: Path, about: str) -> None:
    """It is set aside with its reason, kept, and touches no state; nobody is told anything."""
    made = reported(tmp_path)
    made.collect()
    before = made.status()
    put_error(made, about)
    assert made.collect() == {"transport error: unknown message": 1}
    assert reasons(made) == ["it reports an error in a message that we never sent"]
    assert made.status() == before
    [(verdict, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert (verdict, json.loads(raw)["fault"]["original_message_id"]) == ("unknown message", about)
    assert told(made) == []


def of_year(made: Place, year: int) -> Path:
    """Settings for another year with the same keys, database and folder."""
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    path = made.folder / f"kpr-{year}.yaml"
    path.write_text(yaml.safe_dump(settings | {"data_year": year}), "utf-8")
    return path


def test_an_error_for_another_year_is_left_where_it_is(tmp_path: Path) -> None:
    """Two data years share one database: the other year's collecting leaves it, and the right one takes it."""
    made = reported(tmp_path, error())
    waiting = inbox(made)
    with open_workplace(of_year(made, 2021)) as place:
        came = collect(place).counts()
    assert came["transport error: for another year, left there"] == 1
    assert came["receipt: for another year, left there"] == 1
    assert inbox(made) == waiting
    assert kept(made, InboxKind.TRANSPORT_ERROR) == []
    assert made.collect()[f"transport error: {CODE}"] == 1
    assert inbox(made) == {}


def test_a_late_positive_receipt_after_an_error_report_decides(tmp_path: Path) -> None:
    """A receipt proves that the message arrived, whatever the transport said before."""
    made = Place(tmp_path, persons=5)
    made.report()
    put_error(made, sent(made, MessageKind.IPLOS).transport_id)
    assert made.collect() == {f"transport error: {CODE}": 1}
    assert made.status().do == "act"
    assert made.exchange()["receipt: POSITIVE"] == 2
    assert made.status().state == "ACCEPTED"
    with pytest.raises(Locked, match="svart på denne meldingen"):
        send_again(made, MessageKind.IPLOS, "rolle A")


def test_an_error_report_after_the_receipt_asks_for_nothing(tmp_path: Path) -> None:
    """What the register has answered is not sent again, even when an error report comes late."""
    made = reported(tmp_path)
    made.collect()
    put_error(made, sent(made, MessageKind.IPLOS).transport_id)
    made.collect()
    now = made.status()
    assert (now.state, now.do) == ("ACCEPTED", "act")
    with pytest.raises(Locked):
        send_again(made, MessageKind.IPLOS, "rolle A")


@pytest.mark.parametrize("code", ["transport:something-new", "abuse:spoofing-attack"])
def test_any_code_is_shown_with_its_meaning(tmp_path: Path, code: str) -> None:
    """The set of codes is open: one that nobody knows is shown as it is."""
    made = reported(tmp_path, error(error=code, error_data="fromHerId;"))
    assert made.collect()[f"transport error: {code} (fromHerId)"] == 1
    assert f"({code} (fromHerId))" in made.status().next_act.nb


def test_an_error_report_is_never_answered(tmp_path: Path) -> None:
    """Neither one that we understand nor one that fits nothing, whatever bytes it carries."""
    made = reported(tmp_path, error())
    put_error(made, "x", Fault("?", "?"))
    put(made, b"garbage", fault=Fault("", ""))
    made.collect()
    assert told(made) == []
    assert inbox(made) == {}


@pytest.mark.parametrize("form", ErrorForm)
def test_the_other_sides_own_words_are_nowhere_in_clear(
    tmp_path: Path, form: ErrorForm, capsys: pytest.CaptureFixture[str]
) -> None:
    """A description with a name and a national id is kept encrypted, and in no database, log, status or file name."""
    words = f"Feil på Nordmann {CANARY}"
    made = reported(tmp_path, error(error_form=form.value, error_detail=words, error_data=words))
    configure_logs(as_json=True)
    came = made.collect()
    with made.open() as place:
        events = str([vars(event) for event in place.store.events()])
    output = capsys.readouterr()
    seen = f"{came}{made.status()}{events}{output.out}{output.err}"
    assert "transport error" in output.err
    for path in made.folder.rglob("*"):
        outside = made.folder / "exchange" in path.parents or made.folder / "register" in path.parents
        if path.is_file() and not outside:
            seen += path.name + path.read_bytes().decode("latin-1")
    assert CANARY not in seen
    assert "Nordmann" not in seen
    [(_, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert json.loads(raw)["fault"]["description"] == words


@pytest.mark.parametrize("field", ["condition", "original_message_id", "message_id"])
def test_words_in_other_fields_are_nowhere_in_clear_either(
    tmp_path: Path, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every field of an error report is the other side's text: none of them reaches a log or the database."""
    made = reported(tmp_path)
    made.collect()
    name = f"Nordmann {CANARY}"
    fault = Fault(name if field == "condition" else CODE, name if field == "original_message_id" else "x")
    envelope = Envelope(name if field == "message_id" else "y", "KPR_IPL", REGISTER, OURS, made.now, fault=fault)
    configure_logs(as_json=True)
    with made.open() as place:
        take_in(place, Came(envelope))
    output = capsys.readouterr()
    assert "Nordmann" not in output.out + output.err
    assert b"Nordmann" not in (made.folder / "kpr.sqlite").read_bytes()


# -- kills -----------------------------------------------------------------------------------------------------------


@dataclass
class Came:
    """A message that came by no transport at all."""

    envelope: Envelope
    body: bytes = b""
    accepted: int = 0
    aside: list[str] = field(default_factory=list)

    def open(self) -> BinaryIO:
        """Its bytes."""
        return io.BytesIO(self.body)

    def accept(self) -> None:
        """Count it."""
        self.accepted += 1

    def set_aside(self, reason: str) -> None:
        """Note it."""
        self.aside.append(reason)


@pytest.mark.parametrize("name", ["keep", "transport_fault.fingerprint"])
def test_a_kill_before_it_is_kept_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The attempt is refused already; the next round keeps the report and takes it off the transport."""
    made = reported(tmp_path, error())

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"kpr.steps.incoming.{name}", killed)
        with pytest.raises(KeyboardInterrupt):
            made.collect()
    assert any(envelope["fault"] for envelope in inbox(made).values())
    made.collect()
    assert inbox(made) == {}
    assert sent(made, MessageKind.IPLOS).state is AttemptState.REFUSED
    assert CODE in made.status().next_act.nb
    assert len(kept(made, InboxKind.TRANSPORT_ERROR)) == 1


def test_a_kill_while_setting_aside_reports_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after telling the sender and before keeping the bytes: the next round keeps them, and tells the same."""
    made = reported(tmp_path)
    made.collect()
    put(made, b"garbage")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(incoming, "_set_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            made.collect()
    made.collect()
    assert told(made) == ["transport:decryption-failed"]
    assert [raw for _, raw in kept(made)] == [b"garbage"]


# -- what nobody can use ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "verdict"),
    [(b"garbage", "NotOpened"), (b"", "NotOpened"), (b"\x30\x80\x00\x00", "NotOpened"), (b"<AppRec/>", "NotOpened")],
)
def test_unreadable_bytes_are_kept_and_reported(tmp_path: Path, body: bytes, verdict: str) -> None:
    """Kept as they came, encrypted; set aside with the reason; and the register is told on its own folder."""
    made = reported(tmp_path)
    made.collect()
    before = made.status()
    came = put(made, body)
    assert made.collect() == {"unreadable": 1}
    assert kept(made) == [(f"unreadable ({verdict})", body)]
    assert reasons(made) == [f"unreadable ({verdict})"]
    [received] = DirectoryTransport(made.folder / "exchange", REGISTER).receive()
    assert received.envelope.fault is not None
    assert received.envelope.fault.condition == "transport:decryption-failed"
    assert received.envelope.fault.original_message_id == came.message_id
    assert (received.envelope.from_her_id, received.envelope.to_her_id) == (OURS, REGISTER)
    assert made.status() == before
    made.register()
    assert inbox(made) == {}  # and it does not answer our error either


def test_what_is_kept_is_encrypted(tmp_path: Path) -> None:
    """The raw bytes may hold anything: nothing of them stands in clear under our own folders."""
    made = reported(tmp_path)
    put(made, b"garbage about " + CANARY.encode())
    made.collect()
    ours = [path for path in made.folder.rglob("*") if path.is_file() and made.folder / "exchange" not in path.parents]
    assert all(CANARY.encode() not in path.read_bytes() for path in ours)


def test_the_same_bytes_twice_are_kept_once(tmp_path: Path) -> None:
    """Two messages with the same unreadable bytes: both are taken off, both are told of, one copy stays."""
    made = reported(tmp_path)
    made.collect()
    put(made, b"garbage")
    put(made, b"garbage")
    assert made.collect() == {"unreadable": 2}
    assert len(kept(made)) == 1
    assert len(told(made)) == 2


@pytest.mark.parametrize(("more", "verdict"), [(0, "unreadable (NotOpened)"), (1, "too large for a receipt")])
def test_what_is_too_large_for_a_receipt_is_kept_apart(tmp_path: Path, more: int, verdict: str) -> None:
    """Above 4 MiB nothing is opened: kept encrypted, whole, set aside, and the sender is told nothing of it."""
    made = reported(tmp_path)
    made.collect()
    body = b"x" * (RECEIPT_LIMIT + more)
    put(made, body)
    assert made.collect() == {"set aside" if more else "unreadable": 1}
    assert [(said, len(raw)) for said, raw in kept(made)] == [(verdict, len(body))]
    assert reasons(made) == [verdict]
    assert len(told(made)) == (0 if more else 1)


def test_an_envelope_without_its_bytes_stops_nobody(tmp_path: Path) -> None:
    """It is set aside like anything that nobody can use, and what waits behind it is read."""
    made = reported(tmp_path)
    lost = put(made, b"garbage")
    (made.folder / "exchange" / OURS / f"{lost.message_id}.p7m").unlink()
    assert made.collect()["receipt: POSITIVE"] == 2
    assert inbox(made) == {}


def test_a_receipt_by_another_certificate_moves_nothing(tmp_path: Path) -> None:
    """It is kept and told to nobody: it may be our copy of the register's certificate that is old."""
    made = reported(tmp_path)
    made.collect()
    before = made.status()
    other = make_identity(make_authority(), "other", Purpose.SIGN)
    raw = protected(made, b"<AppRec/>", other)
    put(made, raw)
    assert made.collect() == {"unreadable": 1}
    assert kept(made) == [("unreadable (WrongSigner)", raw)]
    assert (told(made), made.status()) == ([], before)


@pytest.mark.parametrize("plain", [b"<AppRec/>", b"<Melding/>", b"not XML", b"", b"<!DOCTYPE x><AppRec/>"])
def test_a_good_signature_over_something_that_is_no_receipt(tmp_path: Path, plain: bytes) -> None:
    """It is kept with that reason, and the register is not told that it is to blame."""
    made = reported(tmp_path)
    made.collect()
    raw = protected(made, plain)
    put(made, raw)
    assert made.collect() == {"unreadable": 1}
    assert kept(made) == [("not a receipt", raw)]
    assert told(made) == []


@pytest.mark.parametrize("changes", [{"from_her_id": STRANGER}, {"to_her_id": "8000007"}])
def test_what_names_others_on_its_envelope_is_told_as_foreign(tmp_path: Path, changes: dict[str, str]) -> None:
    """The reason says so, and decides nothing: unreadable stays unreadable."""
    made = reported(tmp_path)
    made.collect()
    with made.open() as place:
        came = Came(replace(Envelope(str(uuid4()), "APPREC", REGISTER, OURS, made.now), **changes), b"garbage")
        assert take_in(place, came) == "unreadable"
    assert came.aside == ["foreign, unreadable (NotOpened)"]


def test_a_receipt_counts_by_its_signature_whatever_the_envelope_says(tmp_path: Path) -> None:
    """Sender and receiver on the envelope decide nothing, since anybody can write them."""
    made = reported(tmp_path)
    for path in (made.folder / "exchange" / OURS).glob("*.json"):
        envelope = json.loads(path.read_text())
        path.write_text(json.dumps(envelope | {"from_her_id": STRANGER, "to_her_id": "", "sent_at": None}))
    assert made.collect()["receipt: POSITIVE"] == 2
    assert made.status().state == "ACCEPTED"


def test_that_the_sender_cannot_be_told_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is tried once; the message is kept and taken off all the same (amqp.md s. 4.2: only logged)."""
    made = reported(tmp_path)
    made.collect()
    put(made, b"garbage")

    def away(*_: object) -> None:
        raise TransportError("away")

    monkeypatch.setattr(DirectoryTransport, "report", away)
    assert made.collect() == {"unreadable": 1}
    assert inbox(made) == {}
    assert len(kept(made)) == 1


@pytest.mark.parametrize(
    "body", [b"<s:Envelope", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"\x00\x01"], ids=["cut", "entity", "binary"]
)
def test_the_bytes_of_an_error_report_that_cannot_be_read_are_kept(tmp_path: Path, body: bytes) -> None:
    """A SOAP fault that nobody understands is kept as it came, or a person would have nothing to look at."""
    made = reported(tmp_path)
    made.collect()
    envelope = from_wire(Wire("a", "to", SOAP_FAULT, properties={"fromHerId": REGISTER}), "error", body)
    with made.open() as place:
        came = Came(envelope, body)
        assert take_in(place, came) == "transport error: unknown message"
    assert came.aside
    [(_, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert base64.b64decode(json.loads(raw)["body"]) == body


# -- reading again ---------------------------------------------------------------------------------------------------


def test_only_the_register_can_refuse_what_was_sent_to_it(tmp_path: Path) -> None:
    """An error report from somebody else, who knows the id, is kept apart: the attempt stands as it was."""
    made = Place(tmp_path, persons=5)
    made.report()
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        attempt = place.attempts.latest(place.store.message(latest.id, MessageKind.IPLOS).id)
        assert attempt is not None
        sent = Envelope(attempt.message_id, "KPR_IPL", "8000002", "9999999", place.clock())
    stranger = DirectoryTransport(made.folder / "exchange", "9999999")
    stranger.report(Fault("transport:internal-error", attempt.message_id, noticed_at=sent.sent_at), sent)
    assert made.collect() == {"transport error: foreign": 1}
    assert made.status().do == "nothing"
    with made.open() as place:
        again = place.attempts.latest(attempt.message_ref)
        assert again is not None
        assert again.state is AttemptState.DELIVERED


def hide_certificate(made: Place) -> bytes:
    """Put another certificate in the place of the register's; the right one."""
    path = made.folder / "keys" / "register-sign.pem"
    right = path.read_bytes()
    write_identity(make_identity(make_authority(), "old", Purpose.SIGN), path, made.folder / "unused.key")
    return right


def test_reading_again_tells_nobody(tmp_path: Path) -> None:
    """What stood on the envelope is not known any more, so no report goes out, and none lands anywhere else."""
    made = reported(tmp_path)
    made.collect()
    put(made, b"garbage")
    made.collect()
    before = {path for path in (made.folder / "exchange").rglob("*") if path.is_file()}
    with made.open() as place:
        assert reread(place).counts() == {"unreadable": 1}
        assert len(place.store.set_aside("unreadable")) == 1
    assert {path for path in (made.folder / "exchange").rglob("*") if path.is_file()} == before


def test_reading_again_loses_no_receipt_of_another_year(tmp_path: Path) -> None:
    """Set aside by the wrong year while our copy of a certificate was old, it is counted in the right year later."""
    made = reported(tmp_path)
    right = hide_certificate(made)
    with open_workplace(of_year(made, 2021)) as place:
        assert collect(place).counts()["unreadable"] == 2
    (made.folder / "keys" / "register-sign.pem").write_bytes(right)
    with open_workplace(of_year(made, 2021)) as place:
        reread(place)
    with made.open() as place:
        reread(place)
        collect(place)
    assert made.status().verdict.accepted


# -- the codes that we tell ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusals.NotOpened("x"), "transport:decryption-failed"),
        (refusals.BadSignature("x"), "transport:invalid-signature"),
        (refusals.Unsupported("x"), "transport:unsupported-message"),
        (refusals.OutOfDate("x"), "transport:expired-certificate"),
        (refusals.Revoked("x"), "transport:revoked-certificate"),
        (refusals.WrongUse("x"), "transport:invalid-certificate"),
        (refusals.WrongSigner("x"), "transport:invalid-certificate"),
        (BadCertificate("x"), "transport:invalid-certificate"),
        (BadMessage("x"), "transport:not-well-formed-xml"),
        (BadSettings("x"), "transport:internal-error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BadInput) else "",
)
def test_each_refusal_is_told_by_its_code(error: BadInput, code: str) -> None:
    """The most precise code of the specification (s. 2.2.6); what is our own fault is told as internal."""
    assert refusals.condition_of(error) == code


def test_times_of_reports_are_ours(tmp_path: Path) -> None:
    """An error that we report says when we noticed it, by our own clock."""
    made = reported(tmp_path)
    made.collect()
    put(made, b"garbage")
    made.at(datetime(2021, 1, 9, 8, tzinfo=UTC))
    made.collect()
    [received] = DirectoryTransport(made.folder / "exchange", REGISTER).receive()
    assert received.envelope.fault is not None
    assert received.envelope.fault.noticed_at == made.now
