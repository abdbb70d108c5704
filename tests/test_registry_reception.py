"""The stand-in register's reception, with real messages: protected, sent, judged, and answered or not."""

from __future__ import annotations

import io
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from lxml import etree
from place import Place

from kpr.calendar import OSLO
from kpr.errors import BadSettings, TransportError
from kpr.messages.app_rec import AppRec, read_app_rec
from kpr.messages.gate import gate
from kpr.registry.formats import format_of
from kpr.registry.register import Register
from kpr.registry.settings import RegisterSettings, load_register_settings
from kpr.registry.state import Due, RegisterState, Seen
from kpr.security.certificates import load_certificate, load_identity
from kpr.security.cms_read import open_protected
from kpr.security.cms_write import protect
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Envelope

OURS, REGISTER = "8000002", "8000004"
NOW = datetime(2021, 1, 7, 10, tzinfo=OSLO)
LIMIT = 1 << 26

Change = Callable[[bytes], bytes]


def swap(old: bytes, new: bytes, times: int = 1) -> Change:
    """A change of some bytes, which must be there."""

    def change(plain: bytes) -> bytes:
        assert old in plain
        return plain.replace(old, new, times)

    return change


def settings_of(place: Place) -> RegisterSettings:
    """The register's settings."""
    return load_register_settings(place.folder / "register" / "register.yaml")


def plain_of(place: Place, message_type: str) -> bytes:
    """The plain message of a type that lies in the register's folder, as the register opens it."""
    keys = place.folder / "register" / "keys"
    identity = load_identity(keys / "decrypt.pem", keys / "decrypt.key")
    inbox = place.folder / "exchange" / REGISTER
    for path in inbox.glob("*.json"):
        if json.loads(path.read_text())["message_type"] == message_type:
            out = io.BytesIO()
            with path.with_suffix(".p7m").open("rb") as body:
                open_protected(body, out, identity, load_certificate(keys / "municipality-sign.pem"), limit=LIMIT)
            return out.getvalue()
    raise AssertionError("nothing of this type was sent")


def send(place: Place, plain: bytes, message_type: str = "KPR_IPL", *, sender: str = OURS, id: str = "") -> str:
    """Protect and send as the municipality does; the transport's id."""
    keys = place.folder / "keys"
    out = io.BytesIO()
    recipient = load_certificate(keys / "register-encrypt.pem")
    protect(io.BytesIO(plain), len(plain), out, load_identity(keys / "sign.pem", keys / "sign.key"), recipient)
    envelope = Envelope(id or str(uuid4()), message_type, sender, REGISTER, NOW)
    DirectoryTransport(place.folder / "exchange", sender).send(
        envelope, io.BytesIO(out.getvalue()), len(out.getvalue())
    )
    return envelope.message_id


def answer_bytes(place: Place) -> list[bytes]:
    """The receipts that lie in the municipality's folder, opened as it opens them."""
    keys = place.folder / "keys"
    identity, found = load_identity(keys / "decrypt.pem", keys / "decrypt.key"), []
    for received in DirectoryTransport(place.folder / "exchange", OURS).receive():
        if received.envelope.fault is not None:
            continue
        out = io.BytesIO()
        with received.open() as body:
            open_protected(body, out, identity, load_certificate(keys / "register-sign.pem"), limit=LIMIT)
        found.append(out.getvalue())
    return found


def answers(place: Place) -> list[AppRec]:
    """The same, read."""
    return [read_app_rec(data) for data in answer_bytes(place)]


def reasons(place: Place) -> list[str]:
    """Why messages were set aside."""
    aside = place.folder / "exchange" / REGISTER / "aside"
    return [path.read_text().strip() for path in sorted(aside.glob("*.reason"))]


def kept(place: Place) -> set[str]:
    """What lies in the register's vault, but for the raw bytes of what it refused."""
    names = {path.name for path in (place.folder / "register" / "state" / "vault").glob("*")}
    return {name for name in names if not name.startswith("refused-")}


def reported(place: Place) -> list[str]:
    """The errors that the municipality is told of by the transport."""
    waiting = DirectoryTransport(place.folder / "exchange", OURS).receive()
    return [received.envelope.fault.condition for received in waiting if received.envelope.fault]


@cache
def _messages() -> dict[str, bytes]:
    """Both messages of one good submission, plain."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), persons=8)
        place.report()
        return {kind: plain_of(place, kind) for kind in ("KPR_IDE", "KPR_IPL")}


def message(kind: str, change: Change = lambda plain: plain) -> bytes:
    """A good message, changed, under a MsgId of its own."""
    plain = re.sub(rb"<MsgId>[^<]*", b"<MsgId>" + str(uuid4()).encode(), _messages()[kind])
    return change(plain)


def verdict(tmp_path: Path, kind: str, change: Change, version: str = "1.1") -> AppRec:
    """The one receipt for a changed message."""
    place = Place(tmp_path, persons=1, version=version)
    send(place, message(kind, change), kind)
    place.register()
    [receipt] = answers(place)
    return receipt


@pytest.mark.parametrize("kind", ["KPR_IDE", "KPR_IPL"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_good_message_gets_a_positive_receipt_that_mirrors_it(tmp_path: Path, kind: str, version: str) -> None:
    """Protected message in the folder, protected receipt back: status 1, addresses mirrored, version as asked."""
    receipt = verdict(tmp_path, kind, lambda plain: plain, version)
    assert (receipt.version, receipt.status, receipt.errors, receipt.faults) == (version, "1", (), ())
    assert (receipt.sender_her_id, receipt.receiver_her_id) == (REGISTER, OURS)
    assert receipt.original_type == kind
    assert receipt.original_issue_date == NOW


def cut(plain: bytes) -> bytes:
    """The message without its end."""
    return plain[: len(plain) * 2 // 3]


REJECTED = {
    "not whole": ("KPR_IPL", cut, "T01"),
    "not XML after the head": ("KPR_IDE", swap(b"<PasientIdent", b"<<PasientIdent"), "T01"),
    "a required element is missing": ("KPR_IPL", lambda p: re.sub(rb"<iiKomnr>.*?</iiKomnr>", b"", p, count=1), "T02"),
    "a required key is missing": ("KPR_IDE", swap(b" pid=", b" pidd="), "T02"),
    "another version of the same format": ("KPR_IPL", swap(b'versjon="3.7"', b'versjon="3.8"'), "T02"),
    "a format that nobody knows": ("KPR_IDE", swap(b"53_1_3_ide", b"99_9_9_ide"), "T10"),
    "a payload of another kind": ("KPR_IPL", swap(b"www.npr.no/xmlstds/iplos/2019", b"example.invalid/x"), "T10"),
    "a data year that nobody knows": ("KPR_IPL", swap(b"<iiFraDato>2020", b"<iiFraDato>1987"), "T10"),
    "the format of another data year": ("KPR_IPL", swap(b"<iiFraDato>2020", b"<iiFraDato>2018"), "T10"),
    "MsgId in braces": ("KPR_IPL", lambda p: re.sub(rb"<MsgId>([^<]*)", rb"<MsgId>{\1}", p), "E10"),
    "MsgId without dashes": ("KPR_IDE", lambda p: re.sub(rb"(?<=<MsgId>)[^<]*", b"a" * 32, p), "E10"),
    "another receiving service of ours": ("KPR_IPL", swap(b"<Id>8000004", b"<Id>8000009"), "E10"),
    "our service under another organisation": ("KPR_IPL", swap(b"<Id>8000003", b"<Id>8000009"), "E21"),
    "a head of the other kind": ("KPR_IPL", swap(b'<Type V="KPR_IPL"', b'<Type V="KPR_IDE"'), "T99"),
}


@pytest.mark.parametrize(("kind", "change", "code"), REJECTED.values(), ids=REJECTED.keys())
def test_a_message_that_cannot_be_used_is_rejected_with_its_code(
    tmp_path: Path, kind: str, change: Change, code: str
) -> None:
    """Each fault of the message gets the most precise code of list 8221 (R22), and nothing of it is kept."""
    receipt = verdict(tmp_path, kind, change)
    assert (receipt.status, [error.code for error in receipt.errors]) == ("2", [code])
    assert kept(Place(tmp_path, persons=1)) == set()


@pytest.mark.parametrize(("change", "code"), [(REJECTED["a format that nobody knows"][1], "T99"),
                                              (REJECTED["MsgId without dashes"][1], "X99")])  # fmt: skip
def test_receipts_of_the_old_version_use_its_own_codes(tmp_path: Path, change: Change, code: str) -> None:
    """AppRec 1.0 has neither T10 nor E10: the generic code stands in, with the detail filled (R22)."""
    [error] = verdict(tmp_path, "KPR_IDE", change, "1.0").errors
    assert error.code == code
    assert error.detail


NOT_READ = "transport:not-well-formed-xml"
UNANSWERED = {
    "from another sender": (swap(b"<Id>8000002", b"<Id>8000009"), "spoofing", "abuse:spoofing-attack"),
    "without sender": (lambda p: re.sub(rb"<Sender>.*?</Sender>", b"", p, flags=re.DOTALL), "be read", NOT_READ),
    "without MsgId": (lambda p: re.sub(rb"<MsgId>[^<]*", b"<MsgId>", p), "MsgId", NOT_READ),
    "without head": (lambda p: b"<Melding/>", "cannot be read", NOT_READ),
    "with a DOCTYPE": (lambda p: p.replace(b"<MsgHead", b"<!DOCTYPE x><MsgHead", 1), "DOCTYPE", NOT_READ),
}


@pytest.mark.parametrize(("change", "why", "code"), UNANSWERED.values(), ids=UNANSWERED.keys())
def test_some_messages_get_no_receipt_but_an_error(tmp_path: Path, change: Change, why: str, code: str) -> None:
    """R17: where the head cannot be used there is no receipt; the transport reports it, and it is set aside, kept."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IPL", change))
    place.register()
    assert answers(place) == []
    [reason] = reasons(place)
    assert why in reason or why in code
    assert reported(place) == [code]
    assert kept(place) == set()


def test_a_message_for_somebody_else_gets_no_answer_at_all(tmp_path: Path) -> None:
    """HITS 1168 s. 5.3: neither receipt nor error; it is set aside with the reason."""
    place = Place(tmp_path, persons=1)
    plain = message("KPR_IPL", swap(b"<Id>8000003", b"<Id>8000008"))
    send(place, swap(b"<Id>8000004", b"<Id>8000009")(plain))
    place.register()
    assert (answers(place), reported(place)) == ([], [])
    [reason] = reasons(place)
    assert "5.3" in reason


def test_faults_in_the_content_do_not_reject(tmp_path: Path) -> None:
    """Invalid codes get a positive receipt all the same (HIS 80415 s. 3.3.2), and the view lacks what was deleted."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IDE"), "KPR_IDE")
    send(place, message("KPR_IPL", lambda p: re.sub(rb"<peKjonn>.", b"<peKjonn>X", p, count=2)))
    place.register()
    assert [receipt.status for receipt in answers(place)] == ["1", "1"]
    view = latest(place)
    assert view is not None
    assert (view["persons_sent"], view["persons_kept"], view["message_deleted"]) == (8, 6, False)


def latest(place: Place) -> dict[str, object] | None:
    """What the view rests on."""
    state = RegisterState(place.folder / "register" / "state")
    try:
        return state.latest_view("1103", 2020)
    finally:
        state.close()


def test_a_message_that_the_register_deletes_is_told_in_the_view(tmp_path: Path) -> None:
    """A header value that deletes the whole message: the receipt is positive, and the view holds nobody."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IDE"), "KPR_IDE")
    send(place, message("KPR_IPL", lambda p: re.sub(rb"<iiTilDato>\d*", b"<iiTilDato>20200231", p)))
    place.register()
    assert [receipt.status for receipt in answers(place)] == ["1", "1"]
    view = latest(place)
    assert view is not None
    assert (view["message_deleted"], view["persons_kept"]) == (True, 0)


def test_without_its_ident_message_nothing_is_shown(tmp_path: Path) -> None:
    """L21: an IPLOS message alone is accepted and cannot be used, until an ident message of that number comes."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IPL"))
    place.register()
    assert [receipt.status for receipt in answers(place)] == ["1"]
    assert latest(place) is None
    send(place, message("KPR_IDE", swap(b'lopenr="1"', b'lopenr="2"')), "KPR_IDE")
    place.register()
    assert latest(place) is None
    send(place, message("KPR_IDE", swap(b'lopenr="1"', b'lopenr="001"')), "KPR_IDE")
    place.register()
    assert latest(place) is not None


def test_the_same_msg_id_is_answered_once(tmp_path: Path) -> None:
    """R18: a second message under the same MsgId, whatever its case, is ignored; what was kept of the first stays."""
    place = Place(tmp_path, persons=1)
    plain = message("KPR_IPL")
    send(place, plain)
    place.register()
    before = kept(place)
    send(place, re.sub(rb"(?<=<MsgId>)[^<]*", lambda found: found.group().upper(), plain))
    place.register()
    assert len(answers(place)) == 1
    assert kept(place) == before
    assert len(before) == 1


def test_the_same_transport_id_is_only_logged(tmp_path: Path) -> None:
    """A message under a transport id that was handled is not opened again: another MsgId in it gets no answer."""
    place = Place(tmp_path, persons=1)
    id = send(place, message("KPR_IPL"))
    place.register()
    before = kept(place)
    for path in (place.folder / "exchange" / REGISTER / "done").iterdir():
        path.unlink()
    send(place, message("KPR_IPL"), id=id)
    place.register()
    assert len(answers(place)) == 1
    assert reasons(place) == []
    assert kept(place) == before


def test_a_message_without_its_body_stops_nobody(tmp_path: Path) -> None:
    """An envelope whose protected bytes are gone is set aside, and the next message is answered."""
    place = Place(tmp_path, persons=1)
    id = send(place, message("KPR_IPL"))
    (place.folder / "exchange" / REGISTER / f"{id}.p7m").unlink()
    send(place, message("KPR_IDE"), "KPR_IDE")
    place.register()
    assert reasons(place) == ["BadMessage"]
    assert [receipt.original_type for receipt in answers(place)] == ["KPR_IDE"]


def test_an_expired_certificate_is_not_accepted(tmp_path: Path) -> None:
    """A signature by a certificate that has run out is set aside, by the register's clock."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IPL"))
    place.at(datetime(2046, 1, 1, tzinfo=UTC))
    place.register()
    [reason] = reasons(place)
    assert "expired" in reason
    assert answers(place) == []
    assert reported(place) == ["transport:expired-certificate"]


def test_what_cannot_leave_stays_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the transport is away the answers wait, the mail goes out meanwhile, and none is doubled afterwards."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IDE"), "KPR_IDE")
    register = Register(settings_of(place))
    whole = DirectoryTransport.send

    def away(*_: object) -> None:
        raise TransportError("away")

    monkeypatch.setattr(DirectoryTransport, "send", away)
    assert register.step(NOW) == 2
    assert answers(place) == []
    monkeypatch.setattr(DirectoryTransport, "send", whole)
    assert register.step(NOW) == 1
    assert register.step(NOW) == 0
    register.close()
    assert len(answers(place)) == 1
    assert len(list((place.folder / "mail" / "new").iterdir())) == 1


def test_a_kill_before_it_is_written_down_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the payload was kept and before the database knew: taken up again, answered once, nothing left over."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IDE"), "KPR_IDE")
    whole = RegisterState.handled

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RegisterState, "handled", killed)
    with pytest.raises(KeyboardInterrupt):
        place.register()
    assert len(kept(place)) == 3
    monkeypatch.setattr(RegisterState, "handled", whole)
    place.register()
    assert len(answers(place)) == 1
    assert len(kept(place)) == 1


def test_a_kill_before_it_is_taken_off_the_transport_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the answers were written down: the message lies there still, and is answered once."""
    place = Place(tmp_path, persons=1)
    send(place, message("KPR_IPL"))
    with monkeypatch.context() as patched:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr("kpr.transports.directory.DirectoryMessage.accept", killed)
        with pytest.raises(KeyboardInterrupt):
            place.register()
    place.register()
    place.register()
    assert len(answers(place)) == 1
    assert len(kept(place)) == 1


def test_nothing_of_a_message_stands_in_clear(tmp_path: Path) -> None:
    """Canary: ids in an accepted, a rejected, a deficient and a waiting message stand nowhere under the register."""
    place = Place(tmp_path, [{"type": "ident", "number": 3, "late_hours": 5, "mail_late_hours": 5}], persons=1)
    canary = b"01818012337"
    with_canary = lambda p: re.sub(rb'fid="[^"]*"', b'fid="' + canary + b'"', p)  # noqa: E731
    send(place, message("KPR_IDE", with_canary), "KPR_IDE")
    send(place, cut(message("KPR_IDE", with_canary)), "KPR_IDE")
    send(place, message("KPR_IDE", lambda p: re.sub(rb'pid="[^"]*"', b'pid="' + canary + b'"', p, count=1)), "KPR_IDE")
    place.register()
    assert [receipt.status for receipt in answers(place)] == ["1", "2"]
    for path in [*(tmp_path / "register").rglob("*"), *(tmp_path / "mail").rglob("*")]:
        if path.is_file():
            assert canary not in path.name.encode() + path.read_bytes(), path.name


def test_due_times_are_compared_across_zones(tmp_path: Path) -> None:
    """What is due at ten in Norway is due at nine UTC, whichever of the two the clock speaks."""
    state = RegisterState(tmp_path)
    seen = Seen("a", OURS, "t", "ident", NOW)
    state.handled(seen, [Due(NOW, "mail", OURS, "name", b"key", None)], None)
    assert state.due(datetime(2021, 1, 7, 8, 59, tzinfo=UTC)) == []
    assert [due.at for due in state.due(datetime(2021, 1, 7, 9, 0, tzinfo=UTC))] == [NOW]
    with pytest.raises(ValueError, match="zone"):
        state.due(datetime(2021, 1, 7, 12, 0))  # noqa: DTZ001
    state.close()


def test_a_failed_write_keeps_nothing_of_it(tmp_path: Path) -> None:
    """Message, answers and what is kept are written together: when the last fails, the first are not there."""
    state = RegisterState(tmp_path)
    broken = replace(Due(NOW, "mail", OURS, "name", b"key", None), wrapped_key=object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        state.handled(Seen("a", OURS, "t", "ident", NOW), [broken], None)
    assert state.is_new("a")
    assert not state.has_come(OURS, "t")
    state.close()


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """A database that an older version made is named, and not written to."""
    database = sqlite3.connect(tmp_path / "register.sqlite")
    database.execute("CREATE TABLE seen (msg_id TEXT)")
    database.close()
    with pytest.raises(BadSettings, match="another version"):
        RegisterState(tmp_path)


def test_the_register_takes_what_its_own_looser_schema_allows() -> None:
    """For data year 2018 the register validates with its own copy, which has no enumerations."""
    form = format_of("http://www.npr.no/xmlstds/iplos/2018")
    assert form is not None
    assert (form.family, form.version, form.schema) == ("iplos", "3.5", "3.5-receiver")
    assert format_of("http://www.npr.no/xmlstds/iplos/2019") is not None
    assert format_of("http://www.kith.no/xmlstds/msghead/2006-05-24") is None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_receipts_follow_the_official_schema(tmp_path: Path, official: Path, version: str) -> None:
    """What the register answers is valid by the official AppRec schema of its version, not by ours alone."""
    place = Place(tmp_path, persons=1, version=version)
    send(place, message("KPR_IPL"))
    send(place, message("KPR_IPL", swap(b'versjon="3.7"', b'versjon="3.8"')))
    place.register()
    schema = etree.XMLSchema(etree.parse(official / "schemas" / "apprec" / f"apprec-v{version}.xsd"))
    receipts = answer_bytes(place)
    assert len(receipts) == 2
    for receipt in receipts:
        schema.assertValid(etree.fromstring(receipt))


def test_the_gate_passes_what_these_tests_start_from() -> None:
    """The unchanged messages are good, so that each rejection above is due to its change alone."""
    for kind, family, version in (("KPR_IDE", "ident", "53.1.3"), ("KPR_IPL", "iplos", "3.7")):
        assert gate(io.BytesIO(message(kind)), family, version).persons == 8
