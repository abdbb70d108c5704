"""A file that the command line names, or what is pasted into it: read with a bound, as bytes."""

from __future__ import annotations

import sys
from pathlib import Path

from kpr.errors import BadInput


def read_given(file: str | Path, largest: int) -> tuple[bytes, str]:
    """The content, one byte more than ``largest`` at most, and the file's name; «-» reads standard input, without a name.

    BadInput when the file cannot be read. Whoever reads the content says what is too large.
    """
    if str(file) == "-":
        return sys.stdin.buffer.read(largest + 1), ""
    path = Path(file)
    try:
        with path.open("rb") as given:
            return given.read(largest + 1), path.name
    except OSError:
        raise BadInput("Filen kan ikke leses.", place=path.name, remedy="Gi stien til filen.") from None
