"""The resend guard: which kind of sending it is, whether it is allowed, from when, and who makes a MsgId."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, product
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import kpr
from kpr import guard
from kpr.conversation import (
    AttemptEvent,
    AttemptState,
    IdentEvent,
    IdentLeg,
    ReceiptEvent,
    ReceiptLeg,
    SubmissionEvent,
    SubmissionState,
    can_step,
    consequence,
    step,
)
from kpr.errors import Locked
from kpr.guard import (
    Approval,
    Dispatched,
    Former,
    Ids,
    Kind,
    Permission,
    has_left,
    may_correct,
    may_open_version,
    may_send_content,
    may_send_same,
    mint_pair,
    permission_of_approved,
    stands,
)

SENT = datetime(2021, 1, 11, 8, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)

NOBODY = Approval()
ONE = Approval(frozenset({"Rolle A"}))
TWO = Approval(frozenset({"Rolle A", "Rolle B"}))
REASON = Approval(reason="adressen var feil")
BLANK = Approval(frozenset({"Rolle A", "Rolle B"}), " \n")
ONE_REASON = Approval(frozenset({"Rolle A"}), "adressen var feil")
TWO_REASON = Approval(frozenset({"Rolle A", "Rolle B"}), "adressen var feil")
APPROVALS = (NOBODY, ONE, TWO, REASON, BLANK, ONE_REASON, TWO_REASON)

UNSENT = {"DRAFT", "EXTRACTED", "BLOCKED", "CHECKED", "APPROVED", "SENDING"}
DECIDED = {"ACCEPTED", "WITHDRAWN", "SUPERSEDED"}
OPEN_IDENT = {"NOT_SENT", "SENT", "FEEDBACK_UNREAD"}
OPEN_RECEIPT = {"NONE", "UNREADABLE"}
AWAITING = Former(SubmissionState.AWAITING, IdentLeg.SENT, ReceiptLeg.NONE, SENT)


# -- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approval", "both", "either"),
    [
        (NOBODY, False, False),
        (ONE, False, False),
        (TWO, False, True),
        (REASON, False, True),
        (BLANK, False, True),
        (ONE_REASON, False, True),
        (TWO_REASON, True, True),
        (Approval(frozenset({"Rolle A"}), "  "), False, False),
        (Approval(frozenset({"Rolle A", "Rolle B", "Rolle C"}), "grunn"), True, True),
    ],
)
def test_two_persons_are_two_and_a_reason_has_words(approval: Approval, both: bool, either: bool) -> None:
    """One person twice is one person, and a blank reason is none."""
    assert approval.two_persons_and_reason is both
    assert approval.two_persons_or_reason is either


# -- a new version ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approval", APPROVALS)
def test_the_first_version_needs_nobodys_leave(approval: Approval) -> None:
    """Before anything was sent, the first version may be opened by anyone."""
    permission = may_open_version(None, SENT, approval)
    assert permission == Permission(Kind.FIRST, True, guard._FIRST)


@pytest.mark.parametrize("approval", APPROVALS)
@pytest.mark.parametrize("state", sorted(UNSENT))
def test_an_unsent_version_is_finished_and_not_replaced(state: str, approval: Approval) -> None:
    """Whatever is not fully handed over is continued under its own ids; no new version stands beside it."""
    for ident, receipt in product(IdentLeg, ReceiptLeg):
        former = Former(SubmissionState(state), ident, receipt, SENT)
        assert may_open_version(former, SENT, approval) == Permission(Kind.CONTINUE, True, guard._CONTINUE)


@pytest.mark.parametrize("state", sorted(set(SubmissionState) - UNSENT))
def test_a_new_version_waits_for_the_former(state: str) -> None:
    """Each combination of legs opens the door when decided or overdue, and otherwise only for two with a reason."""
    for ident, receipt, approval in product(IdentLeg, ReceiptLeg, APPROVALS):
        settled = state in DECIDED or (ident not in OPEN_IDENT and receipt not in OPEN_RECEIPT)
        former = Former(SubmissionState(state), ident, receipt, SENT)
        permission = may_open_version(former, SENT + HOUR, approval)
        assert permission.kind is Kind.S3
        assert permission.allowed is (settled or approval is TWO_REASON)
        expected = guard._OPEN if settled else guard._FORCED if approval is TWO_REASON else guard._AWAITING
        assert permission.reason is expected
        assert (permission.allowed_from is None) is permission.allowed


@pytest.mark.parametrize(
    ("ident", "receipt"), [(IdentLeg.SENT, ReceiptLeg.NEGATIVE), (IdentLeg.FEEDBACK_FAULTS, ReceiptLeg.NONE)]
)
def test_an_undecided_leg_locks_also_after_a_rejection(ident: IdentLeg, receipt: ReceiptLeg) -> None:
    """Never a new version while *a* leg of the former is undecided and not overdue, without two persons and a reason."""
    former = Former(SubmissionState.REJECTED, ident, receipt, SENT)
    assert may_open_version(former, SENT + HOUR, ONE_REASON).allowed is False


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        (96, SENT, SENT + 96 * HOUR),
        (96, SENT + 96 * HOUR - timedelta(seconds=1), SENT + 96 * HOUR),
        (96, SENT + 96 * HOUR, None),
        (96, SENT + 97 * HOUR, None),
        (48, SENT, SENT + 48 * HOUR),
        (48, SENT + 48 * HOUR, None),
    ],
)
def test_the_lock_says_until_when(hours: int, now: datetime, expected: datetime | None) -> None:
    """The moment is GenDate plus the hours of the data year; a moment that has passed is not promised."""
    permission = may_open_version(AWAITING, now, NOBODY, ack_hours=hours)
    assert permission == Permission(Kind.S3, False, guard._AWAITING, expected)


def test_ninety_six_hours_unless_told_otherwise() -> None:
    """Both questions count 96 hours by default (HITS 1168 s. 4.1)."""
    assert may_open_version(AWAITING, SENT, NOBODY).allowed_from == SENT + 96 * HOUR
    message = Dispatched(AttemptState.DELIVERED, ReceiptLeg.NONE, SENT)
    assert may_send_same(message, SENT, NOBODY).allowed_from == SENT + 96 * HOUR


def test_without_a_time_no_moment_is_promised() -> None:
    """A former version whose messages carry no time is locked without a date."""
    former = Former(SubmissionState.AWAITING, IdentLeg.SENT, ReceiptLeg.NONE)
    assert may_open_version(former, SENT, NOBODY) == Permission(Kind.S3, False, guard._AWAITING, None)


@pytest.mark.parametrize("approval", APPROVALS)
@pytest.mark.parametrize(
    ("former", "kind"),
    [
        (None, Kind.FIRST),
        (Former(SubmissionState.SENDING, IdentLeg.SENT, ReceiptLeg.NONE, SENT), Kind.CONTINUE),
        (Former(SubmissionState.ACCEPTED, IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE, SENT), Kind.S3),
        (AWAITING, Kind.S3),
    ],
)
def test_after_the_last_date_two_persons_and_a_reason_are_needed(
    former: Former | None, kind: Kind, approval: Approval
) -> None:
    """K8 holds for every kind of version; fewer persons or no reason gives one answer, whatever else is true."""
    permission = may_open_version(former, SENT, approval, too_late=True)
    assert permission.kind is kind
    assert permission.allowed is (approval is TWO_REASON)
    if approval is not TWO_REASON:
        assert permission == Permission(kind, False, guard._TOO_LATE)


# -- the same message again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [AttemptState.PENDING, AttemptState.FAILED])
def test_what_was_not_delivered_is_tried_again_by_itself(attempt: AttemptState) -> None:
    """S1 needs nobody, at any time and as often as it takes."""
    for approval, resent in product(APPROVALS, (0, 1, 2)):
        message = Dispatched(attempt, ReceiptLeg.NONE, SENT, resent)
        assert may_send_same(message, SENT, approval) == Permission(Kind.S1, True, guard._S1)


@pytest.mark.parametrize(
    ("approval", "allowed"), [(NOBODY, False), (REASON, False), (ONE, True), (TWO, True), (TWO_REASON, True)]
)
def test_what_the_transport_refused_waits_for_an_operator(approval: Approval, allowed: bool) -> None:
    """S2 needs a named person, who has mended the fault; a reason without a person is not enough."""
    message = Dispatched(AttemptState.REFUSED, ReceiptLeg.NONE, SENT)
    assert may_send_same(message, SENT, approval) == Permission(Kind.S2, allowed, guard._S2)


@pytest.mark.parametrize("attempt", [AttemptState.REFUSED, AttemptState.FAILED])
@pytest.mark.parametrize("leg", [ReceiptLeg.POSITIVE, ReceiptLeg.NEGATIVE])
def test_an_answered_message_is_not_sent_again_by_any_way(attempt: AttemptState, leg: ReceiptLeg) -> None:
    """A receipt proves that the message arrived, whatever the transport said: S1 and S2 are over."""
    assert may_send_same(Dispatched(attempt, leg, SENT), SENT + HOUR, TWO_REASON).allowed is False


@pytest.mark.parametrize("leg", sorted(set(ReceiptLeg) - {"NONE", "OVERDUE"}))
def test_an_answered_message_is_never_sent_again(leg: str) -> None:
    """Any receipt ends S4, for everybody and for ever."""
    for approval, now, answered in product(APPROVALS, (SENT, SENT + 1000 * HOUR), (False, True)):
        message = Dispatched(AttemptState.DELIVERED, ReceiptLeg(leg), SENT, 0, answered)
        assert may_send_same(message, now, approval) == Permission(Kind.S4, False, guard._ANSWERED)


@pytest.mark.parametrize("leg", [ReceiptLeg.NONE, ReceiptLeg.OVERDUE])
@pytest.mark.parametrize(
    ("hours", "after", "opens"),
    [
        (96, timedelta(), False),
        (96, 96 * HOUR - timedelta(seconds=1), False),
        (96, 96 * HOUR, True),
        (96, 200 * HOUR, True),
        (48, 48 * HOUR - timedelta(seconds=1), False),
        (48, 48 * HOUR, True),
    ],
)
def test_silence_locks_for_the_hours_of_the_year(leg: ReceiptLeg, hours: int, after: timedelta, opens: bool) -> None:
    """S4 stays shut until GenDate plus the hours have passed, also for two persons with a reason, and says when."""
    permission = may_send_same(Dispatched(AttemptState.DELIVERED, leg, SENT), SENT + after, TWO_REASON, ack_hours=hours)
    locked = Permission(Kind.S4, False, guard._S4_LOCKED, SENT + hours * HOUR)
    assert permission == (Permission(Kind.S4, True, guard._S4) if opens else locked)


@pytest.mark.parametrize("now", [SENT, SENT + 96 * HOUR])
def test_the_registers_answer_opens_earlier(now: datetime) -> None:
    """When the register has said that it holds nothing, S4 need not wait."""
    message = Dispatched(AttemptState.DELIVERED, ReceiptLeg.NONE, SENT, 0, True)
    assert may_send_same(message, now, TWO) == Permission(Kind.S4, True, guard._S4)


@pytest.mark.parametrize(
    ("approval", "allowed"),
    [(NOBODY, False), (ONE, False), (TWO, True), (REASON, True), (BLANK, True), (ONE_REASON, True), (TWO_REASON, True)],
)
def test_silence_needs_two_persons_or_a_written_reason(approval: Approval, allowed: bool) -> None:
    """One person without a reason cannot send a silent message again."""
    permission = may_send_same(Dispatched(AttemptState.DELIVERED, ReceiptLeg.OVERDUE, SENT), SENT + 97 * HOUR, approval)
    assert permission == Permission(Kind.S4, allowed, guard._S4 if allowed else guard._S4_WHO)


@pytest.mark.parametrize("resent", [1, 2])
@pytest.mark.parametrize("answered", [False, True])
def test_a_silent_message_is_sent_again_at_most_once(resent: int, answered: bool) -> None:
    """After one S4 the door is shut for good; the register is to be asked (AMQP specification s. 2.2.4)."""
    message = Dispatched(AttemptState.DELIVERED, ReceiptLeg.OVERDUE, SENT, resent, answered)
    assert may_send_same(message, SENT + 500 * HOUR, TWO_REASON) == Permission(Kind.S4, False, guard._S4_USED)


def test_a_used_resend_promises_no_moment() -> None:
    """Within the 96 hours, a message that was already sent once more is told so, without a date."""
    permission = may_send_same(Dispatched(AttemptState.DELIVERED, ReceiptLeg.NONE, SENT, 1), SENT, TWO_REASON)
    assert permission == Permission(Kind.S4, False, guard._S4_USED)


# -- what the officer is told -------------------------------------------------------------------------------------

TEXTS = {
    "_OPEN": "kan sendes",
    "_FIRST": "Første innsending",
    "_CONTINUE": "fullføres",
    "_TOO_LATE": "to personer og en skriftlig grunn",
    "_AWAITING": "Gjør ingenting nå",
    "_FORCED": "To personer har låst opp",
    "_S1": "samme nummer",
    "_S2": "når feilen er rettet",
    "_S4": "én gang til",
    "_S4_LOCKED": "Gjør ingenting nå",
    "_S4_USED": "Ta kontakt med registeret",
    "_S4_WHO": "to personer eller en skriftlig grunn",
    "_ANSWERED": "skal ikke sendes på nytt",
}


@pytest.mark.parametrize(("name", "phrase"), TEXTS.items())
def test_each_answer_says_what_it_means(name: str, phrase: str) -> None:
    """Every reason is a sentence in both languages, and the Norwegian one holds the words that matter."""
    text = getattr(guard, name)
    assert phrase in text.nb
    assert text.nb.endswith(".")
    assert text.en.endswith(".")
    assert text.nb != text.en


def test_a_permission_demanded_is_given_or_raises_with_its_reason() -> None:
    """``demand`` hands back what is allowed, and raises Locked in the officer's words otherwise."""
    given_leave = may_open_version(None, SENT, NOBODY)
    assert given_leave.demand() is given_leave
    with pytest.raises(Locked) as locked:
        may_open_version(AWAITING, SENT, NOBODY).demand()
    assert str(locked.value) == guard._AWAITING.nb


# -- who makes a MsgId --------------------------------------------------------------------------------------------


def _numbered() -> object:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


@pytest.mark.parametrize("kind", [Kind.FIRST, Kind.S3])
def test_new_content_gets_a_new_pair(kind: Kind) -> None:
    """The ids come from the source, ident first, in the form 8-4-4-4-12 (M1)."""
    ids = mint_pair(Permission(kind, True, guard._OPEN), _numbered())  # type: ignore[arg-type]
    assert ids == Ids("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002")


def test_the_usual_source_gives_random_ids() -> None:
    """Without a source each id is a random UUID, and no two are the same."""
    pairs = [mint_pair(Permission(Kind.FIRST, True, guard._OPEN)) for _ in range(50)]
    ids = [value for pair in pairs for value in (pair.ident, pair.iplos)]
    assert len(set(ids)) == 100
    assert {UUID(value).version for value in ids} == {4}
    assert all(value == str(UUID(value)) for value in ids)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [(kind, True) for kind in Kind if kind not in (Kind.FIRST, Kind.S3)] + [(kind, False) for kind in Kind],
)
def test_no_other_sending_gets_a_new_msg_id(kind: Kind, allowed: bool) -> None:
    """What carries the same content keeps its MsgId (M2), and what is not allowed gets none; the source is not asked."""

    def never() -> UUID:
        raise AssertionError("an id was made")

    with pytest.raises(Locked, match=r"^Bare en ny versjon får nye MsgId-er\.$"):
        mint_pair(Permission(kind, allowed, guard._OPEN), never)


def test_nobody_else_makes_a_msg_id() -> None:
    """In the whole package, ``Ids`` is made in the guard alone, and a message row in the store alone, from ``Ids``."""
    package = Path(kpr.__file__).parent
    makers: dict[str, set[str]] = {"Ids": set(), "Message": set()}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
                makers[node.func.id].add(path.relative_to(package).as_posix())
    assert makers == {"Ids": {"guard.py"}, "Message": {"store/store.py"}}


# -- over any course of events ------------------------------------------------------------------------------------

moments = st.integers(-200, 400).map(lambda hours: SENT + hours * HOUR)
approvals = st.sampled_from(APPROVALS)
dispatched = st.builds(
    Dispatched,
    st.sampled_from(AttemptState),
    st.sampled_from(ReceiptLeg),
    st.just(SENT),
    st.integers(0, 2),
    st.booleans(),
)


@settings(deadline=None)
@given(dispatched, moments, approvals, st.integers(1, 200))
def test_the_same_message_never_becomes_a_new_one(
    message: Dispatched, now: datetime, approval: Approval, hours: int
) -> None:
    """Whatever is asked about the same message, the answer never opens the door to a new MsgId."""
    permission = may_send_same(message, now, approval, ack_hours=hours)
    assert permission.kind in (Kind.S1, Kind.S2, Kind.S4)
    with pytest.raises(Locked):
        mint_pair(permission)


@dataclass
class Version:
    """One version in the machine below."""

    ids: Ids
    generated: datetime
    state: SubmissionState = SubmissionState.SENDING
    ident_leg: IdentLeg = IdentLeg.NOT_SENT
    receipts: dict[str, ReceiptLeg] = field(default_factory=lambda: dict.fromkeys(("ident", "iplos"), ReceiptLeg.NONE))
    attempts: dict[str, AttemptState] = field(
        default_factory=lambda: dict.fromkeys(("ident", "iplos"), AttemptState.PENDING)
    )
    resent: dict[str, list[tuple[datetime, bool]]] = field(default_factory=lambda: {"ident": [], "iplos": []})

    def follow(self) -> None:
        """Move the submission as the legs say."""
        delivered = set(self.attempts.values()) == {AttemptState.DELIVERED}
        if delivered and self.state is SubmissionState.SENDING:
            self.state = step(self.state, SubmissionEvent.BOTH_DELIVERED)
        event = consequence(self.state, self.ident_leg, self.receipts["iplos"], self.receipts["ident"])
        if event:
            self.state = step(self.state, event)


sides = st.sampled_from(["ident", "iplos"])


class AnyYear(RuleBasedStateMachine):
    """A municipality's year in any order of sending, silence, answers and impatience."""

    def __init__(self) -> None:
        super().__init__()
        self.now = SENT
        self.versions: list[Version] = []
        self.minted: list[str] = []
        self.new_id = _numbered()

    @property
    def former(self) -> Former | None:
        """The newest version as the guard sees it."""
        if not self.versions:
            return None
        last = self.versions[-1]
        return Former(last.state, last.ident_leg, last.receipts["iplos"], last.generated)

    @rule(hours=st.sampled_from([1, 5, 24, 96, 97]))
    def time_passes(self, hours: int) -> None:
        """The clock and the watch go on."""
        self.now += hours * HOUR
        for version in self.versions:
            late = self.now - version.generated >= 96 * HOUR
            if late and can_step(version.receipts["iplos"], ReceiptEvent.TIME_PASSED):
                version.receipts["iplos"] = step(version.receipts["iplos"], ReceiptEvent.TIME_PASSED)
            if can_step(version.ident_leg, IdentEvent.TIME_PASSED) and hours > 4:
                version.ident_leg = step(version.ident_leg, IdentEvent.TIME_PASSED)

    @rule(approval=approvals, too_late=st.booleans())
    def someone_wants_a_new_version(self, approval: Approval, too_late: bool) -> None:
        """A new version stands beside the former only when nothing of it is awaited, or two persons say why."""
        former = self.former
        permission = may_open_version(former, self.now, approval, too_late=too_late)
        if not permission.allowed or permission.kind is Kind.CONTINUE:
            return
        if former is not None and not approval.two_persons_and_reason:
            awaited = former.ident_leg.value in OPEN_IDENT or former.receipt_leg.value in OPEN_RECEIPT
            assert not awaited or former.state.value in DECIDED
            assert former.state.value not in UNSENT
        assert not too_late or approval is TWO_REASON
        ids = mint_pair(permission, self.new_id)  # type: ignore[arg-type]
        self.versions.append(Version(ids, self.now))
        self.minted += [ids.ident, ids.iplos]

    @precondition(lambda self: self.versions)
    @rule(side=sides, event=st.sampled_from(AttemptEvent), data=st.data())
    def the_transport_answers(self, side: str, event: AttemptEvent, data: st.DataObject) -> None:
        """A try ends in one way or another."""
        version = data.draw(st.sampled_from(self.versions))
        if can_step(version.attempts[side], event):
            version.attempts[side] = step(version.attempts[side], event)
            if side == "ident" and event is AttemptEvent.DELIVERED and version.ident_leg is IdentLeg.NOT_SENT:
                version.ident_leg = step(version.ident_leg, IdentEvent.SENT)
            version.follow()

    @precondition(lambda self: self.versions)
    @rule(side=sides, event=st.sampled_from(ReceiptEvent), data=st.data())
    def a_receipt_comes(self, side: str, event: ReceiptEvent, data: st.DataObject) -> None:
        """Any receipt, for any version, at any time."""
        version = data.draw(st.sampled_from(self.versions))
        if event is not ReceiptEvent.TIME_PASSED and can_step(version.receipts[side], event):
            version.receipts[side] = step(version.receipts[side], event)
            if side == "ident" and event is ReceiptEvent.NEGATIVE and can_step(version.ident_leg, _NEGATIVE):
                version.ident_leg = step(version.ident_leg, _NEGATIVE)
            version.follow()

    @precondition(lambda self: self.versions)
    @rule(event=st.sampled_from([e for e in IdentEvent if e.value.startswith("FEEDBACK")]), data=st.data())
    def a_mail_comes(self, event: IdentEvent, data: st.DataObject) -> None:
        """Any ident feedback, for any version, at any time."""
        version = data.draw(st.sampled_from(self.versions))
        if can_step(version.ident_leg, event):
            version.ident_leg = step(version.ident_leg, event)
            version.follow()

    @precondition(lambda self: self.versions)
    @rule(side=sides, approval=approvals, answered=st.booleans(), data=st.data())
    def someone_wants_it_sent_again(self, side: str, approval: Approval, answered: bool, data: st.DataObject) -> None:
        """The same message goes out again as the guard says."""
        version = data.draw(st.sampled_from(self.versions))
        message = Dispatched(
            version.attempts[side], version.receipts[side], version.generated, len(version.resent[side]), answered
        )
        permission = may_send_same(message, self.now, approval)
        if permission.allowed and permission.kind in (Kind.S2, Kind.S4):
            version.attempts[side] = AttemptState.PENDING
        if permission.allowed and permission.kind is Kind.S4:
            assert message.receipt_leg in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE)
            assert len(approval.persons) >= 2 or approval.reason
            version.resent[side].append((self.now, answered))

    @invariant()
    def no_two_live_msg_ids(self) -> None:
        """Each version has one MsgId for each message, and no MsgId stands twice."""
        assert self.minted == [value for v in self.versions for value in (v.ids.ident, v.ids.iplos)]
        assert len(set(self.minted)) == 2 * len(self.versions)

    @invariant()
    def silence_is_answered_at_most_once(self) -> None:
        """S4 happens once at most, after 96 hours or the register's answer."""
        for version in self.versions:
            for sent_again in version.resent.values():
                assert len(sent_again) <= 1
                assert all(at - version.generated >= 96 * HOUR or answered for at, answered in sent_again)


_NEGATIVE = IdentEvent.NEGATIVE_RECEIPT

TestAnyYear = AnyYear.TestCase
TestAnyYear.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyYear.runTest.__doc__ = "Over any course of events no MsgId is doubled and no version is opened too early."


# -- what has been sent before ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", SubmissionState)
def test_a_version_has_left_when_it_is_no_longer_on_its_way_out(state: SubmissionState) -> None:
    """Whatever comes after the hand-over of both messages."""
    assert has_left(state) is (state.value not in UNSENT)


@pytest.mark.parametrize("state", SubmissionState)
def test_a_version_stands_while_the_register_has_it_or_may_have_it(state: SubmissionState) -> None:
    """Awaiting or accepted; not what was rejected, withdrawn or replaced, nor what was not sent."""
    assert stands(state) is (state.value in {"AWAITING", "ACCEPTED"})


@pytest.mark.parametrize("state", SubmissionState)
def test_a_correction_needs_something_that_was_sent(state: SubmissionState) -> None:
    """One former version that has left, or was cut off in the midst of it, is enough; else use report."""
    asked = may_open_version(None, SENT, ONE)
    former = Former(state, IdentLeg.NOT_SENT, ReceiptLeg.NONE)
    draft = Former(SubmissionState.DRAFT, IdentLeg.NOT_SENT, ReceiptLeg.NONE)
    said = may_correct([draft, former], asked)
    assert said.allowed is (state.value not in UNSENT - {"SENDING"})
    assert (said is asked) is said.allowed
    assert said.kind is asked.kind
    if not said.allowed:
        assert said.reason.nb.startswith("Ingenting er sendt ennå")


def test_nothing_at_all_can_be_corrected_before_the_first_version() -> None:
    """No versions, no correction, whatever the guard says to a first one."""
    assert not may_correct([], may_open_version(None, SENT, TWO_REASON)).allowed


@pytest.mark.parametrize("approval", APPROVALS)
def test_the_same_content_goes_out_again_only_by_two_persons_with_a_reason(approval: Approval) -> None:
    """Other content always may; the version that has the same is named, in both languages."""
    other, same = may_send_content(None, approval), may_send_content(7, approval)
    assert other == Permission(Kind.S3, True, guard._OPEN)
    assert same.kind is Kind.S3
    assert same.allowed is approval.two_persons_and_reason
    if not same.allowed:
        assert "som innsending 7." in same.reason.nb
        assert "as submission 7." in same.reason.en
        assert "to personer og en skriftlig grunn" in same.reason.nb


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(("approved_by", "named"), [("Rolle A", True), (None, False), ("", False), (" \n", False)])
def test_an_opened_version_gets_its_ids_when_a_named_person_has_approved(
    version: int, approved_by: str | None, named: bool
) -> None:
    """The first is FIRST and every later one S3; a blank is nobody."""
    said = permission_of_approved(version, approved_by)
    assert said.kind is (Kind.FIRST if version == 1 else Kind.S3)
    assert said.allowed is named
    assert said.reason.nb.startswith("Godkjent" if named else "Ingen har godkjent")
