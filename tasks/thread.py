"""A municipality's year as one thread: what it is called, what its form asks, and what is done with the answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

from prefect import get_run_logger, task
from prefect.exceptions import PrefectHTTPStatusError
from prefect.input import RunInput

from kpr.calendar import end_of_day
from kpr.errors import KprError
from kpr.fleet.installation import Entry
from kpr.fleet.look import needs_collecting
from kpr.log import blot
from kpr.steps.answer import carry_out, extract_mark, wishes
from kpr.steps.status import Status, status
from kpr.steps.workplace import Workplace, open_workplace
from tasks.forms import answer_form, read_answer
from tasks.guarded import guarded
from tasks.happened import newest_event, tell_events
from tasks.place import call_this_run, tags_of
from tasks.rhythm import keep_rhythm
from tasks.show import links, show_page, show_status
from tasks.waiting import answers, forget_answers, open_thread, wait_for_person

DEPLOYMENT = "annual cycle/annual-cycle"


@task(task_run_name="svar i skjemaet", persist_result=False)
@guarded
def carry_out_answers(settings_file: str, label: str) -> str:
    """Do what people have asked for in the form; what came of it, in a sentence."""
    given = answers()
    if not given:
        return ""
    with open_workplace(Path(settings_file)) as place:
        before = newest_event(place)
        said = [_carry_out(place, values) for values in given]
        tell_events(place, before)
        show_page(place)
    forget_answers()
    return " ".join(said)


def _carry_out(place: Workplace, values: dict[str, object]) -> str:
    try:
        return carry_out(place, read_answer(values))
    except KprError as no:  # told in the next form: the thread goes on
        return str(no)
    except (TypeError, ValueError):
        return "Skjemaet lot seg ikke lese. Ingenting ble gjort."


def name_run(entry: Entry) -> Status:
    """Name and tag the run that is under way after where its municipality stands, and show that."""
    now, _ = show_where(str(entry.settings_file), entry.label)
    call_this_run(_name(entry, now), {"kpr", *tags_of(entry, now.state)})
    return now


def name_thread(entry: Entry, said: str) -> Status:
    """The same for the thread itself: it is up to date by then, and the form that it is about to show is left alone.

    ``said``: what came of the answers, shown over the timeline, since a form that is renewed has lost it.
    """
    now, mark = show_where(str(entry.settings_file), entry.label, said)
    call_this_run(_name(entry, now), _tags(entry, now, mark))
    return now


@task(task_run_name="status", persist_result=False)
@guarded
def show_where(settings_file: str, label: str, said: str = "") -> tuple[Status, int]:
    """Both legs, the milestones and the timeline as artifacts, and what to do now in the log. And the newest event."""
    with open_workplace(Path(settings_file)) as place:
        mark = newest_event(place)  # before the rest: what comes in between renews the form once more
        now = status(place)
        show_status(place, now, said=said)
    for sentence in filter(None, (said, now.next_act.nb)):
        get_run_logger().info(blot(sentence))
    return now, mark


def after_sending(entry: Entry) -> None:
    """Name the run, bring the thread up to date, and collect often while something is awaited."""
    for step in (name_run, see_to_thread, collect_often):
        if_it_can(step, entry)


def collect_often(entry: Entry) -> None:
    """Switch the frequent collecting on where something is awaited; off is for the rounds over everybody to say."""
    if needs_collecting(entry):
        keep_rhythm(True)


def if_it_can(step: Callable[[Entry], Any], entry: Entry) -> None:
    """Show what was done. What was done is done: a server that does not answer now is logged, and makes no run red.

    The next round brings everything up to date.
    """
    try:
        step(entry)
    except Exception as error:
        said = "Det som er gjort, er gjort, men kunne ikke vises i Prefect nå (%s). Neste runde viser det."
        get_run_logger().warning(said, type(error).__name__)


def wait(entry: Entry, now: Status, said: str) -> None:
    """Suspend this run with the form that fits. Does not return."""
    with open_workplace(entry.settings_file) as place:
        form = _form(place, now, said)
    wait_for_person(form)


def see_to_thread(entry: Entry) -> str:
    """Bring the municipality's thread up to date; one that was lost is taken up again. What was done about it.

    A server that is busy (hundreds are seen to at a time) is asked again: the second asking finds what the first made.
    """
    for pause in _PAUSES:
        try:
            return _see_to(entry)
        except PrefectHTTPStatusError:
            sleep(pause)
    return _see_to(entry)


#: Seconds before a busy server is asked once more.
_PAUSES = (1, 4)


def _see_to(entry: Entry) -> str:
    with open_workplace(entry.settings_file) as place:
        now, mark = status(place), newest_event(place)
        form, over = _form(place, now, ""), _is_over(place, now)
    name, tags = _name(entry, now), _tags(entry, now, mark)
    parameters = {"municipality": entry.number, "data_year": entry.data_year}
    with open_thread(DEPLOYMENT, thread_key(entry), parameters) as thread:
        if thread is None:
            return "not deployed"
        if thread.is_lost and thread.take_over():
            return "taken over"
        if thread.is_waiting and not thread.has_tag(f"event:{mark}"):
            thread.renew(form, name, tags)
        if thread.is_waiting and over:
            thread.resume()
        return "up to date"


def thread_key(entry: Entry) -> str:
    """What makes a municipality's year one run, however often it is asked for."""
    return f"kpr-thread-{entry.number}-{entry.data_year}"


def year_is_over(entry: Entry, now: Status) -> bool:
    """Nothing more is awaited: accepted, and the absolute last date has passed."""
    with open_workplace(entry.settings_file) as place:
        return _is_over(place, now)


def _is_over(place: Workplace, now: Status) -> bool:
    last = place.year.milestone("absolute_last")
    return now.verdict.accepted and last is not None and place.clock() > end_of_day(last.date)


def _form(place: Workplace, now: Status, said: str) -> type[RunInput]:
    description = "\n\n".join(filter(None, (said, f"**Nå:** {now.next_act.nb}")))
    form = answer_form(wishes(place), extract_mark(place.store.latest()), now.next_act.nb)
    return form.with_initial_data(description=f"{description}\n\n{links(place)}")


_WORDS = {
    "NOTHING_SENT": "ingenting sendt",
    "DRAFT": "påbegynt",
    "EXTRACTED": "uttrekk lest",
    "BLOCKED": "stanset av funn",
    "CHECKED": "klar til godkjenning",
    "APPROVED": "godkjent, ikke sendt",
    "SENDING": "sendes",
    "AWAITING": "venter på svar",
    "ACCEPTED": "godtatt",
    "REJECTED": "avvist",
    "WITHDRAWN": "trukket tilbake av registeret",
}


def _name(entry: Entry, now: Status) -> str:
    """``1103 Stavanger · 2020 · innsending 2 · venter på svar``."""
    version = f" · innsending {now.version}" if now.version else ""
    return f"{entry.label}{version} · {_WORDS.get(now.state, now.state)}"


def _tags(entry: Entry, now: Status, mark: int) -> set[str]:
    return {"kpr", f"event:{mark}", *tags_of(entry, now.state)}
