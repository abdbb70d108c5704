"""The XML that the care-record system exported: an IPLOS file and an ident file, bare or inside a message head.

Read one person at a time, in bounded memory. Values come through as they stand, right or wrong, so that the checks
can find them; only what cannot be laid in a table is refused here: foreign elements, a leaf twice, another format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kpr.errors import BadExtract, BadMessage
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import Batch
from kpr.sources.ident_xml import IdentReader
from kpr.sources.iplos_xml import IplosReader

Opener = Callable[[], BinaryIO]


def opener(path: Path) -> Opener:
    """Opens a file for reading; BadExtract when it is not there."""

    def open_it() -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as error:
            reason = error.strerror or "it is not there"
            raise BadExtract(
                f"The file cannot be opened: {reason}.", place=path.name, remedy="Check the name and the folder."
            ) from None

    return open_it


@dataclass(frozen=True, slots=True)
class XmlSource:
    """Both files of an export; either may be missing, and what is missing is found by the checks."""

    shape: PayloadShape
    iplos: Opener | None
    ident: Opener | None
    names: tuple[str, str] = ("IPLOS file", "ident file")

    def batches(self) -> Iterator[Batch]:
        """All rows of both files; BadExtract with the file's name when one cannot be read."""
        readers = ((self.iplos, IplosReader(self.shape), self.names[0]), (self.ident, IdentReader(), self.names[1]))
        for open_it, reader, name in readers:
            if open_it is None:
                continue
            with open_it() as source:
                try:
                    yield from reader.read(source)
                except BadMessage as error:
                    place = f"{name}, {error.place}" if error.place else name
                    raise BadExtract(error.problem, place=place, remedy=error.remedy) from None
