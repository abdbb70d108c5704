"""What was altered in proof.json, by the manifest's hash of each value: as exactly as can be told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Any, NamedTuple

from kpr.checks.finding import Text
from kpr.proof.bundle import plain_digest
from kpr.proof.facts import leaves

#: Members of one list that are named; the rest are counted.
_NAMED = 8


class Listed(NamedTuple):
    """What tells the members of a list apart, and what one of them is called."""

    key: str
    nb: str
    en: str


LISTS = {"events": Listed("chain", "hendelse", "event"), "messages": Listed("msg_id", "melding", "message")}


def altered_values(facts: bytes, known: Mapping[str, str]) -> list[Text]:
    """Each value of proof.json that is not the manifest's, and each member of a list that is gone, new or moved.

    Empty when it cannot be read at all. ``known`` has the SHA-256 of each value by its path.
    """
    try:
        said = json.loads(facts)
    except (ValueError, RecursionError):
        return []
    if not isinstance(said, dict):
        return []
    told: list[Text] = []
    for name in LISTS:
        if moved := list(_of_list(name, said.get(name), known)):
            told += moved
            said.pop(name, None)
            known = {path: hashed for path, hashed in known.items() if path.split(".")[0] != name}
    now = {path: plain_digest(value) for path, value in leaves(said)} if said else {}
    paths = sorted(path for path in now.keys() | known.keys() if now.get(path) != known.get(path))
    return told + [Text(path, path) for path in paths]


def _of_list(name: str, members: Any, known: Mapping[str, str]) -> Iterator[Text]:
    """Nothing while the same members stand in the same places, or as many others: then their values are named."""
    if not isinstance(members, list) or not all(isinstance(each, dict) for each in members):
        return
    listed = LISTS[name]
    places = takewhile(known.__contains__, (f"{name}.{number}.{listed.key}" for number in count()))
    before, now = [known[place] for place in places], [plain_digest(each.get(listed.key)) for each in members]
    if len(before) != len(now):
        yield from not_same(name, before, now)
        places_before = {hashed: number for number, hashed in enumerate(before)}
        for member, hashed in zip(members, now, strict=True):
            if (number := places_before.get(hashed)) is not None:
                for path, value in leaves(member, f"{name}.{number}"):
                    if known.get(path) != plain_digest(value):
                        yield Text(path, path)
    elif before != now and Counter(before) == Counter(now):
        yield Text(f"{name}: i en annen rekkefølge", f"{name}: in another order")


def not_same(name: str, before: Sequence[str], now: Sequence[str]) -> Iterator[Text]:
    """Which members of a list are gone, and which were put in, by what tells them apart; numbered from 1."""
    listed = LISTS[name]
    if gone := surplus(before, now):
        yield Text(f"{name}: {listed.nb} {_numbers(gone)} er fjernet", f"{name}: {listed.en} {_numbers(gone)} is gone")
    if new := surplus(now, before):
        yield Text(
            f"{name}: {listed.nb} {_numbers(new)} er satt inn", f"{name}: {listed.en} {_numbers(new)} was put in"
        )


def surplus(members: Sequence[str], others: Sequence[str]) -> list[int]:
    """The numbers, from 1, of the members that stand there more often than among the others."""
    left, found = Counter(others), []
    for number, member in enumerate(members, 1):
        left[member] -= 1
        if left[member] < 0:
            found.append(number)
    return found


def _numbers(found: Sequence[int]) -> str:
    more = f" (+{len(found) - _NAMED})" if len(found) > _NAMED else ""
    return ", ".join(map(str, found[:_NAMED])) + more
