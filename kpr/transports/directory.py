"""The directory transport: a folder shared with the other side, for the embedded default, demos and tests.

<folder>/<receiver's HER-id>/<message id>.p7m    the protected bytes
<folder>/<receiver's HER-id>/<message id>.json   the envelope; written last, so it is what makes a message whole
<folder>/<receiver's HER-id>/done/               taken in
<folder>/<receiver's HER-id>/aside/              kept apart, with <message id>.reason
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from kpr.errors import BadMessage, TransportError, TransportRefused
from kpr.transports.seam import Envelope, ErrorForm, Fault

#: What becomes part of a path; what came from outside must not lead out of the folder.
_HER_ID = re.compile(r"[0-9]{1,20}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,80}")


@dataclass(frozen=True, slots=True)
class DirectoryTransport:
    """Sends into the receiver's folder and receives from our own; both lie under ``folder``."""

    folder: Path
    own_her_id: str

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:  # noqa: ARG002  (a folder takes any size)
        """Write body, then envelope, each whole or not at all."""
        if not _HER_ID.fullmatch(envelope.to_her_id) or not _FILE_NAME.fullmatch(envelope.message_id):
            raise TransportRefused("HER-id-en eller meldings-id-en kan ikke være et filnavn. Sjekk innstillingene.")
        inbox = self.folder / envelope.to_her_id
        if self._has_arrived(inbox, envelope.message_id):
            return
        try:
            inbox.mkdir(parents=True, exist_ok=True)
            _write_whole(inbox / f"{envelope.message_id}.p7m", body)
            _write_text(inbox / f"{envelope.message_id}.json", _as_text(envelope))
        except OSError as error:
            raise TransportError(
                f"The message could not be written to the exchange folder: {error.strerror}."
            ) from error

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:  # noqa: ARG002
        """Write an error message into the sender's folder: an envelope with the fault, and no bytes."""
        if of.fault is not None or not _HER_ID.fullmatch(of.from_her_id):
            return
        message_id = str(uuid5(NAMESPACE_URL, f"{self.own_her_id}/error/{of.message_id}/{fault.condition}"))
        answer = Envelope(message_id, of.message_type, of.to_her_id, of.from_her_id, fault.noticed_at, None, fault)
        self.send(answer, io.BytesIO(), 0)

    def close(self) -> None:
        """There is nothing to close."""

    @staticmethod
    def _has_arrived(inbox: Path, message_id: str) -> bool:
        return any((inbox / part / f"{message_id}.json").exists() for part in ("", "done", "aside"))

    def receive(self) -> Iterator[DirectoryMessage]:
        """Whole messages in our folder, oldest first; an unreadable envelope is set aside, not raised."""
        inbox = self.folder / self.own_her_id
        waiting = sorted(inbox.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in waiting:
            try:
                envelope = _named(read_envelope(path.read_text(encoding="utf-8")), path)
            except (BadMessage, UnicodeDecodeError):
                _move(path.with_suffix(""), inbox / "aside", "unreadable envelope")
                continue
            yield DirectoryMessage(envelope, inbox)


@dataclass(frozen=True, slots=True)
class DirectoryMessage:
    """One message in a folder; it stays there until it is accepted or set aside."""

    envelope: Envelope
    inbox: Path

    def open(self) -> BinaryIO:
        """The protected bytes."""
        return (self.inbox / f"{self.envelope.message_id}.p7m").open("rb")

    def accept(self) -> None:
        """Move it to ``done``."""
        _move(self.inbox / self.envelope.message_id, self.inbox / "done")

    def set_aside(self, reason: str) -> None:
        """Move it to ``aside`` with the reason beside it."""
        _move(self.inbox / self.envelope.message_id, self.inbox / "aside", reason)


def _named(envelope: Envelope, path: Path) -> Envelope:
    """The envelope, when it names its own file: an id from elsewhere must not lead to another one."""
    if envelope.message_id != path.stem:
        raise BadMessage("The envelope names another message than its file.")
    return envelope


def _as_text(envelope: Envelope) -> str:
    return json.dumps(asdict(envelope), default=lambda moment: moment.isoformat())


def read_envelope(text: str) -> Envelope:
    """The envelope from its JSON text; BadMessage when a field is missing or of the wrong kind."""
    try:
        fields = json.loads(text)
        fault = fields.get("fault")
        return Envelope(
            **fields
            | {
                "sent_at": _moment(fields["sent_at"]),
                "fault": Fault(**fault | {"noticed_at": _moment(fault["noticed_at"])}) if fault else None,
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadMessage("The envelope of a received message cannot be read.") from error


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write_whole(target: Path, body: BinaryIO) -> None:
    part = target.with_suffix(target.suffix + ".part")
    try:
        with part.open("wb") as out:
            shutil.copyfileobj(body, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write_text(target: Path, text: str) -> None:
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def _move(stem: Path, folder: Path, reason: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for suffix in (".p7m", ".json"):
        path = stem.with_name(stem.name + suffix)
        if path.exists():
            path.replace(folder / path.name)
    if reason:
        (folder / f"{stem.name}.reason").write_text(reason + "\n", encoding="utf-8")
