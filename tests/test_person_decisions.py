"""Decisions: what she says stands for the marks it was about, is kept encrypted, and comes in whole or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from place import START, Place
from typer.testing import CliRunner

from kpr.cli.persons import register
from kpr.errors import BadInput, BadMessage, Locked
from kpr.persons.decisions import Decision, Document, Known, Verdict, lines, read_document, together
from kpr.persons.sheet import read_sheet, write_sheet
from kpr.persons.suspects import DECIDED_BEFORE, keys_of, known_reasons
from kpr.steps.extract import open_submission, read_extract, take_extract
from kpr.steps.persons import NamesGiven, decide, export, give_names, look, take_sheet
from kpr.store import Act, KeptBook, KeptKind, Store

APP = typer.Typer()
register(APP)
RUNNER = CliRunner()

OUT, REAL, UNDECIDED = Verdict.LEAVE_OUT, Verdict.REAL, Verdict.UNDECIDED


def said(verdict: Verdict, *reasons: str, why: str = "Opplæring") -> Decision:
    """A decision about somebody with these marks."""
    return Decision(verdict=verdict, reasons=reasons, by="fagansvarlig", at=START, why=why)


def line_of(decision: Decision | None, *reasons: str, before: Decision | None = None):  # type: ignore[no-untyped-def]
    """The line of person 1, who has these marks now; None when she is not asked about."""
    known = Known(decided={"1": decision} if decision else {})
    found = {"1": frozenset(reasons)} if reasons else {}
    made = lines(found, {"1"}, known, Known(decided={"1": before} if before else {}))
    return made[0] if made else None


# -- what stands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "then", "now", "stands"),
    [
        (OUT, ("MARKED",), ("MARKED",), True),
        (OUT, ("MARKED", "SYNTHETIC_80"), ("MARKED",), True),
        (OUT, (), (), True),
        (OUT, (), ("SAME_ID",), True),
        (OUT, ("MARKED",), ("SAME_ID",), False),
        (OUT, ("MARKED",), (), False),
        (REAL, ("SYNTHETIC_65",), ("SYNTHETIC_65",), True),
        (REAL, ("SYNTHETIC_65", "SAME_ID"), ("SAME_ID",), True),
        (REAL, ("SYNTHETIC_65",), ("SYNTHETIC_65", "MARKED"), False),
    ],
)
def test_a_decision_is_about_the_marks_of_its_time(
    verdict: Verdict, then: tuple[str, ...], now: tuple[str, ...], stands: bool
) -> None:
    """Left out while one mark is still there, real while no other has come; else she is asked again."""
    line = line_of(said(verdict, *then), *now)
    assert line is not None
    assert line.verdict is (verdict if stands else UNDECIDED)
    assert (line.earlier is None) is stands


def test_somebody_left_out_whose_marks_are_gone_stops_the_submission() -> None:
    """Neither sent nor left out on an old word: asked once, and the answer holds."""
    asked = line_of(said(OUT, "MARKED"))
    assert asked is not None
    assert (asked.reasons, asked.stops) == ((DECIDED_BEFORE,), True)
    again = line_of(said(OUT, DECIDED_BEFORE))
    assert again is not None
    assert again.verdict is OUT
    assert line_of(said(REAL, DECIDED_BEFORE)) is None


def test_last_years_decision_is_proposed_and_not_applied() -> None:
    """It stands beside the line, which stops as before; whoever was left out without a mark is shown too."""
    line = line_of(None, "MARKED", before=said(OUT, "MARKED"))
    assert line is not None
    assert (line.verdict, line.stops) == (UNDECIDED, True)
    assert line.proposed == said(OUT, "MARKED")
    unmarked = line_of(None, before=said(OUT))
    assert unmarked is not None
    assert (unmarked.verdict, unmarked.stops) == (UNDECIDED, False)
    assert line_of(None, before=said(REAL, "SAME_ID")) is None


def test_who_waits_stands_first() -> None:
    """Those who stop, those who are only asked about, those decided; each by key as people count."""
    found = {key: frozenset({"MARKED"}) for key in ("10", "9", "3")} | {"2": frozenset({"SAME_ID"})}
    made = lines(found, found, Known(decided={"3": said(OUT, "MARKED")}))
    assert [line.key for line in made] == ["9", "10", "2", "3"]


def test_the_later_document_counts_person_by_person() -> None:
    """Two who decide at the same time lose nothing; the newest list of names takes the place of the former."""
    first = Document(decided={"1": said(OUT), "2": said(OUT)}, found={"7": ("MARKED",)})
    second = Document(decided={"2": said(REAL, "SAME_ID")})
    third = Document(found={"8": ("MARKED",)})
    whole = together(read_document(each.as_bytes()) for each in (first, second, third))
    assert {key: each.verdict for key, each in whole.decided.items()} == {"1": OUT, "2": REAL}
    assert dict(whole.found) == {"8": ("MARKED",)}


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"format": 2}', b'{"format": 1, "more": 1}', b'{"decided": {"1": 5}}'])
def test_another_document_is_refused(raw: bytes) -> None:
    """Of a later version, or none at all: nobody is sent because her word was misread."""
    with pytest.raises(BadMessage):
        read_document(raw)


def test_no_text_form_shows_a_key_or_her_words() -> None:
    """What lands in a traceback says neither whom nor why."""
    line = line_of(said(OUT, "MARKED", why="hemmelig"), "MARKED")
    assert "hemmelig" not in repr(line)
    assert "'1'" not in repr(line)


# -- the sheet ---------------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", min_codepoint=33, exclude_categories=["Z", "C"]), min_size=1, max_size=6),
        st.tuples(st.sampled_from([OUT, REAL]), st.text("abcæøå;\"'= -+\t", max_size=8).map(str.strip)),
        min_size=1,
        max_size=5,
    )
)
def test_a_sheet_says_what_the_list_says(people: dict[str, tuple[Verdict, str]]) -> None:
    """Written and read back unedited, keys that look like formulas included."""
    decided = {key: said(verdict, "SAME_ID", why=why) for key, (verdict, why) in people.items()}
    written = write_sheet(lines(dict.fromkeys(people, frozenset({"SAME_ID"})), people, Known(decided=decided)))
    read = read_sheet(written.encode(), set(people), "liste.csv")
    assert {wish.key: (wish.verdict, wish.why) for wish in read} == people


def test_a_sheet_holds_no_formula() -> None:
    """A key or a reason that a spreadsheet would calculate is written as text."""
    written = write_sheet(lines({"=1+1": frozenset({"MARKED"})}, {"=1+1"}, Known()))
    assert "'=1+1;" in written


HEAD = "nøkkel;avgjørelse;hvorfor\r\n"


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        (HEAD + "1;utelat;x\r\n404;utelat;x", "ikke er i uttrekket", "liste.csv, rad 3"),
        (HEAD + "1;utelat;x\r\n1;virkelig;x", "to ganger", "liste.csv, rad 2 og rad 3"),
        (HEAD + "1;slett;x", "ukjent", "liste.csv, rad 2"),
        ("1;utelat;x", "Overskriften", "liste.csv, rad 1"),
        (HEAD + '1;utelat;"x', "CSV", "liste.csv, rad"),
        ("", "tom", "liste.csv"),
    ],
)
def test_a_bad_sheet_gets_one_sentence_with_the_row(text: str, problem: str, place: str) -> None:
    """An unknown person, a doubled key, an unknown decision, another table: the row is named, the key is not."""
    with pytest.raises(BadInput) as caught:
        read_sheet(text.encode(), {"1", "2"}, "liste.csv")
    assert problem in caught.value.problem
    assert place in caught.value.place
    assert caught.value.remedy
    assert "404" not in str(caught.value)


def test_a_sheet_may_be_pasted_with_tabs_and_short_rows() -> None:
    """What Excel leaves out at the end of a row is empty; capitals do not matter; an empty cell is undecided."""
    read = read_sheet("nøkkel\tavgjørelse\thvorfor\n1\tUtelat\n\n2\n".encode("utf-16"), {"1", "2"}, "liste.csv")
    assert [(wish.key, wish.verdict, wish.why) for wish in read] == [("1", OUT, ""), ("2", UNDECIDED, "")]


# -- the steps ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """25 invented recipients; two made by the vendor, one dead before the year, one without a real birth date."""
    place = Place(tmp_path)
    place.extract(test_person=2, dead_before_year=1, no_birth_date=1)
    return place


def keys(made: Place, reason: str) -> list[str]:
    """Who has this mark."""
    with made.open() as place:
        return [line.key for line in look(place).lines if reason in line.reasons]


def test_the_list_is_there_before_anything_is_taken(made: Place) -> None:
    """It is read off the source, and off the open version once there is one; both say the same."""
    with made.open() as place:
        before = look(place)
        take_extract(place, open_submission(place, by="rolle A"))
        assert look(place) == before
    assert (before.persons, before.stopping) == (25, 3)
    assert before.counts == {"leave-out": 0, "real": 0, "undecided": 4}


def test_a_decision_is_kept_encrypted_and_leaves_an_event_without_keys(made: Place) -> None:
    """With name, time and reason in the vault; the event has counts; nothing readable lies on the disk."""
    key = keys(made, "VENDOR_KEY")[0]
    with made.open() as place:
        line = decide(place, key, OUT, by="fagansvarlig", why="Leverandørens egen")
        assert line.decision is not None
        assert (line.decision.by, line.decision.at, line.decision.why) == ("fagansvarlig", START, "Leverandørens egen")
        (event,) = [event for event in place.store.events() if event.what == "persons"]
        assert (event.event, event.who, event.to_state, event.why) == ("DECIDED", "fagansvarlig", "leave-out: 1", "")
        (kept,) = place.kept.every(KeptKind.PERSONS)
        assert set(json.loads(place.kept.read(kept))["decided"]) == {key}
        assert key not in kept.note
    for file in [*(made.folder / "vault").rglob("*"), made.folder / "kpr.sqlite"]:
        if file.is_file():
            assert key.encode() not in file.read_bytes()
            assert "Leverandørens egen".encode() not in file.read_bytes()


def test_the_same_again_is_not_kept_twice(made: Place) -> None:
    """Nothing changed, nothing written; another reason is a change, and she may take it back."""
    key = keys(made, "VENDOR_KEY")[0]
    with made.open() as place:
        for _ in range(2):
            decide(place, key, OUT, by="fagansvarlig", why="Opplæring")
        assert len(place.kept.every(KeptKind.PERSONS)) == 1
        decide(place, key, OUT, by="fagansvarlig", why="Kurs")
        assert decide(place, key, UNDECIDED, by="fagansvarlig", why="").stops
        assert len(place.kept.every(KeptKind.PERSONS)) == 3


def test_what_is_missing_or_forbidden_is_said_and_nothing_is_kept(made: Place) -> None:
    """An unknown key, no reason, no name, something like an id, somebody who may not: one sentence each."""
    key = keys(made, "VENDOR_KEY")[0]
    with made.open() as place:
        for bad, by, why in (
            ("404", "rolle A", "x"),
            (key, "rolle A", " "),
            (key, " ", "x"),
            (key, "rolle A", "Er 01818012337"),
            (key, "01818012337", "x"),
        ):
            with pytest.raises(BadInput) as caught:
                decide(place, bad, OUT, by=by, why=why)
            assert bad not in str(caught.value)
            assert "01818012337" not in str(caught.value)
        assert place.kept.every(KeptKind.PERSONS) == []


def test_only_those_who_answer_for_the_content_decide(made: Place) -> None:
    """An operator may not; nothing is kept."""
    text = made.settings.read_text("utf-8")
    people = "\npeople: {approvers: [fagansvarlig], operators: [drift]}\n"
    made.settings.write_text(text.replace("\npeople:", "\n#people:") + people, encoding="utf-8")
    key = keys(made, "VENDOR_KEY")[0]
    with made.open() as place:
        with pytest.raises(Locked):
            decide(place, key, OUT, by="drift", why="Opplæring")
        assert place.kept.every(KeptKind.PERSONS) == []
        assert decide(place, key, OUT, by="fagansvarlig", why="Opplæring").verdict is OUT


def test_a_sheet_is_taken_whole_or_not_at_all(made: Place) -> None:
    """One row without a reason, and no row counts; mended, all do; a person without marks may be added."""
    with made.open() as place:
        rows = export(place).decode("utf-8-sig").splitlines()
        edited = [row.replace(";uavgjort;", ";utelat;") for row in rows]
        marked = {line.key for line in look(place).lines}
        unmarked = min(keys_of(read_extract(place)) - marked)
        sheet = "\r\n".join([*edited, f"{unmarked};;utelat;Opplæring;;;"]).encode()
        with pytest.raises(BadInput, match="rad 2"):
            take_sheet(place, sheet, by="fagansvarlig", name="liste.csv")
        assert place.kept.every(KeptKind.PERSONS) == []
        assert take_sheet(place, sheet, by="fagansvarlig", why="Gjennomgått", name="liste.csv") == 5
        assert look(place).counts == {"leave-out": 5, "real": 0, "undecided": 0}
        assert take_sheet(place, export(place), by="leder") == 0
        assert len(place.kept.every(KeptKind.PERSONS)) == 1


def test_a_decision_carries_over_to_the_next_extract(made: Place) -> None:
    """The same persons, taken again: what she said still stands. Without the marks she is asked anew."""
    with made.open() as place:
        for line in look(place).lines:
            decide(place, line.key, OUT, by="fagansvarlig", why="Opplæring")
    made.extract(test_person=2, dead_before_year=1, no_birth_date=1)
    with made.open() as place:
        assert look(place).counts == {"leave-out": 4, "real": 0, "undecided": 0}
    made.extract()
    with made.open() as place:
        # The vendor's own have gone from the extract with their keys; the other two are ordinary people now.
        assert [line.reasons for line in look(place).lines] == [(DECIDED_BEFORE,)] * 2
        assert look(place).stopping == 2


def proposed(made: Place, key: str) -> Decision | None:
    """What last year's decision proposes about a key that still waits."""
    with made.open() as place:
        (line,) = [line for line in look(place).lines if line.key == key]
    assert line.stops
    return line.proposed


def test_last_year_is_shown_and_not_applied(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided in 2019 is proposed, and the submission waits all the same; not where municipalities merged."""
    key = keys(made, "VENDOR_KEY")[0]
    then = said(OUT, "VENDOR_KEY")
    with made.open() as place:
        book = KeptBook(Store(place.store.engine, "1103", 2019), place.vault)
        act = Act("fagansvarlig", place.clock() - timedelta(days=365))
        book.keep(KeptKind.PERSONS, Document(decided={key: then}).as_bytes(), act)
    # 1103 of 2020 was three municipalities in 2019: the same key may have been another's.
    assert proposed(made, key) is None
    monkeypatch.setattr("kpr.steps.persons.numbers_in", lambda *_: ("1103",))
    assert proposed(made, key) == then


def test_a_list_of_names_is_compared_and_forgotten(made: Place) -> None:
    """Key and reason are kept, the name is not; a corrected list takes the place of the first."""
    with made.open() as place:
        assert give_names(place, b"pid;navn\n2;Donald Duck\n3;Ola Nordmann\n999;Donald Duck") == NamesGiven(3, 2, 2)
        assert give_names(place, b"pid;navn\n2;Donald Duck\n3;Ola Nordmann") == NamesGiven(2, 2, 2)
        by_key = {line.key: line for line in look(place).lines}
        assert by_key["2"].stops
        assert not by_key["3"].stops
        (kept,) = place.kept.every(KeptKind.PERSONS)
        assert b"onald" not in place.kept.read(kept)
        assert give_names(place, b"pid;navn\n2;Anne Berg") == NamesGiven(1, 1, 0)
        assert "2" not in {line.key for line in look(place).lines}


@pytest.mark.parametrize("keys", ["998;Donald Duck\n999;Kari Nordmann", ""])
def test_a_list_of_other_keys_is_refused(made: Place, keys: str) -> None:
    """None of its keys is in the extract: it has been compared with nothing, and the list before stands."""
    with made.open() as place:
        give_names(place, b"pid;navn\n2;Donald Duck")
        with pytest.raises(BadInput, match=r"Listen har [02] navn; 0 av nøklene") as told:
            give_names(place, f"pid;navn\n{keys}".encode(), name="navn.csv")
        assert told.value.place == "navn.csv"
        assert "998" not in str(told.value)
        assert "2" in {line.key for line in look(place).lines}


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_commands_work_on_the_same_list(made: Place, tmp_path: Path) -> None:
    """show, decide, export and import, each as plain data too; people read how many still stop."""
    settings = ["--settings", str(made.settings)]
    shown = RUNNER.invoke(APP, ["persons", "show", *settings, "--json"])
    data = json.loads(shown.output)
    assert data["stopping"] == 3
    key = data["lines"][0]["key"]
    words = ["--key", key, "--as", "leave-out", "--by", "fagansvarlig", "--why", "Opplæring"]
    done = RUNNER.invoke(APP, ["persons", "decide", *words, *settings])
    assert done.exit_code == 0, done.output
    assert "2 stanser innsendingen" in done.output
    sheet = tmp_path / "liste.csv"
    assert RUNNER.invoke(APP, ["persons", "export", str(sheet), *settings]).exit_code == 0
    sheet.write_bytes(sheet.read_bytes().replace(b";uavgjort;", b";utelat;"))
    taken = RUNNER.invoke(
        APP, ["persons", "import", str(sheet), "--by", "leder", "--why", "Sett på", *settings, "--json"]
    )
    assert taken.exit_code == 0, taken.output
    assert json.loads(taken.output)["changed"] == 3
    assert json.loads(taken.output)["stopping"] == 0
    people = RUNNER.invoke(APP, ["persons", "show", *settings], env={"COLUMNS": "200"})
    assert known_reasons()["VENDOR_KEY"].text.nb[:10] in people.output
    assert "Ingen av dem stanser" in people.output


def test_the_measure_is_printed() -> None:
    """The tables of the docs, or the numbers as plain data."""
    assert "| unmarked | 0 | 0 |" in RUNNER.invoke(APP, ["persons", "measure"]).output
    assert json.loads(RUNNER.invoke(APP, ["persons", "measure", "--json"]).output)["of_each"] == 200


def test_the_list_of_names_says_how_many_keys_are_in_the_extract(made: Place, tmp_path: Path) -> None:
    """How many names, how many of them known, and at how many it points; as plain data too."""
    names = tmp_path / "navn.csv"
    names.write_text("pid;navn\n2;Donald Duck\n3;Anne Berg\n999;Anne Berg\n", encoding="utf-8")
    words = ["persons", "show", "--names", str(names), "--settings", str(made.settings)]
    shown = RUNNER.invoke(APP, words)
    assert "Listen har 3 navn; 2 av nøklene finnes i uttrekket." in shown.output
    assert "Den peker på 1." in shown.output
    assert json.loads(RUNNER.invoke(APP, [*words, "--json"]).output)["names"] == {"listed": 3, "known": 2, "pointed": 1}


def test_a_list_that_is_not_there_is_said(made: Place) -> None:
    """The file is named, and what to do."""
    result = RUNNER.invoke(APP, ["persons", "show", "--names", "ingen.csv", "--settings", str(made.settings)])
    assert isinstance(result.exception, BadInput)
    assert result.exception.place == "ingen.csv"
