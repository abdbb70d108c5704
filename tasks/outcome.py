"""How a run ends, in a sentence that a person reads. Waiting is not a failure, and neither is the guard's no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from kpr.fleet.bulk import Result


def done(sentence: str, value: Any = None) -> State[Any]:
    """It went well: green, with a sentence."""
    return Completed(message=sentence, data=value)


def locked(sentence: str) -> State[Any]:
    """The guard said no, so that nothing was sent: that is as it should be, and green."""
    return Completed(name="Låst", message=sentence)


def of_many(what: str, results: Sequence[Result], broken: Sequence[str] = ()) -> State[Any]:
    """Many municipalities: red only when one of them failed, and then with which.

    ``broken``: settings files that cannot be read, so that nobody knows whose they are.
    """
    wrong = [f"{result.entry.label}: {result.error}" for result in results if result.error] + list(broken)
    counts = dict(Counter(result.outcome for result in results))
    if not wrong:
        many = "kommune" if len(results) == 1 else "kommuner"
        return Completed(message=f"{what}: {len(results)} {many}, ingen feil.", data=counts)
    more = f" … og {len(wrong) - 10} til" if len(wrong) > 10 else ""
    count = len(results) + len(broken)
    return Failed(message=f"{what}: {len(wrong)} av {count} kommuner feilet. {'; '.join(wrong[:10])}{more}")
