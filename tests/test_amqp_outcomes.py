"""Outcomes on the bus: the retry table row by row (amqp.md s. 1.6), its pauses and its minute, and the sentences."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kpr.errors import TransportError, TransportRefused
from kpr.transports.amqp import outcomes
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.outcomes import BUDGET, MAX_RETRIES, as_error, outcome, pauses, with_retries

TABLE = yaml.safe_load((Path(outcomes.__file__).with_suffix(".yaml")).read_text(encoding="utf-8"))

RETRIED = (
    "connection-lost",
    "timeout",
    "cancelled",
    "amqp:internal-error",
    "amqp:illegal-state",
    "amqp:link:detach-forced",
    "amqp:connection:forced",
    "amqp:link:stolen",
    "amqp:session:unattached-handle",
    "amqp:session:handle-in-use",
    "amqp:session:errant-link",
    "amqp:session:window-violation",
    "amqp:connection:redirect",
    "com.microsoft:server-busy",
)
NOT_RETRIED = (
    "amqp:not-found",
    "amqp:unauthorized-access",
    "amqp:not-allowed",
    "amqp:not-implemented",
    "amqp:invalid-field",
    "amqp:decode-error",
    "amqp:connection:framing-error",
    "amqp:frame-size-too-small",
    "amqp:link:message-size-exceeded",
    "amqp:link:transfer-limit-exceeded",
    "amqp:resource-limit-exceeded",
    "amqp:resource-locked",
    "amqp:resource-deleted",
    "released",
    "com.microsoft:message-lock-lost",
)
#: What the library's table has no row for: a broker that is full, or says no to a publisher confirm.
OURS = {"no-credit": True, "blocked": True, "nacked": True, "rejected": False, "modified": False, "tls": False}


@pytest.mark.parametrize("condition", RETRIED)
def test_what_the_library_tries_again_is_tried_again(condition: str) -> None:
    """Each row of the left column may pass by itself."""
    assert outcome(condition).retry


@pytest.mark.parametrize("condition", NOT_RETRIED)
def test_what_the_library_does_not_try_again_is_not(condition: str) -> None:
    """Each row of the right column needs somebody to mend something."""
    assert not outcome(condition).retry


@pytest.mark.parametrize(("condition", "again"), OURS.items())
def test_what_the_library_does_not_know(condition: str, again: bool) -> None:
    """A full broker may empty itself; what was refused or cannot be trusted stays so."""
    assert outcome(condition).retry is again


@given(st.text(max_size=40).filter(lambda condition: condition not in TABLE["conditions"]))
def test_anything_unknown_is_a_refusal(condition: str) -> None:
    """A condition that is in no row is not tried again."""
    assert (outcome(condition).name, outcome(condition).retry) == ("refused", False)


def test_the_table_hangs_together() -> None:
    """Every condition names an outcome that exists, and every outcome is named by one."""
    assert set(TABLE["conditions"].values()) == set(TABLE["outcomes"])


@pytest.mark.parametrize("name", TABLE["outcomes"])
def test_every_outcome_has_its_sentence_in_both_languages(name: str) -> None:
    """A person is told what happened and what to do, in Norwegian and English."""
    row = TABLE["outcomes"][name]
    assert set(row) <= {"retry", "nb", "en"}
    for language in ("nb", "en"):
        assert row[language].endswith(".")
        assert len(row[language]) > 40
    assert row["nb"] != row["en"]


SETTINGS_NAMED = ("transport.exchange", "transport.max_bytes", "transport.host", "transport.ca_file")


@pytest.mark.parametrize("language", ["nb", "en"])
def test_the_same_settings_are_named_in_both_languages(language: str) -> None:
    """What is to be checked is named as it is called in the settings."""
    said = " ".join(row[language] for row in TABLE["outcomes"].values())
    assert all(name in said for name in (*SETTINGS_NAMED, "KPR_TRANSPORT__PASSWORD"))


# -- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (0.8, [2.4, 7.2, 16.8, 30.0, 30.0]),
        (1.0, [3.0, 9.0, 21.0, 30.0, 30.0]),
        (1.2, [3.6, 10.8, 25.2, 30.0, 30.0]),
    ],
)
def test_the_pauses_are_the_librarys(factor: float, expected: list[float]) -> None:
    """min(30 s, 3 s x factor x (2^n - 1)), at most five of them."""
    assert list(pauses(lambda: factor)) == pytest.approx(expected)


def test_the_pauses_are_spread() -> None:
    """Without a factor of the test's own each pause lies within a fifth of the formula, and not always at one place."""
    firsts = {next(pauses()) for _ in range(200)}
    assert all(2.4 <= first <= 3.6 for first in firsts)
    assert len(firsts) > 100


def test_each_pause_has_a_factor_of_its_own() -> None:
    """The factor is drawn anew before each retry."""
    drawn = iter([0.8, 1.2, 1.0, 1.0, 1.0])
    assert list(pauses(lambda: next(drawn)))[:3] == pytest.approx([2.4, 10.8, 21.0])


# -- retries ---------------------------------------------------------------------------------------------------------


@dataclass
class Time:
    """A clock that stands still but for what is slept and worked."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """The seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Work:
    """Work that ends with one fault after the other, and succeeds when there is none left."""

    time: Time
    faults: list[str]
    seconds: float = 0.0
    calls: int = 0

    def __call__(self) -> str:
        """One try."""
        self.calls += 1
        self.time.now += self.seconds
        if self.faults:
            raise BusFault(self.faults.pop(0), "the broker's own words about 01818012337")
        return "done"


@pytest.fixture
def _even(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses exactly as the formula has them."""
    even = functools.partial(pauses, lambda: 1.0)
    monkeypatch.setattr(outcomes, "pauses", even)


even_pauses = pytest.mark.usefixtures("_even")


def run(faults: list[str], seconds: float = 0.0, **words: float) -> tuple[Work, Callable[[], str]]:
    """The work, and how to have it done with retries."""
    time = Time()
    work = Work(time, faults, seconds)
    return work, lambda: with_retries(work, clock=time.clock, sleep=time.sleep, **words)


def test_what_succeeds_is_done_once() -> None:
    """No pause without a fault."""
    work, go = run([])
    assert go() == "done"
    assert (work.calls, work.time.slept) == (1, [])


@even_pauses
def test_a_fault_that_passes_is_never_told() -> None:
    """Two faults and then success: two pauses of the formula, and the result."""
    work, go = run(["connection-lost", "blocked"])
    assert go() == "done"
    assert (work.calls, work.time.slept) == (3, [3.0, 9.0])


def test_what_is_not_retried_is_told_at_once() -> None:
    """A refusal ends it at the first try, without any pause."""
    work, go = run(["amqp:not-found"])
    with pytest.raises(TransportRefused):
        go()
    assert (work.calls, work.time.slept) == (1, [])


@even_pauses
def test_a_refusal_after_an_outage_ends_it() -> None:
    """Each fault is judged by itself."""
    work, go = run(["timeout", "amqp:unauthorized-access"])
    with pytest.raises(TransportRefused):
        go()
    assert (work.calls, work.time.slept) == (2, [3.0])


@even_pauses
def test_the_minute_ends_it() -> None:
    """A pause that would go beyond the minute is not begun: 3 + 9 + 21 s, and 30 more would be too much."""
    work, go = run(["connection-lost"] * 10)
    with pytest.raises(TransportError):
        go()
    assert (work.calls, work.time.slept) == (4, [3.0, 9.0, 21.0])


@even_pauses
def test_the_works_own_time_counts() -> None:
    """Tries that take half a minute each leave room for one retry, and no more."""
    work, go = run(["timeout"] * 10, seconds=30.0)
    with pytest.raises(TransportError):
        go()
    assert (work.calls, work.time.slept) == (2, [3.0])


@even_pauses
def test_there_are_at_most_five_retries() -> None:
    """However much time there is."""
    work, go = run(["timeout"] * 10, budget=10_000.0)
    with pytest.raises(TransportError) as told:
        go()
    assert (work.calls, work.time.slept) == (1 + MAX_RETRIES, [3.0, 9.0, 21.0, 30.0, 30.0])
    assert type(told.value) is TransportError


def test_the_fifth_retry_may_still_succeed() -> None:
    """The last try's result counts."""
    _, go = run(["timeout"] * 5, budget=10_000.0)
    assert go() == "done"


def test_the_numbers_are_the_librarys() -> None:
    """Five retries within one minute."""
    assert (MAX_RETRIES, BUDGET) == (5, 60.0)


def test_errors_of_our_own_are_not_retried() -> None:
    """A bug is not an outage: what is no fault of the bus goes straight through."""
    time, calls = Time(), []

    def work() -> None:
        calls.append(1)
        raise ValueError("subject")

    with pytest.raises(ValueError, match="subject"):
        with_retries(work, clock=time.clock, sleep=time.sleep)
    assert (len(calls), time.slept) == (1, [])


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [*TABLE["conditions"], "something-new"])
def test_each_fault_is_an_error_with_its_sentence_and_exit_code(condition: str) -> None:
    """5 where trying again may help, 7 where somebody must mend something; the code stands in the sentence."""
    what, error = outcome(condition), as_error(BusFault(condition))
    assert type(error) is (TransportError if what.retry else TransportRefused)
    assert error.exit_code == (5 if what.retry else 7)
    assert str(error) == f"{what.text.nb} ({condition})"


SAID = "queue 'innbygger 01818012337' in vhost"


def test_the_brokers_own_words_are_in_no_text() -> None:
    """Neither the error nor the fault shows what the broker said: its words may quote anything."""
    fault = BusFault("amqp:not-found", SAID)
    error = as_error(fault)
    assert SAID not in f"{error}{error!r}{error.args}{fault}{fault!r}{fault.args}"


@pytest.mark.parametrize("condition", ["amqp:not-found", "connection-lost"])
def test_the_brokers_own_words_are_in_no_traceback(condition: str) -> None:
    """Also when all retries are used up, what is printed of the error holds none of them."""
    _, go = run([condition] * 6, budget=10_000.0)
    with pytest.raises(TransportError) as told:
        go()
    assert "01818012337" not in "".join(traceback.format_exception(told.value))
    assert told.value.__cause__ is None
