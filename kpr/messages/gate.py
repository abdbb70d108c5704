"""The gate: a finished message is read once more, as whoever receives it will, against head and payload schema.

What passes is named by its hash, and that hash is what must be sent. In the same pass it is noted what the pair check
wants to know. (``iterparse`` with a schema; a target parser would return normally on an invalid file.)
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO

from kpr.errors import BadMessage
from kpr.messages.safe_xml import forget, stream
from kpr.messages.schemas import MSGHEAD, namespace_of, schema_set
from kpr.progress import Progress, silent

#: In each family: the element that is one person with its key, and where number, period and municipality stand.
_PERSONS = {"iplos": ("PERSON", "pePeID"), "ident": ("PasientIdent", "pid")}
_HEADERS = {
    "iplos": {"iiLopenr": "number", "iiFraDato": "first_day", "iiTilDato": "last_day", "iiKomnr": "municipality"},
    "ident": {"lopenr": "number", "fraDatoPeriode": "first_day", "tilDatoPeriode": "last_day"},
}
_PROGRESS_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class GateReport:
    """What passed: hash and size of the bytes, the persons' keys, and the header values that a pair must share."""

    sha256: str
    size: int
    keys: tuple[str, ...] = field(repr=False)
    header: dict[str, str]

    @property
    def persons(self) -> int:
        """How many persons are in it."""
        return len(self.keys)


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
    reader = _Reader(family, version, progress)
    events = stream(
        counted,  # type: ignore[arg-type]
        events=("start", "end"),
        tags=reader.tags,
        schema=schema_set(family, version),
    )
    for event, element in events:
        reader.take(event, element)
    while counted.read(1 << 20):  # the parser may stop reading at the end tag; the hash is of the whole file
        pass
    reader.check_whole()
    return GateReport(counted.hash.hexdigest(), counted.size, tuple(reader.keys), reader.header)


class _Reader:
    """Notes root, header values and persons' keys as they pass."""

    def __init__(self, family: str, version: str, progress: Progress) -> None:
        space = f"{{{namespace_of(family, version)}}}"
        self.family, self.progress = family, progress
        person, self.key = _PERSONS[family]
        self.person = space + person
        self.root = f"{{{MSGHEAD}}}MsgHead"
        self.names = {space + name: to for name, to in _HEADERS[family].items()}
        self.payload = f"{space}Melding"
        self.tags = (self.root, self.person, self.payload, *self.names)
        self.keys: list[str] = []
        self.header: dict[str, str] = {}
        self.has_head = False

    def take(self, event: str, element: Any) -> None:
        tag = element.tag
        if event == "end" and tag == self.person:
            self.keys.append(element.get(self.key, ""))
            forget(element)
            if len(self.keys) % _PROGRESS_EVERY == 0:
                self.progress("gate", len(self.keys), 0)
        elif event == "end" and tag in self.names:
            self.header[self.names[tag]] = element.text or ""
        elif event == "start" and tag == self.payload and self.family == "ident":
            self.header |= {to: element.get(name, "") for name, to in _HEADERS["ident"].items()}
        elif event == "start" and tag == self.root:
            self.has_head = True

    def check_whole(self) -> None:
        """A payload alone is valid by its own schema, and still no message."""
        if not self.has_head:
            raise BadMessage("The message has no message head.", remedy="Build it again.")
        if not self.keys:
            raise BadMessage(f"The message holds no {self.family} payload.", remedy="Build it again.")
