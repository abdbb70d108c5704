"""Parcels for the tests of the carriers of files."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from kpr.transports.edi.carrier import Label
from kpr.transports.edi.file_carrier import FileCarrier, FileParcel

BIG = 20_000_000


def label(name: str | None = None) -> Label:
    """A label with a name of its own."""
    sent_at = datetime(2021, 1, 7, 9, tzinfo=UTC)
    return Label(name or str(uuid4()), "KPR_IPL", "8000001", "8000003", "", "", sent_at)


def put(carrier: FileCarrier, data: bytes, name: str | None = None) -> str:
    """Hand over some bytes; the parcel's name."""
    on_it = label(name)
    carrier.put(on_it, io.BytesIO(data), len(data))
    return on_it.name


def content(parcel: FileParcel) -> bytes:
    """A parcel's bytes."""
    with parcel.open() as stream:
        return stream.read()


def taken(carrier: FileCarrier) -> dict[str, bytes]:
    """Everything that waits, read and accepted, in its order."""
    found = {}
    for parcel in carrier.waiting():
        found[parcel.name] = content(parcel)
        parcel.accept()
    return found


def waiting(carrier: FileCarrier) -> list[str]:
    """The names of what waits."""
    return [parcel.name for parcel in carrier.waiting()]


def files_in(root: Path) -> dict[str, int]:
    """Every file beneath a folder, with its size."""
    return {str(path.relative_to(root)): path.lstat().st_size for path in sorted(root.rglob("*")) if not path.is_dir()}


def in_order(*paths: Path) -> None:
    """Let the files have been written one after the other."""
    for number, path in enumerate(paths):
        os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))


class Counted(io.BytesIO):
    """A body that counts how many bytes of it were read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.n_read = 0

    def read(self, *args: Any) -> bytes:
        """Some bytes."""
        piece = super().read(*args)
        self.n_read += len(piece)
        return piece
