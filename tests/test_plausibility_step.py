"""Plausibility from end to end: last year's figures found, swings that stop, reasons that lift, keys that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from place import Place
from typer.testing import CliRunner

from kpr.checks.run import CheckResult
from kpr.cli.app import app
from kpr.conversation import SubmissionState
from kpr.errors import BadInput, Locked
from kpr.plausibility.figures import Count, Figures, Part, figures_json, figures_of_lines, together
from kpr.steps.approve import record_approval
from kpr.steps.check import check_submission
from kpr.steps.extract import open_submission, take_extract
from kpr.steps.last_year import give_last_year, last_year
from kpr.steps.plausibility import explain, look, plausibility_options
from kpr.steps.workplace import Workplace
from kpr.store import Act, KeptBook, KeptKind, Store, Submission
from kpr.store.held import Holdings

RUNNER = CliRunner()


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A municipality with 60 invented recipients, and its own stand-in register."""
    return Place(tmp_path, persons=60)


def checked(made: Place) -> CheckResult:
    """Take the extract into the open version and check it."""
    with made.open() as place:
        submission = open_submission(place, by="rolle A")
        take_extract(place, submission)
        return check_submission(place, submission).result


def blocking(result: CheckResult) -> set[str]:
    """The rules that stop the submission."""
    return {count.rule for count in result.counts if count.blocks}


def former_year(
    place: Workplace, figures: Figures, *, data_year: int = 2019, number: str = "1103", state: str = "ACCEPTED"
) -> str:
    """A version of a former data year in the same database, with its figures."""
    store = Store(place.store.engine, number, data_year)
    versions = store.submissions()
    with store.transaction() as session:
        submission = Submission(
            cycle_id=store.cycle_id,
            version=len(versions) + 1,
            sequence_number=len(versions) + 1,
            state=SubmissionState(state),
            opened_at=place.clock(),
            wrapped_key=place.vault.new_wrapped_key(),
        )
        session.add(submission)
    kept = KeptBook(store, place.vault)
    kept.keep(KeptKind.FIGURES, figures_json(figures), Act("rolle A", place.clock()), submission_id=submission.id)
    return submission.id


def lines(made: Place, **changed: int) -> Figures:
    """This year's own lines as last year's, some of them changed: ``t6=90`` is service type 6."""
    own = checked(made).figures.lines
    return figures_of_lines(2019, own | {name.removeprefix("t"): persons for name, persons in changed.items()})


def waiting(made: Place) -> list[str]:
    """The lines for which a reason is wanted."""
    with made.open() as place:
        return [line.swing.line for line in look(place).lines if line.waits]


# -- last year ---------------------------------------------------------------------------------------------------------


def test_the_newest_accepted_version_of_the_year_before_is_used(made: Place) -> None:
    """Not an older one, not one that was not accepted, not another municipality's, not another year's."""
    with made.open() as place:
        former_year(place, figures_of_lines(2019, {"6": 1}))
        former_year(place, figures_of_lines(2019, {"6": 2}))
        former_year(place, figures_of_lines(2019, {"6": 3}), state="REJECTED")
        former_year(place, figures_of_lines(2019, {"6": 4}), number="0301")
        former_year(place, figures_of_lines(2018, {"6": 5}), data_year=2018)
        known = last_year(place)
    assert known.figures is not None
    assert known.figures.lines == {"6": 2}
    assert "godkjent innsending 2019 for 1103" in known.source.nb
    assert "versjon 2" in known.source.nb


MERGED = ("1103", "1141", "1142")


def test_what_a_merged_municipality_leaves_out_is_said(made: Place) -> None:
    """1103 of 2020 was three municipalities in 2019: the others are named, and that a table is wanted of them all."""
    with made.open() as place:
        assert last_year(place).source.nb == "ikke kjent; gi tallene for 1103, 1141 og 1142 til sammen"
        former_year(place, figures_of_lines(2019, {"6": 1}))
        known = last_year(place)
        assert known.figures is not None
        assert known.figures.lines == {"6": 1}
        assert "for 1103 alene (uten 1141 og 1142" in known.source.nb
        assert "gi tallene for 1103, 1141 og 1142 til sammen" in known.source.nb


def test_a_table_of_a_merged_municipality_goes_before_a_part_of_it(made: Place) -> None:
    """Only one of three was sent from here: the officer's table of the whole is what is compared with."""
    with made.open() as place:
        former_year(place, figures_of_lines(2019, {"6": 200}))
        give_last_year(place, b"6;300", by="rolle A")
        known = last_year(place)
    assert known.figures is not None
    assert (known.figures.lines, known.otherwise) == ({"6": 300}, {})
    assert "tabell gitt" in known.source.nb


def test_a_merged_municipality_is_compared_with_all_that_went_into_it(made: Place) -> None:
    """Where all three were sent from here, their figures are summed, and a table that says otherwise is told."""
    with made.open() as place:
        for number, persons in zip(MERGED, (200, 70, 30), strict=True):
            former_year(place, figures_of_lines(2019, {"6": persons}), number=number)
        give_last_year(place, b"6;301", by="rolle A")
        known = last_year(place)
    assert known.figures is not None
    assert (known.figures.lines, known.otherwise) == ({"6": 300}, {"6": (300, 301)})
    assert known.source.nb == "godkjente innsendinger 2019 for 1103, 1141 og 1142, lagt sammen"


def test_figures_are_summed_part_by_part() -> None:
    """Counts and their wholes; a letter's line only where both have it; the system only where it is the same."""
    one = Figures(2019, {Part.REFUSALS: {"6": Count(2, 10)}}, {"D4.old": 3, "D5": 1}, ("EPJ", "1.0"))
    other = Figures(2019, {Part.REFUSALS: {"6": Count(1, 5), "7": Count(0, 2)}}, {"D4.old": 4}, ("EPJ", "2.0"))
    both = together([one, other])
    assert both.counts == {Part.REFUSALS: {"6": Count(3, 15), "7": Count(0, 2)}}
    assert (both.facts, both.system) == ({"D4.old": 7}, ("", ""))
    assert together([one]) == one


def test_figures_outlive_what_was_sent(made: Place) -> None:
    """The keys of last year's submission are destroyed, its figures are compared with all the same."""
    with made.open() as place:
        former_year(place, figures_of_lines(2019, {"6": 7}))
        store = Store(place.store.engine, "1103", 2019)
        with store.transaction() as session:
            Holdings(store).destroy_keys(session, Holdings(store).living(session, ()))
        known = last_year(place)
        assert known.figures is not None
        assert known.figures.lines == {"6": 7}


def test_figures_that_were_purged_are_not_known(made: Place) -> None:
    """When the figures' own key is destroyed, nothing is known of last year, and a check says so."""
    with made.open() as place:
        former_year(place, figures_of_lines(2019, {"6": 7}))
        store = Store(place.store.engine, "1103", 2019)
        with store.transaction() as session:
            Holdings(store).destroy_keys(session, Holdings(store).living(session))
        assert last_year(place).figures is None
    assert "X32b" in {count.rule for count in checked(made).counts}


def test_figures_of_another_vault_stop_nothing(made: Place) -> None:
    """Last year's place had a vault of its own: it is said, and the table may be given."""
    with made.open() as place:
        former_year(place, figures_of_lines(2019, {"6": 7}))
        kept = KeptBook(Store(place.store.engine, "1103", 2019), place.vault).newest(KeptKind.FIGURES)
        assert kept is not None
        place.vault.remove_all([kept.content_name])
        known = last_year(place)
    assert known.figures is None
    assert "gi dem som tabell" in known.source.nb


def test_a_table_is_used_when_nothing_else_is_known(made: Place) -> None:
    """Given twice, the later one counts; a bad one leaves it as it is."""
    with made.open() as place:
        give_last_year(place, b"6;100", by="rolle A")
        give_last_year(place, b"6;200", by="rolle A")
        with pytest.raises(BadInput):
            give_last_year(place, b"99;1", by="rolle A")
        known = last_year(place)
    assert known.figures is not None
    assert (known.figures.data_year, known.figures.lines) == (2019, {"6": 200})
    assert "rolle A" in known.source.nb
    assert waiting(made) == []
    assert "X32a" in blocking(checked(made))


def test_a_table_that_differs_from_what_was_accepted_is_told(made: Place) -> None:
    """The accepted figures are used, and the line that the officer has otherwise is named."""
    with made.open() as place:
        for number in MERGED:
            former_year(place, figures_of_lines(2019, {"6": 0, "15": 10}), number=number)
        former_year(place, figures_of_lines(2019, {"6": 200, "15": 10}))
        give_last_year(place, b"6;210\n15;30", by="rolle A")
        known = last_year(place)
        assert known.otherwise == {"6": (200, 210)}
        assert known.figures is not None
        assert known.figures.lines["6"] == 200
    result = checked(made)
    assert {count.rule for count in result.counts} >= {"X32d"}


# -- reasons -----------------------------------------------------------------------------------------------------------


def test_a_swing_stops_until_somebody_says_why(made: Place) -> None:
    """The reason is kept with name and time, the line is told as explained, and the version may be approved."""
    with made.open() as place:
        former_year(place, lines(made, t6=90, t29=61))
    assert blocking(checked(made)) == {"X32a"}
    assert waiting(made) == ["tjTjenType 6", "tjTjenType 29"]
    with made.open() as place:
        given = explain(place, "tjTjenType 6", why="Alarmene er flyttet til nabokommunen.", by="fagansvarlig")
        assert (given.rule, given.before, given.who) == ("X32a", 90, "fagansvarlig")
        assert given.at == place.clock()
    assert blocking(checked(made)) == {"X32a"}
    with made.open() as place:
        explain(place, "29", why="Boligene er solgt.", by="fagansvarlig")
    assert waiting(made) == []
    result = checked(made)
    assert not result.blocked
    assert next(count.count for count in result.counts if count.rule == "X32c") == 2
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        assert latest.state is SubmissionState.CHECKED
        shown = {line.swing.line: line.reason for line in look(place).lines}
    assert {reason.why for reason in shown.values() if reason} == {
        "Alarmene er flyttet til nabokommunen.",
        "Boligene er solgt.",
    }


def test_other_numbers_ask_again(made: Place) -> None:
    """A new extract with another number: the old reason holds no more, and is not shown for it."""
    with made.open() as place:
        former_year(place, lines(made, t6=90))
    before = checked(made).figures.lines["6"]
    with made.open() as place:
        explain(place, "6", why="Færre alarmer.", by="rolle A")
    assert blocking(checked(made)) == set()
    made.extract(no_alarm=20)
    again = checked(made)
    assert again.figures.lines["6"] < before
    assert "X32a" in blocking(again)
    with made.open() as place:
        (line,) = [line for line in look(place).lines if line.swing.line == "tjTjenType 6"]
    assert line.waits
    assert line.reason is None
    assert line.earlier is not None
    assert line.earlier.why == "Færre alarmer."
    shown = " ".join(run(made, "swings", "show", width=240).split())
    assert "mangler (sist:" in shown
    (told,) = [line for line in as_json(made, "swings", "show")["lines"] if line["line"] == "tjTjenType 6"]
    assert (told["reason"], told["earlier_reason"]["why"]) == (None, "Færre alarmer.")


def test_units_of_the_settings_are_missed_in_the_first_year(made: Place) -> None:
    """Nothing is known of last year: a provider that is named there and not in the extract asks for a reason."""
    text = made.settings.read_text("utf-8")
    assert "providers: []" in text
    made.settings.write_text(text.replace("providers: []", 'providers: ["123456785"]'), "utf-8")
    assert "Y4" in blocking(checked(made))
    assert waiting(made) == ["tjInstOrgnr 123456785"]
    with made.open() as place:
        explain(place, "tjInstOrgnr 123456785", why="Lagt ned i mars.", by="rolle A")
    assert "Y4" not in blocking(checked(made))


def test_a_reason_of_an_earlier_version_holds_for_the_same_numbers(made: Place) -> None:
    """A corrected version with the same numbers is not asked again."""
    with made.open() as place:
        former_year(place, lines(made, t6=90))
    checked(made)
    with made.open() as place:
        explain(place, "6", why="Færre alarmer.", by="rolle A")
        latest = place.store.latest()
        assert latest is not None
        with place.store.transaction() as session:
            session.get_one(Submission, latest.id).state = SubmissionState.REJECTED
            session.add(
                Submission(
                    cycle_id=place.store.cycle_id,
                    version=2,
                    sequence_number=2,
                    state=SubmissionState.DRAFT,
                    opened_at=place.clock(),
                    wrapped_key=place.vault.new_wrapped_key(),
                )
            )
    assert not checked(made).blocked
    with made.open() as place:
        seen = look(place)
    assert (seen.version, seen.waiting) == (2, 0)


@pytest.mark.parametrize(
    ("line", "why", "by", "said"),
    [
        ("tjTjenType 15", "Ja.", "rolle A", "Ingen slik linje"),
        ("tjTjenType 6", "  ", "rolle A", "mangler"),
        ("tjTjenType 6", "Ja.", " ", "mangler"),
        ("tjTjenType 6", "Gjelder 01818012337.", "rolle A", "fødselsnummer"),
        ("tjTjenType 6", "Ja.", "018180 12337", "fødselsnummer"),
        ("01818012337", "Ja.", "rolle A", "Ingen slik linje"),
    ],
)
def test_what_is_no_reason_is_refused(made: Place, line: str, why: str, by: str, said: str) -> None:
    """Another line, no words, or a number of a person: a sentence that repeats nothing, and nothing is kept."""
    with made.open() as place:
        former_year(place, lines(made, t6=90))
    checked(made)
    with made.open() as place:
        with pytest.raises(BadInput, match=said) as caught:
            explain(place, line, why=why, by=by)
        assert "12337" not in str(caught.value)
        assert place.judgements.reasons(place.store.submissions()[0].id) == []


def test_reasons_have_their_time(made: Place) -> None:
    """Before the first check there is nothing to explain; once approved, no reason is added."""
    with made.open() as place, pytest.raises(Locked, match="kontrollert"):
        explain(place, "6", why="Ja.", by="rolle A")
    with made.open() as place:
        former_year(place, lines(made))
    checked(made)
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        record_approval(place, latest.id, by="rolle A")
        with pytest.raises(Locked, match="godkjent"):
            explain(place, "6", why="Ja.", by="rolle A")


# -- the former extract ------------------------------------------------------------------------------------------------


def keys(place: Workplace) -> int:
    """How many extracts' keys are kept."""
    return len(place.kept.every(KeptKind.KEYS))


def test_the_same_extract_is_kept_once(made: Place) -> None:
    """Checked three times: one document of figures and one of keys, and nothing has drifted."""
    for _ in range(3):
        assert "Y3b" not in blocking(checked(made))
    with made.open() as place:
        assert (keys(place), len(place.kept.every(KeptKind.FIGURES))) == (1, 1)


def test_who_fell_out_is_missed_until_somebody_says_why(made: Place) -> None:
    """A third of the persons are gone: told today and tomorrow, and only after the reason is the new extract the former."""
    checked(made)
    made.persons = 40
    made.extract()
    for _ in range(2):
        result = checked(made)
        assert "Y3b" in blocking(result)
        assert next(count.persons for count in result.counts if count.rule == "Y3") == 0
        assert next(count.count for count in result.counts if count.rule == "Y3") == 20
    with made.open() as place:
        assert keys(place) == 1
        for line in ("person", "tjeneste"):
            explain(place, line, why="Et sykehjem rapporterer selv.", by="rolle A")
    assert "Y3b" not in blocking(checked(made))
    with made.open() as place:
        assert keys(place) == 2
    made.persons = 41
    made.extract()
    assert "Y3b" not in blocking(checked(made))


def test_nothing_of_a_person_stands_outside_the_vault(made: Place) -> None:
    """Keys are kept encrypted; notes and events name no person."""
    checked(made)
    with made.open() as place:
        kept = place.kept.newest(KeptKind.KEYS)
        assert kept is not None
        content = place.kept.read(kept)
        assert json.loads(content)["1"] > 0
        assert len(kept.note) == 12
    plain = [file for file in made.folder.rglob("*") if file.is_file() and content[:40] in file.read_bytes()]
    assert plain == []


def damage(place: Workplace, kind: KeptKind) -> None:
    """Change the newest document's file in the vault."""
    kept = place.kept.newest(kind)
    assert kept is not None
    place.vault.put(kept.content_name, place.vault.new_wrapped_key(), b"{}")


def test_a_damaged_document_does_not_stop_the_check(made: Place) -> None:
    """Keys and table were changed in the vault: the check goes on without them, and the next ones are kept."""
    with made.open() as place:
        give_last_year(place, b"6;100", by="rolle A")
    checked(made)
    with made.open() as place:
        for kind in (KeptKind.KEYS, KeptKind.FIGURES, KeptKind.LAST_YEAR):
            damage(place, kind)
        assert plausibility_options(place)["former_services"] == {}
        known = last_year(place)
    assert known.figures is None
    assert "gi dem som tabell" in known.source.nb
    assert "X32b" in {count.rule for count in checked(made).counts}
    with made.open() as place:
        assert place.kept.read(place.kept.every(KeptKind.KEYS)[-1])
        give_last_year(place, b"6;100", by="rolle A")
        assert last_year(place).figures is not None


# -- the command line --------------------------------------------------------------------------------------------------


def run(made: Place, *words: str, given: str | None = None, code: int = 0, width: int = 80) -> str:
    """A command of kpr; what it prints."""
    env = {"COLUMNS": str(width)}
    done = RUNNER.invoke(app, [*words, "--settings", str(made.settings)], input=given, env=env)
    assert done.exit_code == code, done.output
    return done.stdout


def as_json(made: Place, *words: str, given: str | None = None) -> Any:
    """A command's answer for programs."""
    return json.loads(run(made, *words, "--json", given=given))


def test_commands_from_table_to_reason(made: Place) -> None:
    """The officer gives a table, sees what swings, says why, and nothing waits any more."""
    assert "Ingen uttrekk" in run(made, "swings", "show")
    given = as_json(made, "lastyear", "give", "-", "--by", "rolle A", given="6;90\n15;1 000\n")
    assert given["given"]["lines"] == {"6": 90, "15": 1000}
    assert "29" in given["given"]["missing"]
    checked(made)
    shown = as_json(made, "swings", "show")
    assert (shown["waiting"], [line["line"] for line in shown["lines"]]) == (2, ["tjTjenType 6", "tjTjenType 15"])
    assert shown["lines"][0]["text"]["nb"] == "6 Trygghetsalarm"
    run(made, "swings", "explain", "--line", "15", "--why", "[red]Tabellen[/] var feil", "--by", "rolle A")
    table = run(made, "swings", "explain", "--line", "tjTjenType 6", "--why", "Som ventet", "--by", "rolle A")
    assert "[red]Tabellen" in " ".join(table.split())
    assert "Ingen venter på en grunn" in table
    after = as_json(made, "swings", "show")
    assert after["waiting"] == 0
    assert {line["reason"]["who"] for line in after["lines"]} == {"rolle A"}


def test_the_table_given_is_shown_again(made: Place, tmp_path: Path) -> None:
    """``lastyear show`` says from where the figures are, and each line."""
    file = tmp_path / "fjor.csv"
    file.write_text("Kode;Antall\n6;1 250\n", encoding="utf-8")
    assert "1 linjer for 2019" in run(made, "lastyear", "give", str(file), "--by", "rolle A")
    shown = run(made, "lastyear", "show")
    assert "rolle A" in shown
    assert "6: 1250" in shown
    assert as_json(made, "lastyear", "show")["lines"] == {"6": 1250}


def test_a_file_that_is_not_there_is_said(made: Place) -> None:
    """One sentence, the place and the remedy; nothing is kept."""
    done = RUNNER.invoke(app, ["lastyear", "give", "nowhere.csv", "--by", "rolle A", "--settings", str(made.settings)])
    assert isinstance(done.exception, BadInput)
    assert done.exception.place == "nowhere.csv"
    with made.open() as place:
        assert place.kept.every(KeptKind.LAST_YEAR) == []
