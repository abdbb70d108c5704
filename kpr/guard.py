"""The resend guard: may this be sent, which kind of sending is it, under which ids, and if not, why and until when.

Four situations look alike and are not (AMQP specification s. 2.2.4-2.2.5; HIS 80415:2012 s. 3.2; letter L23):

    S1  not delivered to the transport      same bytes, same MsgId, same message id     the program, by itself
    S2  refused by the transport            same message, new message id                an operator, after mending
    S3  rejected, or data to be corrected   new content, new MsgIds, both messages       the officer, after a new check
    S4  no receipt                          same message, new message id, at most once   locked for 96 hours, then two
                                                                                         persons or a written reason

Nobody else makes a MsgId: :func:`mint_pair` stands here, and only a permission for new content opens it. The same
MsgId means the same message, and the register ignores the second (HITS 1168 s. 5.4), so a new one where it is not
due would be counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from kpr.checks.finding import Text
from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import Locked
from kpr.person_name import bare


class Kind(StrEnum):
    """What kind of sending it would be."""

    FIRST = "FIRST"
    CONTINUE = "CONTINUE"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who asks, and why. Two persons means two different ones: a name in two writings is one, and a blank is none."""

    persons: frozenset[str] = frozenset()
    reason: str = ""

    def __post_init__(self) -> None:
        """Keep one writing of each name."""
        one_each = {bare(name): name for name in sorted(self.persons) if bare(name)}
        object.__setattr__(self, "persons", frozenset(one_each.values()))

    @property
    def two_persons_and_reason(self) -> bool:
        """What the strictest cases demand (K8)."""
        return len(self.persons) >= 2 and bool(self.reason.strip())

    @property
    def two_persons_or_reason(self) -> bool:
        """What S4 demands."""
        return len(self.persons) >= 2 or bool(self.reason.strip())


@dataclass(frozen=True, slots=True)
class Former:
    """The newest version as it stands. A message that was never tried awaits no answer."""

    state: SubmissionState
    ident_leg: IdentLeg
    receipt_leg: ReceiptLeg
    generated: datetime | None = None
    ident_tried: bool = True
    iplos_tried: bool = True


@dataclass(frozen=True, slots=True)
class Permission:
    """The guard's answer. ``allowed_from`` is the moment at which a locked door opens by itself."""

    kind: Kind
    allowed: bool
    reason: Text
    allowed_from: datetime | None = None

    def demand(self) -> Permission:
        """The permission itself when it is given; Locked, with the reason, when it is not."""
        if not self.allowed:
            raise Locked(self.reason.nb)
        return self


@dataclass(frozen=True, slots=True)
class Ids:
    """The MsgIds of a pair, made once."""

    ident: str
    iplos: str


_OPEN = Text("Ny innsending kan sendes.", "A new submission may be sent.")
_FIRST = Text("Første innsending kan sendes.", "The first submission may be sent.")
_CONTINUE = Text("En påbegynt innsending fullføres.", "A submission that was begun is finished.")
_TOO_LATE = Text(
    "Siste frist er passert. Nå trengs to personer og en skriftlig grunn.",
    "The last date has passed. Two persons and a written reason are needed now.",
)
_AWAITING = Text(
    "Svar på forrige innsending mangler. Gjør ingenting nå: send ikke på nytt før svaret er lest (brev L23).",
    "An answer to the former submission is awaited. Do nothing now: nothing may be sent again before it is read.",
)
_FORCED = Text(
    "To personer har låst opp, med grunn, mens svar mangler.",
    "Two persons have unlocked it, with a reason, while an answer is awaited.",
)

#: Not yet handed over: such a version is finished, not replaced.
_UNSENT = frozenset(
    {
        SubmissionState.DRAFT,
        SubmissionState.EXTRACTED,
        SubmissionState.BLOCKED,
        SubmissionState.CHECKED,
        SubmissionState.APPROVED,
        SubmissionState.SENDING,
    }
)
_DECIDED_STATES = frozenset({SubmissionState.ACCEPTED, SubmissionState.WITHDRAWN, SubmissionState.SUPERSEDED})
_OPEN_IDENT = frozenset({IdentLeg.NOT_SENT, IdentLeg.SENT, IdentLeg.FEEDBACK_UNREAD})
_OPEN_RECEIPT = frozenset({ReceiptLeg.NONE, ReceiptLeg.UNREADABLE})


def may_open_version(
    former: Former | None, now: datetime, approval: Approval, *, ack_hours: int = 96, too_late: bool = False
) -> Permission:
    """May a new version, with new MsgIds for both messages, be opened? (FIRST, CONTINUE or S3.)"""
    kind = _version_kind(former)
    if too_late and not approval.two_persons_and_reason:
        return Permission(kind, False, _TOO_LATE)
    if former is None:
        return Permission(kind, True, _FIRST)
    if kind is Kind.CONTINUE:
        return Permission(kind, True, _CONTINUE)
    if is_decided(former):
        return Permission(kind, True, _OPEN)
    if approval.two_persons_and_reason:
        return Permission(kind, True, _FORCED)
    opens = former.generated + timedelta(hours=ack_hours) if former.generated else None
    return Permission(kind, False, _AWAITING, opens if opens and opens > now else None)


def _version_kind(former: Former | None) -> Kind:
    if former is None:
        return Kind.FIRST
    return Kind.CONTINUE if former.state in _UNSENT else Kind.S3


def is_decided(former: Former) -> bool:
    """Nothing more is awaited for the former version, or what is awaited is overdue."""
    if former.state in _DECIDED_STATES:
        return True
    ident_open = former.ident_tried and former.ident_leg in _OPEN_IDENT
    receipt_open = former.iplos_tried and former.receipt_leg in _OPEN_RECEIPT
    return not ident_open and not receipt_open


def has_left(state: SubmissionState) -> bool:
    """Whether a version has been handed over, both messages: what is left to do then is to await its answers."""
    return state not in _UNSENT


_NOTHING_TO_CORRECT = Text(
    "Ingenting er sendt ennå: bruk report. Ingenting er gjort.",
    "Nothing has been sent yet: use report. Nothing was done.",
)


def may_correct(versions: Iterable[Former], permission: Permission) -> Permission:
    """May a correction be sent, by what the guard says to a new version? Only where something has been sent before.

    A sending that was cut off is finished, by whichever word.
    """
    if any(has_left(version.state) or version.state is SubmissionState.SENDING for version in versions):
        return permission
    return Permission(permission.kind, False, _NOTHING_TO_CORRECT)


#: What the register has, or will have unless it says no: whoever sends the same again is counted twice.
_STANDING = frozenset({SubmissionState.AWAITING, SubmissionState.ACCEPTED})
_SAME_CONTENT = Text(
    "Samme uttrekk er allerede sendt, som innsending {version}. Ingenting er sendt nå. Rett i fagsystemet og ta ut på"
    " nytt. Skal det samme likevel sendes, trengs to personer og en skriftlig grunn.",
    "The same extract has already been sent, as submission {version}. Nothing was sent now. Mend it in the care-record"
    " system and extract again. Two persons and a written reason are needed to send the same all the same.",
)


def stands(state: SubmissionState) -> bool:
    """Whether the register has this version, or may have it: sent, and neither rejected, withdrawn nor replaced."""
    return state in _STANDING


def may_send_content(same_as: int | None, approval: Approval) -> Permission:
    """May this content go out in a new version? ``same_as``: the version that stands with exactly the same."""
    if same_as is None or approval.two_persons_and_reason:
        return Permission(Kind.S3, True, _OPEN)
    nb, en = (text.format(version=same_as) for text in (_SAME_CONTENT.nb, _SAME_CONTENT.en))
    return Permission(Kind.S3, False, Text(nb, en))


_S1 = Text(
    "Ikke levert. Sendes på nytt av seg selv, med samme nummer.", "Not delivered. Tried again by itself, same ids."
)
_S2 = Text(
    "Transporten avviste meldingen. Kan sendes på nytt når feilen er rettet.",
    "The transport refused the message. It may be sent again when the fault is mended.",
)
_S4 = Text(
    "Kvittering mangler etter fristen. Samme melding kan sendes én gang til.",
    "The receipt is overdue. The same message may be sent once more.",
)
_S4_LOCKED = Text("Kvitteringen kan fortsatt komme. Gjør ingenting nå.", "The receipt may still come. Do nothing now.")
_S4_USED = Text(
    "Meldingen er allerede sendt på nytt én gang. Ta kontakt med registeret.",
    "The message has already been sent once more. Contact the register.",
)
_S4_WHO = Text(
    "Krever to personer eller en skriftlig grunn. Sjekk adressene og spør registeret først.",
    "Needs two persons or a written reason. Check the addresses and ask the register first.",
)
_ANSWERED = Text(
    "Registeret har svart på denne meldingen. Den skal ikke sendes på nytt; send eventuelt en ny versjon.",
    "The register has answered this message. It is not to be sent again; send a new version if need be.",
)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """One message as it stands, for the question whether the same message may go out again."""

    attempt: AttemptState
    receipt_leg: ReceiptLeg
    generated: datetime
    resent: int = 0
    registry_answered: bool = False


_SAME_KIND = {AttemptState.PENDING: Kind.S1, AttemptState.FAILED: Kind.S1, AttemptState.REFUSED: Kind.S2}


def same_kind(attempt: AttemptState) -> Kind:
    """What sending the same again is, by how far its newest attempt came: S1 and S2 are transport, S4 is a decision."""
    return _SAME_KIND.get(attempt, Kind.S4)


def may_send_same(message: Dispatched, now: datetime, approval: Approval, *, ack_hours: int = 96) -> Permission:
    """May the same message, under its own MsgId, go out again? (S1, S2 or S4.)"""
    kind = same_kind(message.attempt)
    if message.receipt_leg not in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE):  # it arrived, whatever the transport said
        return Permission(kind, False, _ANSWERED)
    if kind is Kind.S1:
        return Permission(kind, True, _S1)
    if kind is Kind.S2:
        return Permission(kind, bool(approval.persons), _S2)
    return _may_resend_silent(message, now, approval, ack_hours)


def _may_resend_silent(message: Dispatched, now: datetime, approval: Approval, ack_hours: int) -> Permission:
    """S4: delivered, and no receipt."""
    if message.resent >= 1:
        return Permission(Kind.S4, False, _S4_USED)
    opens = message.generated + timedelta(hours=ack_hours)
    if now < opens and not message.registry_answered:
        return Permission(Kind.S4, False, _S4_LOCKED, opens)
    if not approval.two_persons_or_reason:
        return Permission(Kind.S4, False, _S4_WHO)
    return Permission(Kind.S4, True, _S4)


_APPROVED = Text("Godkjent av en navngitt person.", "Approved by a named person.")
_NOT_APPROVED = Text(
    "Ingen har godkjent denne versjonen. Ingenting er sendt.", "Nobody has approved this version. Nothing was sent."
)


def permission_of_approved(version: int, approved_by: str | None) -> Permission:
    """Whether an opened version may get its MsgIds: a named person must have approved it (FIRST or S3)."""
    named = bool(approved_by and approved_by.strip())
    return Permission(Kind.FIRST if version == 1 else Kind.S3, named, _APPROVED if named else _NOT_APPROVED)


def mint_pair(permission: Permission, new_id: Callable[[], UUID] = uuid4) -> Ids:
    """New MsgIds for a pair; only for new content (FIRST, S3), and Locked otherwise. The only place that makes them."""
    if not permission.allowed or permission.kind not in (Kind.FIRST, Kind.S3):
        raise Locked("Bare en ny versjon får nye MsgId-er.")
    return Ids(str(new_id()), str(new_id()))
