"""Documents for tests: made from our own schemas, then spoiled; and work rows for the writers.

`Maker` walks a schema and makes a document that follows it. `spoil` makes one small change at a random place, of the
kinds that senders make. Both take a `random.Random`, so that a seed gives the same documents again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from itertools import count
from pathlib import Path

from hypothesis import strategies as st
from lxml import etree

from kpr.messages.shape import CHILD_CLASSES, ClassShape, PayloadShape, iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows

_XS = "{http://www.w3.org/2001/XMLSchema}"

#: Valid values for the built-in types that our schemas use.
_VALUES: dict[str, tuple[str, ...]] = {
    "xs:string": ("a", "12", "", " x ", "æøå & <b>", "20200101"),
    "xs:token": ("HER", "1", "P", ""),
    "xs:short": ("0", "15", "-1", "32767", " 7 "),
    "xs:int": ("0", "1", "2147483647"),
    "xs:long": ("0", "1", "2147483648", "9223372036854775807"),
    "xs:decimal": ("3.50", "0", "100", "999.99", "12.5"),
    "xs:date": ("2020-01-01", "2020-02-29", "2020-12-31Z"),
    "xs:dateTime": ("2021-01-11T09:15:00+01:00", "2021-01-11T09:15:00Z", "2021-01-11T09:15:00.0004673"),
    "xs:anyURI": ("mailto:a@example.invalid", "tel:00000000", ""),
    "xs:nonNegativeInteger": ("1", "12"),
}
#: Valid values for the patterns that our schemas use, recognised by what stands in them.
_BY_PATTERN = (
    ("[0-9a-fA-F]{8}", ("0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001", "{0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001}")),
    ("3[01])", ("20200101", "20190231", "99991231", "20201231")),
    ("[0-9]{4}(0", ("202001", "202012")),
    ("\\d+", ("2.16.578.1.12.4.1.1.9051", "1", "1.2")),
)
_TEXTS_BY_LENGTH = ("ab", "1103", "777777777", "x")
_UNIQUE = ("pid", "institusjonID")  # xs:unique in the ident schemas
_UNION = ("2021-01-11T09:15:00+01:00", "2021-01-11", "2021", "2021-01", "09:15:00")

#: What a value is changed to: near misses of every kind of value.
EDGE_VALUES = (
    "", " ", "0", "1", "9", "10", "13", "17", "18", "-1", "+1", " 1", "1 ", "01", "1.0", "1e2", "32768", "2147483648",
    "9223372036854775808", "3,5", "3.5", "3.555", "1234.56", "00001.50", "100.000", ".5", "5.", "20201301", "20200132",
    "20190231", "2020-01-01", "2020-02-30", "2021-01-11T24:00:00", "2021-01-11T25:00:00", "2021-01-11 09:15:00", "202013",
    "M", "K", "k", "P", "p", "E", "B", "ICPC-2", "ICD-10", "3.5 ", "3.7", "53.1.2", "53.1.3", "v1.2 2006-05-24", "2..16",
    "2.16.", "12345678901234567", "x" * 300, "æ", "a\tb", "true", "{0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001", "mailto:a b%",
)  # fmt: skip


class Maker:
    """Makes random documents that follow one of our schemas. ``payload`` fills a place that takes any element."""

    def __init__(self, path: Path, rng: random.Random, payload: Callable[[], etree._Element] | None = None) -> None:
        self.schema = etree.parse(path).getroot()
        self.space = f"{{{self.schema.get('targetNamespace')}}}"
        self.rng, self.payload, self.unique = rng, payload, count(1)
        self.named = {node.get("name"): node for node in self.schema if isinstance(node.tag, str)}
        self.types = {node.get("name"): node for node in self.schema.iterfind(f"{_XS}complexType")}
        self.simple = {node.get("name"): node for node in self.schema.iterfind(f"{_XS}simpleType")}
        self.globals = {node.get("name"): node for node in self.schema.iterfind(f"{_XS}element")}

    def document(self, root: str) -> etree._Element:
        """A document with this global element as its root."""
        space = {None: self.space[1:-1]}
        element = etree.Element(self.space + root, nsmap=space)  # type: ignore[arg-type]
        self._fill(element, self.globals[root], depth=0)
        return element

    def _fill(self, element: etree._Element, declared: etree._Element, depth: int) -> None:
        said = declared.get("type", "").removeprefix("k:")
        kind = declared.find(f"{_XS}complexType")
        kind = self.types.get(said) if kind is None else kind
        if kind is None:
            element.text = declared.get("fixed") or self._value(declared)
            return
        for attribute in kind.iterfind(f"{_XS}attribute"):
            if attribute.get("use") == "required" or self.rng.random() < 0.5:
                element.set(attribute.get("name", ""), attribute.get("fixed") or self._attribute(attribute))
        for part in kind:
            if part.tag in (f"{_XS}sequence", f"{_XS}choice"):
                self._particle(element, part, depth)

    def _attribute(self, declared: etree._Element) -> str:
        return str(next(self.unique)) if declared.get("name") in _UNIQUE else self._value(declared)

    def _particle(self, parent: etree._Element, part: etree._Element, depth: int) -> None:
        for _ in range(self._times(part, depth)):
            if part.tag == f"{_XS}sequence":
                for inner in part:
                    self._particle(parent, inner, depth)
            elif part.tag == f"{_XS}choice":
                self._particle(parent, self.rng.choice(list(part)), depth)
            elif part.tag == f"{_XS}any":
                if self.payload is not None:
                    parent.append(self.payload())
            elif part.tag == f"{_XS}element":
                name = part.get("name") or part.get("ref", "").removeprefix("k:")
                child = etree.SubElement(parent, self.space + name)
                self._fill(child, part if part.get("name") else self.globals[name], depth + 1)

    def _times(self, part: etree._Element, depth: int) -> int:
        least, most = int(part.get("minOccurs", "1")), part.get("maxOccurs", "1")
        if depth > 6:
            return least
        if most == "1":
            return 1 if least or self.rng.random() < 0.6 else 0
        return min(least + self.rng.choice((0, 0, 1, 2)), 99 if most == "unbounded" else int(most))

    def _value(self, declared: etree._Element) -> str:
        kind = declared.find(f"{_XS}simpleType")
        said = declared.get("type", "")
        if kind is None:
            kind = self.simple.get(said.removeprefix("k:"))
        if kind is None:
            return self.rng.choice(_VALUES[said])
        codes = [node.get("value", "") for node in kind.iter(f"{_XS}enumeration")]
        if codes:
            return self.rng.choice(codes)
        pattern = kind.find(f".//{_XS}pattern")
        if pattern is not None:
            return self.rng.choice(next(v for part, v in _BY_PATTERN if part in pattern.get("value", "")))
        if kind.find(f"{_XS}union") is not None:
            return self.rng.choice(_UNION)
        length = kind.find(f".//{_XS}length")
        if length is not None:
            return next(text for text in _TEXTS_BY_LENGTH if len(text) == int(length.get("value", "0")))
        base = kind.find(f"{_XS}restriction")
        values = _VALUES[base.get("base", "") if base is not None else "xs:string"]
        longest = kind.find(f".//{_XS}maxLength")
        limit = int(longest.get("value", "0")) if longest is not None else 999
        return self.rng.choice([value for value in values if len(value) <= limit])


# -- spoiling ------------------------------------------------------------------------------------------------------


def _drop(rng: random.Random, node: etree._Element) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)


def _twice(rng: random.Random, node: etree._Element) -> None:
    node.addnext(deepcopy(node)) if node.getparent() is not None else None


def _later(rng: random.Random, node: etree._Element) -> None:
    following = node.getnext()
    if following is not None:
        following.addnext(node)


def _rename(rng: random.Random, node: etree._Element) -> None:
    name = etree.QName(node)
    node.tag = f"{{{name.namespace}}}{rng.choice((name.localname.lower(), name.localname + 'x', 'Id', 'Type'))}"


def _other_namespace(rng: random.Random, node: etree._Element) -> None:
    node.tag = f"{{http://example.invalid/{rng.randrange(3)}}}{etree.QName(node).localname}"


def _value(rng: random.Random, node: etree._Element) -> None:
    places = [*node.attrib, *([] if len(node) else [""])]
    place = rng.choice(places) if places else ""
    if place:
        node.set(place, rng.choice(EDGE_VALUES))
    else:
        node.text = rng.choice(EDGE_VALUES)


def _drop_attribute(rng: random.Random, node: etree._Element) -> None:
    if node.attrib:
        del node.attrib[rng.choice(list(node.attrib))]


def _new_attribute(rng: random.Random, node: etree._Element) -> None:
    node.set(rng.choice(("V", "DN", "S", "versjon", "pePeID", "tjVeID", "unknown")), rng.choice(EDGE_VALUES))


def _empty(rng: random.Random, node: etree._Element) -> None:
    for child in list(node):
        node.remove(child)
    node.text = None


def _comment(rng: random.Random, node: etree._Element) -> None:
    node.insert(0, etree.Comment("harmless"))


def _foreign_child(rng: random.Random, node: etree._Element) -> None:
    node.insert(rng.randrange(len(node) + 1), deepcopy(rng.choice(list(node.getroottree().getroot().iter("*")))))


#: Values are what senders get wrong most, so they are spoiled most.
_KINDS = (
    _drop, _twice, _later, _rename, _other_namespace, _value, _value, _value, _value, _value, _drop_attribute,
    _new_attribute, _empty, _comment, _foreign_child,
)  # fmt: skip


def spoil(rng: random.Random, root: etree._Element) -> None:
    """One small change at a random place below or at the root; sometimes it changes nothing that matters."""
    nodes = list(root.iter("*"))
    leaves = [node for node in nodes if not len(node)]
    rng.choice(_KINDS)(rng, rng.choice(leaves if leaves and rng.random() < 0.5 else nodes))


# -- work rows -----------------------------------------------------------------------------------------------------

#: White space other than blanks as well: what was typed into a free text field must come back as it was.
_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), include_characters="\t\n\r"),
    min_size=1,
    max_size=9,
)
_DATE = st.dates(date(1900, 1, 1), date(2099, 12, 31)).map("{:%Y%m%d}".format)
_ID = st.integers(0, 9_999_999_999).map(str)
_NUMBER = st.integers(-32768, 32767).map(str)
_HOURS = st.decimals(0, 168, places=2).map(str)
_FIXED_LENGTH = {"peKomnr": 4, "peBydelsnr": 2}


def _values_of(name: str) -> st.SearchStrategy[str]:
    """Values that IPLOS 3.7 allows for the element."""
    if name.endswith(("Dato", "Mottatt", "Besvart")):
        return _DATE
    if name in ("peAlder", "fnFunkType", "tjTjenType"):
        return _NUMBER
    if name in ("tjTimerUke", "tjResTimerUke"):
        return _HOURS
    if name in _FIXED_LENGTH:
        return st.text("0123456789", min_size=_FIXED_LENGTH[name], max_size=_FIXED_LENGTH[name])
    return _TEXT


def _row(shape: ClassShape, key: str) -> st.SearchStrategy[tuple[str | None, ...]]:
    keys = [st.just(key), *(_ID if name in shape.required else st.none() | _ID for name in shape.keys[1:])]
    leaves = [_values_of(name) if name in shape.required else st.none() | _values_of(name) for name in shape.elements]
    return st.tuples(*keys, *leaves)


@st.composite
def iplos_tables(draw: st.DrawFn, shape: PayloadShape | None = None) -> dict[str, list[tuple[str | None, ...]]]:
    """Rows per table of an IPLOS 3.7 extract, schema-valid, with the classes of the persons mixed."""
    shape = shape or iplos_shape("3.7")
    keys = draw(st.lists(st.integers(1, 9_999_999_999).map(str), min_size=1, max_size=4, unique=True))
    tables = {"person": [draw(_row(shape["PERSON"], key)) for key in keys]}
    for name in CHILD_CLASSES:
        owners = draw(st.lists(st.sampled_from(keys), max_size=4))
        tables[name.lower()] = [draw(_row(shape[name], key)) for key in owners]
    return tables


def rows_from(tables: dict[str, list[tuple[str | None, ...]]], version: str = "3.7") -> WorkRows:
    """Work rows filled from :func:`iplos_tables`."""
    shape = iplos_shape(version)
    work = WorkRows(shape)
    for table, rows in tables.items():
        work.add(Batch(table, work.columns[table], rows))
    work.finish()
    return work
