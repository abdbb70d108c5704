"""Leaving out: a person goes with all rows of both messages, nobody else does, and what was checked is what is built."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from extract_rows import SHAPE
from hypothesis import given
from hypothesis import strategies as st
from place import Place

from kpr.checks.content import ContentOptions
from kpr.checks.run import CheckResult, check
from kpr.conversation import SubmissionEvent
from kpr.errors import BadInput, BadMessage
from kpr.messages.shape import CHILD_CLASSES
from kpr.persons.decisions import Decision, Known, Line, Verdict, lines
from kpr.persons.left_out import LeftOut, leave_out, sides
from kpr.persons.suspects import keys_of, suspects
from kpr.security.vault import Vault
from kpr.settings import Environment
from kpr.sources.work_rows import WorkRows, load
from kpr.steps.extract import kept_rows, open_submission, take_extract
from kpr.steps.persons import decide, look, remember_left_out, rows_as_checked, settle
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind, Submission
from kpr.synth import SyntheticMunicipality
from kpr.synth.test_persons import TestPersonSet
from kpr.years import load_year

YEAR = load_year(2020)
OUT, REAL, UNDECIDED = Verdict.LEAVE_OUT, Verdict.REAL, Verdict.UNDECIDED
TABLES = ("person", *(name.lower() for name in CHILD_CLASSES), "ident")


def extract(persons: int = 20, **faults: int) -> WorkRows:
    """An invented municipality in memory."""
    named = {name.replace("_", "-"): count for name, count in faults.items()}
    return load(SyntheticMunicipality(YEAR, persons, faults=named), SHAPE)


def own_rows(work: WorkRows, keys: Iterable[str]) -> dict[str, int]:
    """How many rows of each table carry one of these keys."""
    wanted = set(keys)
    columns = {"person": "pePeID", "ident": "pid"} | {name.lower(): SHAPE[name].keys[0] for name in CHILD_CLASSES}
    return {table: sum(key in wanted for (key,) in work.select(table, [column])) for table, column in columns.items()}


# -- the rows ----------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 20)))
def test_a_person_goes_with_everything_and_nobody_else_does(numbers: set[int]) -> None:
    """Whoever is named: none of their rows is left in any table, and every row of the others is, unchanged."""
    work, out = extract(), {str(number): ("MARKED",) for number in numbers}
    others = keys_of(work) - set(out)
    before, theirs = own_rows(work, others), own_rows(work, out)
    left = leave_out(work, out)
    assert left.persons == len(out)
    assert own_rows(work, out) == dict.fromkeys(TABLES, 0)
    assert own_rows(work, others) == before
    assert left.rows == {table: count for table, count in theirs.items() if count}
    assert work.connection.execute("SELECT count(*) FROM temp.sqlite_master").fetchone() == (0,)


def test_rows_keep_their_numbers() -> None:
    """A finding's row is the extract's row, whoever was left out before it."""
    work = extract()
    leave_out(work, {"1": ("MARKED",)})
    assert next(work.select("person", ["row_no"])) == (2,)


def test_a_doubled_person_goes_twice_and_an_orphan_goes_by_its_key() -> None:
    """Both PERSON rows under one key, and a row whose person is not there."""
    work = extract(duplicate_key=1)
    connection = work.connection
    connection.execute("UPDATE tjeneste SET person_row = NULL WHERE tjPeID = '2'")
    left = leave_out(work, {"1": ("MARKED",), "2": ()})
    assert left.rows["person"] == 3
    assert own_rows(work, ["1", "2"]) == dict.fromkeys(TABLES, 0)


def test_what_was_left_out_is_said_in_counts() -> None:
    """By reason, in words, and no key among them; a key that is not there does not count."""
    left = leave_out(extract(), {"17": ("MARKED", "SAME_ID"), "18": ("MARKED",), "19": (), "404": ("MARKED",)})
    assert left.persons == 3
    assert left.by_reason == {"MARKED": 2, "SAME_ID": 1, "UNMARKED": 1}
    assert left.said == (
        "fagsystemet har merket personen som testperson: 2, samme nummer under flere nøkler: 1, uten merke: 1"
    )


def test_nobody_named_changes_nothing() -> None:
    """Without a word of hers every row stays."""
    work = extract()
    before = {table: work.count(table) for table in TABLES}
    assert leave_out(work, {}) == LeftOut()
    assert {table: work.count(table) for table in TABLES} == before


# -- the rules ---------------------------------------------------------------------------------------------------------


def line(key: str, *reasons: str, verdict: Verdict = UNDECIDED) -> Line:
    """A line of the list."""
    stands = None
    if verdict is not UNDECIDED:
        stands = Decision(verdict=verdict, reasons=reasons, by="leder", at="2021-01-07T10:00:00+01:00", why="x")  # type: ignore[arg-type]
    return Line(key, reasons, stands)


def test_each_person_is_on_one_side() -> None:
    """Out, real, waiting; who is only asked about is on none, and a key that is no number never becomes a pattern."""
    made = sides([
        line("1", "MARKED"), line("2", "SAME_ID"), line("3", "VENDOR_KEY"), line("9*", "VENDOR_KEY"),
        line("4", "NO_BIRTH_DATE"), line("5", "MARKED", verdict=OUT), line("6", "SAME_ID", verdict=REAL),
    ])  # fmt: skip
    assert made.out == {"5": ("MARKED",)}
    assert made.real == {"6"}
    assert made.waiting == {"1", "9*"}
    assert made.waiting_vendors == {"3"}


def run(work: WorkRows, known: Known, *, production: bool = False) -> CheckResult:
    """Settle and check, as a step does, with these decisions."""
    made = sides(lines(suspects(work, YEAR, production=production, named=known.found), keys_of(work), known))
    options = made.options(leave_out(work, made.out))
    options.pop("persons_left_out")
    where = "production" if production else "simulator"
    return check(work, YEAR, ContentOptions(environment=where, municipality_number="1103", **options))


def found(result: CheckResult) -> set[str]:
    """The rules on test persons and dead persons that fired."""
    return {count.rule for count in result.counts if count.rule.startswith(("X29", "X14"))}


@pytest.mark.parametrize(
    ("fault", "rules", "silenced"),
    [
        ("test-person", {"X29f"}, True),
        ("no-birth-date", {"X29e"}, True),
        ("dead-before-year", {"X14a", "X14b"}, False),
        ("active-after-death", {"X14a"}, False),
    ],
)
def test_e7_and_e8_fire_until_she_has_decided(fault: str, rules: set[str], silenced: bool) -> None:
    """Undecided, its rule fires; left out, none does; «real» silences a test person's rule and no dead one's."""
    faults = {fault.replace("-", "_"): 1}
    work = extract(**faults)
    ((key, reasons),) = suspects(work, YEAR, production=False).items()
    assert found(run(work, Known())) >= rules
    for verdict in (OUT, REAL):
        word = line(key, *sorted(reasons), verdict=verdict).decision
        assert word is not None
        left = found(run(extract(**faults), Known(decided={key: word})))
        assert (left & rules == set()) is (verdict is OUT or silenced), (verdict, left)


def test_a_normal_year_fires_none() -> None:
    """300 ordinary persons: nothing about test persons or dead ones."""
    assert found(run(extract(300), Known())) == set()


@pytest.mark.parametrize("named", ["NAME_LISTED", "MARKED"])
def test_a_name_on_the_list_stops_until_she_has_decided(named: str) -> None:
    """X29d says so, and is silent about a likely name, which is only asked."""
    assert found(run(extract(), Known(found={"7": (named,)}))) == {"X29d"}
    assert found(run(extract(), Known(found={"7": ("NAME_LIKELY",)}))) == set()
    for verdict in (OUT, REAL):
        word = line("7", named, verdict=verdict).decision
        assert word is not None
        assert found(run(extract(), Known(found={"7": (named,)}, decided={"7": word}))) == set()


def test_in_production_everybody_whom_the_list_stops_stops_a_rule() -> None:
    """On the published set the list and the rules agree: as many stop as X29a, d, e and f find."""
    people = TestPersonSet(YEAR, lawful=200, of_each=10)
    result = run(load(people, SHAPE), Known(), production=True)
    counts = {count.rule: count.count for count in result.counts}
    assert {rule: counts.get(rule, 0) for rule in ("X29a", "X29d", "X29e", "X29f")} == {
        "X29a": 10, "X29d": 0, "X29e": 10, "X29f": 10,
    }  # fmt: skip
    assert (counts["X29b"], counts["X29c"]) == (10, 10 + 2)


# -- a submission ------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """25 invented recipients; two made by the vendor, and one dead before the year."""
    place = Place(tmp_path)
    place.extract(test_person=2, dead_before_year=1)
    return place


def taken(place: Workplace) -> Submission:
    """The open version with its extract."""
    submission = open_submission(place, by="rolle A")
    take_extract(place, submission)
    return place.store.submission(submission)


def checked(place: Workplace, submission: Submission) -> LeftOut:
    """What a check does with the list."""
    settled = settle(place, kept_rows(place, submission), submission)
    remember_left_out(place, submission, settled)
    return settled.left_out


def leave_all_out(place: Workplace) -> list[str]:
    """She leaves everybody on the list out."""
    keys = [line.key for line in look(place).lines]
    for key in keys:
        decide(place, key, OUT, by="fagansvarlig", why="Opplæring")
    return keys


def test_without_her_word_everybody_is_built(made: Place) -> None:
    """Three are on the list, two of them certain, and all 25 are in the rows."""
    with made.open() as place:
        submission = taken(place)
        assert checked(place, submission) == LeftOut()
        assert look(place).stopping == 2
        assert rows_as_checked(place, submission).count("person") == 25
        assert place.kept.every(KeptKind.PERSONS) == []


def test_what_was_checked_is_what_is_built(made: Place) -> None:
    """The rows are the same in every table; the kept extract stays as it came; the event has counts and no key."""
    with made.open() as place:
        submission = taken(place)
        keys = leave_all_out(place)
        work = kept_rows(place, submission)
        settled = settle(place, work, submission)
        remember_left_out(place, submission, settled)
        built = rows_as_checked(place, submission)
        for table in work.columns:
            assert list(built.select(table, built.columns[table])) == list(work.select(table, work.columns[table]))
        assert built.count("person") == built.count("ident") == 22
        assert kept_rows(place, submission).count("person") == 25
        assert settled.left_out.by_reason == {"VENDOR_KEY": 2, "DEAD_BEFORE_YEAR": 1}
        (event,) = [event for event in place.store.events() if event.event == "LEFT_OUT"]
        assert (event.what, event.to_state, event.why) == ("persons", "3", settled.left_out.said)
        assert not any(key in event.why for key in keys if len(key) > 1)


def test_the_same_check_again_is_told_once(made: Place) -> None:
    """One document and one event for the same persons, however often it is checked."""
    with made.open() as place:
        submission = taken(place)
        leave_all_out(place)
        before = len(place.kept.every(KeptKind.PERSONS))
        for _ in range(3):
            checked(place, submission)
        assert len(place.kept.every(KeptKind.PERSONS)) == before + 1
        assert sum(event.event == "LEFT_OUT" for event in place.store.events()) == 1


def test_a_decision_between_check_and_build_changes_nothing(made: Place) -> None:
    """It counts from the next check; looking at the findings again in between writes nothing."""
    with made.open() as place:
        submission = taken(place)
        checked(place, submission)
        leave_all_out(place)
        assert settle(place, kept_rows(place, submission), submission).left_out.persons == 3
        assert rows_as_checked(place, submission).count("person") == 25
        checked(place, submission)
        assert rows_as_checked(place, submission).count("person") == 22


def test_after_approval_the_check_leaves_out_whom_it_left_out_then(made: Place) -> None:
    """What was approved is what is shown, though she has thought otherwise since; the next version follows her."""
    with made.open() as place:
        submission = taken(place)
        keys = leave_all_out(place)
        checked(place, submission)
        place.store.move(submission.id, SubmissionEvent.FOUND_GOOD, place.act())
        place.store.move(
            submission.id, SubmissionEvent.APPROVED, place.act("leder"), approved_by="leder", approval_reason=None
        )
        decide(place, keys[0], UNDECIDED, by="fagansvarlig", why="")
        approved = place.store.submission(submission.id)
        assert settle(place, kept_rows(place, approved), approved).left_out.persons == 3
        assert settle(place, kept_rows(place, approved)).left_out.persons == 2


def test_nothing_is_built_when_the_list_cannot_be_read(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged list does not put her test persons back: BadMessage, and no rows."""
    with made.open() as place:
        submission = taken(place)
        leave_all_out(place)
        checked(place, submission)
        whole = Vault.get
        monkeypatch.setattr(Vault, "get", lambda *words: b"{}x" if words[1].endswith("-kept") else whole(*words))
        with pytest.raises(BadMessage):
            rows_as_checked(place, submission)
        with pytest.raises(BadMessage):
            settle(place, kept_rows(place, submission))


def test_whom_she_left_out_has_not_fallen_out(made: Place) -> None:
    """The comparison with the former extract forgets them; everybody else is still looked for."""
    with made.open() as place:
        keys = leave_all_out(place)
        settled = settle(place, kept_rows(place, taken(place)))
    former = dict.fromkeys((*keys, "5000"), 1)
    filled = settled.into({"former_services": former, "former_persons": frozenset(former), "refusal_percent": 50})
    assert filled["former_services"] == {"5000": 1}
    assert filled["former_persons"] == {"5000"}
    assert (filled["refusal_percent"], filled["persons_left_out"]) == (50, 3)


def test_a_synthetic_number_is_never_real_in_production(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """+80 excludes by rule: left out or mended, and «real» is refused with what to do."""
    with made.open() as place:
        everybody = place.settings.model_copy(update={"environment": Environment.PRODUCTION})
        monkeypatch.setattr(place, "settings", everybody)
        assert look(place).stopping == 25
        with pytest.raises(BadInput, match="Rett nummeret"):
            decide(place, "5", REAL, by="fagansvarlig", why="Kjent")
        assert decide(place, "5", OUT, by="fagansvarlig", why="Opplæring").verdict is OUT
