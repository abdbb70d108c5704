"""The way through a message handler (meldingstjener), which makes the ebXML itself: files in, files out.

    outbox/<id>.meta.json, then outbox/<id>.xml    what it shall send: the plain MsgHead, and who it is for
    ack/<id>.…                                     it was acknowledged by the other side
    error/<id>.…                                   it could not be delivered, or was refused
    inbox/…                                        receipts, as plain XML

No public contract for this exists (ebxml.md s. 10: our integration, assumed), so the folders' names are settings.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from kpr.errors import BadSettings
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.file_carrier import FileCarrier
from kpr.transports.edi.files import Files
from kpr.transports.edi.settings import (
    EdiSettings,
    FolderCarrierSettings,
    Folders,
    FtpsCarrierSettings,
    MailCarrierSettings,
    SftpCarrierSettings,
)
from kpr.transports.edi.transport import EdiMessage, parcel_name
from kpr.transports.seam import Envelope, ErrorForm, Fault


@dataclass(frozen=True, slots=True)
class HandlerTransport:
    """Our end of the handler's folders."""

    files: Files
    folders: Folders

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:
        """Drop what it is about, and then the message itself."""
        label = Label(
            name=parcel_name(envelope),
            message_type=envelope.message_type,
            from_her_id=envelope.from_her_id,
            to_her_id=envelope.to_her_id,
            sender="",
            recipient="",
            sent_at=envelope.sent_at or datetime.now(UTC),
        )
        about = _about(envelope)
        FileCarrier(self.files, self.folders, suffix=".meta.json").put(label, io.BytesIO(about), len(about))
        FileCarrier(self.files, self.folders, suffix=".xml").put(label, body, size)

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:
        """Nothing: the handler has refused what could not be read."""

    def receive(self) -> Iterator[EdiMessage]:
        """What the handler says of our messages, and then what came for us."""
        for folder, envelope in (("ack", _acknowledged), ("error", _refused), ("inbox", _came)):
            inbox = getattr(self.folders, folder)
            carrier = FileCarrier(self.files, self.folders.model_copy(update={"inbox": inbox}))
            for arrived in carrier.waiting():
                yield EdiMessage(envelope(arrived.name.partition(".")[0]), arrived)

    def close(self) -> None:
        """Let go of the connection."""
        self.files.close()


def _about(envelope: Envelope) -> bytes:
    fields = {
        "message_id": envelope.message_id,
        "conversation_id": envelope.conversation_id,
        "type": envelope.message_type,
        "from_her_id": envelope.from_her_id,
        "to_her_id": envelope.to_her_id,
    }
    return json.dumps(fields, indent=1).encode()


def _acknowledged(message_id: str) -> Envelope:
    return Envelope("", "", "", "", None, came_by="ack", acknowledges=message_id)


def _refused(message_id: str) -> Envelope:
    return Envelope("", "", "", "", None, fault=Fault("handler:error", message_id), came_by="error")


def _came(_name: str) -> Envelope:
    return Envelope("", "", "", "", None, came_by="inbox")


def open_handler(settings: EdiSettings) -> HandlerTransport:
    """The handler's folders, wherever they lie."""
    carrier = settings.carrier
    if isinstance(carrier, MailCarrierSettings):
        raise BadSettings(
            "A message handler takes files, not mails.",
            place="transport.carrier",
            remedy="Use a carrier of kind folder, sftp or ftps.",
        )
    return HandlerTransport(files_of(carrier), carrier.folders)


def files_of(settings: SftpCarrierSettings | FtpsCarrierSettings | FolderCarrierSettings) -> Files:
    """The place of files that the settings name."""
    if isinstance(settings, SftpCarrierSettings):
        from kpr.transports.edi.sftp import SftpFiles

        return SftpFiles(settings)
    if isinstance(settings, FtpsCarrierSettings):
        from kpr.transports.edi.ftps import FtpsFiles

        return FtpsFiles(settings)
    from kpr.transports.edi.folder import FolderFiles

    return FolderFiles(settings.folder)
