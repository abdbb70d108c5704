"""CMS without a signature: what we envelop others open, what others envelop we open, and failures look all the same."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
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

from kpr.errors import BadCertificate, BadMessage
from kpr.security.certificates import Identity, Purpose
from kpr.security.cms_decrypt import BER_LIMIT, Decrypted, open_enveloped
from kpr.security.cms_read import open_protected
from kpr.security.cms_write import Protected, envelop, protect
from kpr.security.refusals import NotOpened, Unsupported
from kpr.security.throwaway import make_authority, make_identity, write_identity

AUTHORITY = make_authority("Buypass Class 3 Test4 CA 1")
RECEIVER = make_identity(AUTHORITY, "receiver", Purpose.ENCRYPT)
STRANGER = make_identity(AUTHORITY, "stranger", Purpose.ENCRYPT)
SENDER = make_identity(AUTHORITY, "sender", Purpose.SIGN)
LIMIT = 64 << 20
SENTENCE = "The protected message cannot be opened: it is not for us, or it is broken."


def enveloped(plain: bytes) -> bytes:
    """Encrypt some bytes."""
    out = io.BytesIO()
    written = envelop(io.BytesIO(plain), len(plain), out, RECEIVER.certificate)
    assert written == Protected(sha256(out.getvalue()).hexdigest(), len(out.getvalue()))
    return out.getvalue()


def opened(data: bytes, own: Identity | list[Identity] = RECEIVER, *, limit: int = LIMIT) -> bytes:
    """Decrypt; the plain bytes."""
    out = io.BytesIO()
    result = open_enveloped(io.BytesIO(data), out, own, limit=limit)
    assert result == Decrypted(len(out.getvalue()), sha256(out.getvalue()).hexdigest())
    return out.getvalue()


# -- there and back ------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=5000))
def test_what_is_enveloped_is_opened_again(plain: bytes) -> None:
    """Any content, the empty one too, comes back byte for byte, with size and hash of both sides."""
    assert opened(enveloped(plain)) == plain


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127, 128, 1 << 20, (1 << 20) + 1, (3 << 20) - 5])
def test_sizes_around_the_edges(size: int) -> None:
    """Sizes at the edges of blocks, lengths and chunks come back."""
    plain = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert opened(enveloped(plain)) == plain


def test_the_structure_is_that_of_the_golden_sample(official: Path) -> None:
    """Version, recipient, both algorithms and the type inside are those that a real sender uses today."""
    sample = official / "samples" / "ebxml" / "2023_08_29T12_56_58_328.p7m"
    assert shape(enveloped(b"x")) == shape(sample.read_bytes())


def shape(data: bytes) -> list[object]:
    """What two EnvelopedData have in common when they are made alike."""
    content = cms.ContentInfo.load(data, strict=True)["content"]
    [recipient] = content["recipient_infos"]
    encrypted = content["encrypted_content_info"]
    return [
        content["version"].native,
        content["originator_info"].native,
        recipient.name,
        recipient.chosen["version"].native,
        recipient.chosen["rid"].name,
        recipient.chosen["key_encryption_algorithm"].native,
        encrypted["content_type"].native,
        encrypted["content_encryption_algorithm"]["algorithm"].native,
        len(encrypted["content_encryption_algorithm"]["parameters"].native),
        content["unprotected_attrs"].native,
    ]


def test_the_encoding_is_der() -> None:
    """Decoded and encoded anew the bytes are the same: every length is definite and as short as can be."""
    data = enveloped(b"x" * 300)
    content = cms.ContentInfo.load(data, strict=True)
    assert content.dump(force=True) == data


@pytest.mark.parametrize("said", [5, 7])
def test_a_stream_of_another_size_is_refused(said: int) -> None:
    """A content that grew or shrank while it was being encrypted is not sent."""
    with pytest.raises(BadMessage, match="changed while"):
        envelop(io.BytesIO(b"123456"), said, io.BytesIO(), RECEIVER.certificate)


def test_a_recipient_without_an_rsa_key_is_refused() -> None:
    """A certificate with another kind of key gives a clear error, before anything is written."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "curve")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).serial_number(1)
    builder = builder.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
    out = io.BytesIO()
    with pytest.raises(BadCertificate, match="not an RSA key"):
        envelop(io.BytesIO(b"x"), 1, out, builder.sign(key, hashes.SHA256()))
    assert out.getvalue() == b""


def test_each_envelope_has_a_key_of_its_own() -> None:
    """The same content gives other bytes each time."""
    first, second = enveloped(b"x" * 64), enveloped(b"x" * 64)
    assert first[-80:] != second[-80:]


class Stream(io.RawIOBase):
    """Zeros, without holding them."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """At most what is left."""
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


class Nowhere(io.RawIOBase):
    """Forgets what it is given."""

    size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Count."""
        self.size += len(data)
        return len(data)


def test_a_large_content_passes_in_little_memory(tmp_path: Path) -> None:
    """48 MB are encrypted and opened with a few MB of memory."""
    size, sink = 48 << 20, Nowhere()
    tracemalloc.start()
    with (tmp_path / "p7m").open("wb") as out:
        envelop(Stream(size), size, out, RECEIVER.certificate)  # type: ignore[arg-type]
    with (tmp_path / "p7m").open("rb") as source:
        open_enveloped(source, sink, RECEIVER, limit=2 * size)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()
    assert sink.size == size


# -- what is refused -----------------------------------------------------------------------------------------------

PLAIN = b"The content of a message. " * 20
GOOD = enveloped(PLAIN)


def changed(**fields: object) -> bytes:
    """A good envelope with other values in it."""
    content = cms.ContentInfo.load(GOOD, strict=True).copy()
    for path, value in fields.items():
        at = content["content"]
        *way, last = path.split("__")
        for step in way:
            at = at[0].chosen if step == "recipient" else at[step]
        at[last] = value
    return bytes(content.dump(force=True))


def test_a_message_for_another_is_refused() -> None:
    """What is not encrypted to us cannot be opened, whichever of our identities are tried."""
    with pytest.raises(NotOpened, match="not for us"):
        opened(GOOD, [STRANGER, SENDER])


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:-1],
        GOOD[:-16],
        GOOD[:100],
        b"",
        b"\x30\x00",
        changed(recipient_infos__recipient__encrypted_key=bytes(256)),
        changed(recipient_infos__recipient__encrypted_key=b"short"),
        changed(encrypted_content_info__encrypted_content=bytes(64)),
        changed(encrypted_content_info__encrypted_content=b"odd"),
        changed(encrypted_content_info__content_type="signed_data"),
        changed(
            encrypted_content_info__content_encryption_algorithm={"algorithm": "aes128_cbc", "parameters": bytes(16)}
        ),
        changed(
            encrypted_content_info__content_encryption_algorithm={"algorithm": "aes256_cbc", "parameters": bytes(7)}
        ),
        bytes(cms.ContentInfo({"content_type": "data", "content": core.OctetString(b"x")}).dump()),
    ],
)
def test_all_failures_look_the_same(data: bytes) -> None:
    """Cut, for a wrong key, with a wrong padding, of another kind: one sentence, so that nothing is learned by asking."""
    with pytest.raises(NotOpened) as caught:
        opened(data)
    assert caught.value.problem == SENTENCE
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("size", "opens"), [(16, False), (24, True), (32, False)])
def test_a_key_of_another_size_than_the_cipher_has_is_refused(size: int, opens: bool) -> None:
    """AES takes keys of three sizes; the one that the algorithm names is the one that counts."""
    key, iv, pad = bytes(size), bytes(16), PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    data = changed(
        recipient_infos__recipient__encrypted_key=RECEIVER.private_key.public_key().encrypt(key, padding.PKCS1v15()),
        encrypted_content_info__encrypted_content=encryptor.update(pad.update(b"x") + pad.finalize()),
        encrypted_content_info__content_encryption_algorithm={"algorithm": "aes192_cbc", "parameters": iv},
    )
    with contextlib.nullcontext() if opens else pytest.raises(NotOpened):
        assert opened(data) == b"x"


@pytest.mark.parametrize("position", [0, 1, 100, 255])
def test_a_changed_key_looks_like_any_other_failure(position: int) -> None:
    """Bytes of the wrapped key that are changed give the same sentence: no oracle for the key's padding."""
    key = bytearray(cms.ContentInfo.load(GOOD)["content"]["recipient_infos"][0].chosen["encrypted_key"].native)
    key[position] ^= 1
    with pytest.raises(NotOpened, match=SENTENCE):
        opened(changed(recipient_infos__recipient__encrypted_key=bytes(key)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_a_message_or_a_clear_error(at: int, by: int) -> None:
    """Nothing but a BadMessage comes of a changed byte; that the bytes are genuine is the signature's to say."""
    data = bytearray(GOOD)
    data[at] ^= by
    with contextlib.suppress(BadMessage):
        assert len(opened(bytes(data))) <= len(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    """Arbitrary bytes get a clear error and nothing else."""
    with pytest.raises(BadMessage):
        opened(noise)


def test_too_large_is_refused_before_it_is_read() -> None:
    """A message above the limit is refused by its announced size, having been read to its head."""
    source = io.BytesIO(enveloped(bytes(100_000)))
    with pytest.raises(Unsupported, match="larger than"):
        open_enveloped(source, io.BytesIO(), RECEIVER, limit=100_000)
    assert source.tell() < 1000
    assert opened(source.getvalue(), limit=100_016) == bytes(100_000)  # with its padding
    with pytest.raises(Unsupported, match="larger than"):
        opened(source.getvalue(), limit=100_015)


def test_an_announced_gigabyte_costs_nothing() -> None:
    """A length of 1 GB over a few bytes is a broken message, and no memory is set aside for it."""
    at = GOOD.index(b"\x80\x82", 200)
    data = GOOD[:at] + b"\x80\x84\x40\x00\x00\x00" + GOOD[at + 4 :]
    tracemalloc.start()
    with pytest.raises(NotOpened):
        opened(data, limit=2 << 30)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_what_is_signed_inside_is_handed_on_as_it_is() -> None:
    """An envelope of the bus opens too, and gives the signed structure; the other way round it is refused."""
    out = io.BytesIO()
    protect(io.BytesIO(b"x"), 1, out, SENDER, RECEIVER.certificate)
    assert cms.ContentInfo.load(opened(out.getvalue()))["content_type"].native == "signed_data"
    with pytest.raises(NotOpened):
        open_protected(io.BytesIO(GOOD), io.BytesIO(), RECEIVER, None, limit=LIMIT)


# -- recipients ----------------------------------------------------------------------------------------------------


def with_key_id(identity: Identity) -> Identity:
    """The same key in a certificate that has a key identifier."""
    builder = x509.CertificateBuilder().subject_name(identity.certificate.subject).serial_number(77)
    builder = builder.issuer_name(AUTHORITY.certificate.subject).public_key(identity.private_key.public_key())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2040, 1, 1, tzinfo=UTC)
    )
    key_id = x509.SubjectKeyIdentifier.from_public_key(identity.private_key.public_key())
    return replace(
        identity, certificate=builder.add_extension(key_id, False).sign(AUTHORITY.private_key, hashes.SHA256())
    )


def test_a_recipient_named_by_its_key_id_is_found_among_our_identities() -> None:
    """During a change of certificates one of ours may have no key identifier; the other is found all the same."""
    named = with_key_id(RECEIVER)
    key_id = x509.SubjectKeyIdentifier.from_public_key(RECEIVER.private_key.public_key()).digest
    rid = cms.RecipientIdentifier({"subject_key_identifier": core.OctetString(key_id)})
    data = changed(recipient_infos__recipient__rid=rid)
    assert opened(data, [STRANGER, named]) == PLAIN
    with pytest.raises(NotOpened):
        opened(data, STRANGER)


def test_an_issuer_that_is_spelled_anew_is_the_same_issuer() -> None:
    """Some senders write the issuer's name as PrintableString where the certificate has UTF8String."""
    own = asn1_x509.Certificate.load(RECEIVER.certificate.public_bytes(Encoding.DER))
    issuer = asn1_x509.Name.build(own.issuer.native, use_printable=True)
    assert issuer.dump() != own.issuer.dump()
    number = own.serial_number
    rid = cms.RecipientIdentifier({"issuer_and_serial_number": {"issuer": issuer, "serial_number": number}})
    assert opened(changed(recipient_infos__recipient__rid=rid)) == PLAIN


def indefinite(data: bytes) -> bytes:
    """The same structure, its outermost length indefinite."""
    return b"\x30\x80" + data[2 + (data[1] & 0x7F) :] + b"\0\0"


class Drip(io.BytesIO):
    """A stream that gives seven bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        """At most seven."""
        return super().read(7 if size is None or size < 0 else min(size, 7))


@pytest.mark.parametrize("data", [GOOD, indefinite(GOOD)], ids=["der", "ber"])
def test_a_stream_that_trickles_is_read_to_its_end(data: bytes) -> None:
    """In DER and in BER a stream that gives less than asked for is not taken for a cut one."""
    out = io.BytesIO()
    open_enveloped(Drip(data), out, RECEIVER, limit=LIMIT)
    assert out.getvalue() == PLAIN


def test_ber_is_read_whole_and_only_when_it_is_small() -> None:
    """The limits hold for BER too, and a large one is refused with its reason."""
    assert opened(indefinite(GOOD), limit=len(GOOD) + 10) == PLAIN
    with pytest.raises(Unsupported, match="larger than"):
        opened(indefinite(GOOD), limit=len(GOOD) - 100)
    with pytest.raises(Unsupported, match="not in DER"):
        opened(b"\x30\x80" + bytes(BER_LIMIT + 1))


# -- openssl as the other side -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receiver's certificate and key as files for openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("keys")
    write_identity(RECEIVER, folder / "own.pem", folder / "own.key")
    return folder


def openssl(files: Path, *words: str, data: bytes) -> bytes:
    """Run openssl with these words."""
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True, cwd=files).stdout


@pytest.mark.parametrize("program", ["cms", "smime"])
@pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
def test_openssl_opens_what_we_envelop(files: Path, program: str, size: int) -> None:
    """openssl decrypts ours byte for byte, with both of its programs."""
    plain = (bytes(range(256)) * (size // 256 + 1))[:size]
    words = ("-decrypt", "-binary", "-inform", "DER", "-recip", "own.pem", "-inkey", "own.key")
    assert openssl(files, program, *words, data=enveloped(plain)) == plain


@pytest.mark.parametrize("more", [("-aes256",), ("-aes128",), ("-aes192",), ("-des3",), ("-aes256", "-stream")])
@pytest.mark.parametrize("program", ["cms", "smime"])
@pytest.mark.parametrize("size", [0, 1000, 2_000_000])
def test_we_open_what_openssl_envelops(files: Path, program: str, more: tuple[str, ...], size: int) -> None:
    """Every cipher that is accepted for reading, in DER and in BER."""
    plain = (bytes(range(256)) * (size // 256 + 1))[:size]
    data = openssl(files, program, "-encrypt", "-binary", "-outform", "DER", *more, "own.pem", data=plain)
    assert opened(data) == plain


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384"])
def test_we_open_oaep(files: Path, digest: str) -> None:
    """Key transport by OAEP is read, though never written."""
    words = ("cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-recip", "own.pem")
    options = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{digest}")
    assert opened(openssl(files, *words, *options, data=b"oaep")) == b"oaep"


def test_we_open_by_key_id(files: Path) -> None:
    """A recipient named by its key identifier is read, though never written."""
    named = with_key_id(RECEIVER)
    (files / "named.pem").write_bytes(named.certificate.public_bytes(Encoding.PEM))
    words = ("cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-keyid", "named.pem")
    assert opened(openssl(files, *words, data=b"by id"), named) == b"by id"


@pytest.mark.parametrize("cipher", ["-camellia256", "-aria-256-cbc", "-aes-256-cfb"])
def test_other_ciphers_are_refused_with_a_remedy(files: Path, cipher: str) -> None:
    """A cipher or a mode outside the list is not opened, and the sender's remedy is named."""
    data = openssl(files, "cms", "-encrypt", "-binary", "-outform", "DER", cipher, "own.pem", data=b"other")
    with pytest.raises(Unsupported, match="AES-256-CBC"):
        opened(data)
