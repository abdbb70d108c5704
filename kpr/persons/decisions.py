"""What the reporting officer decided about whom, and what stands of it for an extract. Values in, values out.

Decisions are kept in documents that are never changed: each holds what was found, decided or left out at one moment,
and the later one counts, person by person. Two who decide at the same time lose nothing that way.

A decision is about the marks that the person had then. To leave somebody out holds as long as one of them is still
there; «real» holds as long as no other has come. Otherwise she is asked again: a key that belonged to a test person
last month may belong to somebody else now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from kpr.errors import BadMessage
from kpr.persons.suspects import DECIDED_BEFORE, Suspects, in_order, is_certain

_FORMAT = 1


class Verdict(StrEnum):
    """What was decided about a person."""

    LEAVE_OUT = "leave-out"
    REAL = "real"
    UNDECIDED = "undecided"


class Decision(BaseModel):
    """One decision, by whom, when and why, and the reasons for which she was asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    verdict: Verdict
    reasons: tuple[str, ...]
    by: str
    at: AwareDatetime
    why: str

    def __repr__(self) -> str:
        return f"Decision({self.verdict.value})"  # what she wrote may be about a person

    __str__ = __repr__

    def stands_for(self, reasons: frozenset[str]) -> bool:
        """Whether the decision still holds for a person with these marks."""
        then = frozenset(self.reasons)
        if self.verdict is Verdict.LEAVE_OUT:
            return not then or bool(then & reasons)
        return self.verdict is Verdict.REAL and reasons <= then


class Document(BaseModel):
    """What is kept of one moment. Each part is None where the moment was about something else.

    ``found`` are the keys that a list of names gave, with the reasons; the newest list counts. ``left_out`` are those
    who were left out when the submission was checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: int = _FORMAT
    found: dict[str, tuple[str, ...]] | None = None
    decided: dict[str, Decision] | None = None
    left_out: dict[str, tuple[str, ...]] | None = None

    def as_bytes(self) -> bytes:
        """JSON; the same content gives the same bytes."""
        said: Any = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read_document(raw: bytes) -> Document:
    """A document as it was kept; BadMessage when it is something else, or of a later version of the program."""
    try:
        read = Document.model_validate_json(raw)
    except ValidationError:
        read = None
    if read is None or read.format != _FORMAT:
        raise BadMessage(
            "Listen over testpersoner kan ikke leses.", place="persons", remedy="Bruk programmet som skrev den."
        )
    return read


@dataclass(frozen=True, slots=True)
class Known:
    """What all documents say together: the newest names found, and the newest decision about each key."""

    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    decided: Mapping[str, Decision] = field(default_factory=dict, repr=False)


def together(documents: Iterable[Document]) -> Known:
    """Documents, oldest first, as one."""
    found: Mapping[str, tuple[str, ...]] = {}
    decided: dict[str, Decision] = {}
    for document in documents:
        if document.found is not None:
            found = document.found
        decided |= document.decided or {}
    return Known(found, decided)


@dataclass(frozen=True, slots=True)
class Line:
    """One person of the list: why she is asked, what stands, and what was decided before that does not stand.

    ``decision`` is None while nothing stands. ``proposed`` is last year's decision about the same key: shown, and never
    applied.
    """

    key: str = field(repr=False)
    reasons: tuple[str, ...]
    decision: Decision | None = None
    earlier: Decision | None = None
    proposed: Decision | None = None

    @property
    def verdict(self) -> Verdict:
        """What stands."""
        return self.decision.verdict if self.decision else Verdict.UNDECIDED

    @property
    def stops(self) -> bool:
        """Whether the submission waits for a decision about this person."""
        return self.decision is None and is_certain(self.reasons)


def lines(found: Suspects, keys: Iterable[str], known: Known, before: Known | None = None) -> tuple[Line, ...]:
    """The list for an extract whose local keys are ``keys``: who is undecided first, certain ones before others.

    ``before`` is what was decided last year; it adds nobody whom nothing points at but somebody who was left out then
    without any mark.
    """
    there = frozenset(keys)
    proposed = {key: each for key, each in (before.decided if before else {}).items() if key in there}
    unmarked = {key for key, each in proposed.items() if each.verdict is Verdict.LEAVE_OUT and not each.reasons}
    asked = set(found) | unmarked | {key for key, each in known.decided.items() if _is_open(each) and key in there}
    made = (_line(key, found.get(key, frozenset()), known.decided.get(key), proposed.get(key)) for key in asked)
    return tuple(sorted(made, key=lambda line: (line.decision is not None, not line.stops, len(line.key), line.key)))


def _is_open(decision: Decision) -> bool:
    """Whoever was once left out stays on the list, marked or not."""
    return decision.verdict is Verdict.LEAVE_OUT


def _line(key: str, reasons: frozenset[str], decision: Decision | None, proposed: Decision | None) -> Line:
    if decision is None or decision.verdict is Verdict.UNDECIDED:
        return Line(key, in_order(reasons), proposed=proposed)
    if decision.reasons == (DECIDED_BEFORE,) and not reasons:
        reasons = frozenset({DECIDED_BEFORE})
    if decision.stands_for(reasons):
        return Line(key, in_order(reasons), decision, proposed=proposed)
    if decision.verdict is Verdict.LEAVE_OUT:
        reasons |= {DECIDED_BEFORE}
    return Line(key, in_order(reasons), None, decision, proposed)


def decided(line: Line, verdict: Verdict, *, by: str, at: datetime, why: str) -> Decision:
    """A decision about a person as the list shows it now."""
    return Decision(verdict=verdict, reasons=line.reasons, by=by, at=at, why=why)
