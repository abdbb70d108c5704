"""Whom to tell, and how: part of the installation's file. Passwords come from files or the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kpr.letters.settings import Address
from kpr.transports.edi.settings import SmtpServer

#: Where the password of the mail server may stand, instead of in a file.
PASSWORD_VARIABLE = "KPR_TELL__SMTP__PASSWORD"  # noqa: S105  (its name, not a password)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Webhook(_Part):
    """An address that is given each alarm as JSON: ids, counts and sentences only."""

    url: str = Field(pattern=r"^https?://")


class Tell(_Part):
    """Roles and their mailboxes, never persons. Louder after each milestone: the officer, then the leader as well."""

    officer: tuple[Address, ...] = ()
    leader: tuple[Address, ...] = ()
    operator: tuple[Address, ...] = ()
    sender: Address = "kpr@localhost"
    smtp: SmtpServer | None = None
    webhook: Webhook | None = None
    #: Page for links in mails, e.g. Prefect's own address.
    link: str = ""
    #: Office hours without a round over mailbox and transport before it is told of (assumed).
    quiet_hours: float = Field(default=6, gt=0)

    def resolved(self, base: Path) -> Self:
        """With paths that count from the installation's folder, and the password that the environment holds."""
        if self.smtp is None:
            return self
        own: dict[str, object] = {name: base / value for name, value in self.smtp if isinstance(value, Path)}
        if self.smtp.password is None and (found := os.environ.get(PASSWORD_VARIABLE)):
            own["password"] = SecretStr(found)
        return self.model_copy(update={"smtp": self.smtp.model_copy(update=own)})
