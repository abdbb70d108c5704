"""Rules and their catalogue, and the table in which findings lie until somebody reads them.

Findings are rows of the work database, put there by ``INSERT INTO finding SELECT …``: however many there are, they
cost no Python, and the prediction can count on them. What a finding says comes from its rule, never from a value.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kpr.checks.finding import Fate, Finding, Mode, Owner, Place, Severity, StoppedBy, Text
from kpr.errors import BadSettings
from kpr.sources.work_rows import WorkRows

_ORDER = {severity: number for number, severity in enumerate(Severity)}

#: A check of the register itself that deletes the message or the row: consequences 1, 2 and 3.
_REGISTER_DELETES = "rule GLOB 'R-*' AND fate IN ('MESSAGE_DELETED', 'ROW_DELETED')"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what is wrong when it fires, whose fault that is, how to mend it, and what it rests on."""

    id: str
    severity: Severity
    owner: Owner
    wrong: Text
    remedy: Text
    source: str
    basis: str
    mode: Mode
    asks_reason: bool = False
    asks_decision: bool = False
    nothing_to_mend: bool = False

    @property
    def stopped_by(self) -> StoppedBy:
        """What a submission waits for that this rule stops."""
        if self.asks_reason:
            return StoppedBy.REASON
        return StoppedBy.PERSON if self.asks_decision else StoppedBy.FAULT


class Catalogue:
    """Rules by id, with the modes that the settings give them.

    A rule blocks when it is FATAL or ERROR, or asks for a reason, and its mode is ``block``. A rule that is only
    watched is told as an INFO count. What the register would delete can be watched or shown instead of blocking, but
    never called less than it is: the severity stays, and the places are told.
    """

    def __init__(self, rules: Iterable[Rule], modes: Mapping[str, Mode] | None = None) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._modes = dict(modes or {})
        unknown = sorted(set(self._modes) - set(self._rules))
        if unknown:
            raise BadSettings(f"There is no rule {unknown[0]!r}.", place="rules", remedy="See docs/rules.md.")

    def __getitem__(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def __contains__(self, rule_id: object) -> bool:
        return rule_id in self._rules

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def mode(self, rule: Rule) -> Mode:
        """How far the rule may go here."""
        return self._modes.get(rule.id, rule.mode)

    def watched(self) -> list[str]:
        """The ids of the rules that are only counted."""
        return [rule.id for rule in self if self.mode(rule) is Mode.OBSERVE]

    def unlisted(self) -> list[str]:
        """The ids of the rules that no work list has: only counted, or told without anything to mend."""
        return [*self.watched(), *(rule.id for rule in self if rule.nothing_to_mend)]

    def blocks(self, rule: Rule) -> bool:
        """Whether a finding of this rule stops a submission."""
        stops = rule.severity in (Severity.FATAL, Severity.ERROR) or rule.asks_reason
        return stops and self.mode(rule) is Mode.BLOCK

    def stopped_by(self, rules: Collection[str]) -> frozenset[StoppedBy]:
        """What a submission waits for that these rules stop; a rule of another version of the program is a fault."""
        return frozenset(self[rule].stopped_by if rule in self else StoppedBy.FAULT for rule in rules)


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule fired, and for how many persons."""

    rule: str
    severity: Severity
    count: int
    persons: int
    blocks: bool
    mode: Mode


def create_finding_table(work: WorkRows) -> None:
    """An empty table for findings; what was found before is forgotten."""
    work.connection.execute("PRAGMA temp_store = MEMORY")
    work.connection.execute("DROP TABLE IF EXISTS finding")
    work.connection.execute(
        "CREATE TABLE finding (rule TEXT, tab TEXT, element TEXT, row_no INTEGER, person_row INTEGER, person TEXT, "
        "fate TEXT, severity TEXT, blocks INTEGER)"
    )


def copy_findings(source: WorkRows, target: WorkRows) -> None:
    """Append the findings of one database to another's."""
    rows = source.connection.execute("SELECT * FROM finding")
    target.connection.execute("BEGIN")
    target.connection.executemany("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    target.connection.execute("COMMIT")


def findings(
    work: WorkRows, catalogue: Catalogue, *, rule: str | None = None, limit: int | None = None
) -> Iterator[Finding]:
    """The findings, worst first, as many as asked for; of a rule that is only watched there is the count alone."""
    query = (
        "SELECT rule, tab, element, row_no, person, fate, severity, blocks FROM finding "  # noqa: S608
        "WHERE (:rule IS NULL OR rule = :rule) "
        f"AND (rule NOT IN (SELECT value FROM json_each(:watched)) OR ({_REGISTER_DELETES})) "
        "ORDER BY CASE severity WHEN 'FATAL' THEN 0 WHEN 'ERROR' THEN 1 WHEN 'WARNING' THEN 2 ELSE 3 END, rule, row_no "
        "LIMIT :limit"
    )
    asked = {"rule": rule, "limit": -1 if limit is None else limit, "watched": json.dumps(catalogue.watched())}
    for row in work.connection.execute(query, asked):
        told = catalogue[row[0]]
        place = Place(row[1], row[2], row[3], row[4])
        yield Finding(
            row[0], Severity(row[6]), told.owner, place, Fate[row[5]], told.wrong, told.remedy, blocks=bool(row[7])
        )


def summary(work: WorkRows, catalogue: Catalogue) -> list[RuleCount]:
    """One line per rule that fired, worst first; a rule that is only watched is told as INFO, a deletion never."""
    query = f"SELECT rule, count(*), count(DISTINCT person_row), max({_REGISTER_DELETES}) FROM finding GROUP BY rule"  # noqa: S608
    counts = [_count(catalogue, *row) for row in work.connection.execute(query)]
    return sorted(counts, key=lambda count: (_ORDER[count.severity], -count.count, count.rule))


def _count(catalogue: Catalogue, rule_id: str, count: int, persons: int, deletes: int) -> RuleCount:
    rule = catalogue[rule_id]
    mode = catalogue.mode(rule)
    severity = Severity.INFO if mode is Mode.OBSERVE and not deletes else rule.severity
    return RuleCount(rule_id, severity, count, persons, catalogue.blocks(rule), mode)
