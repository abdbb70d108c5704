"""The same step for many municipalities, begun in order: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from kpr.errors import KprError
from kpr.fleet.installation import Entry
from kpr.log import blot

#: What a step says came of it, or its error's sentence.
Step = Callable[[Entry], str]

#: Exit codes (kpr.errors) from the one that worries least to the one that worries most: locked and blocked are the
#: guard and the check doing their work; what nobody expected could be anything.
_WORSE: tuple[int, ...] = (0, 4, 3, 5, 8, 7, 2, 6, 10, 1)

#: What is said of an error that is not ours. Only its kind is told: its text could hold anything, a name of a file or
#: an address with a password in it.
_SAID: tuple[tuple[type[Exception], str], ...] = (
    (SQLAlchemyError, "Databasen kan ikke brukes nå ({kind})."),
    (OSError, "En fil eller forbindelse kan ikke brukes nå ({kind})."),
    (Exception, "Uventet feil ({kind})."),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one municipality. ``error`` is a sentence, empty when it went well."""

    entry: Entry
    outcome: str
    error: str = ""
    exit_code: int = 0


def for_each(
    entries: Iterable[Entry],
    step: Step,
    *,
    limit: int | None = None,
    at_once: int = 1,
    on_done: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Run the step for each, at most ``limit`` of them. Only an interrupt from outside stops the round.

    ``at_once`` more than one pays where a step waits for others: each has a thread then, and the caller's context.
    """
    chosen, results = islice(entries, limit), []
    for result in _some_at_once(chosen, step, at_once) if at_once > 1 else (_one(entry, step) for entry in chosen):
        results.append(result)
        on_done(result)
    return results


def _some_at_once(entries: Iterable[Entry], step: Step, at_once: int) -> Iterator[Result]:
    """The results in the order of the entries; whoever stops listening stops those that have not begun."""
    pool = ThreadPoolExecutor(at_once)
    try:
        begun = [pool.submit(copy_context().run, _one, entry, step) for entry in entries]
        yield from (each.result() for each in begun)
    finally:
        pool.shutdown(cancel_futures=True)


def _one(entry: Entry, step: Step) -> Result:
    try:
        return Result(entry, step(entry))
    except KprError as error:
        return Result(entry, "feilet", blot(str(error)), error.exit_code)
    except Exception as error:
        said = next(said for kind, said in _SAID if isinstance(error, kind))
        return Result(entry, "feilet", said.format(kind=type(error).__name__), KprError.exit_code)


def worst(results: Iterable[Result]) -> int:
    """The exit code of a round: that of the one that went worst, 0 when all went well."""
    return max((result.exit_code for result in results), key=_WORSE.index, default=0)
