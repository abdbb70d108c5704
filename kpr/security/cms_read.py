"""CMS in, signed inside: decrypt, then verify. DER of any size goes through in bounded memory; BER when it is small.

The plain bytes are handed to ``out`` before the signature can be checked, since it stands at the end: on any error
whoever called must throw them away. The signer's certificate is compared whole with the expected one, and the
expected one's key verifies (a match by serial number alone can be forged).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from kpr.security.certificates import Identity
from kpr.security.cms_decrypt import BER_LIMIT, BROKEN, CHUNK, decrypted, large_ber, not_opened
from kpr.security.der_stream import SMALL, DerStream, NotDefinite
from kpr.security.refusals import BadSignature, Unsupported, WrongSigner

_DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened: who signed it, and size and hash of the plain bytes."""

    signer: x509.Certificate
    size: int
    sha256: str


def open_protected(
    source: BinaryIO,
    out: BinaryIO,
    recipients: Identity | Sequence[Identity],
    expected_signer: x509.Certificate | None,
    *,
    limit: int,
    accept_sha1: bool = False,
) -> Opened:
    """Decrypt with one of our identities and verify; writes the plain bytes to ``out`` (see the module's warning).

    BadMessage: not for us, broken, too large, or the signature does not hold. BadCertificate: signed by another.
    ``expected_signer`` None accepts the signer inside the message: only where a caller compares it afterwards.
    """
    try:
        plain = _Tap(decrypted(source, recipients, limit))
        return _verified(plain, out, expected_signer, accept_sha1=accept_sha1)
    except BROKEN:
        raise not_opened() from None


@dataclass(frozen=True, slots=True)
class SignedApart:
    """Who signed, the certificates that came along, and when they say it was."""

    signer: x509.Certificate
    others: tuple[x509.Certificate, ...]
    at: datetime | None


def verify_detached(signature: bytes, content: bytes) -> SignedApart:
    """Who signed some bytes, by a signature that stands apart (DER), and when they say so.

    BadMessage when the signature cannot be read, or does not fit. Whether its certificate is to be trusted is for the
    caller to say.
    """
    try:
        signed = cms.ContentInfo.load(signature, strict=True)["content"]
        sums = _Sums(signed["digest_algorithms"].dump(), accept_sha1=False)
        sums.update(content)
        signer = _check_signer(signed, sums, None, accept_ec=True)
        [info] = signed["signer_infos"]
        times = [item["values"][0].native for item in info["signed_attrs"] if item["type"].native == "signing_time"]
        others = tuple(x509.load_der_x509_certificate(each.chosen.dump()) for each in signed["certificates"])
    except BROKEN:
        raise BadSignature("The signature cannot be read.", remedy="Ask for it again.") from None
    return SignedApart(signer, tuple(each for each in others if each != signer), next(iter(times), None))


class _Tap:
    """Turns an iterator of pieces into a stream that gives at most what is asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def __call__(self, size: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def remaining(self, limit: int, too_much: Exception) -> bytes:
        """Everything that is left, up to a limit."""
        parts: list[bytes] = []
        while limit > 0 and (part := self(limit)):
            parts.append(part)
            limit -= len(part)
        if limit <= 0:
            raise too_much
        return b"".join(parts)


def _verified(plain: _Tap, out: BinaryIO, expected: x509.Certificate | None, *, accept_sha1: bool) -> Opened:
    seen = io.BytesIO()

    def pull(size: int) -> bytes:
        data = plain(size)
        seen.write(data)
        return data

    try:
        version, digests, kind, size = _signed_content(DerStream(pull))
    except NotDefinite:
        data = seen.getvalue() + plain.remaining(BER_LIMIT, large_ber())
        return _verified_ber(data, out, expected, accept_sha1=accept_sha1)
    sums = _Sums(digests, accept_sha1=accept_sha1)
    for left in range(size, 0, -CHUNK):
        wanted = min(left, CHUNK)
        piece = DerStream(plain).exactly(wanted)
        sums.update(piece)
        out.write(piece)
    # What follows the content is small; put together without the content it is a SignedData that can be read whole.
    body = version + digests + b"\x30" + bytes([len(kind)]) + kind + plain.remaining(SMALL, ValueError("too much"))
    signed = cms.SignedData.load(b"\x30\x84" + len(body).to_bytes(4) + body, strict=True)
    return Opened(_check_signer(signed, sums, expected), size, sums.plain.hexdigest())


def _signed_content(der: DerStream) -> tuple[bytes, bytes, bytes, int]:
    """Version, digest algorithms and content type as they stand, and the size of the content that follows."""
    der.enter(0x30)
    if cms.ContentType.load(der.whole(0x06)).native != "signed_data":
        raise ValueError("not signed data")
    der.enter(0xA0)
    der.enter(0x30)
    version, digests = der.whole(0x02), der.whole(0x31)
    der.enter(0x30)
    kind = der.whole(0x06)
    der.enter(0xA0)
    tag, size, _raw = der.header()
    if tag == 0x24:
        raise NotDefinite("constructed content")
    if tag != 0x04:
        raise ValueError("no content")
    return version, digests, kind, size


def _verified_ber(data: bytes, out: BinaryIO, expected: x509.Certificate | None, *, accept_sha1: bool) -> Opened:
    signed = cms.ContentInfo.load(data, strict=True)["content"]
    content = bytes(signed["encap_content_info"]["content"].native)
    sums = _Sums(signed["digest_algorithms"].dump(), accept_sha1=accept_sha1)
    sums.update(content)
    out.write(content)
    return Opened(_check_signer(signed, sums, expected), len(content), sums.plain.hexdigest())


class _Sums:
    """The digests that the message announces, over the content as it passes."""

    def __init__(self, announced: bytes, *, accept_sha1: bool) -> None:
        known: dict[str, type[hashes.HashAlgorithm]] = _DIGESTS | ({"sha1": hashes.SHA1} if accept_sha1 else {})
        names = [item["algorithm"].native for item in cms.DigestAlgorithms.load(announced)]
        self.known = {name: known[name] for name in names if name in known}
        if not self.known:
            raise Unsupported(
                "The signature uses a digest that is not accepted.", remedy="The sender must use SHA-256."
            )
        self._running = {name: hashes.Hash(make()) for name, make in self.known.items()}
        self.plain = sha256()

    def update(self, piece: bytes) -> None:
        self.plain.update(piece)
        for digest in self._running.values():
            digest.update(piece)

    def of(self, name: str) -> tuple[hashes.HashAlgorithm, bytes]:
        return self.known[name](), self._running[name].finalize()


def _check_signer(
    signed: cms.SignedData, sums: _Sums, expected: x509.Certificate | None, *, accept_ec: bool = False
) -> x509.Certificate:
    [info] = signed["signer_infos"]
    certificate = _signer_certificate(signed, info)
    if expected is not None and certificate.public_bytes(Encoding.DER) != expected.public_bytes(Encoding.DER):
        raise WrongSigner(
            "The message is signed with another certificate than the one that is registered for its sender.",
            remedy="Fetch the sender's certificate anew; if it still differs, ask the sender.",
        )
    algorithm, digest = sums.of(info["digest_algorithm"]["algorithm"].native)
    try:
        _verify(certificate, info, algorithm, digest, accept_ec=accept_ec)
    except InvalidSignature:
        raise BadSignature(
            "The signature does not hold: the message was changed.", remedy="Ask for it again."
        ) from None
    return certificate


def _signer_certificate(signed: cms.SignedData, info: cms.SignerInfo) -> x509.Certificate:
    sid = info["sid"].chosen
    for choice in signed["certificates"]:
        certificate = x509.load_der_x509_certificate(choice.chosen.dump())
        if isinstance(sid, cms.IssuerAndSerialNumber):
            same = sid["issuer"].dump() == certificate.issuer.public_bytes()
            if same and sid["serial_number"].native == certificate.serial_number:
                return certificate
    raise ValueError("no signer certificate")


def _verify(
    certificate: x509.Certificate,
    info: cms.SignerInfo,
    algorithm: hashes.HashAlgorithm,
    digest: bytes,
    *,
    accept_ec: bool,
) -> None:
    """InvalidSignature when it does not hold. Messages are signed with RSA alone (AMQP specification s. 3)."""
    attributes = info["signed_attrs"]
    if len(attributes):
        values = {item["type"].native: item["values"][0].native for item in attributes}
        if values.get("message_digest") != digest or values.get("content_type") != "data":
            raise InvalidSignature
        hasher = hashes.Hash(algorithm)
        hasher.update(attributes.untag().dump())
        digest = hasher.finalize()
    key, signature, how = certificate.public_key(), info["signature"].native, utils.Prehashed(algorithm)
    if isinstance(key, RSAPublicKey):
        key.verify(signature, digest, padding.PKCS1v15(), how)
    elif accept_ec and isinstance(key, EllipticCurvePublicKey):
        key.verify(signature, digest, ECDSA(how))
    else:
        raise InvalidSignature
