"""The flows as plain functions, with the edge to Prefect taken away: what they do when sending is over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from place import Place
from prefect.exceptions import PrefectHTTPStatusError

import tasks.guard
import tasks.purge
import tasks.thread
from flows import annual_cycle, collect, purge, report
from kpr.errors import Locked
from kpr.fleet.board import Standing
from kpr.fleet.installation import Entry, with_trials
from kpr.steps.status import Status, status
from kpr.steps.workplace import open_workplace
from tasks.show import timeline_text

REAL = Entry("1103", "Stavanger", 2020, "simulator", "8000002", Path("kpr.yaml"))
TRIAL = Entry(
    "1103", "Stavanger (prøve)", 2020, "simulator", "8000002", Path("trial.yaml"), trial_of=REAL.settings_file
)
ENTRY = replace(REAL, trial=TRIAL)
SAID = "Uttrekket er lest på nytt siden skjemaet ble vist."


class Log(list[str]):
    """A run's log."""

    def warning(self, text: str, *words: object) -> None:
        """A line."""
        self.append(text % words)

    info = warning


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What the run logs."""
    made = Log()
    monkeypatch.setattr(tasks.thread, "get_run_logger", lambda: made)
    return made


def is_away(*_words: object) -> Any:
    """A server that does not answer."""
    raise RuntimeError("person 01017012345")


@pytest.fixture
def now(tmp_path: Path) -> Status:
    """Where a place stands that awaits its answers."""
    place = Place(tmp_path, persons=5)
    place.report()
    return place.status()


# -- after a sending -----------------------------------------------------------------------------------------------------


def test_what_was_sent_is_sent_though_prefect_does_not_answer(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """The run is green; each thing that could not be shown is logged by its kind, and the others are tried all the same."""
    for step in ("name_run", "see_to_thread", "collect_often"):
        monkeypatch.setattr(tasks.thread, step, is_away)
    monkeypatch.setattr(report, "place_of", lambda *_: ENTRY)
    monkeypatch.setattr(report, "send_approved", lambda *_: "the submission")
    state = report.report.fn("1103", 2020)
    assert state.is_completed()
    assert "Begge meldingene er sendt" in (state.message or "")
    assert len(log) == 3
    assert all("RuntimeError" in line and "0101" not in line for line in log)


@pytest.mark.parametrize("refusals", [0, 1, 2, 3])
def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch, refusals: int) -> None:
    """Hundreds of threads are seen to in one round: what it refuses once or twice is no fault, a third time is."""
    request = httpx.Request("POST", "http://127.0.0.1/api")
    busy = PrefectHTTPStatusError("busy", request=request, response=httpx.Response(503, request=request))
    answers: list[Any] = [busy] * refusals + ["up to date"]
    pauses: list[float] = []

    def see(_entry: Any) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(tasks.thread, "_see_to", see)
    monkeypatch.setattr(tasks.thread, "sleep", pauses.append)
    if refusals < 3:
        assert tasks.thread.see_to_thread(ENTRY) == "up to date"
    else:
        with pytest.raises(PrefectHTTPStatusError):
            tasks.thread.see_to_thread(ENTRY)
    assert pauses == [1, 4][:refusals]


@pytest.mark.parametrize("something", [True, False])
def test_collecting_is_made_frequent_where_an_answer_is_awaited(
    monkeypatch: pytest.MonkeyPatch, something: bool
) -> None:
    """Sent by report, correct or the form; whether it may be rare again is for the rounds over everybody to say."""
    asked: list[bool] = []
    monkeypatch.setattr(tasks.thread, "needs_collecting", lambda _entry: something)
    monkeypatch.setattr(tasks.thread, "keep_rhythm", asked.append)
    tasks.thread.collect_often(ENTRY)
    assert asked == ([True] if something else [])


def test_a_pass_of_the_thread_shows_what_came_of_the_form(monkeypatch: pytest.MonkeyPatch, now: Status) -> None:
    """And makes collecting frequent, since a form may have sent something."""
    seen: list[Any] = []
    monkeypatch.setattr(annual_cycle, "place_of", lambda *_: ENTRY)
    monkeypatch.setattr(annual_cycle, "carry_out_answers", lambda *_: SAID)
    monkeypatch.setattr(annual_cycle, "standing", lambda *_: now)
    monkeypatch.setattr(annual_cycle, "name_thread", lambda _entry, said: seen.append(said) or now)
    monkeypatch.setattr(annual_cycle, "collect_often", seen.append)
    monkeypatch.setattr(annual_cycle, "year_is_over", lambda *_: False)
    monkeypatch.setattr(annual_cycle, "can_wait", lambda: False)
    assert annual_cycle.annual_cycle.fn("1103", 2020).is_completed()
    assert seen == [SAID, ENTRY]


# -- what came of a form -------------------------------------------------------------------------------------------------


def test_the_thread_is_up_to_date_before_its_form_is_shown(monkeypatch: pytest.MonkeyPatch, now: Status) -> None:
    """The tag of the newest event stays, so that the form with the answer is not renewed; other runs have none."""
    called: list[set[str]] = []
    monkeypatch.setattr(tasks.thread, "show_where", lambda *_: (now, 7))
    monkeypatch.setattr(tasks.thread, "call_this_run", lambda _name, tags: called.append(set(tags)))
    tasks.thread.name_thread(ENTRY, SAID)
    tasks.thread.name_run(ENTRY)
    assert called[0] - called[1] == {"event:7"}


def test_the_answer_stands_over_the_timeline_and_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """Before what to do now; and nothing stands there when nobody filled in a form."""
    place = Place(tmp_path, persons=5)
    with place.open() as opened:
        with_it, without = (timeline_text(opened, status(opened), said) for said in (SAID, ""))
        assert with_it.index(SAID) < with_it.index("**Nå:**")
        assert with_it.replace(f"**Svaret på skjemaet:** {SAID}\n\n", "") == without
    shown: list[str] = []
    monkeypatch.setattr(tasks.thread, "show_status", lambda _place, _now, said: shown.append(said))
    tasks.thread.show_where.fn(str(place.settings), "1103", SAID)
    assert shown == [SAID]
    assert log[0] == SAID


# -- collecting ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """One municipality, and nobody else who collects."""
    monkeypatch.setattr(collect, "places_of", lambda _year: (ENTRY,))
    monkeypatch.setattr(collect, "one_at_a_time", lambda _parties: nullcontext(True))
    monkeypatch.setattr(collect, "installation", lambda: replace_broken())
    monkeypatch.setattr(collect, "show_board", lambda _entries: None)


def replace_broken() -> Any:
    """An installation without broken settings."""

    class Whole:
        broken: tuple[str, ...] = ()

    return Whole()


@pytest.mark.usefixtures("_no_server")
def test_what_was_sent_meanwhile_keeps_collecting_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody awaited anything when the round began, and somebody does when it ends."""
    answers = iter([[], [ENTRY]])
    rhythm: list[bool] = []
    monkeypatch.setattr(collect, "awaiting", lambda _entries: next(answers))
    monkeypatch.setattr(collect, "keep_rhythm", rhythm.append)
    assert collect.collect.fn(2020).is_completed()
    assert rhythm == [True]


@pytest.mark.usefixtures("_no_server")
def test_a_trial_s_answers_are_collected_with_the_trial_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the real ones; the thread of the year is the real one's alone."""
    collected: list[tuple[str, ...]] = []
    threads: list[Entry] = []

    def take(answer: dict[str, int]) -> Callable[..., dict[str, int]]:
        return lambda *words: collected.append(words) or answer

    monkeypatch.setattr(collect, "awaiting", list)
    monkeypatch.setattr(collect, "look", lambda entry: Standing(entry.number, entry.name, 2020))
    monkeypatch.setattr(collect, "collect_task", take({}))
    monkeypatch.setattr(collect, "collect_trial", take({"RECEIPT": 2}))
    monkeypatch.setattr(collect, "see_to_thread", threads.append)
    monkeypatch.setattr(collect, "keep_rhythm", lambda _often: None)
    state = collect.collect.fn(2020)
    assert sorted(collected) == [("kpr.yaml", ENTRY.label), ("trial.yaml", "kpr.yaml", TRIAL.label)]
    assert state.data == {"RECEIPT": 2}
    assert threads == []


def test_a_trial_comes_after_what_it_is_a_trial_of() -> None:
    """Whoever has none stands alone."""
    assert with_trials([ENTRY, REAL]) == [ENTRY, TRIAL, REAL]
    assert ENTRY.rehearsal == Path("trial.yaml")
    assert REAL.rehearsal is None


# -- a correction --------------------------------------------------------------------------------------------------------


def test_the_form_of_a_correction_says_that_nothing_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first sending there is nothing to correct, and the word for sending is another."""
    monkeypatch.setattr(tasks.guard, "create_markdown_artifact", lambda *_words, **_more: None)
    place = Place(tmp_path, persons=5)
    says = tasks.guard.what_the_guard_says.fn(str(place.settings), "1103", "rolle A", "", "")
    assert not says.allowed
    assert says.sentence == ("Rettelsen kan ikke sendes nå. Ingenting er sendt ennå: bruk report. Ingenting er gjort.")


# -- the planned purge ---------------------------------------------------------------------------------------------------


def purged(place: Place, by: str = "plan") -> str:
    """What the task says."""
    return str(tasks.purge.purge.fn(str(place.settings), "1103", by))


def named(place: Place) -> Place:
    """The same where approvers are named."""
    settings = yaml.safe_load(place.settings.read_text("utf-8"))
    settings["people"] = {"approvers": ["rolle A"], "operators": ["rolle D"]}
    place.settings.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return place


def test_the_plan_purges_when_the_day_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock alone, also where approvers are named; each that is left as it is says why."""
    place = named(Place(tmp_path, persons=5))
    place.report()
    monkeypatch.setattr(purge, "places_of", lambda _year: (replace(REAL, settings_file=place.settings),))
    monkeypatch.setattr(purge, "installation", lambda: replace_broken())
    monkeypatch.setattr(purge, "purge_task", tasks.purge.purge.fn)
    monkeypatch.setattr(purge, "if_it_can", lambda *_: None)
    place.exchange()
    assert purge.purge.fn(2020).data == {"ikke ennå: dagen er ikke kommet": 1}
    place.later(days=200)
    assert purge.purge.fn(2020).data == {"slettet": 1}
    with open_workplace(place.settings) as opened:
        (event,) = [each for each in opened.store.events() if each.event == "PURGED"]
    assert (event.who, event.role) == ("plan", "program")


def test_what_is_awaited_is_not_purged_by_the_plan(tmp_path: Path) -> None:
    """The day has come, and the register has not answered."""
    place = named(Place(tmp_path, persons=5))
    place.report()
    place.later(days=200)
    assert purged(place) == "ikke ennå: svar ventes"


def test_a_name_that_may_not_purge_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error of this municipality, and no «not yet»."""
    place = named(Place(tmp_path, persons=5))
    place.report()
    place.exchange()
    place.later(days=200)
    with pytest.raises(Locked, match=r"people\.approvers"):
        purged(place, "rolle D")
    monkeypatch.setattr(purge, "places_of", lambda _year: (replace(REAL, settings_file=place.settings),))
    monkeypatch.setattr(purge, "installation", lambda: replace_broken())
    monkeypatch.setattr(purge, "purge_task", tasks.purge.purge.fn)
    assert purge.purge.fn(2020, "rolle D").is_failed()
