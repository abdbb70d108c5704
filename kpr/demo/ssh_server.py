"""An OpenSSH server as a user process in one folder, for the demo over SFTP: its own keys, a free port, stopped by pid."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from kpr.demo.mail_servers import mail_owner
from kpr.demo.own_server import HOST, OwnServer, free_ports
from kpr.errors import BadSettings


def find_sshd() -> Path | None:
    """The program: where ``KPR_SSHD`` says, in the usual place, or unpacked beside our Python; else None."""
    named = os.environ.get("KPR_SSHD")
    usual = [Path("/usr/sbin/sshd"), Path(sys.prefix) / "sshd" / "usr" / "sbin" / "sshd"]
    return next((path for path in ([Path(named)] if named else usual) if path.exists()), None)


class SshServer(OwnServer):
    """Files by SFTP for one user: us, or nobody where we are root. ``key_file`` lets in, ``known_hosts`` knows it."""

    def __init__(self, folder: Path, keys: Path) -> None:
        program = find_sshd()
        if program is None:
            raise BadSettings(
                "OpenSSH's server is not installed.", place="sshd", remedy="Run: sh scripts/sshd, or install it."
            )
        super().__init__(folder, free_ports(1)[0])
        self._program = program
        self.user = pwd.getpwuid(mail_owner()[0]).pw_name
        self.files = self.folder / "files"
        self.files.mkdir(exist_ok=True)
        self.key_file, self.known_hosts = keys / "sftp.key", keys / "known_hosts"
        keys.mkdir(parents=True, exist_ok=True)
        _keygen(program, self.folder / "host_key")
        _keygen(program, self.key_file)
        shutil.copy(keys / "sftp.key.pub", self.folder / "authorized_keys")
        host = (self.folder / "host_key.pub").read_text(encoding="ascii")
        self.known_hosts.write_text(f"[localhost]:{self.port} {host}", encoding="ascii")
        (self.folder / "sshd_config").write_text(self._configuration(), encoding="utf-8")
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, *mail_owner())

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        how: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            user, group = mail_owner()
            how |= {"user": user, "group": group, "extra_groups": []}
        return [str(self._program), "-D", "-e", "-f", str(self.folder / "sshd_config")], how

    def _configuration(self) -> str:
        return "\n".join(
            (
                f"Port {self.port}",
                f"ListenAddress {HOST}",
                f"HostKey {self.folder}/host_key",
                f"AuthorizedKeysFile {self.folder}/authorized_keys",
                f"PidFile {self.folder}/pid",
                # Without PAM, nobody has no account that may log in.
                f"UsePAM {'yes' if os.geteuid() == 0 else 'no'}",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "StrictModes no",
                "UseDNS no",
                f"Subsystem sftp internal-sftp -d {self.files}",
                "",
            )
        )


def _keygen(sshd: Path, file: Path) -> None:
    """A key pair as OpenSSH makes it."""
    file.unlink(missing_ok=True)
    beside = sshd.parents[1] / "bin" / "ssh-keygen"
    program = shutil.which("ssh-keygen") or str(beside)
    command = [program, "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
