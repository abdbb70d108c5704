"""The check: the one way in for command line, task and test. Runs everything and says what may be sent."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from kpr.checks.content import ContentOptions, content_rules, run_content_rules
from kpr.checks.counting import counting_tables
from kpr.checks.facts import Fact, FactOptions, letter_facts
from kpr.checks.finding import Mode, StoppedBy, Text
from kpr.checks.prediction import Prediction, predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.rules import Catalogue, RuleCount, copy_findings, create_finding_table, summary
from kpr.plausibility.figures import Figures, with_facts, with_last_year
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows
from kpr.years import Year

_STEPS = 4


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything that the check found. The findings themselves stay in the work rows until somebody reads them."""

    catalogue: Catalogue
    counts: list[RuleCount]
    prediction: Prediction
    facts: list[Fact]
    figures: Figures

    @property
    def blocked(self) -> bool:
        """Whether something stops the submission."""
        return any(count.blocks for count in self.counts)

    @property
    def stopped_by(self) -> frozenset[StoppedBy]:
        """What the submission waits for; empty when nothing stops it."""
        return self.catalogue.stopped_by([count.rule for count in self.counts if count.blocks])

    @property
    def sentence(self) -> Text:
        """What the register will keep and lose, in a sentence."""
        return self.prediction.sentence


def full_catalogue(year: Year, modes: Mapping[str, Mode] | None = None) -> Catalogue:
    """Every rule of the data year, the register's and ours."""
    return Catalogue([*register_rules(year), *content_rules(year)], modes)


def _twin(work: WorkRows) -> WorkRows:
    """The same rows in a second database in memory, with a finding table of its own."""
    twin = WorkRows(work.shape, copy_of=work)
    create_finding_table(twin)
    return twin


def check(
    work: WorkRows,
    year: Year,
    options: ContentOptions | None = None,
    modes: Mapping[str, Mode] | None = None,
    progress: Progress = silent,
) -> CheckResult:
    """Run the register's checks, the content rules, the prediction and the letter's facts; changes no value."""
    options = options or ContentOptions()
    catalogue = full_catalogue(year, modes)
    create_finding_table(work)
    progress("check", 0, _STEPS)
    # The thread must end before its copy is closed, also when a rule here fails: SQLite crashes on a closed database.
    with closing(_twin(work)) as twin, ThreadPoolExecutor(max_workers=1) as beside:
        # SQLite lets go of the GIL: the register's checks run over a copy while our own rules run here.
        register = beside.submit(run_register_checks, twin, year, catalogue)
        with counting_tables(work, year):  # rules and facts count the same persons
            figures = run_content_rules(work, year, catalogue, options)
            progress("check", 1, _STEPS)
            facts = _letter_facts(work, year, options)
        progress("check", 2, _STEPS)
        register.result()
        copy_findings(twin, work)
    progress("check", 3, _STEPS)
    prediction = predict(work)
    progress("check", _STEPS, _STEPS)
    return CheckResult(catalogue, summary(work, catalogue), prediction, facts, with_facts(figures, facts))


def _letter_facts(work: WorkRows, year: Year, options: ContentOptions) -> list[Fact]:
    before = options.known_before(year)
    limits = FactOptions(options.limits.swing_percent, options.limits.swing_persons, options.persons_left_out)
    return with_last_year(letter_facts(work, year, before.lines if before else None, limits), before)
