"""Is what stands in proof.json a proof of ours? By the facts' own types: a signature says nothing of the shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from kpr.errors import BadMessage
from kpr.proof.facts import FORMAT, ProofFacts


def demand_ours(manifest: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """BadMessage when a proof that nobody altered is another program's: another format, or values of another kind."""
    if not (_is_format(manifest.get("format")) and is_ours(said)):
        raise BadMessage(
            "Beviset er hverken endret eller et bevis som kpr lager: det er laget av et annet program.",
            place="proof.json",
            remedy="Be den som ga deg det, om å lage det med «kpr proof make».",
        )


def is_ours(said: Any) -> bool:
    """Whether every value of the facts is there, and of its kind; what a later version has added does not count."""
    return fits(said, ProofFacts) and _is_format(said["format"])


def _is_format(said: object) -> bool:
    return type(said) is int and said == FORMAT


def fits(value: Any, kind: Any) -> bool:
    """Whether a value as JSON gives it is of this kind: a class of facts, a tuple or dict of something, plain."""
    if is_dataclass(kind) and isinstance(kind, type):
        return isinstance(value, dict) and _has_all(value, kind)
    if isinstance(kind, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(fits(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(fits(each, get_args(kind)[1]) for each in value.values())
    if kind is str:
        return isinstance(value, str) and not _SURROGATE.search(value)
    return type(value) in ((int, float) if kind is float else (kind,))


#: Half a character: JSON can say it, no page or terminal can show it.
_SURROGATE = re.compile("[\ud800-\udfff]")


def _has_all(value: dict[str, Any], kind: type) -> bool:
    kinds = _kinds(kind)
    optional = {each.name for each in fields(kind) if each.default is not MISSING}  # those that came later
    return all(name in value or name in optional for name in kinds) and all(
        fits(value[name], wanted) for name, wanted in kinds.items() if name in value
    )


@cache
def _kinds(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
