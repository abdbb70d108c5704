"""Our own keys: PKCS#12 or PEM, and a pair that was replaced while an answer was on its way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from place import Place

from kpr.errors import BadCertificate, BadSettings
from kpr.security.certificates import Purpose, load_identity
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.steps.watch import watch


def _change_keys(made: Place, **values: str | None) -> None:
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    settings["keys"] = {k: v for k, v in (settings["keys"] | values).items() if v is not None}
    made.settings.write_text(yaml.safe_dump(settings), "utf-8")


def _as_pkcs12(made: Place, name: str, password: bytes) -> None:
    identity = load_identity(made.folder / "keys" / f"{name}.pem", made.folder / "keys" / f"{name}.key")
    bundle = serialize_key_and_certificates(
        b"kpr", identity.private_key, identity.certificate, None, BestAvailableEncryption(password)
    )
    (made.folder / "keys" / f"{name}.p12").write_bytes(bundle)
    for suffix in (".pem", ".key"):
        (made.folder / "keys" / f"{name}{suffix}").unlink()


def test_the_season_with_pkcs12_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file for certificate and key, each with a password of its own by the environment, is all that is needed."""
    made = Place(tmp_path)
    for name, password in (("sign", b"one"), ("decrypt", b"two")):
        _as_pkcs12(made, name, password)
    _change_keys(
        made,
        signing_certificate="keys/sign.p12",
        signing_key=None,
        decryption_certificate="keys/decrypt.p12",
        decryption_key=None,
    )
    monkeypatch.setenv("KPR_KEYS__SIGNING_PASSWORD", "one")
    monkeypatch.setenv("KPR_KEYS__PASSWORD", "two")
    made.report()
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_passwords_from_files(tmp_path: Path) -> None:
    """Each municipality's own, as a house of many needs them: one for both keys, and one that goes before it."""
    made = Place(tmp_path)
    for name, password in (("sign", b"one"), ("decrypt", b"two")):
        _as_pkcs12(made, name, password)
    for name, content in (("all", "two\n"), ("signing", "one\n")):
        (made.folder / "keys" / f"{name}.password").write_text(content)
        (made.folder / "keys" / f"{name}.password").chmod(0o600)
    _change_keys(
        made,
        signing_certificate="keys/sign.p12",
        signing_key=None,
        decryption_certificate="keys/decrypt.p12",
        decryption_key=None,
        password_file="keys/all.password",
        signing_password_file="keys/signing.password",
    )
    made.report()
    made.exchange()
    assert made.status().state == "ACCEPTED"
    (made.folder / "keys" / "signing.password").chmod(0o644)
    made.persons += 1
    made.extract()
    with pytest.raises(BadSettings, match=r"Others than its owner .*keys\.signing_password_file"):
        made.report(mended="rettet")


def test_a_wrong_password_is_told_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and the sentence does not show the password."""
    made = Place(tmp_path)
    _as_pkcs12(made, "sign", b"right")
    _change_keys(made, signing_certificate="keys/sign.p12", signing_key=None)
    monkeypatch.setenv("KPR_KEYS__PASSWORD", "hemmelig-feil")
    with pytest.raises(BadCertificate, match="password does not fit") as told:
        made.report()
    assert "hemmelig" not in str(told.value)


@pytest.mark.parametrize("keeps_former", [True, False])
def test_answers_for_the_replaced_certificate_are_read_while_it_is_kept(tmp_path: Path, keeps_former: bool) -> None:
    """A receipt encrypted for the old pair is read when the settings still name it, and kept unread when not."""
    made = Place(tmp_path)
    made.report()
    made.register()  # the receipts are encrypted for the present pair, and lie there
    for suffix in ("pem", "key"):
        (made.folder / "keys" / f"decrypt.{suffix}").rename(made.folder / "keys" / f"old.{suffix}")
    renewed = make_identity(make_authority(), "renewed", Purpose.ENCRYPT)
    write_identity(renewed, made.folder / "keys" / "decrypt.pem", made.folder / "keys" / "decrypt.key")
    if keeps_former:
        _change_keys(made, former_decryption_certificate="keys/old.pem", former_decryption_key="keys/old.key")
    came = made.collect()
    assert came.get("receipt: POSITIVE", 0) == (2 if keeps_former else 0)
    assert came.get("unreadable", 0) == (0 if keeps_former else 2)


def test_watch_tells_of_a_certificate_that_ends_before_the_register_closes(tmp_path: Path) -> None:
    """Each day until it is replaced: which setting, when it ends, and what to do; and nothing of who it belongs to."""
    made = Place(tmp_path)
    keys = made.folder / "keys"
    ends = datetime(2021, 2, 1, tzinfo=UTC)
    short = make_identity(make_authority(), "Noen Bestemt AS", Purpose.SIGN, valid_to=ends)
    write_identity(short, keys / "sign.pem", keys / "sign.key")
    with made.open() as place:
        [alarm] = watch(place)
    assert alarm.id == "certificate:keys.signing_certificate:30"
    assert "før siste frist" in alarm.text.nb
    assert "Noen Bestemt" not in alarm.text.nb + alarm.text.en
