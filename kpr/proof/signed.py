"""The signature of a proof: detached CMS over the manifest, SHA-256, with the time of signing (RFC 5652 s. 5, 11.3)."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from kpr.proof.bundle import digest, pack
from kpr.security.certificates import Identity


def signed_bundle(parts: Mapping[str, bytes], signer: Identity) -> bytes:
    """The file of a proof, signed."""
    certificate = digest(signer.certificate.public_bytes(Encoding.DER))
    return pack(parts, certificate, lambda manifest: detached_signature(manifest, signer))


def detached_signature(content: bytes, signer: Identity) -> bytes:
    """DER, with our certificate and what leads up from it inside. ``openssl cms -verify -binary`` takes it as well."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(signer.certificate, signer.private_key, hashes.SHA256())
    for extra in signer.chain:
        builder = builder.add_certificate(extra)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    return builder.sign(Encoding.DER, options)
