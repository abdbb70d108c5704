"""The stand-in register on the EDI route: its own signals, duplicates, what it refuses, and scenarios that cannot be played."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from edi_place import (
    OURS,
    REGISTER,
    edi_place,
    files,
    hold_back,
    line,
    newest,
    our_packaging,
    register_packaging,
    sent_of,
    soap_of,
)
from place import Place

from kpr.errors import BadSettings, TransportError
from kpr.messages.ebxml.model import Soap
from kpr.packaging.ebxml import EbXml
from kpr.packaging.open import open_packaging
from kpr.registry.scenario import OF_EDI, Play, Scenario, load_scenario
from kpr.security.vault import Vault
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.settings import EdiSettings
from kpr.transports.seam import Envelope
from kpr.years import load_year

ID = "0b9c2f0a-0f3d-4a51-9d3c-5d7c5f0a1b2c"


def reported(tmp_path: Path, *plays: dict[str, Any]) -> Place:
    """A place whose report lies before the register."""
    made = edi_place(tmp_path, *plays)
    made.report()
    return made


def answered(made: Place, action: str) -> list[Soap]:
    """The envelopes that wait for us with this action."""
    found = [soap_of(raw) for raw in files(made, "to-municipality").values() if b"multipart/report" not in raw]
    return [soap for soap in found if soap.header and soap.header.action == action]


def ours(
    made: Place, plain: bytes = b"<MsgHead/>", change: Callable[[EbXml], EbXml] = lambda it: it, **of: Any
) -> bytes:
    """Bytes as we pack them for the register, with whatever is wanted otherwise."""
    values: dict[str, Any] = {"message_id": str(uuid4()), "conversation_id": str(uuid4()), **of}
    envelope = Envelope(values.pop("message_id"), "KPR_IPL", OURS, REGISTER, made.now, **values)
    out = io.BytesIO()
    change(our_packaging(made)).pack(io.BytesIO(plain), len(plain), out, envelope)
    return out.getvalue()


def lay(made: Place, raw: bytes, name: str = "") -> None:
    """Something in the register's inbox."""
    folder = line(made) / "to-register"
    folder.mkdir(exist_ok=True)
    (folder / (name or f"{uuid4()}.mime")).write_bytes(raw)


def repeated(made: Place, action: str) -> None:
    """The same message comes again, as it was sent."""
    lay(made, sent_of(made, action)[0])


# -- duplicates --------------------------------------------------------------------------------------------------------


def test_a_duplicate_gets_the_same_acknowledgment_and_no_second_receipt(tmp_path: Path) -> None:
    """However often it comes: the same bytes of SOAP, and the message counts once."""
    made = reported(tmp_path)
    made.register()
    first = hold_back(made, "Acknowledgment")
    receipts = len(answered(made, "APPREC"))
    for _ in range(3):
        made.later(hours=12)
        repeated(made, "KPR_IPL")
        made.register()
        [again] = hold_back(made, "Acknowledgment")
        assert again in first
    assert len(answered(made, "APPREC")) == receipts == 2


def test_another_message_under_the_same_id_is_not_answered(tmp_path: Path) -> None:
    """A false duplicate is logged, taken away, and neither handed on nor acknowledged."""
    made = reported(tmp_path)
    made.register()
    hold_back(made, "Acknowledgment")
    hold_back(made, "APPREC")
    lay(made, ours(made, message_id=newest(made).transport_id))
    made.register()
    assert files(made, "to-municipality", "to-register") == {}


@pytest.mark.parametrize("form", ["spec", "soap"])
def test_a_refused_message_that_comes_again_is_refused_again(tmp_path: Path, form: str) -> None:
    """HIS 1037 s. 6.2.1: the same error signal, and not the next play of the scenario."""
    made = reported(tmp_path, {"type": "iplos", "number": 1, "error": "ebxml:OtherXml", "error_form": form})
    made.register()
    hold_back(made, "Acknowledgment")
    hold_back(made, "APPREC")
    [first] = files(made, "to-municipality").values()
    repeated(made, "KPR_IPL")
    made.register()
    assert list(files(made, "to-municipality").values()) == [first, first]


def test_a_message_that_cannot_be_opened_is_refused_the_same_each_time(tmp_path: Path) -> None:
    """What is really wrong with it is told by the same signal when it comes again."""
    made = edi_place(tmp_path)
    raw = ours(made, change=lambda it: replace(it, settings=it.settings.model_copy(update={"time_to_live_hours": 1})))
    made.later(hours=2)
    for _ in range(2):
        lay(made, raw)
        made.register()
    told = answered(made, "MessageError")
    assert [error.code for soap in told for error in soap.errors] == ["TimeToLiveExpired"] * 2
    assert len({soap.header.message_id for soap in told if soap.header}) == 1


def test_a_returned_mail_has_not_come(tmp_path: Path) -> None:
    """The same eb:MessageId is handled when it is sent again, and acknowledged then."""
    made = reported(tmp_path, {"type": "iplos", "number": 1, "returned": True})
    made.register()
    assert len(answered(made, "APPREC")) == 1
    repeated(made, "KPR_IPL")
    made.register()
    assert len(answered(made, "APPREC")) == 2
    assert len(answered(made, "Acknowledgment")) == 2


# -- what it refuses ---------------------------------------------------------------------------------------------------


def _with_header(**change: str) -> Callable[[EbXml], EbXml]:
    def changed(packaging: EbXml) -> EbXml:
        class Careless(EbXml):
            def _header(self, *words: Any) -> Any:
                return replace(super()._header(*words), **change)

        table = type("Blind", (), {"demand_ours": lambda *_: None})()
        return Careless(packaging.settings, packaging.keys, OURS, REGISTER, packaging.agreements, table)

    return changed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cpa_id": "x"}, "ValueNotRecognized"),
        ({"service": ""}, "OtherXml"),
        ({"message_id": "uten form"}, "ValueNotRecognized"),
    ],
)
def test_a_message_that_breaks_a_rule_gets_its_code(tmp_path: Path, change: dict[str, str], code: str) -> None:
    """HITS 1172: signed error signal with code and number; no receipt, no acknowledgment."""
    made = edi_place(tmp_path)
    lay(made, ours(made, change=_with_header(**change)))
    made.register()
    [soap] = answered(made, "MessageError")
    [error] = soap.errors
    assert (error.code, error.description.split()[0]) == (code, "Rule")
    assert len(files(made, "to-municipality")) == 1


def test_a_wrong_receiver_is_told_by_a_fault(tmp_path: Path) -> None:
    """Rule 54 is on SOAP's level; the fault names the message by In-Reply-To."""
    made = edi_place(tmp_path)
    lay(made, ours(made, message_id=ID, change=_with_header(to_her_id="8000009")))
    made.register()
    [raw] = files(made, "to-municipality").values()
    assert f"In-Reply-To: <{ID}.00000000@file>".encode() in raw
    assert soap_of(raw).fault_code.endswith("Client")


def test_a_sender_whom_the_register_does_not_know_is_told_nothing(tmp_path: Path) -> None:
    """HITS 1168 s. 5.3: kept, set aside, and no word to anybody."""
    made = edi_place(tmp_path)
    lay(made, ours(made, change=_with_header(from_her_id="8000009")))
    made.register()
    assert files(made, "to-municipality") == {}
    assert len(files(made, "register-failed")) == 2


@pytest.mark.parametrize("signal", ["Acknowledgment", "MessageError"])
def test_the_register_never_answers_a_signal(tmp_path: Path, signal: str) -> None:
    """Whatever it refers to; two programs that answer each other would never end."""
    made = reported(tmp_path, {"type": "iplos", "number": 1, "error": "ebxml:OtherXml"})
    made.register()
    theirs = hold_back(made, signal)[0]
    hold_back(made, "APPREC")
    hold_back(made, "Acknowledgment")
    hold_back(made, "MessageError")
    lay(made, theirs)
    made.register()
    assert files(made, "to-municipality") == {}


def test_a_message_that_is_too_large_stops_nobody_else(tmp_path: Path) -> None:
    """Larger than agreed, it is refused as such; what lies behind it is handled in the same step."""
    made = edi_place(tmp_path)
    lay(made, ours(made, bytes(2_000_000), message_id=ID), "a.mime")
    os.utime(line(made) / "to-register" / "a.mime", (1, 1))
    made.report()
    settings = (made.folder / "register" / "register.yaml").read_text("utf-8")
    limited = settings.replace("kind: edi", "kind: edi\n  max_bytes: 1_200_000")
    (made.folder / "register" / "register.yaml").write_text(limited, "utf-8")
    made.register()
    assert len(answered(made, "APPREC")) == 2
    assert [error.code for soap in answered(made, "MessageError") for error in soap.errors] == ["NotSupported"]
    assert len(files(made, "register-failed")) == 2


def test_garbage_before_the_register_stops_nothing(tmp_path: Path) -> None:
    """Kept and set aside without an answer, since nobody can say whose it is."""
    made = edi_place(tmp_path)
    for number, body in enumerate((b"x", b"\0" * 100, b"Content-Type: text/xml\r\n\r\n<a/>", bytes(range(256)) * 100)):
        lay(made, body, f"{number}.mime")
    made.report()
    made.register()
    assert len(answered(made, "APPREC")) == 2
    assert len(answered(made, "Acknowledgment")) == 2
    assert answered(made, "MessageError") == []
    assert files(made, "to-register") == {}


# -- what cannot leave -------------------------------------------------------------------------------------------------


def test_a_signal_that_cannot_leave_stays_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full folder at the other side: at the next step all that was due goes out, once."""
    made = reported(tmp_path)

    def away(*_: object) -> None:
        raise TransportError("away")

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", away)
        made.register()
    assert files(made, "to-municipality") == {}
    made.register()
    assert (len(answered(made, "Acknowledgment")), len(answered(made, "APPREC"))) == (2, 2)
    made.register()
    assert len(files(made, "to-municipality")) == 4


# -- plays -------------------------------------------------------------------------------------------------------------


def test_the_receipt_goes_first_however_late_it_is(tmp_path: Path) -> None:
    """receipt_first with late_hours: the acknowledgment waits as long as the receipt does."""
    made = reported(tmp_path, {"type": "iplos", "receipt_first": True, "late_hours": 5})
    made.register()
    assert len(answered(made, "Acknowledgment")) == 1
    made.later(hours=5)
    made.register()
    assert len(answered(made, "Acknowledgment")) == 2
    assert len(answered(made, "APPREC")) == 2


def test_a_late_acknowledgment_has_its_own_hours(tmp_path: Path) -> None:
    """Not a minute before, and once."""
    made = reported(tmp_path, {"type": "iplos", "acknowledge_late_hours": 3})
    made.register()
    assert len(answered(made, "Acknowledgment")) == 1
    made.later(hours=2, minutes=59)
    made.register()
    assert len(answered(made, "Acknowledgment")) == 1
    made.later(minutes=1)
    made.register()
    made.register()
    assert len(answered(made, "Acknowledgment")) == 2


def test_a_doubled_acknowledgment_comes_twice_and_no_more(tmp_path: Path) -> None:
    """The same bytes in two files."""
    made = reported(tmp_path, {"type": "iplos", "acknowledge_double": True})
    made.register()
    made.register()
    assert len(answered(made, "Acknowledgment")) == 3
    assert len(set(hold_back(made, "Acknowledgment"))) == 2


EXCLUDED = [
    {"acknowledge_from_try": 0, "acknowledge_double": True},
    {"acknowledge_from_try": 0, "acknowledge_as_warning": True},
    {"acknowledge_from_try": 0, "acknowledge_late_hours": 1},
    {"acknowledge_from_try": 0, "receipt_first": True},
    {"acknowledge_from_try": 3, "acknowledge_double": True},
    {"acknowledge_from_try": 3, "error": "ebxml:OtherXml"},
    {"acknowledge_from_try": 0, "returned": True},
    {"silent": True, "receipt_first": True},
    {"wrong_signature": True, "unknown_certificate": True},
    *({"returned": True, name: True} for name in OF_EDI if name not in ("returned", "acknowledge_late_hours")),
    *({"error": "ebxml:X", name: True} for name in OF_EDI if name != "acknowledge_late_hours"),
    {"returned": True, "silent": True},
    {"returned": True, "negative": "T02"},
    {"returned": True, "acknowledge_late_hours": 2},
    {"error": "ebxml:X", "acknowledge_late_hours": 2},
]


@pytest.mark.parametrize("play", EXCLUDED, ids=str)
def test_plays_that_exclude_each_other_are_refused(tmp_path: Path, play: dict[str, Any]) -> None:
    """What could not be played as it is written is told when the scenario is read, by both names."""
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump({"plays": [play]}), "utf-8")
    with pytest.raises(BadSettings, match="exclude each other") as told:
        load_scenario(path)
    assert all(name in str(told.value) for name in play)


@pytest.mark.parametrize(
    "play",
    [
        {"acknowledge_from_try": 3, "acknowledge_late_hours": 2},
        {"acknowledge_from_try": 3, "receipt_first": True},
        {"acknowledge_from_try": 3, "acknowledge_as_warning": True},
        {"acknowledge_from_try": 0, "silent": True},
        {"acknowledge_double": True, "receipt_first": True, "late_hours": 3},
        {"wrong_signature": True, "negative": "T02"},
        {"error": "ebxml:OtherXml", "error_form": "soap"},
    ],
    ids=str,
)
def test_plays_that_go_together_are_taken(play: dict[str, Any]) -> None:
    """Only what contradicts itself is refused."""
    assert Play(**play).type == "iplos"


@pytest.mark.parametrize("name", [*OF_EDI, "acknowledge_from_try"])
def test_edi_plays_are_refused_on_a_route_that_acknowledges_nothing(tmp_path: Path, name: str) -> None:
    """The practice folder and the bus have no such signals: the register says so when it starts."""
    value: Any = {"acknowledge_late_hours": 2, "acknowledge_from_try": 2}.get(name, True)
    made = Place(tmp_path, [{"type": "iplos", name: value}], persons=1)
    with pytest.raises(BadSettings, match=name) as told:
        made.register()
    assert "kind edi" in str(told.value)


def test_an_edi_play_is_refused_through_a_message_handler(tmp_path: Path) -> None:
    """There the handler acknowledges, so that the register could not play it."""
    made = edi_place(tmp_path, {"returned": True})
    path = made.folder / "register" / "register.yaml"
    path.write_text(path.read_text("utf-8").replace("kind: edi", "kind: edi\n  form: handler"), "utf-8")
    with pytest.raises(BadSettings, match="returned"):
        made.register()


def test_nothing_of_edi_is_asked_for_by_an_ordinary_scenario() -> None:
    """Only what a play says makes a route necessary."""
    assert Scenario().needs_edi() is None
    assert Scenario(plays=(Play(negative="T02"), Play(type="ident", error="ebxml:X"))).needs_edi() is None
    assert Scenario(plays=(Play(negative="T02"), Play(type="ident", returned=True))).needs_edi() == "returned"


# -- what it keeps -----------------------------------------------------------------------------------------------------


def test_what_is_refused_leaves_no_half_payload_behind(tmp_path: Path) -> None:
    """The vault holds the raw bytes of what was refused, and nothing else of it."""
    made = edi_place(tmp_path)
    lay(made, ours(made, change=_with_header(cpa_id="x")))
    made.register()
    [vault] = [path for path in (made.folder / "register").rglob("vault") if path.is_dir()]
    [name] = [path.name for path in vault.rglob("*") if path.is_file()]
    assert name.startswith("refused-")


def test_a_full_disk_is_no_fault_of_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message stays on the line, and is handled when there is room."""
    made = reported(tmp_path)

    def full(*_: object) -> None:
        raise BadSettings("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "create", full)
        with pytest.raises(BadSettings):
            made.register()
    assert len(files(made, "to-register")) == 2
    made.register()
    assert len(answered(made, "APPREC")) == 2


def test_the_registers_packaging_is_that_of_its_senders(tmp_path: Path) -> None:
    """Each sender has its own pair of parties, which way round it is."""
    made = edi_place(tmp_path)
    theirs = register_packaging(made)
    assert (theirs.own_her_id, theirs.their_her_id) == (REGISTER, OURS)
    assert (theirs.table.own_her_id, theirs.table.their_her_id) == (REGISTER, OURS)
    assert theirs.agreements("APPREC").cpa_id == our_packaging(made).agreements("KPR_IPL").cpa_id
    handler = EdiSettings.model_validate({**theirs.settings.model_dump(), "form": "handler"})
    assert not isinstance(open_packaging(handler, theirs.keys, load_year(2020), REGISTER, OURS), EbXml)
