"""Rules, the catalogue with its modes, and what is read out of the table of findings."""

from __future__ import annotations

import time

import pytest

from kpr.checks import run
from kpr.checks.finding import Fate, Finding, Mode, Owner, Place, Severity, Text
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.register_data import attributes
from kpr.checks.rules import Catalogue, Rule, RuleCount, copy_findings, create_finding_table, findings, summary
from kpr.checks.run import check, full_catalogue
from kpr.errors import BadSettings
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows, load
from kpr.synth import SyntheticMunicipality
from kpr.years import load_year

WRONG, REMEDY = Text("Noe er galt.", "Something is wrong."), Text("Rett det.", "Mend it.")


def rule(rule_id: str, severity: Severity, mode: Mode = Mode.BLOCK) -> Rule:
    """A rule with invented words."""
    return Rule(rule_id, severity, Owner.UNIT, WRONG, REMEDY, source="invented", basis="A", mode=mode)


RULES = [
    rule("R-a-K", Severity.ERROR),
    rule("R-b-R", Severity.FATAL),
    rule("R-c-T", Severity.WARNING, Mode.WARN),
    rule("X01", Severity.ERROR),
    rule("X02", Severity.INFO, Mode.WARN),
]

#: Rule, class, element, row, person's row, person, fate, severity, blocks.
ROWS = [
    ("X02", "PERSON", None, 1, 1, "1", "NONE", "INFO", 0),
    ("R-c-T", "TJENESTE", "tjVeID", 7, 2, "2", "NOTED", "WARNING", 0),
    ("X01", "TJENESTE", "tjVedtak", 9, 2, "2", "ROW_DELETED", "ERROR", 1),
    ("X01", "TJENESTE", "tjVedtak", 4, 2, "2", "ROW_DELETED", "ERROR", 1),
    ("R-a-K", "PERSON", "peKjonn", 3, 3, None, "ROW_DELETED", "ERROR", 1),
    ("R-b-R", "INNHINFO", "iiFraDato", 1, None, None, "MESSAGE_DELETED", "FATAL", 1),
]


@pytest.fixture
def work() -> WorkRows:
    """Work rows with a few findings and no rows at all."""
    made = WorkRows(iplos_shape("3.7"))
    create_finding_table(made)
    made.connection.executemany("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
    return made


# -- the catalogue -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("mode", Mode)
def test_only_fatal_and_error_in_mode_block_stop_a_submission(severity: Severity, mode: Mode) -> None:
    """Neither a warning in mode block nor an error in mode warn stops anything."""
    own = rule("X", severity, mode)
    assert Catalogue([own]).blocks(own) is (severity in ("FATAL", "ERROR") and mode == "block")


def test_the_settings_mode_goes_before_the_rules_own() -> None:
    """A rule named in the settings gets that mode, all others keep their own."""
    catalogue = Catalogue(RULES, {"X01": Mode.WARN, "R-c-T": Mode.OBSERVE})
    assert [catalogue.mode(one).value for one in catalogue] == ["block", "block", "observe", "warn", "warn"]
    assert [catalogue.blocks(one) for one in catalogue] == [True, True, False, False, False]
    assert catalogue.watched() == ["R-c-T"]


def test_a_mode_for_an_unknown_rule_is_refused() -> None:
    """A misspelt rule in the settings is told, not passed over."""
    with pytest.raises(BadSettings) as told:
        Catalogue(RULES, {"X01": Mode.WARN, "X99": Mode.WARN})
    assert (told.value.problem, told.value.place) == ("There is no rule 'X99'.", "rules")
    assert told.value.remedy == "See docs/rules.md."


def test_a_rule_is_found_by_its_id() -> None:
    """The catalogue gives the very rule, and all of them in the order in which they were given."""
    catalogue = Catalogue(RULES)
    assert catalogue["X01"] is RULES[3]
    assert list(catalogue) == RULES


# -- reading the findings ------------------------------------------------------------------------------------------


def test_findings_come_worst_first_and_by_row(work: WorkRows) -> None:
    """By severity, then rule, then row."""
    told = [(one.rule, one.place.row) for one in findings(work, Catalogue(RULES))]
    assert told == [("R-b-R", 1), ("R-a-K", 3), ("X01", 4), ("X01", 9), ("R-c-T", 7), ("X02", 1)]


def test_a_finding_has_its_place_from_the_row_and_its_words_from_the_rule(work: WorkRows) -> None:
    """Everything that a reader needs, and nothing of the value."""
    told = next(findings(work, Catalogue(RULES), rule="X01"))
    place = Place("TJENESTE", "tjVedtak", 4, "2")
    assert told == Finding(
        "X01", Severity.ERROR, Owner.UNIT, place, Fate.ROW_DELETED, WRONG, REMEDY, blocks=True
    )  # fmt: skip
    assert next(findings(work, Catalogue(RULES), rule="R-c-T")).blocks is False


@pytest.mark.parametrize(("limit", "count"), [(None, 6), (0, 0), (2, 2), (100, 6)])
def test_no_more_findings_than_asked_for(work: WorkRows, limit: int | None, count: int) -> None:
    """A limit is kept; without one everything comes."""
    assert len(list(findings(work, Catalogue(RULES), limit=limit))) == count


def test_findings_of_one_rule_are_only_its_own(work: WorkRows) -> None:
    """Asked for one rule, no other comes."""
    assert [one.place.row for one in findings(work, Catalogue(RULES), rule="X01", limit=1)] == [4]
    assert [one.rule for one in findings(work, Catalogue(RULES), rule="R-a-K")] == ["R-a-K"]
    assert list(findings(work, Catalogue(RULES), rule="no such rule")) == []


def test_a_new_table_forgets_what_was_found_before(work: WorkRows) -> None:
    """A second check starts from nothing."""
    create_finding_table(work)
    assert list(findings(work, Catalogue(RULES))) == []
    assert summary(work, Catalogue(RULES)) == []


def test_copied_findings_are_added_to_those_that_stand(work: WorkRows) -> None:
    """Every finding comes over as it is, after what the other found itself."""
    other = WorkRows(iplos_shape("3.7"))
    create_finding_table(other)
    other.connection.execute("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ROWS[0])
    copy_findings(work, other)
    assert other.connection.execute("SELECT * FROM finding").fetchall() == [ROWS[0], *ROWS]
    assert other.connection.in_transaction is False


# -- the summary ---------------------------------------------------------------------------------------------------


def test_the_summary_counts_findings_and_persons(work: WorkRows) -> None:
    """One line per rule, worst first and the most frequent first; a finding of the header concerns no person."""
    assert summary(work, Catalogue(RULES)) == [
        RuleCount("R-b-R", Severity.FATAL, 1, 0, blocks=True, mode=Mode.BLOCK),
        RuleCount("X01", Severity.ERROR, 2, 1, blocks=True, mode=Mode.BLOCK),
        RuleCount("R-a-K", Severity.ERROR, 1, 1, blocks=True, mode=Mode.BLOCK),
        RuleCount("R-c-T", Severity.WARNING, 1, 1, blocks=False, mode=Mode.WARN),
        RuleCount("X02", Severity.INFO, 1, 1, blocks=False, mode=Mode.WARN),
    ]


def test_a_rule_that_is_only_watched_is_an_info_count_without_places(work: WorkRows) -> None:
    """Our own rule, watched: it is counted as INFO, stops nothing, and no place is told."""
    catalogue = Catalogue(RULES, {"X01": Mode.OBSERVE})
    line = next(count for count in summary(work, catalogue) if count.rule == "X01")
    assert (line.severity, line.count, line.blocks, line.mode) == (Severity.INFO, 2, False, Mode.OBSERVE)
    assert list(findings(work, catalogue, rule="X01")) == []
    assert len(list(findings(work, catalogue))) == 4


@pytest.mark.parametrize(("rule_id", "severity"), [("R-a-K", Severity.ERROR), ("R-b-R", Severity.FATAL)])
@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.WARN])
def test_what_the_register_deletes_is_never_called_less(
    work: WorkRows, rule_id: str, severity: Severity, mode: Mode
) -> None:
    """The block can be lifted, but the severity stays and the places are told."""
    catalogue = Catalogue(RULES, {rule_id: mode})
    line = next(count for count in summary(work, catalogue) if count.rule == rule_id)
    assert (line.severity, line.blocks) == (severity, False)
    assert [one.severity for one in findings(work, catalogue, rule=rule_id)] == [severity]


def test_a_watched_check_of_the_register_that_deletes_nothing_is_an_info_count(work: WorkRows) -> None:
    """Only deletion is kept from being called less: what the register merely notes may be watched."""
    catalogue = Catalogue(RULES, {"R-c-T": Mode.OBSERVE})
    line = next(count for count in summary(work, catalogue) if count.rule == "R-c-T")
    assert (line.severity, list(findings(work, catalogue, rule="R-c-T"))) == (Severity.INFO, [])


# -- the register's rules in the catalogue -------------------------------------------------------------------------


@pytest.mark.parametrize("data_year", [2018, 2020])
def test_every_check_is_a_rule_of_its_own(data_year: int) -> None:
    """No two checks share an id, so that none hides another in the catalogue."""
    rules = register_rules(load_year(data_year))
    assert len({one.id for one in rules}) == len(rules) == len(list(Catalogue(rules)))


@pytest.mark.parametrize("data_year", [2018, 2020])
def test_every_rule_tells_which_element_and_what_to_do_in_both_languages(data_year: int) -> None:
    """The element's Norwegian name and XML name, what the register does, and a remedy."""
    year = load_year(data_year)
    names = {row.element: row.name for row in attributes(year.iplos_version.value)}
    for one in register_rules(year):
        element = one.id.split("-")[1].removeprefix("iiKontakt")
        for text in (one.wrong.nb, one.wrong.en):
            assert text.startswith(f"{names[element]} ({element}) ")
            assert text.count(".") >= 2
            assert text.endswith(".")
        assert one.remedy.nb.endswith(".")
        assert one.remedy.en.endswith(".")
        assert one.remedy.nb != one.remedy.en


def test_no_value_stands_in_a_finding() -> None:
    """Values that no finding may carry, wrong in every element: none of them is told, in no language."""
    work, year, canary = WorkRows(iplos_shape("3.7")), load_year(2020), "01818012337"
    elements = [row.element for row in attributes("3.7") if row.cls == "TJENESTE"]
    work.add(Batch("person", ("pePeID", "peKjonn"), [(canary, canary)]))
    work.add(Batch("tjeneste", tuple(elements), [(canary,) * len(elements)]))
    work.finish()
    create_finding_table(work)
    catalogue = Catalogue(register_rules(year))
    run_register_checks(work, year, catalogue)
    told = list(findings(work, catalogue))
    assert len(told) > 20
    assert canary not in repr(told)


# -- the check as a whole ------------------------------------------------------------------------------------------


def synthetic(**faults: int) -> WorkRows:
    """A small invented municipality of data year 2020."""
    return load(SyntheticMunicipality(load_year(2020), 30, faults=faults), iplos_shape("3.7"))


def test_a_clean_extract_is_not_blocked_and_all_is_kept() -> None:
    """Nothing stops it, and the sentence says that everybody comes along."""
    result = check(synthetic(), load_year(2020))
    assert result.blocked is False
    assert result.prediction.persons_kept == result.prediction.persons == 30
    assert result.sentence.nb == "Registeret vil beholde 30 av 30 personer, miste 0 rader under dem og tømme 0 felt."


def test_a_wrong_sex_blocks_until_the_settings_lift_it() -> None:
    """The person that the register deletes stops the submission; lifted by name, it is still told as what it is."""
    work, year = synthetic(), load_year(2020)
    work.connection.execute("UPDATE person SET peKjonn = '2' WHERE row_no = 4")
    assert check(work, year).blocked is True
    blocking = [count.rule for count in check(work, year).counts if count.blocks]
    result = check(work, year, modes=dict.fromkeys(blocking, Mode.WARN))
    assert result.blocked is False
    assert result.prediction.persons_kept == 29
    assert next(count.severity for count in result.counts if count.rule == "R-peKjonn-K") is Severity.ERROR


def test_a_check_changes_no_value_and_gives_the_same_twice() -> None:
    """What is checked is what will be sent, byte for byte, and the second check does not add to the first."""
    work, year = synthetic(), load_year(2020)
    work.connection.execute("UPDATE tjeneste SET tjTjenType = '77' WHERE row_no = 2")
    before = {table: list(work.select(table, columns)) for table, columns in work.columns.items()}
    first, second = check(work, year), check(work, year)
    assert (first.counts, first.prediction) == (second.counts, second.prediction)
    assert {table: list(work.select(table, columns)) for table, columns in work.columns.items()} == before


def test_the_steps_of_a_check_are_told_as_they_are_done() -> None:
    """Progress goes from nothing to all, one step at a time."""
    told: list[tuple[str, int, int]] = []
    check(synthetic(), load_year(2020), progress=lambda *step: told.append(step))
    assert told == [("check", done, 4) for done in range(5)]


@pytest.mark.parametrize("data_year", [2018, 2019, 2020, 2026])
def test_the_whole_catalogue_has_each_rule_once(data_year: int) -> None:
    """The register's rules and ours stand side by side, and a mode may be set for both."""
    year = load_year(data_year)
    ids = [one.id for one in full_catalogue(year, {"R-peKjonn-K": Mode.WARN, "X17": Mode.OBSERVE})]
    assert len(ids) == len(set(ids))
    assert {"R-peKjonn-K", "X17"} <= set(ids)


def test_a_rule_that_fails_does_not_close_the_rows_under_the_registers_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """When one of our own rules raises, the error comes out, after the pass beside it has ended on an open database."""
    seen: list[int] = []

    def slowly(work: WorkRows, *_rest: object) -> None:
        time.sleep(0.2)  # the failing rule is long done by now
        seen.append(work.count("person"))

    def failing(*_rest: object) -> None:
        raise RuntimeError("a rule of ours")

    monkeypatch.setattr(run, "run_register_checks", slowly)
    monkeypatch.setattr(run, "run_content_rules", failing)
    with pytest.raises(RuntimeError, match="a rule of ours"):
        check(synthetic(), load_year(2020))
    assert seen == [30]
