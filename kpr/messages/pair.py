"""The pair check: two finished messages, held against each other before either may be sent (I01-I04, L21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.safe_xml import forget, stream

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


@dataclass(slots=True)
class _Side:
    keys: list[str]
    sequence_number: str = ""
    first_day: str = ""
    last_day: str = ""
    municipality_number: str = ""


def check_pair(ident: BinaryIO, iplos: BinaryIO) -> PairReport:
    """Same persons, same number, same period on both sides; BadMessage names up to ten local keys otherwise."""
    left, right = _read_ident(ident), _read_iplos(iplos)
    for name, one, two in (
        ("løpenummer", left.sequence_number, right.sequence_number),
        ("first day", left.first_day.replace("-", ""), right.first_day),
        ("last day", left.last_day.replace("-", ""), right.last_day),
    ):
        if one != two:
            raise BadMessage(f"Ident and IPLOS message differ in {name}.", remedy="Build both from the same extract.")
    _same_persons(left.keys, right.keys)
    return PairReport(
        len(right.keys), right.sequence_number, right.first_day, right.last_day, right.municipality_number
    )


def _same_persons(ident: list[str], iplos: list[str]) -> None:
    one, two = set(ident), set(iplos)
    for problem, keys, remedy in (
        ("Persons in the IPLOS message have no id in the ident message.", two - one, "Add them to the ident extract."),
        (
            "The ident message holds persons who are not in the IPLOS message.",
            one - two,
            "Leave them out of it.",
        ),
    ):
        if keys:
            shown = ", ".join(sorted(keys)[:_SHOWN])
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            raise BadMessage(problem, place=f"local keys {shown}{more}", remedy=remedy)
    for name, keys_list in (("ident", ident), ("IPLOS", iplos)):
        if len(keys_list) != len(set(keys_list)):
            raise BadMessage(f"A person stands twice in the {name} message.", remedy="One person, one key, once.")


def _read_ident(source: BinaryIO) -> _Side:
    side = _Side([])
    for event, element in stream(source, events=("start", "end")):
        name = etree.QName(element).localname
        if event == "start" and name == "Melding":
            side.sequence_number = element.get("lopenr", "")
            side.first_day, side.last_day = element.get("fraDatoPeriode", ""), element.get("tilDatoPeriode", "")
        elif event == "end" and name == "PasientIdent":
            side.keys.append(element.get("pid", ""))
            forget(element)
    return side


_HEADER = {
    "iiLopenr": "sequence_number",
    "iiFraDato": "first_day",
    "iiTilDato": "last_day",
    "iiKomnr": "municipality_number",
}


def _read_iplos(source: BinaryIO) -> _Side:
    side = _Side([])
    for event, element in stream(source, events=("start", "end")):
        name = etree.QName(element).localname
        if event == "start" and name == "PERSON":
            side.keys.append(element.get("pePeID", ""))
        elif event == "end" and name == "PERSON":
            forget(element)
        elif event == "end" and name in _HEADER:
            setattr(side, _HEADER[name], element.text or "")
    return side
