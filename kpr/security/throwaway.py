"""A throw-away authority with certificates for both roles: for the demo, the simulator and tests. Never for more."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kpr.security.certificates import Identity, Purpose

#: Long enough for every data year that a rehearsal may pretend to be in.
_FROM, _TO = datetime(2015, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)


def make_authority(name: str = "kpr throw-away authority") -> Identity:
    """A self-signed authority."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), _FROM, _TO)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Identity(builder.sign(key, hashes.SHA256()), key)


def make_identity(
    authority: Identity,
    name: str,
    purpose: Purpose,
    *,
    valid_from: datetime = _FROM,
    valid_to: datetime = _TO,
    key: rsa.RSAPrivateKey | None = None,
) -> Identity:
    """A certificate for one role, issued by the authority, over a new key or the one that is given."""
    key = key or rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, authority.certificate.subject, key.public_key(), valid_from, valid_to)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=purpose is Purpose.SIGN,
        key_encipherment=purpose is Purpose.ENCRYPT,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    return Identity(builder.sign(authority.private_key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, valid_from: datetime, valid_to: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(valid_from).not_valid_after(valid_to)


def write_identity(identity: Identity, certificate: Path, key: Path) -> None:
    """Write both as PEM; the key can be read by its owner only."""
    certificate.parent.mkdir(parents=True, exist_ok=True)
    certificate.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    pem = identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(key, pem)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        os.fchmod(out.fileno(), 0o600)  # an older file keeps its rights, otherwise
        out.write(content)
