"""Which keys a server may have, and our own: ``known_hosts`` and the private key file. BadSettings when one is of no use."""

from __future__ import annotations

from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey
from paramiko.pkey import UnknownKeyType

from kpr.errors import BadSettings
from kpr.transports.edi.settings import SftpCarrierSettings

_SSH_PORT = 22
_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"


def known_keys(settings: SftpCarrierSettings) -> list[paramiko.PKey]:
    """Every key that ``known_hosts`` gives the server, which may be several of one kind while it changes its key.

    Revoked keys are not among them; marked authorities are not supported. The file's own faults are BadSettings.
    """
    try:
        lines = settings.known_hosts.read_text(encoding="utf-8").splitlines()
        found = [entry for line in lines if (entry := _entry(line, _name(settings)))]
    except (OSError, UnicodeDecodeError, InvalidHostKey, paramiko.SSHException):
        raise BadSettings(
            "The file with the SFTP server's key cannot be read.",
            place="transport.carrier.known_hosts",
            remedy="Give a file in the form of OpenSSH's known_hosts.",
        ) from None
    revoked = [key for marker, key in found if marker]
    return [key for marker, key in found if not marker and key not in revoked]


def _name(settings: SftpCarrierSettings) -> str:
    return settings.host if settings.port == _SSH_PORT else f"[{settings.host}]:{settings.port}"


def _entry(line: str, name: str) -> tuple[bool, paramiko.PKey] | None:
    """Whether a key of this server is revoked, and the key; None when the line is about something else."""
    words = line.split()
    revoked = words[:1] == [_REVOKED]
    if not words or words[0].startswith("#") or words[0] == _AUTHORITY:
        return None
    # One blank between the words: paramiko passes over a line with two, and the server would be unknown.
    entry = HostKeyEntry.from_line(" ".join(words[revoked:]))
    if entry is None or not any(_is(name, written) for written in entry.hostnames):
        return None
    return revoked, entry.key


def _is(name: str, written: str) -> bool:
    return written == (HostKeys.hash_host(name, written) if written.startswith("|1|") else name)


def private_key(settings: SftpCarrierSettings) -> paramiko.PKey | None:
    """The key that we log in with, if the settings name one."""
    file = settings.key_file
    if file is None:
        return None
    _demand_private(file)
    password = settings.key_password.get_secret_value().encode() if settings.key_password else None
    try:
        key: paramiko.PKey = paramiko.PKey.from_path(file, password)  # type: ignore[arg-type]  # bytes, at run time
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType):
        raise BadSettings(
            "The key that we log in with cannot be read.",
            place="transport.carrier.key_file",
            remedy="Give a private key as ssh-keygen makes it, and KPR_TRANSPORT__CARRIER__KEY_PASSWORD if it has one.",
        ) from None
    return key


def _demand_private(file: Path) -> None:
    if file.is_file() and file.stat().st_mode & 0o077:
        raise BadSettings(
            "Others than its owner can read the key that we log in with.",
            place="transport.carrier.key_file",
            remedy="Run: chmod 600 on it.",
        )
