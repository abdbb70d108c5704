"""The pair check: two messages that passed the gate, held against each other before either may be sent (I01-I04, L21)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from kpr.errors import BadMessage
from kpr.messages.faults import local_key
from kpr.messages.gate import GateReport

#: How many keys an error names at most.
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PairReport:
    """What both messages say."""

    persons: int
    sequence_number: str
    first_day: str
    last_day: str
    municipality_number: str


def check_pair(ident: GateReport, iplos: GateReport) -> PairReport:
    """Same persons, same number, same period on both sides; BadMessage names up to ten local keys otherwise."""
    if "municipality" in ident.header or "municipality" not in iplos.header:
        raise BadMessage(
            "The pair is not an ident message and an IPLOS message.", remedy="Give ident first, then IPLOS."
        )
    names = {"number": "løpenummer", "first_day": "first day", "last_day": "last day"}
    for name, told in names.items():
        if ident.header[name].replace("-", "") != iplos.header[name]:
            raise BadMessage(f"Ident and IPLOS message differ in {told}.", remedy="Build both from the same extract.")
    _same_persons(ident.keys, iplos.keys)
    values = iplos.header
    return PairReport(iplos.persons, values["number"], values["first_day"], values["last_day"], values["municipality"])


def _same_persons(ident: tuple[str, ...], iplos: tuple[str, ...]) -> None:
    one, two = set(ident), set(iplos)
    problems = (
        ("Persons in the IPLOS message have no id in the ident message.", two - one, "Add them to the ident extract."),
        ("The ident message holds persons who are not in the IPLOS message.", one - two, "Leave them out of it."),
        ("A person stands twice in the ident message.", _doubled(ident), "One person, one key, once."),
        ("A person stands twice in the IPLOS message.", _doubled(iplos), "One person, one key, once."),
    )
    for problem, keys, remedy in problems:
        if keys:
            shown = ", ".join(local_key(key) for key in sorted(keys)[:_SHOWN])
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            raise BadMessage(problem, place=f"local keys {shown}{more}", remedy=remedy)


def _doubled(keys: tuple[str, ...]) -> set[str]:
    return {key for key, count in Counter(keys).items() if count > 1} if len(set(keys)) != len(keys) else set()
