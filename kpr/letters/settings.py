"""From whom letters go, and by which mail server. Without one a letter can be shown and saved, not sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kpr.transports.edi.settings import SmtpServer

#: One plain mailbox in ASCII (RFC 5322 s. 3.4.1): no name beside it, no list of several, nothing that ends a field.
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9.-]+$")]


class Letters(BaseModel):
    """``to`` goes before the year's own contact, for a rehearsal or when the register has said another address."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sender: Address | None = None
    reply_to: Address | None = None
    to: Address | None = None
    smtp: SmtpServer | None = None
