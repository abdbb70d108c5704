"""Documents of this municipality's other years in the same database, read without opening a year that is not there."""

from __future__ import annotations

from sqlmodel import col, select

from kpr.store.kept import Kept, KeptKind
from kpr.store.store import PURGED_KEY, Store
from kpr.store.tables import Cycle


def kept_before(store: Store, number: str, data_year: int, kind: KeptKind) -> list[Kept]:
    """All readable documents of a kind, oldest first; ``number`` is what the municipality was called in that year."""
    wanted = (
        select(Kept)
        .join(Cycle, col(Kept.cycle_id) == col(Cycle.id))
        .where(Cycle.municipality == number, Cycle.data_year == data_year)
        .where(Kept.kind == kind, Kept.wrapped_key != PURGED_KEY)
        .order_by(col(Kept.made_at), col(Kept.number))
    )
    with store.transaction() as session:
        return list(session.exec(wanted).all())
