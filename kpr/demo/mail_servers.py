"""A Dovecot and an SMTP receiver of our own, as user processes in one folder: for the demo over EDI and for the tests.

Mail that the receiver takes lies in Dovecot's mailboxes, so what is handed in by SMTP can be fetched by IMAP. Both
listen on free ports of this machine only, and are stopped by pid. Neither is, or becomes, a service of the machine.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kpr.demo.broker_keys import write_server_keys
from kpr.demo.maildir import deliver
from kpr.demo.own_server import HOST, OwnServer, free_ports
from kpr.errors import BadSettings
from kpr.security.throwaway import write_private

__all__ = ["Dovecot", "SmtpReceiver", "find_dovecot", "free_ports", "mail_folder", "mail_owner"]


def find_dovecot() -> Path | None:
    """The program: where ``KPR_DOVECOT`` says, in the usual place, or unpacked beside our Python; else None."""
    named = os.environ.get("KPR_DOVECOT")
    usual = [Path("/usr/sbin/dovecot"), Path(sys.prefix) / "dovecot" / "usr" / "sbin" / "dovecot"]
    return next((path for path in ([Path(named)] if named else usual) if path.exists()), None)


def mail_owner() -> tuple[int, int]:
    """User and group that mailboxes belong to: us, or nobody where we are root, for whom Dovecot opens no mail."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@contextlib.contextmanager
def mail_folder() -> Iterator[Path]:
    """A folder of short name that Dovecot can reach and use; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kpr-mail-", ignore_cleanup_errors=True) as folder:
        _give(Path(folder))
        yield Path(folder)


def _give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *mail_owner(), follow_symlinks=False)


class Dovecot(OwnServer):
    """An IMAP server with one mailbox a user. ``port`` is plain and STARTTLS, ``tls_port`` TLS.

    ``config`` is added to Dovecot's own configuration. ``keys``: certificate and key, instead of a pair for localhost
    that ``ca_file`` issued. ``tls``: without it there is neither TLS nor STARTTLS.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str],
        *,
        config: str = "",
        keys: tuple[Path, Path] | None = None,
        tls: bool = True,
    ) -> None:
        program = find_dovecot()
        if program is None:
            raise BadSettings(
                "Dovecot is not installed.",
                place="dovecot",
                remedy="Run: sh scripts/dovecot, or install dovecot-imapd.",
            )
        port, self.tls_port = free_ports(2)
        super().__init__(folder, port)
        _demand_usable(self.folder)
        self._program, self._unpacked = program, _unpacked(program)
        self.ca_file = self.folder / "ca.pem"
        self._keys, self._tls = _own_keys(self.folder, self.ca_file, keys), tls
        lines = "".join(f"{user}:{{PLAIN}}{password}\n" for user, password in users.items())
        write_private(self.folder / "users", lines.encode())
        for user in users:
            self.maildir(user).mkdir(parents=True, exist_ok=True)
        (self.folder / "run").mkdir(exist_ok=True)
        (self.folder / "dovecot.conf").write_text(self._configuration() + config, encoding="utf-8")
        if self._unpacked is not None and not (self.folder / "run" / "modules").is_symlink():
            (self.folder / "run" / "modules").symlink_to(self._unpacked / "usr/lib/dovecot/modules")
        if os.geteuid() == 0:
            _give(self.folder)

    def maildir(self, user: str) -> Path:
        """The folder of a user's mail."""
        return self.folder / "mail" / user

    def waiting(self, user: str) -> int:
        """How many mails lie in the user's inbox."""
        return sum(len(list((self.maildir(user) / part).glob("*"))) for part in ("new", "cur"))

    def deliver(self, user: str, raw: bytes, folder: str = "") -> None:
        """Put a mail into a mailbox, as a receiver of mail does."""
        deliver(self.maildir(user) / f".{folder}" if folder else self.maildir(user), raw, mail_owner())

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        how: dict[str, Any] = {"cwd": self.folder / "run", "env": {"PATH": "/usr/bin:/bin"}}
        if os.geteuid() == 0:
            user, group = mail_owner()
            how |= {"user": user, "group": group, "extra_groups": []}
        config = str(self.folder / "dovecot.conf")
        command = [str(self._program), "-F", "-c", config]
        if self._unpacked is None:
            return command, how
        # Dovecot has the place of doveconf compiled in; called the other way round, it need not look for it.
        libraries = self._unpacked / "usr/lib/dovecot"
        paths = (libraries, libraries / "modules/old-stats", *(self._unpacked / "usr/lib").glob("*-linux-gnu*"))
        how["env"]["LD_LIBRARY_PATH"] = ":".join(map(str, paths))
        return [str(self._unpacked / "usr/bin/doveconf"), "-c", config, "-e", *command], how

    def _configuration(self) -> str:
        user = pwd.getpwuid(mail_owner()[0]).pw_name
        libraries = self._unpacked / "usr/lib/dovecot" if self._unpacked else None
        moved = f"libexec_dir = {libraries}\nmail_plugin_dir = {libraries}/modules\n" if libraries else ""
        certificate, key = self._keys
        tls = f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}\n" if self._tls else "ssl = no\n"
        tls_listener = "yes" if self._tls else "no"
        return (
            f"base_dir = {self.folder}/run\nstate_dir = {self.folder}/run\nlog_path = {self.folder}/run/dovecot.log\n"
            f"{moved}{tls}import_environment = LD_LIBRARY_PATH\nprotocols = imap\nlisten = {HOST}\n"
            f"default_login_user = {user}\ndefault_internal_user = {user}\n"
            f"default_internal_group = {grp.getgrgid(mail_owner()[1]).gr_name}\n"
            f"first_valid_uid = 1\nfirst_valid_gid = 1\nmail_location = maildir:{self.folder}/mail/%u\n"
            "mail_max_userip_connections = 100\nauth_mechanisms = plain login\nauth_failure_delay = 0\n"
            f"passdb {{\n driver = passwd-file\n args = scheme=PLAIN {self.folder}/users\n}}\n"
            "userdb {\n driver = static\n"
            f" args = uid={mail_owner()[0]} gid={mail_owner()[1]} home={self.folder}/mail/%u\n}}\n"
            # Without root there is nobody to shut oneself in.
            "service anvil {\n chroot =\n unix_listener anvil-auth-penalty {\n  mode = 0\n }\n}\nservice imap-login {\n chroot =\n"
            f" inet_listener imap {{\n  port = {self.port}\n }}\n"
            f" inet_listener imaps {{\n  port = {self.tls_port if self._tls else 0}\n  ssl = {tls_listener}\n }}\n}}\n"
        )


def _demand_usable(folder: Path) -> None:
    """Its sockets' names may have about a hundred bytes, and who is not root must get there."""
    above = [path.stat() for path in folder.parents]
    closed = [one for one in above if not one.st_mode & (0o100 if one.st_uid == mail_owner()[0] else 0o001)]
    if closed or len(os.fsencode(folder)) > 70:
        raise BadSettings(
            "Dovecot cannot use this folder: its name is too long, or it lies where only root may go.",
            place=folder.name,
            remedy="Use mail_folder(), or another folder.",
        )


def _own_keys(folder: Path, ca_file: Path, keys: tuple[Path, Path] | None) -> tuple[Path, Path]:
    """A pair for localhost, or copies of those that were given: where they lie, the server may not look."""
    if keys is None:
        return write_server_keys(folder, ca_file)
    certificate, key = folder / "given.pem", folder / "given.key"
    shutil.copy(keys[0], certificate)
    shutil.copy(keys[1], key)
    return certificate, key


def _unpacked(program: Path) -> Path | None:
    """The folder that the package was unpacked into; None where it is installed."""
    return None if program.parents[2] == Path("/") else program.resolve().parents[2]


class SmtpReceiver(OwnServer):
    """An SMTP server that lays mail into mailboxes. ``boxes``: the mailbox of each address, as a maildir.

    ``users``: who may log in, with passwords; without them nobody need. ``keys``: certificate and key. With ``say`` it
    is told how to answer from then on.
    """

    def __init__(
        self,
        folder: Path,
        boxes: Mapping[str, Path],
        *,
        security: str = "starttls",
        keys: tuple[Path, Path] | None = None,
        users: Mapping[str, str] | None = None,
        size_limit: int | None = None,
        dsn: bool = True,
    ) -> None:
        if find_spec("aiosmtpd") is None:
            raise BadSettings(
                "aiosmtpd is not installed.", place="aiosmtpd", remedy="Run: pip install aiosmtpd (it is in kpr[dev])."
            )
        super().__init__(folder, free_ports(1)[0])
        self.ca_file = self.folder / "ca.pem"
        certificate, key = _own_keys(self.folder, self.ca_file, keys)
        config = {
            "port": self.port,
            "boxes": {address: str(box) for address, box in boxes.items()},
            "owner": mail_owner(),
            "security": security,
            "certificate": str(certificate),
            "key": str(key),
            "users": dict(users or {}),
            "size_limit": size_limit,
            "dsn": dsn,
            "answers": str(self.folder / "answers.json"),
        }
        write_private(self.folder / "receiver.json", json.dumps(config).encode())

    def say(self, **answers: str) -> None:
        """The answers from now on: ``mail``, ``rcpt``, ``data`` (``452 4.2.2 full``), ``bounce`` (a status, ``5.1.1``).

        With none of them it takes everything again.
        """
        new = self.folder / f"answers.{secrets.token_hex(4)}"
        new.write_text(json.dumps(answers), encoding="utf-8")
        new.replace(self.folder / "answers.json")

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        return [sys.executable, "-m", "kpr.demo.smtp_receiver", str(self.folder / "receiver.json")], {}
