"""Readers and writers that are not ours, over a real RabbitMQ: rhea (Node.js), ``openssl cms``, proton's own client.

Nothing here that reads the bus or opens the protected bytes shares code with ``kpr.transports`` or ``kpr.security``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from place import Place

from kpr.conversation import AttemptState, ReceiptLeg
from kpr.demo.broker import Broker, find_rabbitmq, give_bus
from kpr.messages.app_rec import AppRec, write_app_rec
from kpr.messages.head import Party
from kpr.simulator_bus import SimulatedBus
from kpr.store import Message, MessageKind

proton = pytest.importorskip("proton", reason="python-qpid-proton is not installed here (make test installs it)")

HERE = Path(__file__).parent
SECONDS = 60

#: Read off the AMQP specification s. 2.1.2 and the simulator's settings, not off our code.
CONTENT_TYPE = "application/pkcs7-mime; smime-type=signed-and-enveloped-data"
OUR_HER_ID, REGISTER_HER_ID = "8000002", "8000004"
KINDS = {"KPR_IDE": MessageKind.IDENT, "KPR_IPL": MessageKind.IPLOS}
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


# -- what is started ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A running broker with the simulator's bus on it."""

    broker: Broker
    bus: SimulatedBus

    def source(self, queue: str) -> str:
        """Where a receiver attaches (amqp.md s. 1.4)."""
        return f"/queues/{queue}" if self.broker.version >= (4,) else f"/amq/queue/{queue}"

    def target(self, queue: str) -> str:
        """Where a sender attaches."""
        exchange = self.bus.exchange
        return f"/exchanges/{exchange}/{queue}" if self.broker.version >= (4,) else f"/exchange/{exchange}/{queue}"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A broker of this module's own; the test skips, saying so, where RabbitMQ is not installed."""
    if find_rabbitmq() is None:
        pytest.skip("RabbitMQ is not installed here; the transport was tested without a broker only")
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield Line(broker, give_bus(broker))


@pytest.fixture
def place(line: Line, tmp_path: Path) -> Place:
    """A municipality's place whose transport is the broker, with all queues empty."""
    for queue in line.bus.queues():
        line.broker.purge(queue)
    return Place(tmp_path / "place", bus=line.bus)


@pytest.fixture
def submission(place: Place) -> str:
    """Both messages are on the register's queue."""
    return place.report()


@dataclass(frozen=True)
class Rhea:
    """The client of receiver.mjs, logged in as the register."""

    folder: Path
    line: Line

    def read(self, queue: str) -> dict[str, Any]:
        """Take one message off a queue; everything that it says, with its types."""
        return self._run("read", self.line.source(queue))

    def send(self, queue: str, message: dict[str, Any]) -> None:
        """Put one message on a queue; the test fails unless the broker accepted it."""
        assert self._run("send", self.line.target(queue), message) == {"outcome": "accepted"}

    def _run(self, mode: str, address: str, message: dict[str, Any] | None = None) -> dict[str, Any]:
        bus = self.line.bus
        told = {
            "BUS_HOST": bus.host,
            "BUS_PORT": str(bus.port),
            "BUS_CA": bus.ca_file,
            "BUS_USER": bus.register_user,
            "BUS_PASSWORD": bus.register_password,
        }
        done = subprocess.run(
            ["node", "receiver.mjs", mode, address],
            cwd=self.folder,
            env=os.environ | told,
            input=json.dumps(message),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rhea(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Rhea:
    """rhea as the lock file pins it, installed into a temporary folder; skips where that cannot be done."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed here; no other AMQP client was held against ours")
    folder = tmp_path_factory.mktemp("rhea")
    for name in ("package.json", "package-lock.json", "receiver.mjs"):
        shutil.copy(HERE / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    if subprocess.run(install, cwd=folder, capture_output=True, timeout=5 * SECONDS).returncode:
        pytest.skip("rhea could not be installed (npm ci failed); no other AMQP client was held against ours")
    return Rhea(folder, line)


@pytest.fixture(scope="module")
def openssl() -> str:
    """The openssl program; skips where there is none."""
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("openssl is not installed here; no other CMS implementation was held against ours")
    return found


def sent_message(place: Place, submission: str, kind: MessageKind) -> tuple[Message, str, bytes]:
    """A message as the store and the vault have it: the row, its transport id, and the plain bytes."""
    with place.open() as workplace:
        message = workplace.store.message(submission, kind)
        attempt = workplace.attempts.latest(message.id)
        assert attempt is not None
        key = workplace.store.submission(submission).wrapped_key
        return message, attempt.message_id, workplace.vault.get(message.content_name, key)


# -- the envelope ------------------------------------------------------------------------------------------------------


def test_rhea_reads_the_envelope_that_the_specification_demands(
    place: Place, submission: str, line: Line, rhea: Rhea
) -> None:
    """Both messages have every mandatory field of s. 2.1.2, each of its type, and application properties are strings."""
    bus = line.bus
    for subject in KINDS:  # ident first
        came = rhea.read(bus.register_queue)
        properties = came["properties"]
        transport_id = sent_message(place, submission, KINDS[subject])[1]
        assert UUID_TEXT.fullmatch(transport_id)
        assert properties == {
            "message_id": {"type": "string", "value": transport_id},
            "to": {"type": "string", "value": f"{bus.host}/{bus.exchange}/{bus.register_queue}"},
            "subject": {"type": "string", "value": subject},
            "reply_to": {"type": "string", "value": f"{bus.host}/{bus.exchange}/{bus.municipality_queue}"},
            "correlation_id": {"type": "string", "value": transport_id},
            "content_type": {"type": "symbol", "value": CONTENT_TYPE},
        }
        said = came["application_properties"]
        assert {item["type"] for item in said.values()} == {"string"}
        assert set(came["typeof"].values()) == {"string"}
        assert all(item["value"] for item in said.values())
        values = {name: item["value"] for name, item in said.items()}
        assert values["fromHerId"] == OUR_HER_ID
        assert values["toHerId"] == REGISTER_HER_ID
        assert values["applicationTimeStamp"] == "2021-01-07T09:00:00Z"
        assert values["enqueuedTimeUtc"] == "2021-01-07T09:00:00"
        assert "cpaId" not in values  # there is no agreement, so the key is left out
    assert line.broker.depth(bus.register_queue) == 0


def test_rhea_reads_a_durable_message_with_one_data_section(submission: str, line: Line, rhea: Rhea) -> None:
    """The message is durable, and its body is one Data section: no value, no sequence, no MIME around the bytes."""
    came = rhea.read(line.bus.register_queue)
    assert came["header"]["durable"] == {"type": "boolean", "value": True}
    bodies = [name for name in came["sections"] if name in ("data", "amqp_value", "amqp_sequence")]
    assert bodies == ["data"]
    assert came["body"]["type"] == "binary"
    assert base64.b64decode(came["body"]["base64"])[:2] == b"\x30\x82"  # DER, as it is


# -- the protected bytes -----------------------------------------------------------------------------------------------


def test_openssl_opens_what_rhea_read_and_finds_the_vaults_bytes(
    place: Place, submission: str, line: Line, rhea: Rhea, openssl: str, tmp_path: Path
) -> None:
    """``openssl cms`` decrypts with the register's key and verifies with our certificate: the bytes in the vault."""
    for _ in KINDS:
        came = rhea.read(line.bus.register_queue)
        signed = decrypted(openssl, place, base64.b64decode(came["body"]["base64"]), tmp_path)
        plain = tmp_path / "plain.xml"
        ours = place.folder / "register" / "keys" / "municipality-sign.pem"
        trusted = ["-CAfile", ours, "-partial_chain", "-nointern", "-certfile", ours]
        run(openssl, "-verify", "-binary", "-inform", "DER", "-in", signed, *trusted, "-out", plain)
        kind = KINDS[came["properties"]["subject"]["value"]]
        assert plain.read_bytes() == sent_message(place, submission, kind)[2]


def test_openssl_sees_the_structure_that_the_bus_demands(
    place: Place, submission: str, line: Line, rhea: Rhea, openssl: str, tmp_path: Path
) -> None:
    """Outside: enveloped data of AES-256-CBC for one RSA recipient. Inside: signed data, SHA-256, no attributes."""
    came = rhea.read(line.bus.register_queue)
    signed = decrypted(openssl, place, base64.b64decode(came["body"]["base64"]), tmp_path)
    outside = printed(openssl, tmp_path / "body.der")
    assert outside.startswith("CMS_ContentInfo: contentType: pkcs7-envelopedData (1.2.840.113549.1.7.3)")
    assert "encryptedContentInfo: contentType: pkcs7-data (1.2.840.113549.1.7.1)" in outside
    assert "contentEncryptionAlgorithm: algorithm: aes-256-cbc (2.16.840.1.101.3.4.1.42)" in outside
    assert outside.count("keyEncryptionAlgorithm: algorithm: rsaEncryption (1.2.840.113549.1.1.1)") == 1
    assert "unprotectedAttrs: <ABSENT>" in outside
    inside = printed(openssl, signed)
    assert inside.startswith("CMS_ContentInfo: contentType: pkcs7-signedData (1.2.840.113549.1.7.2)")
    assert "encapContentInfo: eContentType: pkcs7-data (1.2.840.113549.1.7.1)" in inside
    assert "digestAlgorithm: algorithm: sha256" in inside
    assert "signedAttrs: <ABSENT>" in inside
    assert "signatureAlgorithm: algorithm: rsaEncryption" in inside


def decrypted(openssl: str, place: Place, body: bytes, folder: Path) -> Path:
    """The signed data inside a body, by openssl and the register's key."""
    keys = place.folder / "register" / "keys"
    (folder / "body.der").write_bytes(body)
    signed = folder / "signed.der"
    own = ["-recip", keys / "decrypt.pem", "-inkey", keys / "decrypt.key"]
    run(openssl, "-decrypt", "-binary", "-inform", "DER", "-in", folder / "body.der", *own, "-out", signed)
    return signed


def printed(openssl: str, file: Path) -> str:
    """What openssl prints of a structure, blanks and line ends made one blank each."""
    return " ".join(run(openssl, "-cmsout", "-print", "-noout", "-inform", "DER", "-in", file).split())


def run(openssl: str, *words: str | Path) -> str:
    """Run ``openssl cms``; what it printed. The test fails when openssl does."""
    done = subprocess.run(
        [openssl, "cms", *map(str, words)], capture_output=True, text=True, errors="replace", timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- a second reader ---------------------------------------------------------------------------------------------------


def test_protons_own_client_reads_the_same(place: Place, submission: str, line: Line) -> None:
    """A second independent reading, by proton's blocking client on the plain port, finds the same fields."""
    from proton.utils import BlockingConnection

    bus = line.bus
    connection = BlockingConnection(
        f"amqp://{bus.host}:{line.broker.port}",
        timeout=SECONDS,
        user=bus.register_user,
        password=bus.register_password,
        allowed_mechs="PLAIN",
        allow_insecure_mechs=True,
    )
    try:
        receiver = connection.create_receiver(line.source(bus.register_queue), credit=1)
        came = receiver.receive(timeout=SECONDS)
        receiver.accept()
    finally:
        connection.close()
    transport_id = sent_message(place, submission, MessageKind.IDENT)[1]
    assert (came.id, came.correlation_id) == (transport_id, transport_id)
    assert came.address == f"{bus.host}/{bus.exchange}/{bus.register_queue}"
    assert came.reply_to == f"{bus.host}/{bus.exchange}/{bus.municipality_queue}"
    assert came.subject == "KPR_IDE"
    assert str(came.content_type) == CONTENT_TYPE
    assert came.durable
    assert came.inferred  # a Data section, and no value
    assert came.properties["fromHerId"] == OUR_HER_ID
    assert came.properties["toHerId"] == REGISTER_HER_ID
    assert all(type(value) is str for value in came.properties.values())
    assert bytes(came.body)[:2] == b"\x30\x82"


# -- the other way: what others write, we read -------------------------------------------------------------------------


def said_by_the_register(now: datetime) -> dict[str, str]:
    """The application properties that the reference library always writes (amqp.md s. 2.2)."""
    return {
        "fromHerId": REGISTER_HER_ID,
        "toHerId": OUR_HER_ID,
        "applicationTimeStamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "enqueuedTimeUtc": f"{now:%Y-%m-%dT%H:%M:%S}",
        "X-ExecutingAssembly": "Helsenorge.Messaging",
    }


def test_an_error_message_in_the_reference_librarys_form_refuses_the_attempt(
    place: Place, submission: str, line: Line, rhea: Rhea
) -> None:
    """Not durable, no content type, no reply address, a US date, an empty body (amqp.md s. 6.2): read all the same."""
    _, transport_id, _ = sent_message(place, submission, MessageKind.IPLOS)
    now = place.now.astimezone(UTC)
    error = {
        "message_id": uuid4().hex,
        "to": line.bus.municipality_errors,
        "subject": "KPR_IPL",
        "application_properties": said_by_the_register(now)
        | {
            "originalMessageId": transport_id,
            "receiverTimeStamp": f"{now:%m/%d/%Y %H:%M:%S}",
            "errorCondition": "transport:invalid-field-value",
            "errorDescription": "One or more fields are missing",
            "errorConditionData": "Label;applicationTimeStamp;",
        },
    }
    rhea.send(line.bus.municipality_errors, error)
    assert place.collect() == {"transport error: transport:invalid-field-value (Label;applicationTimeStamp)": 1}
    assert attempt_states(place, submission) == {
        MessageKind.IDENT: AttemptState.DELIVERED,
        MessageKind.IPLOS: AttemptState.REFUSED,
    }
    assert line.broker.depth(line.bus.municipality_errors) == 0
    assert line.broker.depth(line.bus.register_errors) == 0  # an error is never answered


def attempt_states(place: Place, submission: str) -> dict[MessageKind, AttemptState]:
    """How the latest attempt of each message stands."""
    with place.open() as workplace:
        messages = workplace.store.messages(submission)
        latest = {message.kind: workplace.attempts.latest(message.id) for message in messages}
        return {kind: attempt.state for kind, attempt in latest.items() if attempt}


def test_a_receipt_that_openssl_protected_and_rhea_sent_is_read(
    place: Place, submission: str, line: Line, rhea: Rhea, openssl: str, tmp_path: Path
) -> None:
    """A receipt in the reference library's form, none of our code in its protection or transport, moves its leg."""
    message, transport_id, _ = sent_message(place, submission, MessageKind.IDENT)
    rhea.send(
        line.bus.municipality_queue,
        {
            "message_id": str(uuid4()),
            "to": line.bus.municipality_queue,
            "subject": "APPREC",
            "reply_to": line.bus.register_queue,
            "correlation_id": transport_id,
            "content_type": CONTENT_TYPE,
            "application_properties": said_by_the_register(place.now.astimezone(UTC)),
            "body": base64.b64encode(protected_by(openssl, place, receipt(place, message), tmp_path)).decode(),
        },
    )
    assert place.collect() == {"receipt: POSITIVE": 1}
    assert sent_message(place, submission, MessageKind.IDENT)[0].receipt_leg is ReceiptLeg.POSITIVE


def receipt(place: Place, message: Message) -> bytes:
    """A positive AppRec for a message, as plain XML."""
    register = Party("Registereier (stedfortreder)", "8000003", "KPR", REGISTER_HER_ID)
    municipality = Party("Eksempel kommune", "8000001", "Saksbehandling", OUR_HER_ID)
    app_rec = AppRec(
        version="1.1",
        id=str(UUID(int=1)),
        generated=place.now,
        status="1",
        errors=(),
        original_msg_id=message.msg_id,
        original_type=message.message_type,
        original_issue_date=message.generated,
        sender_her_id=REGISTER_HER_ID,
        receiver_her_id=OUR_HER_ID,
    )
    return write_app_rec(app_rec, register, municipality)


def protected_by(openssl: str, place: Place, plain: bytes, folder: Path) -> bytes:
    """Signed by the register and encrypted for us, by openssl."""
    keys = place.folder / "register" / "keys"
    file, signed, body = folder / "receipt.xml", folder / "receipt.p7s", folder / "receipt.p7m"
    file.write_bytes(plain)
    signer = ["-signer", keys / "sign.pem", "-inkey", keys / "sign.key", "-md", "sha256", "-noattr"]
    run(openssl, "-sign", "-binary", "-nodetach", *signer, "-in", file, "-outform", "DER", "-out", signed)
    recipient = keys / "municipality-decrypt.pem"
    run(openssl, "-encrypt", "-binary", "-aes-256-cbc", "-in", signed, "-outform", "DER", "-out", body, recipient)
    return body.read_bytes()


def test_the_stand_in_registers_receipts_are_read(place: Place, submission: str, line: Line) -> None:
    """The whole way there and back over the broker: both messages are answered, and both receipts move their legs."""
    assert place.exchange().get("receipt: POSITIVE") == 2
    for kind in MessageKind:
        assert sent_message(place, submission, kind)[0].receipt_leg is ReceiptLeg.POSITIVE
    assert [line.broker.depth(queue) for queue in line.bus.queues()] == [0] * 5
