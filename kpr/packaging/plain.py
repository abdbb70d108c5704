"""The form for a message handler (meldingstjener) that makes the ebXML itself: the plain MsgHead, as a file.

It signs, encrypts, retries and acknowledges; what we get back is whether it did. The file lies readable where it is
dropped, so that place must be the handler's own, and closed to others (ebxml.md s. 10: our integration, assumed).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from kpr.errors import BadMessage
from kpr.packaging.seam import Packed, Reply, Unpacked
from kpr.reliability import Patience
from kpr.security.refusals import Unsupported
from kpr.transports.seam import Envelope, ErrorForm, Fault

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Plain:
    """The handler tries again by itself: we only wait, as long as its tries may take."""

    patience: Patience

    def pack(self, plain: BinaryIO, size: int, out: BinaryIO, envelope: Envelope) -> Packed:  # noqa: ARG002
        """Copy."""
        digest, left = sha256(), size
        while left and (piece := plain.read(min(_CHUNK, left))):
            left -= len(piece)
            digest.update(piece)
            out.write(piece)
        if left or plain.read(1):
            raise BadMessage("The message changed while it was being handed over.", remedy="Build it again.")
        return Packed(digest.hexdigest(), size)

    def unpack(self, raw: BinaryIO, out: BinaryIO, *, limit: int, now: datetime) -> Unpacked:  # noqa: ARG002
        """Copy, up to the limit."""
        taken = 0
        while piece := raw.read(_CHUNK):
            taken += len(piece)
            if taken > limit:
                raise Unsupported("The message is larger than what is taken.")
            out.write(piece)
        return Unpacked()

    def check_signal(self, raw: BinaryIO) -> Unpacked:  # noqa: ARG002
        """The handler has checked it; who may write into its folders is its operator's concern."""
        return Unpacked()

    def acknowledgment(self, of: Unpacked, at: datetime) -> Reply | None:  # noqa: ARG002
        """The handler has acknowledged."""
        return None

    def refusal(self, fault: Fault, of: Envelope, form: ErrorForm) -> Reply | None:  # noqa: ARG002
        """The handler has refused what could not be read."""
        return None
