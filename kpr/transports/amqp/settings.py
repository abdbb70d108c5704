"""The settings of the AMQP transport. Queue names are not here: they stand in the address book."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from kpr.transports.secret import secret

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AmqpSettings(BaseModel):
    """One end of the bus."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["amqp"]
    #: AMQP 1.0 is what the message profile demands; 0-9-1 cannot carry its fields to a 1.0 receiver (amqp.md s. 9).
    dialect: Literal["amqp10", "amqp091"] = "amqp10"
    host: str = Field(min_length=1)
    port: int = Field(default=5671, ge=1, le=65535)
    tls: bool = True
    ca_file: Path | None = None
    username: str = Field(min_length=1)
    #: By the environment (KPR_TRANSPORT__PASSWORD), or a file that its owner alone can read; never in a settings file.
    password: SecretStr | None = None
    password_file: Path | None = None
    virtual_host: str = "/"
    #: Case-sensitive, and told by the bus's owner in two spellings (amqp.md s. 1.1): assumed until confirmed.
    exchange: str = Field(min_length=1)
    #: RabbitMQ 4.3 and later refuse v1, 3.13 and earlier refuse v2 (amqp.md s. 1.4); auto asks the broker.
    address_format: Literal["auto", "v1", "v2"] = "auto"
    dead_letter_queue: str | None = None
    #: 20 MB is the newest maximum that was published for the bus (addresses.md s. 3, probable); above 1 MB by agreement.
    max_bytes: int = Field(default=20_000_000, ge=1)
    cpa_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    system_identifier: str = "kpr"
    time_server: str | None = None
    #: The reference library's time-out for one operation (amqp.md s. 1.5).
    timeout_seconds: float = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if not self.tls and self.host not in _LOOPBACK:
            raise ValueError("without TLS only a broker on this machine may be used")
        return self

    def secret(self) -> str:
        """The password; BadSettings when there is none, or an empty one."""
        return secret(self.password, self.password_file, place="transport.password_file")
