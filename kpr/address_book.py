"""The address book: what Adresseregisteret says about the parties that we exchange with, as one file.

Queue names and certificates are looked up, never composed from a HER-id: queues can be inherited or shared (amqp.md
s. 1.3), and the certificate at hand may have been replaced. The file is the operator's copy of the registry's data;
``fetched`` says from when.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Self

import yaml
from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kpr.errors import BadSettings
from kpr.security.certificates import load_certificate
from kpr.yaml_file import read_yaml

#: A copy older than this is told of: the registry's data is to be cached for an hour, a file is fetched each season.
STALE_DAYS = 30


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class ElectronicAddresses(_Part):
    """Addresses by the registry's own type codes (OID 9044); as registered, ``host/exchange/queue``."""

    asynchronous: str | None = Field(default=None, alias="E_SB_ASYNC")
    synchronous: str | None = Field(default=None, alias="E_SB_SYNC")
    error: str | None = Field(default=None, alias="E_SB_ERROR")
    edi: str | None = Field(default=None, alias="E_EDI")


class Entry(_Part):
    """One communication party, level 2, with the organisation that it belongs to."""

    her_id: str = Field(pattern=r"^[1-9][0-9]*$")
    name: str
    parent_her_id: str = Field(pattern=r"^[1-9][0-9]*$")
    parent_name: str
    active: bool = True
    addresses: ElectronicAddresses = ElectronicAddresses()
    encryption_certificate: Path | None = None
    signing_certificate: Path | None = None

    def encryption(self) -> x509.Certificate:
        """The certificate that messages to this party are encrypted for."""
        return self._certificate(self.encryption_certificate, "encryption_certificate")

    def signing(self) -> x509.Certificate:
        """The certificate that this party signs with."""
        return self._certificate(self.signing_certificate, "signing_certificate")

    def _certificate(self, path: Path | None, name: str) -> x509.Certificate:
        if path is None:
            raise BadSettings(
                f"The address book has no {name} for HER-id {self.her_id}.", place="addresses", remedy=_REMEDY
            )
        return load_certificate(path)


class AddressBook(_Part):
    """All parties that we know, by HER-id."""

    fetched: date
    source: str = Field(min_length=1)
    parties: tuple[Entry, ...]

    @model_validator(mode="after")
    def _each_party_once(self) -> Self:
        her_ids = [entry.her_id for entry in self.parties]
        if len(set(her_ids)) != len(her_ids):
            raise ValueError("a HER-id stands there twice")
        return self

    def entry(self, her_id: str) -> Entry:
        """The party; BadSettings when it is not there, or not active any more."""
        found = self.find(her_id)
        if found is None or not found.active:
            state = "is not in the address book" if found is None else "is not active"
            raise BadSettings(f"HER-id {her_id} {state}.", place="addresses", remedy=_REMEDY)
        return found

    def find(self, her_id: str) -> Entry | None:
        """The party, whatever its state; None when it is not there."""
        return next((entry for entry in self.parties if entry.her_id == her_id), None)

    def is_stale(self, now: datetime) -> bool:
        """Whether the copy should be fetched anew."""
        return (now.date() - self.fetched).days > STALE_DAYS


_REMEDY = "Fetch it anew from Adresseregisteret."


def queue_name(registered: str) -> str:
    """The queue in a registered address: what follows the last slash (amqp.md s. 1.3)."""
    return registered.rstrip("/").rpartition("/")[2]


def load_address_book(path: Path) -> AddressBook:
    """Read the file; certificate paths count from its folder. BadSettings names the field that is wrong."""
    try:
        book = AddressBook.model_validate(read_yaml(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings("The address book cannot be read as YAML.", place=path.name, remedy=_REMEDY) from None
    except (ValidationError, ValueError) as error:  # ValueError: YAML with a day that does not exist
        raise BadSettings("The address book is not complete.", place=_place(path, error), remedy=_REMEDY) from None
    base = path.parent.resolve()
    return book.model_copy(update={"parties": tuple(_resolved(entry, base) for entry in book.parties)})


def _place(path: Path, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return path.name
    where = error.errors(include_input=False, include_url=False)[0]["loc"]
    return f"{path.name}: {'.'.join(str(part) for part in where)}" if where else path.name


def _resolved(entry: Entry, base: Path) -> Entry:
    names = ("encryption_certificate", "signing_certificate")
    return entry.model_copy(update={name: base / path for name in names if (path := getattr(entry, name))})
