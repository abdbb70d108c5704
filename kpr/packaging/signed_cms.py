"""The form of the bus and of the practice folder: CMS, signed inside encrypted (AMQP specification s. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from kpr.packaging.seam import Keys, Packed, Reply, Unpacked
from kpr.security.cms_read import open_protected
from kpr.security.cms_write import protect
from kpr.transports.seam import Envelope, ErrorForm, Fault


@dataclass(frozen=True, slots=True)
class SignedCms:
    """Nothing of the envelope stands in the bytes, and the transport delivers and reports errors by itself."""

    keys: Keys
    patience: None = None

    def pack(self, plain: BinaryIO, size: int, out: BinaryIO, envelope: Envelope) -> Packed:  # noqa: ARG002
        """Sign and encrypt."""
        written = protect(plain, size, out, self.keys.signing_identity, self.keys.their_encryption_certificate)
        return Packed(written.sha256, written.size)

    def unpack(self, raw: BinaryIO, out: BinaryIO, *, limit: int, now: datetime) -> Unpacked:  # noqa: ARG002
        """Decrypt and verify."""
        open_protected(raw, out, self.keys.decryption_identities, self.keys.their_signing_certificate, limit=limit)
        return Unpacked()

    def check_signal(self, raw: BinaryIO) -> Unpacked:  # noqa: ARG002
        """Errors come over the bus, which says who may write to a queue."""
        return Unpacked()

    def acknowledgment(self, of: Unpacked, at: datetime) -> Reply | None:  # noqa: ARG002
        """Settling is acknowledging."""
        return None

    def refusal(self, fault: Fault, of: Envelope, form: ErrorForm) -> Reply | None:  # noqa: ARG002
        """The transport has error messages of its own."""
        return None
