"""What came of a season: what happened, who was told, and which version would have been published when (K9). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from kpr.calendar import end_of_day
from kpr.conversation import SubmissionState
from kpr.rehearse.season import Plan

_STATES = frozenset(state.value for state in SubmissionState)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was done, and what it ended in (a key of the script's outcomes)."""

    at: datetime
    number: str
    what: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm that was due for the first time: who is told, how much it hurries, and its sentence."""

    at: datetime
    number: str
    alarm: str
    level: str
    severity: str
    nb: str


@dataclass(frozen=True, slots=True)
class Step:
    """A version came to a state."""

    at: datetime
    version: int
    state: str


@dataclass(slots=True)
class Record:
    """One season as it was played. ``held``: by milestone and municipality, the number that the register itself holds.

    ``steps``, ``messages`` and ``seconds`` are by municipality; ``picture`` says how many stood where each evening.
    """

    happenings: list[Happening] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    picture: dict[date, dict[str, int]] = field(default_factory=dict)
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    steps: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    elapsed: float = 0.0


def counted_at(steps: Iterable[Step], moment: datetime) -> int | None:
    """The version that counts at a moment: the last one that is accepted then, and no other (K9); None: nothing."""
    states: dict[int, str] = {}
    for step in sorted(steps, key=lambda step: step.at):
        if step.at <= moment and step.state in _STATES:
            states[step.version] = step.state
    return max((version for version, state in states.items() if state == SubmissionState.ACCEPTED), default=None)


def first(steps: Iterable[Step], *states: SubmissionState) -> datetime | None:
    """When some version first came to one of these states."""
    return min((step.at for step in steps if step.state in states), default=None)


@dataclass(frozen=True, slots=True)
class Line:
    """One municipality: its mishap, when it sent, when it was accepted, and what counts at each deadline.

    ``as_scripted``: whether what counts is what the mishap says.
    """

    number: str
    mishap: str
    nb: str
    sent: datetime | None
    accepted: datetime | None
    counts: Mapping[str, int | None]
    as_scripted: bool
    alarms: int
    messages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The season in numbers. ``missing``: by deadline, the municipalities with nothing that counts.

    ``differs``: by deadline, where the register held another version than the one that counts here. ``unscripted``: where
    it ended otherwise than the mishap says.
    """

    municipalities: int
    in_time: int
    missing: Mapping[str, tuple[str, ...]]
    differs: Mapping[str, tuple[str, ...]]
    unscripted: tuple[str, ...]
    messages: int
    seconds: float
    slowest: float
    elapsed: float
    alarms: int
    failed: int


def lines(plan: Plan, record: Record) -> tuple[Line, ...]:
    """One line for each municipality, in order."""
    return tuple(_line(plan, record, number) for number in plan.mishaps)


def _line(plan: Plan, record: Record, number: str) -> Line:
    steps, mishap = record.steps.get(number, ()), plan.mishaps[number]
    counts = {m.id: counted_at(steps, end_of_day(m.date)) for m in plan.deadlines}
    return Line(
        number,
        mishap.id,
        mishap.nb,
        first(steps, SubmissionState.AWAITING),
        first(steps, SubmissionState.ACCEPTED),
        counts,
        tuple(counts.values()) == mishap.counts,
        sum(told.number == number for told in record.told),
        record.messages.get(number, 0),
        record.seconds.get(number, 0.0),
    )


def summary(plan: Plan, record: Record, found: Sequence[Line]) -> Summary:
    """The whole of it."""
    ids = [milestone.id for milestone in plan.deadlines]
    missing = {name: tuple(line.number for line in found if line.counts[name] is None) for name in ids}
    return Summary(
        municipalities=len(found),
        in_time=len(found) - len(missing[ids[0]]),
        missing=missing,
        differs={name: tuple(_differing(record, found, name)) for name in ids},
        unscripted=tuple(line.number for line in found if not line.as_scripted),
        messages=sum(line.messages for line in found),
        seconds=sum(line.seconds for line in found),
        slowest=max((line.seconds for line in found), default=0.0),
        elapsed=record.elapsed,
        alarms=len(record.told),
        failed=sum(happening.outcome == "failed" for happening in record.happenings),
    )


def _differing(record: Record, found: Iterable[Line], milestone: str) -> Iterable[str]:
    held = record.held.get(milestone, {})
    return (line.number for line in found if held.get(line.number) != line.counts[milestone])
