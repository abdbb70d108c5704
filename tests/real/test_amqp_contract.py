"""What a real broker does, against what kpr was written for; and that each of its answers becomes the clear outcome.

The same tests run on any version: what differs between brokers stands in one table (amqp.md s. 1.4, 1.5 and 9.4).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pika
import proton
import pytest
from broker_fixture import Ended, Rabbit, message

from kpr.address_book import AddressBook
from kpr.demo.broker_keys import write_server_keys
from kpr.errors import TransportError, TransportRefused
from kpr.simulator_bus import SimulatedBus
from kpr.transports.amqp import line
from kpr.transports.amqp.bus import Bus, BusFault
from kpr.transports.amqp.outcomes import as_error
from kpr.transports.amqp.queues import Presence, look_at
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.transport import AmqpTransport
from kpr.transports.amqp.wire import CONTENT_TYPE, Wire
from kpr.transports.seam import Envelope

ACCEPTED, REJECTED, RELEASED = proton.Delivery.ACCEPTED, proton.Delivery.REJECTED, proton.Delivery.RELEASED
DIALECTS = ("amqp10", "amqp091")
LEGACY_TARGET, LEGACY_SOURCE = "/exchange/{bus.exchange}/{queue}", "/amq/queue/{queue}"
NEW_TARGET, NEW_SOURCE = "/exchanges/{bus.exchange}/{queue}", "/queues/{queue}"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What brokers differ in. A pair says how something is refused: which endpoint ends, and with what condition."""

    unroutable: Any
    missing: tuple[str, str]
    bare_makes_a_queue: bool
    without_body: Any
    headless_is_durable: bool
    largest: int
    too_large: tuple[str, str]
    modified: tuple[str, str] | None
    v1: tuple[str, str] | None
    v2: tuple[str, str] | None
    idle_seconds: int
    credit: int


_SIZE = "amqp:link:message-size-exceeded"
#: By the first version that behaves so; 4.x as measured on 4.0.5 and 4.3.6.
BEHAVIOURS = {
    (3, 10): Behaviour(
        unroutable=ACCEPTED,  # and lost: this is why kpr looks for the queue first
        missing=("session", "amqp:not-found"),
        bare_makes_a_queue=True,
        without_body=ACCEPTED,
        headless_is_durable=False,
        largest=0,
        too_large=("session", "amqp:precondition-failed"),
        modified=("session", "amqp:invalid-field"),
        v1=None,
        v2=("session", "amqp:invalid-field"),
        idle_seconds=60,
        credit=65536,
    ),
    (4, 0): Behaviour(
        unroutable=RELEASED,
        missing=("session", "amqp:not-found"),
        bare_makes_a_queue=True,
        without_body=("session", "amqp:internal-error"),
        headless_is_durable=True,
        largest=16 << 20,
        too_large=("session", _SIZE),
        modified=None,
        v1=None,
        v2=None,
        idle_seconds=30,
        credit=170,
    ),
    (4, 3): Behaviour(
        unroutable=RELEASED,
        missing=("link", "amqp:not-found"),
        bare_makes_a_queue=False,
        without_body=("link", "amqp:decode-error"),
        headless_is_durable=False,
        largest=16 << 20,
        too_large=("link", _SIZE),
        modified=None,
        v1=("link", "amqp:invalid-field"),
        v2=None,
        idle_seconds=30,
        credit=170,
    ),
}


@pytest.fixture(scope="module")
def known(rabbit: Rabbit) -> Behaviour:
    """What this broker's version is known to do."""
    return BEHAVIOURS[max(version for version in BEHAVIOURS if version <= rabbit.version)]


@pytest.fixture
def bus(rabbit: Rabbit) -> SimulatedBus:
    """Fresh names."""
    return rabbit.bus()


def how(outcome: Any) -> Any:
    """An ending without the broker's own words."""
    return (outcome.what, outcome.condition) if isinstance(outcome, Ended) else outcome


def publish(bus: Bus, queue: str, body: bytes = b"body", wire: Wire | None = None) -> None:
    """One message through our bus."""
    bus.publish(queue, wire or Wire("id", "to", "KPR_IPL"), io.BytesIO(body), len(body))


def take(bus: Bus, queue: str, number: int = 1, settle: str = "accept") -> list[Any]:
    """So many messages, each settled; fails when fewer come."""
    taken: list[Any] = []
    until = time.monotonic() + 10
    while len(taken) < number and time.monotonic() < until:
        for one in bus.take(queue):
            if settle:
                getattr(one, settle)()
            taken.append(one)
            if len(taken) == number:
                break
    assert len(taken) == number
    return taken


@contextmanager
def refused(condition: str) -> Iterator[None]:
    """Our bus tells this condition, and a person is told a sentence with it."""
    with pytest.raises(BusFault) as fault:
        yield
    assert fault.value.condition == condition
    assert condition in str(as_error(fault.value))


# -- what the broker advertises (s. 1.5) -----------------------------------------------------------------------------


def test_what_the_broker_advertises(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """Version, frame size, idle time-out, credit and largest message are those that kpr was written for."""
    with rabbit.raw(bus) as raw:
        link = raw.sender(raw.target(bus, bus.register_queue))
        assert raw.attached(link) is None
        transport = raw.line._transport
        assert raw.product == rabbit.version
        assert 512 <= transport.remote_max_frame_size <= 131072
        assert transport.remote_idle_timeout == known.idle_seconds
        assert link.credit == known.credit
        assert link.remote_max_message_size == known.largest


def test_our_bus_tells_the_product_and_the_largest_message(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """Both dialects tell the same product; AMQP 1.0 also the largest message, None where the broker does not say."""
    for dialect in DIALECTS:
        with rabbit.open(bus, dialect=dialect) as ours:
            assert ours.product().startswith("RabbitMQ {}.{}.".format(*rabbit.version))
            largest = ours.check_target(bus.register_queue)
            assert largest == (known.largest or None if dialect == "amqp10" else None)


# -- addresses (s. 1.4) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "source", "row"), [(LEGACY_TARGET, LEGACY_SOURCE, "v1"), (NEW_TARGET, NEW_SOURCE, "v2")]
)
def test_which_addresses_the_broker_takes(
    rabbit: Rabbit, bus: SimulatedBus, known: Behaviour, target: str, source: str, row: str
) -> None:
    """Sender and receiver addresses of each form are taken, or refused in the known way."""
    for kind, pattern in (("sender", target), ("receiver", source)):
        with rabbit.raw(bus) as raw:
            link = getattr(raw, kind)(pattern.format(bus=bus, queue=bus.register_queue))
            assert how(raw.attached(link)) == getattr(known, row)


@pytest.mark.parametrize("form", ["v1", "v2", "auto"])
def test_the_address_format_of_the_settings(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour, form: str) -> None:
    """v1 and v2 work where the broker takes them, and otherwise say that the setting is to be checked; auto works."""
    wrong = None if form == "auto" else getattr(known, form)
    with rabbit.open(bus, address_format=form) as writing, rabbit.open(bus, "register", address_format=form) as reading:
        if wrong:
            with refused(wrong[1]):
                publish(writing, bus.register_queue)
            with refused(wrong[1]):
                take(reading, bus.register_queue)
        else:
            publish(writing, bus.register_queue)
            assert take(reading, bus.register_queue)[0].body == b"body"


def test_names_with_odd_signs(rabbit: Rabbit) -> None:
    """A queue whose name has a slash, a blank, a plus and a percent sign is found by its name."""
    bus, queue = rabbit.bus(), "kpr0_a/100% b+c"
    rabbit.broker.declare(bus.exchange, {queue: None})
    for dialect in DIALECTS:
        with rabbit.open(bus, dialect=dialect) as ours:
            publish(ours, queue, dialect.encode())
            assert take(ours, queue)[0].body == dialect.encode()


def test_a_name_that_is_not_ascii(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A queue with Norwegian letters cannot be named in a v1 address on 3.x; that is a fault with a sentence, no crash."""
    queue = "kpr0_blåbær"
    rabbit.broker.declare(bus.exchange, {queue: None})
    with rabbit.open(bus) as ours:
        if known.v2 is None:
            publish(ours, queue)
            take(ours, queue)
        else:
            with refused("amqp:invalid-field"):
                take(ours, queue)


# -- what cannot be delivered (s. 9.4) -------------------------------------------------------------------------------


def test_an_unroutable_message(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A routing key without a queue is accepted and lost by 3.x, released by 4.x; 0-9-1 always tells."""
    with rabbit.raw(bus) as raw:
        assert raw.send(raw.sender(raw.target(bus, "nowhere")), message()) == known.unroutable
    with rabbit.open(bus, dialect="amqp091") as ours, refused("released"):
        publish(ours, "nowhere")
    if known.unroutable == RELEASED:
        with rabbit.open(bus) as ours, refused("released"):
            publish(ours, "nowhere")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_transport_never_loses_an_unroutable_message(rabbit: Rabbit, dialect: str) -> None:
    """Whatever the broker does, the transport refuses to send to a queue that does not exist, with the sentence."""
    bus = rabbit.bus(dialect)
    with (
        transport(rabbit, bus, to="reg0_nowhere") as ours,
        pytest.raises(TransportRefused, match=r"ingen kø.*released"),
    ):
        send(ours)


def test_a_missing_exchange(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A target whose exchange does not exist ends session or link with not-found; our bus tells not-found."""
    with rabbit.raw(bus) as raw:
        address = raw.target(bus, bus.register_queue).replace(bus.exchange, "SIM0")
        assert how(raw.attached(raw.sender(address))) == known.missing
    for dialect in DIALECTS:
        with rabbit.open(bus, dialect=dialect, exchange="SIM0") as ours, refused("amqp:not-found"):
            publish(ours, bus.register_queue)


def test_a_missing_queue(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A source that does not exist ends session or link with not-found; our bus tells not-found, in every method."""
    with rabbit.raw(bus) as raw:
        assert how(raw.attached(raw.receiver(raw.source("kpr0_nope")))) == known.missing
    for dialect in DIALECTS:
        with rabbit.open(bus, dialect=dialect) as ours:
            with refused("amqp:not-found"):
                take(ours, "kpr0_nope")
            with refused("amqp:not-found"):
                ours.check_source("kpr0_nope")
            publish(ours, bus.register_queue)  # the fault cost this link alone


def test_a_bare_address(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A bare address makes a queue on brokers before 4.3, which is why kpr never writes one."""
    queues = [f"bare-{bus.exchange}", f"bare-{bus.exchange}-too"]
    for queue, address in zip(queues, (queues[0], f"/queue/{queues[1]}"), strict=True):
        with rabbit.raw(bus) as raw:
            assert (raw.attached(raw.sender(address)) is None) == known.bare_makes_a_queue
        made = look_at(rabbit.settings(bus), queue).presence is Presence.THERE
        assert made == known.bare_makes_a_queue


def test_a_message_without_a_body_section(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """A message without any body section is taken by 3.x and refused by 4.x; kpr always writes one, also when empty."""
    with rabbit.raw(bus) as raw:
        bodiless = bytes(proton.Message(id="no body", durable=True).encode())
        assert how(raw.send(raw.sender(raw.target(bus, bus.register_queue)), bodiless)) == known.without_body
    with rabbit.open(bus) as ours:
        publish(ours, bus.municipality_queue, b"")
        assert take(ours, bus.municipality_queue)[0].body == b""


def test_what_is_stored_durably(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """Without a header a message is durable on 4.0 alone; what kpr sends is durable on every broker and dialect."""

    def stored() -> bool:
        with rabbit.pika() as connection:
            return bool(connection.channel().basic_get(bus.register_queue, auto_ack=True)[1].delivery_mode == 2)

    with rabbit.raw(bus) as raw:
        headless = b"\x00\x53\x75\xa0\x01x"
        assert raw.send(raw.sender(raw.target(bus, bus.register_queue)), headless) == ACCEPTED
    assert stored() == known.headless_is_durable
    for dialect in DIALECTS:
        with rabbit.open(bus, dialect=dialect) as ours:
            publish(ours, bus.register_queue)
        assert stored()


# -- how large (s. 9.4) ----------------------------------------------------------------------------------------------


def test_seventeen_megabytes(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """3.x takes 17 MiB as it is configured from the start, 4.x does not; our bus sends it, or says that it is too large."""
    body = b"x" * (17 << 20)
    with rabbit.open(bus) as ours, rabbit.open(bus, "register") as theirs:
        if known.largest:
            with rabbit.raw(bus) as raw:
                assert how(raw.send(raw.sender(raw.target(bus, bus.register_queue)), message(body))) == known.too_large
            with refused(_SIZE):
                publish(ours, bus.register_queue, body)
        else:
            publish(ours, bus.register_queue, body)
            assert take(theirs, bus.register_queue)[0].body == body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_above_the_brokers_maximum(rabbit: Rabbit, known: Behaviour, dialect: str) -> None:
    """Above max_message_size the sentence says "too large", whatever words the broker has; the next message goes."""
    bus = rabbit.bus(dialect)
    with largest(rabbit, 1 << 20), transport(rabbit, bus) as ours:
        with pytest.raises(TransportRefused, match=r"større enn.*message-size-exceeded"):
            send(ours, b"x" * (2 << 20))
        send(ours)
    assert rabbit.broker.depth(bus.register_queue) == 1


@contextmanager
def largest(rabbit: Rabbit, size: int) -> Iterator[None]:
    """The broker's max_message_size, for new connections, put back afterwards."""
    change = "application:set_env(rabbit, max_message_size, {0}), persistent_term:put(max_message_size, {0})."
    before = rabbit.broker.ctl("eval", "{ok, Size} = application:get_env(rabbit, max_message_size), Size.").strip()
    rabbit.broker.ctl("eval", change.format(size))
    try:
        yield
    finally:
        rabbit.broker.ctl("eval", change.format(before))


def test_the_transport_refuses_what_the_settings_do_not_allow(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """Above transport.max_bytes nothing is even sent."""
    with transport(rabbit, bus, max_bytes=10) as ours, pytest.raises(TransportRefused, match="større enn"):
        send(ours, b"x" * 11)
    assert rabbit.broker.depth(bus.register_queue) == 0


# -- settlement (s. 1.7, 9.4) ----------------------------------------------------------------------------------------


def test_the_modified_outcome(rabbit: Rabbit, bus: SimulatedBus, known: Behaviour) -> None:
    """ "modified" ends the session on 3.x, which is why kpr puts back with "released"; the message is there again."""
    with rabbit.raw(bus) as raw:
        assert raw.send(raw.sender(raw.target(bus, bus.register_queue)), message()) == ACCEPTED
        link = raw.receiver(raw.source(bus.register_queue))
        delivery, _ = raw.take(link)
        delivery.local.failed = True
        raw.settle(delivery, proton.Delivery.MODIFIED)
        if known.modified:
            assert how(raw.ending(link)) == known.modified
    with rabbit.open(bus, "register") as ours:
        take(ours, bus.register_queue)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_released_comes_again(rabbit: Rabbit, dialect: str) -> None:
    """A message that is put back comes again, on the same connection, and is gone once it was accepted."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus) as ours:
        publish(ours, bus.municipality_queue)
        take(ours, bus.municipality_queue, settle="release")
        take(ours, bus.municipality_queue, settle="release")
        take(ours, bus.municipality_queue)
        assert list(ours.take(bus.municipality_queue)) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_unsettled_comes_again(rabbit: Rabbit, dialect: str) -> None:
    """A message that was neither accepted nor put back comes again: in the next round, and after the connection went."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus) as ours:
        publish(ours, bus.municipality_queue)
        take(ours, bus.municipality_queue, settle="")
        take(ours, bus.municipality_queue, settle="")
    with rabbit.open(bus) as later:
        take(later, bus.municipality_queue)
        assert list(later.take(bus.municipality_queue)) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_readers_share_no_message(rabbit: Rabbit, dialect: str) -> None:
    """While one reader holds a message, another reader of the queue gets the next one, and nobody gets one twice."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus) as first, rabbit.open(bus) as second:
        for number in range(4):
            publish(first, bus.municipality_queue, b"%d" % number)
        one, other = first.take(bus.municipality_queue), second.take(bus.municipality_queue)
        bodies = []
        for _ in range(2):
            held = [next(one), next(other)]
            bodies += [taken.body for taken in held]
            for taken in held:
                taken.accept()
        assert sorted(bodies) == [b"0", b"1", b"2", b"3"]
        assert list(one) == list(other) == []


def test_rejected_lands_in_the_dead_letter_queue(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """What a reader rejects is read again from the dead-letter queue, as such and whole; accepted there, it is gone."""
    with transport(rabbit, bus, user="register", to=bus.municipality_queue) as theirs:
        send(theirs, b"the bytes")
    with rabbit.raw(bus) as raw:
        delivery, _ = raw.take(raw.receiver(raw.source(bus.municipality_queue)))
        raw.settle(delivery, REJECTED)
    wait_for(lambda: rabbit.broker.depth(bus.dead_letter_queue) == 1)
    with transport(rabbit, bus, dead_letter_queue=bus.dead_letter_queue) as ours:
        came = list(ours.receive())
        assert [(one.envelope.came_by, one.open().read()) for one in came] == [("dead letter", b"the bytes")]
        assert came[0].envelope.message_id == MESSAGE_ID


def test_a_dead_letter_that_was_accepted_is_gone(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """Accepting from the dead-letter queue empties it."""
    with rabbit.pika() as connection:
        connection.channel().basic_publish("", bus.dead_letter_queue, b"dead")
    with transport(rabbit, bus, dead_letter_queue=bus.dead_letter_queue) as ours:
        for one in ours.receive():
            one.accept()
    assert rabbit.broker.depth(bus.dead_letter_queue) == 0


# -- what arrives (s. 2, 9.1, 9.2) -----------------------------------------------------------------------------------

WHOLE = Wire(
    message_id="6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11",
    to="localhost/SIM/8000004_async",
    subject="KPR_IPL",
    reply_to="localhost/SIM/8000001_async",
    correlation_id="b3c0f5c4-3f0e-4c52-8a0e-0f1b4d3c2a10",
    content_type=CONTENT_TYPE,
    properties={
        "fromHerId": "8000002",
        "toHerId": "8000004",
        "cpaId": "",
        "X-Navn": "Blåbærsyltetøy 山 🫐",
        "æøå": "x",
    },
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("body", [b"\x30\x82 body", b"", b"\x00" * 100, bytes(range(256)) * 20_480])
def test_everything_comes_as_it_was_sent(rabbit: Rabbit, dialect: str, body: bytes) -> None:
    """Every property, non-ASCII text among them, and the body, from none to 5 MB, arrive as they were sent."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus) as ours, rabbit.open(bus, "register") as theirs:
        publish(ours, bus.register_queue, body, WHOLE)
        [taken] = take(theirs, bus.register_queue)
    assert taken.wire == WHOLE
    assert taken.body == body


def test_one_data_section_on_the_wire(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """What a foreign AMQP 1.0 reader sees: durable, string ids, one Data section with the bytes, and no user id."""
    with rabbit.open(bus) as ours, rabbit.raw(bus) as raw:
        publish(ours, bus.register_queue, b"DER", WHOLE)
        _, encoded = raw.take(raw.receiver(raw.source(bus.register_queue)))
    assert encoded.endswith((b"\x00\x53\x75\xb0\x00\x00\x00\x03DER", b"\x00\x53\x75\xa0\x03DER"))
    assert encoded.count(b"\x00\x53\x75") == 1
    came = proton.Message()
    came.decode(encoded)
    assert (came.durable, came.id, came.subject, came.user_id) == (True, WHOLE.message_id, "KPR_IPL", b"")
    assert (came.address, came.reply_to, str(came.content_type)) == (WHOLE.to, WHOLE.reply_to, CONTENT_TYPE)
    assert {type(value) for value in came.properties.values()} == {str}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_order_is_kept(rabbit: Rabbit, dialect: str) -> None:
    """Twenty messages come in the order in which they were sent."""
    bus = rabbit.bus(dialect)
    sent = [b"%d" % number for number in range(20)]
    with rabbit.open(bus) as ours:
        for body in sent:
            publish(ours, bus.municipality_queue, body)
        assert [taken.body for taken in take(ours, bus.municipality_queue, len(sent))] == sent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (5, "5"),
        (b"\x01abc", "\x01abc"),
        ("x" * 300, "x" * 300),
    ],
)
def test_ids_of_every_type_are_read_as_text(rabbit: Rabbit, bus: SimulatedBus, value: Any, text: str) -> None:
    """Message ids and correlation ids that are UUIDs, numbers, bytes or long are read as text."""
    with rabbit.raw(bus) as raw:
        sent = message(id=value, correlation_id=value)
        assert raw.send(raw.sender(raw.target(bus, bus.municipality_queue)), sent) == ACCEPTED
    with rabbit.open(bus) as ours:
        wire = take(ours, bus.municipality_queue)[0].wire
    assert (wire.message_id, wire.correlation_id) == (text, text)


def test_properties_of_every_type_are_read_as_text(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """HER-ids as numbers of any AMQP type are digits; null is empty; nothing else stops the message."""
    numbers = {
        "int": 8000002,
        "long": 1 << 40,
        "ulong": proton.ulong(8000002),
        "uint": proton.uint(8000002),
        "ushort": proton.ushort(8002),
        "byte": proton.byte(8),
        "int32": proton.int32(8000002),
    }
    others = {"uuid": UUID(int=7), "bytes": b"8000002", "symbol": proton.symbol("8000002"), "none": None, "yes": True}
    with rabbit.raw(bus) as raw:
        sent = message(properties=numbers | others | {"double": 1.5, "at": proton.timestamp(5)})
        assert raw.send(raw.sender(raw.target(bus, bus.municipality_queue)), sent) == ACCEPTED
    with rabbit.open(bus) as ours:
        said = take(ours, bus.municipality_queue)[0].wire.properties
    assert {name: said[name] for name in numbers} == {name: str(int(value)) for name, value in numbers.items()}
    assert (said["uuid"], said["bytes"], said["symbol"], said["none"]) == (str(UUID(int=7)), "8000002", "8000002", "")
    assert (said["yes"], said["double"], said["at"]) == ("True", "1.5", "5")


def test_headers_of_every_type_are_read_as_text(rabbit: Rabbit) -> None:
    """The same over 0-9-1, where also tables, lists, times and bytes that are no text may come."""
    bus = rabbit.bus("amqp091")
    odd = {
        "n": 5,
        "table": {"a": 1},
        "list": [1],
        "none": None,
        "bytes": b"\xff",
        "at": datetime(2021, 1, 7, tzinfo=UTC),
    }
    properties = pika.BasicProperties(headers={"subject": b"\xff", "to": 5, "fromHerId": "8000002", **odd})
    with rabbit.pika() as connection:
        connection.channel().basic_publish(bus.exchange, bus.municipality_queue, b"x", properties)
    with rabbit.open(bus) as ours:
        wire = take(ours, bus.municipality_queue)[0].wire
    assert wire.properties["fromHerId"] == "8000002"
    assert (wire.to, wire.subject, wire.properties["n"]) == ("5", "�", "5")
    assert {type(value) for value in wire.properties.values()} == {str}


@pytest.mark.parametrize("value", [UUID(int=(1 << 127) + 5), b"\x01\xff"])
def test_a_1_0_sender_before_a_0_9_1_reader(rabbit: Rabbit, value: Any) -> None:
    """Ids that are no text in 1.0 come as raw bytes in 0-9-1 on 3.x: they are read as text, and the next one comes."""
    bus = rabbit.bus("amqp091")
    with rabbit.raw(bus) as raw:
        link = raw.sender(raw.target(bus, bus.municipality_queue))
        assert raw.send(link, message(b"odd", id=value, correlation_id=value)) == ACCEPTED
        assert raw.send(link, message(b"next", id="next")) == ACCEPTED
    with rabbit.open(bus) as ours:
        odd, following = take(ours, bus.municipality_queue, 2)
    assert (type(odd.wire.message_id), type(odd.wire.correlation_id)) == (str, str)
    assert (following.body, following.wire.message_id) == (b"next", "next")


def data(body: bytes) -> bytes:
    """A Data section."""
    return b"\x00\x53\x75\xa0" + bytes([len(body)]) + body


HOSTILE = {
    "a subject that is no UTF-8": b"\x00\x53\x73\xc0\x08\x04\x40\x40\x40\xa1\x02\xff\xfe" + data(b"x"),
    "an id that is no UTF-8": b"\x00\x53\x73\xc0\x05\x01\xa1\x02\xff\xfe" + data(b"x"),
    "a property that is no UTF-8": b"\x00\x53\x74\xc1\x07\x02\xa1\x01k\xa1\x01\xff" + data(b"x"),
    "properties that are a list": b"\x00\x53\x74\xc0\x03\x01\x54\x05" + data(b"x"),
    "a property named by a list": b"\x00\x53\x74\xc1\x09\x02\xc0\x03\x01\x54\x05\xa1\x01v" + data(b"x"),
    "an id that is a list": b"\x00\x53\x73\xc0\x02\x01\x45" + data(b"x"),
    "a subject that is a number": b"\x00\x53\x73\xc0\x06\x04\x40\x40\x40\x54\x05" + data(b"x"),
    "garbage": b"\xde\xad\xbe\xef",
    "half a message": message(b"x" * 20)[:-5],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_message_that_cannot_be_read_stops_nothing(rabbit: Rabbit, bus: SimulatedBus, kind: str) -> None:
    """What the broker lets in is handed over whatever it holds, can be settled, and the next message comes."""
    with rabbit.raw(bus, timeout_seconds=1) as raw:
        let_in = tell(raw, bus.municipality_queue, bus, HOSTILE[kind])
    with rabbit.raw(bus) as raw:
        assert raw.send(raw.sender(raw.target(bus, bus.municipality_queue)), message(b"next")) == ACCEPTED
    with rabbit.open(bus) as ours:
        taken = take(ours, bus.municipality_queue, 2 if let_in else 1)
    assert taken[-1].body == b"next"
    assert all(isinstance(one.wire.message_id, str) and isinstance(one.wire.subject, str) for one in taken)


def tell(raw: Any, queue: str, bus: SimulatedBus, encoded: bytes) -> bool:
    """Send bytes that are no message; whether the broker took them (3.x does not answer when it chokes on some)."""
    try:
        return bool(raw.send(raw.sender(raw.target(bus, queue)), encoded) == ACCEPTED)
    except AssertionError:
        return False


@pytest.mark.parametrize("kind", ["a subject that is no UTF-8", "properties that are a list"])
def test_what_cannot_be_read_is_kept_raw(rabbit: Rabbit, bus: SimulatedBus, kind: str) -> None:
    """A message that cannot be read is an empty wire with the raw bytes, so that they can be set aside for a person."""
    with rabbit.raw(bus) as raw:
        if not tell(raw, bus.municipality_queue, bus, HOSTILE[kind]):
            pytest.skip("this broker lets no such message in")
    with rabbit.open(bus) as ours:
        [taken] = take(ours, bus.municipality_queue)
    assert taken.wire == Wire("", "", "")
    assert taken.body.endswith(HOSTILE[kind])


def test_sections_that_were_never_one(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """3.x writes a 0-9-1 sender's header into the message as it is: what no reader understands is handed over raw."""
    smuggled = pika.BasicProperties(headers={"x-amqp-1.0-properties": b"garbage"})
    with rabbit.pika() as connection:
        connection.channel().basic_publish(bus.exchange, bus.municipality_queue, b"the body", smuggled)
        connection.channel().basic_publish(bus.exchange, bus.municipality_queue, b"next")
    with rabbit.open(bus) as ours:
        first, following = take(ours, bus.municipality_queue, 2)
    assert b"the body" in first.body
    assert following.body == b"next"


# -- who may (s. 1.1) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_user_without_rights(rabbit: Rabbit, dialect: str) -> None:
    """Reading another's queue, and writing to another's exchange, is told as unauthorised, with the sentence."""
    bus = rabbit.bus(dialect)
    rabbit.broker.declare("closed", {})
    with rabbit.open(bus) as ours, refused("amqp:unauthorized-access"):
        take(ours, bus.register_queue)
    with rabbit.open(bus, exchange="closed") as ours, refused("amqp:unauthorized-access"):
        publish(ours, bus.register_queue)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_password(rabbit: Rabbit, dialect: str) -> None:
    """A wrong password is told as unauthorised, and is not tried again: the account would be locked."""
    bus = rabbit.bus(dialect)
    started = time.monotonic()
    with transport(rabbit, bus, password="wrong", timeout_seconds=10) as ours, pytest.raises(TransportRefused) as told:
        send(ours)
    assert "Sjekk brukernavn og passord" in str(told.value)
    assert time.monotonic() - started < 10
    assert "wrong" not in str(told.value)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("wrong", ["another authority", "the machine's authorities", "another name", "a plain port"])
def test_tls_that_does_not_fit(rabbit: Rabbit, tmp_path: Path, dialect: str, wrong: str) -> None:
    """A certificate of another authority or another name, or no TLS at all, is told as TLS, and nothing is sent."""
    bus = rabbit.bus(dialect)
    changes: dict[str, Any] = {
        "another authority": {"ca_file": other_authority(tmp_path)},
        "the machine's authorities": {"ca_file": None},
        "another name": {"host": "127.1"},  # the same address, and not a name in the certificate
        "a plain port": {"port": rabbit.broker.port},
    }[wrong]
    with transport(rabbit, bus, **changes) as ours, pytest.raises(TransportRefused, match=r"TLS.*\(tls\)"):
        send(ours)
    assert rabbit.broker.depth(bus.register_queue) == 0


def other_authority(folder: Path) -> Path:
    """The certificate of an authority that issued nothing here."""
    write_server_keys(folder, folder / "ca.pem")
    return folder / "ca.pem"


def test_plaintext_is_refused() -> None:
    """Without TLS only a broker on this machine may be named at all."""
    values = {"kind": "amqp", "host": "bus.example.invalid", "exchange": "x", "username": "x", "tls": False}
    with pytest.raises(ValueError, match="without TLS only a broker on this machine"):
        AmqpSettings.model_validate(values)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_plaintext_at_the_tls_port(rabbit: Rabbit, dialect: str) -> None:
    """Speaking plainly to the TLS port is an error within the time-out, and no hang."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus, tls=False, timeout_seconds=2) as ours, pytest.raises(BusFault):
        ours.open()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_virtual_host_that_does_not_exist(rabbit: Rabbit, dialect: str) -> None:
    """A virtual host that is not there, or not ours, is told as unauthorised or not allowed, and not tried again."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus, virtual_host="other") as ours, pytest.raises(BusFault) as fault:
        ours.check_source(bus.municipality_queue)
    assert isinstance(as_error(fault.value), TransportRefused)


# -- a look at queues ------------------------------------------------------------------------------------------------


def test_a_look_at_queues(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """A queue is there with what waits, or missing; whose it is does not matter to the look."""
    with rabbit.open(bus) as ours:
        publish(ours, bus.register_queue)
    settings = rabbit.settings(bus)
    look = look_at(settings, bus.register_queue)
    assert (look.presence, look.waiting) == (Presence.THERE, 1)
    assert look_at(settings, bus.municipality_queue).waiting == 0
    assert look_at(settings, "reg0_nope").presence is Presence.MISSING


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"port": 1}, {"virtual_host": "other"}, {"ca_file": None}], ids=str
)
def test_a_look_that_is_not_allowed(rabbit: Rabbit, bus: SimulatedBus, changes: dict[str, Any]) -> None:
    """Who may not look, or cannot, does not know; nothing is raised."""
    assert look_at(rabbit.settings(bus, **changes), bus.register_queue).presence is Presence.UNKNOWN


def test_a_look_at_somebody_elses_own_queue(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """A queue that another connection keeps to itself is neither there nor missing: unknown."""
    with rabbit.pika() as connection:
        queue = connection.channel().queue_declare("", exclusive=True).method.queue
        assert look_at(rabbit.settings(bus), queue).presence is Presence.UNKNOWN


# -- the transport over the bus --------------------------------------------------------------------------------------

MESSAGE_ID = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11"


@contextmanager
def transport(
    rabbit: Rabbit, bus: SimulatedBus, user: str = "municipality", to: str | None = None, **changes: Any
) -> Iterator[AmqpTransport]:
    """One party's end, whose address book sends everything to one queue."""
    book = AddressBook.model_validate(
        {
            "fetched": "2021-01-07",
            "source": "test",
            "parties": [
                party("8000002", bus.registered(bus.municipality_queue), bus.registered(bus.municipality_errors)),
                party("8000004", bus.registered(to or bus.register_queue), bus.registered(bus.register_errors)),
            ],
        }
    )
    with rabbit.open(bus, user, **changes) as opened:
        yield AmqpTransport(rabbit.settings(bus, user, **changes), book, "8000002", opened)


def party(her_id: str, queue: str, errors: str) -> dict[str, Any]:
    """An entry of the address book."""
    addresses = {"E_SB_ASYNC": queue, "E_SB_ERROR": errors}
    return {"her_id": her_id, "name": "x", "parent_her_id": "1", "parent_name": "x", "addresses": addresses}


def send(ours: AmqpTransport, body: bytes = b"body") -> None:
    """One message to the register."""
    envelope = Envelope(MESSAGE_ID, "KPR_IPL", "8000002", "8000004", datetime(2021, 1, 7, 9, tzinfo=UTC))
    ours.send(envelope, io.BytesIO(body), len(body))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_queue_that_cannot_be_read_keeps_no_other_from_it(rabbit: Rabbit, dialect: str) -> None:
    """With a dead-letter queue that does not exist the others are read first, and then it is told."""
    bus = rabbit.bus(dialect)
    with rabbit.open(bus) as ours:
        publish(ours, bus.municipality_queue, b"async")
        publish(ours, bus.municipality_errors, b"error")
    with transport(rabbit, bus, dead_letter_queue="kpr0_nope") as ours:
        waiting = ours.receive()
        for came_by in ("async", "error"):
            one = next(waiting)
            assert (one.envelope.came_by, one.open().read()) == (came_by, came_by.encode())
            one.accept()
        with pytest.raises(TransportRefused, match="amqp:not-found"):
            next(waiting)


def test_a_settlement_after_the_connection_went(rabbit: Rabbit, bus: SimulatedBus) -> None:
    """Accepting when the connection was given up meanwhile is a TransportError, not a crash; the message comes again."""
    with rabbit.open(bus) as writing:
        publish(writing, bus.municipality_queue)
    with transport(rabbit, bus) as ours:
        messages = ours.receive()
        came = next(messages)
        ours.bus.close()
        with pytest.raises(TransportError):
            came.accept()
        messages.close()
        wait_for(lambda: rabbit.broker.depth(bus.municipality_queue) == 1)
        assert len([one.accept() for one in ours.receive()]) == 1


def test_goodbye_ends_every_session_before_the_connection(
    rabbit: Rabbit, bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has ended both sessions when the line is closed; else one may live on, with what it was given."""
    monkeypatch.setattr(line, "_CLOSE_SECONDS", 60)  # a broker that is short of processor is no fault here
    with rabbit.raw(bus) as raw:
        links = [raw.sender(raw.target(bus, bus.register_queue)), raw.receiver(raw.source(bus.municipality_queue))]
        assert [raw.attached(link) for link in links] == [None, None]
        raw.close()
        assert all(link.session.state & proton.Endpoint.REMOTE_CLOSED for link in links)


def wait_for(so: Callable[[], bool], seconds: float = 60) -> None:
    """Until it is so."""
    ends = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < ends, "it did not come to be in time"
        time.sleep(0.05)
