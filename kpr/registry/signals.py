"""What the stand-in register says on the transport's own level: acknowledgments and errors, on a route that has them.

One signal a message, kept with it: a message that comes again gets the very same one (HIS 1037 s. 6.2.1), as the
scenario wants it: never, from a later try on, late, twice, or after the receipt.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kpr.errors import BadInput, TransportError
from kpr.log import get_log, opaque
from kpr.packaging.seam import Packaging, Reply
from kpr.registry.scenario import Play
from kpr.registry.state import RegisterState, Signal
from kpr.transports.seam import Envelope, Received, Transport

_log = get_log("register")


@dataclass(frozen=True, slots=True)
class Signals:
    """Where signals are kept, and the way that they go."""

    transport: Transport
    packagings: Mapping[str, Packaging]
    state: RegisterState
    own_her_id: str
    limit: int

    def send_due(self, now: datetime, *, after_receipts: bool) -> int:
        """Send what is due; how many. What cannot leave now stays due."""
        return sum(
            self._send(signal, now)
            for signal in self.state.due_signals(now)
            if signal.after_receipt is after_receipts
            for _ in range(signal.pending)
        )

    def answer_again(self, received: Received, now: datetime) -> None:
        """A message that has come before: the same signal again, unless it is another one under the same id."""
        envelope = received.envelope
        kept = self.state.signal(envelope.from_her_id, envelope.message_id)
        if kept is None:
            return
        # One that was refused as it came has none: then there is nothing to compare, and the same error goes out again.
        # Otherwise it is warned of, not handed on and not answered (HITS 1172 s. 5.8.2).
        if kept.digests and kept.digests != self._digests(received, now):
            _log.error("another message under an id that has come", transport_id=opaque(envelope.message_id))
            return
        self.state.came_again(kept)

    def _digests(self, received: Received, now: datetime) -> str:
        try:
            with received.open() as raw:
                packaging = self.packagings[received.envelope.from_her_id]
                return packaging.unpack(raw, io.BytesIO(), limit=self.limit, now=now).digests
        except BadInput:
            return ""

    def _send(self, signal: Signal, now: datetime) -> bool:
        envelope = Envelope(signal.message_id, signal.kind, self.own_her_id, signal.her_id, now)
        try:
            self.transport.send(envelope, io.BytesIO(signal.body), len(signal.body))
        except TransportError as error:
            _log.warning("a signal could not be sent", kind=signal.kind, reason=type(error).__name__)
            return False
        self.state.signal_sent(signal)
        return True


def signal_for(reply: Reply | None, of: Envelope, digests: str, play: Play, now: datetime) -> Signal | None:
    """The signal that answers a message, as it is kept; None on a route that has none."""
    if reply is None:
        return None
    return Signal(
        her_id=of.from_her_id,
        transport_id=of.message_id,
        digests=digests,
        kind=reply.envelope.message_type,
        message_id=reply.envelope.message_id,
        body=reply.body,
        from_try=play.acknowledge_from_try,
        at=now + timedelta(hours=max(play.acknowledge_late_hours, play.late_hours if play.receipt_first else 0)),
        pending=(2 if play.acknowledge_double else 1) if play.acknowledge_from_try == 1 else 0,
        after_receipt=play.receipt_first,
    )
