"""Certificates: which role one may have, when it holds, and how certificate and key are read from files."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kpr.errors import BadCertificate
from kpr.security.certificates import (
    Identity,
    Purpose,
    check_certificate,
    days_left,
    load_certificate,
    load_identity,
)
from kpr.security.throwaway import make_authority, make_identity, write_identity

FROM, TO = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
AUTHORITY = make_authority()
SIGNER = make_identity(AUTHORITY, "sender", Purpose.SIGN, valid_from=FROM, valid_to=TO)
OTHER = make_identity(AUTHORITY, "another sender", Purpose.SIGN)
RECEIVER = make_identity(AUTHORITY, "receiver", Purpose.ENCRYPT, valid_from=FROM, valid_to=TO)
KEY = SIGNER.private_key
PASSWORD = SecretStr("open-sesame-1234")
BITS = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")


def usage(*bits: str) -> x509.KeyUsage:
    """A key usage with these bits."""
    never = dict.fromkeys(("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**never, **{bit: bit in bits for bit in BITS})


def certificate(
    key_usage: x509.KeyUsage | None, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY
) -> x509.Certificate:
    """A certificate of the authority with this key usage, or none at all."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made for this test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(AUTHORITY.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(FROM).not_valid_after(TO)
    if key_usage is not None:
        builder = builder.add_extension(key_usage, critical=True)
    return builder.sign(AUTHORITY.private_key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as they stand in a PEM file."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def key_pem(identity: Identity, password: SecretStr | None = None) -> bytes:
    """A private key as it stands in a PEM file, encrypted when there is a password."""
    how = BestAvailableEncryption(password.get_secret_value().encode()) if password else NoEncryption()
    return identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def write_bundle(path: Path, chain: list[x509.Certificate], password: SecretStr = PASSWORD) -> Path:
    """A PKCS#12 file with the signer."""
    how = BestAvailableEncryption(password.get_secret_value().encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", KEY, SIGNER.certificate, chain, how))
    return path


# -- the two roles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "purpose"),
    [
        (("content_commitment",), Purpose.SIGN),
        (("digital_signature", "content_commitment"), Purpose.SIGN),
        (("digital_signature",), Purpose.SIGN),
        (("key_encipherment",), Purpose.ENCRYPT),
        (("data_encipherment",), Purpose.ENCRYPT),
        (("key_encipherment", "data_encipherment"), Purpose.ENCRYPT),
    ],
)
def test_a_certificate_holds_for_its_own_role_only(bits: tuple[str, ...], purpose: Purpose) -> None:
    """Key usage makes a certificate good for signing or for encryption, and not for the other."""
    other = Purpose.ENCRYPT if purpose is Purpose.SIGN else Purpose.SIGN
    check_certificate(certificate(usage(*bits)), purpose, NOW)
    with pytest.raises(BadCertificate, match=f"not made for {other.value}") as caught:
        check_certificate(certificate(usage(*bits)), other, NOW)
    assert "use the other one" in caught.value.remedy


@pytest.mark.parametrize("purpose", list(Purpose))
def test_without_a_fitting_key_usage_there_is_no_role(purpose: Purpose) -> None:
    """A certificate without key usage, or with one that fits neither role, is used for nothing."""
    for one in (certificate(None), certificate(usage("key_agreement"))):
        with pytest.raises(BadCertificate, match="key usage"):
            check_certificate(one, purpose, NOW)


def test_only_rsa_keys_are_used() -> None:
    """A certificate with another kind of key is refused, whatever its key usage says."""
    curve = certificate(usage("content_commitment"), ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BadCertificate, match="not an RSA key"):
        check_certificate(curve, Purpose.SIGN, NOW)


# -- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [FROM, NOW, TO, TO.astimezone(timezone(timedelta(hours=1)))])
def test_it_holds_from_its_first_to_its_last_second(at: datetime) -> None:
    """Both ends belong to the time of validity, in any time zone."""
    check_certificate(SIGNER.certificate, Purpose.SIGN, at)
    check_certificate(RECEIVER.certificate, Purpose.ENCRYPT, at)


def test_before_and_after_it_does_not_hold() -> None:
    """One second outside is outside; the sentence names the role and the day, and there is a remedy."""
    second = timedelta(seconds=1)
    with pytest.raises(BadCertificate, match="The signing certificate is not valid until 2025-01-01") as early:
        check_certificate(SIGNER.certificate, Purpose.SIGN, FROM - second)
    with pytest.raises(BadCertificate, match="The encryption certificate expired on 2027-12-31") as late:
        check_certificate(RECEIVER.certificate, Purpose.ENCRYPT, TO + second)
    assert early.value.remedy == "Use the present one."
    assert late.value.remedy == "Order and install a new one."


@given(st.integers(0, 5000), st.integers(0, 86_399))
def test_days_left_counts_whole_days(days: int, seconds: int) -> None:
    """So many whole days before the end are that many days left, whatever remains of the day."""
    assert days_left(SIGNER.certificate, TO - timedelta(days=days, seconds=seconds)) == days


def test_days_left_is_negative_afterwards() -> None:
    """As soon as it has expired the number is below zero, so that zero still means the last day."""
    assert days_left(SIGNER.certificate, TO) == 0
    assert days_left(SIGNER.certificate, TO + timedelta(seconds=1)) == -1


# -- files --------------------------------------------------------------------------------------------------------


def test_a_pair_of_files_is_read(tmp_path: Path) -> None:
    """What was written as two PEM files is read as the same identity, and the key is its owner's only."""
    path, key = tmp_path / "keys" / "sender.pem", tmp_path / "keys" / "sender.key"
    write_identity(SIGNER, path, key)
    found = load_identity(path, key)
    assert found.certificate == SIGNER.certificate == load_certificate(path)
    assert found.private_key.private_numbers() == KEY.private_numbers()
    assert found.chain == ()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_one_file_with_everything_is_read(tmp_path: Path) -> None:
    """Certificate, key and intermediate may stand in one PEM file; the root is left out."""
    intermediate = certificate(usage())
    path = tmp_path / "all.pem"
    path.write_bytes(key_pem(SIGNER) + pem(SIGNER.certificate, intermediate, AUTHORITY.certificate))
    found = load_identity(path)
    assert (found.certificate, found.chain) == (SIGNER.certificate, (intermediate,))


def test_an_encrypted_key_is_read_with_its_password(tmp_path: Path) -> None:
    """A key under a password opens with that password."""
    path, key = tmp_path / "sender.pem", tmp_path / "sender.key"
    path.write_bytes(pem(SIGNER.certificate))
    key.write_bytes(key_pem(SIGNER, PASSWORD))
    assert load_identity(path, key, PASSWORD).private_key.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("suffix", [".p12", ".pfx", ".P12"])
def test_pkcs12_is_read_without_the_root(tmp_path: Path, suffix: str) -> None:
    """A PKCS#12 file gives certificate, key and intermediates, and leaves the root out."""
    intermediate = certificate(usage())
    path = write_bundle(tmp_path / f"sender{suffix}", [intermediate, AUTHORITY.certificate])
    found = load_identity(path, password=PASSWORD)
    assert (found.certificate, found.chain) == (SIGNER.certificate, (intermediate,))
    assert found.private_key.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("password", [SecretStr("wrong-password-5678"), None])
def test_a_wrong_password_is_a_clear_error(tmp_path: Path, password: SecretStr | None) -> None:
    """A wrong or missing password is said to be one possible reason, and neither password is shown."""
    path, key = tmp_path / "sender.pem", tmp_path / "sender.key"
    path.write_bytes(pem(SIGNER.certificate))
    key.write_bytes(key_pem(SIGNER, PASSWORD))
    bundle = write_bundle(tmp_path / "sender.p12", [])
    for files in ((path, key), (bundle, None)):
        with pytest.raises(BadCertificate, match="password does not fit") as caught:
            load_identity(*files, password)
        shown = f"{caught.value!r} {caught.value} {caught.value.place} {caught.value.__cause__}"
        assert PASSWORD.get_secret_value() not in shown
        assert "wrong-password-5678" not in shown
        assert str(tmp_path) not in shown


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """Certificate and key must be a pair."""
    path, key = tmp_path / "sender.pem", tmp_path / "other.key"
    path.write_bytes(pem(SIGNER.certificate))
    key.write_bytes(key_pem(OTHER))
    with pytest.raises(BadCertificate, match="does not belong") as caught:
        load_identity(path, key)
    assert caught.value.place == "sender.pem"


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    """A key that is not RSA is refused when it is loaded."""
    curve = ec.generate_private_key(ec.SECP256R1())
    path, key = tmp_path / "sender.pem", tmp_path / "sender.key"
    path.write_bytes(pem(certificate(usage("content_commitment"), curve)))
    key.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadCertificate, match="not an RSA key"):
        load_identity(path, key)


def test_missing_files_are_a_clear_error(tmp_path: Path) -> None:
    """A file that is not there is an error with its name, without its folder, and with a remedy."""
    for load in (load_certificate, load_identity):
        with pytest.raises(BadCertificate, match="cannot be read") as caught:
            load(tmp_path / "nowhere.pem")
        assert caught.value.place == "nowhere.pem"
        assert "Check the path" in caught.value.remedy


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
@pytest.mark.parametrize("name", ["x.pem", "x.p12"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Empty files, other files and broken certificates are errors of the one kind."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadCertificate):
        load_certificate(path)
    with pytest.raises(BadCertificate):
        load_identity(path, password=PASSWORD)


def test_pkcs12_without_a_certificate_is_refused(tmp_path: Path) -> None:
    """A PKCS#12 file with a key alone is no identity."""
    how = BestAvailableEncryption(PASSWORD.get_secret_value().encode())
    path = tmp_path / "key-only.p12"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", KEY, None, None, how))
    with pytest.raises(BadCertificate, match="not understood"):
        load_identity(path, password=PASSWORD)


def test_an_identity_does_not_show_its_key() -> None:
    """The private key is not in the representation, not even as an object."""
    assert "private" not in repr(SIGNER)


# -- the throw-away authority -------------------------------------------------------------------------------------


def test_throw_away_identities_are_issued_by_their_authority() -> None:
    """Its signature holds under the authority, its serial numbers differ, and each has its own key."""
    for one in (SIGNER, OTHER, RECEIVER):
        one.certificate.verify_directly_issued_by(AUTHORITY.certificate)
    assert len({one.certificate.serial_number for one in (SIGNER, OTHER, RECEIVER)}) == 3
    assert len({one.private_key.private_numbers().p for one in (SIGNER, OTHER, RECEIVER)}) == 3


def test_throw_away_identities_hold_in_every_data_year() -> None:
    """A rehearsal may pretend to be in any year from 2018 to 2030."""
    for year in range(2018, 2031):
        check_certificate(OTHER.certificate, Purpose.SIGN, datetime(year, 1, 15, tzinfo=UTC))
