"""What people make or judge, and what must be proved later: documents in the vault, each under a key of its own.

A key of its own lets each kind live as long as it is needed: last year's figures must outlive what they were counted
from, for next January's comparison, while the view's numbers go with the submission.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field, Session, SQLModel, col, select

from kpr.security.vault import Vault
from kpr.store.store import PURGED_KEY, Act, Store
from kpr.store.tables import Coded, Moment, Submission


class KeptKind(StrEnum):
    """What a kept document is."""

    FIGURES = "FIGURES"  #: our own counts of a submission
    LAST_YEAR = "LAST_YEAR"  #: last year's figures as the officer gave them
    PERSONS = "PERSONS"  #: test persons and dead persons, with her decisions
    KEYS = "KEYS"  #: the local keys of an extract, to see what has gone since
    WORK_LIST = "WORK_LIST"  #: the findings of a run, to see what was mended since
    VIEW = "VIEW"  #: the numbers of the register's view, with the difference to ours
    LETTER = "LETTER"  #: a letter that was sent
    PROOF = "PROOF"  #: a proof that was made


#: What people give or make, and what has no event of its own yet.
_TOLD = frozenset({KeptKind.LAST_YEAR, KeptKind.VIEW, KeptKind.PROOF})


def season_kind(kind: KeptKind) -> str:
    """The kind of season key under which such documents are kept: each kind lives as long as it is needed."""
    return kind.value.lower()


class Kept(SQLModel, table=True):
    """One document. ``note`` says in words what it is, never about whom."""

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
    cycle_id: str = Field(foreign_key="cycle.id", index=True)
    submission_id: str | None = Field(default=None, foreign_key="submission.id", index=True)
    kind: KeptKind = Field(sa_column=Column(Coded(KeptKind), nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    made_by: str
    number: int
    sha256: str
    note: str = ""
    wrapped_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    @property
    def content_name(self) -> str:
        """The vault's name for the document."""
        return f"{self.id}-kept"


@dataclass(frozen=True, slots=True)
class KeptBook:
    """One cycle's documents. None is ever changed: a later one of the same kind stands beside it."""

    store: Store
    vault: Vault

    def keep(
        self, kind: KeptKind, content: bytes, act: Act, *, submission_id: str | None = None, note: str = ""
    ) -> Kept:
        """Keep a document: first the file, then the row, so that every row has its file."""
        with self.vault.keeping(season_kind(kind)) as key:
            kept = Kept(
                cycle_id=self.store.cycle_id,
                submission_id=submission_id,
                kind=kind,
                made_at=act.at,
                made_by=act.who,
                number=len(self._rows()) + 1,
                sha256=hashlib.sha256(content).hexdigest(),
                note=note,
                wrapped_key=key,
            )
            self.vault.put(kept.content_name, kept.wrapped_key, content)
            with self.store.transaction() as session:
                session.add(kept)
                if kind in _TOLD:
                    session.flush()
                    self._tell(session, kept, act)
        return kept

    def _tell(self, session: Session, kept: Kept, act: Act) -> None:
        """In the log of events too, where an edit shows; with the beginning of the document's SHA-256."""
        of = session.get(Submission, kept.submission_id) if kept.submission_id else None
        self.store.note(session, act, "kept", kept.kind.value, submission=of, to_state=kept.sha256[:16])

    def newest(self, kind: KeptKind, submission_id: str | None = None) -> Kept | None:
        """The newest readable one of this cycle, or of one submission in it; None when there is none."""
        found = [kept for kept in self.every(kind) if submission_id in (None, kept.submission_id)]
        return found[-1] if found else None

    def every(self, kind: KeptKind) -> list[Kept]:
        """All readable ones of a kind, oldest first."""
        return [kept for kept in self._rows() if kept.kind is kind and kept.wrapped_key != PURGED_KEY]

    def read(self, kept: Kept) -> bytes:
        """The document; BadMessage when its file was changed or is gone, Locked when its key has been destroyed."""
        return self.vault.get(kept.content_name, kept.wrapped_key)

    def living(self, kinds: Collection[KeptKind]) -> list[Kept]:
        """All readable ones of some kinds, oldest first."""
        return [kept for kept in self._rows() if kept.kind in kinds and kept.wrapped_key != PURGED_KEY]

    def _rows(self) -> list[Kept]:
        with self.store.transaction() as session:
            wanted = select(Kept).where(Kept.cycle_id == self.store.cycle_id)
            return list(session.exec(wanted.order_by(col(Kept.made_at), col(Kept.number))).all())
