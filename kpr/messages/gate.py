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
from kpr.messages.head import MessageInfo, read_head
from kpr.messages.safe_xml import forget, stream
from kpr.messages.schemas import namespace_of, schema_set
from kpr.progress import Progress, silent

#: The payload's root in each family.
_ROOTS = {"iplos": "IPLOS", "ident": "Melding"}
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
    """A stream that hashes what is read from it, and can give its beginning once more."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.hash, self.size = source, sha256(), 0
        self._start: bytearray | None = bytearray()
        self._again = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> Any:
        if self._again:
            data, self._again = self._again, b""
            return data
        data = self.source.read(-1 if size is None else size)
        self.hash.update(data)
        self.size += len(data)
        if self._start is not None:
            self._start += data
        return data

    def from_the_start(self) -> None:
        """Give everything that was read until now once more."""
        self._again, self._start = bytes(self._start or b""), None


def gate(source: BinaryIO, family: str, version: str, progress: Progress = silent) -> GateReport:
    """Validate a whole message of this family and version; BadMessage when it does not pass. Memory is bounded."""
    counted = _Counted(source)
    _check_format(read_head(counted), family, version)  # type: ignore[arg-type]
    counted.from_the_start()
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


def _check_format(info: MessageInfo, family: str, version: str) -> None:
    """Another year's format or another kind of message gets its own sentence, before the schema finds its thousand."""
    expected = namespace_of(family, version)
    if info.payload_namespace == expected:
        return
    last = info.payload_namespace.rpartition("/")[2]
    said = last if last.replace("_", "").isalnum() and len(last) <= 20 else "unknown"
    raise BadMessage(
        f"The payload is in another format ({said}) than the one expected ({expected.rpartition('/')[2]}).",
        place=_ROOTS[family],
        remedy="Give the message of the right kind and data year, or choose its data year.",
    )


class _Reader:
    """Notes root, header values and persons' keys as they pass."""

    def __init__(self, family: str, version: str, progress: Progress) -> None:
        space = f"{{{namespace_of(family, version)}}}"
        self.family, self.progress = family, progress
        person, self.key = _PERSONS[family]
        self.person = space + person
        self.names = {space + name: to for name, to in _HEADERS[family].items()}
        self.payload = space + _ROOTS[family]
        self.tags = (self.person, self.payload, *self.names)
        self.keys: list[str] = []
        self.header: dict[str, str] = {}
        self.payloads = 0

    def take(self, event: str, element: Any) -> None:
        tag = element.tag
        if event == "end" and tag == self.person:
            self.keys.append(element.get(self.key, ""))
            forget(element)
            if len(self.keys) % _PROGRESS_EVERY == 0:
                self.progress("gate", len(self.keys), 0)
        elif event == "end" and tag in self.names:
            self.header[self.names[tag]] = (element.text or "").strip()  # as the schema's number types read it
        elif event == "start" and tag == self.payload:
            self.payloads += 1
            if self.family == "ident":
                self.header |= {to: element.get(name, "") for name, to in _HEADERS["ident"].items()}

    def check_whole(self) -> None:
        """The schema would take several payloads in one message; the register does not."""
        if self.payloads != 1:
            raise BadMessage("The message holds more than one payload.", remedy="Send one payload in one message.")
