"""The proof: it says what was sent and what came back, without a person in it, and any change to it is found."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from typer.testing import CliRunner

from kpr.calendar import OSLO
from kpr.cli.app import app
from kpr.errors import Altered, BadInput, BadMessage, Locked
from kpr.mirror.document import document_json, read_document
from kpr.persons.decisions import Verdict
from kpr.proof.bundle import FACTS, MANIFEST, PAGE, SIGNATURE, manifest_json, unpack
from kpr.proof.signed import detached_signature, signed_bundle
from kpr.proof.verify import not_trusted, verify
from kpr.security.certificates import Identity, Purpose
from kpr.security.throwaway import make_authority, make_identity
from kpr.steps.extract import kept_rows
from kpr.steps.mirror import give, sign
from kpr.steps.persons import decide, look
from kpr.steps.proof import make_proof
from kpr.steps.proof_here import compare_with_store
from kpr.store import KeptKind

runner = CliRunner()


@cache
def season() -> tuple[Place, bytes]:
    """A season that was signed as right, and its proof: made once, and never changed by a test."""
    folder = Path(mkdtemp(prefix="kpr-proof-"))
    made = Place(folder, persons=40)
    made.report()
    made.later(hours=1)
    made.exchange()
    with made.open() as place:
        (version,) = place.store.submissions()
        act = place.act("fagansvarlig", "flyttet til en annen tjeneste")
        place.judgements.give_reason(version.id, "X32", "tjTjenType 6", 3, 60, act)
        give(place, b"T1.personer=1", by="fagansvarlig")
        content = make_proof(place, by="fagansvarlig").content
    return made, content


def proof() -> bytes:
    """The proof of that season."""
    return season()[1]


def changed(raw: bytes, **parts: bytes | None) -> bytes:
    """The same file with other parts; None takes one away. ``proof_json`` is ``proof.json``."""
    whole: dict[str, bytes | None] = {**unpack(raw), **{name.replace("_", "."): part for name, part in parts.items()}}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name, content in whole.items():
            if content is not None:
                bundle.writestr(name, content)
    return out.getvalue()


@cache
def municipality_signer() -> Identity:
    """The certificate with which that season's proof was signed."""
    with season()[0].open() as place:
        return place.signing_identity


def told_as(signer: Identity | None = None, **values: Any) -> bytes:
    """That season's proof with other values in it, signed anew, by the same signer unless another is given."""
    parts = unpack(proof())
    facts = json.loads(parts[FACTS]) | values
    return signed_bundle({FACTS: json.dumps(facts).encode(), PAGE: parts[PAGE]}, signer or municipality_signer())


def facts() -> dict[str, Any]:
    """What that season's proof says."""
    found: dict[str, Any] = json.loads(unpack(proof())[FACTS])
    return found


def enterprise(name: str, number: str, authority: Identity | None = None, *, ec: bool = False) -> Identity:
    """A certificate as an enterprise has it: its name, and its organisation number as the newer ones bear it."""
    authority = authority or make_authority()
    made = make_identity(authority, name, Purpose.SIGN, key=municipality_signer().private_key)
    key: Any = generate_private_key(SECP256R1()) if ec else made.private_key
    old = made.certificate
    names = [NameAttribute(NameOID.ORGANIZATION_NAME, name), NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, number)]
    builder = CertificateBuilder(old.issuer, Name(names), key.public_key(), old.serial_number)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Identity(builder.sign(authority.private_key, SHA256()), key)


def said(raw: bytes) -> str:
    """What was altered, in words."""
    return " ".join(text.nb for text in verify(raw).altered)


def test_a_proof_that_nobody_touched_is_whole() -> None:
    """It names the municipality, both messages with their ids and hashes, the answers, and who signed."""
    found = verify(proof())
    assert found.altered == ()
    assert found.signer == "municipality sign"
    assert (found.said["whose"]["municipality"], found.said["whose"]["version"]) == ("1103", 1)
    assert found.said["standing"] == {
        "state": "ACCEPTED", "ident_leg": "FEEDBACK_OK", "delivered": True, "accepted": True, "right": False
    }  # fmt: skip
    made, _ = season()
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        for message in place.store.messages(latest.id):
            (told,) = (each for each in found.said["messages"] if each["kind"] == message.kind)
            assert (told["msg_id"], told["sha256"]) == (message.msg_id, message.content_sha256)
            assert all(len(trip["protected_sha256"]) == 64 for trip in told["transports"])
    assert {answer["kind"] for answer in found.said["answers"]} == {"RECEIPT", "IDENT_MAIL"}
    assert all(len(answer["sha256"]) == 64 for answer in found.said["answers"])
    assert found.said["approved_by"] == "rolle A"
    assert len(found.said["event_head"]) == 64


def test_no_person_is_in_it() -> None:
    """Neither a national id nor the name of a contact stands in any part, and small counts are left out."""
    made, raw = season()
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        people = {fid for (fid,) in kept_rows(place, latest).select("ident", ("fid",)) if fid}
    text = "".join(part.decode("utf-8", "replace") for part in unpack(raw).values())
    assert len(people) == 40
    assert [fid for fid in people if fid in text] == []
    rows = verify(raw).said["view"]
    assert rows
    assert not [
        row
        for row in rows
        if row["ours"] is not None
        and 0 < row["ours"] < 5
        and not row["row"].startswith("T2.po")
        and not row["row"].startswith("T3.po")
    ]


def test_openssl_says_the_same(tmp_path: Path) -> None:
    """The signature is plain CMS: openssl verifies it over the manifest, and refuses another manifest."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    parts = unpack(proof())
    (tmp_path / "signature").write_bytes(parts[SIGNATURE])
    for name, content, good in (("manifest", parts[MANIFEST], True), ("other", parts[MANIFEST] + b" ", False)):
        (tmp_path / name).write_bytes(content)
        command = [openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-noverify"]
        done = subprocess.run(
            [*command, "-content", name, "-out", "out"], cwd=tmp_path, capture_output=True, check=False
        )
        assert (done.returncode == 0) is good


def test_the_same_state_gives_the_same_parts() -> None:
    """Everything but the signature is the same when the same facts are packed again."""
    parts = unpack(proof())
    told = {name: parts[name] for name in (FACTS, PAGE)}
    again = unpack(signed_bundle(told, municipality_signer()))
    assert again[MANIFEST] == parts[MANIFEST]
    assert {name: again[name] for name in told} == told


def test_an_altered_value_is_named() -> None:
    """Whoever writes another person's approval, or another hash, is told which value it was."""
    other = facts()
    other["approved_by"] = "en annen"
    other["messages"][0]["sha256"] = "0" * 64
    told = said(changed(proof(), proof_json=json.dumps(other).encode()))
    assert told == "proof.json er endret: approved_by, messages.0.sha256."


def test_what_is_missing_or_added_is_named() -> None:
    """A part that was taken away, and one that was put in."""
    assert said(changed(proof(), proof_html=None)) == "proof.html mangler."
    assert said(changed(proof(), manifest_p7s=None)) == "manifest.p7s mangler."
    assert said(changed(proof(), manifest_json=None)) == "manifest.json mangler."
    assert said(changed(proof(), note_txt=b"x")) == "note.txt er lagt til etter underskriften."


def test_a_new_manifest_does_not_fit_the_signature() -> None:
    """Whoever alters a part and the manifest with it is found by the signature."""
    parts = unpack(proof())
    altered = {FACTS: json.dumps(facts() | {"approved_by": "en annen"}).encode(), PAGE: parts[PAGE]}
    told = said(
        changed(
            proof(),
            proof_json=altered[FACTS],
            manifest_json=manifest_json(altered, json.loads(parts[MANIFEST])["signer"]),
        )
    )
    assert told == "manifest.json eller underskriften (manifest.p7s) er endret: de passer ikke sammen."


def test_signed_anew_by_somebody_else_it_bears_the_other_name(tmp_path: Path) -> None:
    """A forger can sign with a certificate of his own: the name shows, and it leads to none of our roots."""
    ours, theirs = make_authority(), make_authority()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(ours.certificate.public_bytes(Encoding.PEM))
    forged = verify(told_as(make_identity(theirs, "En annen", Purpose.SIGN)))
    assert (forged.signer, forged.altered) == ("En annen", ())
    assert "ikke til å stole på" in " ".join(text.nb for text in not_trusted(forged, roots))
    good = verify(told_as(make_identity(ours, "Vår kommune", Purpose.SIGN)))
    assert not_trusted(good, roots) == ()


def test_a_certificate_that_was_not_valid_then_is_told() -> None:
    """Signed with a certificate whose days do not hold the day on which the proof says that it was made."""
    assert "da beviset ble laget" in said(told_as(made_at="2231-01-01T00:00:00+00:00"))


@given(st.integers(min_value=0), st.integers(1, 255))
def test_no_byte_can_be_changed_unseen(where: int, by: int) -> None:
    """Any byte of the file that is changed is found, or changes nothing that is read: never a whole proof that says else."""
    raw = bytearray(proof())
    raw[where % len(raw)] ^= by
    try:
        found = verify(bytes(raw))
    except BadMessage:
        return
    if not found.altered:
        assert unpack(bytes(raw)) == unpack(proof())


@pytest.mark.parametrize("part", [FACTS, PAGE, MANIFEST, SIGNATURE])
@given(data=st.data())
def test_no_byte_of_a_part_can_be_changed(part: str, data: st.DataObject) -> None:
    """Whatever byte of whatever part is another, something is told; around a signature some bytes say nothing."""
    content = bytearray(unpack(proof())[part])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    found = verify(changed(proof(), **{part: bytes(content)}))
    if part != SIGNATURE or found.altered:
        assert found.altered
    else:
        assert found == verify(proof())


def test_another_certificate_over_the_same_key_is_found() -> None:
    """Whoever puts another name on the key that signed is found: the certificate itself is signed too."""
    with season()[0].open() as place:
        ours = place.signing_identity
        authority = make_authority()
        other = make_identity(authority, "En annen kommune", Purpose.SIGN, key=ours.private_key)
    parts = unpack(proof())
    told = said(changed(proof(), manifest_p7s=detached_signature(parts[MANIFEST], other)))
    assert told == "Sertifikatet i underskriften (manifest.p7s) er et annet enn det som underskrev."


def test_a_later_format_says_so() -> None:
    """A proof of a later version of the program is not guessed at; that its manifest was altered is told first."""
    manifest = json.dumps(json.loads(unpack(proof())[MANIFEST]) | {"format": 2}).encode()
    altered = changed(proof(), manifest_json=manifest)
    assert said(altered) == "manifest.json eller underskriften (manifest.p7s) er endret: de passer ikke sammen."
    with pytest.raises(BadMessage, match="nyere utgave"):
        verify(changed(altered, manifest_p7s=detached_signature(manifest, municipality_signer())))


@pytest.mark.parametrize("number", ["2", None, True, 0, 1.0, [1]])
def test_a_manifest_of_no_format_is_another_program_s(number: object) -> None:
    """What was signed without our format is not called whole."""
    manifest = json.dumps(json.loads(unpack(proof())[MANIFEST]) | {"format": number}).encode()
    signature = detached_signature(manifest, municipality_signer())
    with pytest.raises(BadMessage, match="et annet program"):
        verify(changed(proof(), manifest_json=manifest, manifest_p7s=signature))


@pytest.mark.parametrize(
    "values",
    [
        {"whose": [1]},
        {"whose": "x"},
        {"whose": {}},
        {"whose": None},
        {"standing": []},
        {"messages": [1]},
        {"messages": {}},
        {"messages": [{"kind": []}]},
        {"events": [[]]},
        {"answers": None},
        {"signed": "x"},
        {"rules": {"a": 1}},
        {"format": "1"},
        {"format": True},
        {"format": 2},
        {"event_head": 7},
        {"approved_by": "\ud800"},
        {"whose": {**{"municipality": "1103", "name": "", "environment": "", "organisation_number": ""},
                   **{"data_year": 2020, "version": "abc", "sequence_number": 1}}},
    ],
)  # fmt: skip
def test_what_is_signed_in_another_shape_is_another_program_s(values: dict[str, Any], tmp_path: Path) -> None:
    """One sentence, and no traceback, with settings too; altered as well, it is told as altered."""
    raw = told_as(**values)
    with pytest.raises(BadMessage, match="et annet program"):
        verify(raw)
    assert verify(changed(raw, proof_html=b"x")).said == {}
    file = tmp_path / "bevis.zip"
    file.write_bytes(changed(raw, proof_html=b"x"))
    done = runner.invoke(app, ["proof", "verify", str(file), "--settings", str(season()[0].settings)])
    assert isinstance(done.exception, Altered)


@pytest.mark.parametrize("made_at", ["garbage", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00+00:00", ""])
def test_a_time_that_is_none_is_the_signature_s(made_at: str, tmp_path: Path) -> None:
    """A proof that says no time that can be one was made when it was signed."""
    file = tmp_path / "bevis.zip"
    file.write_bytes(told_as(made_at=made_at))
    assert verify(file.read_bytes()).made_at.year < 9999
    assert runner.invoke(app, ["proof", "verify", str(file)]).exit_code == 0


def test_a_signature_with_an_elliptic_key_is_read_too() -> None:
    """A proof that another signed with such a key holds, and an altered one does not."""
    raw = told_as(enterprise("En annen", "NTRNO-999999999", ec=True))
    assert verify(raw).signer == "En annen (NTRNO-999999999)"
    assert verify(raw).altered == ()
    manifest = unpack(raw)[MANIFEST]
    assert "passer ikke sammen" in said(changed(raw, manifest_json=manifest + b" "))


def test_another_organisation_s_signature_is_told(tmp_path: Path) -> None:
    """Another number than the proof's own is said always, and fails when roots are asked for; the right one does not."""
    authority = make_authority()
    roots, file = tmp_path / "roots.pem", tmp_path / "bevis.zip"
    roots.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    own = facts()["whose"]["organisation_number"]
    sentence = f"Beviset er for organisasjonsnummer {own}, men er underskrevet med sertifikatet til"
    for number, theirs in ((f"NTRNO-{own}", False), (own, False), ("NTRNO-999999999", True), ("999999999", True)):
        file.write_bytes(told_as(enterprise("Eksempel kommune", number, authority)))
        done = runner.invoke(app, ["proof", "verify", str(file)])
        assert (done.exit_code, sentence in done.stdout) == (0, theirs)
        assert "Hvem som helst kan underskrive; se at navnet er riktig, eller bruk --roots." in done.stdout
        told = json.loads(runner.invoke(app, ["proof", "verify", str(file), "--json"]).stdout)
        assert (told["whole"], told["signer_is_another"] is not None) == (True, theirs)
        done = runner.invoke(app, ["proof", "verify", str(file), "--roots", str(roots)])
        assert isinstance(done.exception, Altered) is theirs
        assert (sentence in done.stdout, "Hvem som helst" in done.stdout) == (theirs, False)


def test_what_stands_around_the_parts_is_refused() -> None:
    """Bytes before or behind the zip, and a comment in it, were signed by nobody."""
    commented = io.BytesIO(proof())
    with zipfile.ZipFile(commented, "a") as bundle:
        bundle.comment = b"godkjent"
    for raw in (b"x" + proof(), b"PK\3\4" + proof(), proof() + b"x", commented.getvalue()):
        with pytest.raises(BadMessage, match="foran eller bak"):
            verify(raw)


def test_a_member_of_a_list_is_named_by_its_number() -> None:
    """An event taken away, put in or moved, and a message taken away, are one sentence and not a row of paths."""
    events = facts()["events"]
    cases = (
        ({"events": [events[0], *events[2:]]}, "events: hendelse 2 er fjernet"),
        ({"events": events[:-2]}, f"events: hendelse {len(events) - 1}, {len(events)} er fjernet"),
        ({"events": []}, "events: hendelse 1, 2, 3, 4, 5, 6, 7, 8 (+"),
        ({"events": [*events, events[3]]}, f"events: hendelse {len(events) + 1} er satt inn"),
        ({"events": [events[1], events[0], *events[2:]]}, "events: i en annen rekkefølge"),
        ({"messages": facts()["messages"][:1]}, "messages: melding 2 er fjernet"),
        ({"events": [events[0], {**events[2], "who": "x"}, *events[3:]]}, "hendelse 2 er fjernet, events.2.who."),
        ({"events": [events[0], {**events[1], "who": "x"}, *events[2:]]}, "proof.json er endret: events.1.who."),
        ({"events": 7}, "proof.json er endret: events, events.0.at"),
    )
    for values, sentence in cases:
        altered = json.dumps(facts() | values).encode()
        assert sentence in said(changed(proof(), proof_json=altered))
    for nothing in (b"[]", b"7", b"", b"{"):
        assert said(changed(proof(), proof_json=nothing)) == "proof.json er endret."


def _doubled() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr(FACTS, b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            bundle.writestr(FACTS, b"{}")
    return out.getvalue()


def _named(name: str, content: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(name, content)
    return out.getvalue()


def test_a_file_that_is_no_proof_is_refused() -> None:
    """Garbage, half a zip, two parts of a name, a path in a name, and a bomb: one sentence each, and nothing unpacked."""
    cases = (
        b"",
        b"PK",
        proof()[:500],
        _doubled(),
        _named("../x"),
        _named("/etc/passwd"),
        _named(FACTS, bytes(60_000_000)),
    )
    for raw in cases:
        with pytest.raises(BadMessage):
            verify(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_refused(raw: bytes) -> None:
    """No bytes give anything but a verdict or one error."""
    with pytest.raises(BadMessage):
        verify(raw)


def forgeries() -> dict[str, dict[str, Any]]:
    """What can be written anew in a proof, by the words in which it is told."""
    true = facts()

    def one(name: str, **values: Any) -> dict[str, Any]:
        return {name: [true[name][0] | values, *true[name][1:]]}

    ident, iplos = true["messages"]
    (trip,) = ident["transports"]
    return {
        "messages.IDENT.sha256:": one("messages", sha256="0" * 64),
        "messages.IDENT.receipt:": one("messages", receipt="NEGATIVE"),
        f"messages.IDENT.transports.{trip['message_id']}.protected_sha256:": one(
            "messages", transports=[trip | {"protected_sha256": "0" * 64}]
        ),
        "messages.IDENT.transports:": one("messages", transports=[]),
        "messages: ": {"messages": [ident, iplos, iplos | {"msg_id": "x"}]},
        "answers.1:": one("answers", sha256="0" * 64),
        "answers: ": {"answers": true["answers"][1:]},
        "view:": one("view", view=4711.0),
        "view: ": {"view": []},
        "signed:": {"signed": {"who": "leder", "at": true["made_at"], "why": ""}},
        "events.3.who:": {"events": [*true["events"][:2], true["events"][2] | {"who": "x"}, *true["events"][3:]]},
        "events: hendelse 2 er fjernet": {"events": [true["events"][0], *true["events"][2:]]},
        "events: hendelse 1, 2": {"events": []},
        "events: i en annen": {"events": true["events"][::-1]},
        "event_head:": {"event_head": "0" * 64},
        "standing.accepted:": {"standing": true["standing"] | {"accepted": False}},
        "standing.right:": {"standing": true["standing"] | {"right": True}},
        "rules.content-rules.yaml:": {"rules": {}},
        "reasons: ": {"reasons": []},
        "reasons.1:": one("reasons", why="en annen"),
        "whose.name:": {"whose": true["whose"] | {"name": "En annen kommune"}},
        "approved_by:": {"approved_by": "en annen"},
    }


def test_each_forgery_is_told_against_what_is_here() -> None:
    """Whatever is written anew in a proof and signed again differs from the store, and is named."""
    with season()[0].open() as place:
        for words, values in forgeries().items():
            told = " ".join(text.nb for text in compare_with_store(place, verify(told_as(**values))))
            assert words in told, values


def test_a_forgery_of_an_earlier_moment_is_told_too(tmp_path: Path) -> None:
    """A proof from before the answers came holds after they have come, and one that tells it otherwise does not."""
    made = Place(tmp_path, persons=5)
    made.report()
    with made.open() as place:
        early, signer = make_proof(place).content, place.signing_identity
    made.later(hours=1)
    made.exchange()
    with made.open() as place:
        give(place, b"T1.personer=1", by="fagansvarlig")
        assert compare_with_store(place, verify(early)) == ()
        parts = unpack(early)
        true = json.loads(parts[FACTS])
        assert (true["standing"]["delivered"], true["standing"]["accepted"], true["view"]) == (True, False, [])
        for words, values in {
            "standing.accepted:": {"standing": true["standing"] | {"accepted": True}},
            "standing.delivered:": {"standing": true["standing"] | {"delivered": False}},
            "standing.state:": {"standing": true["standing"] | {"state": "ACCEPTED"}},
            "view:": {"view": facts()["view"]},
            "events: hendelse": {"events": true["events"][1:]},
        }.items():
            forged = signed_bundle({FACTS: json.dumps(true | values).encode(), PAGE: parts[PAGE]}, signer)
            told = " ".join(text.nb for text in compare_with_store(place, verify(forged)))
            assert words in told, values


def test_it_is_held_against_what_is_here(tmp_path: Path) -> None:
    """The same store agrees; another municipality's proof is refused."""
    made, raw = season()
    with made.open() as place:
        assert compare_with_store(place, verify(raw)) == ()
        found = verify(raw)
        found.said["whose"]["municipality"] = "0301"
        with pytest.raises(BadInput, match="annen kommune"):
            compare_with_store(place, found)


def test_the_command_makes_and_verifies(tmp_path: Path) -> None:
    """Made by one command, whole by the next; altered, the exit code is 10 and the sentence says what."""
    made, _ = season()
    file = tmp_path / "bevis.zip"
    done = runner.invoke(app, ["proof", "make", "--settings", str(made.settings), "--out", str(file)])
    assert (done.exit_code, file.stat().st_mode & 0o077) == (0, 0)
    done = runner.invoke(app, ["proof", "verify", str(file)])
    assert (done.exit_code, "Beviset er helt" in done.stdout) == (0, True)
    done = runner.invoke(app, ["proof", "verify", str(file), "--settings", str(made.settings)])
    assert done.exit_code == 0
    file.write_bytes(changed(file.read_bytes(), proof_html=b"x"))
    done = runner.invoke(app, ["proof", "verify", str(file), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["altered"][0]["nb"]) == (10, "proof.html er endret.")


def test_before_anything_was_sent_there_is_nothing_to_prove(tmp_path: Path) -> None:
    """An empty year gives no proof, and keeps none."""
    with Place(tmp_path).open() as place:
        with pytest.raises(Locked, match="ikke noe å bevise"):
            make_proof(place)
        assert place.kept.every(KeptKind.PROOF) == []


def test_after_the_purge_the_proof_can_still_be_made(tmp_path: Path) -> None:
    """What the store knows is enough: hashes of what came in are gone, and said to be."""
    made = Place(tmp_path, persons=5)
    made.report()
    made.exchange()
    from kpr.steps.purge import purge

    with made.open() as place:
        give(place, b"T1.personer=1", by="fagansvarlig")
        before = make_proof(place).content
    made.at(datetime(2021, 4, 26, 8, tzinfo=OSLO))
    with made.open() as place:
        purge(place, by="rolle A")
        found = verify(make_proof(place).content)
        assert found.altered == ()
        assert {answer["sha256"] for answer in found.said["answers"]} == {""}
        for proof_of_it in (found, verify(before)):
            assert compare_with_store(place, proof_of_it) == ()


def test_a_signed_view_stands_in_it(tmp_path: Path) -> None:
    """The signature under the view, and each row, are part of the proof."""
    from kpr.registry.register import Register
    from kpr.registry.settings import load_register_settings
    from kpr.registry.view import view_text

    made = Place(tmp_path, persons=30)
    made.report()
    made.exchange()
    register = Register(load_register_settings(made.folder / "register" / "register.yaml"))
    view = register.state.latest_view("1103", 2020)
    register.close()
    assert view is not None
    with made.open() as place:
        give(place, view_text(view).encode(), by="fagansvarlig")
        sign(place, by="leder", why="holdt opp mot visningen")
        signed = place.kept.newest(KeptKind.VIEW)
        assert signed is not None
        other = replace(read_document(place.kept.read(signed)), given={})
        place.kept.keep(KeptKind.VIEW, document_json(other), place.act("x"), submission_id=signed.submission_id)
        found = verify(make_proof(place).content)
        assert compare_with_store(place, found) == ()
        found.said["signed"]["who"] = "en annen"
        assert "signed:" in compare_with_store(place, found)[0].nb
    assert found.said["standing"]["right"]
    assert {row["agreement"] for row in found.said["view"]} <= {"EQUAL", "SMALL"}


def test_who_decided_what_stands_in_it(tmp_path: Path) -> None:
    """A swing's reason and the decisions about test persons, with who and when, and never whom they were about."""
    made = Place(tmp_path, persons=10)
    made.extract(test_person=2)
    with made.open() as place:
        keys = [line.key for line in look(place).lines]
        for key in keys:
            decide(place, key, Verdict.LEAVE_OUT, by="fagansvarlig", why="Opplæring")
    made.report()
    with made.open() as place:
        told = verify(make_proof(place).content).said["events"]
    decided = [(each["who"], each["at"][:10]) for each in told if each["event"] == "DECIDED"]
    assert decided == [("fagansvarlig", "2021-01-07")] * len(keys)
    (left_out,) = [each for each in told if each["event"] == "LEFT_OUT"]
    assert left_out["to_state"] == str(len(keys))
    assert not [
        each for each in told if each["event"] in ("DECIDED", "LEFT_OUT") and set(each["why"].split()) & {*keys}
    ]
    (reason,) = facts()["reasons"]
    assert (reason["who"], reason["now"], reason["before"]) == ("fagansvarlig", None, 60)
    assert (reason["why"], reason["at"][:10]) == ("flyttet til en annen tjeneste", "2021-01-07")
