"""What the officer's page shows of one submission: plain values, counts and local keys; no name, no national id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kpr.checks.fact import Fact
from kpr.checks.finding import Fate, Owner, Severity, Text
from kpr.conversation import Verdict
from kpr.mirror.compare import Compared

#: Places shown per rule; the count is always whole, and the work list has all.
PLACES = 50


@dataclass(frozen=True, slots=True)
class RuleShown:
    """One rule that fired: what is wrong, what the register does, how to mend it, and the first places."""

    rule: str
    severity: Severity
    owner: Owner
    fate: Fate
    blocks: bool
    wrong: Text
    remedy: Text
    count: int
    persons: int
    #: Each with its unit, so that a search finds it.
    places: tuple[Text, ...]
    nothing_to_mend: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the check says of the extract."""

    sentence: Text
    persons: int
    persons_kept: int
    rules: tuple[RuleShown, ...]
    facts: tuple[Fact, ...]

    @property
    def more_places(self) -> bool:
        """Whether some rule has more places than are shown here."""
        return any(rule.places and len(rule.places) < rule.count for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Bar:
    """Persons with a service type this year and last; None where last year is not known."""

    code: str
    text: str
    now: int
    before: int | None


@dataclass(frozen=True, slots=True)
class SwingShown:
    """A number that swings, and who said why."""

    line: str
    text: Text
    now: int
    before: int
    asks: bool
    who: str = ""
    at: datetime | None = None
    why: str = ""
    #: The wholes of a share; None for a plain number.
    of_now: int | None = None
    of_before: int | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """One attempt at transport."""

    message_id: str
    state: str
    opened_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One of the two messages: its ids, its hash, how it travelled and what came back."""

    kind: str
    message_type: str
    msg_id: str
    generated: datetime
    sha256: str
    persons: int | None
    receipt: str
    codes: str
    trips: tuple[Trip, ...]


@dataclass(frozen=True, slots=True)
class DateShown:
    """A date of the season. ``safe_until`` is the last moment after which a missing receipt is certain too late."""

    id: str
    text: Text
    date: date
    mark: str
    deadline: bool
    safe_until: datetime | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: datetime
    text: Text
    who: str
    why: str
    #: Whether it went out, came in, was decided or opened by a person, or is something else: for the picture.
    side: str = ""


@dataclass(frozen=True, slots=True)
class ViewShown:
    """The register's view against what was sent."""

    compared: tuple[Compared, ...]
    given: bool
    unsettled: int
    signed_by: str = ""
    signed_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class OfficerReport:
    """Everything that the page shows. ``found`` is None when the content has been purged or nothing was checked."""

    municipality: str
    name: str
    data_year: int
    version: int
    made_at: datetime
    program: str
    now: Text
    do: str
    verdict: Verdict
    dates: tuple[DateShown, ...]
    moments: tuple[Moment, ...]
    found: Found | None = None
    bars: tuple[Bar, ...] = ()
    compared_with: Text | None = None
    swings: tuple[SwingShown, ...] = ()
    view: ViewShown | None = None
    sent: tuple[SentMessage, ...] = ()
    approved_by: str = ""
    approval_reason: str = ""
    ident_leg: str = ""
    assumed: tuple[tuple[str, str], ...] = ()
