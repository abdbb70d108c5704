"""From whom letters go, and by which mail server. Without one a letter can be shown and saved, not sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kpr.transports.edi.settings import SmtpServer

_Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Letters(BaseModel):
    """``to`` goes before the year's own contact, for a rehearsal or when the register has said another address."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sender: _Address | None = None
    reply_to: _Address | None = None
    to: _Address | None = None
    smtp: SmtpServer | None = None
