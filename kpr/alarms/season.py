"""The season seen from one moment: which deadlines have passed, which one comes, and the days on which to warn.

Everything is counted in Norwegian days and working days, by the rules of kpr.calendar (K2-K5). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kpr.alarms.notice import Level
from kpr.calendar import OSLO, end_of_day, is_working_day, next_milestone, planned_day, warn_on, working_days_before
from kpr.years import Milestone, Year

#: Over EDI the transport's own warning may take so long; what is sent after it must still have its 96 hours (K5).
_EDI_HOURS = 72

#: Working days before the last safe day on which a report that is not sent is told of, and findings that stop it.
NOT_SENT_DAYS = (0, 1, 3)
_FINDINGS_DAYS = 5

#: Working days after the opening on which an extract should have been read.
_EXTRACT_DAYS = 3

#: By the number of deadlines that passed without an accepted report (K7).
_LOUDER = (Level.OFFICER, Level.LEADER, Level.LETTER)


def working_days_after(day: date, count: int) -> date:
    """The working day that lies ``count`` working days after a day."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day)
    return day


@dataclass(frozen=True, slots=True)
class Season:
    """One data year at one moment."""

    year: Year
    now: datetime

    @property
    def today(self) -> date:
        """The day in Norway."""
        return self.now.astimezone(OSLO).date()

    @property
    def deadlines(self) -> tuple[Milestone, ...]:
        """Dates by which something must have been sent, in order; two on one day are one. Empty when none is known."""
        by_date = {m.date: m for m in reversed(self.year.milestones) if m.is_deadline}
        return tuple(by_date[day] for day in sorted(by_date))

    @property
    def passed(self) -> tuple[Milestone, ...]:
        """Deadlines that have ended."""
        return tuple(m for m in self.deadlines if end_of_day(m.date) < self.now)

    @property
    def coming(self) -> Milestone | None:
        """The next deadline; None when all have ended, or none is known."""
        return next_milestone(self.deadlines, self.now)

    @property
    def has_begun(self) -> bool:
        """Whether the register has opened; without a known date, from 1 January after the data year."""
        opens = self.year.milestone("opens")
        return self.today >= (opens.date if opens else self.year.last_day + timedelta(days=1))

    @property
    def is_running(self) -> bool:
        """Whether it is the season of this data year: from the opening to the end of that calendar year."""
        return self.has_begun and self.today.year <= self.year.last_day.year + 1

    @property
    def extract_is_late(self) -> bool:
        """Whether an extract should have been read by now: three working days after the opening."""
        opens = self.year.milestone("opens")
        return opens is not None and self.today >= working_days_after(opens.date, _EXTRACT_DAYS)

    def safe_day(self, milestone: Milestone) -> date:
        """The last working day on which sending is safe (K4)."""
        return warn_on(milestone, self.year.ack_hours.value)

    def edi_day(self, milestone: Milestone) -> date:
        """The last working day on which sending over EDI is safe (K5)."""
        return planned_day(self._edi_end(milestone).astimezone(OSLO).date())

    def _edi_end(self, milestone: Milestone) -> datetime:
        return end_of_day(milestone.date) - timedelta(hours=self.year.ack_hours.value + _EDI_HOURS)

    def findings_hurry(self, milestone: Milestone) -> bool:
        """Whether findings that stop the report are told of daily by now."""
        return self.today >= working_days_before(self.safe_day(milestone), _FINDINGS_DAYS)

    def not_sent_step(self, milestone: Milestone) -> int | None:
        """The sharpest step that has been reached, in working days before the last safe day; None before the first."""
        safe = self.safe_day(milestone)
        return next((days for days in NOT_SENT_DAYS if self.today >= working_days_before(safe, days)), None)

    def level(self, *, accepted: bool) -> Level:
        """How loud: officer, then the leader too, then a letter; after the last deadline always the letter."""
        if accepted or not self.passed:
            return Level.OFFICER
        return Level.LETTER if self.coming is None else _LOUDER[min(len(self.passed), len(_LOUDER) - 1)]
