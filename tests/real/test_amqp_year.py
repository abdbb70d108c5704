"""The season over a real broker, in both dialects: what goes through a folder goes over AMQP, faults included."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("proton", reason="the extra amqp10 is not installed (sh scripts/install-amqp10)")
from broker_fixture import Rabbit
from place import Place

from kpr.address_book import load_address_book
from kpr.demo.broker import Broker
from kpr.demo.routes import Route
from kpr.demo.runner import Steps
from kpr.demo.year import Demo
from kpr.errors import TransportRefused
from kpr.national_id import make_synthetic
from kpr.simulator_bus import SimulatedBus
from kpr.steps.send import resend
from kpr.steps.workplace import approval
from kpr.store import MessageKind
from kpr.transports.amqp.transport import AmqpTransport
from kpr.transports.seam import Envelope

#: Ids that occur nowhere else; the persons who get them are the first of the extract.
CANARIES = tuple(made for serial in range(1, 20) if (made := make_synthetic(date(1931, 5, 17), serial)))
OURS, REGISTER = "8000002", "8000004"


@pytest.fixture
def broker(rabbit: Rabbit) -> Broker:
    """The broker behind the bus."""
    return rabbit.broker


@pytest.fixture(params=["amqp10", "amqp091"])
def bus(request: pytest.FixtureRequest, rabbit: Rabbit) -> SimulatedBus:
    """Exchange and queues of this test alone, in each dialect."""
    return rabbit.bus(request.param)


def waiting(broker: Broker, bus: SimulatedBus) -> dict[str, int]:
    """The queues on which something waits."""
    return {queue: count for queue in bus.queues() if (count := broker.depth(queue))}


def ids(made: Place) -> dict[MessageKind, tuple[str, str]]:
    """Each message's MsgId, with the transport id of its newest attempt."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        attempts = [(message, place.attempts.latest(message.id)) for message in place.store.messages(latest.id)]
        return {message.kind: (message.msg_id, a.message_id if a else "") for message, a in attempts}


def put(made: Place, envelope: Envelope, body: bytes, her_id: str) -> None:
    """Put a message on somebody's queue by way of the register's end."""
    register = end_of_the_register(made)
    register.send(replace(envelope, to_her_id=her_id), io.BytesIO(body), len(body))
    register.close()


def end_of_the_register(made: Place) -> AmqpTransport:
    """The register's own end of the bus."""
    from kpr.registry.settings import load_register_settings
    from kpr.transports.open import open_transport

    settings = load_register_settings(made.folder / "register" / "register.yaml")
    assert settings.addresses is not None
    transport = open_transport(settings.transport_settings, REGISTER, load_address_book(settings.addresses))
    assert isinstance(transport, AmqpTransport)
    return transport


def test_a_year_ends_accepted_and_leaves_no_message(tmp_path: Path, broker: Broker, bus: SimulatedBus) -> None:
    """The demo's year, rejection and correction included, ends accepted; every queue is empty; the broker saw nobody."""
    demo = Demo(tmp_path / "year", 60, Steps(), marked=CANARIES, route=Route(bus=bus))
    assert demo.play().state == "ACCEPTED"
    assert waiting(broker, bus) == {}
    seen = b"".join(path.read_bytes() for path in broker.folder.rglob("*") if path.is_file())
    assert not [canary for canary in CANARIES if canary.encode() in seen]
    assert bus.register_queue.encode() in seen


@pytest.mark.parametrize("form", ["spec", "reference", "soap"])
@pytest.mark.parametrize("kind", ["ident", "iplos"])
def test_an_error_report_is_mended_and_the_same_message_sent_again(
    tmp_path: Path, broker: Broker, bus: SimulatedBus, form: str, kind: str
) -> None:
    """In whatever form the error comes, it refuses the attempt; resent, the message keeps its MsgId and is accepted."""
    play = {"type": kind, "number": 1, "error": "transport:expired-certificate", "error_form": form}
    made = Place(tmp_path, [play], bus=bus)
    made.report()
    before = ids(made)
    came = made.exchange()
    assert came["transport error: transport:expired-certificate"] == 1
    now = made.status()
    assert now.do == "act"
    assert f"kpr resend --message {kind.upper()}" in now.next_act.nb
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        who = approval("rolle A", None, "sertifikatet er fornyet")
        resend(place, latest.id, MessageKind(kind.upper()), who, answered=False)
    after = ids(made)
    refused = MessageKind(kind.upper())
    assert after[refused][0] == before[refused][0]
    assert after[refused][1] != before[refused][1]
    made.exchange()
    assert made.status().state == "ACCEPTED"
    assert waiting(broker, bus) == {}


@pytest.mark.parametrize(
    ("play", "kind", "state"),
    [
        ({"double": True}, "receipt: the same again", "ACCEPTED"),
        ({"contradict": True}, "receipt: CONTRADICTION", "ACCEPTED"),
        ({"unreadable": True}, "unreadable", "AWAITING"),
        ({"unknown_original": True}, "receipt: unknown message", "AWAITING"),
        ({"unknown_sender": True}, "receipt: wrong addresses", "AWAITING"),
        ({"silent": True}, "ident e-mail: FEEDBACK_OK", "AWAITING"),
        ({"part": "T99", "detail": "x"}, "receipt: POSITIVE_PART", "AWAITING"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_fault_of_a_receipt_is_kept_told_and_never_looped(
    tmp_path: Path, broker: Broker, bus: SimulatedBus, play: dict[str, str], kind: str, state: str
) -> None:
    """What comes is counted for what it is, the state is the same as over a folder, and the queues are empty."""
    made = Place(tmp_path, [{"type": "iplos", **play}], bus=bus)
    made.report()
    assert made.exchange()[kind] == 1
    assert made.status().state == state
    assert made.collect() == {}
    assert waiting(broker, bus) == {}


@pytest.mark.parametrize(
    ("body", "sender", "said"),
    [(b"noise", REGISTER, "unreadable"), (b"noise", OURS, "unreadable"), (b"x" * (5 << 20), REGISTER, "set aside")],
    ids=["poison", "foreign", "oversized"],
)
def test_what_nobody_can_use_does_not_stop_the_others(
    tmp_path: Path, broker: Broker, bus: SimulatedBus, body: bytes, sender: str, said: str
) -> None:
    """It is kept encrypted with its reason, does not come again, and the receipts behind it are read."""
    made = Place(tmp_path, bus=bus)
    made.report()
    with made.open() as place:
        sent_at = place.clock()
    put(made, Envelope(str(uuid4()), "APPREC", sender, OURS, sent_at), body, OURS)
    came = made.exchange()
    assert came[said] == 1
    assert came["receipt: POSITIVE"] == 2
    assert made.status().state == "ACCEPTED"
    made.register()  # reads the report that was sent about what could not be opened
    assert waiting(broker, bus) == {}
    with made.open() as place:
        [entry] = place.store.set_aside("")
        assert place.vault.get(entry.raw_name, entry.wrapped_key) == body


def test_an_address_that_does_not_exist_is_told_and_sent_when_mended(
    tmp_path: Path, broker: Broker, bus: SimulatedBus
) -> None:
    """Nothing is lost on a queue that is not there (RabbitMQ 3.x would say "accepted"); mended, the same ids arrive."""
    made = Place(tmp_path, bus=bus)
    book = made.folder / "addresses.yaml"
    right = book.read_text("utf-8")
    book.write_text(right.replace(bus.register_queue, "reg0_gone"), "utf-8")
    with pytest.raises(TransportRefused, match="ingen kø"):
        made.report()
    before = ids(made)[MessageKind.IDENT]
    book.write_text(right, "utf-8")
    made.report()
    assert ids(made)[MessageKind.IDENT] == before
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_the_register_reports_what_it_cannot_decrypt(tmp_path: Path, broker: Broker, bus: SimulatedBus) -> None:
    """Encrypted for another key, the message is reported by the register's transport, and status says what to mend."""
    made = Place(tmp_path, bus=bus)
    encrypt = made.folder / "keys" / "register-encrypt.pem"
    right = encrypt.read_bytes()
    encrypt.write_bytes((made.folder / "keys" / "decrypt.pem").read_bytes())
    made.report()
    came = made.exchange()
    assert came["transport error: transport:decryption-failed"] == 2
    assert "krypteringssertifikat på nytt" in made.status().next_act.nb
    encrypt.write_bytes(right)
    for kind in MessageKind:
        with made.open() as place:
            latest = place.store.latest()
            assert latest is not None
            resend(place, latest.id, kind, approval("rolle A", None, "nytt sertifikat"), answered=False)
    made.exchange()
    assert made.status().state == "ACCEPTED"


def test_dead_letters_are_read_as_what_they_are(tmp_path: Path, broker: Broker, bus: SimulatedBus) -> None:
    """A receipt that ended on the dead-letter queue still counts, and an error report there is still read."""
    made = Place(tmp_path, bus=bus)
    made.report()
    made.register()
    broker.dead_letter(bus.municipality_queue)
    assert set(waiting(broker, bus)) == {bus.dead_letter_queue}
    assert made.collect()["receipt: POSITIVE"] == 2
    assert made.status().state == "ACCEPTED"


def test_the_error_of_a_refusal_shows_no_secret(tmp_path: Path, broker: Broker, bus: SimulatedBus) -> None:
    """A wrong password is one sentence with its code, and the password is not in it."""
    made = Place(tmp_path, bus=bus)
    (made.folder / "keys" / "bus.password").write_text("feil-passord")
    with pytest.raises(TransportRefused) as told:
        made.report()
    assert "amqp:unauthorized-access" in str(told.value)
    assert "feil-passord" not in str(told.value)


@pytest.mark.parametrize("size", [0, 1, 255, 256, (1 << 18) - 1, 1 << 18, (1 << 20) + 1, 5 << 20, 20_000_000])
def test_a_message_of_any_size_arrives_as_it_was(broker: Broker, bus: SimulatedBus, tmp_path: Path, size: int) -> None:
    """Sizes on both sides of every border within us and the broker: a whole number of pieces is no special case."""
    made = Place(tmp_path, bus=bus)
    body = bytes(size)
    with made.open() as place:
        envelope = Envelope(str(uuid4()), "KPR_IPL", OURS, REGISTER, place.clock())
        place.transport.send(envelope, io.BytesIO(body), size)
    register = end_of_the_register(made)
    [received] = register.receive()
    assert (received.envelope.message_id, received.open().read()) == (envelope.message_id, body)
    register.close()
