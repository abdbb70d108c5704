"""When what was sent may be made unreadable (S8): some days after it was found right, or after the absolute last date.

Pure; the clock is passed in. How many days is not said anywhere: 30 is assumed, and a setting. What was kept beside the
messages has days of its own for each kind, counted from the absolute last date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from kpr.calendar import OSLO, end_of_day
from kpr.checks.finding import Text
from kpr.conversation import SubmissionState
from kpr.guard import Approval, Former, is_decided
from kpr.years import Year

#: A version that stands here is still on its way, or the register has not answered.
_UNDER_WAY = frozenset({SubmissionState.APPROVED, SubmissionState.SENDING, SubmissionState.AWAITING})

_UNKNOWN = Text(
    "Siste frist er ikke kjent for dette året, så ingenting slettes. To personer med en grunn kan gjøre det.",
    "The absolute last date is not known for this year, so nothing is purged. Two persons with a reason may.",
)
_AWAITED = Text(
    "Svar ventes fortsatt, så ingenting slettes. To personer med en grunn kan gjøre det.",
    "An answer is still awaited, so nothing is purged. Two persons with a reason may.",
)


def opens(year: Year, days_after: int, right_at: datetime | None = None) -> datetime | None:
    """The moment after which purging is allowed, in UTC; None while it is not known.

    So many days after the absolute last date, or after ``right_at``, when the newest version was found right.
    """
    last = year.milestone("absolute_last")
    days = [day.astimezone(OSLO).date() for day in (right_at,) if day] + ([last.date] if last else [])
    return end_of_day(min(days) + timedelta(days=days_after)) if days else None


def outlived(year: Year, days_after: Mapping[str, int], now: datetime) -> frozenset[str]:
    """The kinds of documents that have been kept long enough; none while the absolute last date is not known."""
    last = year.milestone("absolute_last")
    if last is None:
        return frozenset()
    return frozenset(kind for kind, days in days_after.items() if now > end_of_day(last.date + timedelta(days=days)))


def awaits(version: Former) -> bool:
    """Whether something is to come for this version: it is under way, or one answer rejected it and one is missing."""
    rejected = version.state is SubmissionState.REJECTED
    return version.state in _UNDER_WAY or (rejected and not is_decided(version))


def refusal(
    year: Year,
    versions: Iterable[Former],
    now: datetime,
    approval: Approval,
    *,
    days_after: int,
    right_at: datetime | None = None,
) -> Text | None:
    """Why nothing may be purged now; None when it may.

    Before the date nobody may. Two persons with a reason may while an answer is awaited, or when no date is known.
    """
    moment = opens(year, days_after, right_at)
    if moment is not None and now <= moment:
        first = f"{moment.astimezone(OSLO) + timedelta(days=1):%d.%m.%Y}"
        return Text(f"Ingenting slettes ennå. Det kan gjøres fra {first}.", f"Not yet: it may be done from {first}.")
    if approval.two_persons_and_reason:
        return None
    if moment is None:
        return _UNKNOWN
    return _AWAITED if any(awaits(version) for version in versions) else None
