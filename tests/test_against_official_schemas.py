"""Our own schemas against the official ones: the same documents are accepted, and the same refused.

Documents are made from our schema and spoiled by a seeded mutator. Every official schema is an oracle only; the
tests skip where it is absent.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
from lxml import etree
from strategies import EDGE_VALUES, Maker, spoil

from kpr.messages.shape import SCHEMAS

#: Documents per format; every third is left as it was made.
DOCUMENTS = 600

#: Our schema, the official one, and the root.
FORMATS = [
    ("iplos-3.5.xsd", "iplos-2018/iplos_2018_sender.xsd", "IPLOS"),
    ("iplos-3.5-receiver.xsd", "iplos-2018/iplos_2018.xsd", "IPLOS"),
    ("iplos-3.7.xsd", "iplos-2019/iplos_2019.xsd", "IPLOS"),
    ("ident-53.1.2.xsd", "ident-53.1.2/XPR(ide).xsd", "Melding"),
    ("ident-53.1.3.xsd", "ident-53.1.3/XPR(ide).xsd", "Melding"),
    ("apprec-1.0.xsd", "apprec/apprec-v1.0.xsd", "AppRec"),
    ("apprec-1.1.xsd", "apprec/apprec-v1.1.xsd", "AppRec"),
]
#: The head alone: the maker leaves Content empty.
HEAD = ("msghead-1.2.xsd", "msghead-receiver/MsgHead-v1_2_rev.xsd", "MsgHead")
PAYLOADS = [
    ("iplos-3.7.xsd", "iplos-2019/iplos_2019.xsd", "IPLOS"),
    ("ident-53.1.3.xsd", "ident-53.1.3/XPR(ide).xsd", "Melding"),
]


def compiled(*paths: Path) -> etree.XMLSchema:
    """One schema, or several in one set."""
    if len(paths) == 1:
        return etree.XMLSchema(etree.parse(paths[0]))
    spaces = [(etree.parse(path).getroot().get("targetNamespace"), path.as_uri()) for path in paths]
    lines = "".join(f'<xs:import namespace="{space}" schemaLocation="{uri}"/>' for space, uri in spaces)
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{lines}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text))


def compare(ours: etree.XMLSchema, theirs: etree.XMLSchema, make: Callable[[], etree._Element], seed: int) -> None:
    """Both accept or both refuse each of the documents, and both kinds occur often."""
    rng = random.Random(seed)
    verdicts = {True: 0, False: 0}
    for number in range(DOCUMENTS):
        root = make()
        for _ in range((0, 1, 2)[number % 3]):
            spoil(rng, root)
        document = etree.fromstring(etree.tostring(root))  # as it would arrive
        verdict = ours.validate(document)
        assert theirs.validate(document) == verdict, (
            f"document {number}: {ours.error_log or theirs.error_log}\n{etree.tostring(document).decode()[:3000]}"
        )
        if number % 3 == 0:
            assert verdict, f"document {number} was made from the schema, yet: {ours.error_log}"
        verdicts[verdict] += 1
    assert min(verdicts.values()) >= DOCUMENTS // 5, verdicts


@pytest.mark.parametrize(("own", "other", "root"), FORMATS, ids=[own for own, _, _ in FORMATS])
def test_a_payload_schema_judges_as_the_official_one(official: Path, own: str, other: str, root: str) -> None:
    """600 documents, two thirds of them spoiled: our schema and the official one never differ."""
    maker = Maker(SCHEMAS / own, random.Random(own))
    theirs = compiled(official / "schemas" / other)
    compare(compiled(SCHEMAS / own), theirs, partial(maker.document, root), seed=2)


@pytest.mark.parametrize(("own", "other", "root"), PAYLOADS, ids=[own for own, _, _ in PAYLOADS])
def test_head_and_payload_in_one_set_judge_as_the_official_set(official: Path, own: str, other: str, root: str) -> None:
    """Message head with payload: the same, against the receiver's own copy of the head."""
    rng = random.Random(own)
    inner = Maker(SCHEMAS / own, rng)
    outer = Maker(SCHEMAS / "msghead-1.2.xsd", rng, partial(inner.document, root))
    head = official / "schemas" / "msghead-receiver" / "MsgHead-v1_2_rev.xsd"
    ours = compiled(SCHEMAS / "msghead-1.2.xsd", SCHEMAS / own)
    compare(ours, compiled(head, official / "schemas" / other), partial(outer.document, "MsgHead"), seed=3)


def places(documents: list[etree._Element]) -> list[tuple[etree._Element, str | None]]:
    """One of each kind of place: an element by its name and its parent's, and each of its attributes by name."""
    found: dict[tuple[str, str, str | None], tuple[etree._Element, str | None]] = {}
    for node in (node for document in documents for node in document.iter("*")):
        parent = node.getparent()
        for name in (None, *node.attrib):
            key = ("" if parent is None else str(parent.tag), str(node.tag), name)
            found.setdefault(key, (node, name))
    return list(found.values())


def changes_at(node: etree._Element, attribute: str | None) -> Iterator[str]:
    """Make every change at this place, one after the other, and undo each; what was done is yielded while it stands."""
    if attribute is not None:
        before = node.attrib[attribute]
        for value in EDGE_VALUES:
            node.set(attribute, value)
            yield f"@{attribute}={value!r}"
        del node.attrib[attribute]
        yield f"@{attribute} dropped"
        node.set(attribute, before)
        return
    if not len(node):
        text = node.text
        for value in EDGE_VALUES:
            node.text = value
            yield f"text {value!r}"
        node.text = text
    node.set("unknown", "1")
    yield "unknown attribute"
    del node.attrib["unknown"]
    parent = node.getparent()
    if parent is None:
        return
    index, twin = parent.index(node), deepcopy(node)
    node.addnext(twin)
    yield "twice"
    parent.remove(twin)
    parent.remove(node)
    yield "dropped"
    for other in range(len(parent) + 1):
        parent.insert(other, node)
        yield f"moved to {other}"
        parent.remove(node)
    parent.insert(index, node)


@pytest.mark.parametrize(("own", "other", "root"), [*FORMATS, HEAD], ids=[own for own, _, _ in [*FORMATS, HEAD]])
def test_every_place_is_judged_as_by_the_official_schema(official: Path, own: str, other: str, root: str) -> None:
    """Every element and attribute, with every edge value, dropped, doubled and moved: chance leaves none of them out."""
    ours, theirs = compiled(SCHEMAS / own), compiled(official / "schemas" / other)
    maker = Maker(SCHEMAS / own, random.Random(own))
    documents = [maker.document(root) for _ in range(60)]
    verdicts = {True: 0, False: 0}
    for node, attribute in places(documents):
        document = node.getroottree().getroot()
        for change in changes_at(node, attribute):
            verdict = ours.validate(document)
            assert theirs.validate(document) == verdict, f"{node.tag}: {change}: {ours.error_log or theirs.error_log}"
            verdicts[verdict] += 1
        assert ours.validate(document), f"{node.tag}: the changes were not undone"
    assert min(verdicts.values()) >= 500, verdicts


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_official_receipts_follow_our_schema(official: Path, version: str) -> None:
    """Every official sample of a receipt passes our schema of its version."""
    ours = compiled(SCHEMAS / f"apprec-{version}.xsd")
    samples = sorted((official / "samples" / "apprec").glob(f"v{version}-*.xml"))
    assert len(samples) >= 3
    for sample in samples:
        ours.assertValid(etree.parse(sample))
