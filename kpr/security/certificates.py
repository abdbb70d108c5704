"""Enterprise certificates: loading, their two roles by key usage, and whether they hold at a given time.

Roles (AMQP specification s. 3; SEID 2.0): signing wants nonRepudiation (contentCommitment), and newer ones also set
digitalSignature, which is accepted alone too; encryption wants keyEncipherment, or dataEncipherment (SEID 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from pydantic import SecretStr

from kpr.errors import BadCertificate
from kpr.security.refusals import OutOfDate, WrongUse


class Purpose(StrEnum):
    """What a certificate is used for."""

    SIGN = "signing"
    ENCRYPT = "encryption"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its private key, and the intermediates that go along (never the root)."""

    certificate: x509.Certificate
    private_key: RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()


def load_certificate(path: Path) -> x509.Certificate:
    """The first certificate in a PEM file."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError:
        raise _unreadable(path, "The certificate file cannot be read") from None
    except (ValueError, IndexError):
        raise _unreadable(path, "The file holds no PEM certificate") from None


def load_identity(certificate: Path, key: Path | None = None, password: SecretStr | None = None) -> Identity:
    """Certificate and key from PEM files, or both from one PKCS#12 file (``.p12``, ``.pfx``)."""
    secret = password.get_secret_value().encode() if password else None
    try:
        if certificate.suffix.lower() in (".p12", ".pfx"):
            identity = _from_pkcs12(certificate, secret)
        else:
            found = x509.load_pem_x509_certificates(certificate.read_bytes())
            private = load_pem_private_key((key or certificate).read_bytes(), secret)
            chain = tuple(extra for extra in found[1:] if not _is_root(extra))
            identity = Identity(found[0], _rsa(private, certificate), chain)
    except OSError:
        raise _unreadable(certificate, "The certificate or its key cannot be read") from None
    except (ValueError, TypeError, IndexError):
        raise _unreadable(certificate, "Certificate or key is not understood, or the password does not fit") from None
    if identity.certificate.public_key() != identity.private_key.public_key():
        raise BadCertificate("The key does not belong to the certificate.", place=certificate.name, remedy="Pair them.")
    return identity


def _from_pkcs12(path: Path, password: bytes | None) -> Identity:
    bundle = load_pkcs12(path.read_bytes(), password)
    if bundle.cert is None:
        raise ValueError("no certificate")
    chain = tuple(extra.certificate for extra in bundle.additional_certs if not _is_root(extra.certificate))
    return Identity(bundle.cert.certificate, _rsa(bundle.key, path), chain)


def _rsa(key: object, path: Path) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey):
        raise BadCertificate(
            "The key is not an RSA key.", place=path.name, remedy="Use the enterprise certificate's key."
        )
    return key


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _unreadable(path: Path, problem: str) -> BadCertificate:
    return BadCertificate(
        f"{problem}.", place=path.name, remedy="Check the path, the format (PEM or PKCS#12) and rights."
    )


def check_certificate(certificate: x509.Certificate, purpose: Purpose, at: datetime) -> None:
    """BadCertificate when it is not valid at this time, or not made for this purpose."""
    if at < certificate.not_valid_before_utc:
        day = certificate.not_valid_before_utc.date()
        raise OutOfDate(f"The {purpose} certificate is not valid until {day}.", remedy="Use the present one.")
    if at > certificate.not_valid_after_utc:
        day = certificate.not_valid_after_utc.date()
        raise OutOfDate(f"The {purpose} certificate expired on {day}.", remedy="Order and install a new one.")
    if not _has_role(certificate, purpose):
        raise WrongUse(
            f"The certificate is not made for {purpose} (key usage).",
            remedy="An enterprise certificate comes as a pair: use the other one of the two.",
        )
    if not isinstance(certificate.public_key(), RSAPublicKey):
        raise BadCertificate("The certificate's key is not an RSA key.", remedy="Use the enterprise certificate.")


def _has_role(certificate: x509.Certificate, purpose: Purpose) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    if purpose is Purpose.SIGN:
        return usage.content_commitment or usage.digital_signature
    return usage.key_encipherment or usage.data_encipherment


def days_left(certificate: x509.Certificate, at: datetime) -> int:
    """Whole days until the certificate expires; negative when it has."""
    return (certificate.not_valid_after_utc - at).days
