"""Receipts at their edges: any bytes and any spoiled receipt give a receipt or our own error, and nothing else.

What a good receipt says, the official samples by value and the rules one by one: test_messages_receipts.py.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from strategies import spoil
from test_messages_receipts import LIST, MSG_ID, OURS, REGISTER, receipt, written

from kpr.errors import BadMessage
from kpr.messages.app_rec import NAMESPACES, AppRec, AppRecError, read_app_rec, write_app_rec

VERSIONS = sorted(NAMESPACES)
#: All that XML allows, line breaks and odd blanks as well.
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=40)
_CODE = st.text("ABCEST0123456789", min_size=1, max_size=4)
_ERRORS = st.lists(st.builds(AppRecError, _CODE, st.just(LIST), _CODE, _TEXT), max_size=3).map(tuple)


def one_line(text: str) -> str:
    """The text as the reader gives it: white space collapsed."""
    return " ".join(text.split())


def read_or_refused(data: bytes) -> AppRec | None:
    """The receipt, or None for our own error; any other exception fails the test."""
    try:
        return read_app_rec(data)
    except BadMessage:
        return None


@given(st.sampled_from(VERSIONS), st.sampled_from(["1", "2", "3"]) | _CODE, _ERRORS)
def test_every_status_code_and_detail_comes_back(version: str, status: str, errors: tuple[AppRecError, ...]) -> None:
    """Unknown statuses, unknown codes and free text of any script are read as they were written, on one line."""
    read = read_app_rec(write_app_rec(receipt(version, status, errors), REGISTER, OURS))
    assert (read.version, read.status, read.original_msg_id) == (version, status, MSG_ID)
    assert [(e.code, e.text) for e in read.errors] == [(e.code, e.text) for e in errors]
    assert [e.detail for e in read.errors] == [one_line(e.detail) for e in errors]
    assert ("unknown status" in read.faults) == (status not in ("1", "2", "3"))


@given(st.text(max_size=20))
def test_any_text_at_all_is_written_or_refused(detail: str) -> None:
    """Text that XML does not allow gives our own error when it is written, never a receipt that cannot be read."""
    try:
        data = written("1.1", "2", (AppRecError("T99", LIST, "Annen feil", detail),))
    except BadMessage:
        return
    assert read_app_rec(data).errors[0].detail == one_line(detail)


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_refused(data: bytes) -> None:
    """No bytes that nobody meant as a receipt are taken for one, and the error is always ours."""
    with pytest.raises(BadMessage):
        read_app_rec(data)


@given(st.sampled_from(VERSIONS), st.data())
def test_a_receipt_damaged_on_its_way_gives_only_our_error(version: str, data: st.DataObject) -> None:
    """Bytes lost, changed or put in anywhere: a receipt, or our own error."""
    good = written(version, "2", (AppRecError("T02", LIST, "XML validerer ikke"),))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(start + 8, len(good))))
    read_or_refused(good[:start] + data.draw(st.binary(max_size=8)) + good[end:])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_spoiled_receipt_is_read_or_refused(version: str) -> None:
    """400 receipts with elements and values spoiled: both outcomes occur, and a receipt read names its original."""
    rng = random.Random(version)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        root = etree.fromstring(written(version, "2", (AppRecError("T02", LIST, "XML validerer ikke"),)))
        for _ in range(rng.choice((1, 2, 3))):
            spoil(rng, root)
        read = read_or_refused(etree.tostring(root))
        outcomes[read is not None] += 1
        assert read is None or read.original_msg_id
    assert all(outcomes.values()), outcomes


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("space", ["", "http://www.kith.no/xmlstds/apprec/2012-02-16", "urn:x"])
def test_a_receipt_in_another_namespace_is_none(version: str, space: str) -> None:
    """The namespace alone tells the version, so a whole receipt in any other is refused."""
    data = written(version)
    assert NAMESPACES[version].encode() in data
    with pytest.raises(BadMessage, match="not a receipt that we know"):
        read_app_rec(data.replace(NAMESPACES[version].encode(), space.encode()))


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE AppRec>",
        b'<!DOCTYPE AppRec SYSTEM "http://127.0.0.1:9/a.dtd">',
        b'<!DOCTYPE AppRec [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        b'<!-- first --><!doctype AppRec [<!ENTITY x "y">]>',
    ],
)
def test_a_whole_receipt_behind_a_doctype_is_refused(doctype: bytes) -> None:
    """However good the rest is, and even if the DOCTYPE does nothing."""
    with pytest.raises(BadMessage, match="DOCTYPE"):
        read_app_rec(written().replace(b"<AppRec", doctype + b"<AppRec", 1))


@given(_TEXT.filter(lambda text: len(text) > 8))
def test_what_is_shown_never_holds_the_detail(detail: str) -> None:
    """Neither the error nor the receipt that holds it shows OT; only whether there is one."""
    error = AppRecError("T99", LIST, "Annen feil på format", detail)
    assert repr(error) == str(error) == "AppRecError(T99, detail hidden)"
    assert repr(AppRecError("T99", LIST, "Annen feil på format")) == "AppRecError(T99, detail none)"
    assert detail not in repr(receipt("1.1", "2", (error,)))


def test_every_official_sample_survives_being_spoiled(official: Path) -> None:
    """All seven samples are read without faults, and 60 spoiled copies of each are read or refused."""
    samples = sorted((official / "samples" / "apprec").glob("*.xml"))
    assert len(samples) == 7
    for sample in samples:
        assert read_app_rec(sample.read_bytes()).faults == ()
        rng = random.Random(sample.name)
        for _ in range(60):
            root = etree.parse(sample).getroot()
            spoil(rng, root)
            read_or_refused(etree.tostring(root))
