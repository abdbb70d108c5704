"""Plays a season: the plan's acts and the centre's rounds in order of time, by the same steps as the command line.

The clock is a file that is moved from moment to moment. At each one the register does what is due, and then the rounds
and the acts come. In the morning, whoever awaits an answer collects; alarms are looked for at the same time, and on
working days for those that are not done, on Mondays for all. In the evening answers are collected, and it is written
down who stands where. What goes wrong for one municipality is written down for it, and stops nobody.

What a person does begins with a fresh workplace, as a command does. The rounds keep theirs, so that keys and settings
are read once and not two hundred times; between two rounds a kept one holds no database open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter

from kpr.calendar import OSLO, is_working_day
from kpr.clock import set_file_clock
from kpr.conversation import AttemptEvent, SubmissionState
from kpr.fleet.board import Standing, place_of
from kpr.fleet.installation import load_installation
from kpr.fleet.look import look
from kpr.log import get_log
from kpr.progress import Progress, silent
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.rehearse.acts import (
    collect_answers,
    dry_run,
    end_of,
    purge_all,
    send_report,
    send_trial,
    take_trial_answer,
    write_down_seen,
)
from kpr.rehearse.mishaps import Do
from kpr.rehearse.outcome import Happening, Record, Step, Told
from kpr.rehearse.season import Act, Moment, Plan, Round, timetable
from kpr.simulator_fleet import extract_for, renew_certificates
from kpr.steps.rehearsal import open_rehearsal
from kpr.steps.tell import due_alarms
from kpr.steps.workplace import Workplace, open_workplace

_log = get_log("rehearse")

#: An answer may come any hour for a version that stands here.
_OPEN = (SubmissionState.SENDING, SubmissionState.AWAITING, SubmissionState.REJECTED)


def play(
    folder: Path, plan: Plan, *, persons: int, marked: tuple[str, ...] = (), progress: Progress = silent
) -> Record:
    """Play the whole season in a folder that the fleet was made in (kpr.simulator_fleet); what happened."""
    begun, moments = perf_counter(), timetable(plan)
    with ExitStack() as stack:
        season = _Playing(folder, plan, persons, marked)
        stack.callback(season.close)
        for number, moment in enumerate(moments, 1):
            season.pass_moment(moment)
            progress("Sesongen går", number, len(moments))
        season.write_up()
    season.record.elapsed = perf_counter() - begun
    return season.record


class _Playing:
    """One season under way."""

    def __init__(self, folder: Path, plan: Plan, persons: int, marked: tuple[str, ...]) -> None:
        self.folder, self.plan, self.persons, self.marked = folder, plan, persons, marked
        self.entries = {entry.number: entry for entry in load_installation(folder / "kpr-fleet.yaml")}
        self.record = Record()
        self.now = datetime.now(OSLO)
        self._told: set[str] = set()
        self._standings: dict[str, Standing] = {}
        self._kept: dict[str, tuple[Workplace, ExitStack]] = {}
        self._open_registers()

    def _open_registers(self) -> None:
        register, trial = (self.folder / part / "register" / "register.yaml" for part in ("", "trial"))
        self.register = Register(load_register_settings(register))
        self.trial_register = Register(load_register_settings(trial))

    def close(self) -> None:
        """Let go of everything."""
        self._close_registers()
        for number in list(self._kept):
            self._let_go(number)

    def _close_registers(self) -> None:
        self.register.close()
        self.trial_register.close()

    def pass_moment(self, moment: Moment) -> None:
        """Everything that happens at one moment."""
        self.now = moment.at
        set_file_clock(self.folder / "clock", moment.at)
        self.register.step(moment.at)
        if moment.round is not None:
            _ROUNDS[moment.round](self)
        for act in moment.acts:
            self._carry_out(act)

    # -- the rounds -----------------------------------------------------------------------------------------------

    def morning(self) -> None:
        """Collect, and look for alarms."""
        for number in self.entries:
            if self._standing(number).state in _OPEN:
                self.work(number, collect_answers, "collect")
            if self._is_watched(number):
                self.work(number, self._watch, "watch")

    def _is_watched(self, number: str) -> bool:
        day, standing = self.now.date(), self._standing(number)
        looked_at = is_working_day(day) and (day.weekday() == 0 or not standing.accepted)
        return looked_at or standing.state in _OPEN

    def evening(self) -> None:
        """Collect, and write down who stands where; on the day of a deadline also what the register holds."""
        for number in self.entries:
            if self._standing(number).state in _OPEN:
                self.work(number, collect_answers, "collect")
        day = self.now.date()
        self.record.picture[day] = dict(Counter(place_of(self._standing(number)) for number in self.entries))
        for milestone in self.plan.deadlines:
            if milestone.date == day:
                self.record.held[milestone.id] = self._held()

    def _held(self) -> dict[str, int]:
        year = self.plan.year.data_year
        views = {number: self.register.state.latest_view(number, year) for number in self.entries}
        return {number: int(view["sequence_number"]) for number, view in views.items() if view}

    def _watch(self, place: Workplace) -> str:
        for notice in due_alarms(place):
            if notice.id not in self._told:
                self._told.add(notice.id)
                level, severity = notice.level.value, notice.severity.value
                self.record.told.append(Told(self.now, notice.municipality, notice.id, level, severity, notice.text.nb))
        return ""

    def _standing(self, number: str) -> Standing:
        """Where one stands; asked anew only when something has been done there since."""
        if number not in self._standings:
            self._standings[number] = look(self.entries[number])
        return self._standings[number]

    # -- the acts -------------------------------------------------------------------------------------------------

    def _carry_out(self, act: Act) -> None:
        if self._standing(act.number).state in _OPEN:  # whoever does something looks first whether an answer has come
            self.work(act.number, collect_answers, "collect")
        _ACTS[act.do](self, act)

    def work(
        self,
        number: str,
        step: Callable[[Workplace], str],
        what: str,
        opened: AbstractContextManager[Workplace] | None = None,
    ) -> None:
        """One step in one municipality's workplace: its time is taken, and what it ended in is written down."""
        begun = perf_counter()
        try:
            with opened or self._at(number) as place:
                outcome = step(place)
        except Exception as error:
            outcome = end_of(error)
            _log.info("a step ended otherwise", municipality=number, step=what, reason=type(error).__name__)
        seconds = self.record.seconds
        seconds[number] = seconds.get(number, 0.0) + perf_counter() - begun
        self._standings.pop(number, None)
        if outcome:
            self.record.happenings.append(Happening(self.now, number, what, outcome))

    @contextmanager
    def _at(self, number: str) -> Iterator[Workplace]:
        """The workplace that the rounds keep; its database is let go of each time, for hundreds are too many to hold."""
        if number not in self._kept:
            stack = ExitStack()
            self._kept[number] = stack.enter_context(self._fresh(number)), stack
        place, _ = self._kept[number]
        try:
            yield place
        finally:
            place.store.engine.dispose()

    def _fresh(self, number: str) -> AbstractContextManager[Workplace]:
        return open_workplace(self.entries[number].settings_file)

    def _let_go(self, number: str) -> None:
        if number in self._kept:
            self._kept.pop(number)[1].close()

    def check(self, act: Act) -> None:
        """The daily dry run."""
        self._extract(act)
        self.work(act.number, dry_run, act.do, self._fresh(act.number))

    def report(self, act: Act) -> None:
        """Check, approve and send: the first version, a correction, or the one that was begun."""
        self._extract(act)
        self.work(act.number, lambda place: send_report(place, act.scripted), act.do, self._fresh(act.number))

    def _extract(self, act: Act) -> None:
        """A new export of the care-record system, where the script has one: the same persons, with or without faults."""
        if act.scripted.faults is None and act.do is not Do.CORRECT:
            return
        place, year = self.entries[act.number].settings_file.parent, self.plan.year.data_year
        extract_for(place, act.number, year, self.persons, faults=act.scripted.faults, marked=self.marked)

    def seen(self, act: Act) -> None:
        """A person writes down what the register said on the telephone."""
        self.work(act.number, write_down_seen, act.do, self._fresh(act.number))

    def purge(self, act: Act) -> None:
        """Everything that was sent becomes unreadable."""
        self.work(act.number, purge_all, act.do, self._fresh(act.number))

    def renew(self, act: Act) -> None:
        """New certificates; the register is given them too."""
        renew_certificates(self.folder, act.number)
        self._let_go(act.number)
        self._close_registers()
        self._open_registers()
        self.record.happenings.append(Happening(self.now, act.number, act.do, "renewed"))

    def trial(self, act: Act) -> None:
        """The trial submission, to the trial register."""
        self.work(act.number, send_trial, act.do, self._rehearsal(act.number))

    def trial_answer(self, act: Act) -> None:
        """The trial register's answers."""
        self.trial_register.step(self.now)
        self.work(act.number, take_trial_answer, act.do, self._rehearsal(act.number))

    def _rehearsal(self, number: str) -> AbstractContextManager[Workplace]:
        entry = self.entries[number]
        return open_rehearsal(entry.rehearsal or entry.settings_file, entry.settings_file)

    # -- at the end -----------------------------------------------------------------------------------------------

    def write_up(self) -> None:
        """What each municipality's own events say of its versions and messages."""
        for number in self.entries:
            self.work(number, lambda place, number=number: self._write_up(place, number), "events")  # type: ignore[misc]

    def _write_up(self, place: Workplace, number: str) -> str:
        versions = {each.id: each.version for each in place.store.submissions()}
        events = place.store.events()
        self.record.steps[number] = tuple(
            Step(event.at, versions[event.submission_id], event.to_state)
            for event in events
            if event.what == "submission" and event.submission_id
        )
        self.record.messages[number] = sum(event.what == "attempt" and event.event in _LEFT for event in events)
        return ""


_LEFT = (AttemptEvent.DELIVERED, AttemptEvent.HANDED_OVER)
_ROUNDS: Mapping[Round, Callable[[_Playing], None]] = {
    Round.MORNING: _Playing.morning,
    Round.EVENING: _Playing.evening,
}
_ACTS: Mapping[Do, Callable[[_Playing, Act], None]] = {
    Do.TRIAL: _Playing.trial,
    Do.TRIAL_ANSWER: _Playing.trial_answer,
    Do.CHECK: _Playing.check,
    Do.REPORT: _Playing.report,
    Do.CORRECT: _Playing.report,
    Do.SEEN: _Playing.seen,
    Do.RENEW: _Playing.renew,
    Do.PURGE: _Playing.purge,
}
