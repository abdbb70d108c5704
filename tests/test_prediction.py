"""The prediction: what is left after the findings of the register's checks, by sets of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.checks.finding import Fate
from kpr.checks.prediction import Prediction, apply_prediction, lost_persons, predict
from kpr.checks.register import register_rules, run_register_checks
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.checks.view_tables import view_tables
from kpr.messages.shape import CHILD_CLASSES, iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows
from kpr.years import load_year

SHAPE = iplos_shape("3.7")
TABLES = ("person", *(name.lower() for name in CHILD_CLASSES))
VALUES = {"person": "peKomnr", "personoppl": "poHusstand", "funksjon": "fnFunkVerdi", "tjeneste": "tjTjenType",
          "diagnose": "diDiagKode", "dogntilbud": "dgInstOrgnr"}  # fmt: skip


@dataclass
class Sent:
    """Parents of the rows per table (None: orphan), and findings: rule, table, row, fate."""

    persons: int
    parents: dict[str, list[int | None]]
    findings: list[tuple[str, str, int, Fate]] = field(default_factory=list)

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return self.persons if table == "person" else len(self.parents[table])

    def work(self) -> WorkRows:
        """The same as work rows with a table of findings."""
        work = WorkRows(SHAPE)
        for table in TABLES:
            key = SHAPE[table.upper()].keys[0]
            parents = range(1, self.persons + 1) if table == "person" else self.parents[table]
            rows: list[tuple[str | None, ...]] = [(str(parent), "1") for parent in parents]
            links = None if table == "person" else list(parents)
            work.add(Batch(table, (key, VALUES[table]), rows, links))  # type: ignore[arg-type]
        work.finish()
        create_finding_table(work)
        for rule, table, row, fate in self.findings:
            person = row if table == "person" else self.parents[table][row - 1]
            values = (rule, table.upper(), VALUES[table], row, person, str(person), fate.name, "ERROR", 1)
            work.connection.execute("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        return work

    def having(self, fate: Fate) -> set[tuple[str, int]]:
        """Table and row of what the register's own checks give this fate."""
        return {(table, row) for rule, table, row, own in self.findings if rule.startswith("R-") and own is fate}

    def kept(self) -> dict[str, set[int]]:
        """Rows that stay: none of a deleted message, none under a deleted person, no orphan."""
        lost = self.having(Fate.ROW_DELETED)
        whole = not self.having(Fate.MESSAGE_DELETED)
        persons = {row for row in range(1, self.persons + 1) if whole and ("person", row) not in lost}
        kept = {"person": persons}
        for table, parents in self.parents.items():
            numbered = enumerate(parents, 1)
            kept[table] = {row for row, parent in numbered if parent in persons and (table, row) not in lost}
        return kept


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Up to four persons with any rows under them, and any findings, the register's and ours."""
    persons = draw(st.integers(0, 4))
    parent = st.one_of(st.none(), st.integers(1, persons)) if persons else st.none()
    made = Sent(persons, {table: draw(st.lists(parent, max_size=4)) for table in TABLES[1:]})
    places = [(table, row) for table in TABLES for row in range(1, made.rows(table) + 1)]
    if places:
        fates = st.sampled_from([Fate.ROW_DELETED, Fate.VALUE_LOST, Fate.NOTED, Fate.NONE])
        rules = st.sampled_from(["R-a-T", "R-b-K", "X01", "M-R-x"])
        found = st.builds(lambda rule, place, fate: (rule, *place, fate), rules, st.sampled_from(places), fates)
        made.findings = draw(st.lists(found, max_size=12))
        if draw(st.integers(0, 9)) == 0:
            made.findings.append((draw(rules), *draw(st.sampled_from(places)), Fate.MESSAGE_DELETED))
    return made


@settings(max_examples=150, deadline=None)
@given(sent())
def test_kept_and_lost_agree_with_plain_sets(made: Sent) -> None:
    """Rows kept per table, values lost on rows that stay, and the message's own fate are those of the plain sets."""
    prediction, kept = predict(made.work()), made.kept()
    lost_values: dict[str, int] = {}
    for table, row in made.having(Fate.VALUE_LOST):
        if row in kept[table]:
            lost_values[VALUES[table]] = lost_values.get(VALUES[table], 0) + 1
    rows = {table: (made.rows(table), len(kept[table])) for table in TABLES}
    message_deleted = bool(made.having(Fate.MESSAGE_DELETED))
    assert prediction == Prediction(message_deleted, made.persons, len(kept["person"]), rows, lost_values)


@settings(max_examples=100, deadline=None)
@given(sent())
def test_kept_tables_hold_the_rows_that_stay(made: Sent) -> None:
    """``kept_<table>`` names every row that stays and no other, also the second time."""
    work = made.work()
    for _ in range(2):
        predict(work)
        for table, rows in made.kept().items():
            found = work.connection.execute(f"SELECT row_no FROM temp.kept_{table}").fetchall()
            assert {row for (row,) in found} == rows


@settings(max_examples=100, deadline=None)
@given(sent())
def test_lost_persons_are_told_once_each(made: Sent) -> None:
    """Every person that a check of the register deletes, once, in the order of the rows, with the first rule."""
    lost: dict[int, str] = {}
    for rule, table, row, fate in made.findings:
        if rule.startswith("R-") and table == "person" and fate is Fate.ROW_DELETED:
            lost[row] = min(rule, lost.get(row, rule))
    assert list(lost_persons(made.work())) == [(str(row), lost[row]) for row in sorted(lost)]


@settings(max_examples=100, deadline=None)
@given(sent())
def test_applied_the_work_rows_are_what_the_register_holds(made: Sent) -> None:
    """After applying, only kept rows are there, and exactly the lost values are NULL."""
    work, kept, nulled = made.work(), made.kept(), made.having(Fate.VALUE_LOST)
    predict(work)
    apply_prediction(work)
    for table in TABLES:
        left = work.connection.execute(f"SELECT row_no, {VALUES[table]} FROM {table}").fetchall()
        assert dict(left) == {row: None if (table, row) in nulled else "1" for row in kept[table]}


# -- row by row, by the register's real checks ---------------------------------------------------------------------


def checked(rows: dict[str, list[dict[str, str]]]) -> WorkRows:
    """Work rows with the register's findings in data year 2020."""
    work, year = WorkRows(SHAPE), load_year(2020)
    for table, values in rows.items():
        for row in values:
            work.add(Batch(table, tuple(row), [tuple(row.values())]))
    work.finish()
    create_finding_table(work)
    run_register_checks(work, year, Catalogue(register_rules(year)))
    return work


@pytest.mark.parametrize("cls", CHILD_CLASSES)
def test_a_row_without_a_usable_key_is_lost_alone(cls: str) -> None:
    """A key of more than ten digits takes its own row; its sister and the person stay."""
    link, key = SHAPE[cls].keys[:2]
    rows = [{link: "1", key: "12345678901"}, {link: "1", key: "2"}]
    prediction = predict(checked({"person": [{"pePeID": "1"}], cls.lower(): rows}))
    assert prediction.rows[cls.lower()] == (2, 1)
    assert prediction.persons_kept == 1


def test_a_person_without_a_usable_key_takes_all_that_is_under_it() -> None:
    """The person's rows in all five tables go with it; the next person's stay."""
    rows: dict[str, list[dict[str, str]]] = {"person": [{"pePeID": "x1"}, {"pePeID": "2"}]}
    for cls in CHILD_CLASSES:
        link, key = SHAPE[cls].keys[:2]
        rows[cls.lower()] = [{link: parent, key: parent[-1]} for parent in ("x1", "2")]
    work = checked(rows)
    assert predict(work).rows == dict.fromkeys(TABLES, (2, 1))
    assert list(lost_persons(work)) == [(None, "R-pePeID-T")]


def test_on_applied_rows_the_view_does_not_count_a_lost_value() -> None:
    """A value that the register sets to NULL is not mapped; its sister on the same row is."""
    service = {"tjPeID": "1", "tjTjID": "1", "tjTjenType": "15", "tjVedtak": "2", "tjFraDato": "20200201"}
    circumstances = {"poPeID": "1", "poPoID": "1", "poHusstand": "8", "poPrivHjelp": "6", "poFraDato": "20200201"}
    person = {"pePeID": "1", "peKjonn": "K"}
    work = checked({"person": [person], "tjeneste": [service], "personoppl": [circumstances]})
    assert predict(work).values_lost == {"poHusstand": 1}
    apply_prediction(work)
    shares = {share.fact: share.persons for share in view_tables(work, load_year(2020)).home_dwelling.shares}
    assert (shares["poHusstand"], shares["poPrivHjelp"]) == (0, 1)


# -- the sentence --------------------------------------------------------------------------------------------------


def test_the_sentence_counts_persons_rows_and_values() -> None:
    """Persons are not counted among the rows under them, and all lost values are added up."""
    rows = {"person": (5, 3), "tjeneste": (10, 7), "funksjon": (20, 16)}
    prediction = Prediction(False, 5, 3, rows, {"tjVedtak": 2, "poHusstand": 1})
    assert prediction.sentence.nb == (
        "Registeret vil beholde 3 av 5 personer, miste 7 rader under dem og tømme 3 felt."
    )
    assert prediction.sentence.en == (
        "The register will keep 3 of 5 persons, lose 7 rows under them and set 3 values to NULL."
    )


def test_the_sentence_of_a_deleted_message_says_that_nobody_is_left() -> None:
    """The whole message goes, whatever else was found."""
    prediction = Prediction(True, 5, 0, {"person": (5, 0)}, {})
    assert prediction.sentence.nb == "Registeret vil slette hele meldingen: ingen av 5 personer blir med."
    assert prediction.sentence.en == "The register will delete the whole message: none of 5 persons will count."
