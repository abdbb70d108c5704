"""The proof: it says what was sent and what came back, without a person in it, and any change to it is found."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from typer.testing import CliRunner

from kpr.calendar import OSLO
from kpr.cli.app import app
from kpr.errors import BadInput, BadMessage, Locked
from kpr.proof.bundle import FACTS, MANIFEST, PAGE, SIGNATURE, manifest_json, unpack
from kpr.proof.signed import detached_signature, signed_bundle
from kpr.proof.verify import not_trusted, verify
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity
from kpr.steps.extract import kept_rows
from kpr.steps.mirror import give, sign
from kpr.steps.proof import compare_with_store, make_proof
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
    facts = {name: parts[name] for name in (FACTS, PAGE)}
    with season()[0].open() as place:
        again = unpack(signed_bundle(facts, place.signing_identity))
    assert again[MANIFEST] == parts[MANIFEST]
    assert {name: again[name] for name in facts} == facts


def test_an_altered_value_is_named() -> None:
    """Whoever writes another person's approval, or another hash, is told which value it was."""
    facts = json.loads(unpack(proof())[FACTS])
    facts["approved_by"] = "en annen"
    facts["messages"][0]["sha256"] = "0" * 64
    told = said(changed(proof(), proof_json=json.dumps(facts).encode()))
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
    facts = json.loads(parts[FACTS]) | {"approved_by": "en annen"}
    altered = {FACTS: json.dumps(facts).encode(), PAGE: parts[PAGE]}
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
    parts = unpack(proof())
    facts = {name: parts[name] for name in (FACTS, PAGE)}
    ours, theirs = make_authority(), make_authority()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(ours.certificate.public_bytes(Encoding.PEM))
    forged = verify(signed_bundle(facts, make_identity(theirs, "En annen", Purpose.SIGN)))
    assert (forged.signer, forged.altered) == ("En annen", ())
    assert "ikke til å stole på" in " ".join(text.nb for text in not_trusted(forged, roots))
    good = verify(signed_bundle(facts, make_identity(ours, "Vår kommune", Purpose.SIGN)))
    assert not_trusted(good, roots) == ()


def test_a_certificate_that_was_not_valid_then_is_told() -> None:
    """Signed with a certificate whose days do not hold the day on which the proof says that it was made."""
    parts = unpack(proof())
    facts = json.loads(parts[FACTS]) | {"made_at": "2231-01-01T00:00:00+00:00"}
    signer = make_identity(make_authority(), "kommune", Purpose.SIGN)
    raw = signed_bundle({FACTS: json.dumps(facts).encode(), PAGE: parts[PAGE]}, signer)
    assert "da beviset ble laget" in said(raw)


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
    """A proof of a later version of the program is not guessed at."""
    manifest = json.loads(unpack(proof())[MANIFEST]) | {"format": 2}
    with pytest.raises(BadMessage, match="nyere utgave"):
        verify(changed(proof(), manifest_json=json.dumps(manifest).encode()))


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


def test_it_is_held_against_what_is_here(tmp_path: Path) -> None:
    """The same store agrees; a proof that tells of another hash does not, by name; another municipality's is refused."""
    made, raw = season()
    with made.open() as place:
        assert compare_with_store(place, verify(raw)) == ()
        found = verify(raw)
        found.said["messages"][0]["sha256"] = "0" * 64
        assert "messages.IDENT.sha256" in " ".join(text.nb for text in compare_with_store(place, found))
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

    made.at(datetime(2021, 4, 26, 8, tzinfo=OSLO))
    with made.open() as place:
        purge(place, by="rolle A")
        found = verify(make_proof(place).content)
    assert found.altered == ()
    assert {answer["sha256"] for answer in found.said["answers"]} == {""}


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
        found = verify(make_proof(place).content)
    assert found.said["standing"]["right"]
    assert found.said["signed"]["who"] == "leder"
    assert {row["agreement"] for row in found.said["view"]} <= {"EQUAL", "SMALL"}
