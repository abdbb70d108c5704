"""The gate: a finished message is read once more, as whoever receives it will, against head and payload schema.

What passes is named by its hash, and that hash is what must be sent. (``iterparse`` with a schema; a target parser
would return normally on an invalid file.)
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.safe_xml import forget, stream
from kpr.messages.schemas import MSGHEAD, namespace_of, schema_set
from kpr.progress import Progress, silent

#: The element that counts as one person in each family.
_PERSON = {"iplos": "PERSON", "ident": "PasientIdent"}
_PROGRESS_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class GateReport:
    """What passed: hash and size of the bytes, and how many persons are in them."""

    sha256: str
    size: int
    persons: int


class _Counted(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.hash, self.size = source, sha256(), 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> Any:
        data = self.source.read(-1 if size is None else size)
        self.hash.update(data)
        self.size += len(data)
        return data


def gate(source: BinaryIO, family: str, version: str, progress: Progress = silent) -> GateReport:
    """Validate a whole message of this family and version; BadMessage when it does not pass. Memory is bounded."""
    counted = _Counted(source)
    person = f"{{{namespace_of(family, version)}}}{_PERSON[family]}"
    persons = 0
    events = stream(counted, events=("start", "end"), schema=schema_set(family, version))  # type: ignore[arg-type]
    for number, (event, element) in enumerate(events):
        if number == 0 and element.tag != f"{{{MSGHEAD}}}MsgHead":
            raise BadMessage("The message has no message head.", remedy="Build it again.")
        if event == "end" and element.tag == person:
            persons += 1
            forget(element)
            if persons % _PROGRESS_EVERY == 0:
                progress("gate", persons, 0)
    while counted.read(1 << 20):  # the parser may stop reading at the end tag; the hash is of the whole file
        pass
    if persons == 0:
        raise BadMessage(f"The message holds no {family} payload.", remedy="Build it again.")
    return GateReport(counted.hash.hexdigest(), counted.size, persons)


def expected_namespace(family: str, version: str) -> str:
    """The namespace that a payload of this family and version must have."""
    return namespace_of(family, version)


def is_valid(root: etree._Element, family: str, version: str) -> bool:
    """Whether a whole small message passes; for tests and small documents."""
    return schema_set(family, version).validate(root)
