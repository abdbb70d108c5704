"""When what was sent may be made unreadable (S8): after the absolute last date and some days, when nothing is awaited.

Pure; the clock is passed in. How many days is not said anywhere: 30 is assumed, and a setting.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kpr.calendar import OSLO, end_of_day
from kpr.checks.finding import Text
from kpr.conversation import SubmissionState
from kpr.guard import Approval
from kpr.years import Year

#: A version that stands here still awaits something.
_AWAITED = frozenset({SubmissionState.APPROVED, SubmissionState.SENDING, SubmissionState.AWAITING})


def opens(year: Year, days_after: int) -> datetime | None:
    """The moment from which purging is allowed, in UTC; None while the absolute last date is not known."""
    last = year.milestone("absolute_last")
    return end_of_day(last.date) + timedelta(days=days_after) if last else None


def refusal(
    year: Year, states: frozenset[SubmissionState], now: datetime, approval: Approval, *, days_after: int
) -> Text | None:
    """Why nothing may be purged now; None when it may. Two persons with a reason may do it earlier."""
    if approval.two_persons_and_reason:
        return None
    moment = opens(year, days_after)
    if moment is None:
        return Text(
            "Siste frist er ikke kjent for dette året, så ingenting slettes. To personer med en grunn kan gjøre det.",
            "The absolute last date is not known for this year, so nothing is purged. Two persons with a reason may.",
        )
    if now <= moment:
        day = f"{moment.astimezone(OSLO):%d.%m.%Y}"
        return Text(f"Ingenting slettes før {day} er over.", f"Nothing is purged before {day} has passed.")
    if states & _AWAITED:
        return Text(
            "Svar ventes fortsatt, så ingenting slettes. To personer med en grunn kan gjøre det.",
            "An answer is still awaited, so nothing is purged. Two persons with a reason may.",
        )
    return None
