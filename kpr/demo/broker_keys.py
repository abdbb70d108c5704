"""A throw-away server certificate for the demo's own broker, issued by a throw-away authority. Never for more."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kpr.security.certificates import Identity
from kpr.security.throwaway import make_authority, write_identity


def write_server_keys(folder: Path, ca_file: Path) -> tuple[Path, Path]:
    """Certificate and key for localhost and 127.0.0.1, and the authority beside them; the same when called again."""
    certificate, key = folder / "server.pem", folder / "server.key"
    if not ca_file.exists():
        authority = make_authority("kpr throw-away broker authority")
        write_identity(_server_identity(authority), certificate, key)
        ca_file.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    return certificate, key


def _server_identity(authority: Identity) -> Identity:
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return Identity(builder.sign(authority.private_key, hashes.SHA256()), key)
