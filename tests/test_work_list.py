"""The work list: whose a finding is, what was mended, and a file that a spreadsheet opens."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from place import Place

from kpr.checks.finding import Mode, Owner, Severity
from kpr.checks.run import full_catalogue
from kpr.errors import BadMessage, Locked
from kpr.persons.decisions import Verdict
from kpr.report.work_list import Entry, Former, WorkList, read_former
from kpr.steps.extract import kept_rows
from kpr.steps.persons import decide
from kpr.steps.report import prepare
from kpr.steps.work_list import WorkListMade, write_work_list
from kpr.years import load_year

CATALOGUE = full_catalogue(load_year(2020))
TODAY, YESTERDAY = date(2021, 1, 8), date(2021, 1, 7)
RULES = ("R-peKjonn-K", "X16", "X17")


def entry(rule: str = "X16", person: str = "17", *, unit: str = "974774300", row: int = 3) -> Entry:
    """A finding on the list."""
    return Entry(unit, rule, Severity.WARNING, Owner.UNIT, False, person, "TJENESTE", "tjTilDato", row)


def run(found: list[Entry], former: Former | None = None, day: date = TODAY) -> tuple[list[dict[str, str]], Former]:
    """The list's rows by heading, and what the next run compares with."""
    made = WorkList(CATALOGUE, day, former or Former({}))
    text = "".join(made.lines(found))
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))
    return rows, read_former(made.to_keep)


def test_a_finding_says_whose_it_is_and_how_to_mend_it() -> None:
    """The unit, the local key, the place, what is wrong and the remedy stand in a row of their own."""
    ((row,), _) = run([entry()])
    assert row["Enhet"] == "974774300"
    assert row["Lokal nøkkel"] == "17"
    assert (row["Klasse"], row["Rad"], row["Element"], row["Status"]) == ("TJENESTE", "3", "tjTilDato", "nytt")
    assert row["Hva er galt"] == CATALOGUE["X16"].wrong.nb
    assert row["Slik rettes det"] == CATALOGUE["X16"].remedy.nb
    assert row["Siden"] == "2021-01-08"


def test_what_is_gone_since_the_last_run_is_listed_as_mended() -> None:
    """One finding stays with the day it was first seen, one is gone, and one is new; rows may have changed numbers."""
    _, former = run([entry("X16"), entry("X17")], day=YESTERDAY)
    rows, _ = run([entry("X16", row=99), entry("X16", "18")], former)
    assert [(row["Regel"], row["Lokal nøkkel"], row["Status"], row["Siden"]) for row in rows] == [
        ("X16", "17", "står igjen", "2021-01-07"),
        ("X16", "18", "nytt", "2021-01-08"),
        ("X17", "17", "rettet", "2021-01-07"),
    ]
    assert rows[2]["Enhet"] == "974774300"


def test_a_rule_that_the_program_no_longer_has_is_not_listed_as_mended() -> None:
    """What another version of the program found under a rule that is gone says nothing about the extract."""
    rows, _ = run([], Former({("X999", "17", "TJENESTE", ""): (1, "2021-01-07", "")}))
    assert rows == []


def test_a_person_who_is_left_out_has_not_been_mended() -> None:
    """What was found on somebody who is left out is told as left out, and the others as mended."""
    _, former = run([entry("X17"), entry("X17", "18")], day=YESTERDAY)
    made = WorkList(CATALOGUE, TODAY, former, left_out={"17"})
    rows = list(csv.DictReader(io.StringIO("".join(made.lines([]))[1:]), delimiter=";"))
    assert [(row["Lokal nøkkel"], row["Status"]) for row in rows] == [("17", "utelatt"), ("18", "rettet")]


def test_a_swing_that_is_explained_has_not_been_mended() -> None:
    """The same line under the rule of what is explained: told so; another line that is gone was mended."""
    six, seven = (replace(entry("X32a", ""), element=f"tjTjenType {code}") for code in "67")
    _, former = run([six, seven], day=YESTERDAY)
    rows, _ = run([replace(six, rule="X32c")], former)
    assert [(row["Regel"], row["Element"], row["Status"]) for row in rows] == [
        ("X32c", "tjTjenType 6", "nytt"),
        ("X32a", "tjTjenType 6", "forklart"),
        ("X32a", "tjTjenType 7", "rettet"),
    ]


def test_a_rule_that_is_only_counted_now_is_not_listed_as_mended() -> None:
    """Watched rules stand on no list, so that nothing is said of what they found before."""
    _, former = run([entry("X17")], day=YESTERDAY)
    made = WorkList(full_catalogue(load_year(2020), {"X17": Mode.OBSERVE}), TODAY, former)
    assert len(list(made.lines([]))) == 1


@given(
    st.lists(st.tuples(st.sampled_from(RULES), st.sampled_from("abc")), max_size=8),
    st.lists(st.tuples(st.sampled_from(RULES), st.sampled_from("abc")), max_size=8),
)
def test_new_and_remaining_are_what_is_found_and_mended_is_what_is_gone(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    """For any two runs: nothing is counted twice, and the former run is what remains and what was mended."""
    _, former = run([entry(rule, person) for rule, person in before], day=YESTERDAY)
    rows, kept = run([entry(rule, person) for rule, person in after], former)
    of = {
        status: [(row["Regel"], row["Lokal nøkkel"]) for row in rows if row["Status"] == status]
        for status in ("nytt", "står igjen", "rettet")
    }
    assert sorted(of["nytt"] + of["står igjen"]) == sorted(after)
    assert sorted(of["rettet"] + of["står igjen"]) == sorted(before)
    assert sum(number for number, _, _ in kept.seen.values()) == len(after)


@pytest.mark.parametrize("key", ["=1+1", "+47", "-2", "@x", "\tx"])
def test_a_local_key_is_never_a_formula(key: str) -> None:
    """A key that a spreadsheet would reckon with is shown as text."""
    ((row,), _) = run([entry(person=key)])
    assert row["Lokal nøkkel"] == f"'{key}"


@pytest.mark.parametrize("raw", [b"", b"[1]", b'[["a"]]', b"{", b'{"a": 1}', b"\xff"])
def test_what_is_no_former_list_is_refused(raw: bytes) -> None:
    """Anything but what the program kept is an error that says to begin anew."""
    with pytest.raises(BadMessage, match="former work list"):
        read_former(raw)


def written(place: Place) -> tuple[WorkListMade, list[dict[str, str]]]:
    """The list of a place."""
    out = io.BytesIO()
    with place.open() as opened:
        made = write_work_list(opened, out)
    return made, list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig")), delimiter=";"))


def check(place: Place) -> None:
    """Read and check the extract that lies there."""

    with place.open() as opened:
        prepare(opened, by="fagansvarlig")


def test_mended_in_the_care_record_system_is_mended_on_the_list(tmp_path: Path) -> None:
    """Three faults are new, remain while the same extract is looked at again, and are mended in the next extract."""
    place = Place(tmp_path, persons=30)
    place.extract(unknown_sex=3)
    check(place)
    first, rows = written(place)
    faults = [row for row in rows if row["Regel"] == "R-peKjonn-K"]
    assert [row["Stanser"] for row in faults] == ["ja"] * 3
    assert written(place)[0] == first
    place.later(days=1)
    place.extract()
    check(place)
    second, rows = written(place)
    assert second.mended >= 3
    assert [row["Status"] for row in rows if row["Regel"] == "R-peKjonn-K"] == ["rettet"] * 3
    assert {row["Siden"] for row in rows if row["Regel"] == "R-peKjonn-K"} == {"2021-01-07"}


def test_left_out_by_her_word_is_told_so_on_the_list(tmp_path: Path) -> None:
    """Two persons with faults are left out; the next extract still has the faults, which are not said to be mended."""
    place = Place(tmp_path, persons=30)
    place.extract(unknown_sex=2)
    check(place)
    _, rows = written(place)
    keys = {row["Lokal nøkkel"] for row in rows if row["Regel"] == "R-peKjonn-K"}
    assert len(keys) == 2
    with place.open() as opened:
        for key in keys:
            decide(opened, key, Verdict.LEAVE_OUT, by="fagansvarlig", why="Opplæring")
    place.later(days=1)
    place.persons += 1
    place.extract(unknown_sex=2)
    check(place)
    made, rows = written(place)
    of_them = [row for row in rows if row["Lokal nøkkel"] in keys]
    assert {row["Status"] for row in of_them} == {"utelatt"}
    assert sum(row["Regel"] == "R-peKjonn-K" for row in of_them) == 2
    assert made.left_out == len(of_them)


def test_the_list_names_units_and_holds_no_national_id(tmp_path: Path) -> None:
    """Units of the extract stand there, and no number of a person does."""
    place = Place(tmp_path, persons=60)
    place.extract(unknown_sex=3)
    check(place)

    with place.open() as opened:
        latest = opened.store.latest()
        assert latest is not None
        work = kept_rows(opened, latest)
        ids = {fid for (fid,) in work.select("ident", ("fid",)) if fid}
        units = {number for (number,) in work.select("tjeneste", ("tjInstOrgnr",)) if number}
    _, rows = written(place)
    text = "\n".join(";".join(row.values()) for row in rows)
    assert ids
    assert [fid for fid in ids if fid in text] == []
    assert {row["Enhet"] for row in rows} & units


def test_without_an_extract_there_is_no_list(tmp_path: Path) -> None:
    """It says which command reads one."""
    with Place(tmp_path).open() as opened, pytest.raises(Locked, match="kpr approve"):
        write_work_list(opened, io.BytesIO())
