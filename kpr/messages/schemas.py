"""Our own schemas, compiled: alone, together with the message head, and for one person's subtree. No network."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from lxml import etree

from kpr.messages.shape import SCHEMAS, iplos_shape, schema_path

MSGHEAD = "http://www.kith.no/xmlstds/msghead/2006-05-24"
_XS = "http://www.w3.org/2001/XMLSchema"


def default_namespace(space: str) -> dict[Any, str]:
    """The map that makes a namespace the default one (lxml's key for that is None)."""
    return {None: space}


@cache
def namespace_of(family: str, version: str) -> str:
    """The namespace of a payload's schema."""
    return str(etree.parse(schema_path(family, version)).getroot().get("targetNamespace"))


@cache
def payload_schema(family: str, version: str) -> etree.XMLSchema:
    """A payload alone."""
    return _compile(etree.parse(schema_path(family, version)))


@cache
def schema_set(family: str, version: str) -> etree.XMLSchema:
    """Message head and payload in one set: the head takes payloads strictly, so both must be there."""
    imports = ((MSGHEAD, "msghead-1.2.xsd"), (namespace_of(family, version), schema_path(family, version).name))
    lines = "".join(f'<xs:import namespace="{space}" schemaLocation="{file}"/>' for space, file in imports)
    return _compile(_tree(f'<xs:schema xmlns:xs="{_XS}">{lines}</xs:schema>'))


@cache
def person_schema(version: str) -> etree.XMLSchema:
    """One PERSON with everything under it, or INNHINFO alone: a fault is then known by person, class and element."""
    roots = ("PERSON", "INNHINFO")
    elements = "".join(f'<xs:element name="{name}" type="k:{name}"/>' for name in roots)
    return _compile(_tree(_with_root(version, elements)))


@cache
def persons_schema(version: str) -> etree.XMLSchema:
    """Some PERSONs under a root of our own: what is validated together before it is written."""
    element = (
        '<xs:element name="PERSONS"><xs:complexType><xs:sequence>'
        '<xs:element name="PERSON" type="k:PERSON" maxOccurs="unbounded"/>'
        "</xs:sequence></xs:complexType></xs:element>"
    )
    return _compile(_tree(_with_root(version, element)))


def _with_root(version: str, element: str) -> str:
    space, file = iplos_shape(version).namespace, schema_path("iplos", version).name
    return (
        f'<xs:schema xmlns:xs="{_XS}" xmlns:k="{space}" targetNamespace="{space}" elementFormDefault="qualified">'
        f'<xs:include schemaLocation="{file}"/>{element}</xs:schema>'
    )


def _tree(text: str) -> etree._Element:
    return etree.fromstring(text, base_url=str(SCHEMAS / "set.xsd"))


#: libxml2 makes its table of built-in types at the first compiling of all, without a lock of its own: of two threads that
#: come together, one may spoil it, and then no schema compiles any more in this process.
_ONE_AT_A_TIME = Lock()


def _compile(schema: etree._Element | etree._ElementTree) -> etree.XMLSchema:
    with _ONE_AT_A_TIME:
        return etree.XMLSchema(schema)
