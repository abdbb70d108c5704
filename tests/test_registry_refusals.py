"""What the stand-in register cannot take in: kept raw, reported in the reference receiver's words, counted once."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import pytest
from place import Place
from test_registry_reception import NOW, OURS, REGISTER, answers, message, reasons, reported, send, settings_of

from kpr.errors import BadCertificate, BadMessage, TransportError
from kpr.log import configure_logs
from kpr.registry.reception import NoReceipt
from kpr.registry.refusals import Refusals, missing_fields
from kpr.registry.register import Register
from kpr.registry.scenario import Play
from kpr.registry.state import RegisterState
from kpr.security import refusals
from kpr.security.vault import MasterKey, Vault
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Envelope, ErrorForm, Fault

STRANGER = "8000009"
WHOLE = Envelope("6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11", "KPR_IPL", OURS, REGISTER, NOW)
CANARY = "01818012337"


# -- one message at a time, without a transport ----------------------------------------------------------------------


@dataclass
class Came:
    """A message that came, and what became of it."""

    envelope: Envelope
    body: bytes = b"raw"
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


@dataclass
class Line:
    """A transport that remembers what was reported, and may be away."""

    waiting: list[Came] = field(default_factory=list)
    told: list[tuple[Fault, Envelope, ErrorForm]] = field(default_factory=list)
    away: bool = False

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:
        """Remember it."""
        if self.away:
            raise TransportError("away")
        self.told.append((fault, of, form))

    def receive(self) -> Iterator[Came]:
        """What waits and was not taken yet."""
        yield from [came for came in self.waiting if not came.accepted and not came.aside]

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:
        """Nobody looks at it."""

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class Desk:
    """Refusals with everything that they need."""

    folder: Path
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        self.vault = Vault(self.folder / "vault", MasterKey(bytes(32)))
        self.state = RegisterState(self.folder)
        self.refusals = Refusals(self.line, self.vault, self.state)

    def raw(self) -> list[bytes]:
        """The raw bytes of all refused messages, in the order in which they came."""
        with sqlite3.connect(self.folder / "register.sqlite") as database:
            rows = database.execute("SELECT name, wrapped_key FROM refused ORDER BY rowid").fetchall()
        database.close()
        return [self.vault.get(name, key) for name, key in rows]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One desk."""
    made = Desk(tmp_path)
    yield made
    made.state.close()


ALL = ("to_her_id", "from_her_id", "message_type", "sent_at")


@pytest.mark.parametrize(
    ("lacking", "names"),
    [
        ((), []),
        (("to_her_id",), ["toHerId"]),
        (("from_her_id",), ["fromHerId"]),
        (("message_type",), ["Label"]),
        (("sent_at",), ["applicationTimeStamp"]),
        (("sent_at", "message_type"), ["Label", "applicationTimeStamp"]),
        (ALL, ["toHerId", "fromHerId", "Label", "applicationTimeStamp"]),
    ],
)
def test_missing_fields_have_the_reference_receivers_names_and_order(
    lacking: tuple[str, ...], names: list[str]
) -> None:
    """As amqp.md s. 4.1 has them: the subject is called Label."""
    changes = {name: None if name == "sent_at" else "" for name in lacking}
    assert missing_fields(replace(WHOLE, **changes)) == names


def test_an_incomplete_envelope_is_reported_in_its_words(desk: Desk) -> None:
    """Golden (amqp.md s. 6.2): code, sentence, and each name with a semicolon; kept raw, and set aside."""
    came = Came(replace(WHOLE, message_type="", sent_at=None))
    assert desk.refusals.refuse_incomplete(came, NOW)
    [(fault, of, form)] = desk.line.told
    assert fault == Fault(
        "transport:invalid-field-value",
        WHOLE.message_id,
        "One or more fields are missing",
        "Label;applicationTimeStamp;",
        NOW,
    )
    assert (of, form) == (came.envelope, ErrorForm.SPEC)
    assert (came.aside, desk.raw()) == (["incomplete envelope"], [b"raw"])


def test_a_whole_envelope_is_not_refused(desk: Desk) -> None:
    """Nothing is kept, reported or taken off."""
    came = Came(WHOLE)
    assert not desk.refusals.refuse_incomplete(came, NOW)
    assert (came.aside, desk.line.told, desk.raw()) == ([], [], [])


def test_an_unknown_sender_is_told_nothing(desk: Desk) -> None:
    """HITS 1168 s. 5.3: kept raw, set aside, and nobody hears of it."""
    came = Came(replace(WHOLE, from_her_id=STRANGER))
    desk.refusals.refuse_unknown(came, NOW)
    assert (came.aside, desk.line.told, desk.raw()) == (["unknown sender"], [], [b"raw"])


@pytest.mark.parametrize(
    ("why", "condition", "reason"),
    [
        (refusals.NotOpened("about 01818012337"), "transport:decryption-failed", "NotOpened"),
        (refusals.BadSignature("about 01818012337"), "transport:invalid-signature", "BadSignature"),
        (refusals.Unsupported("about 01818012337"), "transport:unsupported-message", "Unsupported"),
        (refusals.WrongSigner("another one"), "transport:invalid-certificate", "WrongSigner: another one"),
        (refusals.OutOfDate("expired"), "transport:expired-certificate", "OutOfDate: expired"),
        (BadCertificate("odd"), "transport:invalid-certificate", "BadCertificate: odd"),
        (BadMessage("about 01818012337"), "transport:not-well-formed-xml", "BadMessage"),
        (NoReceipt("spoofed", condition="abuse:spoofing-attack"), "abuse:spoofing-attack", "NoReceipt: spoofed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_why_a_message_cannot_be_used_is_told_by_its_code(desk: Desk, why: Any, condition: str, reason: str) -> None:
    """The sender gets the code and a sentence of ours; the reason beside the message quotes nothing of it."""
    came = Came(WHOLE)
    desk.refusals.refuse(came, why, NOW)
    [(fault, _, _)] = desk.line.told
    assert fault == Fault(condition, WHOLE.message_id, "The message cannot be used.", "", NOW)
    assert came.aside == [reason]
    assert desk.state.reasons() == [(WHOLE.message_id, reason)]


def test_a_message_for_somebody_else_is_told_to_nobody(desk: Desk) -> None:
    """No code, no report; the reason is kept with it."""
    came = Came(WHOLE)
    desk.refusals.refuse(came, NoReceipt("The message is for somebody else."), NOW)
    assert (desk.line.told, came.aside) == ([], ["NoReceipt: The message is for somebody else."])


@pytest.mark.parametrize("form", ErrorForm)
def test_a_played_error_goes_out_as_the_scenario_wants_it(desk: Desk, form: ErrorForm) -> None:
    """Code, words, data and form are the scenario's; the message counts as one of its family."""
    play = Play(error="transport:x", error_detail="words", error_data="a;", error_form=form.value)
    desk.refusals.play(Came(WHOLE), play, "iplos", NOW)
    assert desk.line.told == [(Fault("transport:x", WHOLE.message_id, "words", "a;", NOW), WHOLE, form)]
    assert (desk.state.count("iplos"), desk.state.count("ident")) == (1, 0)


def test_a_refused_message_that_nobody_could_open_counts_for_no_family(desk: Desk) -> None:
    """What is not known to be the n-th of anything is counted nowhere."""
    desk.refusals.refuse(Came(WHOLE), refusals.NotOpened("x"), NOW)
    assert (desk.state.count("iplos"), desk.state.count("ident"), desk.state.count("")) == (0, 0, 1)


def test_that_the_sender_cannot_be_told_changes_nothing(desk: Desk) -> None:
    """Kept, and set aside all the same (amqp.md s. 4.2: only logged)."""
    desk.line.away = True
    came = Came(WHOLE)
    desk.refusals.refuse(came, BadMessage("x"), NOW)
    assert (came.aside, desk.raw()) == (["BadMessage"], [b"raw"])


def test_the_same_refused_twice_is_kept_once(desk: Desk) -> None:
    """Taken up again after a kill: one entry, one copy, and the report has the same id again."""
    for _ in range(2):
        desk.refusals.refuse(Came(WHOLE), BadMessage("x"), NOW)
    assert desk.raw() == [b"raw"]
    assert [fault.original_message_id for fault, _, _ in desk.line.told] == [WHOLE.message_id] * 2


@pytest.mark.parametrize("from_her_id", ["", OURS, STRANGER])
def test_messages_without_an_id_are_all_kept(desk: Desk, from_her_id: str) -> None:
    """Nothing tells them apart but their bytes: one does not take another's place."""
    for body in (b"first", b"second", b"third"):
        desk.refusals.refuse_unknown(Came(replace(WHOLE, message_id="", from_her_id=from_her_id), body), NOW)
    assert desk.raw() == [b"first", b"second", b"third"]


def test_raw_bytes_are_kept_encrypted(desk: Desk) -> None:
    """They may hold anything, so nothing of them stands in clear, nor of the problem's words in the log."""
    desk.refusals.refuse(Came(WHOLE, b"about " + CANARY.encode()), BadMessage(f"about {CANARY}"), NOW)
    for path in desk.folder.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
    assert desk.raw() == [b"about " + CANARY.encode()]


def test_the_log_tells_the_kind_of_reason_only(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """What a problem says stays with the message; the log has its kind and the transport's id."""
    configure_logs(as_json=True)
    desk.refusals.refuse(Came(WHOLE), NoReceipt("Nordmann", condition="transport:x"), NOW)
    said = json.loads(capsys.readouterr().err)
    assert (said["reason"], said["transport_id"]) == ("NoReceipt", WHOLE.message_id)


def test_another_senders_message_under_the_same_id_is_another_message(desk: Desk) -> None:
    """Ids are each sender's own."""
    desk.refusals.refuse_unknown(Came(WHOLE, b"one"), NOW)
    desk.refusals.refuse_unknown(Came(replace(WHOLE, from_her_id=STRANGER), b"other"), NOW)
    assert desk.raw() == [b"one", b"other"]


# -- the whole register ----------------------------------------------------------------------------------------------


def spoil(place: Place, **changes: Any) -> None:
    """Change the envelopes that wait for the register."""
    for path in (place.folder / "exchange" / REGISTER).glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def kept(place: Place) -> list[bytes]:
    """The raw bytes of what the register refused, out of its vault."""
    settings = settings_of(place)
    vault = Vault(settings.state_folder / "vault", MasterKey.load(settings.vault_key_file))
    with sqlite3.connect(settings.state_folder / "register.sqlite") as database:
        rows = database.execute("SELECT name, wrapped_key FROM refused ORDER BY rowid").fetchall()
    database.close()
    return [vault.get(name, key) for name, key in rows]


def faults(place: Place) -> list[Fault]:
    """The error reports that wait for the municipality."""
    waiting = DirectoryTransport(place.folder / "exchange", OURS).receive()
    return [received.envelope.fault for received in waiting if received.envelope.fault]


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"to_her_id": ""}, "toHerId;"),
        ({"message_type": ""}, "Label;"),
        ({"sent_at": None}, "applicationTimeStamp;"),
        ({"to_her_id": "", "message_type": "", "sent_at": None}, "toHerId;Label;applicationTimeStamp;"),
    ],
)
def test_the_register_reports_an_incomplete_envelope_before_it_opens_it(
    tmp_path: Path, changes: dict[str, Any], data: str
) -> None:
    """A good message under a bad envelope gets no receipt but an error; the raw bytes are those that came."""
    place = Place(tmp_path, persons=1)
    id = send(place, message("KPR_IPL"))
    raw = (place.folder / "exchange" / REGISTER / f"{id}.p7m").read_bytes()
    spoil(place, **changes)
    place.register()
    [fault] = faults(place)
    assert (fault.condition, fault.data, fault.original_message_id) == ("transport:invalid-field-value", data, id)
    assert (answers(place), reasons(place), kept(place)) == ([], ["incomplete envelope"], [raw])


@pytest.mark.parametrize("from_her_id", ["", STRANGER])
def test_the_register_tells_an_unknown_sender_nothing(tmp_path: Path, from_her_id: str) -> None:
    """Also an incomplete envelope of a stranger, or of nobody, is only kept; no folder appears for it."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IPL"))
    spoil(place, from_her_id=from_her_id, message_type="")
    before = {path.name for path in (place.folder / "exchange").iterdir()}
    place.register()
    assert (faults(place), answers(place), reasons(place)) == ([], [], ["unknown sender"])
    assert len(kept(place)) == 1
    assert {path.name for path in (place.folder / "exchange").iterdir()} == before


def test_a_played_error_counts_as_the_nth_message(tmp_path: Path) -> None:
    """The first is refused, the second answered, the third refused: each counts once, of its own family."""
    plays = [{"type": "iplos", "number": number, "error": "transport:internal-error"} for number in (1, 3)]
    place = Place(tmp_path, plays, persons=1)
    for expected in (["transport:internal-error"], [], ["transport:internal-error"], []):
        before = len(reported(place))
        send(place, message("KPR_IPL"))
        send(place, message("KPR_IDE"), "KPR_IDE")
        place.register()
        assert reported(place)[before:] == expected
    assert [receipt.original_type for receipt in answers(place)].count("KPR_IPL") == 2
    assert len(kept(place)) == 2


def test_the_same_message_after_a_played_error_is_handled(tmp_path: Path) -> None:
    """Under another transport id it has never been handled (S2), so it gets its receipt."""
    place = Place(tmp_path, [{"type": "iplos", "number": 1, "error": "transport:internal-error"}], persons=1)
    plain = message("KPR_IPL")
    send(place, plain)
    place.register()
    send(place, plain)
    place.register()
    assert [receipt.status for receipt in answers(place)] == ["1"]
    assert len(reported(place)) == 1


def again(place: Place, id: str, part: str = "aside") -> None:
    """Deliver a message once more under the same transport id."""
    folder = place.folder / "exchange" / REGISTER
    for suffix in (".json", ".p7m"):
        shutil.copy(folder / part / f"{id}{suffix}", folder / f"{id}{suffix}")


def test_a_duplicate_of_a_refused_message_is_only_logged(tmp_path: Path) -> None:
    """The same transport id again: not opened, not counted, not reported a second time, and taken off."""
    place = Place(tmp_path, [{"type": "iplos", "number": 1, "error": "transport:internal-error"}], persons=1)
    id = send(place, message("KPR_IPL"))
    place.register()
    before = kept(place)
    for path in (place.folder / "exchange" / OURS).iterdir():
        path.unlink()
    again(place, id)
    place.register()
    assert (faults(place), answers(place), kept(place)) == ([], [], before)
    assert not list((place.folder / "exchange" / REGISTER).glob("*.json"))


def test_a_kill_before_it_is_reported_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the refusal was written down and before the sender was told: the next step tells it, once."""
    place = Place(tmp_path, [{"type": "iplos", "number": 1, "error": "transport:internal-error"}], persons=1)
    send(place, message("KPR_IPL"))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(DirectoryTransport, "report", killed)
        with pytest.raises(KeyboardInterrupt):
            place.register()
    place.register()
    place.register()
    assert reported(place) == ["transport:internal-error"]
    assert len(kept(place)) == 1


def test_a_kill_before_it_is_set_aside_tells_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after telling: the message lies there still, and its sender is not told of it as a second one."""
    place = Place(tmp_path, [{"type": "iplos", "number": 1, "error": "transport:internal-error"}], persons=1)
    send(place, message("KPR_IPL"))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("kpr.transports.directory.DirectoryMessage.set_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            place.register()
    place.register()
    assert reported(place) == ["transport:internal-error"]
    assert len(kept(place)) == 1
    assert not list((place.folder / "exchange" / REGISTER).glob("*.json"))


def test_an_error_report_to_the_register_is_never_answered(tmp_path: Path) -> None:
    """It is taken off; nothing is kept as refused, and no error goes back."""
    place = Place(tmp_path, persons=1)
    about = Envelope(str(uuid4()), "APPREC", REGISTER, OURS, NOW)
    DirectoryTransport(place.folder / "exchange", OURS).report(Fault("transport:x", about.message_id), about)
    assert len(list((place.folder / "exchange" / REGISTER).glob("*.json"))) == 1
    place.register()
    assert (faults(place), kept(place)) == ([], [])
    assert not list((place.folder / "exchange" / REGISTER).glob("*.json"))


def test_two_good_messages_without_a_transport_id_stop_nobody(tmp_path: Path) -> None:
    """Over a bus a message may come without any id: each is handled or refused, and none wipes out another."""
    place = Place(tmp_path, persons=1)
    ids = [send(place, message(kind), kind) for kind in ("KPR_IPL", "KPR_IDE")]
    folder = place.folder / "exchange" / REGISTER
    waiting = [
        Came(Envelope("", kind, OURS, REGISTER, NOW), (folder / f"{id}.p7m").read_bytes())
        for id, kind in zip(ids, ("KPR_IPL", "KPR_IDE"), strict=True)
    ]
    register, line = Register(settings_of(place)), Line(waiting)
    register.transport = line
    register.refusals = replace(register.refusals, transport=line)
    try:
        register.step(NOW)
        assert all(came.accepted or came.aside for came in waiting)
        payloads = {path.name for path in (settings_of(place).state_folder / "vault").iterdir()}
        assert len(payloads) == 2
    finally:
        register.close()


def test_nothing_of_a_refused_message_stands_in_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A canary in the bytes of a refused message is in no file of the register and in no log."""
    place = Place(tmp_path, persons=1)
    configure_logs(as_json=True)
    body = f"about {CANARY}".encode()
    envelope = Envelope(str(uuid4()), "KPR_IPL", OURS, REGISTER, NOW)
    DirectoryTransport(place.folder / "exchange", OURS).send(envelope, io.BytesIO(body), len(body))
    place.register()
    assert kept(place) == [body]
    output = capsys.readouterr()
    assert CANARY not in output.out + output.err
    for path in (place.folder / "register").rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
