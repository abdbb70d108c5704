"""What people judge: the reason for a swing, and that the register's view agrees. With name and time, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Column, Integer, UniqueConstraint
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from kpr.conversation import IdentLeg, SubmissionState
from kpr.errors import Locked
from kpr.store.store import Act, Store
from kpr.store.tables import Moment, Submission


class Reason(SQLModel, table=True):
    """Why a number may have swung: it holds for this line and these two numbers, and for no others."""

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
    submission_id: str = Field(foreign_key="submission.id", index=True)
    rule: str
    line: str
    now: int = Field(sa_column=Column(Integer, nullable=False))
    before: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    who: str
    why: str


class SignOff(SQLModel, table=True):
    """A person has held the register's view against what was sent: the third verdict, *right*."""

    __table_args__ = (UniqueConstraint("submission_id"),)

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
    submission_id: str = Field(foreign_key="submission.id", index=True)
    kept_id: str = Field(foreign_key="kept.id")
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Judgements:
    """One cycle's reasons and sign-offs."""

    store: Store

    def give_reason(self, submission_id: str, rule: str, line: str, now: int, before: int, act: Act) -> Reason:
        """Write down why; ``act.why`` is the reason. A later one for the same line stands beside the earlier."""
        given = Reason(
            submission_id=submission_id,
            rule=rule,
            line=line,
            now=now,
            before=before,
            at=act.at,
            who=act.who,
            why=act.why,
        )
        with self.store.transaction() as session:
            submission = self.store.locked(session, submission_id)
            session.add(given)
            self.store.note(session, act, "swing", "REASON_GIVEN", submission=submission, to_state=f"{rule} {line}")
        return given

    def reasons(self, submission_id: str) -> list[Reason]:
        """All reasons given for a version, oldest first."""
        wanted = select(Reason).where(Reason.submission_id == submission_id).order_by(col(Reason.at))
        with self.store.transaction() as session:
            return list(session.exec(wanted).all())

    def sign_off(self, submission_id: str, kept_id: str, act: Act) -> SignOff:
        """Write down that the view agrees, once; Locked when the version is not accepted, both legs good."""
        signed = SignOff(submission_id=submission_id, kept_id=kept_id, at=act.at, who=act.who, why=act.why)
        try:
            with self.store.transaction() as session:
                submission = self.store.locked(session, submission_id)
                demand_accepted(submission)
                session.add(signed)
                self.store.note(session, act, "view", "SIGNED_OFF", submission=submission, to_state=submission.state)
        except IntegrityError:
            raise Locked("Innsendingen er alt meldt riktig. Den første underskriften gjelder.") from None
        return signed

    def signed_off(self, submission_id: str) -> SignOff | None:
        """Who signed, and when; None when nobody has, or when it is no longer accepted: withdrawn, or ids at fault."""
        wanted = (
            select(SignOff)
            .join(Submission)
            .where(Submission.state == SubmissionState.ACCEPTED, Submission.ident_leg == IdentLeg.FEEDBACK_OK)
        )
        with self.store.transaction() as session:
            return session.exec(wanted.where(SignOff.submission_id == submission_id)).first()


def demand_accepted(submission: Submission) -> None:
    """Locked unless the register has accepted it, and has said nothing against the national ids since (L18, L22)."""
    if submission.state is not SubmissionState.ACCEPTED:
        raise Locked("Bare en innsending som registeret har godtatt, kan meldes riktig.")
    if submission.ident_leg is not IdentLeg.FEEDBACK_OK:
        raise Locked(
            "Registeret har meldt feil i fødselsnumrene etter at innsendingen ble godtatt. Da kan den ikke meldes riktig: "
            "se «kpr status», rett i fagsystemet og send en ny versjon."
        )
