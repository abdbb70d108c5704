"""The AMQP 1.0 dialect, which is what the bus's message profile demands: one link per queue, one message at a time.

A body is streamed from the vault to the wire as one Data section, so a large message is never whole in memory. The
same order of settlement as the profile's: the broker forgets a message only after it was accepted here.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import quote

import proton

from kpr.transports.amqp.amqp10_codec import decoded, head_of
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.line import Line
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.wire import Wire, text_of

_CHUNK = 1 << 18
#: How much may wait in the engine before the stream pauses.
_AHEAD = 1 << 20
#: A queue from which nothing comes for so long counts as read to its end; what comes later is there next time.
_QUIET_SECONDS = 0.5

#: One that the broker says is there may take so long; somebody else may have taken it meanwhile.
_EXPECTED_SECONDS = 5.0

#: Targets and sources by address format (amqp.md s. 1.4).
_ADDRESSES = {
    "v1": ("/exchange/{exchange}/{queue}", "/amq/queue/{queue}"),
    "v2": ("/exchanges/{exchange}/{queue}", "/queues/{queue}"),
}
_OUTCOMES = {proton.Delivery.RELEASED: "released", proton.Delivery.MODIFIED: "modified"}


class Amqp10Bus:
    """One connection with a sender link per target and a receiver link per queue, each in a session of its own.

    RabbitMQ 3.x ends the whole session for one bad address; so no other link shares it.
    """

    def __init__(self, settings: AmqpSettings) -> None:
        self._settings = settings
        self._line: Line | None = None
        self._links: dict[str, Any] = {}

    # -- the connection -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, unless the line is open."""
        if self._line is None or not self._line.is_open():
            self._drop()
            self._line = Line(self._settings)

    def _drop(self) -> None:
        if self._line is not None:
            self._line.drop()
        self._line, self._links = None, {}

    def close(self) -> None:
        """Say goodbye."""
        if self._line is not None:
            self._line.close()
        self._line, self._links = None, {}

    def product(self) -> str:
        """What the broker says that it is, such as "RabbitMQ 3.10.8"."""
        said = self._opened().connection.remote_properties or {}
        known = {str(name): text_of(value) for name, value in said.items()}
        return f"{known.get('product', 'unknown')} {known.get('version', '')}".strip()

    def _opened(self) -> Line:
        self.open()
        assert self._line is not None
        return self._line

    def _address(self, queue: str, *, target: bool) -> str:
        wanted = self._settings.address_format
        if wanted == "auto":
            version = re.search(r" (\d+)", self.product())
            wanted = "v2" if version and int(version[1]) >= 4 else "v1"
        pattern = _ADDRESSES[wanted][0 if target else 1]
        return pattern.format(exchange=_escaped(self._settings.exchange, wanted), queue=_escaped(queue, wanted))

    def _link(self, line: Line, queue: str, *, target: bool) -> Any:
        """A link that the broker has taken; the same one as long as it lives."""
        address = self._address(queue, target=target)
        link = self._links.get(address)
        if link is not None and not (link.state | link.session.state) & proton.Endpoint.REMOTE_CLOSED:
            return link
        session = line.connection.session()
        session.open()
        link = session.sender(f"send {address}") if target else session.receiver(f"receive {address}")
        (link.target if target else link.source).address = address
        link.snd_settle_mode = proton.Link.SND_UNSETTLED
        link.open()
        try:
            line.until(lambda: link.state & proton.Endpoint.REMOTE_ACTIVE, link, session)
            if target:  # a link that is refused is opened first and closed then; credit comes to one that is taken
                line.until(lambda: link.credit > 0, link, session, condition="no-credit")
        except BusFault:
            session.close()
            raise
        self._links[address] = link
        return link

    # -- sending --------------------------------------------------------------------------------------------------

    def publish(self, queue: str, wire: Wire, body: BinaryIO, size: int) -> None:
        """Stream one message; only the outcome "accepted" is success."""
        line = self._opened()
        with line.lock:
            link = self._link(line, queue, target=True)
            head = head_of(wire, size)
            if 0 < link.remote_max_message_size < len(head) + size:
                raise BusFault("amqp:link:message-size-exceeded")
            line.until(lambda: link.credit > 0, link, link.session, condition="no-credit")
            try:
                delivery = _stream(line, link, wire.message_id, head, body)
                line.until(lambda: delivery.remote_state, link, link.session)
            except BaseException:  # a delivery that is half on the wire cannot be taken back but with its connection
                self._drop()
                raise
            _demand_accepted(delivery)
            delivery.settle()

    def check_target(self, queue: str) -> int | None:
        """Attach a sender; the largest message that the broker says it takes."""
        line = self._opened()
        with line.lock:
            return self._link(line, queue, target=True).remote_max_message_size or None

    # -- receiving ------------------------------------------------------------------------------------------------

    def check_source(self, queue: str) -> None:
        """Attach a receiver without credit."""
        line = self._opened()
        with line.lock:
            self._link(line, queue, target=False)

    def take(self, queue: str, expected: int | None = None) -> Iterator[Taken10]:
        """As many as are expected, or until nothing more comes. What was not settled then goes back into the queue."""
        if expected == 0:
            return
        line = self._opened()
        with line.lock:
            link = self._link(line, queue, target=False)
        patience = _QUIET_SECONDS if expected is None else _EXPECTED_SECONDS
        try:
            for _ in itertools.count() if expected is None else range(expected):
                with line.lock:
                    taken = _next(line, link, patience)
                if taken is None:
                    return
                yield taken
        finally:
            self._forget(line, link)

    def _forget(self, line: Line, link: Any) -> None:
        """Give up a receiver with its credit, so that no message comes to a link that nobody reads."""
        self._links = {address: other for address, other in self._links.items() if other is not link}
        with line.lock, contextlib.suppress(BusFault):
            link.close()
            link.session.close()
            line.flush()


def _escaped(name: str, address_format: str) -> str:
    """v2 is percent-encoded; v1 knows that sign for a slash alone, and takes any other as part of the name (measured)."""
    return quote(name, safe="") if address_format == "v2" else name.replace("/", "%2F")


def _stream(line: Line, link: Any, tag: str, head: bytes, body: BinaryIO) -> Any:
    """Put the message on the wire piece by piece; the last piece leaves together with the word that it is the last.

    Otherwise the last transfer could be an empty one, and RabbitMQ 3.10 ends the session over it (measured).
    """
    delivery = link.delivery(tag)
    piece = head
    while following := body.read(_CHUNK):
        link.stream(piece)
        line.until(lambda: link.session.outgoing_bytes < _AHEAD, link, link.session)
        piece = following
    link.stream(piece)
    link.advance()
    return delivery


def _demand_accepted(delivery: Any) -> None:
    state = delivery.remote_state
    if state == proton.Delivery.ACCEPTED:
        return
    condition = delivery.remote.condition
    delivery.settle()
    raise BusFault(condition.name if condition else _OUTCOMES.get(state, "rejected"))


@dataclass(slots=True)
class Taken10:
    """One delivery that is not settled yet."""

    wire: Wire
    body: bytes = field(repr=False)
    line: Line = field(repr=False)
    delivery: Any = field(repr=False)

    def accept(self) -> None:
        """The broker removes it."""
        self._settle(proton.Delivery.ACCEPTED)

    def release(self) -> None:
        """The broker puts it back, without counting (amqp.md s. 1.7; "modified" is an error on 3.x)."""
        self._settle(proton.Delivery.RELEASED)

    def _settle(self, outcome: Any) -> None:
        with self.line.lock:
            self.delivery.update(outcome)
            self.delivery.settle()
            self.line.flush()


def _next(line: Line, link: Any, patience: float) -> Taken10 | None:
    """The next whole message; None when none comes for a while.

    Draining the link would tell at once that there is none, but crashes the channel of RabbitMQ 3.10 (measured).
    """
    if link.credit == 0:
        link.flow(1)
    if not line.within(patience, lambda: _has_bytes(link), link, link.session):
        return None
    pieces = [link.recv(link.current.pending)]
    while link.current.partial:
        line.until(lambda: _has_bytes(link), link, link.session)
        pieces.append(link.recv(link.current.pending))
    delivery = link.current
    link.advance()
    wire, body = decoded(b"".join(pieces))
    return Taken10(wire, body, line, delivery)


def _has_bytes(link: Any) -> bool:
    return link.current is not None and (link.current.pending > 0 or not link.current.partial)
