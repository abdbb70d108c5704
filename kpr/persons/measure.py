"""How well test persons are found: precision and recall of each reason on the published synthetic set.

``kpr persons measure`` prints it, docs/test-persons.md carries it, and a test holds the two against each other. The set
is ours: it says which kinds of test person can be found and which cannot, not how many of each a municipality has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kpr.messages.shape import iplos_shape
from kpr.persons.names import known_marks, read_names
from kpr.persons.suspects import Suspects, is_certain, known_reasons, suspects
from kpr.sources.work_rows import load
from kpr.synth.test_persons import DEAD, KINDS, TestPersonSet
from kpr.years import load_year


@dataclass(frozen=True, slots=True)
class Score:
    """Persons pointed at, how many of them rightly, and how many there were to find."""

    name: str
    pointed_at: int
    right: int
    to_find: int

    @property
    def precision(self) -> float | None:
        """Of those pointed at, the share that is right; None where nobody is."""
        return self.right / self.pointed_at if self.pointed_at else None

    @property
    def recall(self) -> float:
        """Of those to find, the share that is pointed at."""
        return self.right / self.to_find


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores by reason, of all together, and the share of each kind that is found."""

    lawful: int
    of_each: int
    reasons: tuple[Score, ...]
    totals: tuple[Score, ...]
    kinds: Mapping[str, tuple[int, int]]


def measure(data_year: int = 2020) -> Measured:
    """Search the set twice, with the list of names and without it."""
    year = load_year(data_year)
    people = TestPersonSet(year)
    work = load(people, iplos_shape(year.iplos_version.value))
    named = read_names(people.names(), known_marks())
    alone = suspects(work, year, production=True)
    full = suspects(work, year, production=True, named=named)
    work.close()
    truth = people.truth
    kinds = {
        kind: (_found(alone, truth, kind), _found(full, truth, kind)) for kind in KINDS
    }  # of ``of_each``: without names, with names
    reasons = tuple(_of_reason(name, full, truth) for name in known_reasons() if name != "DECIDED_BEFORE")
    totals = (
        _of_tests("certain, extract alone", alone, truth, certain=True),
        _of_tests("certain, with names", full, truth, certain=True),
        _of_tests("all, extract alone", alone, truth, certain=False),
        _of_tests("all, with names", full, truth, certain=False),
    )
    return Measured(people.lawful, people.of_each, reasons, totals, kinds)


def _found(found: Suspects, truth: Mapping[str, str], kind: str) -> int:
    return sum(key in found for key, own in truth.items() if own == kind)


def _wanted(truth: Mapping[str, str], *, dead: bool) -> set[str]:
    return {key for key, kind in truth.items() if (kind in DEAD) is dead}


def _of_reason(name: str, found: Suspects, truth: Mapping[str, str]) -> Score:
    wanted = _wanted(truth, dead=known_reasons()[name].kind == "dead")
    hit = {key for key, reasons in found.items() if name in reasons}
    return Score(name, len(hit), len(hit & wanted), len(wanted))


def _of_tests(title: str, found: Suspects, truth: Mapping[str, str], *, certain: bool) -> Score:
    tests = {name for name, reason in known_reasons().items() if reason.kind == "test"}
    hit = {key for key, reasons in found.items() if (is_certain(reasons) if certain else reasons & tests)}
    wanted = _wanted(truth, dead=False)
    return Score(title, len(hit), len(hit & wanted), len(wanted))


def as_table(measured: Measured) -> str:
    """The three tables of docs/test-persons.md, as Markdown."""
    parts = [
        ["| | pekt på | riktig | precision | recall |", "| --- | --: | --: | --: | --: |"],
        ["| grunn | pekt på | riktig | precision |", "| --- | --: | --: | --: |"],
        [
            f"| slag (av {measured.of_each}) | funnet, uttrekket alene | funnet, med navneliste |",
            "| --- | --: | --: |",
        ],
    ]
    parts[0] += [f"| {_counts(score)} | {_share(score.recall)} |" for score in measured.totals]
    parts[1] += [f"| {_counts(score)} |" for score in measured.reasons]
    parts[2] += [f"| {kind} | {alone} | {full} |" for kind, (alone, full) in measured.kinds.items()]
    return "\n\n".join("\n".join(part) for part in parts)


def _counts(score: Score) -> str:
    return f"{score.name} | {score.pointed_at} | {score.right} | {_share(score.precision)}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}".replace(".", ",")
