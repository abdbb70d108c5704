"""The application receipt, AppRec 1.0 (HIS 80415:2004) and 1.1 (HIS 80415:2012): written, and read with tolerance.

The two are told apart by namespace, never by MIGversion. The only correlator is OriginalMsgId/Id (HITS 1168). A
receipt that breaks its schema is still read for status, errors and original id; what was wrong is told in ``faults``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from lxml import etree

from kpr.calendar import OSLO
from kpr.errors import BadMessage
from kpr.messages.faults import not_xml
from kpr.messages.head import Party
from kpr.messages.safe_xml import parse_small
from kpr.messages.schemas import default_namespace, payload_schema
from kpr.yaml_file import read_yaml

NAMESPACES = {
    "1.0": "http://www.kith.no/xmlstds/apprec/2004-11-21",
    "1.1": "http://www.kith.no/xmlstds/apprec/2012-02-15",
}
_MIG = {"1.0": "1.0 2004-11-21", "1.1": "v1.1 2012-02-15"}
_ROLES = {"1.0": ("SPR", "RECEIVER"), "1.1": ("PRIM", "AVS")}
_ERROR_LIST = "2.16.578.1.12.4.1.1.8221"
_STATUS_TEXT = {"1": "OK", "2": "Avvist", "3": "OK, feil i delmelding"}


@dataclass(frozen=True, slots=True)
class AppRecError:
    """One Error: code, its list, the code's text. ``detail`` (OT) may hold person data and never shows itself."""

    code: str
    list_oid: str
    text: str
    detail: str = ""

    def __repr__(self) -> str:
        return f"AppRecError({self.code}, detail {'hidden' if self.detail else 'none'})"


@dataclass(frozen=True, slots=True)
class AppRec:
    """A receipt. ``status`` as it stands (code list 8258): 1 OK, 2 rejected, 3 partly; anything else is unknown."""

    version: str
    id: str
    generated: datetime | None
    status: str
    errors: tuple[AppRecError, ...]
    original_msg_id: str
    original_type: str
    original_issue_date: datetime | None
    sender_her_id: str
    receiver_her_id: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A row of code list 8221: its text, and who mends it (first, and perhaps also another)."""

    code: str
    text: str
    who_mends: str
    also: str = ""


@cache
def error_codes() -> dict[str, ErrorCode]:
    """Code list 8221."""
    rows = read_yaml(Path(__file__).with_name("app-rec-errors.yaml"))
    return {row["code"]: ErrorCode(**row) for row in rows}


# -- writing -----------------------------------------------------------------------------------------------------


def write_app_rec(app_rec: AppRec, sender: Party, receiver: Party) -> bytes:
    """The receipt as bytes: sender and receiver mirrored from the message it answers (AD2.12-AD2.15).

    BadMessage when a value holds a character that XML does not allow.
    """
    try:
        return etree.tostring(_written(app_rec, sender, receiver), xml_declaration=True, encoding="UTF-8")
    except ValueError:
        raise not_xml("AppRec") from None


def _written(app_rec: AppRec, sender: Party, receiver: Party) -> etree._Element:
    space = f"{{{NAMESPACES[app_rec.version]}}}"
    root = etree.Element(f"{space}AppRec", nsmap=default_namespace(NAMESPACES[app_rec.version]))
    _add(root, "MsgType", V="APPREC", DN="Applikasjonskvittering")
    _add(root, "MIGversion", _MIG[app_rec.version])
    _add(root, "GenDate", _time(app_rec.generated))
    _add(root, "Id", app_rec.id)
    for name, role, party in zip(("Sender", "Receiver"), _ROLES[app_rec.version], (sender, receiver), strict=True):
        node = _add(root, name)
        _add(node, "Role", V=role)
        _institution(_add(_add(node, "HCP"), "Inst"), party)
    _add(root, "Status", V=app_rec.status, DN=_STATUS_TEXT.get(app_rec.status, ""))
    for error in app_rec.errors:
        _add(root, "Error", V=error.code, S=error.list_oid or _ERROR_LIST, DN=error.text, OT=error.detail)
    original = _add(root, "OriginalMsgId")
    _add(original, "MsgType", V=app_rec.original_type)
    _add(original, "IssueDate", _time(app_rec.original_issue_date))
    _add(original, "Id", app_rec.original_msg_id)
    return root


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    filled = {key: value for key, value in attributes.items() if value}  # HISD 1165: no empty attributes
    node = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}", filled)
    node.text = text
    return node


def _time(moment: datetime | None) -> str:
    assert moment is not None
    return moment.astimezone(OSLO).isoformat(timespec="seconds")


def _institution(node: etree._Element, party: Party) -> None:
    _add(node, "Name", party.organisation_name)
    _add(node, "Id", party.organisation_her_id)
    _add(node, "TypeId", V="HER", DN="HER-id")
    department = _add(node, "Dept")
    _add(department, "Name", party.service_name)
    _add(department, "Id", party.service_her_id)
    _add(department, "TypeId", V="HER", DN="HER-id")


# -- reading -----------------------------------------------------------------------------------------------------


def read_app_rec(data: bytes) -> AppRec:
    """Read a receipt of either version; BadMessage only when it is none, or says neither status nor original id."""
    root = parse_small(data)
    name = etree.QName(root)
    version = next((v for v, space in NAMESPACES.items() if space == name.namespace), None)
    if version is None or name.localname != "AppRec":
        raise BadMessage("The answer is not a receipt that we know.", remedy="Have a person look at it.")
    read = _Reader(root, f"{{{name.namespace}}}")
    original = read.text("OriginalMsgId", "Id")
    if not original:
        raise BadMessage("The receipt does not say which message it answers.", remedy="Ask the register.")
    if not read.has("Status"):
        raise BadMessage("The receipt has no status.", remedy="Ask the register.")
    status = read.code("Status")
    errors = tuple(read.error(node) for node in root.findall(f"{{{name.namespace}}}Error"))
    return AppRec(
        version=version,
        id=read.text("Id"),
        generated=read.time("GenDate"),
        status=status,
        errors=errors,
        original_msg_id=original,
        original_type=read.code("OriginalMsgId", "MsgType"),
        original_issue_date=read.time("OriginalMsgId", "IssueDate"),
        sender_her_id=read.her_id("Sender"),
        receiver_her_id=read.her_id("Receiver"),
        faults=tuple(_faults(root, version, status, errors, original)),
    )


def _faults(root: etree._Element, version: str, status: str, errors: tuple[Any, ...], original: str) -> list[str]:
    faults = [] if payload_schema("apprec", version).validate(root) else ["does not follow its schema"]
    if status not in _STATUS_TEXT:
        faults.append("unknown status")
    if status == "1" and errors:
        faults.append("positive, but with errors")
    if status in ("2", "3") and not errors:
        faults.append("negative, but without errors")
    try:
        UUID(original)
    except ValueError:
        faults.append("original id is no UUID")
    return faults


class _Reader:
    """Reads texts and codes from a receipt; white space is collapsed, since real messages have it (M8)."""

    def __init__(self, root: etree._Element, space: str) -> None:
        self.root, self.space = root, space

    def _find(self, *names: str) -> etree._Element | None:
        return self.root.find("/".join(self.space + name for name in names))

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def text(self, *names: str) -> str:
        node = self._find(*names)
        return " ".join((node.text or "").split()) if node is not None else ""

    def code(self, *names: str) -> str:
        node = self._find(*names)
        return node.get("V", "").strip() if node is not None else ""

    def time(self, *names: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(self.text(*names))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=OSLO)

    def her_id(self, side: str) -> str:
        """The level 2 HER-id where there is one, otherwise that of level 1."""
        return self.text(side, "HCP", "Inst", "Dept", "Id") or self.text(side, "HCP", "Inst", "Id")

    def error(self, node: etree._Element) -> AppRecError:
        values = (" ".join(node.get(name, "").split()) for name in ("V", "S", "DN", "OT"))
        return AppRecError(*values)
