"""The way through a message handler: what we drop for it, and what we make of what it lays before us."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from edi_place import again, alarms, edi_place, files, kept, line, newest, receipt, states, transport_lines
from lxml import etree
from place import Place

from kpr.conversation import AttemptState
from kpr.errors import BadSettings, TransportError
from kpr.messages.head import read_head
from kpr.store import InboxKind, MessageKind
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.handler import open_handler
from kpr.transports.edi.settings import EdiSettings

IDENT, IPLOS = MessageKind.IDENT, MessageKind.IPLOS


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place whose report lies before the handler."""
    place = edi_place(tmp_path, form="handler")
    place.report()
    return place


def lay(made: Place, folder: str, name: str, body: bytes = b"ok") -> None:
    """What the handler writes."""
    (line(made) / folder).mkdir(exist_ok=True)
    (line(made) / folder / name).write_bytes(body)


def acknowledged(made: Place, kind: MessageKind = IPLOS) -> None:
    """The handler says that a message was acknowledged by the other side."""
    lay(made, "ack", f"{newest(made, kind).transport_id}.xml")


def refused(made: Place, kind: MessageKind = IPLOS) -> None:
    """The handler says that it could not deliver a message."""
    lay(made, "error", f"{newest(made, kind).transport_id}.txt", b"01818012337 kan ikke leveres")


def test_each_message_is_dropped_plain_with_what_it_is_about(made: Place) -> None:
    """Two files a message, named after its id: the MsgHead as it was built, and ids and addresses for the handler."""
    dropped = files(made, "to-register")
    assert len(dropped) == 4
    for kind in MessageKind:
        one = newest(made, kind)
        about = json.loads(dropped[f"{one.transport_id}.meta.json"])
        plain = dropped[f"{one.transport_id}.xml"]
        assert about.pop("conversation_id")
        assert about == {
            "message_id": one.transport_id,
            "type": {IDENT: "KPR_IDE", IPLOS: "KPR_IPL"}[kind],
            "from_her_id": "8000002",
            "to_her_id": "8000004",
        }
        assert read_head(io.BytesIO(plain)).head.msg_id == one.msg_id
        assert etree.fromstring(plain).tag.endswith("MsgHead")
    assert states(made) == (AttemptState.HANDED_OVER,) * 2


def test_what_it_is_about_lies_there_before_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that watches for the message always finds what it is about beside it."""
    order, whole = [], FileCarrier.put

    def put(self: FileCarrier, label: object, body: object, size: int) -> None:
        order.append(self._suffix)
        whole(self, label, body, size)  # type: ignore[arg-type]

    monkeypatch.setattr(FileCarrier, "put", put)
    edi_place(tmp_path, form="handler").report()
    assert order == [".meta.json", ".xml"] * 2


def test_the_year_through_a_handler_ends_accepted(made: Place) -> None:
    """Acknowledged by files, answered by receipts as plain XML, the mail by the maildir; nothing is sent by us."""
    before = files(made, "to-register")
    for kind in MessageKind:
        acknowledged(made, kind)
        lay(made, "to-municipality", f"{uuid4()}.xml", receipt(made, newest(made, kind).msg_id))
    counts = made.collect()
    assert counts == {"acknowledgment: acknowledged": 2, "receipt: POSITIVE": 2}
    assert states(made) == (AttemptState.DELIVERED,) * 2
    assert files(made, "to-register") == before
    assert files(made, "ack", "error", "to-municipality") == {}
    assert len(files(made, "municipality-archive")) == 4


def test_a_refusal_of_the_handler_is_mended_by_a_person(made: Place) -> None:
    """REFUSED, with a sentence that leads to the handler's own log; resent it lies there under a new id."""
    before = newest(made)
    refused(made)
    assert made.collect() == {"transport error: handler:error": 1}
    assert newest(made).state is AttemptState.REFUSED
    assert "meldingstjenerens egen logg" in made.status().next_act.nb
    assert "01818012337" not in str(made.status())
    [(verdict, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert verdict == "handler:error"
    assert b"body" in raw
    again(made)
    after = newest(made)
    assert (after.msg_id, after.kind) == (before.msg_id, "S2")
    dropped = files(made, "to-register")
    assert f"{after.transport_id}.xml" in dropped
    assert dropped[f"{after.transport_id}.xml"] == dropped[f"{before.transport_id}.xml"]


def test_the_handler_tries_again_and_we_only_wait(made: Place) -> None:
    """72 hours of the handler's own tries: nothing is dropped twice, and then it is given up."""
    before = files(made, "to-register")
    made.later(hours=71, minutes=59)
    assert made.collect() == {}
    assert "forsøk 1 av 1, den siste" in transport_lines(made)[0]
    made.later(minutes=1)
    assert made.collect() == {"retry: given up": 2}
    assert files(made, "to-register") == before
    assert "transport-given-up" in alarms(made)
    acknowledged(made)
    assert made.collect() == {"acknowledgment: acknowledged": 1}
    assert newest(made).state is AttemptState.DELIVERED


@pytest.mark.parametrize("name", ["{id}", "{id}.xml", "{id}.meta.json.ack", "{ID}.ok"])
def test_an_acknowledgment_is_known_by_its_name(made: Place, name: str) -> None:
    """Whatever follows the first dot; ids are compared without regard to case."""
    transport_id = newest(made).transport_id
    lay(made, "ack", name.format(id=transport_id, ID=transport_id.upper()))
    assert made.collect() == {"acknowledgment: acknowledged": 1}


def test_an_acknowledgment_for_nobody_is_set_aside(made: Place) -> None:
    """A file of another name is no answer to us, in either folder."""
    lay(made, "ack", "liste.txt")
    lay(made, "error", "feil.log")
    assert made.collect() == {"unreadable": 1, "transport error: unknown message": 1}
    assert states(made) == (AttemptState.HANDED_OVER,) * 2
    assert {name for name in files(made, "municipality-failed") if not name.endswith(".reason")} == {
        "liste.txt",
        "feil.log",
    }


def test_an_acknowledgment_and_an_error_for_the_same_message(made: Place) -> None:
    """Both lie there: acknowledged first, and then refused by the error, which somebody must look at."""
    acknowledged(made)
    refused(made)
    assert made.collect() == {"acknowledgment: acknowledged": 1, "transport error: handler:error": 1}
    assert newest(made).state is AttemptState.REFUSED


@pytest.mark.parametrize("body", [b"<AppRec", b"ingenting", bytes(1000), b"<?xml version='1.0'?><a/>"])
def test_what_is_no_receipt_is_set_aside(made: Place, body: bytes) -> None:
    """Kept raw; nothing is said to anybody, since the handler has acknowledged it."""
    before = files(made, "to-register")
    lay(made, "to-municipality", "noe.xml", body)
    assert made.collect() == {"unreadable": 1}
    assert kept(made) == [("not a receipt", body)]
    assert files(made, "to-register") == before


def test_a_huge_error_file_is_kept_in_part(made: Place) -> None:
    """A handler may write its whole log there; the beginning is enough."""
    lay(made, "error", f"{newest(made).transport_id}.log", b"x" * (20 << 20))
    assert made.collect() == {"transport error: handler:error": 1}
    [(_, raw)] = kept(made, InboxKind.TRANSPORT_ERROR)
    assert len(raw) < 8 << 20


def test_a_receipt_with_other_addresses_moves_nothing(made: Place) -> None:
    """The handler's folder is open to its operator alone; a receipt between others is told of all the same."""
    lay(made, "to-municipality", "a.xml", receipt(made, newest(made).msg_id).replace(b"8000004", b"8000009"))
    assert made.collect() == {"receipt: wrong addresses": 1}
    assert made.status().state == "AWAITING"


def test_killed_between_the_two_files_it_drops_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies there is not written twice, and the message comes to it under the same id."""
    made, whole = edi_place(tmp_path, form="handler"), FileCarrier.put

    def put(self: FileCarrier, label: object, body: object, size: int) -> None:
        if self._suffix == ".xml":
            raise TransportError("away")
        whole(self, label, body, size)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "put", put)
        with pytest.raises(TransportError):
            made.report()
    [lone] = files(made, "to-register")
    assert lone == f"{newest(made, IDENT).transport_id}.meta.json"
    made.later(hours=1)
    made.report()
    assert len(files(made, "to-register")) == 4
    assert states(made) == (AttemptState.HANDED_OVER,) * 2


def test_the_wait_counts_from_the_drop(made: Place) -> None:
    """Patience is the handler's own schedule and one interval, from when the message was dropped."""
    with made.open() as place:
        patience = place.packaging.patience
    assert patience is not None
    assert (patience.retries, patience.silence) == (0, timedelta(hours=72))


def test_a_handler_takes_no_mails() -> None:
    """The carrier by mail and the form for a handler exclude each other, with a sentence and a remedy."""
    server = {"host": "localhost", "security": "none"}
    carrier = {"kind": "mail", "smtp": server, "imap": server}
    settings = EdiSettings.model_validate({"kind": "edi", "form": "handler", "carrier": carrier})
    with pytest.raises(BadSettings, match="folder, sftp or ftps"):
        open_handler(settings)
