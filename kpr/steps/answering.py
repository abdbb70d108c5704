"""What we say to the other side's transport about a message that came: it was taken in, or it cannot be used.

On a route that acknowledges, a message is acknowledged once it is durable here, before it is taken off the transport;
its retries get the same acknowledgment again (HIS 1037 s. 6.2.1). Signals are never answered.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from kpr.errors import BadInput, TransportError
from kpr.log import get_log
from kpr.messages.ebxml.refused import RuleBroken, answer_form
from kpr.packaging.seam import Reply, Unpacked
from kpr.security.refusals import condition_of
from kpr.steps.workplace import Workplace
from kpr.store import Taken
from kpr.transports.seam import Envelope, Fault, Received

_log = get_log("collect")


@dataclass(frozen=True, slots=True)
class Answering:
    """A message that is acknowledged when it leaves the transport; not told, it stays there, and is told next time."""

    place: Workplace
    received: Received
    unpacked: Unpacked
    before: Taken | None = None

    @property
    def envelope(self) -> Envelope:
        """What stood on it; of one from the vault that is known only now."""
        return self.unpacked.envelope or self.received.envelope

    def open(self) -> BinaryIO:
        """The bytes."""
        return self.received.open()

    def accept(self) -> None:
        """Acknowledge it and take it off the transport."""
        if self._acknowledged():
            self.received.accept()

    def set_aside(self, reason: str) -> None:
        """Acknowledge it, since it could be opened, and take it away as useless."""
        if self._acknowledged():
            self.received.set_aside(reason)

    def _acknowledged(self) -> bool:
        act = self.place.act("register")
        taken = self.before or self.place.taken_in.add(self.envelope, self.unpacked.digests, act)
        reply = self.place.packaging.acknowledgment(self.unpacked, taken.at)
        return reply is None or _sent(self.place, reply)


def _sent(place: Workplace, reply: Reply) -> bool:
    try:
        place.transport.send(reply.envelope, io.BytesIO(reply.body), len(reply.body))
    except TransportError as error:
        _log.warning("a signal could not be sent", kind=reply.envelope.message_type, reason=type(error).__name__)
        return False
    return True


def tell_sender(place: Workplace, received: Received, why: BadInput) -> None:
    """Tell the sender that its message cannot be used. That it cannot be told changes nothing (amqp.md s. 4.2)."""
    envelope, condition = received.envelope, condition_of(why)
    to_us = envelope.to_her_id in ("", place.settings.sender.service_her_id)
    if not envelope.from_her_id or not to_us or not condition:  # nobody to tell, or not ours to complain about
        return
    said = why.problem if isinstance(why, RuleBroken) else ""
    fault = Fault(condition, envelope.message_id, said, noticed_at=place.clock())
    reply = place.packaging.refusal(fault, envelope, answer_form(condition))
    if reply is not None:
        _sent(place, reply)
        return
    try:
        place.transport.report(fault, envelope)
    except TransportError as error:
        _log.warning("the sender could not be told", condition=condition, reason=type(error).__name__)
