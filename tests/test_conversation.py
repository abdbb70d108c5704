"""The state table: every step that stands here is possible, every other one raises and changes nothing."""

from __future__ import annotations

import copy
import re
from dataclasses import FrozenInstanceError
from enum import StrEnum
from itertools import product

import pytest

from kpr import conversation
from kpr.conversation import (
    TABLE,
    AttemptEvent,
    AttemptState,
    IdentEvent,
    IdentLeg,
    ReceiptEvent,
    ReceiptLeg,
    SubmissionEvent,
    SubmissionState,
    Verdict,
    can_step,
    consequence,
    is_contradiction,
    step,
    verdict,
)
from kpr.errors import IllegalStep

EVENTS: dict[type[StrEnum], type[StrEnum]] = {
    SubmissionState: SubmissionEvent,
    IdentLeg: IdentEvent,
    ReceiptLeg: ReceiptEvent,
    AttemptState: AttemptEvent,
}

#: The table once more, written by hand from the standard and not from the code: state, event, state after.
STEPS: dict[type[StrEnum], str] = {
    SubmissionState: """
        DRAFT      EXTRACTED       EXTRACTED
        EXTRACTED  EXTRACTED       EXTRACTED
        EXTRACTED  FOUND_FAULTS    BLOCKED
        EXTRACTED  FOUND_GOOD      CHECKED
        BLOCKED    EXTRACTED       EXTRACTED
        CHECKED    EXTRACTED       EXTRACTED
        CHECKED    APPROVED        APPROVED
        APPROVED   SENDING         SENDING
        SENDING    BOTH_DELIVERED  AWAITING
        SENDING    REJECTED        REJECTED
        AWAITING   BOTH_LEGS_GOOD  ACCEPTED
        AWAITING   REJECTED        REJECTED
        AWAITING   WITHDRAWN       WITHDRAWN
        AWAITING   REPLACED        SUPERSEDED
        ACCEPTED   WITHDRAWN       WITHDRAWN
        ACCEPTED   REPLACED        SUPERSEDED
        REJECTED   REPLACED        SUPERSEDED
        WITHDRAWN  REPLACED        SUPERSEDED
    """,
    IdentLeg: """
        NOT_SENT         SENT              SENT
        NOT_SENT         FEEDBACK_OK       FEEDBACK_OK
        NOT_SENT         FEEDBACK_FAULTS   FEEDBACK_FAULTS
        NOT_SENT         FEEDBACK_UNREAD   FEEDBACK_UNREAD
        NOT_SENT         NEGATIVE_RECEIPT  FEEDBACK_FAULTS
        SENT             FEEDBACK_OK       FEEDBACK_OK
        SENT             FEEDBACK_FAULTS   FEEDBACK_FAULTS
        SENT             FEEDBACK_UNREAD   FEEDBACK_UNREAD
        SENT             NEGATIVE_RECEIPT  FEEDBACK_FAULTS
        SENT             TIME_PASSED       OVERDUE
        OVERDUE          FEEDBACK_OK       FEEDBACK_OK
        OVERDUE          FEEDBACK_FAULTS   FEEDBACK_FAULTS
        OVERDUE          FEEDBACK_UNREAD   FEEDBACK_UNREAD
        OVERDUE          NEGATIVE_RECEIPT  FEEDBACK_FAULTS
        FEEDBACK_UNREAD  FEEDBACK_OK       FEEDBACK_OK
        FEEDBACK_UNREAD  FEEDBACK_FAULTS   FEEDBACK_FAULTS
        FEEDBACK_UNREAD  FEEDBACK_UNREAD   FEEDBACK_UNREAD
        FEEDBACK_UNREAD  NEGATIVE_RECEIPT  FEEDBACK_FAULTS
        FEEDBACK_OK      FEEDBACK_OK       FEEDBACK_OK
        FEEDBACK_OK      NEGATIVE_RECEIPT  FEEDBACK_FAULTS
        FEEDBACK_FAULTS  FEEDBACK_FAULTS   FEEDBACK_FAULTS
        FEEDBACK_FAULTS  NEGATIVE_RECEIPT  FEEDBACK_FAULTS
    """,
    ReceiptLeg: """
        NONE           POSITIVE       POSITIVE
        NONE           POSITIVE_PART  POSITIVE_PART
        NONE           NEGATIVE       NEGATIVE
        NONE           UNREADABLE     UNREADABLE
        NONE           WITHDRAWN      WITHDRAWN
        NONE           TIME_PASSED    OVERDUE
        OVERDUE        POSITIVE       POSITIVE
        OVERDUE        POSITIVE_PART  POSITIVE_PART
        OVERDUE        NEGATIVE       NEGATIVE
        OVERDUE        UNREADABLE     UNREADABLE
        OVERDUE        WITHDRAWN      WITHDRAWN
        UNREADABLE     POSITIVE       POSITIVE
        UNREADABLE     POSITIVE_PART  POSITIVE_PART
        UNREADABLE     NEGATIVE       NEGATIVE
        UNREADABLE     UNREADABLE     UNREADABLE
        UNREADABLE     WITHDRAWN      WITHDRAWN
        POSITIVE       POSITIVE       POSITIVE
        POSITIVE       WITHDRAWN      WITHDRAWN
        POSITIVE_PART  POSITIVE_PART  POSITIVE_PART
        POSITIVE_PART  WITHDRAWN      WITHDRAWN
        NEGATIVE       NEGATIVE       NEGATIVE
        WITHDRAWN      WITHDRAWN      WITHDRAWN
    """,
    AttemptState: """
        PENDING      HANDED_OVER  HANDED_OVER
        PENDING      DELIVERED    DELIVERED
        PENDING      FAILED       FAILED
        PENDING      REFUSED      REFUSED
        PENDING      RETURNED     FAILED
        HANDED_OVER  HANDED_OVER  HANDED_OVER
        HANDED_OVER  DELIVERED    DELIVERED
        HANDED_OVER  REFUSED      REFUSED
        HANDED_OVER  RETURNED     FAILED
        HANDED_OVER  GIVEN_UP     GIVEN_UP
        FAILED       TRY_AGAIN    PENDING
        FAILED       DELIVERED    DELIVERED
        FAILED       REFUSED      REFUSED
        GIVEN_UP     DELIVERED    DELIVERED
        GIVEN_UP     REFUSED      REFUSED
        GIVEN_UP     RETURNED     FAILED
        DELIVERED    REFUSED      REFUSED
    """,
}

#: By object, since states of different objects that share a name are equal as text.
EXPECTED = {
    (kind, kind(before), EVENTS[kind](event)): kind(after)
    for kind, text in STEPS.items()
    for before, event, after in (line.split() for line in text.strip().splitlines())
}
EVERY_STEP = [(kind, state, event) for kind, events in EVENTS.items() for state, event in product(kind, events)]
LEGAL = [(state, event) for kind, state, event in EVERY_STEP if (kind, state, event) in EXPECTED]
ILLEGAL = [(state, event) for kind, state, event in EVERY_STEP if (kind, state, event) not in EXPECTED]


def _name(value: object) -> str:
    return f"{type(value).__name__}.{value}" if isinstance(value, StrEnum) else ""


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_state_of_every_object() -> None:
    """No state is without a row, even one from which nothing follows."""
    assert set(TABLE) == set(EVENTS)
    for kind, rows in TABLE.items():
        assert set(rows) == set(kind)


def test_the_hand_written_table_is_as_large_as_the_codes() -> None:
    """The code has no step that this file does not know of."""
    assert sum(len(steps) for rows in TABLE.values() for steps in rows.values()) == len(EXPECTED) == len(LEGAL)
    assert len(LEGAL) + len(ILLEGAL) == len(EVERY_STEP)


@pytest.mark.parametrize(("state", "event"), LEGAL, ids=_name)
def test_a_legal_step_leads_where_the_standard_says(state: StrEnum, event: StrEnum) -> None:
    """Each legal step gives the state that was written down by hand, as a state of the same object."""
    after = step(state, event)
    assert after is EXPECTED[type(state), state, event]
    assert type(after) is type(state)
    assert can_step(state, event) is True


@pytest.mark.parametrize(("state", "event"), ILLEGAL, ids=_name)
def test_an_illegal_step_raises_and_changes_nothing(state: StrEnum, event: StrEnum) -> None:
    """Each other step raises IllegalStep naming object, state and event; the table stays as it was."""
    before = copy.deepcopy(TABLE)
    with pytest.raises(IllegalStep, match=f"^{type(state).__name__} {state.value} has no step for {event.value}\\.$"):
        step(state, event)
    assert before == TABLE
    assert can_step(state, event) is False


def test_an_illegal_step_has_its_own_exit_code() -> None:
    """The command line can tell it from every other error."""
    assert IllegalStep.exit_code == 6


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (SubmissionState.ACCEPTED, ReceiptEvent.WITHDRAWN),
        (IdentLeg.SENT, ReceiptEvent.TIME_PASSED),
        (ReceiptLeg.NONE, IdentEvent.TIME_PASSED),
        (ReceiptLeg.POSITIVE, SubmissionEvent.WITHDRAWN),
    ],
    ids=_name,
)
def test_an_event_of_another_object_is_illegal(state: StrEnum, event: StrEnum) -> None:
    """An event moves only the object that it belongs to, even where another has an event of the same name."""
    assert can_step(state, event) is False
    with pytest.raises(IllegalStep):
        step(state, event)


def test_the_file_opens_with_its_two_rules() -> None:
    """A reader meets the rules and the letter before the code."""
    opening = conversation.__doc__ or ""
    assert re.search(r"Two rules:\s+1\. .+\s+2\. ", opening, re.DOTALL)
    assert "L17" in opening


# -- what the table means -----------------------------------------------------------------------------------------


def test_only_the_registers_verdict_rejects() -> None:
    """REJECTED is reached by one event alone, and never from a state in which nothing has been sent."""
    ways = {(before, event) for (_, before, event), after in EXPECTED.items() if after is SubmissionState.REJECTED}
    assert ways == {
        (SubmissionState.SENDING, SubmissionEvent.REJECTED),
        (SubmissionState.AWAITING, SubmissionEvent.REJECTED),
    }


def test_accepted_is_reached_only_by_both_legs() -> None:
    """No event but BOTH_LEGS_GOOD accepts."""
    ways = [event for (_, _, event), after in EXPECTED.items() if after is SubmissionState.ACCEPTED]
    assert ways == [SubmissionEvent.BOTH_LEGS_GOOD]


@pytest.mark.parametrize("event", [e for e in ReceiptEvent if e is not ReceiptEvent.TIME_PASSED])
def test_silence_is_reversible(event: ReceiptEvent) -> None:
    """After OVERDUE every answer still counts as it would have in time (HITS 1168 s. 4.1)."""
    assert step(ReceiptLeg.OVERDUE, event) is step(ReceiptLeg.NONE, event)


@pytest.mark.parametrize("leg", list(ReceiptLeg))
def test_time_alone_never_makes_a_verdict(leg: ReceiptLeg) -> None:
    """The clock moves a leg without an answer to OVERDUE, and no other leg anywhere."""
    if leg is ReceiptLeg.NONE:
        assert step(leg, ReceiptEvent.TIME_PASSED) is ReceiptLeg.OVERDUE
    else:
        assert not can_step(leg, ReceiptEvent.TIME_PASSED)


def test_nothing_follows_after_a_replaced_version() -> None:
    """A superseded version is at its end."""
    assert not any(can_step(SubmissionState.SUPERSEDED, event) for event in SubmissionEvent)


# -- contradictions -----------------------------------------------------------------------------------------------

CONTRADICTIONS = {
    ("POSITIVE", "POSITIVE_PART"),
    ("POSITIVE", "NEGATIVE"),
    ("POSITIVE", "UNREADABLE"),
    ("POSITIVE_PART", "POSITIVE"),
    ("POSITIVE_PART", "NEGATIVE"),
    ("POSITIVE_PART", "UNREADABLE"),
    ("NEGATIVE", "POSITIVE"),
    ("NEGATIVE", "POSITIVE_PART"),
    ("NEGATIVE", "UNREADABLE"),
    ("NEGATIVE", "WITHDRAWN"),
}


@pytest.mark.parametrize(("leg", "event"), list(product(ReceiptLeg, ReceiptEvent)), ids=_name)
def test_a_second_receipt_with_another_verdict_is_a_contradiction(leg: ReceiptLeg, event: ReceiptEvent) -> None:
    """A final receipt and another verdict contradict each other (R6, R15); a repetition and silence do not."""
    assert is_contradiction(leg, event) is ((leg.value, event.value) in CONTRADICTIONS)


@pytest.mark.parametrize(("leg", "event"), sorted(CONTRADICTIONS))
def test_a_contradiction_is_no_step(leg: str, event: str) -> None:
    """What contradicts moves nothing."""
    assert not can_step(ReceiptLeg(leg), ReceiptEvent(event))


# -- the verdict --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view_agrees", [False, True])
def test_delivered_needs_both_attempts_delivered(view_agrees: bool) -> None:
    """One delivered message is not a delivered pair, whatever the legs say."""
    states = (None, *AttemptState)
    for ident, iplos in product(states, states):
        both = (ident, iplos) == (AttemptState.DELIVERED, AttemptState.DELIVERED)
        for ident_leg, receipt_leg in product(IdentLeg, ReceiptLeg):
            answer = verdict(ident, iplos, ident_leg, receipt_leg, view_agrees=view_agrees)
            assert answer.delivered is both


def test_accepted_needs_both_legs_good() -> None:
    """Only FEEDBACK_OK together with POSITIVE is accepted (L18, L22), whatever the transport says."""
    for attempt, ident_leg, receipt_leg in product((None, *AttemptState), IdentLeg, ReceiptLeg):
        good = (ident_leg, receipt_leg) == (IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE)
        answer = verdict(attempt, attempt, ident_leg, receipt_leg)
        assert answer.accepted is good
        assert answer.right is False


def test_right_needs_the_view() -> None:
    """An accepted submission is right only when a person has signed the view (R9)."""
    delivered = (AttemptState.DELIVERED, AttemptState.DELIVERED, IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE)
    assert verdict(*delivered, view_agrees=True) == Verdict(delivered=True, accepted=True, right=True)
    assert verdict(*delivered, view_agrees=False) == Verdict(delivered=True, accepted=True, right=False)
    assert verdict(*delivered) == Verdict(delivered=True, accepted=True, right=False)


def test_right_is_only_what_is_accepted() -> None:
    """A signature counts while both legs are good: one that is missing, or turned bad since, takes it away."""
    both = (AttemptState.DELIVERED, AttemptState.DELIVERED)
    for ident_leg, receipt_leg in product(IdentLeg, ReceiptLeg):
        answer = verdict(*both, ident_leg, receipt_leg, view_agrees=True)
        assert answer.right is answer.accepted


def test_a_verdict_does_not_change() -> None:
    """A verdict is a value."""
    with pytest.raises(FrozenInstanceError):
        verdict(None, None, IdentLeg.SENT, ReceiptLeg.NONE).accepted = True  # type: ignore[misc]


# -- what the legs mean for the submission ------------------------------------------------------------------------


def _expected_consequence(
    state: SubmissionState, ident: IdentLeg, receipt: ReceiptLeg, ident_receipt: ReceiptLeg
) -> SubmissionEvent | None:
    receipts = {receipt, ident_receipt}
    if ReceiptLeg.WITHDRAWN in receipts:
        return SubmissionEvent.WITHDRAWN if state in ("AWAITING", "ACCEPTED") else None
    if ReceiptLeg.NEGATIVE in receipts:
        return SubmissionEvent.REJECTED if state in ("SENDING", "AWAITING") else None
    good = ident is IdentLeg.FEEDBACK_OK and receipt is ReceiptLeg.POSITIVE
    return SubmissionEvent.BOTH_LEGS_GOOD if good and state == "AWAITING" else None


@pytest.mark.parametrize("state", list(SubmissionState))
def test_the_legs_move_the_submission_only_where_they_decide(state: SubmissionState) -> None:
    """Every combination of state, both legs and the ident message's own receipt has the consequence that is due."""
    for legs in product(IdentLeg, ReceiptLeg, ReceiptLeg):
        assert consequence(state, *legs) is _expected_consequence(state, *legs), legs


def test_a_positive_receipt_for_the_ident_message_proves_nothing() -> None:
    """The ident message's own receipt is not the e-mail (L18, L19), and is not the receipt for the IPLOS data."""
    awaiting = SubmissionState.AWAITING
    assert consequence(awaiting, IdentLeg.SENT, ReceiptLeg.POSITIVE, ReceiptLeg.POSITIVE) is None
    assert consequence(awaiting, IdentLeg.FEEDBACK_OK, ReceiptLeg.NONE, ReceiptLeg.POSITIVE) is None


def test_faults_in_the_ident_mail_do_not_reject() -> None:
    """The e-mail is a list to follow up; only a receipt rejects."""
    for receipt in (ReceiptLeg.NONE, ReceiptLeg.POSITIVE, ReceiptLeg.OVERDUE):
        legs = (IdentLeg.FEEDBACK_FAULTS, receipt, ReceiptLeg.NONE)
        assert consequence(SubmissionState.AWAITING, *legs) is None
