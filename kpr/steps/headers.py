"""What stands in the heads of both messages: from the extract where it says it, otherwise from the settings.

The running number, the ids and the time are ours; municipality and period are those of the data year. The payload
itself is never altered.
"""

from __future__ import annotations

from datetime import date

from kpr.errors import BadExtract
from kpr.messages.head import ConversationRef, Head, Party
from kpr.messages.ident import IdentHeader
from kpr.messages.iplos import IplosHeader
from kpr.settings import Contact, Environment, PartySettings
from kpr.sources.work_rows import WorkRows
from kpr.steps.workplace import Workplace
from kpr.store import Message, MessageKind, Submission

#: ProcessingStatus, code list 8113 (HIS 80601; what each environment takes: addresses.md section 6).
_PROCESSING_STATUS = {
    Environment.SIMULATOR: "D",
    Environment.TEST: "D",
    Environment.QA: "T",
    Environment.PRODUCTION: "P",
}

#: Contact types of the IPLOS message (9341) as those of the ident message (8471): code-lists.md K10, assumed.
_IDENT_CONTACT_TYPE = {"1": "17", "2": "16", "3": "16"}


def payload_format(place: Workplace, kind: MessageKind) -> tuple[str, str]:
    """Schema family and version of this kind of message in the data year."""
    if kind is MessageKind.IDENT:
        return "ident", place.year.ident_version.value
    return "iplos", place.year.iplos_version.value


def message_head(place: Workplace, message: Message) -> Head:
    """The MsgHead of a message whose ids are fixed (HIS 80601; ConversationRef only on corrections)."""
    types = {MessageKind.IDENT: place.year.message_type_ident, MessageKind.IPLOS: place.year.message_type_iplos}
    settings = place.settings
    back = None
    if message.parent_msg_id and message.conversation_msg_id and settings.receipt_refers_back:
        back = ConversationRef(message.parent_msg_id, message.conversation_msg_id)
    return Head(
        message_type=types[message.kind].value,
        msg_id=message.msg_id,
        generated=message.generated,
        sender=_party(settings.sender, settings.municipality.organisation_number),
        receiver=_party(settings.receiver),
        processing_status=_PROCESSING_STATUS[settings.environment],
        conversation=back,
    )


def _party(party: PartySettings, organisation_number: str | None = None) -> Party:
    return Party(
        party.organisation_name,
        party.organisation_her_id,
        party.service_name,
        party.service_her_id,
        organisation_number,
    )


def iplos_header(place: Workplace, submission: Submission, work: WorkRows) -> IplosHeader:
    """INNHINFO: system and contacts as the extract says, number and period as the submission has them."""
    said = work.single("innhinfo")
    system = place.settings.care_record_system
    return IplosHeader(
        municipality_number=place.settings.municipality.number,
        district_number=said.get("iiBydelsnr") or place.settings.municipality.district,
        contacts=_iplos_contacts(place, work),
        first_day=place.year.first_day,
        last_day=place.year.last_day,
        extracted_on=_extracted_on(said.get("iiLagetDato"), submission),
        system_id=said.get("iiSysID") or system.code,
        system_version=said.get("iiSysVersjon") or system.version[:15],
        sequence_number=submission.sequence_number,
    )


def ident_header(place: Workplace, submission: Submission, work: WorkRows) -> IdentHeader:
    """Melding: as above, for the ident message; the same number and the same period."""
    said = work.single("melding")
    system = place.settings.care_record_system
    return IdentHeader(
        version=place.year.ident_version.value,
        first_day=place.year.first_day,
        last_day=place.year.last_day,
        extracted_on=_extracted_on(said.get("uttakDato"), submission),
        vendor=said.get("leverandor") or system.vendor,
        system_name=said.get("navnEPJ") or system.name,
        system_version=said.get("versjonEPJ") or system.version,
        extract_version=said.get("versjonUt") or system.extract_version,
        sequence_number=submission.sequence_number,
        institution_id=place.settings.municipality.organisation_number,
        contacts=_ident_contacts(place, work),
    )


def _extracted_on(said: str | None, submission: Submission) -> date:
    try:
        return date.fromisoformat(said) if said else submission.opened_at.date()
    except ValueError:
        raise BadExtract(
            "The date of the extract is not a date.",
            place="innhinfo.iiLagetDato or melding.uttakDato",
            remedy="Write YYYYMMDD in innhinfo and YYYY-MM-DD in melding.",
        ) from None


def _iplos_contacts(place: Workplace, work: WorkRows) -> tuple[dict[str, str | None], ...]:
    columns = work.columns["iikontakt"]
    said = tuple(dict(zip(columns, row, strict=True)) for row in work.select("iikontakt", columns))
    return said or tuple(_iplos_contact(contact) for contact in place.settings.contacts)


def _iplos_contact(contact: Contact) -> dict[str, str | None]:
    return {"Type": contact.type, "Navn": contact.name, "Telefon": contact.phone, "Epost": contact.email}


def _ident_contacts(place: Workplace, work: WorkRows) -> tuple[dict[str, str | None], ...]:
    columns = work.columns["kontaktperson"]
    said = tuple(dict(zip(columns, row, strict=True)) for row in work.select("kontaktperson", columns))
    return said or tuple(_ident_contact(contact) for contact in place.settings.contacts)


def _ident_contact(contact: Contact) -> dict[str, str | None]:
    return {
        "kontPerson": contact.name,
        "meldTelefon": contact.phone,
        "meldEpost1": contact.email,
        "typeKontaktperson": _IDENT_CONTACT_TYPE[contact.type],
    }
