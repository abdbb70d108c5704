"""Measures AMQP 1.0 over a real RabbitMQ of its own in one run, and prints ratios, as bench/run.py does.

1. 100 MB, as the send step moves them: out of the vault, protected into the vault (with its fsyncs), and from there
   through the transport until the broker has accepted; against ``openssl cms`` that signs into a file and encrypts
   that into another. Connecting is inside, as starting openssl is. With TLS, as in reality, and without.
2. 356 pairs of small messages protected, sent, and receipted: transport, CMS and reading of receipts, without store
   and vault; against as many bare persistent messages as cross the broker in it (messages and receipts), each
   confirmed before the next, by the quicker of two clients. What the stand-in does is made before the clock starts,
   but for its putting receipts on our queue, which is left out of the first ratio and inside the second. The full
   steps, with every state and byte forced to disk, are told as a third figure without a bound.

Everything runs in processes of its own, several times and in turns, and the best time of each side counts. Keys,
payloads and answers are made before the clock starts.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from run import build, timed

ROUNDS, SMALL_ROUNDS = 3, 5
LARGE_BYTES = 100_000_000
#: As many as Norway had municipalities from 2020 to 2023; each sends an ident and an IPLOS message.
PAIRS = 356

MOST_TIMES_OPENSSL, MOST_MEMORY_MB, MOST_TIMES_BARE = 2, 400, 3

#: RabbitMQ 3.10 takes 128 MiB; the bus itself takes less (docs/amqp.md).
_MAX_BYTES = 128 << 20
_NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)
_RECEIPT_LIMIT = 4 << 20


def main() -> None:
    """Start a broker, measure both parts in processes of their own, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("large", "small"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.part:
        measure = {"large": large, "small": small}[words.part]
        print(json.dumps(measure(words.folder, words.port, tls=not words.plain)))
        return
    missing = what_is_missing()
    if missing:
        print(f"AMQP was not measured: {missing} is not installed.")
        return
    with tempfile.TemporaryDirectory(prefix="kpr-bench-") as folder:
        measured = measure_all(Path(folder))
    report(*measured)


def what_is_missing() -> str | None:
    """What must be there and is not."""
    from kpr.demo.broker import find_rabbitmq

    if find_rabbitmq() is None:
        return "RabbitMQ"
    return None if importlib.util.find_spec("proton") else "python-qpid-proton"


# -- the process that starts the others ---------------------------------------------------------------------------------


def measure_all(folder: Path) -> tuple[dict[str, float], dict[str, float], float, dict[str, float]]:
    """Ours over TLS, ours without, openssl, and the small messages; of each the best."""
    from kpr.demo.broker import Broker, give_bus
    from kpr.simulator import NewPlace, make_place

    with Broker(folder / "broker") as broker:
        bus = give_bus(broker)
        make_place(folder / "place", NewPlace(bus=bus))
        write_large(folder / "place")
        with_tls, without, openssl = [], [], []
        for number in range(ROUNDS):
            print(f"… {LARGE_BYTES / 1e6:.0f} MB, run {number + 1}", file=sys.stderr)
            openssl.append(run_openssl(folder / "place"))
            with_tls.append(run_part("large", folder / "place", broker.tls_port))
            broker.purge(bus.register_queue)
            without.append(run_part("large", folder / "place", broker.port, "--plain"))
            broker.purge(bus.register_queue)
        print(f"… {PAIRS} pairs", file=sys.stderr)
        pairs = run_part("small", folder / "place", broker.tls_port)
    return best(with_tls), best(without), min(openssl), pairs


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The quickest run, with the highest peak of memory of all."""
    quickest = min(runs, key=lambda run: run["seconds"])
    return quickest | {"memory": max(run["memory"] for run in runs)}


def run_part(part: str, folder: Path, port: int, *words: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), "--port", str(port), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:  # logs are JSON lines; what is not is the fault
        sys.exit("\n".join(line for line in done.stderr.splitlines() if not line.startswith("{")))
    return json.loads(done.stdout)


def write_large(folder: Path) -> None:
    """The same payload as a plain file for openssl, and in the vault for us, with its wrapped key beside it."""
    from kpr.steps.workplace import open_workplace

    with open_workplace(folder / "kpr.yaml") as place, (folder / "large").open("wb") as file:
        key = place.vault.new_wrapped_key()
        (folder / "large.key").write_bytes(key)
        with place.vault.create("large", key) as vault:
            for _ in range(LARGE_BYTES // 1_000_000):
                piece = secrets.token_bytes(1_000_000)
                file.write(piece)
                vault.write(piece)


def run_openssl(folder: Path) -> float:
    """Seconds for the same payload: sign into a file, and encrypt that into another, with the same keys."""
    keys, large, signed = folder / "keys", str(folder / "large"), str(folder / "large.p7s")
    signer = ("-signer", str(keys / "sign.pem"), "-inkey", str(keys / "sign.key"))
    der = ("-binary", "-outform", "DER")
    sign = ["openssl", "cms", "-sign", *der, "-nodetach", "-md", "sha256", *signer, "-in", large, "-out", signed]
    encrypt = ["openssl", "cms", "-encrypt", *der, "-aes-256-cbc", "-in", signed, "-out", str(folder / "large.p7m")]
    start = time.perf_counter()
    subprocess.run(sign, check=True, capture_output=True)
    subprocess.run([*encrypt, str(keys / "register-encrypt.pem")], check=True, capture_output=True)
    return time.perf_counter() - start


# -- our end of the bus -------------------------------------------------------------------------------------------------


@contextmanager
def opened_place(folder: Path) -> Iterator[Any]:
    """The municipality's place, with its logs as JSON lines on standard error, as in production."""
    from kpr.log import configure_logs
    from kpr.steps.workplace import open_workplace

    configure_logs(as_json=True)
    with open_workplace(folder / "kpr.yaml") as place:
        yield place


def our_transport(place: Any, port: int, *, tls: bool) -> Any:
    """The transport that the settings name, through one of the broker's two ports."""
    from kpr.transports.amqp.transport import AmqpTransport, open_bus

    changes = {"port": port, "tls": tls, "max_bytes": _MAX_BYTES}
    settings = place.settings.transport.model_copy(update=changes)
    return AmqpTransport(settings, place.address_book, place.settings.sender.service_her_id, open_bus(settings))


def envelope(place: Any, message_type: str) -> Any:
    """An envelope of ours to the register, with a new id."""
    from kpr.transports.seam import Envelope

    settings = place.settings
    return Envelope(str(uuid4()), message_type, settings.sender.service_her_id, settings.receiver.service_her_id, _NOW)


# -- one large message --------------------------------------------------------------------------------------------------


def large(folder: Path, port: int, *, tls: bool) -> dict[str, float]:
    """What the send step does: out of the vault, protected into the vault, and from there onto the register's queue.

    Measured are also the connection, both fsyncs of the vault, and the broker's own time until it accepts.
    """
    from kpr.security.cms_write import protect

    seconds: dict[str, float] = {}
    with opened_place(folder) as place, closing(our_transport(place, port, tls=tls)) as transport:
        key = (folder / "large.key").read_bytes()
        signer, recipient = place.signing_identity, place.register_encryption_certificate
        vault = place.vault
        with timed(seconds, "protect"), vault.open("large", key) as plain, vault.create("large-protected", key) as out:
            protect(plain, plain.size, out, signer, recipient)
        with timed(seconds, "send"), place.vault.open("large-protected", key) as body:
            transport.send(envelope(place, "KPR_IPL"), body, body.size)
    return {"seconds": seconds["protect"] + seconds["send"], "memory": peak_megabytes(), **seconds}


def peak_megabytes() -> float:
    """The peak of this process alone: ``ru_maxrss`` would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


# -- many small messages ------------------------------------------------------------------------------------------------


def small(folder: Path, port: int, *, tls: bool) -> dict[str, float]:
    """The bare messages and ours in turns, of each the best; and the full steps once."""
    runs: list[dict[str, float]] = []
    with opened_place(folder) as place, closing(RegisterSide(folder, port, tls=tls)) as register:
        plain = small_messages(folder)
        for _ in range(SMALL_ROUNDS):
            seconds: dict[str, float] = {}
            made = prepared(plain, register)
            bodies = [protected_by_us(place, one.plain).getvalue() for one in made] + [one.receipt for one in made]
            with closing(our_transport(place, port, tls=tls)) as transport:
                bare_by_proton(transport, register, bodies, seconds)
                register.empty_queue()
                bare_by_our_bus(transport, register, bodies, seconds)
                register.empty_queue()
                ours(place, transport, register, made, seconds)
                register.empty_queue()
            runs.append(seconds)
        full: dict[str, float] = {}
        full_steps(place, register, plain, full)
    return {name: min(run[name] for run in runs) for name in runs[0]} | full | {"messages": len(bodies)}


@dataclass(frozen=True, slots=True)
class Small:
    """One small message: its type, its plain bytes, and the register's protected receipt for it."""

    message_type: str
    plain: bytes
    receipt: bytes


_ANY_ID = b"0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001"  # run.head gives it to every message


def small_messages(folder: Path) -> dict[str, bytes]:
    """An ident and an IPLOS message of one synthetic person, by type: 2 kB and 6 kB."""
    from kpr.messages.shape import iplos_shape
    from kpr.security.vault import MasterKey, Vault
    from kpr.sources.work_rows import load
    from kpr.synth import SyntheticMunicipality
    from kpr.years import load_year

    vault = Vault(folder / "small", MasterKey(bytes(32)))
    key = vault.new_wrapped_key()
    source = SyntheticMunicipality(load_year(2020), 1, services_per_person=1)
    build(load(source, iplos_shape("3.7")), vault, key)
    return {"KPR_IDE": vault.get("ident", key), "KPR_IPL": vault.get("iplos", key)}


def prepared(plain: dict[str, bytes], register: RegisterSide) -> list[Small]:
    """The messages of one round with new MsgIds, and the answers to them: the stand-in's work is done before."""
    made = []
    for _ in range(PAIRS):
        for message_type, content in plain.items():
            msg_id = str(uuid4())
            receipt = register.receipt(message_type, msg_id)
            made.append(Small(message_type, content.replace(_ANY_ID, msg_id.encode()), receipt))
    return made


def protected_by_us(place: Any, plain: bytes) -> io.BytesIO:
    """Signed and encrypted, ready to be read."""
    from kpr.security.cms_write import protect

    out = io.BytesIO()
    protect(io.BytesIO(plain), len(plain), out, place.signing_identity, place.register_encryption_certificate)
    out.seek(0)
    return out


class RegisterSide:
    """The stand-in's end of the bus: receipts made beforehand, and put on our queue when we have sent."""

    def __init__(self, folder: Path, port: int, *, tls: bool) -> None:
        from kpr.address_book import load_address_book
        from kpr.registry.settings import load_register_settings
        from kpr.security.certificates import load_certificate, load_identity
        from kpr.transports.amqp.transport import AmqpTransport, open_bus

        self.settings = load_register_settings(folder / "register" / "register.yaml")
        self.signer = load_identity(self.settings.signing_certificate, self.settings.signing_key)
        self.her_id = self.settings.senders[0].her_id
        self.recipient = load_certificate(self.settings.senders[0].encryption_certificate)
        self.bus_settings = self.settings.transport.model_copy(update={"port": port, "tls": tls})
        book = load_address_book(self.settings.addresses)
        self.queue = book.entry(self.settings.service_her_id).addresses.asynchronous.rpartition("/")[2]
        self.transport = AmqpTransport(
            self.bus_settings, book, self.settings.service_her_id, open_bus(self.bus_settings)
        )

    def close(self) -> None:
        """Say goodbye."""
        self.transport.close()

    def receipt(self, message_type: str, msg_id: str) -> bytes:
        """A protected positive AppRec."""
        from kpr.messages.app_rec import AppRec, write_app_rec
        from kpr.messages.head import Party
        from kpr.security.cms_write import protect

        settings = self.settings
        register = Party(
            settings.organisation_name, settings.organisation_her_id, settings.service_name, settings.service_her_id
        )
        ours = Party("Eksempel kommune", "8000001", "Saksbehandling", self.her_id)
        app_rec = AppRec(
            "1.1", str(uuid4()), _NOW, "1", (), msg_id, message_type, _NOW, settings.service_her_id, self.her_id
        )
        plain, out = write_app_rec(app_rec, register, ours), io.BytesIO()
        protect(io.BytesIO(plain), len(plain), out, self.signer, self.recipient)
        return out.getvalue()

    def answer(self, receipts: list[bytes]) -> None:
        """Put receipts on the municipality's queue."""
        from kpr.transports.seam import Envelope

        for receipt in receipts:
            said = Envelope(str(uuid4()), "APPREC", self.settings.service_her_id, self.her_id, _NOW)
            self.transport.send(said, io.BytesIO(receipt), len(receipt))

    def empty_queue(self) -> None:
        """Throw away what waits for the register."""
        import pika

        from kpr.transports.amqp.amqp091 import parameters

        with pika.BlockingConnection(parameters(self.bus_settings)) as connection:
            connection.channel().queue_purge(self.queue)


def bare_by_proton(transport: Any, register: RegisterSide, bodies: list[bytes], seconds: dict[str, float]) -> None:
    """Persistent messages without anything of ours, one confirm each, on one link of proton's own blocking client."""
    import proton
    from proton.utils import BlockingConnection

    settings = transport.settings
    domain = proton.SSLDomain(proton.SSLDomain.MODE_CLIENT) if settings.tls else None
    if domain:
        domain.set_trusted_ca_db(str(settings.ca_file))
        domain.set_peer_authentication(proton.SSLDomain.VERIFY_PEER_NAME)
    pattern = "/exchange/{}/{}" if " 3." in transport.bus.product() else "/exchanges/{}/{}"
    connection = BlockingConnection(
        f"{'amqps' if settings.tls else 'amqp'}://{settings.host}:{settings.port}",
        timeout=60,
        ssl_domain=domain,
        user=settings.username,
        password=settings.secret(),
        allowed_mechs="PLAIN",
    )
    with closing(connection):
        sender = connection.create_sender(pattern.format(settings.exchange, register.queue))
        with timed(seconds, "bare by proton"):
            for body in bodies:
                sender.send(proton.Message(id=str(uuid4()), durable=True, inferred=True, body=body))


def bare_by_our_bus(transport: Any, register: RegisterSide, bodies: list[bytes], seconds: dict[str, float]) -> None:
    """The same on a link of our own dialect: whichever is quicker is what we are held against."""
    from kpr.transports.amqp.wire import Wire

    transport.bus.check_target(register.queue)
    with timed(seconds, "bare by our bus"):
        for body in bodies:
            transport.bus.publish(register.queue, Wire(str(uuid4()), "", ""), io.BytesIO(body), len(body))


def ours(place: Any, transport: Any, register: RegisterSide, made: list[Small], seconds: dict[str, float]) -> None:
    """Transport, CMS and receipts, without the store and the vault.

    Sending: protect in memory, send, wait for "accepted". Taking in: each receipt opened, verified, read and settled,
    one by one, and the half second of silence after which each of the three queues counts as read to its end. The
    stand-in's putting of receipts on the queue is timed apart.
    """
    from kpr.messages.app_rec import read_app_rec
    from kpr.security.cms_read import open_protected

    decryption, signer = place.decryption_identities, place.register_signing_certificate
    with timed(seconds, "send"):
        for one in made:
            body = protected_by_us(place, one.plain)
            transport.send(envelope(place, one.message_type), body, len(body.getbuffer()))
    with timed(seconds, "answer"):
        register.answer([one.receipt for one in made])
    with timed(seconds, "take in"):
        left = len(made)
        while left:  # a broker that stalls for a moment ends a round early; the next one goes on
            for received in transport.receive():
                out = io.BytesIO()
                with received.open() as body:
                    open_protected(body, out, decryption, signer, limit=_RECEIPT_LIMIT)
                left -= read_app_rec(out.getvalue()).status == "1"
                received.accept()


def full_steps(place: Any, register: RegisterSide, plain: dict[str, bytes], seconds: dict[str, float]) -> None:
    """The steps ``send`` and ``collect`` themselves: every id, state and byte written down and forced to disk.

    One municipality's store stands in for 356: as many approved submissions are laid into it before the clock starts.
    """
    from kpr.steps.collect import collect
    from kpr.steps.send import send_messages

    submissions, receipts = laid_out(place, register, plain)
    with timed(seconds, "full send"):
        for submission in submissions:
            send_messages(place, submission)
    register.answer(receipts)
    with timed(seconds, "full take in"):
        left = len(receipts)
        while left:
            left -= collect(place).kinds["receipt: POSITIVE"]


def laid_out(place: Any, register: RegisterSide, plain: dict[str, bytes]) -> tuple[list[str], list[bytes]]:
    """Approved submissions with both messages built, and the receipts for them."""
    from kpr.conversation import SubmissionState
    from kpr.guard import Ids
    from kpr.store import MessageKind, Submission

    types = dict(zip((MessageKind.IDENT, MessageKind.IPLOS), plain, strict=True))
    submissions, receipts = [], []
    for number in range(1, PAIRS + 1):
        key = place.vault.new_wrapped_key()
        with place.store.transaction() as session:
            submission = Submission(
                cycle_id=place.store.cycle_id,
                version=number,
                sequence_number=number,
                state=SubmissionState.APPROVED,
                opened_at=_NOW,
                wrapped_key=key,
            )
            session.add(submission)
        place.store.fix_messages(submission.id, Ids(str(uuid4()), str(uuid4())), types, _NOW)
        for message in place.store.messages(submission.id):
            content = plain[message.message_type].replace(_ANY_ID, message.msg_id.encode())
            place.vault.put(message.content_name, key, content)
            place.store.record_gate(message.id, sha256="-", size=len(content), persons=1)
            receipts.append(register.receipt(message.message_type, message.msg_id))
        submissions.append(submission.id)
    return submissions, receipts


# -- what came of it ----------------------------------------------------------------------------------------------------


def report(with_tls: dict[str, float], without: dict[str, float], openssl: float, pairs: dict[str, float]) -> None:
    """Print times, ratios and whether they hold."""
    print(
        f"{LARGE_BYTES / 1e6:.0f} MB protected and sent over AMQP 1.0; openssl cms, sign and encrypt: {openssl:.2f} s"
    )
    for name, run in (("over TLS", with_tls), ("without TLS", without)):
        print(f"       {name}: protect {run['protect']:.2f} s, send {run['send']:.2f} s; peak {run['memory']:.0f} MB")
    bare = min(pairs["bare by proton"], pairs["bare by our bus"])
    print(f"{PAIRS} pairs of small messages with their receipts: {pairs['messages']} messages over the broker, TLS")
    told = ", ".join(f"{name} {pairs[name]:.1f} s" for name in sorted(pairs) if name != "messages")
    print(f"       {told}")
    own = pairs["send"] + pairs["take in"]
    full = pairs["full send"] + pairs["full take in"]
    rows = (
        ("100 MB: protect + send over TLS : openssl cms", with_tls["seconds"] / openssl, MOST_TIMES_OPENSSL),
        ("100 MB: the same without TLS", without["seconds"] / openssl, MOST_TIMES_OPENSSL),
        ("100 MB: peak memory of the process, MB", max(with_tls["memory"], without["memory"]), MOST_MEMORY_MB),
        ("pairs: protect + send + take in : as many bare messages", own / bare, MOST_TIMES_BARE),
        ("pairs: the same, with the stand-in's sending", (own + pairs["answer"]) / bare, MOST_TIMES_BARE),
        ("pairs: the full steps, with store and vault", full / bare, None),
    )
    for name, value, most in rows:
        verdict = "" if most is None else f"   (at most {most}) {'holds' if value <= most else 'DOES NOT HOLD'}"
        print(f"{name:<62} {value:>7.1f}{verdict}")
    sys.exit(0 if all(most is None or value <= most for _name, value, most in rows) else 1)


if __name__ == "__main__":
    main()
