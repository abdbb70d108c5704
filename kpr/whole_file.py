"""A file for a person that is there whole or not at all, readable by its owner alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kpr.errors import BadInput


@contextmanager
def whole_file(path: Path, named_by: str = "--out") -> Iterator[BinaryIO]:
    """A stream to write to; the file stands under its name when the body ends well, and not otherwise.

    BadInput when it cannot be written; ``named_by`` is the option or setting that names another folder.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise BadInput(
            f"Filen kan ikke skrives: {error.strerror}.", place=path.name, remedy=f"Velg en annen mappe med {named_by}."
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()
