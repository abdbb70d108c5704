"""The directory transport: whole or not at all, once, in order, and nothing lost."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpr.errors import BadMessage, TransportError, TransportRefused
from kpr.transports.directory import DirectoryTransport, read_envelope
from kpr.transports.seam import Envelope, Fault

NOW = datetime(2021, 1, 11, 9, 0, tzinfo=UTC)


def envelope(message_id: str = "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001") -> Envelope:
    """A message from the municipality to the register."""
    return Envelope(message_id, "KPR_IDE", "8000002", "8133973", NOW)


@pytest.fixture
def ours(tmp_path: Path) -> DirectoryTransport:
    """The municipality's end."""
    return DirectoryTransport(tmp_path, "8000002")


@pytest.fixture
def theirs(tmp_path: Path) -> DirectoryTransport:
    """The register's end of the same folder."""
    return DirectoryTransport(tmp_path, "8133973")


def test_what_is_sent_is_received(ours: DirectoryTransport, theirs: DirectoryTransport) -> None:
    """The other side reads the same bytes and the same envelope."""
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    [message] = theirs.receive()
    with message.open() as body:
        assert body.read() == b"protected"
    assert message.envelope == envelope()


def test_it_waits_until_it_is_accepted(ours: DirectoryTransport, theirs: DirectoryTransport) -> None:
    """A message is offered again until it has been accepted, and then no more."""
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    assert len(list(theirs.receive())) == 1
    [message] = theirs.receive()
    message.accept()
    assert list(theirs.receive()) == []


def test_same_message_id_is_delivered_once(ours: DirectoryTransport, theirs: DirectoryTransport) -> None:
    """Sending the same message id again delivers nothing new, even after the other side took it in."""
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    [message] = theirs.receive()
    message.accept()
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    assert list(theirs.receive()) == []


def test_oldest_comes_first(ours: DirectoryTransport, theirs: DirectoryTransport, tmp_path: Path) -> None:
    """Messages are offered in the order in which they were sent."""
    for number, age in ((1, 50), (2, 90), (3, 10)):
        ours.send(envelope(f"id-{number}"), io.BytesIO(b"x"), 1)
        os.utime(tmp_path / "8133973" / f"id-{number}.json", (1_600_000_000 - age, 1_600_000_000 - age))
    assert [message.envelope.message_id for message in theirs.receive()] == ["id-2", "id-1", "id-3"]


def test_body_without_envelope_is_not_a_message(theirs: DirectoryTransport, tmp_path: Path) -> None:
    """Bytes whose envelope has not been written yet are left alone: the sender may still be writing."""
    (tmp_path / "8133973").mkdir()
    (tmp_path / "8133973" / "half.p7m").write_bytes(b"half")
    assert list(theirs.receive()) == []


def test_unreadable_envelope_is_set_aside(ours: DirectoryTransport, theirs: DirectoryTransport, tmp_path: Path) -> None:
    """A poison envelope is kept apart with a reason and does not stop the message behind it."""
    inbox = tmp_path / "8133973"
    inbox.mkdir()
    (inbox / "poison.json").write_text("{not json")
    ours.send(envelope(), io.BytesIO(b"protected"), 9)
    assert [message.envelope for message in theirs.receive()] == [envelope()]
    assert (inbox / "aside" / "poison.reason").read_text() == "unreadable envelope\n"


def test_set_aside_keeps_raw_bytes_and_reason(
    ours: DirectoryTransport, theirs: DirectoryTransport, tmp_path: Path
) -> None:
    """What cannot be used is kept whole, with the reason beside it."""
    ours.send(envelope("a"), io.BytesIO(b"protected"), 9)
    [message] = theirs.receive()
    message.set_aside("not for us")
    aside = tmp_path / "8133973" / "aside"
    assert (aside / "a.p7m").read_bytes() == b"protected"
    assert (aside / "a.reason").read_text() == "not for us\n"


def test_a_write_that_fails_leaves_nothing(
    ours: DirectoryTransport, theirs: DirectoryTransport, tmp_path: Path
) -> None:
    """A full disk is a transport error that may be tried again, and no half message is left behind."""

    class FullDisk(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, _size: int = -1) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(TransportError, match="No space left"):
        ours.send(envelope(), FullDisk(), 9)  # type: ignore[arg-type]
    assert list(theirs.receive()) == []
    assert list((tmp_path / "8133973").iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sent_at": "x"}', '{"message_id": "a", "sent_at": 5}'])
def test_bad_envelope_is_bad_message(text: str) -> None:
    """Whatever stands in the envelope file, the answer is one clear error."""
    with pytest.raises(BadMessage):
        read_envelope(text)


def test_what_comes_from_outside_leads_out_of_no_folder(tmp_path: Path) -> None:
    """A HER-id or an id that is a path is neither written to nor read from."""
    ours = DirectoryTransport(tmp_path / "exchange", "1")
    with pytest.raises(TransportRefused):
        ours.send(Envelope("id", "KPR_IPL", "1", "../keys", NOW), io.BytesIO(b"x"), 1)
    ours.report(Fault("transport:x", "id"), Envelope("id", "KPR_IPL", "../keys", "1", NOW))
    assert not (tmp_path / "keys").exists()
    inbox = tmp_path / "exchange" / "1"
    inbox.mkdir(parents=True, exist_ok=True)
    (tmp_path / "secret.p7m").write_bytes(b"not for you")
    text = '{"message_id": "../../secret", "message_type": "A", "from_her_id": "2", "to_her_id": "1", "sent_at": null}'
    (inbox / "a.json").write_text(text)
    assert list(ours.receive()) == []
    assert (inbox / "aside" / "a.reason").exists()
