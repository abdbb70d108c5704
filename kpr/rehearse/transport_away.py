"""A transport that cannot be reached, for the day on which the script says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from kpr.errors import TransportError
from kpr.transports.seam import Envelope, ErrorForm, Fault, Received


class TransportAway:
    """Every attempt to reach it ends in a TransportError; nothing has left then."""

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:  # noqa: ARG002
        """Nothing is handed over."""
        raise TransportError("Transporten kan ikke nås nå.")

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:  # noqa: ARG002
        """Nobody is told."""
        raise TransportError("Transporten kan ikke nås nå.")

    def receive(self) -> Iterator[Received]:
        """Nothing can be asked for."""
        raise TransportError("Transporten kan ikke nås nå.")

    def close(self) -> None:
        """There is nothing to close."""
