"""Passwords of servers: from the environment, or from a file that its owner alone can read; never from a settings file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import SecretStr

from kpr.errors import BadSettings


def secret(password: SecretStr | None, file: Path | None, *, place: str, what: str = "A password") -> str:
    """The password; BadSettings when there is none, or an empty one. ``place`` is the setting, ``smtp.password_file``."""
    found = password.get_secret_value() if password else ""
    if not found and file is not None:
        _demand_private(file, place)
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = file.read_text(encoding="utf-8").strip()
    if not found:
        variable = "KPR_" + place.removesuffix("_file").replace(".", "__").upper()
        raise BadSettings(f"{what} is missing.", place=place, remedy=f"Set {variable}, or name a file that holds it.")
    return found


def _demand_private(path: Path, place: str) -> None:
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_mode & 0o077:
            raise BadSettings(
                "Others than its owner can read a file with a password.", place=place, remedy="Run: chmod 600 on it."
            )
