"""What is late, by a clock passed in: silence is told of in three steps, and is never a rejection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.conversation import IdentLeg, ReceiptLeg
from kpr.overdue import (
    Alarm,
    Lateness,
    ident_alarm,
    ident_due,
    ident_lateness,
    receipt_alarm,
    receipt_lateness,
)

GENERATED = datetime(2021, 1, 11, 8, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ORDER = list(Lateness)

# -- receipts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leg", [ReceiptLeg.NONE, ReceiptLeg.OVERDUE])
@pytest.mark.parametrize(
    ("waited", "expected"),
    [
        (-1 * HOUR, Lateness.ON_TIME),
        (0 * HOUR, Lateness.ON_TIME),
        (24 * HOUR - SECOND, Lateness.ON_TIME),
        (24 * HOUR, Lateness.INFORMATION),
        (72 * HOUR - SECOND, Lateness.INFORMATION),
        (72 * HOUR, Lateness.WARNING),
        (96 * HOUR - SECOND, Lateness.WARNING),
        (96 * HOUR, Lateness.OVERDUE),
        (1000 * HOUR, Lateness.OVERDUE),
    ],
)
def test_a_receipt_becomes_late_in_three_steps(leg: ReceiptLeg, waited: timedelta, expected: Lateness) -> None:
    """Information after 24 hours, a warning after 72, overdue after 96 (HITS 1168 s. 4.1), each to the second."""
    assert receipt_lateness(leg, GENERATED, GENERATED + waited) is expected


@pytest.mark.parametrize(
    ("ack_hours", "waited", "expected"),
    [
        (48, 47, Lateness.INFORMATION),
        (48, 48, Lateness.OVERDUE),
        (12, 12, Lateness.OVERDUE),
        (12, 11, Lateness.ON_TIME),
        (120, 96, Lateness.WARNING),
        (120, 120, Lateness.OVERDUE),
    ],
)
def test_the_limit_is_the_data_years(ack_hours: int, waited: int, expected: Lateness) -> None:
    """A message standard may set another limit (R8); overdue goes before the smaller alarms."""
    assert receipt_lateness(ReceiptLeg.NONE, GENERATED, GENERATED + waited * HOUR, ack_hours) is expected


@pytest.mark.parametrize("leg", [leg for leg in ReceiptLeg if leg not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE)])
def test_an_answer_is_never_late(leg: ReceiptLeg) -> None:
    """Once any receipt has come, nothing is late however long it took."""
    assert receipt_lateness(leg, GENERATED, GENERATED + 1000 * HOUR) is Lateness.ON_TIME


@settings(deadline=None)
@given(st.sampled_from(ReceiptLeg), st.integers(0, 500), st.integers(0, 500))
def test_lateness_only_grows(leg: ReceiptLeg, first: int, more: int) -> None:
    """As the clock goes on, a receipt never becomes less late."""
    before = receipt_lateness(leg, GENERATED, GENERATED + first * HOUR)
    after = receipt_lateness(leg, GENERATED, GENERATED + (first + more) * HOUR)
    assert ORDER.index(before) <= ORDER.index(after)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(-12, 14))
def test_the_zone_of_the_clock_does_not_matter(hours: int, offset: int) -> None:
    """Hours are counted between moments, not between wall clocks (M4, K2)."""
    zone = timezone(timedelta(hours=offset))
    now = GENERATED + hours * HOUR
    assert receipt_lateness(ReceiptLeg.NONE, GENERATED.astimezone(zone), now) is receipt_lateness(
        ReceiptLeg.NONE, GENERATED, now
    )


# -- ident feedback -----------------------------------------------------------------------------------------------

#: Sent, and the moment after which the feedback is late, with four working hours (08-16 in Norway).
DUE = [
    pytest.param("2021-01-11T08:15+01:00", "2021-01-11T12:15+01:00", id="a Monday morning"),
    pytest.param("2021-01-11T12:00+01:00", "2021-01-11T16:00+01:00", id="until closing time"),
    pytest.param("2021-01-11T14:00+01:00", "2021-01-12T10:00+01:00", id="over night"),
    pytest.param("2021-01-15T15:00+01:00", "2021-01-18T11:00+01:00", id="over the weekend"),
    pytest.param("2021-01-11T22:30+01:00", "2021-01-12T12:00+01:00", id="sent at night"),
    pytest.param("2021-03-31T14:00+02:00", "2021-04-06T10:00+02:00", id="over Easter"),
    pytest.param("2021-03-26T14:00+01:00", "2021-03-29T10:00+02:00", id="over the change of clocks"),
]


@pytest.mark.parametrize(("sent", "due"), DUE)
def test_ident_feedback_is_due_after_working_hours(sent: str, due: str) -> None:
    """Four hours are counted in office time on working days, and given in UTC."""
    moment = ident_due(datetime.fromisoformat(sent), 4)
    assert moment == datetime.fromisoformat(due)
    assert moment.utcoffset() == timedelta()


@pytest.mark.parametrize("leg", [IdentLeg.SENT, IdentLeg.OVERDUE])
@pytest.mark.parametrize(("sent", "due"), DUE)
def test_ident_feedback_is_overdue_to_the_second(leg: IdentLeg, sent: str, due: str) -> None:
    """On time until the very moment, overdue from it; there is nothing between."""
    begins, ends = datetime.fromisoformat(sent), datetime.fromisoformat(due)
    assert ident_lateness(leg, begins, begins, 4) is Lateness.ON_TIME
    assert ident_lateness(leg, begins, ends - SECOND, 4) is Lateness.ON_TIME
    assert ident_lateness(leg, begins, ends, 4) is Lateness.OVERDUE
    assert ident_lateness(leg, begins, ends + 1000 * HOUR, 4) is Lateness.OVERDUE


def test_the_working_hours_are_the_data_years() -> None:
    """With eight working hours a mail for a Monday morning is due on Tuesday morning."""
    assert ident_due(datetime(2021, 1, 11, 8, 15, tzinfo=UTC), 8) == datetime(2021, 1, 12, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize("leg", [leg for leg in IdentLeg if leg not in (IdentLeg.SENT, IdentLeg.OVERDUE)])
def test_what_was_not_sent_or_has_come_is_not_late(leg: IdentLeg) -> None:
    """No feedback is awaited before sending, nor after any mail; an unread one waits for a person, not for the clock."""
    assert ident_lateness(leg, GENERATED, GENERATED + 1000 * HOUR, 4) is Lateness.ON_TIME


# -- alarms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lateness", "key", "phrase"),
    [
        (Lateness.INFORMATION, "receipt-information-m1", "gjør ingenting nå"),
        (Lateness.WARNING, "receipt-warning-m1", "ikke send på nytt"),
        (Lateness.OVERDUE, "receipt-overdue-m1", "Ta kontakt med registeret"),
    ],
)
def test_each_step_is_told_once_and_says_what_to_do(lateness: Lateness, key: str, phrase: str) -> None:
    """An alarm has an id that is stable per message and step, and a sentence that never says: send again."""
    alarm = receipt_alarm("m1", lateness)
    assert alarm is not None
    assert (alarm.id, alarm.lateness) == (key, lateness)
    assert phrase in alarm.text.nb
    assert "do not send again" in alarm.text.en or "do nothing now" in alarm.text.en


def test_what_is_on_time_gives_no_alarm() -> None:
    """Neither leg says anything while it is on time."""
    assert receipt_alarm("m1", Lateness.ON_TIME) is None
    assert ident_alarm("m1", Lateness.ON_TIME) is None


def test_a_missing_ident_feedback_sends_one_to_the_register() -> None:
    """L20: something went wrong, and the register must be contacted."""
    alarm = ident_alarm("m2", Lateness.OVERDUE)
    assert isinstance(alarm, Alarm)
    assert (alarm.id, alarm.lateness) == ("ident-overdue-m2", Lateness.OVERDUE)
    assert "ta kontakt med registeret" in alarm.text.nb
    assert "contact the register" in alarm.text.en


@pytest.mark.parametrize("lateness", [Lateness.INFORMATION, Lateness.WARNING])
def test_the_ident_leg_knows_no_smaller_alarms(lateness: Lateness) -> None:
    """The ident feedback is either on time or overdue."""
    assert ident_alarm("m2", lateness) is None
