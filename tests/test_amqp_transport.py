"""The AMQP transport over a bus that is no broker: what goes where, what is tried again, and what is never answered."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, BinaryIO
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from kpr.address_book import AddressBook
from kpr.errors import BadSettings, TransportError, TransportRefused
from kpr.transports.amqp import outcomes, transport
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.error_forms import error_message
from kpr.transports.amqp.outcomes import outcome, with_retries
from kpr.transports.amqp.queues import Presence, QueueLook
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.transport import AmqpTransport, open_bus
from kpr.transports.amqp.wire import CONTENT_TYPE, SOAP_FAULT, Stamp, Wire, from_wire
from kpr.transports.open import open_transport
from kpr.transports.seam import Envelope, ErrorForm, Fault

ID, OTHER_ID = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11", "3d2f0c7b-9f5e-4c0f-8a1b-2c3d4e5f6071"
OURS, REGISTER, STRANGER = "8000002", "8000004", "8000009"
NOON = datetime(2021, 1, 11, 9, tzinfo=UTC)
SENT = Envelope(ID, "KPR_IPL", OURS, REGISTER, NOON)
BODY = bytes(range(256)) * 40


# -- a bus in memory -------------------------------------------------------------------------------------------------


@dataclass
class Delivery:
    """One message of the fake bus, and how it was settled."""

    wire: Wire
    body: bytes = b""
    accepted: int = 0
    released: int = 0
    fault: str = ""

    def accept(self) -> None:
        """Settle it, or be away."""
        if self.fault:
            raise BusFault(self.fault)
        self.accepted += 1

    def release(self) -> None:
        """Back into the queue."""
        self.released += 1


@dataclass
class FakeBus:
    """A broker in memory: it may refuse, and may hang up in the middle of a body."""

    name: str = "RabbitMQ 4.1.0"
    faults: list[str] = field(default_factory=list)
    published: list[tuple[str, Wire, bytes]] = field(default_factory=list)
    tried: list[tuple[str, Wire]] = field(default_factory=list)
    queues: dict[str, list[Delivery] | str] = field(default_factory=dict)
    taken_from: list[tuple[str, int | None]] = field(default_factory=list)
    closed: bool = False

    def open(self) -> None:
        """It always is."""

    def publish(self, queue: str, wire: Wire, body: BinaryIO, size: int) -> None:
        """Half of the body, then what was asked for."""
        self.tried.append((queue, wire))
        half = body.read(size // 2)
        if self.faults:
            raise BusFault(self.faults.pop(0), "the broker's own words about 01818012337")
        self.published.append((queue, wire, half + body.read()))

    def take(self, queue: str, expected: int | None = None) -> Iterator[Delivery]:
        """What waits; a text instead of messages is the condition that the queue has."""
        self.taken_from.append((queue, expected))
        waiting = self.queues.get(queue, [])
        if isinstance(waiting, str):
            raise BusFault(waiting)
        yield from waiting

    def check_target(self, queue: str) -> int | None:
        """Nothing is known."""
        return None

    def check_source(self, queue: str) -> None:
        """It is there."""

    def product(self) -> str:
        """What it calls itself."""
        return self.name

    def close(self) -> None:
        """Say goodbye."""
        self.closed = True


def party(her_id: str, queue: str | None, errors: str | None, **more: Any) -> dict[str, Any]:
    """An entry of the address book, with addresses as they are registered."""
    registered = {"E_SB_ASYNC": queue, "E_SB_ERROR": errors}
    addresses = {code: f"tb.example.invalid/SIM/{name}" for code, name in registered.items() if name}
    return {
        "her_id": her_id,
        "name": "x",
        "parent_her_id": "8000001",
        "parent_name": "x",
        "addresses": addresses,
    } | more


OWN, THEIRS = party(OURS, "8000001_async", "8000002_error"), party(REGISTER, "8000004_async", "8000004_error")


def address_book(*parties: dict[str, Any]) -> AddressBook:
    """A book of these parties."""
    return AddressBook.model_validate({"fetched": date(2021, 1, 1), "source": "test", "parties": parties})


def opened(bus: FakeBus, *parties: dict[str, Any], her_id: str = OURS, **changes: Any) -> AmqpTransport:
    """Our end of the bus; settings may be changed. 0-9-1, so that nobody looks for a real broker."""
    values = {"kind": "amqp", "host": "tb.example.invalid", "exchange": "SIM", "username": "us", "dialect": "amqp091"}
    known = address_book(*(parties or (OWN, THEIRS)))
    return AmqpTransport(AmqpSettings.model_validate(values | changes), known, her_id, bus)


class Body(io.BytesIO):
    """A stream that can go back to its beginning, like the vault's, and nowhere else."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """To the beginning only."""
        assert (offset, whence) == (0, 0)
        return super().seek(0)


def send(ours: AmqpTransport, envelope: Envelope = SENT, body: bytes = BODY) -> None:
    """Send some bytes."""
    ours.send(envelope, Body(body), len(body))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and not slept."""
    pauses: list[float] = []
    quick = functools.partial(with_retries, clock=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(transport, "with_retries", quick)
    monkeypatch.setattr(outcomes.random, "uniform", lambda low, high: 1.0)
    return pauses


# -- sending ---------------------------------------------------------------------------------------------------------


def test_a_message_goes_to_the_registered_queue() -> None:
    """The queue is the part after the last slash; to and reply-to stand on the message as they are registered."""
    bus = FakeBus()
    send(opened(bus, system_identifier="our-system/1.0"))
    [(queue, wire, body)] = bus.published
    assert (queue, body) == ("8000004_async", BODY)
    assert wire == Wire(
        ID,
        "tb.example.invalid/SIM/8000004_async",
        "KPR_IPL",
        "tb.example.invalid/SIM/8000001_async",
        ID,
        CONTENT_TYPE,
        {
            "fromHerId": OURS,
            "toHerId": REGISTER,
            "applicationTimeStamp": "2021-01-11T09:00:00Z",
            "enqueuedTimeUtc": "2021-01-11T09:00:00",
            "X-SystemIdentifier": "our-system/1.0",
        },
    )


def test_the_agreement_of_the_settings_is_on_the_message() -> None:
    """cpaId comes from the settings, where there is one."""
    bus = FakeBus()
    send(opened(bus, cpa_id=OTHER_ID))
    assert bus.published[0][1].properties["cpaId"] == OTHER_ID


def test_each_retry_has_the_same_ids_and_the_same_bytes(slept: list[float]) -> None:
    """The body is read from its beginning each time, and nothing on the message changes."""
    bus = FakeBus(faults=["connection-lost", "no-credit", "amqp:internal-error"])
    send(opened(bus))
    assert len(bus.tried) == 4
    assert all(attempt == bus.tried[0] for attempt in bus.tried)
    assert [body for _, _, body in bus.published] == [BODY]
    assert slept == [3.0, 9.0, 21.0]


def test_an_outage_that_lasts_is_told_with_exit_code_5(slept: list[float]) -> None:
    """After the minute it may be tried again later; nothing was published."""
    bus = FakeBus(faults=["timeout"] * 10)
    with pytest.raises(TransportError, match=r"\(timeout\)") as told:
        send(opened(bus))
    assert (type(told.value), told.value.exit_code, bus.published) == (TransportError, 5, [])
    assert sum(slept) <= 60


REFUSALS = {
    "released": "ingen kø for mottakerens adresse",
    "amqp:not-found": "finnes ikke på meldingsbussen",
    "amqp:link:message-size-exceeded": "større enn meldingsbussen tar imot",
    "amqp:unauthorized-access": "godtar ikke innloggingen",
    "tls": "sertifikatet eller vertsnavnet stemmer ikke",
    "rejected": "avviste meldingen",
    "amqp:invalid-field": "forstår ikke hverandre",
    "com.example:something-new": "avviste meldingen",
}


@pytest.mark.parametrize(("condition", "sentence"), REFUSALS.items())
def test_a_refusal_is_told_at_once_with_exit_code_7(slept: list[float], condition: str, sentence: str) -> None:
    """The sentence says what to do, the code stands after it, and the broker's own words stand nowhere."""
    bus = FakeBus(faults=[condition])
    with pytest.raises(TransportRefused, match=sentence) as told:
        send(opened(bus))
    assert (told.value.exit_code, len(bus.tried), slept) == (7, 1, [])
    assert str(told.value).endswith(f"({condition})")
    assert "01818012337" not in str(told.value)


def test_what_is_too_large_never_reaches_the_bus() -> None:
    """One byte more than agreed is refused before anything is published; exactly as much is sent."""
    bus = FakeBus()
    ours = opened(bus, max_bytes=len(BODY))
    with pytest.raises(TransportRefused, match=r"transport\.max_bytes") as told:
        send(ours, body=BODY + b"x")
    assert (told.value.exit_code, bus.tried) == (7, [])
    send(ours)
    assert len(bus.published) == 1


def test_a_body_that_cannot_be_read_is_not_an_outage(slept: list[float]) -> None:
    """A fault of the vault is told as it is, and not tried again."""

    class Broken(Body):
        def read(self, size: int | None = -1) -> bytes:
            raise BadSettings("The vault cannot be read.")

    with pytest.raises(BadSettings):
        opened(FakeBus()).send(SENT, Broken(), 10)
    assert slept == []


def test_our_own_fault_is_not_dressed_up(slept: list[float]) -> None:
    """An envelope that must not be sent is a bug, and nothing is published."""
    bus = FakeBus()
    with pytest.raises(ValueError, match="applicationTimeStamp"):
        send(opened(bus), replace(SENT, sent_at=None))
    assert bus.tried == []


def test_the_log_names_ids_and_sizes_only() -> None:
    """What was sent is logged by its opaque id, type and size."""
    with capture_logs() as logs:
        send(opened(FakeBus()))
    assert [set(line) for line in logs] == [{"event", "log_level", "part", "transport_id", "message_type", "size"}]


# -- what the address book lacks -------------------------------------------------------------------------------------

LACKING = {
    "the receiver": ((OWN,), "HER-id 8000004 is not in the address book"),
    "an active receiver": ((OWN, THEIRS | {"active": False}), "HER-id 8000004 is not active"),
    "the receiver's queue": ((OWN, party(REGISTER, None, "e")), "no asynchronous queue for HER-id 8000004"),
    "a name for the receiver's queue": ((OWN, THEIRS | {"addresses": {"E_SB_ASYNC": ""}}), "no asynchronous queue"),
    "ourselves": ((THEIRS,), "HER-id 8000002 is not in the address book"),
    "our own queue": ((party(OURS, None, "e"), THEIRS), "no asynchronous queue for HER-id 8000002"),
}


@pytest.mark.parametrize(("parties", "sentence"), LACKING.values(), ids=LACKING.keys())
def test_nothing_is_sent_to_or_from_an_address_that_nobody_knows(parties: Any, sentence: str) -> None:
    """Names are never made up: what the address book lacks is a setting to mend, and says so."""
    bus = FakeBus()
    with pytest.raises(BadSettings, match=sentence) as told:
        send(opened(bus, *parties))
    assert (told.value.place, bus.tried) == ("addresses", [])
    assert "Adresseregisteret" in told.value.remedy


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (party(OURS, None, "e"), "no asynchronous queue"),
        (party(OURS, "a", None), "no error queue"),
        (OWN | {"addresses": {"E_SB_ASYNC": "tb/SIM/a", "E_SB_ERROR": "/"}}, "no error queue"),
        (OWN | {"active": False}, "is not active"),
    ],
)
def test_nothing_is_read_when_one_of_our_queues_is_unknown(own: Any, sentence: str) -> None:
    """Both the asynchronous and the error queue must be watched, so both must be registered."""
    bus = FakeBus()
    with pytest.raises(BadSettings, match=sentence):
        list(opened(bus, own, THEIRS).receive())
    assert bus.taken_from == []


def test_a_bus_without_an_address_book_is_refused() -> None:
    """The settings must name one before anything is opened."""
    settings = opened(FakeBus()).settings
    with pytest.raises(BadSettings, match="address book") as told:
        open_transport(settings, OURS, None)
    assert told.value.place == "addresses"


def test_the_settings_choose_the_dialect() -> None:
    """One word decides which bus is opened, and opening it connects to nobody yet."""
    settings = opened(FakeBus()).settings
    assert type(open_bus(settings)).__name__ == "Amqp091Bus"
    pytest.importorskip("proton", reason="the extra amqp10 is not installed (sh scripts/install-amqp10)")
    assert type(open_bus(settings.model_copy(update={"dialect": "amqp10"}))).__name__ == "Amqp10Bus"


# -- queues that do not exist (amqp.md s. 9.4) -----------------------------------------------------------------------


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a look at a queue would find, and what was looked at."""
    found: dict[str, Any] = {"presence": Presence.THERE, "waiting": None, "asked": []}

    def look_at(_: AmqpSettings, queue: str) -> QueueLook:
        found["asked"].append(queue)
        return QueueLook(found["presence"], found["waiting"])

    monkeypatch.setattr(transport, "look_at", look_at)
    monkeypatch.setattr(transport, "look_at_all", lambda s, queues: {queue: look_at(s, queue) for queue in queues})
    return found


@pytest.mark.parametrize(("presence", "times"), [(Presence.THERE, 1), (Presence.UNKNOWN, 2)])
def test_an_old_broker_is_asked_until_it_says_that_the_queue_is_there(
    looked: dict[str, Any], presence: Presence, times: int
) -> None:
    """RabbitMQ 3.x loses what it cannot route, so the queue is looked for; a look that failed proves nothing."""
    looked["presence"] = presence
    bus = FakeBus("RabbitMQ 3.10.8")
    ours = opened(bus, dialect="amqp10")
    send(ours)
    send(ours, replace(SENT, message_id=OTHER_ID))
    assert (len(bus.published), looked["asked"]) == (2, ["8000004_async"] * times)


def test_an_old_broker_without_the_queue_gets_nothing(looked: dict[str, Any]) -> None:
    """The sentence is that of an unroutable message, nothing is published, and the next try asks anew."""
    looked["presence"] = Presence.MISSING
    bus = FakeBus("RabbitMQ 3.13.7")
    ours = opened(bus, dialect="amqp10")
    for _ in range(2):
        with pytest.raises(TransportRefused, match=r"ingen kø.*\(released\)"):
            send(ours)
    assert (bus.tried, len(looked["asked"])) == ([], 2)


@pytest.mark.parametrize(("name", "dialect"), [("RabbitMQ 4.1.0", "amqp10"), ("RabbitMQ 3.10.8", "amqp091")])
def test_who_tells_of_unroutable_messages_is_not_asked(looked: dict[str, Any], name: str, dialect: str) -> None:
    """4.x releases them and 0-9-1 returns them, so nobody looks."""
    send(opened(FakeBus(name), dialect=dialect))
    assert looked["asked"] == []


# -- receiving -------------------------------------------------------------------------------------------------------


def delivery(message_id: str = OTHER_ID, **changes: Any) -> Delivery:
    """A receipt on its way to us."""
    said = {"fromHerId": REGISTER, "toHerId": OURS, "applicationTimeStamp": "2021-01-11T09:00:00Z"}
    return Delivery(Wire(message_id, "to", "APPREC", None, ID, CONTENT_TYPE, said | changes), BODY)


def error_report(form: ErrorForm = ErrorForm.SPEC) -> Delivery:
    """An error message about what we sent."""
    fault = Fault("transport:expired-certificate", ID, "words", "", NOON)
    return Delivery(*error_message(fault, SENT, OTHER_ID, "to", Stamp("reply"), form))


def test_all_queues_are_read() -> None:
    """What waits comes with its envelope, its bytes and the name of the queue, the asynchronous one first."""
    bus = FakeBus()
    bus.queues = {
        "8000001_async": [delivery("a"), delivery("b")],
        "8000002_error": [error_report()],
        "dl": [delivery()],
    }
    came = list(opened(bus, dead_letter_queue="dl").receive())
    assert [one.envelope.came_by for one in came] == ["async", "async", "error", "dead letter"]
    assert [one.envelope.message_id for one in came] == ["a", "b", OTHER_ID, OTHER_ID]
    assert came[0].envelope == Envelope("a", "APPREC", REGISTER, OURS, NOON, ID, None, "async")
    with came[0].open() as first, came[0].open() as again:
        assert (first.read(), again.read()) == (BODY, BODY)
    assert came[2].envelope.fault is not None


def test_without_a_name_the_dead_letter_queue_is_left_alone() -> None:
    """Only queues that are known are read."""
    bus = FakeBus()
    list(opened(bus).receive())
    assert bus.taken_from == [("8000001_async", None), ("8000002_error", None)]


def test_a_queue_that_fails_does_not_hide_the_others() -> None:
    """The error queue is read although the asynchronous one cannot be; the fault is told when all is done."""
    bus = FakeBus(queues={"8000001_async": "amqp:not-found", "8000002_error": [error_report()]})
    waiting = opened(bus).receive()
    assert next(waiting).envelope.came_by == "error"
    with pytest.raises(TransportRefused, match=r"amqp:not-found"):
        next(waiting)


def test_the_first_fault_is_the_one_that_is_told() -> None:
    """When several queues fail, all are tried."""
    bus = FakeBus(queues={"8000001_async": "connection-lost", "8000002_error": "amqp:not-found"})
    with pytest.raises(TransportError, match=r"connection-lost") as told:
        list(opened(bus).receive())
    assert type(told.value) is TransportError
    assert len(bus.taken_from) == 2


def test_the_broker_is_asked_how_many_wait(looked: dict[str, Any]) -> None:
    """AMQP 1.0 has no word for the end of a queue: the count is handed on where the broker tells it."""
    looked["waiting"] = 3
    bus = FakeBus()
    list(opened(bus, dialect="amqp10").receive())
    assert bus.taken_from == [("8000001_async", 3), ("8000002_error", 3)]
    looked["waiting"] = None
    list(opened(bus, dialect="amqp10").receive())
    assert bus.taken_from[2:] == [("8000001_async", None), ("8000002_error", None)]


def test_nothing_is_settled_before_it_is_accepted() -> None:
    """Reading takes nothing off the queue; accepting does, once."""
    waiting = delivery()
    [came] = opened(FakeBus(queues={"8000001_async": [waiting]})).receive()
    assert waiting.accepted == 0
    came.accept()
    assert (waiting.accepted, waiting.released) == (1, 0)


def test_what_is_set_aside_is_settled() -> None:
    """Rejecting would lose it on a queue without dead letters, so it is accepted, and the reason is logged."""
    waiting = delivery()
    [came] = opened(FakeBus(queues={"8000001_async": [waiting]})).receive()
    with capture_logs() as logs:
        came.set_aside("not a receipt")
    assert (waiting.accepted, waiting.released) == (1, 0)
    assert [(line["event"], line["reason"], line["came_by"]) for line in logs] == [
        ("set aside", "not a receipt", "async")
    ]


def test_a_settlement_that_cannot_be_told_is_an_outage() -> None:
    """The message will come again; whoever took it learns so."""
    [came] = opened(FakeBus(queues={"8000001_async": [Delivery(delivery().wire, fault="connection-lost")]})).receive()
    with pytest.raises(TransportError, match="connection-lost"):
        came.accept()


def test_bytes_are_not_shown() -> None:
    """What a message carries stands in no text form of it."""
    [came] = opened(FakeBus(queues={"8000001_async": [delivery()]})).receive()
    assert "body" not in repr(came)


def test_closing_closes_the_bus() -> None:
    """The connection is let go."""
    bus = FakeBus()
    opened(bus).close()
    assert bus.closed


# -- reporting errors ------------------------------------------------------------------------------------------------

UNUSABLE = Envelope(ID, "APPREC", REGISTER, OURS, NOON, came_by="async")
FAULT = Fault("transport:decryption-failed", ID, noticed_at=NOON)


def reported(
    of: Envelope, fault: Fault = FAULT, *parties: dict[str, Any], **words: Any
) -> list[tuple[str, Wire, bytes]]:
    """What our end publishes for a fault."""
    bus = FakeBus()
    opened(bus, *parties).report(fault, of, **words)
    return bus.published


def test_an_error_goes_to_the_senders_error_queue() -> None:
    """It says which message and why; the answers to it would go to our own error queue."""
    [(queue, wire, body)] = reported(UNUSABLE)
    assert (queue, wire.to, wire.reply_to) == (
        "8000004_error",
        "tb.example.invalid/SIM/8000004_error",
        "tb.example.invalid/SIM/8000002_error",
    )
    envelope = from_wire(wire, "error", body)
    assert (envelope.from_her_id, envelope.to_her_id) == (OURS, REGISTER)
    assert envelope.fault == replace(FAULT, description="transport:decryption-failed")


@pytest.mark.parametrize("form", ErrorForm)
def test_an_error_goes_out_in_the_form_that_is_asked_for(form: ErrorForm) -> None:
    """Each form is read back to the same condition about the same message."""
    [(_, wire, body)] = reported(UNUSABLE, form=form)
    fault = from_wire(wire, "error", body).fault
    assert fault is not None
    assert (fault.condition, fault.original_message_id) == (FAULT.condition, ID)
    assert (wire.subject == SOAP_FAULT) == (form is ErrorForm.SOAP)


def test_the_same_message_gives_the_same_error_message() -> None:
    """A kill between two steps tells it once; another message, or another fault, is another error message."""
    ids = [
        reported(of, fault)[0][1].message_id
        for of, fault in (
            (UNUSABLE, FAULT),
            (replace(UNUSABLE, sent_at=None, came_by="dead letter"), replace(FAULT, noticed_at=None)),
            (replace(UNUSABLE, message_id=OTHER_ID), FAULT),
            (UNUSABLE, replace(FAULT, condition="transport:invalid-signature")),
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(str(UUID(one)) == one for one in ids)


NOBODY: dict[str, tuple[Envelope, tuple[dict[str, Any], ...]]] = {
    "an error report": (replace(UNUSABLE, fault=Fault("transport:x", ID)), ()),
    "what lay on the error queue": (replace(UNUSABLE, came_by="error"), ()),
    "a message of our own": (replace(UNUSABLE, from_her_id=OURS), ()),
    "a stranger": (replace(UNUSABLE, from_her_id=STRANGER), ()),
    "nobody": (replace(UNUSABLE, from_her_id=""), ()),
    "a sender without an error queue": (UNUSABLE, (OWN, party(REGISTER, "a", None))),
    "a sender whose error queue has no name": (UNUSABLE, (OWN, THEIRS | {"addresses": {"E_SB_ERROR": ""}})),
}


@pytest.mark.parametrize(("of", "parties"), NOBODY.values(), ids=NOBODY.keys())
def test_some_are_never_told(of: Envelope, parties: Any) -> None:
    """Errors are never answered, and neither are strangers nor those whom no queue can reach."""
    assert reported(of, FAULT, *parties) == []


@pytest.mark.parametrize("to_her_id", ["", "abc", " 8000002", "0", STRANGER])
def test_a_message_with_a_wrong_receiver_is_answered_by_us(to_her_id: str) -> None:
    """It lay in our queue, so the error is from us, whatever stood on the envelope."""
    [(_, wire, _)] = reported(replace(UNUSABLE, to_her_id=to_her_id))
    assert (wire.properties["fromHerId"], wire.properties["toHerId"]) == (OURS, REGISTER)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Envelope,
        message_id=TEXT,
        message_type=TEXT,
        from_her_id=st.one_of(TEXT, st.sampled_from([OURS, REGISTER])),
        to_her_id=TEXT,
        sent_at=st.none(),
        correlation_id=st.one_of(st.none(), TEXT),
        came_by=st.sampled_from(["async", "error", "dead letter"]),
    ),
    st.sampled_from(ErrorForm),
)
def test_no_message_makes_reporting_fail(of: Envelope, form: ErrorForm) -> None:
    """Whatever stands on an envelope, its sender is told, or not; nothing is raised that would stop the others."""
    published = reported(of, replace(FAULT, original_message_id=of.message_id), form=form)
    assert bool(published) == (of.from_her_id == REGISTER and of.came_by != "error")


def test_an_error_that_cannot_be_told_is_an_outage(slept: list[float]) -> None:
    """Whoever reports decides what that means; it is tried like any other message."""
    bus = FakeBus(faults=["connection-lost", "released"])
    with pytest.raises(TransportRefused):
        opened(bus).report(FAULT, UNUSABLE)
    assert slept == [3.0]
    assert not outcome("released").retry
