"""A whole season in minutes: the plan is pure, K9 decides what counts, and a small real run ends as its mishaps say."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from kpr.calendar import OSLO, is_working_day
from kpr.cli import rehearse as command
from kpr.conversation import SubmissionState
from kpr.errors import BadInput, BadSettings, KprError
from kpr.fleet.installation import load_installation
from kpr.national_id import make_synthetic
from kpr.registry.scenario import load_scenario
from kpr.rehearse.mishaps import Do, Mishap, script
from kpr.rehearse.outcome import Happening, Record, Step, Told, counted_at, first, lines, summary
from kpr.rehearse.page import alarm_kinds, marks, picture, season_page
from kpr.rehearse.play import play
from kpr.rehearse.season import Plan, Round, plan, timetable
from kpr.simulator_fleet import make_fleet
from kpr.steps.workplace import open_workplace
from kpr.store import KeptKind
from kpr.synth.faults import FAULTS, HEAD_FAULTS
from kpr.years import load_year

YEAR = load_year(2020)
ROWS = {row.id: row for row in script().rows}
NUMBERS = tuple(each.number for each in YEAR.municipalities)

#: What a season has shown to go wrong, by the row that plays it.
NEEDED = (
    *("late-extract", "red-findings", "negative-receipt", "ident-missing", "ident-late", "receipt-24", "receipt-72"),
    *("receipt-96", "receipt-doubled", "impatient", "forgotten", "after-ordinary", "correction-in-time"),
    *("correction-too-late", "extraordinary"),
)


def season(count: int = 40, seed: int = 1) -> Plan:
    """A plan for so many municipalities."""
    return plan(YEAR, NUMBERS[:count], script(), seed)


def only(*ids: str) -> Plan:
    """A plan in which the n-th municipality has the n-th of these mishaps."""
    wanted = replace(script(), rows=tuple(ROWS[each] for each in ids), trial_share=25)
    return plan(YEAR, NUMBERS[: len(ids)], wanted, 4)


def oslo(month: int, day: int, hour: int = 12) -> datetime:
    """A moment of 2021."""
    return datetime(2021, month, day, hour, tzinfo=OSLO)


# -- the script -----------------------------------------------------------------------------------------------------


def test_the_script_has_every_mishap_that_is_asked_for() -> None:
    """Nothing is missing, and no row stands there twice."""
    assert set(NEEDED) <= set(ROWS)
    assert len(ROWS) == len(script().rows)


def test_the_shares_are_per_cent_of_the_municipalities() -> None:
    """Together they are a hundred, so that each can be read as it stands."""
    assert sum(row.share for row in script().rows) == 100


@pytest.mark.parametrize("row", script().rows, ids=lambda row: row.id)
def test_every_mishap_can_be_played(row: Mishap, tmp_path: Path) -> None:
    """The register takes its plays, the extract its faults, the year has its dates, and it says what must count."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(yaml.safe_dump({"plays": [{"municipality": "1103", **play} for play in row.plays]}))
    assert len(load_scenario(scenario).plays) == len(row.plays)
    assert {fault for act in row.acts for fault in act.faults or {}} <= set(FAULTS) | set(HEAD_FAULTS)
    assert only(row.id).acts
    assert len(row.counts) == len(season().deadlines)
    assert row.nb.endswith(".")


def test_every_end_of_a_step_has_a_sentence() -> None:
    """Whatever a step may end in can be said on the page."""
    ends = {"sent", "checked", "blocked", "locked", "away", "certificate", "seen", "renewed", "failed"}
    assert ends | {"trial_sent", "trial_accepted", "trial_open", "purged", "nothing_to_purge"} == set(script().outcomes)


# -- the plan -------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_season() -> None:
    """Nothing but the seed decides who has what when."""
    assert season(seed=7).acts == season(seed=7).acts
    assert season(seed=7).acts != season(seed=8).acts


def test_every_mishap_happens_when_there_are_enough_municipalities() -> None:
    """Rare ones are not left to chance; the rest is drawn by the shares."""
    drawn = Counter(mishap.id for mishap in season(len(NUMBERS)).mishaps.values())
    assert set(drawn) == set(ROWS)
    assert drawn.most_common(1)[0][0] == "none"
    assert abs(drawn["none"] / len(NUMBERS) - ROWS["none"].share / 100) < 0.1


def test_the_acts_are_in_order_and_in_office_hours() -> None:
    """By time, on working days only, but for what a person does at her own peril."""
    acts = season().acts
    assert list(acts) == sorted(acts, key=lambda act: (act.at, act.number))
    assert all(is_working_day(act.at.date()) and 8 <= act.at.hour < 16 for act in acts)


def test_each_municipality_keeps_the_order_of_its_own_script() -> None:
    """Drawn days never let a correction come before what it corrects."""
    for seed in range(20):
        planned = season(seed=seed)
        for number, mishap in planned.mishaps.items():
            told = [act.scripted for act in planned.acts if act.number == number]
            assert [each for each in told if each in mishap.acts] == list(mishap.acts)


def test_the_season_begins_with_the_trial_and_ends_with_the_purge() -> None:
    """Trials in November, purging in April, and nobody is left out of the purge."""
    planned = season()
    trials = [act for act in planned.acts if act.do is Do.TRIAL]
    purges = [act for act in planned.acts if act.do is Do.PURGE]
    assert {(act.at.year, act.at.month) for act in trials} == {(2020, 11)}
    assert {(act.at.year, act.at.month) for act in purges} == {(2021, 4)}
    assert sorted(act.number for act in purges) == sorted(planned.mishaps)


def test_the_register_is_told_whose_messages_it_plays_with() -> None:
    """Every play names its municipality."""
    planned = season()
    named = {play["municipality"] for play in planned.plays}
    assert named == {number for number, mishap in planned.mishaps.items() if mishap.plays}


def test_the_timetable_has_two_rounds_a_day_and_every_act() -> None:
    """From the opening to a week after the last date; in order, and no act is lost."""
    planned = season()
    moments = timetable(planned)
    assert [moment.at for moment in moments] == sorted({moment.at for moment in moments})
    assert sum(len(moment.acts) for moment in moments) == len(planned.acts)
    days = [moment.at.date() for moment in moments if moment.round is Round.EVENING]
    assert (days[0], days[-1], len(days)) == (date(2021, 1, 2), date(2021, 4, 2), 91)


def test_a_year_without_its_dates_cannot_be_rehearsed() -> None:
    """Deadlines that are not known are not guessed."""
    with pytest.raises(BadSettings) as refused:
        plan(load_year(2024), ["1103"], script(), 1)
    assert "2024" in refused.value.problem


# -- what counts ----------------------------------------------------------------------------------------------------


def steps(*told: tuple[datetime, int, SubmissionState]) -> tuple[Step, ...]:
    """Versions and their states."""
    return tuple(Step(at, version, state.value) for at, version, state in told)


ACCEPTED, AWAITING, REJECTED = SubmissionState.ACCEPTED, SubmissionState.AWAITING, SubmissionState.REJECTED


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ((), None),
        (((oslo(1, 8), 1, AWAITING),), None),
        (((oslo(1, 8), 1, AWAITING), (oslo(1, 9), 1, ACCEPTED)), 1),
        (((oslo(1, 8), 1, AWAITING), (oslo(1, 9), 1, REJECTED)), None),
        (((oslo(1, 9), 1, ACCEPTED), (oslo(2, 8), 2, AWAITING)), 1),
        (((oslo(1, 9), 1, ACCEPTED), (oslo(2, 8), 2, REJECTED)), 1),
        (((oslo(1, 9), 1, ACCEPTED), (oslo(2, 8), 2, ACCEPTED)), 2),
        (((oslo(1, 9), 1, ACCEPTED), (oslo(2, 11), 2, ACCEPTED)), 1),
        (((oslo(1, 9), 1, ACCEPTED), (oslo(2, 3), 1, SubmissionState.WITHDRAWN)), None),
    ],
)
def test_the_last_accepted_version_counts_and_no_other(
    told: tuple[tuple[datetime, int, SubmissionState], ...], counts: int | None
) -> None:
    """K9, at the end of 10 February."""
    assert counted_at(steps(*told), oslo(2, 10, 23)) == counts


def test_the_first_time_of_a_state_is_found_whatever_version_it_was() -> None:
    """For «first sent» and «first accepted»."""
    told = steps((oslo(1, 8), 1, AWAITING), (oslo(1, 9), 1, REJECTED), (oslo(1, 12), 2, AWAITING))
    assert first(told, AWAITING) == oslo(1, 8)
    assert first(told, ACCEPTED) is None


def record_of_two() -> tuple[Plan, Record]:
    """One that goes well, and one that nobody approved."""
    planned = only("none", "forgotten")
    well, forgotten = planned.mishaps
    if planned.mishaps[well].id != "none":
        well, forgotten = forgotten, well
    record = Record(
        steps={well: steps((oslo(1, 8), 1, AWAITING), (oslo(1, 8, 17), 1, ACCEPTED))},
        held={milestone.id: {well: 1} for milestone in planned.deadlines},
        messages={well: 2},
        seconds={well: 2.0, forgotten: 1.0},
        told=[
            Told(oslo(1, 11), forgotten, f"{forgotten}-2020:not-sent-0:ordinary", "officer", "URGENT", "Ikke sendt.")
        ],
        happenings=[Happening(oslo(1, 5), forgotten, "check", "checked")],
        picture={date(2021, 1, 2) + timedelta(days=day): {"DONE": 1, "NOT_APPROVED": 1} for day in range(91)},
    )
    return planned, record


def test_the_summary_counts_who_is_missing_when() -> None:
    """By deadline; the mishap said so, so nothing is out of order."""
    planned, record = record_of_two()
    found = lines(planned, record)
    told = summary(planned, record, found)
    missing = next(line.number for line in found if line.mishap == "forgotten")
    assert told.missing == {milestone.id: (missing,) for milestone in planned.deadlines}
    assert (told.municipalities, told.in_time, told.messages, told.seconds, told.alarms) == (2, 1, 2, 3.0, 1)
    assert (told.unscripted, told.failed, told.differs) == ((), 0, dict.fromkeys(told.missing, ()))


def test_an_end_that_the_mishap_does_not_say_is_told() -> None:
    """Whoever was accepted and should not be is named, and so is a register that holds something else."""
    planned, record = record_of_two()
    forgotten = next(number for number, mishap in planned.mishaps.items() if mishap.id == "forgotten")
    record.steps[forgotten] = steps((oslo(1, 8), 1, ACCEPTED))
    told = summary(planned, record, lines(planned, record))
    assert told.unscripted == (forgotten,)
    assert told.differs["ordinary"] == (forgotten,)


# -- the page -------------------------------------------------------------------------------------------------------


def test_a_day_fills_the_whole_height_of_the_picture() -> None:
    """The pieces of a day add up, one on the other, the accepted at the bottom."""
    (day,) = picture({date(2021, 1, 15): {"DONE": 3, "AWAITING_BOTH": 1, "REJECTED": 1}})
    assert [bar.place for bar in day.bars] == ["DONE", "AWAITING_BOTH", "REJECTED"]
    assert sum(bar.height for bar in day.bars) == pytest.approx(260)
    assert day.text == "15.01.2021: avvist: 1, sendt, begge svar ventes: 1, godtatt: 3"


def test_the_milestones_stand_in_the_picture_at_the_end_of_their_day() -> None:
    """All five of the year, the deadlines among them marked."""
    found = marks(YEAR, record_of_two()[1].picture)
    assert [mark.text[:5] for mark in found] == ["02.01", "15.01", "10.02", "15.03", "26.03"]
    assert [mark.deadline for mark in found] == [False, True, True, False, True]


def test_alarms_are_told_by_kind_and_receiver() -> None:
    """The same kind to the same receiver is one line."""
    told = record_of_two()[1].told
    again = replace(told[0], at=oslo(1, 12), number="9999")
    (kind,) = alarm_kinds([*told, again])
    assert (kind["count"], kind["first"], kind["last"]) == (2, "11.01 kl. 12", "12.01 kl. 12")


def test_the_page_stands_alone() -> None:
    """One file: no script, and nothing that is fetched."""
    planned, record = record_of_two()
    page = season_page(planned, record, script(), persons=6, seed=4)
    assert "<script" not in page
    assert "http" not in page
    assert "src=" not in page
    assert "Ingen godkjenner" not in page
    assert ROWS["forgotten"].nb in page
    assert "1 av 2 ble godtatt innen den ordinære fristen" in page


# -- a small real run -----------------------------------------------------------------------------------------------

#: The marked ids: synthetic, and nowhere else in the tests.
CANARIES = tuple(made for serial in range(60, 90) if (made := make_synthetic(date(1932, 6, 18), serial)))
PLAYED = (
    *("red-findings", "negative-receipt", "ident-missing", "impatient", "transport-away"),
    *("correction-too-late", "forgotten", "extraordinary"),
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Record, Path]:
    """Eight municipalities with six persons, the ids of all of them marked."""
    folder, planned = tmp_path_factory.mktemp("season"), only(*PLAYED)
    make_fleet(folder, [*planned.mishaps], persons=6, plays=planned.plays, key_pairs=2, marked=CANARIES, trials=True)
    return planned, play(folder, planned, persons=6, marked=CANARIES), folder


def test_each_municipality_ends_as_its_mishap_says(played: tuple[Plan, Record, Path]) -> None:
    """What counts at each deadline is what the script says, and the register itself holds the same."""
    planned, record, _ = played
    found = lines(planned, record)
    told = summary(planned, record, found)
    assert {line.mishap: tuple(line.counts.values()) for line in found} == {
        "red-findings": (1, 1, 1),
        "negative-receipt": (2, 2, 2),
        "ident-missing": (1, 1, 1),
        "impatient": (1, 1, 1),
        "transport-away": (1, 1, 1),
        "correction-too-late": (1, 1, 2),
        "forgotten": (None, None, None),
        "extraordinary": (None, None, None),
    }
    assert (told.unscripted, told.failed) == ((), 0)
    assert not any(told.differs.values())


def test_what_is_locked_or_blocked_sends_nothing(played: tuple[Plan, Record, Path]) -> None:
    """Two messages for each version that was sent, and none for what the guard or the findings stopped."""
    planned, record, _ = played
    sent = {line.mishap: line.messages for line in lines(planned, record)}
    ends = {(planned.mishaps[each.number].id, each.outcome) for each in record.happenings}
    assert {("impatient", "locked"), ("red-findings", "blocked"), ("transport-away", "away")} <= ends
    assert ("extraordinary", "locked") in ends
    assert (sent["impatient"], sent["red-findings"], sent["transport-away"]) == (2, 2, 2)
    assert (sent["negative-receipt"], sent["correction-too-late"], sent["forgotten"]) == (4, 4, 0)


def test_who_does_nothing_is_told_louder_and_louder(played: tuple[Plan, Record, Path]) -> None:
    """The officer before the deadline, the leader after it, a letter at last; each thing once."""
    planned, record, _ = played
    forgotten = next(number for number, mishap in planned.mishaps.items() if mishap.id == "forgotten")
    told = [each for each in record.told if each.number == forgotten]
    levels = list(dict.fromkeys(each.level for each in told if "milestone-passed" in each.alarm))
    assert levels == ["officer+leader", "officer+leader+letter"]
    assert any("not-sent" in each.alarm for each in told)
    assert len({each.alarm for each in record.told}) == len(record.told)


def test_every_evening_has_everyone_somewhere(played: tuple[Plan, Record, Path]) -> None:
    """91 evenings, eight municipalities in each; at the end all but one are accepted."""
    _, record, _ = played
    assert len(record.picture) == 91
    assert {sum(counts.values()) for counts in record.picture.values()} == {len(PLAYED)}
    assert record.picture[date(2021, 4, 2)] == {"NOT_APPROVED": 1, "DONE": 7}


def test_everything_is_purged_at_the_end(played: tuple[Plan, Record, Path]) -> None:
    """Every municipality has a certificate, and nothing is left in its vault but figures for the next January."""
    planned, record, folder = played
    purged = [each.number for each in record.happenings if each.outcome == "purged"]
    assert sorted(purged) == sorted(planned.mishaps)
    left = [path for path in folder.glob("places/*/vault/**/*") if path.is_file() and path.suffix != ".json"]
    assert {path.name.rpartition("-")[2] for path in left} == {"kept.vault"}
    for entry in load_installation(folder / "kpr-fleet.yaml"):
        with open_workplace(entry.settings_file) as place:
            assert {kept.kind for kept in place.kept.living(tuple(KeptKind))} <= {KeptKind.FIGURES}


def test_no_marked_id_leaves_the_extracts(
    played: tuple[Plan, Record, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither page, data, file names nor anything else that the season leaves behind holds one."""
    planned, record, folder = played
    page = season_page(planned, record, script(), persons=6, seed=4)
    command.print_json({"record": record, "lines": lines(planned, record)})
    printed = capsys.readouterr().out
    assert json.loads(printed)["lines"]
    planted = next(folder.glob("places/*/uttrekk/IDENT.xml")).read_text(encoding="utf-8")
    assert CANARIES[0] in planted
    kept = {"page": page.encode(), "json": printed.encode()}
    kept |= {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.parent.name != "uttrekk"
    }
    needles = [canary.encode() for canary in CANARIES]
    assert [
        name for name, content in kept.items() if any(needle in name.encode() + content for needle in needles)
    ] == []


# -- the command ----------------------------------------------------------------------------------------------------


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    """Only what a rehearsal made is ever replaced."""
    (tmp_path / "important.txt").write_text("x")
    with pytest.raises(BadInput, match="ikke tom"):
        command.clear(tmp_path)
    assert (tmp_path / "important.txt").exists()


def test_a_former_rehearsal_is_replaced(tmp_path: Path) -> None:
    """The folder is empty again, but for its mark."""
    command.clear(tmp_path / "new")
    (tmp_path / "new" / "sesong.html").write_text("x")
    command.clear(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".kpr-rehearse"]


def test_more_municipalities_than_there_were_are_refused(tmp_path: Path) -> None:
    """The year had a number of them, which the sentence says; nothing is made."""
    app = typer.Typer()
    command.register(app)
    told = CliRunner().invoke(app, [str(tmp_path / "x"), "--municipalities", "9999"])
    assert isinstance(told.exception, KprError)
    assert str(len(NUMBERS)) in str(told.exception)
    assert not (tmp_path / "x").exists()
