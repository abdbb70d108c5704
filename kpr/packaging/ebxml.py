"""The form of the EDI route: ebXML over MIME (HIS 1037:2011), between two parties.

Order (HIS 1037 s. 5.5): encrypt, digest the CMS, build the envelope, sign it, write MIME. The encrypted bytes are held
in memory while the envelope is made: at most ``max_bytes`` of the settings, whichever way the message goes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from typing import BinaryIO, cast

from kpr.errors import BadMessage, BadSettings, TransportRefused
from kpr.messages.ebxml.agreement import APP_REC, Agreement, agreement
from kpr.messages.ebxml.content import as_entity, open_content, write_content
from kpr.messages.ebxml.cpa import read_cpa
from kpr.messages.ebxml.cpa_model import Cpa
from kpr.messages.ebxml.mime import Entity, read_entity, write_entity
from kpr.messages.ebxml.model import ManifestItem, MessageHeader, Reference, SignalError, Soap, SoapKind
from kpr.messages.ebxml.read import read_soap
from kpr.messages.ebxml.signature import sign, verify
from kpr.messages.ebxml.soap import payload_soap
from kpr.packaging import ebxml_signals as signals
from kpr.packaging.ebxml_rules import Table, handler_description, receipt_schema, schemas_of
from kpr.packaging.seam import Keys, Packed, Reply, Unpacked
from kpr.reliability import Patience
from kpr.security.cms_decrypt import open_enveloped
from kpr.security.cms_write import envelop
from kpr.security.refusals import Refused, Unsupported
from kpr.transports.edi.envelope import envelope_of, parcel_limit
from kpr.transports.edi.settings import EdiSettings, MailCarrierSettings
from kpr.transports.seam import Envelope, ErrorForm, Fault
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class EbXml:
    """One pair of parties. ``agreements`` gives what was agreed for a message type of ours, ``schemas`` its schema."""

    settings: EdiSettings
    keys: Keys
    own_her_id: str
    their_her_id: str
    agreements: Callable[[str], Agreement]
    table: Table
    schemas: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def patience(self) -> Patience:
        """Retries and interval, as agreed for the data message."""
        agreed = self.agreements("KPR_IPL")
        return Patience(agreed.retries, agreed.retry_interval)

    # -- out ---------------------------------------------------------------------------------------------------------

    def pack(self, plain: BinaryIO, size: int, out: BinaryIO, envelope: Envelope) -> Packed:
        """Encrypt, sign and wrap. TransportRefused: larger than what was agreed; BadMessage: it breaks a rule."""
        agreed = self.agreements(envelope.message_type)
        _demand_our_cipher(agreed)
        schema = self.schemas.get(envelope.message_type)
        if schema is None:  # a receipt, which is small
            receipt = plain.read(size)
            plain, schema = io.BytesIO(receipt), receipt_schema(receipt)
        encrypted = self._encrypted(plain, size)
        content_id = f"{envelope.message_id}@{self.own_her_id}.kpr"
        soap = payload_soap(self._header(envelope, agreed), (ManifestItem(content_id, *schema),))
        digest = {"rsa-sha1": sha1, "rsa-sha256": sha256}[agreed.signature](encrypted.getbuffer()).digest()
        signer = self.keys.signing_identity
        signed = sign(soap, signer, {content_id: digest}, algorithm=agreed.signature)
        self.table.demand_ours(signed, content_id, signer.certificate)
        written = _Counted(out)
        write_entity(cast(BinaryIO, written), signed, (content_id, encrypted))
        return Packed(written.hash.hexdigest(), written.size, digests(read_soap(signed).references))

    def _encrypted(self, plain: BinaryIO, size: int) -> io.BytesIO:
        """As a MIME entity (HITS 1172 s. 5.15.1), compressed where the settings say so."""
        if self.settings.compress == "gzip":
            source: BinaryIO = _Bounded(self.settings.max_bytes)
            size = write_content(plain, source, zipped=True)
            source.seek(0)
        else:
            source, size = as_entity(plain, size)
        encrypted = _Bounded(self.settings.max_bytes)
        envelop(source, size, encrypted, self.keys.their_encryption_certificate)
        encrypted.seek(0)
        return encrypted

    def _header(self, envelope: Envelope, agreed: Agreement) -> MessageHeader:
        lives = self.settings.time_to_live_hours
        sent_at = envelope.sent_at
        assert sent_at is not None
        return MessageHeader(
            from_her_id=self.own_her_id,
            to_her_id=self.their_her_id,
            from_role=agreed.from_role,
            to_role=agreed.to_role,
            cpa_id=agreed.cpa_id,
            conversation_id=envelope.conversation_id,
            service=agreed.service,
            service_type=agreed.service_type,
            action=agreed.action,
            message_id=envelope.message_id,
            timestamp=sent_at,
            time_to_live=sent_at + timedelta(hours=lives) if lives else None,
            description=handler_description(self.settings.system_identifier),
        )

    # -- in ----------------------------------------------------------------------------------------------------------

    def unpack(self, raw: BinaryIO, out: BinaryIO, *, limit: int, now: datetime) -> Unpacked:
        """Verify, decrypt and unwrap a payload message."""
        encrypted = _Bounded(self.settings.max_bytes)
        try:
            entity, soap, references = self._verified(raw, encrypted)
        except TransportRefused:
            raise Unsupported("The message is larger than what was agreed.") from None
        header = soap.header
        if soap.kind is not SoapKind.PAYLOAD:  # a signal, or a Ping: never answered (HITS 1171 s. 8.1)
            raise Refused("The message is no payload message.", condition="")
        self.table.demand_theirs(entity, self.keys.their_signing_certificate)
        if header is None or entity.payload is None:
            raise BadMessage("The message has no payload.")
        encrypted.seek(0)
        inner = io.BytesIO()
        open_enveloped(encrypted, inner, self.keys.decryption_identities, limit=self.settings.max_bytes)
        inner.seek(0)
        open_content(inner, out, limit=limit)
        expired = header.time_to_live is not None and now > header.time_to_live
        return Unpacked(envelope_of(entity, soap), digests(references), header, references, expired)

    def _verified(self, raw: BinaryIO, payload: BinaryIO) -> tuple[Entity, Soap, tuple[Reference, ...]]:
        """Read from the very bytes that were verified."""
        entity = read_entity(raw, payload, limit=parcel_limit(self.settings.max_bytes))
        soap = read_soap(entity.soap)
        parts = {entity.payload.content_id: entity.payload.digests} if entity.payload else {}
        references = verify(
            entity.soap, parts, self.keys.their_signing_certificate, accept_sha1=self.settings.accept_sha1
        )
        return entity, soap, references

    def check_signal(self, raw: BinaryIO) -> Unpacked:
        """Acknowledgments and errors are signed; a SOAP fault and a returned mail cannot be."""
        read = signals.read_signal(raw)
        if read is None or read[1].kind is SoapKind.FAULT:
            return Unpacked()
        entity, soap = read
        verify(entity.soap, {}, self.keys.their_signing_certificate, accept_sha1=self.settings.accept_sha1)
        self.table.demand_theirs(entity, self.keys.their_signing_certificate)
        acknowledged = soap.acknowledged.references if soap.acknowledged else ()
        return Unpacked(envelope_of(entity, soap), digests(acknowledged), soap.header, acknowledged)

    # -- answers -----------------------------------------------------------------------------------------------------

    def acknowledgment(self, of: Unpacked, at: datetime) -> Reply:
        """The signed acknowledgment of a message that was opened."""
        return signals.acknowledgment(_header_of(of), of.references, at, self.keys.signing_identity)

    def warning(self, of: Unpacked, at: datetime) -> Reply:
        """An error signal with nothing but a warning, which is an acknowledgment as well."""
        warning = SignalError("OtherXml", "Warning", description="A small fault.")
        return signals.error(_header_of(of), (warning,), at, self.keys.signing_identity)

    def refusal(self, fault: Fault, of: Envelope, form: ErrorForm) -> Reply | None:
        """The signed error signal, or a SOAP fault; None when nobody could tell what it answers."""
        if not of.message_id or fault.noticed_at is None:
            return None
        if form is ErrorForm.SOAP:
            return signals.soap_fault(fault, of, fault.noticed_at)
        cpa_id = self.agreements("KPR_IPL").cpa_id
        return signals.refusal(fault, of, cpa_id, fault.noticed_at, self.keys.signing_identity)


def _header_of(message: Unpacked) -> MessageHeader:
    if message.header is None:
        raise ValueError("only a message that was opened can be answered")
    return message.header


def _demand_our_cipher(agreed: Agreement) -> None:
    """Triple DES is read from those who still write it, and never written."""
    if agreed.encryption != "aes-256-cbc":
        raise BadSettings(
            f"The agreement wants {agreed.encryption}, which kpr reads and does not write.",
            place="transport.cpa_file",
            remedy="Ask the other party for an agreement with AES-256-CBC.",
        )


def digests(references: tuple[Reference, ...]) -> str:
    """References as text, to be compared: an acknowledgment repeats those of the message."""
    return " ".join(sorted(f"{each.uri}={base64.b64encode(each.digest).decode()}" for each in references))


class _Bounded(io.BytesIO):
    """Bytes in memory, no more than was agreed."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._left = limit

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write; TransportRefused beyond the limit."""
        self._left -= len(data)
        if self._left < 0:
            raise TransportRefused(
                "Meldingen er større enn avtalt (transport.max_bytes). Avtal mer med registeret, eller slå på "
                "transport.compress. (edi:too-large)"
            )
        return super().write(data)


class _Counted:
    def __init__(self, out: BinaryIO) -> None:
        self.out, self.hash, self.size = out, sha256(), 0

    def write(self, data: bytes) -> int:
        """Write, and count."""
        self.hash.update(data)
        self.size += len(data)
        return self.out.write(data)


def ebxml_between(settings: EdiSettings, keys: Keys, year: Year, own_her_id: str, their_her_id: str) -> EbXml:
    """The packaging of one pair, with what their agreement says where there is one."""
    cpa = _cpa(settings)

    def agreements(message_type: str) -> Agreement:
        if message_type == APP_REC:  # the receipt for the data message, back the same way (HISD 1209 s. 3.2)
            return agreement(settings, year, their_her_id, own_her_id, "KPR_IPL", cpa).for_app_rec()
        return agreement(settings, year, own_her_id, their_her_id, message_type, cpa)

    by_mail = isinstance(settings.carrier, MailCarrierSettings)
    table = Table(own_her_id, their_her_id, by_mail, settings.accept_sha1, cpa)
    return EbXml(settings, keys, own_her_id, their_her_id, agreements, table, schemas_of(year))


def _cpa(settings: EdiSettings) -> Cpa | None:
    if settings.cpa_file is None:
        return None
    try:
        return read_cpa(settings.cpa_file.read_bytes())
    except OSError:
        raise BadSettings(
            "The agreement (CPA) cannot be read.", place="transport.cpa_file", remedy="Check the name of the file."
        ) from None
