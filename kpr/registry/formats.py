"""The payload formats that the register takes, known by namespace: our own schemas are the list.

The namespace decides, never what a message says of its version: that text is somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from kpr.messages.schemas import namespace_of
from kpr.messages.shape import SCHEMAS

_FAMILIES = ("iplos", "ident")

#: What the register validates with where its own schema is looser than the one for senders (register-checks: 3.5).
_AS_RECEIVED = "-receiver"


@dataclass(frozen=True, slots=True)
class Format:
    """A payload format: ``version`` as the data year names it, ``schema`` the one that the register validates with."""

    family: str
    version: str
    schema: str
    namespace: str


@cache
def _formats() -> dict[str, Format]:
    found: dict[str, Format] = {}
    for path in sorted(SCHEMAS.glob("*.xsd")):
        family, _, schema = path.stem.partition("-")
        if family not in _FAMILIES:
            continue
        namespace = namespace_of(family, schema)
        if namespace not in found or schema.endswith(_AS_RECEIVED):
            found[namespace] = Format(family, schema.removesuffix(_AS_RECEIVED), schema, namespace)
    return found


def format_of(namespace: str) -> Format | None:
    """The format with this namespace; None when the register does not take it."""
    return _formats().get(namespace)
