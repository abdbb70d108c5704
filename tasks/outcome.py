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


def of_many(what: str, results: Sequence[Result]) -> State[Any]:
    """Many municipalities: red only when one of them failed, and then with which."""
    wrong = [result for result in results if result.error]
    counts = dict(Counter(result.outcome for result in results))
    if not wrong:
        many = "kommune" if len(results) == 1 else "kommuner"
        return Completed(message=f"{what}: {len(results)} {many}, ingen feil.", data=counts)
    named = "; ".join(f"{result.entry.label}: {result.error}" for result in wrong[:10])
    more = f" … og {len(wrong) - 10} til" if len(wrong) > 10 else ""
    return Failed(message=f"{what}: {len(wrong)} av {len(results)} kommuner feilet. {named}{more}")
