"""Where this year's figures swing away from last year's, or the extract from the former one. Pure.

Each kind of line has one test; what it finds carries the id of the rule whose words are shown
(``kpr/checks/data/content-rules.yaml``). Rules marked ``asks_reason`` there stop the submission until a person has
said why, for this line and these two numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from kpr.checks.counting import ALL_PERSONS
from kpr.checks.finding import Text
from kpr.checks.rule_data import rule_rows
from kpr.checks.view_tables import MAPPED
from kpr.plausibility.drift import PERSONS, SERVICES
from kpr.plausibility.figures import GROUP, Count, Figures, Part
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond which a number asks for a reason; all are assumed (content rules X32, Y1-Y5).

    A swing is more than ``swing_percent`` per cent and more than ``swing_persons`` persons; of a share, percentage
    points. That nobody has a service now that fewer than ``zero_from`` had is told, and asks for nothing. A unit that
    keeps less than ``unit_percent`` per cent of its recipients is as good as gone; the ``expected`` ones, by part, must
    have some, whatever is known of last year.
    """

    swing_percent: int = 20
    swing_persons: int = 10
    drift_percent: int = 5
    refusal_points: int = 25
    zero_from: int = 1
    unit_percent: int = 20
    expected: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Swing:
    """One line that swings: ``line`` is what a finding names it, ``of_now`` and ``of_before`` the wholes of a share."""

    rule: str
    line: str
    now: int
    before: int
    of_now: int | None = None
    of_before: int | None = None

    @property
    def asks(self) -> bool:
        """Whether a reason is wanted before anything is sent."""
        return self.rule in asking_rules()

    @property
    def percent(self) -> float | None:
        """The change in per cent; None when there was nobody before."""
        return round((self.now - self.before) * 100 / self.before, 1) if self.before else None

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What a reason holds for: the rule, the line, and the two numbers."""
        return self.rule, self.line, self.now, self.before


Test = Callable[[str, Count, Count, Limits], str | None]


def swings(now: Figures, before: Figures | None, limits: Limits) -> tuple[Swing, ...]:
    """Every line that swings, in the order of the view's tables; what is not known of last year is not compared."""
    found = list(_against(now, before, limits)) if before else []
    told = {swing.line for swing in found}
    absent = [swing for swing in _absent(now, before, limits) if swing.line not in told]
    return (*found, *absent, *drifted(now, limits))


@cache
def asking_rules() -> frozenset[str]:
    """The ids of the rules that ask for a reason."""
    return frozenset(row.id for row in rule_rows() if row.asks_reason)


def _against(now: Figures, before: Figures, limits: Limits) -> Iterator[Swing]:
    for part, (test, whole_list) in _TESTS.items():
        old, new = before.counts.get(part, {}), now.counts.get(part, {})
        # A service type that does not exist this year is no zero; a unit that is not there is one.
        for line in sorted((line for line in old if line in new or not whole_list), key=_order):
            count = new.get(line, Count(0))
            rule = test(line, count, old[line], limits)
            if rule:
                yield Swing(rule, line_name(part, line), count.now, old[line].now, count.of, old[line].of)


def _order(line: str) -> tuple[bool, bool, int, str]:
    """Everybody first, then codes by number, then the rest by name."""
    return line != GROUP, not line.isdigit(), int(line) if line.isdigit() else 0, line


def _absent(now: Figures, before: Figures | None, limits: Limits) -> Iterator[Swing]:
    """The units that must be there, and have no recipients."""
    for part, lines in limits.expected.items():
        for line in lines:
            if not now.counts.get(part, {}).get(line, Count(0)).now:
                known = before.counts.get(part, {}).get(line, Count(0)) if before else Count(0)
                yield Swing("Y4", line_name(part, line), 0, known.now)


def drifted(now: Figures, limits: Limits) -> Iterator[Swing]:
    """What has fallen out since the former extract of the same year."""
    for line, left in now.drift.items():
        before = left.of or 0
        if (before - left.now) * 100 > limits.drift_percent * before:
            yield Swing("Y3b", line, left.now, before)


# -- the tests ---------------------------------------------------------------------------------------------------------


def _swings(now: int, before: int, limits: Limits) -> bool:
    difference = abs(now - before)
    return difference > limits.swing_persons and difference * 100 > limits.swing_percent * before


def _service(_line: str, now: Count, before: Count, limits: Limits) -> str | None:
    if now.now == 0 and before.now > 0:
        return "Y1" if before.now >= limits.zero_from else "Y1b"
    return "X32a" if _swings(now.now, before.now, limits) else None


def _view(line: str, now: Count, before: Count, limits: Limits) -> str | None:
    if line == GROUP:
        return "Y2" if _swings(now.now, before.now, limits) else None
    return "Y2" if _share_moves(now, before, limits.swing_percent, limits.swing_persons) else None


def _refusals(_line: str, now: Count, before: Count, limits: Limits) -> str | None:
    return "Y5b" if _share_moves(now, before, limits.refusal_points, limits.swing_persons) else None


def _share_moves(now: Count, before: Count, points: int, persons: int) -> bool:
    """Whether a share moved by more than so many points, and that is more than so many persons of today's whole."""
    if not now.of or not before.of:
        return False
    moved = abs(now.now * before.of - before.now * now.of)
    return moved * 100 > points * now.of * before.of and moved > persons * before.of


def _unit(_line: str, now: Count, before: Count, limits: Limits) -> str | None:
    if before.now <= limits.swing_persons:
        return None
    nearly = before.now - now.now > limits.swing_persons and now.now * 100 < limits.unit_percent * before.now
    return "Y4" if now.now == 0 or nearly else None


#: Part -> its test, and whether its lines are a list that is the same for everyone in a year.
_TESTS: dict[Part, tuple[Test, bool]] = {
    Part.SERVICES: (_service, True),
    Part.LONG_TERM_STAY: (_view, True),
    Part.HOME_DWELLING: (_view, True),
    Part.DISTRICTS: (_unit, False),
    Part.PROVIDERS: (_unit, False),
    Part.REFUSALS: (_refusals, True),
}


# -- names -------------------------------------------------------------------------------------------------------------

_PREFIX = {
    Part.SERVICES: "tjTjenType",
    Part.LONG_TERM_STAY: "T2",
    Part.HOME_DWELLING: "T3",
    Part.DISTRICTS: "peBydelsnr",
    Part.PROVIDERS: "tjInstOrgnr",
    Part.REFUSALS: "tjVedtak",
}
_TITLE = {
    "T2": Text("Langtidsopphold 31. desember", "Long-term stay on 31 December"),
    "T3": Text("Hjemmeboende 31. desember", "Home-dwelling on 31 December"),
    "peBydelsnr": Text("Bydel", "District"),
    "tjInstOrgnr": Text("Virksomhet", "Provider"),
    "tjVedtak": Text("Avslag på tjeneste", "Refusals of service"),
}
_ALONE = {
    "pePeID": Text("Alle brukere", "All recipients"),
    "poHeldg": Text("Heldøgnstjenestetilbud", "Round-the-clock services"),
    "poHab": Text("Rehabilitering og habilitering utenfor institusjon", "Rehabilitation and habilitation outside"),
    PERSONS: Text("Personer i forrige uttrekk som fortsatt er med", "Persons of the former extract still there"),
    SERVICES: Text("Tjenester i forrige uttrekk som fortsatt er med", "Services of the former extract still there"),
}
_GROUPS = {GROUP: "personer", "any_score": "funksjonsvurdering", "full_set": "alle funksjonsvariabler"}


def line_name(part: Part, line: str) -> str:
    """How a finding names a line: by the element whose values are counted (``tjTjenType 6``), or the view's table."""
    if part is Part.SERVICES and not line.isdigit():
        return "pePeID" if line == ALL_PERSONS else line
    return f"{_PREFIX[part]} {line}"


def line_text(name: str, year: Year) -> Text:
    """A line in words: ``6 Trygghetsalarm``."""
    if name in _ALONE:
        return _ALONE[name]
    prefix, _, line = name.partition(" ")
    types = year.codes("tjTjenType")
    said = f"{line} {types[line].text_nb}" if line in types and prefix in ("tjTjenType", "tjVedtak") else line
    if prefix in ("T2", "T3"):
        said = MAPPED.get(line, _GROUPS.get(line, line)).lower()
    title = _TITLE.get(prefix)
    return Text(f"{title.nb}: {said}", f"{title.en}: {said}") if title else Text(said, said)
