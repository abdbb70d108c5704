"""What a proof says of one submission. Hashes, ids, times, verdicts and the words of those who acted; no person data.

Counts from 1 to 4 are left out (None), as in public tables: a proof may be shown to anyone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

#: Rises when a reader of an earlier version could misread a proof; what it does not know is told, not guessed.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Whose:
    """The municipality, the data year and the version that the proof is of."""

    municipality: str
    name: str
    organisation_number: str
    data_year: int
    version: int
    sequence_number: int
    environment: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where it stood when the proof was made: state, both legs, and the three answers."""

    state: str
    ident_leg: str
    delivered: bool
    accepted: bool
    right: bool


@dataclass(frozen=True, slots=True)
class TransportFact:
    """One attempt: its message id and the SHA-256 of the bytes that went out."""

    message_id: str
    state: str
    opened_at: str
    ended_at: str
    tries: int
    protected_sha256: str


@dataclass(frozen=True, slots=True)
class MessageFact:
    """One message: its ids and the SHA-256 of it as it was built."""

    kind: str
    message_type: str
    msg_id: str
    generated: str
    sha256: str
    size: int
    persons: int | None
    receipt: str
    codes: str
    transports: tuple[TransportFact, ...]


@dataclass(frozen=True, slots=True)
class AnswerFact:
    """Something that came back: a receipt, an acknowledgment, the ident e-mail, with the SHA-256 of its raw bytes.

    ``sha256`` is empty when the raw bytes have been purged.
    """

    kind: str
    verdict: str
    received_at: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ReasonFact:
    """Why a number may have swung."""

    rule: str
    line: str
    now: int | None
    before: int | None
    who: str
    at: str
    why: str


@dataclass(frozen=True, slots=True)
class ViewFact:
    """One row of the register's view against ours; None for what is small or was not given."""

    row: str
    ours: float | None
    view: float | None
    agreement: str
    explained_by: str
    explanation: str


@dataclass(frozen=True, slots=True)
class SignatureFact:
    """Who signed that the view agrees."""

    who: str
    at: str
    why: str


@dataclass(frozen=True, slots=True)
class EventFact:
    """One event of the log, with its link in the chain."""

    at: str
    who: str
    role: str
    what: str
    event: str
    from_state: str
    to_state: str
    why: str
    chain: str


@dataclass(frozen=True, slots=True)
class ProofFacts:
    """The whole. ``rules`` are the SHA-256 of the rule files and the year's file by name; ``event_head`` ends the log."""

    format: int
    made_at: str
    program: str
    whose: Whose
    standing: Standing
    extract_sha256: str
    approved_by: str
    approval_reason: str
    mended: str
    rules: dict[str, str]
    messages: tuple[MessageFact, ...]
    answers: tuple[AnswerFact, ...]
    reasons: tuple[ReasonFact, ...]
    view: tuple[ViewFact, ...]
    signed: SignatureFact | None
    event_head: str
    events: tuple[EventFact, ...]


def facts_json(facts: ProofFacts) -> bytes:
    """As JSON in UTF-8, its names in order: the same facts give the same bytes."""
    return json.dumps(asdict(facts), ensure_ascii=False, indent=1, sort_keys=True).encode()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its path: ``messages.0.msg_id``."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}.{number}")
    else:
        yield path, value
