"""Tell: what needs a person in one municipality's year, and telling it, each thing once to each receiver.

Everything is tried before anything is raised: one channel that is away does not keep the others waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kpr.alarms.channels import Channel, channels
from kpr.alarms.due import QUIET_HOURS, due, of_watch
from kpr.alarms.message import Telling, telling_of
from kpr.alarms.notice import Notice
from kpr.alarms.settings import Tell
from kpr.errors import KprError
from kpr.log import get_log
from kpr.steps.letter import carrying_letter
from kpr.steps.standing import standing_of
from kpr.steps.watch import watch
from kpr.steps.workplace import Workplace
from kpr.store import ToldBook

_log = get_log("tell")


def due_alarms(place: Workplace, *, quiet_hours: float = QUIET_HOURS) -> tuple[Notice, ...]:
    """Everything that needs a person here now. Overdue legs are moved, as ``watch`` does; nothing is sent."""
    late = watch(place)
    now, standing = place.clock(), standing_of(place)
    found = due(standing, place.year, now, quiet_hours=quiet_hours)
    notices = (*found, *(of_watch(alarm, standing, place.year, now) for alarm in late))
    return tuple(carrying_letter(place, notice) for notice in notices)


def tell(place: Workplace, alarms: Iterable[Notice], settings: Tell) -> list[str]:
    """Tell what is new; the ids of what was told now. TransportError or BadSettings at the end when a channel failed."""
    return tell_all(place, [telling_of(alarm, settings.link) for alarm in alarms], settings)


def tell_all(place: Workplace, tellings: Sequence[Telling], settings: Tell) -> list[str]:
    """The same for what is written already, the daily digest for one."""
    told: list[str] = []
    failed: KprError | None = None
    for telling in tellings:
        for channel in channels(telling, settings):
            try:
                if _once(place, telling, channel) and telling.id not in told:
                    told.append(telling.id)
            except KprError as error:
                failed = failed or error
                _log.warning("not told", alarm=telling.id, channel=channel.id, error=str(error))
    if failed is not None:
        raise failed
    return told


def _once(place: Workplace, telling: Telling, channel: Channel) -> bool:
    """Claim, send, mark; False when it has been told. A claim whose sending failed is given back."""
    book, at = ToldBook(place.store), place.clock()
    if not book.claim(telling.id, channel.id, at):
        return False
    try:
        channel.send(telling, at)
    except BaseException:
        book.release(telling.id, channel.id, at)
        raise
    book.sent(telling.id, channel.id, place.clock())
    _log.info("told", alarm=telling.id, channel=channel.id)
    return True
