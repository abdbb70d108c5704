"""The AMQP transport: the seam on one side, a bus in either dialect on the other. Knows queues; holds no rules.

Sending is tried again by the retry table under the same ids, and returns only when the broker has the message on the
queue. Reading goes over the asynchronous queue, the error queue, and the dead-letter queue where one is named; a fault
in one of them does not keep the others from being read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from kpr.address_book import AddressBook, Entry, queue_name
from kpr.errors import BadSettings
from kpr.log import get_log, opaque
from kpr.transports.amqp.bus import Bus, BusFault, Taken
from kpr.transports.amqp.error_forms import error_message
from kpr.transports.amqp.outcomes import as_error, with_retries
from kpr.transports.amqp.queues import Presence, look_at, look_at_all
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.wire import Stamp, Wire, from_wire, to_wire
from kpr.transports.seam import Envelope, ErrorForm, Fault

_log = get_log("amqp")


@dataclass
class AmqpTransport:
    """One communication party's end of the bus."""

    settings: AmqpSettings
    book: AddressBook
    own_her_id: str
    bus: Bus
    _known_targets: set[str] = field(default_factory=set, repr=False)

    # -- sending --------------------------------------------------------------------------------------------------

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:
        """Put one message on the receiver's asynchronous queue; returns when the broker has accepted it there."""
        address = registered(self.book.entry(envelope.to_her_id), "asynchronous")
        if size > self.settings.max_bytes:
            raise as_error(BusFault("amqp:link:message-size-exceeded"))
        wire = to_wire(envelope, address, self._stamp("asynchronous"))
        self._publish(address, wire, body, size)
        _log.info("on the queue", transport_id=envelope.message_id, message_type=envelope.message_type, size=size)

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:
        """Put an error message on the sender's error queue; nothing when there is nobody to tell, or it is an error."""
        sender = self.book.find(of.from_her_id)
        to = (sender.addresses.error if sender else None) or ""
        is_error = of.fault is not None or of.came_by == "error"  # whatever lay on the error queue is never answered
        if is_error or of.from_her_id == self.own_her_id or not queue_name(to):
            return
        # The same message gives the same error message, so that a kill between two steps tells it once.
        message_id = str(uuid5(NAMESPACE_URL, f"{self.own_her_id}/error/{of.message_id}/{fault.condition}"))
        # Whatever stands there as receiver, it is we who answer: it lay in our queue.
        known = replace(of, to_her_id=self.own_her_id)
        wire, body = error_message(fault, known, message_id, to, self._stamp("error"), form)
        self._publish(to, wire, io.BytesIO(body), len(body))

    def _publish(self, address: str, wire: Wire, body: BinaryIO, size: int) -> None:
        queue = queue_name(address)

        def once() -> None:
            self._demand_target(queue)
            body.seek(0)
            self.bus.publish(queue, wire, body, size)

        with_retries(once)

    def _demand_target(self, queue: str) -> None:
        """RabbitMQ 3.x accepts a message for a queue that does not exist, and loses it (amqp.md s. 9.4): ask before."""
        if self.settings.dialect != "amqp10" or queue in self._known_targets:
            return
        presence = look_at(self.settings, queue).presence if " 3." in self.bus.product() else Presence.THERE
        if presence is Presence.MISSING:
            raise BusFault("released")
        if presence is Presence.THERE:
            self._known_targets.add(queue)

    def _stamp(self, kind: str) -> Stamp:
        reply_to = registered(self.book.entry(self.own_her_id), kind)
        return Stamp(reply_to, self.settings.system_identifier, self.settings.cpa_id)

    # -- receiving ------------------------------------------------------------------------------------------------

    def own_queues(self) -> dict[str, str]:
        """The queues that are read, by the name that an envelope gives as ``came_by``."""
        own = self.book.entry(self.own_her_id)
        queues = {
            "async": queue_name(registered(own, "asynchronous")),
            "error": queue_name(registered(own, "error")),
        }
        dead = self.settings.dead_letter_queue
        return queues | ({"dead letter": dead} if dead else {})

    def receive(self) -> Iterator[AmqpMessage]:
        """What waits in each queue. A queue that cannot be read is told of when the others have been read."""
        fault: BusFault | None = None
        queues = self.own_queues()
        expected = self._expected(list(queues.values()))
        for came_by, queue in queues.items():
            try:
                for taken in self.bus.take(queue, expected.get(queue)):
                    yield AmqpMessage(from_wire(taken.wire, came_by, taken.body), taken)
            except BusFault as error:
                _log.warning("a queue could not be read", queue=came_by, condition=error.condition)
                fault = fault or error
        if fault is not None:
            raise as_error(fault)

    def _expected(self, queues: list[str]) -> dict[str, int]:
        """How many messages wait in each queue, where the broker tells: AMQP 1.0 has no word for "there is no more"."""
        if self.settings.dialect != "amqp10":
            return {}
        looks = look_at_all(self.settings, queues)
        return {queue: look.waiting for queue, look in looks.items() if look.waiting is not None}

    def close(self) -> None:
        """Close the connection."""
        self.bus.close()


@dataclass(frozen=True, slots=True)
class AmqpMessage:
    """One message that came; the broker keeps it until it is accepted or set aside."""

    envelope: Envelope
    taken: Taken = field(repr=False)

    def open(self) -> BinaryIO:
        """The protected bytes."""
        return io.BytesIO(self.taken.body)

    def accept(self) -> None:
        """Settle it. When that cannot be told to the broker, the message comes again, and is known then."""
        try:
            self.taken.accept()
        except BusFault as fault:
            raise as_error(fault) from None

    def set_aside(self, reason: str) -> None:
        """Settle it as well: rejecting would lose it on a queue without dead letters; its bytes are kept here."""
        transport_id = opaque(self.envelope.message_id)
        _log.warning("set aside", reason=reason, transport_id=transport_id, came_by=self.envelope.came_by)
        self.accept()


def registered(entry: Entry, kind: str) -> str:
    """An address of a party as it is registered; BadSettings when the address book has none."""
    address: str = getattr(entry.addresses, kind) or ""
    if not queue_name(address):
        raise BadSettings(
            f"The address book has no {kind} queue for HER-id {entry.her_id}.",
            place="addresses",
            remedy="Fetch it anew from Adresseregisteret, where the bus must be switched on for this party.",
        )
    return address


def open_bus(settings: AmqpSettings) -> Bus:
    """The bus in the dialect that the settings name."""
    if settings.dialect == "amqp091":
        from kpr.transports.amqp.amqp091 import Amqp091Bus

        return Amqp091Bus(settings)
    try:
        from kpr.transports.amqp.amqp10 import Amqp10Bus
    except ImportError:
        raise BadSettings(
            "AMQP 1.0 needs the package python-qpid-proton, which is not installed.",
            place="transport.dialect",
            remedy="Install it with: pip install '.[amqp10]' (it is compiled: gcc and Python's headers are needed).",
        ) from None
    return Amqp10Bus(settings)
