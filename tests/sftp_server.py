"""A real OpenSSH server for one test: a user process on a free port with its own keys, stopped by its process id.

It is never a service, and reads nothing of the machine's own configuration. As root it runs as ``nobody``, so that the
rights of files mean something. Killing it kills the sessions that it started as well, as a machine that goes down.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

from kpr.demo.ssh_server import find_sshd
from kpr.transports.edi.settings import SftpCarrierSettings

_UNPACKED = Path(__file__).resolve().parents[1] / ".venv" / "sshd" / "usr"
#: Who the server is, and whom it lets in.
USER = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def find_client(name: str) -> str | None:
    """OpenSSH's own ``sftp`` or ``ssh-keygen``."""
    return shutil.which(name) or shutil.which(name, path=str(_UNPACKED / "bin"))


@dataclass
class SftpServer:
    """One server. ``root`` is the folder that a client finds itself in."""

    program: Path
    folder: Path
    #: Words for sftp-server: ["-R"] refuses every write.
    options: list[str] = field(default_factory=list)
    subsystem: bool = True
    #: The kind of a second host key, if it has one.
    second_key: str = ""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.root = self.folder / "files"
        self.root.mkdir()
        self.new_host_key()
        if self.second_key:
            keygen(self.second_key, self.folder / "second_key")
        keygen("ed25519", self.folder / "user_key")
        # Copies, because a checkout in somebody's home cannot be reached by another user.
        for file in (self.program, *_UNPACKED.parent.glob("**/libwrap.so*")):
            shutil.copy(file, self.folder)
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        self.port = free_port()

    def new_host_key(self, kind: str = "ed25519") -> None:
        """A host key; the one before, if any, is gone."""
        for old in ("host_key", "host_key.pub"):
            (self.folder / old).unlink(missing_ok=True)
        keygen(kind, self.folder / "host_key")

    @property
    def host_line(self) -> str:
        """What known_hosts must say of it."""
        return f"[localhost]:{self.port} {(self.folder / 'host_key.pub').read_text()}"

    def settings(self, **changes: Any) -> SftpCarrierSettings:
        """How to reach it, with its present key known."""
        known = self.folder / "known_hosts"
        known.write_text(self.host_line)
        values = {
            "kind": "sftp",
            "host": "localhost",
            "port": self.port,
            "username": USER.pw_name,
            "known_hosts": known,
            "key_file": self.folder / "user_key",
            "timeout_seconds": 10,
        }
        return SftpCarrierSettings.model_validate(values | changes)

    def through(self, port: int, **changes: Any) -> SftpCarrierSettings:
        """How to reach it by another port, where something stands between."""
        known = self.folder / f"known_hosts_{port}"
        known.write_text(self.host_line.replace(f":{self.port}", f":{port}"))
        return self.settings(port=port, known_hosts=known, **changes)

    def start(self, largest_file: int | None = None) -> None:
        """Start, and wait until it listens. No file may grow beyond ``largest_file``: what a quota does."""
        config = self.folder / "sshd_config"
        config.write_text(self._config())
        self._hand_over()
        # Python's habit of ignoring SIGXFSZ is inherited: a file that grows too large is then a fault, and no death.
        self.process = subprocess.Popen(
            [self.folder / self.program.name, "-D", "-f", config, "-E", self.folder / "log"],
            user=USER.pw_uid if os.getuid() == 0 else None,
            group=USER.pw_gid if os.getuid() == 0 else None,
            extra_groups=[] if os.getuid() == 0 else None,
            cwd=self.folder,
            env={"PATH": os.defpath, "LD_LIBRARY_PATH": str(self.folder)},
            restore_signals=False,
            preexec_fn=None if largest_file is None else lambda: _limit(largest_file),
        )
        ends = time.monotonic() + 15
        while not listens(self.port):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < ends, "sshd does not listen"
            time.sleep(0.02)

    def kill(self) -> None:
        """As a machine that goes down: the server and every session, at once."""
        if self.process is None:
            return
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def lay(self, path: str, data: bytes) -> Path:
        """A file that somebody else has put there."""
        target = self.root / path
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_bytes(data)
        self._hand_over()
        return target

    def _hand_over(self) -> None:
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, USER.pw_uid, USER.pw_gid, follow_symlinks=False)

    def _config(self) -> str:
        words = " ".join(["internal-sftp", "-d", str(self.root), *self.options])
        return "\n".join(
            [
                f"Port {self.port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {self.folder}/host_key",
                f"HostKey {self.folder}/second_key" if self.second_key else "",
                f"AuthorizedKeysFile {self.folder}/authorized_keys",
                f"PidFile {self.folder}/pid",
                # nobody has no account that may log in otherwise; it has no password either way.
                f"UsePAM {'yes' if os.getuid() == 0 else 'no'}",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "StrictModes no",
                "UseDNS no",
                "MaxStartups 100",
                f"Subsystem sftp {words}" if self.subsystem else "",
                "",
            ]
        )


@contextlib.contextmanager
def running_sshd(**changes: Any) -> Iterator[SftpServer]:
    """A server that runs until the end of the block."""
    program = find_sshd()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="kpr-sshd-") as folder:
        server = SftpServer(program, Path(folder), **changes)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _limit(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def keygen(kind: str, file: Path, password: str = "") -> None:
    """A key pair as OpenSSH makes it."""
    program = find_client("ssh-keygen")
    assert program is not None
    subprocess.run([program, "-q", "-t", kind, "-N", password, "-f", file], check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def descendants(pid: int) -> list[int]:
    """Every process that this one has started, and those have started."""
    with contextlib.suppress(OSError):
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [found for child in children for found in (child, *descendants(child))]
    return []


# -- a second server, without OpenSSH's extensions, that takes a password ----------------------------------------------


class _Handle(paramiko.SFTPHandle):
    """An open file; the write that covers an offset of ``fails_at`` fails, once."""

    fails_at: list[int]

    def write(self, offset: int, data: bytes) -> int:
        """Write, or say no."""
        for hole in self.fails_at:
            if offset <= hole < offset + len(data):
                self.fails_at.remove(hole)
                return paramiko.SFTP_FAILURE
        return super().write(offset, data)


class _Files(paramiko.SFTPServerInterface):
    """A folder, by the plain requests of version 3 alone."""

    root: Path
    fails_at: list[int]

    def _path(self, path: str) -> Path:
        return self.root / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> Any:
        """Its files."""
        return [paramiko.SFTPAttributes.from_stat(file.lstat(), file.name) for file in self._path(path).iterdir()]

    def stat(self, path: str) -> Any:
        """What it is."""
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).lstat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        """A handle on it."""
        handle = _Handle(flags)
        handle.fails_at = self.fails_at
        try:
            file = os.fdopen(os.open(self._path(path), flags, 0o600), "r+b" if flags & 3 else "rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle.readfile = handle.writefile = file
        return handle

    def mkdir(self, path: str, attr: Any) -> int:
        """A folder."""
        self._path(path).mkdir()
        return paramiko.SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        """In the plain way."""
        if self._path(newpath).exists():
            return paramiko.SFTP_FAILURE
        self._path(oldpath).rename(self._path(newpath))
        return paramiko.SFTP_OK


class _Guard(paramiko.ServerInterface):
    """Lets in who knows the password."""

    def __init__(self, password: str) -> None:
        self._password = password

    def check_auth_password(self, username: str, password: str) -> int:
        """Whether it is the one."""
        return paramiko.AUTH_SUCCESSFUL if password == self._password else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        """Nothing else."""
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """A session, and no more."""
        return paramiko.OPEN_SUCCEEDED


@contextlib.contextmanager
def password_server(folder: Path, password: str, fails_at: Sequence[int] = ()) -> Iterator[SftpCarrierSettings]:
    """A server of one connection at a time; how to reach it, without the password."""
    (folder / "root").mkdir()
    key = paramiko.ECDSAKey.generate()
    files = type("Files", (_Files,), {"root": folder / "root", "fails_at": list(fails_at)})
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as ends:
        port = listening.getsockname()[1]
        known = folder / "known"
        known.write_text(f"[localhost]:{port} {key.get_name()} {key.get_base64()}\n")

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    transport = paramiko.Transport(listening.accept()[0])
                    ends.callback(transport.close)
                    transport.add_server_key(key)
                    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
                    with contextlib.suppress(paramiko.SSHException, EOFError):
                        transport.start_server(server=_Guard(password))

        thread = threading.Thread(target=serve)
        thread.start()
        yield SftpCarrierSettings(
            kind="sftp", host="localhost", port=port, username="kommune", known_hosts=known, timeout_seconds=10
        )
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
