"""Our own schemas against the official ones: the same documents are accepted, and the same refused.

Documents are made from our schema and spoiled by a seeded mutator. Every official schema is an oracle only; the
tests skip where it is absent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from lxml import etree
from strategies import Maker, spoil

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


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_official_receipts_follow_our_schema(official: Path, version: str) -> None:
    """Every official sample of a receipt passes our schema of its version."""
    ours = compiled(SCHEMAS / f"apprec-{version}.xsd")
    samples = sorted((official / "samples" / "apprec").glob(f"v{version}-*.xml"))
    assert len(samples) >= 3
    for sample in samples:
        ours.assertValid(etree.parse(sample))
