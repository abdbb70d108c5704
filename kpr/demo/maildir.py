"""Lays a mail into a maildir, whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path


def deliver(maildir: Path, raw: bytes, owner: tuple[int, int]) -> Path:
    """Write, then rename (``tmp`` to ``new``); user and group of the file as told, where we are root. The file."""
    for name in ("tmp", "new", "cur"):
        made = maildir / name
        if not made.exists():
            made.mkdir(parents=True, mode=0o700, exist_ok=True)
            _give(maildir, owner)
            _give(made, owner)
    seconds, rest = divmod(time.time_ns(), 10**9)  # mails are numbered in the order of their names
    path = maildir / "tmp" / f"{seconds}.M{rest:09}R{secrets.token_hex(4)}.kpr"
    path.write_bytes(raw)
    _give(path, owner)
    return path.replace(maildir / "new" / path.name)


def _give(path: Path, owner: tuple[int, int]) -> None:
    if os.geteuid() == 0:
        os.chown(path, *owner)
