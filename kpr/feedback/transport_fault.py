"""The other side's transport errors: what they mean and who mends them. The set of codes is open."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path

import yaml

from kpr.checks.finding import Text
from kpr.log import blot
from kpr.transports.seam import Envelope, Fault

#: What a code may look like to be shown as it is; anything else could be a text about somebody.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9:._-]{0,63}")
_FIELDS = re.compile(r"[A-Za-z][A-Za-z;]{0,119}")


@cache
def _meanings() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return rows


def meaning(condition: str) -> Text:
    """What a code means for us, and what to do."""
    row = _meanings().get(condition, _meanings()["other"])
    return Text(row["nb"], row["en"])


def shown(fault: Fault) -> str:
    """The code as it may be shown and stored, with the names of the fields where there are any."""
    code = blot(fault.condition) if _CODE.fullmatch(fault.condition) else "?"
    return f"{code} ({fault.data.rstrip(';')})" if _FIELDS.fullmatch(fault.data) else code


def as_kept(envelope: Envelope) -> bytes:
    """The whole error message, to be kept encrypted: the other side's own words are in it."""
    return json.dumps(asdict(envelope), default=lambda moment: moment.isoformat(), sort_keys=True).encode()


def fingerprint(envelope: Envelope) -> str:
    """The same error message twice has the same one."""
    return f"error:{hashlib.sha256(as_kept(envelope)).hexdigest()}"
