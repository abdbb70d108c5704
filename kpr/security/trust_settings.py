"""Whom to trust, as settings say it. The machinery (trust.py) takes half a second to import, and is imported late."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kpr.errors import TransportError


class Trust(BaseModel):
    """Whom to trust. Without ``roots``, a PEM file with CA certificates, nothing is checked: for the simulator only.

    What is self-signed in the file is trusted; the others help to find the way there and are checked themselves.
    ``policies`` are OIDs, one of which the certificate must carry; empty means any. AMQP specification s. 3 (2018) has
    2.16.578.1.26.1.3.2 for production and 2.16.578.1.26.1.0.3.2 for test; other issuers may have others.
    ``timeout_seconds`` is for each fetch; 30 is what the reference library waits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    roots: Path | None = None
    revocation: Literal["off", "when_reachable", "required"] = "required"
    policies: tuple[Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")], ...] = ()
    timeout_seconds: float = Field(default=30, gt=0)


class Checked(StrEnum):
    """How much was checked, to be shown to the operator."""

    FULL = "path and revocation"
    WITHOUT_REVOCATION = "path only"
    NOTHING = "nothing"


class RevocationUnknown(TransportError):
    """Whether a certificate is revoked cannot be known now: to be tried again, and never the sender's fault."""
