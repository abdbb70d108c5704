"""CMS: what we write others read, what others write we read, and nothing that was changed comes through."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.errors import BadCertificate, BadInput, BadMessage
from kpr.security import cms_write
from kpr.security.certificates import Identity, Purpose
from kpr.security.cms_read import open_protected
from kpr.security.cms_write import protect
from kpr.security.throwaway import make_authority, make_identity, write_identity

AUTHORITY = make_authority()
SENDER = make_identity(AUTHORITY, "sender", Purpose.SIGN)
OTHER = make_identity(AUTHORITY, "another sender", Purpose.SIGN)
RECEIVER = make_identity(AUTHORITY, "receiver", Purpose.ENCRYPT)
STRANGER = make_identity(AUTHORITY, "stranger", Purpose.ENCRYPT)
LIMIT = 64 << 20


def protected(plain: bytes, signer: Identity = SENDER) -> bytes:
    """Sign and encrypt some bytes."""
    out = io.BytesIO()
    protect(io.BytesIO(plain), len(plain), out, signer, RECEIVER.certificate)
    return out.getvalue()


def opened(data: bytes, *, expected: Identity = SENDER, own: Identity = RECEIVER, limit: int = LIMIT) -> bytes:
    """Open what was protected; the plain bytes."""
    out = io.BytesIO()
    open_protected(io.BytesIO(data), out, own, expected.certificate, limit=limit)
    return out.getvalue()


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=5000))
def test_what_is_protected_is_opened_again(plain: bytes) -> None:
    """Any content, the empty one too, comes back byte for byte."""
    assert opened(protected(plain)) == plain


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127, 128, 1 << 20, (1 << 20) + 1, (3 << 20) - 5])
def test_sizes_around_the_edges(size: int) -> None:
    """Sizes at the edges of blocks, lengths and chunks come back."""
    plain = bytes(range(256)) * (size // 256 + 1)
    assert opened(protected(plain[:size])) == plain[:size]


def test_stream_of_another_size_is_refused() -> None:
    """A message that grew or shrank while it was being protected is not sent."""
    for said in (5, 7):
        with pytest.raises(BadMessage, match="changed while"):
            protect(io.BytesIO(b"123456"), said, io.BytesIO(), SENDER, RECEIVER.certificate)


@pytest.mark.parametrize("size", [0, 1 << 20, 2 << 20])
@pytest.mark.parametrize("more", [-1, 1, 2])
def test_one_byte_too_many_or_too_few_is_refused(size: int, more: int) -> None:
    """At the edges of the chunks, too, no byte is dropped in silence."""
    if size + more >= 0:
        with pytest.raises(BadMessage, match="changed while"):
            protect(io.BytesIO(bytes(size + more)), size, io.BytesIO(), SENDER, RECEIVER.certificate)


class Slow(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        """At most seven bytes."""
        return super().read(7 if size is None or size < 0 else min(size, 7))


def test_slow_streams_are_counted_rightly() -> None:
    """A stream that gives less than was asked for is read to its end, and not one byte further."""
    out = io.BytesIO()
    protect(Slow(b"x" * 100), 100, out, SENDER, RECEIVER.certificate)
    assert opened(out.getvalue()) == b"x" * 100
    with pytest.raises(BadMessage, match="changed while"):
        protect(Slow(b"x" * 15), 14, io.BytesIO(), SENDER, RECEIVER.certificate)


def test_a_recipient_without_an_rsa_key_is_refused() -> None:
    """A certificate with another kind of key gives a clear error, before anything is written."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "curve")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
    )
    out = io.BytesIO()
    with pytest.raises(BadCertificate, match="not an RSA key"):
        protect(io.BytesIO(b"x"), 1, out, SENDER, builder.sign(key, hashes.SHA256()))
    assert out.getvalue() == b""


def test_another_signer_is_refused() -> None:
    """A message that is signed with another certificate than the registered one is not accepted."""
    with pytest.raises(BadCertificate, match="another certificate"):
        opened(protected(b"x", signer=OTHER))


def test_same_serial_number_is_not_enough() -> None:
    """A forged certificate with the registered serial number and issuer name does not pass."""
    forged_authority = make_authority()
    forger = make_identity(forged_authority, "sender", Purpose.SIGN)
    with pytest.raises(BadCertificate):
        opened(protected(b"x", signer=forger))


def test_a_message_for_another_is_refused() -> None:
    """What is not encrypted to us cannot be opened, and the error says no more than that."""
    with pytest.raises(BadMessage, match="not for us, or it is broken"):
        opened(protected(b"x"), own=STRANGER)


def test_old_and_new_key_both_open() -> None:
    """During a change of certificates either of our identities opens a message."""
    out = io.BytesIO()
    open_protected(io.BytesIO(protected(b"x")), out, [STRANGER, RECEIVER], SENDER.certificate, limit=LIMIT)
    assert out.getvalue() == b"x"


def test_too_large_is_refused_before_it_is_read() -> None:
    """A message above the limit is refused by its announced size."""
    with pytest.raises(BadMessage, match="larger than"):
        opened(protected(bytes(5000)), limit=1000)


GOOD = protected(b"The content of a message. " * 20)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes(at: int, by: int) -> None:
    """Whichever byte is changed, no other content is ever taken for good."""
    data = bytearray(GOOD)
    data[at] ^= by
    with contextlib.suppress(BadInput):
        assert opened(bytes(data)) == b"The content of a message. " * 20


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(GOOD) - 1))
def test_a_cut_message_never_passes(size: int) -> None:
    """A message that ends too early is refused."""
    with pytest.raises(BadInput):
        opened(GOOD[:size])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    """Arbitrary bytes get a clear error and nothing else."""
    with pytest.raises(BadInput):
        opened(noise)


def enveloped(inner: bytes, recipient: dict[str, object] | None = None) -> bytes:
    """Encrypt anything to the receiver, as anybody can who has its certificate."""
    certificate = asn1_x509.Certificate.load(RECEIVER.certificate.public_bytes(Encoding.DER))
    key, iv, padder = bytes(32), bytes(16), PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    rid = recipient or {
        "issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    }
    public = RECEIVER.private_key.public_key()
    transport = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier(rid),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
            "encrypted_key": public.encrypt(key, padding.PKCS1v15()),
        }
    )
    content = {
        "content_type": "data",
        "content_encryption_algorithm": {"algorithm": "aes256_cbc", "parameters": iv},
        "encrypted_content": encryptor.update(padder.update(inner) + padder.finalize()) + encryptor.finalize(),
    }
    infos = [cms.RecipientInfo({"ktri": transport})]
    data = cms.EnvelopedData({"version": "v0", "recipient_infos": infos, "encrypted_content_info": content})
    return bytes(cms.ContentInfo({"content_type": "enveloped_data", "content": data}).dump())


PLAIN = b"The content of a message. " * 20


def signed_only() -> bytes:
    """What stands inside a good message."""
    head, _tail = cms_write._signed_head(len(PLAIN), SENDER)
    return b"".join(cms_write._signed_stream(io.BytesIO(PLAIN), len(PLAIN), head, SENDER))


INNER = signed_only()
#: Where the structures are: before the content, and from the certificates on.
STRUCTURE = [*range(INNER.index(PLAIN)), *range(INNER.index(PLAIN) + len(PLAIN), len(INNER))]


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # odd serial numbers
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(STRUCTURE), st.integers(0, 255), st.integers(0, 2))
def test_a_made_up_inside_gets_a_clear_error(at: int, value: int, more: int) -> None:
    """Whoever encrypts to us may put anything inside: it is refused as a message, with no other error and content."""
    data = bytearray(INNER)
    data[at : at + 1] = bytes([value]) * more
    with contextlib.suppress(BadInput):
        assert opened(enveloped(bytes(data))) == PLAIN


def test_an_impossible_certificate_is_a_broken_message() -> None:
    """A certificate version that does not exist ends no program."""
    at = INNER.index(b"\xa0\x03\x02\x01\x02") + 4
    with pytest.raises(BadMessage, match="or it is broken"):
        opened(enveloped(INNER[:at] + b"\x05" + INNER[at + 1 :]))


def test_a_recipient_named_by_its_key_id_is_a_message_for_another() -> None:
    """When our certificate has no key identifier, a message to some key identifier is not for us."""
    with pytest.raises(BadMessage, match="not for us"):
        opened(enveloped(INNER, {"subject_key_identifier": core.OctetString(bytes(20))}))


def indefinite(data: bytes) -> bytes:
    """The same structure, its outermost length indefinite."""
    skip = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    return b"\x30\x80" + data[skip:] + b"\0\0"


def test_the_limit_holds_for_ber_too() -> None:
    """A message above the limit is refused however its lengths are written."""
    assert opened(indefinite(GOOD), limit=len(GOOD) + 10) == PLAIN
    with pytest.raises(BadMessage, match="larger than"):
        opened(indefinite(GOOD), limit=len(GOOD) - 100)


def test_large_ber_inside_is_refused_with_its_reason() -> None:
    """BER above the limit inside a DER envelope gets the same clear sentence as outside."""
    with pytest.raises(BadMessage, match="not in DER"):
        opened(enveloped(b"\x30\x80" + bytes(9 << 20)))


@pytest.mark.parametrize("junk", [b"\0\0", b"junk", bytes(16)])
def test_nothing_may_follow_a_ber_message(junk: bytes) -> None:
    """Bytes behind the message are not ignored, or blocks could be appended to try out paddings."""
    inner = indefinite(INNER)
    assert opened(enveloped(inner)) == PLAIN
    with pytest.raises(BadMessage, match="or it is broken"):
        opened(enveloped(inner + junk))


# -- openssl as the other side ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys as files for openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("keys")
    for name, identity in (("sender", SENDER), ("receiver", RECEIVER)):
        write_identity(identity, folder / f"{name}.pem", folder / f"{name}.key")
    (folder / "ca.pem").write_bytes(AUTHORITY.certificate.public_bytes(Encoding.PEM))
    return folder


def openssl(files: Path, *words: str, data: bytes) -> bytes:
    """Run openssl cms with these words."""
    return subprocess.run(["openssl", "cms", *words], input=data, capture_output=True, check=True, cwd=files).stdout


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_openssl_reads_what_we_write(files: Path, size: int) -> None:
    """openssl decrypts and verifies our messages byte for byte."""
    plain = bytes(range(256)) * (size // 256)
    signed = openssl(
        files, "-decrypt", "-binary", "-inform", "DER", "-recip", "receiver.pem", "-inkey", "receiver.key",
        data=protected(plain),
    )  # fmt: skip
    words = ("-verify", "-binary", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any")
    assert openssl(files, *words, data=signed) == plain


SIGN = ("-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", "sender.pem", "-inkey", "sender.key")
ENCRYPT = ("-encrypt", "-binary", "-outform", "DER")


@pytest.mark.parametrize("sign", [(), ("-noattr",), ("-stream",), ("-md", "sha512"), ("-noattr", "-md", "sha384")])
@pytest.mark.parametrize("encrypt", [("-aes256",), ("-aes128",), ("-aes192",), ("-des3",), ("-aes256", "-stream")])
def test_we_read_what_openssl_writes(files: Path, sign: tuple[str, ...], encrypt: tuple[str, ...]) -> None:
    """With and without signed attributes, in DER and in BER, with every cipher that is accepted for reading."""
    plain = b"from openssl " * 400
    signed = openssl(files, *SIGN, *sign, data=plain)
    assert opened(openssl(files, *ENCRYPT, *encrypt, "receiver.pem", data=signed)) == plain


def test_we_read_oaep(files: Path) -> None:
    """Key transport by OAEP is read, though never written."""
    signed = openssl(files, *SIGN, data=b"oaep")
    words = ("-aes256", "-recip", "receiver.pem", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
    assert opened(openssl(files, *ENCRYPT, *words, data=signed)) == b"oaep"


def test_sha1_is_refused(files: Path) -> None:
    """A signature over SHA-1 is not accepted unless it was asked for."""
    signed = openssl(files, *SIGN, "-md", "sha1", data=b"old")
    data = openssl(files, *ENCRYPT, "-aes256", "receiver.pem", data=signed)
    with pytest.raises(BadMessage, match="digest"):
        opened(data)


def test_sha1_is_read_when_it_was_asked_for(files: Path) -> None:
    """The switch lets a signature over SHA-1 through, and nothing but the digest becomes weaker."""
    signed = openssl(files, *SIGN, "-md", "sha1", data=b"old")
    data = openssl(files, *ENCRYPT, "-aes256", "receiver.pem", data=signed)
    for own, passes in ((SENDER, True), (OTHER, False)):
        with contextlib.nullcontext() if passes else pytest.raises(BadCertificate):
            out = io.BytesIO()
            open_protected(io.BytesIO(data), out, RECEIVER, own.certificate, limit=LIMIT, accept_sha1=True)
            assert out.getvalue() == b"old"


def test_weak_cipher_is_refused(files: Path) -> None:
    """A cipher outside the list is refused with a remedy."""
    signed = openssl(files, *SIGN, data=b"weak")
    data = openssl(files, *ENCRYPT, "-camellia256", "receiver.pem", data=signed)
    with pytest.raises(BadMessage, match="not accepted"):
        opened(data)
