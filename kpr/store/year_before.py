"""What this municipality's other years in the same database left for this one: the figures of what was accepted."""

from __future__ import annotations

from sqlmodel import col, select

from kpr.conversation import SubmissionState
from kpr.store.kept import Kept, KeptKind
from kpr.store.store import PURGED_KEY, Store
from kpr.store.tables import Cycle, Submission


def accepted_figures(store: Store, number: str, data_year: int) -> tuple[Kept, Submission] | None:
    """The figures of the newest accepted version of a data year, and that version; None where there are none.

    ``number`` is what the municipality was called then. What was sent may have been purged: figures have keys of
    their own.
    """
    wanted = (
        select(Kept, Submission)
        .join(Submission, col(Kept.submission_id) == col(Submission.id))
        .join(Cycle, col(Submission.cycle_id) == col(Cycle.id))
        .where(Cycle.municipality == number, Cycle.data_year == data_year)
        .where(Submission.state == SubmissionState.ACCEPTED)
        .where(Kept.kind == KeptKind.FIGURES, Kept.wrapped_key != PURGED_KEY)
        .order_by(col(Submission.version).desc(), col(Kept.made_at).desc(), col(Kept.number).desc())
    )
    with store.transaction() as session:
        found = session.exec(wanted).first()
    return (found[0], found[1]) if found else None
