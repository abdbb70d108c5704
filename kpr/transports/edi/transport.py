"""The EDI transport: parcels with ebXML messages, addressed by the address book, carried by whichever carrier.

The carrier delivers a name once, and a retry must reach the other side again: so a parcel is named after its message
id and its try, and a signal, which is sent anew for every duplicate, gets a name of its own each time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from kpr.address_book import AddressBook
from kpr.errors import BadSettings
from kpr.log import get_log
from kpr.transports.edi.carrier import Arrived, Carrier, Label
from kpr.transports.edi.envelope import SIGNALS, read_envelope
from kpr.transports.edi.open import open_carrier
from kpr.transports.edi.settings import EdiSettings, MailCarrierSettings
from kpr.transports.seam import Envelope, ErrorForm, Fault, Transport

_log = get_log("edi")


@dataclass(frozen=True, slots=True)
class EdiTransport:
    """One party's end of the EDI route."""

    settings: EdiSettings
    book: AddressBook | None
    own_her_id: str
    carrier: Carrier
    partner: str | None = None

    def send(self, envelope: Envelope, body: BinaryIO, size: int) -> None:
        """Put one packed message."""
        self.carrier.put(self._label(envelope), body, size)

    def _label(self, envelope: Envelope) -> Label:
        return Label(
            name=parcel_name(envelope),
            message_type=envelope.message_type,
            from_her_id=envelope.from_her_id,
            to_her_id=envelope.to_her_id,
            sender=self._address(envelope.from_her_id),
            recipient=self._address(envelope.to_her_id),
            sent_at=envelope.sent_at or datetime.now(UTC),
        )

    def _address(self, her_id: str) -> str:
        """The EDI address of a party; files need none."""
        if not isinstance(self.settings.carrier, MailCarrierSettings):
            return ""
        if self.book is None:
            raise BadSettings(
                "EDI by mail needs an address book: EDI addresses come from Adresseregisteret.",
                place="addresses",
                remedy="Give 'addresses: addresses.yaml' (docs/edi.md).",
            )
        address = self.book.entry(her_id).addresses.edi
        if not address:
            raise BadSettings(
                f"The address book has no EDI address for HER-id {her_id}.",
                place="addresses",
                remedy="Fetch it anew from Adresseregisteret (E_EDI).",
            )
        return address

    def report(self, fault: Fault, of: Envelope, form: ErrorForm = ErrorForm.SPEC) -> None:
        """Nothing: an error is a signed signal here, which the packaging makes and ``send`` carries."""

    def receive(self) -> Iterator[EdiMessage]:
        """Whole parcels that wait for us, oldest first.

        The mailbox of a communication party may be read by other programs too: what another party than ours has sent,
        or what is for another than us, is left as it lies.
        """
        for arrived in self.carrier.waiting():
            envelope = read_envelope(arrived, self.settings.max_bytes)
            if self._is_for_others(envelope):
                _log.info("left for others", size=arrived.size)
                continue
            yield EdiMessage(envelope, arrived)

    def _is_for_others(self, envelope: Envelope) -> bool:
        if self.partner is None:
            return False
        return envelope.from_her_id not in ("", self.partner) or envelope.to_her_id not in ("", self.own_her_id)

    def close(self) -> None:
        """Let go of the connections."""
        self.carrier.close()


def parcel_name(envelope: Envelope) -> str:
    """What the carrier calls it: the message id, with the number of the try, or for a signal with something new."""
    if envelope.message_type in SIGNALS:
        return f"{envelope.message_id}-{secrets.token_hex(4)}"
    return envelope.message_id if envelope.tries == 1 else f"{envelope.message_id}-{envelope.tries}"


@dataclass(frozen=True, slots=True)
class EdiMessage:
    """One parcel that came; the carrier keeps it until it is accepted or set aside."""

    envelope: Envelope
    arrived: Arrived = field(repr=False)

    def open(self) -> BinaryIO:
        """The parcel as it came: a whole mail, or a MIME entity."""
        return self.arrived.open()

    def accept(self) -> None:
        """Take it away."""
        self.arrived.accept()

    def set_aside(self, reason: str) -> None:
        """Take it away as useless; its bytes are kept by then."""
        _log.warning("set aside", reason=reason)
        self.arrived.set_aside(reason)


def open_edi(settings: EdiSettings, own_her_id: str, book: AddressBook | None, partner: str | None = None) -> Transport:
    """One party's end; connections are made when they are first needed."""
    if settings.form == "handler":
        from kpr.transports.edi.handler import open_handler  # it needs what stands above

        return open_handler(settings)
    return EdiTransport(settings, book, own_her_id, open_carrier(settings.carrier), partner)
