"""The message head, MsgHead 1.2 (HIS 80601:2006), written around a streamed payload and read again.

Addressing on two levels (HIS 1153-2): organisation, and inside it the communication party, each by HER-id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from lxml import etree

from kpr.calendar import OSLO
from kpr.errors import BadMessage
from kpr.messages.faults import not_xml
from kpr.messages.safe_xml import stream
from kpr.messages.schemas import MSGHEAD, default_namespace

MIG_VERSION = "v1.2 2006-05-24"
_OID = "2.16.578.1.12.4.1.1."
_MH = f"{{{MSGHEAD}}}"
#: A head has some sixty elements; whoever needs more than this before the payload has written something else.
_HEAD_EVENTS = 10_000
_STATUS_TEXT = {"P": "Produksjon", "T": "Opplæring", "D": "Debugging"}


@dataclass(frozen=True, slots=True)
class Party:
    """Sender or receiver: organisation (level 1) and communication party (level 2)."""

    organisation_name: str
    organisation_her_id: str
    service_name: str
    service_her_id: str
    organisation_number: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationRef:
    """Only on corrections: MsgId of the former and of the first message of this type (HIS 80601)."""

    parent: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in MsgInfo. ``generated`` is aware; it starts the 96-hour clock and never changes."""

    message_type: str
    msg_id: str
    generated: datetime
    sender: Party
    receiver: Party
    processing_status: str = ""
    conversation: ConversationRef | None = None

    def __post_init__(self) -> None:
        """A time without a zone would silently be taken for that of the machine."""
        if self.generated.tzinfo is None:
            raise ValueError("the time in the message head has no zone")


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A head that was read, and what payload it announces."""

    head: Head
    payload_namespace: str
    payload_version: str


class Payload(Protocol):
    """Something that can write itself into Content."""

    def write(self, xf: etree._IncrementalFileWriter, raw: Callable[[bytes], Any]) -> None:
        """Write the payload's root with everything under it; ``raw`` writes finished XML at the same place."""
        ...


def write_message(head: Head, payload: Payload, out: BinaryIO) -> None:
    """Write a whole message, streamed, UTF-8. The same head and payload give the same bytes.

    BadMessage when head or payload cannot be written; what is in ``out`` is then no message and must be thrown away.
    """
    try:
        info = _msg_info(head)
    except ValueError:
        raise not_xml("MsgInfo") from None
    try:
        with etree.xmlfile(out, encoding="UTF-8") as xf:
            xf.write_declaration()
            with xf.element(f"{_MH}MsgHead", nsmap=default_namespace(MSGHEAD)):
                xf.write(info)
                with xf.element(f"{_MH}Document"), xf.element(f"{_MH}RefDoc"):
                    xf.write(_node("IssueDate", V=_time(head.generated)))
                    xf.write(_node("MsgType", V="XML", DN="XML-instans"))
                    with xf.element(f"{_MH}Content"):
                        payload.write(xf, raw_writer(xf, out))
    except etree.SerialisationError as error:  # the stream below refused: a full disk, a closed pipe
        raise OSError("the message could not be written") from error


def raw_writer(xf: etree._IncrementalFileWriter, out: BinaryIO) -> Callable[[bytes], Any]:
    """Writes finished XML past ``xf``, behind everything that it has been given."""

    def write(data: bytes) -> None:
        xf.flush()
        out.write(data)

    return write


def _time(moment: datetime) -> str:
    """Norwegian time with its offset, whole seconds (message-head.md M4: always emit an offset)."""
    return moment.astimezone(OSLO).isoformat(timespec="seconds")


def _node(name: str, text: str | None = None, **attributes: str) -> etree._Element:
    node = etree.Element(_MH + name, attributes, nsmap=default_namespace(MSGHEAD))
    node.text = text
    return node


def _msg_info(head: Head) -> etree._Element:
    info = _node("MsgInfo")
    info.append(_node("Type", V=head.message_type))
    for name, text in (("MIGversion", MIG_VERSION), ("GenDate", _time(head.generated)), ("MsgId", head.msg_id)):
        info.append(_node(name, text))
    if head.processing_status:
        said = {"V": head.processing_status, "DN": _STATUS_TEXT.get(head.processing_status, "")}
        info.append(_node("ProcessingStatus", **{name: value for name, value in said.items() if value}))
    if head.conversation:
        reference = etree.SubElement(info, f"{_MH}ConversationRef")
        reference.append(_node("RefToParent", head.conversation.parent))
        reference.append(_node("RefToConversation", head.conversation.conversation))
    for name, party in (("Sender", head.sender), ("Receiver", head.receiver)):
        etree.SubElement(info, _MH + name).append(_organisation(party))
    return info


def _organisation(party: Party) -> etree._Element:
    organisation = _node("Organisation")
    organisation.append(_node("OrganisationName", party.organisation_name))
    organisation.append(_ident(party.organisation_her_id, "HER", "HER-id"))
    if party.organisation_number:
        organisation.append(_ident(party.organisation_number, "ENH", "Organisasjonsnummeret i Enhetsregisteret"))
    service = etree.SubElement(organisation, f"{_MH}Organisation")
    service.append(_node("OrganisationName", party.service_name))
    service.append(_ident(party.service_her_id, "HER", "HER-id"))
    return organisation


def _ident(value: str, code: str, text: str) -> etree._Element:
    ident = _node("Ident")
    ident.append(_node("Id", value))
    ident.append(_node("TypeId", V=code, S=f"{_OID}9051", DN=text))
    return ident


# -- reading -----------------------------------------------------------------------------------------------------


def read_head(source: BinaryIO) -> MessageInfo:
    """Read as far as the payload's root, and no further. BadMessage when it is no message of this kind."""
    info: etree._Element | None = None
    content = f"{_MH}Content"
    for number, (event, element) in enumerate(stream(source, events=("start", "end"))):
        if (number == 0 and element.tag != f"{_MH}MsgHead") or number > _HEAD_EVENTS:
            break  # and so a payload without a head is refused at once, however large it is
        if event == "end" and element.tag == f"{_MH}MsgInfo":
            info = element
        parent = element.getparent()
        if event == "start" and info is not None and parent is not None and parent.tag == content:
            return MessageInfo(_head(info), etree.QName(element).namespace or "", element.get("versjon", ""))
    raise BadMessage("The file is not a message with a message head and a payload.", remedy="Check what was sent.")


def _head(info: etree._Element) -> Head:
    try:
        generated = datetime.fromisoformat(_text(info, "GenDate"))
    except ValueError:
        raise BadMessage("The time in the message head cannot be read.", place="GenDate") from None
    if generated.tzinfo is None:  # HIS 1037 s. 6.2.1: without a zone, Norwegian time is meant
        generated = generated.replace(tzinfo=OSLO)
    back = None
    if info.find(f"{_MH}ConversationRef") is not None:
        names = ("ConversationRef/{}RefToParent", "ConversationRef/{}RefToConversation")
        back = ConversationRef(*(_text(info, name.format(_MH)) for name in names))
    return Head(
        message_type=_code(info, "Type"),
        msg_id=_text(info, "MsgId"),
        generated=generated,
        sender=_party(info, "Sender"),
        receiver=_party(info, "Receiver"),
        processing_status=_code(info, "ProcessingStatus"),
        conversation=back,
    )


def _text(node: etree._Element, path: str) -> str:
    return " ".join((node.findtext(_MH + path) or "").split())


def _code(node: etree._Element, path: str) -> str:
    found = node.find(_MH + path)
    return (found.get("V", "") if found is not None else "").strip()


def _party(info: etree._Element, name: str) -> Party:
    organisation = info.find(f"{_MH}{name}/{_MH}Organisation")
    if organisation is None:
        raise BadMessage("The message head does not say who sends or receives.", place=name, remedy="Ask for it again.")
    service = organisation.find(f"{_MH}Organisation")
    ids = _ids(organisation)
    return Party(
        _text(organisation, "OrganisationName"),
        ids.get("HER", ""),
        _text(service, "OrganisationName") if service is not None else "",
        _ids(service).get("HER", "") if service is not None else "",
        ids.get("ENH"),
    )


def _ids(organisation: etree._Element) -> dict[str, str]:
    return {_code(ident, "TypeId"): _text(ident, "Id") for ident in organisation.findall(f"{_MH}Ident")}
