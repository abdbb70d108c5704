"""CMS out: encrypted, or signed and then encrypted, as one stream of DER. Every length is known before the first byte.

The envelope is the same for the bus (AMQP specification s. 3) and for EDI (HIS 1037 s. 5.5; RFC 5652 s. 6):
EnvelopedData version 0 with one RSA PKCS#1 v1.5 recipient and AES-256-CBC. EDI has the plain bytes inside, for there
the ebXML envelope is signed. The bus has the DER of SignedData version 1 inside, with the content encapsulated,
SHA-256, RSA PKCS#1 v1.5 and no signed attributes, so the signature is over the very bytes. One pass, 1 MiB at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import BinaryIO

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.errors import BadCertificate, BadMessage
from kpr.security.certificates import Identity

CHUNK = 1 << 20
_SEQUENCE, _OCTET_STRING, _EXPLICIT_0, _IMPLICIT_0 = 0x30, 0x04, 0xA0, 0x80


@dataclass(frozen=True, slots=True)
class Protected:
    """What was written: size and hash of the protected bytes."""

    sha256: str
    size: int


def protect(plain: BinaryIO, size: int, out: BinaryIO, signer: Identity, recipient: x509.Certificate) -> Protected:
    """Sign and encrypt ``size`` plain bytes; BadMessage when the stream holds another number of them.

    On any error ``out`` holds half a message, and whoever called must throw it away.
    """
    head, tail_size = _signed_head(size, signer)
    return _encrypted(_signed_stream(plain, size, head, signer), len(head) + size + tail_size, out, recipient)


def envelop(plain: BinaryIO, size: int, out: BinaryIO, recipient: x509.Certificate) -> Protected:
    """Encrypt ``size`` plain bytes and sign nothing; errors as for ``protect``."""
    return _encrypted(_exactly(plain, size), size, out, recipient)


def _encrypted(parts: Iterator[bytes], size: int, out: BinaryIO, recipient: x509.Certificate) -> Protected:
    """``parts`` hold ``size`` bytes together."""
    key, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    padder = PKCS7(128).padder()
    outer = _enveloped_head(size, key, iv, recipient)
    written = _Counted(out)
    written.write(outer)
    for part in parts:
        written.write(encryptor.update(padder.update(part)))
    written.write(encryptor.update(padder.finalize()) + encryptor.finalize())
    return Protected(written.hash.hexdigest(), written.size)


class _Counted:
    def __init__(self, out: BinaryIO) -> None:
        self.out, self.hash, self.size = out, sha256(), 0

    def write(self, data: bytes) -> None:
        self.out.write(data)
        self.hash.update(data)
        self.size += len(data)


def _exactly(plain: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left and (chunk := plain.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
    if left or plain.read(1):
        raise BadMessage("The message changed while it was being protected.", remedy="Build it again.")


def _signed_stream(plain: BinaryIO, size: int, head: bytes, signer: Identity) -> Iterator[bytes]:
    yield head
    digest = hashes.Hash(hashes.SHA256())
    for chunk in _exactly(plain, size):
        digest.update(chunk)
        yield chunk
    signature = signer.private_key.sign(digest.finalize(), padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    yield _before_signature(signer.certificate, signer.chain, len(signature)) + signature


def _signed_head(size: int, signer: Identity) -> tuple[bytes, int]:
    """Everything before the content, and the size of everything after it."""
    signature_size = signer.private_key.key_size // 8
    tail_size = len(_before_signature(signer.certificate, signer.chain, signature_size)) + signature_size
    oid = core.ObjectIdentifier("1.2.840.113549.1.7.1").dump()
    octets = _header(_OCTET_STRING, size)
    explicit = _header(_EXPLICIT_0, len(octets) + size)
    encapsulated = _header(_SEQUENCE, len(oid) + len(explicit) + len(octets) + size) + oid + explicit + octets
    fixed = core.Integer(1).dump() + cms.DigestAlgorithms([_sha256()]).dump()
    signed_size = len(fixed) + len(encapsulated) + size + tail_size
    signed = _header(_SEQUENCE, signed_size) + fixed + encapsulated
    return _content_info(
        "1.2.840.113549.1.7.2", len(signed) - len(fixed) - len(encapsulated) + signed_size
    ) + signed, tail_size


def _content_info(oid: str, content_size: int) -> bytes:
    kind = core.ObjectIdentifier(oid).dump()
    explicit = _header(_EXPLICIT_0, content_size)
    return bytes(_header(_SEQUENCE, len(kind) + len(explicit) + content_size) + kind + explicit)


@lru_cache(maxsize=8)
def _before_signature(certificate: x509.Certificate, chain: tuple[x509.Certificate, ...], size: int) -> bytes:
    """What follows the content, up to the signature itself, which comes last: the same in each message of a signer."""
    own = _asn1(certificate)
    certificates = cms.CertificateSet([own, *(_asn1(extra) for extra in chain)])
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": _issuer_and_serial(own)}),
            "digest_algorithm": _sha256(),
            "signature_algorithm": algos.SignedDigestAlgorithm(
                {"algorithm": "rsassa_pkcs1v15", "parameters": core.Null()}
            ),
            "signature": bytes(size),
        }
    )
    whole = certificates.retag({"implicit": 0}).dump() + cms.SignerInfos([info]).dump()
    return bytes(whole[:-size])


def _sha256() -> algos.DigestAlgorithm:
    return algos.DigestAlgorithm({"algorithm": "sha256", "parameters": core.Null()})


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _issuer_and_serial(certificate: asn1_x509.Certificate) -> cms.IssuerAndSerialNumber:
    return cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})


def _enveloped_head(inner_size: int, key: bytes, iv: bytes, recipient: x509.Certificate) -> bytes:
    public = recipient.public_key()
    if not isinstance(public, RSAPublicKey):
        raise BadCertificate("The recipient's key is not an RSA key.", remedy="Use the enterprise certificate.")
    info = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier({"issuer_and_serial_number": _issuer_and_serial(_asn1(recipient))}),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15", "parameters": core.Null()},
            "encrypted_key": public.encrypt(key, padding.PKCS1v15()),
        }
    )
    recipients = cms.RecipientInfos([cms.RecipientInfo({"ktri": info})]).dump()
    algorithm = algos.EncryptionAlgorithm({"algorithm": "aes256_cbc", "parameters": iv}).dump()
    cipher_size = inner_size // 16 * 16 + 16
    content_head = core.ObjectIdentifier("1.2.840.113549.1.7.1").dump() + algorithm + _header(_IMPLICIT_0, cipher_size)
    content = _header(_SEQUENCE, len(content_head) + cipher_size) + content_head
    fixed = core.Integer(0).dump() + recipients
    enveloped_size = len(fixed) + len(content) + cipher_size
    enveloped = _header(_SEQUENCE, enveloped_size) + fixed + content
    before = len(enveloped) - len(fixed) - len(content)
    return bytes(_content_info("1.2.840.113549.1.7.3", before + enveloped_size) + enveloped)


def _header(tag: int, size: int) -> bytes:
    """A DER tag and its definite length (X.690 s. 8.1.3, shortest form)."""
    if size < 128:
        return bytes([tag, size])
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length
