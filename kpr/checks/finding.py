"""A finding: which rule, how serious, whose fault, where, what is wrong, what the register will do, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """FATAL blocks sending; ERROR blocks unless accepted with a reason (content-rules.md, head)."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


class Mode(StrEnum):
    """How far a rule may go: watched only, shown, or allowed to stop a submission."""

    OBSERVE = "observe"
    WARN = "warn"
    BLOCK = "block"


class StoppedBy(StrEnum):
    """What a finding that stops a submission waits for: a person's reason, her decision on a person, or a mending."""

    REASON = "reason"
    PERSON = "person"
    FAULT = "fault"


class Owner(StrEnum):
    """Who mends it: the register's own three classes of fault (process.md, section 1)."""

    UNIT = "registering unit"
    EXTRACT = "vendor's extract"
    CODE = "code table"


class Fate(StrEnum):
    """What the register will do (register-checks.md, section 1)."""

    MESSAGE_DELETED = "message deleted"
    ROW_DELETED = "row and everything under it deleted"
    VALUE_LOST = "value set to NULL"
    NOTED = "noted, nothing done"
    NONE = "nothing known"


@dataclass(frozen=True, slots=True)
class Place:
    """Where: class, element, row number in its table and the local person key. Never a value."""

    table: str
    element: str | None = None
    row: int | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence in both languages; Norwegian (bokmål) first."""

    nb: str
    en: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault at one place."""

    rule: str
    severity: Severity
    owner: Owner
    place: Place
    fate: Fate
    wrong: Text
    remedy: Text
    blocks: bool
