"""Files that others wrote, or spoiled: nothing is fetched, expanded or believed, and memory stays bounded."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_messages_round_trip import ident_message, iplos_message, work_rows

from kpr.errors import BadMessage
from kpr.messages.gate import gate
from kpr.messages.head import read_head
from kpr.messages.pair import check_pair
from kpr.messages.safe_xml import forget, parse_small, stream

GOOD = iplos_message(work_rows())
BODY = GOOD.partition(b"?>")[2]


def drain(source: io.BytesIO) -> None:
    """Read the whole stream as the sources do."""
    for _ in stream(source):
        pass


READERS: list[Callable[[io.BytesIO], object]] = [
    drain,
    lambda source: parse_small(source.read()),
    lambda source: gate(source, "iplos", "3.7"),  # type: ignore[arg-type]
    lambda source: gate(source, "ident", "53.1.3"),  # type: ignore[arg-type]
]
LAUGHS = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))

HOSTILE = {
    "billion laughs": b'<!DOCTYPE a [<!ENTITY a0 "ha">' + LAUGHS + b"]>" + BODY.replace(b"3.50", b"&a9;", 1),
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + BODY.replace(b"3.50", b"&x;", 1),
    "external dtd": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">' + BODY,
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>' + BODY,
    "doctype after a comment": b"<!-- " + b"x" * 40_000 + b' --><!DOCTYPE a [<!ENTITY a "b">]>' + BODY,
    "undeclared entity": BODY.replace(b"3.50", b"&aelig;", 1),
    "utf-16": GOOD.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "utf-16 without a mark": BODY.decode().encode("utf-16-le"),
    "utf-7": b"<?xml version='1.0' encoding='UTF-7'?>" + BODY,
    "latin-1 that says utf-8": GOOD.replace(b"Eksempel", b"\xc6ksempel"),
    "huge text": GOOD.replace(b"3.50", b"9" * 11_000_000, 1),
    "deep": b"<a>" * 5_000 + b"</a>" * 5_000,
    "two roots": GOOD + b"<a/>",
    "text after the end": GOOD + b"text",
    "control character": GOOD.replace(b"3.50", b"3\x0150", 1),
    "null byte": GOOD.replace(b"3.50", b"3\x0050", 1),
    "empty": b"",
    "white space": b"  \n",
    "packed": b"\x1f\x8b\x08\x00" + b"\x00" * 100,
}


@pytest.mark.parametrize("read", READERS, ids=["stream", "small", "iplos gate", "ident gate"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_broken_files_are_refused(read: Callable[[io.BytesIO], object], name: str) -> None:
    """Each of them by each reader, with our own sentence and without a value in it."""
    with pytest.raises(BadMessage) as caught:
        read(io.BytesIO(HOSTILE[name]))
    assert len(str(caught.value)) < 300
    assert "3.50" not in str(caught.value)


@pytest.mark.parametrize("name", ["billion laughs", "external entity", "external dtd", "parameter entity"])
def test_a_head_behind_a_doctype_is_not_read(name: str) -> None:
    """Reading the head alone is no way around the rule."""
    with pytest.raises(BadMessage, match="DOCTYPE"):
        read_head(io.BytesIO(HOSTILE[name]))


class Dripping(io.BytesIO):
    """A source that gives a few bytes at a time, as sockets do."""

    step = 1

    def read(self, size: int | None = -1) -> bytes:
        """At most ``step`` bytes."""
        return super().read(self.step if size is None or size < 0 else min(size, self.step))


@pytest.mark.parametrize("step", [1, 2, 7, 8, 9, 13])
def test_a_doctype_does_not_slip_through_between_two_reads(step: int) -> None:
    """Wherever the bytes are split, it is seen."""
    source = Dripping(HOSTILE["external dtd"])
    source.step = step
    with pytest.raises(BadMessage, match="DOCTYPE"):
        read_head(source)


@pytest.mark.parametrize("step", [1, 7, 512])
def test_a_slow_source_gives_the_same_report(step: int) -> None:
    """The gate's verdict and hash do not depend on how the bytes arrive."""
    source = Dripping(GOOD)
    source.step = step
    assert gate(source, "iplos", "3.7") == gate(io.BytesIO(GOOD), "iplos", "3.7")


@given(position=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
@settings(deadline=None, max_examples=150)
def test_one_changed_byte_is_read_or_refused_and_never_a_crash(position: int, byte: int) -> None:
    """Whatever one byte is changed to, the gate passes a whole file or says BadMessage."""
    data = bytearray(GOOD)
    data[position] = byte
    try:
        report = gate(io.BytesIO(bytes(data)), "iplos", "3.7")
    except BadMessage:
        return
    assert (report.persons, report.size) == (3, len(GOOD))


@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_are_never_a_crash(data: bytes) -> None:
    """Random bytes are no message."""
    for read in (read_head, lambda source: gate(source, "ident", "53.1.3")):
        with pytest.raises(BadMessage):
            read(io.BytesIO(data))  # type: ignore[operator]


class Many(io.RawIOBase):
    """A message with any number of persons that never exists as a whole."""

    def __init__(self, persons: int) -> None:
        start, end = GOOD.index(b"<PERSON"), GOOD.rindex(b"</PERSON>") + len(b"</PERSON>\n")
        one = GOOD[start : GOOD.index(b"</PERSON>") + len(b"</PERSON>\n")]
        self.parts: Iterator[bytes] = iter([GOOD[:start], *[one * 100] * (persons // 100), GOOD[end:]])
        self.rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        self.rest = self.rest or next(self.parts, b"")
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


def test_memory_does_not_grow_with_the_message() -> None:
    """Twenty thousand persons pass through the gate in a few megabytes of Python objects."""
    tracemalloc.start()
    try:
        report = gate(Many(20_000), "iplos", "3.7")  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.persons == 20_000
    assert peak < 20_000_000


def test_the_tree_is_forgotten_behind_the_reader() -> None:
    """After each person nothing of the former ones hangs in the tree."""
    for _, element in stream(io.BytesIO(GOOD)):
        if element.tag.endswith("}PERSON"):
            forget(element)
            assert element.getprevious() is None


def test_a_pair_of_the_wrong_kind_is_refused() -> None:
    """Two messages of the same kind, or the two in the wrong order, are no pair."""
    work = work_rows()
    ident = gate(io.BytesIO(ident_message(work)), "ident", "53.1.3")
    iplos = gate(io.BytesIO(iplos_message(work)), "iplos", "3.7")
    assert check_pair(ident, iplos).persons == 3
    for left, right in ((iplos, iplos), (iplos, ident), (ident, ident)):
        with pytest.raises(BadMessage):
            check_pair(left, right)


def test_no_message_needs_the_network(tmp_path: Path) -> None:
    """A schema location in the message is not followed, whatever it points to."""
    trap = tmp_path / "trap.xsd"
    trap.write_text("<not a schema", encoding="utf-8")
    location = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x {trap.as_uri()}" '
    data = GOOD.replace(b"<MsgHead ", f"<MsgHead {location}".encode(), 1)
    assert gate(io.BytesIO(data), "iplos", "3.7").persons == 3
