"""Messages of the other side that were taken in on a route that acknowledges: their retries are answered the same."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from kpr.store.store import Act, Store
from kpr.store.tables import Taken
from kpr.transports.seam import Envelope


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came to one of our parties, whichever year it was for."""

    store: Store

    def find(self, envelope: Envelope) -> Taken | None:
        """The message as it was taken in before; None when it was not."""
        with self.store.transaction() as session:
            wanted = select(Taken).where(
                Taken.to_her_id == envelope.to_her_id,
                Taken.from_her_id == envelope.from_her_id,
                Taken.message_id == envelope.message_id,
            )
            return session.exec(wanted).first()

    def add(self, envelope: Envelope, digest: str, act: Act) -> Taken:
        """Write down that it was taken in now; what stands there when another process was first."""
        entry = Taken(
            cycle_id=self.store.cycle_id,
            to_her_id=envelope.to_her_id,
            from_her_id=envelope.from_her_id,
            message_id=envelope.message_id,
            digest=digest,
            at=act.at,
        )
        try:
            with self.store.transaction() as session:
                session.add(entry)
        except IntegrityError:
            found = self.find(envelope)
            if found is None:
                raise
            return found
        return entry
