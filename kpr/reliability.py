"""When a message that nobody has acknowledged is sent again, and when it is given up. By a clock passed in.

HIS 1037:2011 s. 5.2: five retries, twelve hours apart, where no agreement (CPA) says otherwise; the same bytes under the
same message id each time. After the last interval the sender is told. HITS 1171:2017 s. 8.1: before each retry it is
looked for an acknowledgment that waits already, so whoever asks here has collected first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Step(StrEnum):
    """What to do now."""

    WAIT = "WAIT"
    RETRY = "RETRY"
    GIVE_UP = "GIVE_UP"
    ARRIVED = "ARRIVED"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try again, and how long to wait before each; ``lives`` counts from the first try, if it ends."""

    retries: int
    interval: timedelta
    lives: timedelta | None = None

    @property
    def silence(self) -> timedelta:
        """From the first try to giving up."""
        return self.interval * (self.retries + 1)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A message that was handed over ``tries`` times.

    ``answered``: its receipt has come, which proves that it arrived. ``wanted``: it shall still arrive; what was replaced
    meanwhile must not come after what replaces it.
    """

    tries: int
    last_try_at: datetime
    answered: bool = False
    wanted: bool = True


def next_step(message: HandedOver, now: datetime, patience: Patience) -> Step:
    """What to do with it now."""
    if message.answered:
        return Step.ARRIVED
    if not message.wanted or now < message.last_try_at + patience.interval:
        return Step.WAIT
    return Step.RETRY if message.tries <= patience.retries else Step.GIVE_UP


def next_try_at(message: HandedOver, patience: Patience) -> datetime | None:
    """When it is tried again; None when no try is left."""
    is_left = message.wanted and message.tries <= patience.retries
    return message.last_try_at + patience.interval if is_left else None
