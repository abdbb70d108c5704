"""The settings of the EDI transport: which form the messages have, and which carrier takes them.

EDI addresses are not here: they stand in the address book. What an agreement (CPA) says goes before what stands here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from kpr.transports.secret import secret

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(_Part):
    """A server and who we are there. The password comes by the environment or a file."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    timeout_seconds: float = Field(default=60, gt=0)

    def secret(self, place: str) -> str:
        """The password; ``place`` is the setting that this server stands in, ``transport.carrier.smtp``."""
        return secret(self.password, self.password_file, place=f"{place}.password_file")


class TlsServer(Server):
    """A server that is spoken to with TLS; without only on this machine."""

    security: Literal["tls", "starttls", "none"] = "starttls"
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("without TLS only a server on this machine may be used")
        return self


class SmtpServer(TlsServer):
    """Where our mails are handed in."""

    port: int = Field(default=587, ge=1, le=65535)


class ImapServer(TlsServer):
    """A mailbox. What was read is moved to ``archive``, what nobody can use to ``failed``."""

    port: int = Field(default=993, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "tls"
    folder: str = "INBOX"
    archive: str = "kpr-archive"
    failed: str = "kpr-failed"


class MailCarrierSettings(_Part):
    """By mail: SMTP out, IMAP in (HIS 1037 s. 5.1)."""

    kind: Literal["mail"]
    smtp: SmtpServer
    imap: ImapServer


class Folders(_Part):
    """Where files lie on the other machine: each party writes into its outbox and reads its inbox."""

    outbox: str = "outbox"
    inbox: str = "inbox"
    archive: str = "archive"
    failed: str = "failed"
    #: Where a message handler says what became of our messages.
    ack: str = "ack"
    error: str = "error"


class SftpCarrierSettings(Server):
    """By SFTP. The server's key must stand in ``known_hosts``; we log in with a key, or with a password."""

    kind: Literal["sftp"]
    port: int = Field(default=22, ge=1, le=65535)
    known_hosts: Path
    key_file: Path | None = None
    key_password: SecretStr | None = None
    folders: Folders = Folders()


class FtpsCarrierSettings(TlsServer):
    """By FTPS, explicit (``starttls``) or implicit (``tls``); data connections are encrypted as well."""

    kind: Literal["ftps"]
    port: int = Field(default=21, ge=1, le=65535)
    folders: Folders = Folders()


class FolderCarrierSettings(_Part):
    """By a folder on this machine, which a message handler or a file transfer program watches."""

    kind: Literal["folder"]
    folder: Path
    folders: Folders = Folders()


CarrierSettings = Annotated[
    MailCarrierSettings | SftpCarrierSettings | FtpsCarrierSettings | FolderCarrierSettings,
    Field(discriminator="kind"),
]


class EdiSettings(_Part):
    """One end of the EDI route."""

    kind: Literal["edi"]
    carrier: CarrierSettings
    #: ebxml: we make and read the envelope. handler: a message handler does; it gets the plain MsgHead as a file.
    form: Literal["ebxml", "handler"] = "ebxml"
    #: The sister register takes at most 50 MB packed over EDI (addresses.md s. 3: probable).
    max_bytes: int = Field(default=50_000_000, ge=1)
    #: The agreement with the receiver (CPA), when there is one; it goes before the values below.
    cpa_file: Path | None = None
    cpa_id: str | None = Field(default=None, min_length=1, max_length=200)
    #: HIS 1037 s. 5.2: five times, twelve hours apart, where no agreement says otherwise.
    retries: int = Field(default=5, ge=0, le=100)
    retry_hours: float = Field(default=12, gt=0, le=1000)
    #: Left out by default (ebxml.md s. 9: assumed). If set it must be later than all retries.
    time_to_live_hours: float | None = Field(default=None, gt=0)
    #: Not published for this register: no compression unless somebody asks (ebxml.md s. 6: assumed).
    compress: Literal["none", "gzip"] = "none"
    #: What is used in practice; the standard's text still says SHA-1 (ebxml.md s. 5).
    signature: Literal["rsa-sha256", "rsa-sha1"] = "rsa-sha256"
    accept_sha1: bool = False
    system_identifier: str = "kpr"

    @model_validator(mode="after")
    def _lives_longer_than_its_retries(self) -> Self:
        last_try = self.retries * self.retry_hours
        if self.time_to_live_hours is not None and self.time_to_live_hours <= last_try:
            raise ValueError(f"time_to_live_hours must be more than the {last_try:g} hours that the retries take")
        return self
