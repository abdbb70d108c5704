"""Whom to tell, and how: part of the installation's file. Passwords come from files or the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from kpr.transports.edi.settings import SmtpServer


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Webhook(_Part):
    """An address that is given each alarm as JSON: ids, counts and sentences only."""

    url: str = Field(pattern=r"^https?://")


class Tell(_Part):
    """Roles and their mailboxes, never persons. Louder after each milestone: the officer, then the leader as well."""

    officer: tuple[str, ...] = ()
    leader: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    sender: str = "kpr@localhost"
    smtp: SmtpServer | None = None
    webhook: Webhook | None = None
    #: Page for links in mails, e.g. Prefect's own address.
    link: str = ""

    def resolved(self, base: Path) -> Self:
        """With paths that count from the installation's folder."""
        if self.smtp is None:
            return self
        own = {name: base / value for name, value in self.smtp if isinstance(value, Path)}
        return self.model_copy(update={"smtp": self.smtp.model_copy(update=own)})
