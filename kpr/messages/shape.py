"""The shape of a payload, read from our own schema: its classes, and each class's keys and elements in order.

The schema file is the only place where a format's elements are listed. Work rows, readers, writers, checks and
the synthetic care-record system all ask here, so a new version of a format is a new schema file and no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lxml import etree

from kpr.errors import BadSettings

SCHEMAS = Path(__file__).parent / "schemas"
_XS = "{http://www.w3.org/2001/XMLSchema}"

#: The classes under PERSON, in the order in which the schema wants them.
CHILD_CLASSES = ("PERSONOPPL", "FUNKSJON", "TJENESTE", "DIAGNOSE", "DOGNTILBUD")


@dataclass(frozen=True, slots=True)
class ClassShape:
    """One class: ``keys`` are its XML attributes, ``elements`` its leaf elements in schema order."""

    name: str
    keys: tuple[str, ...]
    elements: tuple[str, ...]
    required: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Keys, then elements: the columns of this class in work rows and in extracts."""
        return self.keys + self.elements

    @property
    def table(self) -> str:
        """The name of this class's table: the class name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class PayloadShape:
    """One version of the IPLOS payload: namespace, version and its classes by name."""

    version: str
    namespace: str
    classes: dict[str, ClassShape]

    def __getitem__(self, name: str) -> ClassShape:
        """The class with this XML name (``"TJENESTE"``)."""
        return self.classes[name]


def schema_path(family: str, version: str) -> Path:
    """The file of our own schema for ``family`` (``iplos``, ``ident``) and ``version``; BadSettings if unknown."""
    path = SCHEMAS / f"{family}-{version}.xsd"
    if not path.is_file():
        raise BadSettings(
            f"There is no schema for {family} version {version}.",
            place=path.name,
            remedy="Use a version that stands in kpr/messages/schemas, or add its schema there.",
        )
    return path


@cache
def iplos_shape(version: str) -> PayloadShape:
    """The shape of IPLOS ``version`` ("3.5", "3.7"), read once from its schema."""
    root = etree.parse(schema_path("iplos", version)).getroot()
    types = {str(node.get("name")): node for node in root.findall(f"{_XS}complexType")}
    classes = {name: _class_shape(name, node, set(types)) for name, node in types.items()}
    return PayloadShape(version, root.get("targetNamespace", ""), classes)


def _class_shape(name: str, node: etree._Element, type_names: set[str]) -> ClassShape:
    keys = tuple(item.get("name", "") for item in node.findall(f"{_XS}attribute"))
    leaves = [item for item in node.iterfind(f"{_XS}sequence/{_XS}element") if item.get("name") not in type_names]
    required = {item.get("name", "") for item in leaves if item.get("minOccurs", "1") != "0"}
    required |= {item.get("name", "") for item in node.findall(f"{_XS}attribute") if item.get("use") == "required"}
    return ClassShape(name, keys, tuple(item.get("name", "") for item in leaves), frozenset(required))
