"""The other side's transport errors: what they mean and who mends them. The set of codes is open."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, replace
from functools import cache

from kpr.checks.finding import Text
from kpr.conversation import AttemptEvent
from kpr.transports.seam import Envelope, Fault
from kpr.yaml_file import table_beside

#: What a code may look like to be shown as it is; anything else could be a text about somebody.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9:._-]{0,63}")
#: More digits than this could be a national id, however it is written.
_MOST_DIGITS = 8
#: Names of fields as the reference library and the specification write them; another word is not shown.
_FIELDS = frozenset(
    {
        *("toHerId", "fromHerId", "ToHerId", "FromHerId", "Label", "subject", "applicationTimeStamp", "ContentType"),
        *("content-type", "message-id", "MessageId", "reply-to", "ReplyTo", "to", "correlation-id", "CorrelationId"),
        "cpaId",
    }
)


@cache
def _meanings() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = table_beside(__file__)
    return rows


def meaning(condition: str) -> Text:
    """What a code means for us, and what to do."""
    family = f"{condition.partition(':')[0]}:*"
    row = _meanings().get(condition) or _meanings().get(family) or _meanings()["other"]
    return Text(row["nb"], row["en"])


def shown(fault: Fault) -> str:
    """The code as it may be shown and stored, with the names of the fields where there are any."""
    digits = sum(sign.isdigit() for sign in fault.condition)
    code = fault.condition if _CODE.fullmatch(fault.condition) and digits <= _MOST_DIGITS else "?"
    named = [name for name in fault.data.split(";") if name in _FIELDS]
    return f"{code} ({';'.join(named)})" if named else code


def event(fault: Fault) -> AttemptEvent:
    """What it means for the attempt: a mail that came back was never delivered; anything else was refused."""
    return AttemptEvent.RETURNED if fault.condition.startswith("mail:") else AttemptEvent.REFUSED


def as_kept(envelope: Envelope, body: bytes = b"") -> bytes:
    """The whole error message, to be kept encrypted: the other side's own words are in it."""
    whole = asdict(envelope) | ({"body": base64.b64encode(body).decode()} if body else {})
    return json.dumps(whole, default=lambda moment: moment.isoformat(), sort_keys=True).encode()


def fingerprint(envelope: Envelope, body: bytes = b"") -> str:
    """The same error message twice has the same one, on whichever queue it lay."""
    return f"error:{hashlib.sha256(as_kept(replace(envelope, came_by=''), body)).hexdigest()}"
