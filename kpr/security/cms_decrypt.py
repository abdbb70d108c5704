"""CMS in, the envelope: EnvelopedData to plain bytes (RFC 5652 s. 6). Nothing here says who wrote them.

DER of any size goes through in bounded memory; BER of indefinite length is read whole, when it is small. The plain
bytes are handed on before the padding at their end can be checked: on any error whoever called must throw them away.
All failures to decrypt get the same sentence, and keys that do not unwrap look like keys that do (RFC 3218), so that
nothing can be learned by asking.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.errors import BadMessage
from kpr.security.certificates import Identity
from kpr.security.der_stream import DerStream, NotDefinite
from kpr.security.refusals import NotOpened, Unsupported

CHUNK = 1 << 20

#: BER of indefinite length is read whole, and only up to this size.
BER_LIMIT = 8 << 20

_OAEP_DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_CIPHERS: dict[str, tuple[Callable[[bytes], Any], int, int]] = {
    "aes128_cbc": (algorithms.AES128, 16, 128),
    "aes192_cbc": (algorithms.AES, 24, 128),
    "aes256_cbc": (algorithms.AES256, 32, 128),
    "tripledes_3key": (TripleDES, 24, 64),
}

#: What asn1crypto and cryptography raise over structures that are broken or made to confuse.
BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    AttributeError,
    RecursionError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """What was in the envelope: size and hash of the plain bytes."""

    size: int
    sha256: str


def open_enveloped(
    source: BinaryIO, out: BinaryIO, recipients: Identity | Sequence[Identity], *, limit: int
) -> Decrypted:
    """Decrypt with one of our identities; writes the plain bytes to ``out`` (see the module's warning).

    ``limit`` is in bytes of ciphertext. BadMessage: NotOpened when it is not for us or broken, Unsupported when it is
    too large or encrypted in a way that is not accepted.
    """
    digest, size = sha256(), 0
    for piece in decrypted(source, recipients, limit):
        digest.update(piece)
        size += len(piece)
        out.write(piece)
    return Decrypted(size, digest.hexdigest())


def decrypted(source: BinaryIO, recipients: Identity | Sequence[Identity], limit: int) -> Iterator[bytes]:
    """The plain bytes in pieces; the errors of ``open_enveloped``."""
    identities = [recipients] if isinstance(recipients, Identity) else list(recipients)
    try:
        yield from _decrypted(source, identities, limit)
    except BROKEN:
        raise not_opened() from None


def not_opened() -> BadMessage:
    """The one sentence for all that cannot be decrypted or read."""
    return NotOpened(
        "The protected message cannot be opened: it is not for us, or it is broken.", remedy="Ask for it again."
    )


def large_ber() -> BadMessage:
    """For BER that would have to be read whole."""
    return Unsupported("The message is large and not in DER.", remedy="The sender must use definite lengths (DER).")


def _too_large() -> BadMessage:
    return Unsupported("The protected message is larger than this receiver takes.", remedy="Agree on a larger size.")


def _decrypted(source: BinaryIO, identities: list[Identity], limit: int) -> Iterator[bytes]:
    seen = io.BytesIO()

    def pull(size: int) -> bytes:
        data = source.read(size)
        seen.write(data)
        return data

    try:
        recipients, algorithm, size = _envelope(DerStream(pull))
    except NotDefinite:
        yield from _decrypted_ber(seen.getvalue() + _up_to(source, min(limit, BER_LIMIT) + 1), identities, limit)
        return
    if size > limit:
        raise _too_large()
    seen.close()
    yield from _decrypt(algorithm, recipients, identities, _pieces(source, size))


def _up_to(source: BinaryIO, most: int) -> bytes:
    """So many bytes, or what there is: a stream may give fewer than it is asked for."""
    parts: list[bytes] = []
    while most > 0 and (part := source.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = source.read(min(CHUNK, size))
        if not piece:
            raise ValueError("ends too early")
        size -= len(piece)
        yield piece


def _envelope(der: DerStream) -> tuple[cms.RecipientInfos, algos.EncryptionAlgorithm, int]:
    """Recipients, algorithm, and the size of the ciphertext that follows."""
    der.enter(0x30)
    if cms.ContentType.load(der.whole(0x06)).native != "enveloped_data":
        raise ValueError("not enveloped data")
    der.enter(0xA0)
    der.enter(0x30)
    der.whole(0x02)
    recipients = cms.RecipientInfos.load(der.whole(0x31))
    der.enter(0x30)
    _check_kind(cms.ContentType.load(der.whole(0x06)))
    algorithm = algos.EncryptionAlgorithm.load(der.whole(0x30))
    tag, size, _raw = der.header()
    if tag == 0xA0:
        raise NotDefinite("constructed content")
    if tag != 0x80:
        raise ValueError("no content")
    return recipients, algorithm, size


def _check_kind(kind: cms.ContentType) -> None:
    if kind.native != "data":
        raise ValueError("not data inside")


def _decrypted_ber(data: bytes, identities: list[Identity], limit: int) -> Iterator[bytes]:
    if len(data) > limit:
        raise _too_large()
    if len(data) > BER_LIMIT:
        raise large_ber()
    content = cms.ContentInfo.load(data, strict=True)["content"]
    encrypted = content["encrypted_content_info"]
    _check_kind(encrypted["content_type"])
    pieces = iter([bytes(encrypted["encrypted_content"].native)])
    yield from _decrypt(encrypted["content_encryption_algorithm"], content["recipient_infos"], identities, pieces)


def _decrypt(
    algorithm: algos.EncryptionAlgorithm,
    recipients: cms.RecipientInfos,
    identities: list[Identity],
    pieces: Iterator[bytes],
) -> Iterator[bytes]:
    name = algorithm["algorithm"].native
    if name not in _CIPHERS:
        raise Unsupported(
            "The message is encrypted in a way that is not accepted.", remedy="The sender must use AES-256-CBC."
        )
    make, key_size, block = _CIPHERS[name]
    key = _content_key(recipients, identities)
    if len(key) != key_size:
        raise ValueError("wrong key size")
    decryptor = Cipher(make(key), modes.CBC(algorithm["parameters"].native)).decryptor()
    unpadder = PKCS7(block).unpadder()
    for piece in pieces:
        yield unpadder.update(decryptor.update(piece))
    yield unpadder.update(decryptor.finalize()) + unpadder.finalize()


def _content_key(recipients: cms.RecipientInfos, identities: list[Identity]) -> bytes:
    for recipient in recipients:
        info = recipient.chosen
        for identity in identities:
            if isinstance(info, cms.KeyTransRecipientInfo) and _is_for(info, identity.certificate):
                return identity.private_key.decrypt(info["encrypted_key"].native, _key_padding(info))
    raise ValueError("not for us")


def _is_for(info: cms.KeyTransRecipientInfo, certificate: x509.Certificate) -> bool:
    """By issuer and serial number, or by key id. Names are compared as names, for some senders spell them anew."""
    rid = info["rid"].chosen
    if isinstance(rid, cms.IssuerAndSerialNumber):
        if rid["serial_number"].native != certificate.serial_number:
            return False
        own = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)).issuer
        return bool(rid["issuer"].dump() == own.dump() or rid["issuer"] == own)
    try:
        return bool(
            rid.native == certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        )
    except x509.ExtensionNotFound:  # then it is for another, perhaps for another of our own
        return False


def _key_padding(info: cms.KeyTransRecipientInfo) -> padding.AsymmetricPadding:
    algorithm = info["key_encryption_algorithm"]
    if algorithm["algorithm"].native == "rsaes_pkcs1v15":
        return padding.PKCS1v15()
    oaep = algorithm["parameters"]
    digest = _OAEP_DIGESTS[oaep["hash_algorithm"]["algorithm"].native]()
    mask = _OAEP_DIGESTS[oaep["mask_gen_algorithm"]["parameters"]["algorithm"].native]()
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=digest, label=None)
