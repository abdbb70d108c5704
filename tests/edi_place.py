"""A place on the EDI route by folder: what lies where, what was sent, and messages as the register would make them."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from place import Place

from kpr.conversation import AttemptState
from kpr.guard import Approval
from kpr.messages.app_rec import AppRec, write_app_rec
from kpr.messages.ebxml.mime import Entity, read_entity, write_entity
from kpr.messages.ebxml.model import Acknowledged, MessageHeader, Reference, SignalError, Soap
from kpr.messages.ebxml.names import ACKNOWLEDGMENT, MESSAGE_ERROR
from kpr.messages.ebxml.read import read_soap
from kpr.messages.ebxml.signature import sign
from kpr.messages.ebxml.soap import acknowledgment_soap, error_soap, signal_header
from kpr.messages.head import Party
from kpr.packaging.ebxml import EbXml
from kpr.packaging.open import open_packaging
from kpr.registry.correspondence import keys_by_sender
from kpr.registry.settings import load_register_settings
from kpr.security.certificates import Identity
from kpr.simulator_edi import edi_by_folder
from kpr.steps.send import resend
from kpr.steps.watch import watch
from kpr.store import InboxKind, MessageKind
from kpr.transports.seam import Envelope
from kpr.years import load_year

OURS, REGISTER = "8000002", "8000004"


def edi_place(tmp_path: Path, *plays: dict[str, Any], **more: Any) -> Place:
    """A small municipality on the EDI route; ``more`` goes into its transport settings."""
    return Place(tmp_path / "place", list(plays), persons=5, edi=edi_by_folder(tmp_path / "line", **more))


def line(made: Place) -> Path:
    """The folder between the two."""
    return made.folder.parent / "line"


def files(made: Place, *folders: str) -> dict[str, bytes]:
    """Names and bytes of what lies in some of the folders."""
    found = (path for folder in folders for path in sorted((line(made) / folder).glob("*")))
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def sent(made: Place) -> dict[str, bytes]:
    """All that we ever handed over."""
    return files(made, "to-register", "register-archive", "register-failed")


def soap_of(raw: bytes) -> Soap:
    """What the envelope of a file says."""
    return read_soap(entity_of(raw).soap)


def entity_of(raw: bytes) -> Entity:
    """The parts of a file."""
    return read_entity(io.BytesIO(raw), io.BytesIO(), limit=100 << 20)


def sent_of(made: Place, action: str) -> list[bytes]:
    """What we handed over with this action, oldest name first."""
    return [raw for name, raw in sent(made).items() if name.endswith(".mime") and _action(raw) == action]


def _action(raw: bytes) -> str:
    header = soap_of(raw).header
    return header.action if header else ""


def put(made: Place, body: bytes, name: str = "") -> str:
    """Lay something in our inbox; its name."""
    folder = line(made) / "to-municipality"
    folder.mkdir(exist_ok=True)
    name = name or f"{uuid4()}.mime"
    (folder / name).write_bytes(body)
    return name


def hold_back(made: Place, action: str) -> list[bytes]:
    """Take what waits for us with this action off the line."""
    taken = []
    for path in sorted((line(made) / "to-municipality").glob("*.mime")):
        if _action(path.read_bytes()) == action:
            taken.append(path.read_bytes())
            path.unlink()
    return taken


@dataclass(frozen=True)
class Sent:
    """A message with its newest attempt."""

    msg_id: str
    transport_id: str
    number: int
    kind: str
    state: AttemptState
    tries: int
    digests: str


def newest(made: Place, kind: MessageKind = MessageKind.IPLOS) -> Sent:
    """How a message stands."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        message = place.store.message(latest.id, kind)
        found = place.attempts.latest(message.id)
        assert found is not None
        return Sent(message.msg_id, found.message_id, found.number, found.kind, found.state, found.tries, found.digests)


def states(made: Place) -> tuple[AttemptState, AttemptState]:
    """Ident attempt and IPLOS attempt."""
    return newest(made, MessageKind.IDENT).state, newest(made).state


def again(made: Place, kind: MessageKind = MessageKind.IPLOS, *persons: str, answered: bool = False) -> None:
    """What ``kpr resend`` does."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        people = Approval(frozenset(persons or ("rolle A",)), "rettet")
        resend(place, latest.id, kind, people, answered=answered)


def alarms(made: Place) -> list[str]:
    """The alarms now, each without the id at its end."""
    with made.open() as place:
        return sorted(alarm.id.rsplit("-", 5)[0] for alarm in watch(place))


def transport_lines(made: Place) -> list[str]:
    """What status says of messages on their way."""
    return [said.state for said in made.status().lines if "transport" in said.what]


def kept(made: Place, kind: InboxKind = InboxKind.UNKNOWN) -> list[tuple[str, bytes]]:
    """What the vault keeps of a kind: verdict and raw bytes, oldest first."""
    with sqlite3.connect(made.folder / "kpr.sqlite") as database, made.open() as place:
        query = "SELECT id, verdict, wrapped_key FROM inbox WHERE kind = ? ORDER BY rowid"
        rows = database.execute(query, (kind.value,)).fetchall()
        found = [(verdict, place.vault.get(f"{id}-inbox", key)) for id, verdict, key in rows]
    database.close()
    return found


def set_aside(made: Place) -> dict[str, bytes]:
    """What lies in our folder for what nobody can use, without the reasons."""
    found = files(made, "municipality-failed")
    return {name: raw for name, raw in found.items() if not name.endswith(".reason")}


# -- as the register would make it -------------------------------------------------------------------------------------


def register_packaging(made: Place) -> EbXml:
    """The register's end of the ebXML."""
    settings = load_register_settings(made.folder / "register" / "register.yaml")
    keys = keys_by_sender(settings)[OURS]
    made_for = open_packaging(settings.transport_settings, keys, load_year(2020), REGISTER, OURS)
    assert isinstance(made_for, EbXml)
    return made_for


def our_packaging(made: Place) -> EbXml:
    """Our own end of it."""
    with made.open() as place:
        packaging = place.packaging
        assert isinstance(packaging, EbXml)
        _ = packaging.keys.signing_identity, packaging.keys.decryption_identities
        _ = packaging.keys.their_encryption_certificate, packaging.keys.their_signing_certificate
        return packaging


def packed(made: Place, plain: bytes, packaging: EbXml | None = None, **changes: Any) -> bytes:
    """Bytes as the register packs them for us."""
    values: dict[str, Any] = {"message_id": str(uuid4()), "conversation_id": str(uuid4()), **changes}
    envelope = Envelope(values.pop("message_id"), "APPREC", REGISTER, OURS, made.now, **values)
    out = io.BytesIO()
    (packaging or register_packaging(made)).pack(io.BytesIO(plain), len(plain), out, envelope)
    return out.getvalue()


def receipt(made: Place, msg_id: str, status: str = "1", **changes: Any) -> bytes:
    """A receipt as plain XML."""
    parties = [Party("Register", "8000003", "KPR", REGISTER), Party("Kommune", "8000001", "Pleie", OURS)]
    answer = AppRec(
        version="1.1",
        id=str(uuid4()),
        generated=made.now,
        status=status,
        errors=(),
        original_msg_id=msg_id,
        original_type="KPR_IPL",
        original_issue_date=made.now,
        sender_her_id=REGISTER,
        receiver_her_id=OURS,
    )
    return write_app_rec(replace(answer, **changes), *parties)


def _signed(soap: bytes, signer: Identity) -> bytes:
    out = io.BytesIO()
    write_entity(out, sign(soap, signer, {}))
    return out.getvalue()


def _answering(made: Place, kind: MessageKind) -> tuple[MessageHeader, tuple[Reference, ...]]:
    wanted = newest(made, kind).transport_id
    [soap] = [
        found
        for raw in sent_of(made, f"KPR_{'IDE' if kind is MessageKind.IDENT else 'IPL'}")[:1]
        if (found := soap_of(raw)).header and found.header.message_id == wanted
    ]
    assert soap.header is not None
    return soap.header, soap.references


def acknowledgment(
    made: Place,
    kind: MessageKind = MessageKind.IPLOS,
    references: tuple[Reference, ...] | None = None,
    ref: str | None = None,
    signer: Identity | None = None,
    **header: Any,
) -> bytes:
    """A signed acknowledgment of our newest message, with whatever is wanted otherwise in it."""
    of, ours = _answering(made, kind)
    said = signal_header(of, action=ACKNOWLEDGMENT, message_id=str(uuid4()), timestamp=made.now)
    what = Acknowledged(of.message_id if ref is None else ref, made.now, ours if references is None else references)
    identity = signer or register_packaging(made).keys.signing_identity
    return _signed(acknowledgment_soap(replace(said, **header), what), identity)


def error_signal(
    made: Place,
    *errors: SignalError,
    kind: MessageKind = MessageKind.IPLOS,
    change: Callable[[bytes], bytes] = lambda soap: soap,
    **header: Any,
) -> bytes:
    """A signed error signal about our newest message."""
    of, _ = _answering(made, kind)
    said = signal_header(of, action=MESSAGE_ERROR, message_id=str(uuid4()), timestamp=made.now)
    soap = change(error_soap(replace(said, **header), errors))
    return _signed(soap, register_packaging(made).keys.signing_identity)


references_of = partial(_answering)
