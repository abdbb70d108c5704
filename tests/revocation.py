"""What tests of trust need: certificates that name servers, a server for lists, and a responder that answers."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep

from asn1crypto import core, crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR, HOUR = timedelta(days=365), timedelta(hours=1)
OPENSSL = shutil.which("openssl")
NO_OPENSSL = "openssl, the responder of these tests, is not installed here"
USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@cache
def key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The n-th key of this run."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and its issuer."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey
    issuer: Issued | None = None

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key as files."""
        name = f"{self.certificate.serial_number:x}"[:12]
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(self.pem)
        paths[1].write_bytes(self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a certificate is to say; the defaults are those of an ordinary one."""

    lists: tuple[str, ...] = ()
    responders: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    valid: tuple[datetime, datetime] = (NOW - YEAR, NOW + YEAR)
    authority: bool = False
    responder: bool = False
    serial: int = 0
    key: rsa.RSAPrivateKey = field(default_factory=lambda: key(0))


def issue(name: str, issuer: Issued | None, wish: Wish | None = None) -> Issued:
    """A certificate by this issuer, or a self-signed one."""
    wish = wish or Wish()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = issuer.certificate.subject if issuer else subject
    signer = issuer.private_key if issuer else wish.key
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(wish.key.public_key())
    builder = builder.serial_number(wish.serial or x509.random_serial_number())
    builder = builder.not_valid_before(wish.valid[0]).not_valid_after(wish.valid[1])
    for extension in _extensions(wish, signer):
        critical = isinstance(extension, x509.KeyUsage | x509.BasicConstraints)
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(signer, hashes.SHA256()), wish.key, issuer)


def _extensions(wish: Wish, signer: rsa.RSAPrivateKey) -> Iterator[x509.ExtensionType]:
    bits = ("key_cert_sign", "crl_sign") if wish.authority else ("content_commitment",)
    yield x509.KeyUsage(**{bit: bit in bits for bit in USAGES})
    yield x509.BasicConstraints(ca=wish.authority, path_length=None)
    yield x509.SubjectKeyIdentifier.from_public_key(wish.key.public_key())
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    if wish.responder:
        yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
        yield x509.OCSPNoCheck()
    if wish.lists:
        addresses = [[x509.UniformResourceIdentifier(url)] for url in wish.lists]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None) for names in addresses])
    if wish.responders:
        ocsp, names = AuthorityInformationAccessOID.OCSP, map(x509.UniformResourceIdentifier, wish.responders)
        yield x509.AuthorityInformationAccess([x509.AccessDescription(ocsp, name) for name in names])
    if wish.policies:
        oids = map(x509.ObjectIdentifier, wish.policies)
        yield x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids])


def revocation_list(
    issuer: Issued,
    revoked: Mapping[Issued, datetime] | None = None,
    valid: tuple[datetime, datetime] = (NOW - HOUR, NOW + 24 * HOUR),
) -> bytes:
    """A list of revoked certificates, in DER."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(valid[0]).next_update(valid[1])
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key())
    builder = builder.add_extension(aki, critical=False).add_extension(x509.CRLNumber(1), critical=False)
    for each, when in (revoked or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(when)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def weakly_signed(signed: bytes, signer: Issued) -> bytes:
    """The same certificate or list, properly signed over SHA-1 instead."""
    whole = (asn1_x509.Certificate if signed.count(b"leaf") else crl.CertificateList).load(signed)
    inner = whole[0]
    inner["signature"] = whole["signature_algorithm"] = {"algorithm": "sha1_rsa", "parameters": core.Null()}
    whole[2] = signer.private_key.sign(inner.dump(force=True), padding.PKCS1v15(), hashes.SHA1())
    return bytes(whole.dump(force=True))


@dataclass(frozen=True)
class Page:
    """What a server sends: a status, a body (so many times over), and where to look instead."""

    body: bytes = b""
    status: int = 200
    times: int = 1
    location: str = ""


@dataclass
class Shelf:
    """A web server on a free port of this machine: what it has, and what was asked of it."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    slow: float = 0
    sent: int = 0

    def put(self, name: str, page: Page | bytes) -> str:
        """Lay out a page; its address."""
        self.pages[f"/{name}"] = page if isinstance(page, Page) else Page(page)
        return f"{self.url}/{name}"


@contextmanager
def shelf() -> Iterator[Shelf]:
    """A web server, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            laid.asked.append(self.path)
            sleep(laid.slow)
            page = laid.pages.get(self.path, Page(status=404))
            with suppress(ConnectionError):
                self.send_response(page.status)
                self.send_header("Content-Length", str(len(page.body) * page.times))
                if page.location:
                    self.send_header("Location", page.location)
                self.end_headers()
                for _ in range(page.times):
                    laid.sent += self.wfile.write(page.body)

        do_POST = do_GET

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        laid = Shelf(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield laid
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Responder:
    """A running responder: its address, and the way to stop it."""

    url: str
    stop: Callable[[], None]


@contextmanager
def responder(
    folder: Path, issuer: Issued, known: Mapping[int, datetime | None], signer: Issued | None = None
) -> Iterator[Responder]:
    """The responder of openssl for these serial numbers (with the day of revocation), as a process of ours."""
    assert OPENSSL
    index = folder / "index.txt"
    index.write_text("".join(_row(serial, revoked) for serial, revoked in known.items()))
    ca, (certificate, private) = issuer.write(folder)[0], (signer or issuer).write(folder)
    files = ("-index", index, "-CA", ca, "-rsigner", certificate, "-rkey", private)
    command = [OPENSSL, "ocsp", "-port", "0", "-nmin", "5", *map(str, files)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop() -> None:
        process.terminate()
        process.wait(10)

    assert process.stdout
    try:
        said = next((line for line in process.stdout if b"ACCEPT" in line), b"")
        assert said, "the responder did not start"
        yield Responder(f"http://127.0.0.1:{int(said.split()[1].rpartition(b':')[2])}", stop)
    finally:
        stop()
        process.stdout.close()


def _row(serial: int, revoked: datetime | None) -> str:
    digits = f"{serial:X}"
    ends, when = (f"{day:%y%m%d%H%M%SZ}" if day else "" for day in (NOW + YEAR, revoked))
    return f"{'R' if revoked else 'V'}\t{ends}\t{when}\t{digits.zfill(len(digits) + len(digits) % 2)}\tunknown\t/CN=x\n"
