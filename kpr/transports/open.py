"""Opens the transport that settings name: the one place that knows all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kpr.address_book import AddressBook
from kpr.errors import BadSettings
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.amqp.transport import AmqpTransport, open_bus
from kpr.transports.directory import DirectoryTransport
from kpr.transports.edi.settings import EdiSettings
from kpr.transports.seam import Transport


class DirectorySettings(BaseModel):
    """The directory transport: a folder shared with the stand-in register."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["directory"] = "directory"
    folder: Path = Path("exchange")


TransportSettings = Annotated[DirectorySettings | AmqpSettings | EdiSettings, Field(discriminator="kind")]


def open_transport(
    settings: TransportSettings, own_her_id: str, book: AddressBook | None, partner: str | None = None
) -> Transport:
    """One party's end of the transport. The connection is made when it is first needed.

    ``partner`` is the one party that we exchange with, where there is only one: what others send is not ours to touch.
    """
    if isinstance(settings, DirectorySettings):
        return DirectoryTransport(settings.folder, own_her_id)
    if isinstance(settings, EdiSettings):
        from kpr.transports.edi.transport import open_edi

        return open_edi(settings, own_her_id, book, partner)
    if book is None:
        raise BadSettings(
            "AMQP needs an address book: queue names come from Adresseregisteret.",
            place="addresses",
            remedy="Give 'addresses: addresses.yaml' (docs/amqp.md).",
        )
    return AmqpTransport(settings, book, own_her_id, open_bus(settings))
