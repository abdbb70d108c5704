"""A real FTP server with TLS (pyftpdlib) in a process of its own, with faults on demand and throw-away certificates.

Started with a file of wishes as its only word it is the server; imported it is how to start one.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kpr.transports.edi.settings import FtpsCarrierSettings

USER, PASSWORD = "kommune", "et passord for en test"
_DAY = datetime.timedelta(days=1)


# -- certificates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A throw-away authority; ``file`` is what a client trusts."""

    folder: Path
    name: str = "CA"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        """Its own certificate."""
        file = self.folder / f"{self.name}.pem"
        if not file.exists():
            extension = x509.BasicConstraints(ca=True, path_length=None)
            certificate = self._builder(self.name, self.key).add_extension(extension, critical=True)
            file.write_bytes(certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return file

    def issue(self, host: str = "localhost", *, days: int = 1) -> Path:
        """A server's certificate and its key in one file; of negative days it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = (
            self._builder(host, key, days).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{host}{days}.pem"
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key.private_bytes(*plain) + certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * _DAY)
            .not_valid_after(now + days * _DAY)
        )


# -- how to start one ---------------------------------------------------------------------------------------------------


@dataclass
class FtpsServer:
    """One server over ``root``. ``wishes``: what it shall do otherwise, see ``serve``."""

    folder: Path
    authority: Authority
    wishes: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.root = self.folder / "files"
        self.root.mkdir()
        self.wishes = {"root": str(self.root), "certificate": str(self.authority.issue())} | self.wishes

    def settings(self, **changes: Any) -> FtpsCarrierSettings:
        """How to reach it."""
        values = {
            "kind": "ftps",
            "host": "localhost",
            "port": self.port,
            "username": USER,
            "password": PASSWORD,
            "ca_file": self.authority.file,
            "security": "tls" if self.wishes.get("implicit") else "starttls",
            "timeout_seconds": 10,
        }
        return FtpsCarrierSettings.model_validate(values | changes)

    def start(self) -> None:
        """Start, on the port that it had; when it says its port, it listens."""
        file = self.folder / "wishes.json"
        file.write_text(json.dumps(self.wishes | {"port": self.port}))
        command = [sys.executable, __file__, str(file)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        """As a machine that goes down."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def limit_file_size(self, n_bytes: int) -> None:
        """No file may grow beyond this: a disk that is full."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))

    def lay(self, path: str, data: bytes) -> Path:
        """A file that somebody else has put there."""
        target = self.root / path
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_bytes(data)
        return target


@contextlib.contextmanager
def running_ftps(folder: Path, **wishes: Any) -> Iterator[FtpsServer]:
    """A server that runs until the end of the block."""
    server = FtpsServer(folder, Authority(folder), wishes)
    server.start()
    try:
        yield server
    finally:
        server.kill()


# -- the server ---------------------------------------------------------------------------------------------------------


def serve(wishes: dict[str, Any]) -> None:
    """Serve until killed.

    implicit: TLS from the first byte. reuse: a data connection must take up the TLS session. version: TLS 1.2 or 1.3
    alone. unknown: commands that it does not know. perm: the user's rights, in pyftpdlib's letters. passive: the one
    port of data connections. full: [n, reply], after n bytes of a file the reply. plain: knows no TLS at all.
    no_goodbye: hangs up on data connections without TLS's own end.
    """
    from OpenSSL import SSL
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.log import logger
    from pyftpdlib.servers import FTPServer

    n_full, reply = wishes.get("full") or (None, "")

    class Data(TLS_DTPHandler):  # type: ignore[misc]
        def handle_ssl_established(self) -> None:
            super().handle_ssl_established()
            if wishes.get("reuse") and not SSL._lib.SSL_session_reused(self.socket._ssl):
                self._resp = ("522 SSL session not reused.", logger.warning)
                self.close()

        def handle_read_event(self) -> None:
            super().handle_read_event()
            if n_full is not None and self.tot_bytes_received > n_full and not self._closed:
                self._resp = (reply, logger.warning)
                self._error = True
                self.close()

        def close(self) -> None:
            if wishes.get("no_goodbye"):
                self._error = True
            super().close()

    class Control(TLS_FTPHandler):  # type: ignore[misc]
        def handle(self) -> None:
            if wishes.get("implicit"):
                self.secure_connection(self.ssl_context)
            else:
                super().handle()

        def handle_ssl_established(self) -> None:
            if wishes.get("implicit"):
                TLS_FTPHandler.handle(self)

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            if cmd in wishes.get("unknown", ()):
                self.respond(f'500 Command "{cmd}" not understood.')
            else:
                super().pre_process_command(line, cmd, arg)

    kind = FTPHandler if wishes.get("plain") else Control
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, wishes["root"], perm=wishes.get("perm", "elradfmwMT"))
    kind.authorizer, kind.auth_failed_timeout = authorizer, 0
    if wishes.get("passive"):
        kind.passive_ports = [wishes["passive"]]
    if not wishes.get("plain"):
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_chain_file(wishes["certificate"])
        context.use_privatekey_file(wishes["certificate"])
        version = {"1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION}.get(wishes.get("version", ""), 0)
        context.set_max_proto_version(version)
        Control.ssl_context, Control.dtp_handler = context, Data
        Control.tls_control_required = Control.tls_data_required = not wishes.get("optional")
    with FTPServer(("127.0.0.1", wishes["port"]), kind) as server:
        sys.stdout.write(f"{server.address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(json.loads(Path(sys.argv[1]).read_text()))
