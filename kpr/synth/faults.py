"""Faults on demand: each a small function that spoils one person or the head, with the rules that must find it.

Named after what is wrong. A remark such as E8 is a case that really happened (KPR and SSB, data years 2004-2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kpr.synth.person import Person, Values
from kpr.years import Year

Spoil = Callable[[Person, Year], None]
Heads = dict[str, list[Values]]
SpoilHeads = Callable[[Heads, Year], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What it does to a person, which rules find it (ids of the catalogue), and from which data year it can exist."""

    spoil: Spoil
    rules: tuple[str, ...]
    first_year: int = 2018


@dataclass(frozen=True, slots=True)
class HeadFault:
    """What it does to the rows that stand once in an extract, and which rules find it."""

    spoil: SpoilHeads
    rules: tuple[str, ...]


# -- building blocks -----------------------------------------------------------------------------------------------


def _person(**values: str | None) -> Spoil:
    return lambda person, year: person.person.update(_dated(values, year))


def _service(**values: str | None) -> Spoil:
    return lambda person, year: person.tjeneste[0].update(_dated(values, year))


def _snapshot(**values: str | None) -> Spoil:
    return lambda person, year: person.personoppl[-1].update(_dated(values, year))


def _dated(values: Mapping[str, str | None], year: Year) -> Values:
    """``{Y}`` is the data year, ``{Y+1}`` and ``{Y-1}`` its neighbours."""
    names = {"{Y}": 0, "{Y+1}": 1, "{Y-1}": -1}
    filled = dict(values)
    for name, value in values.items():
        for mark, offset in names.items():
            value = value.replace(mark, str(year.data_year + offset)) if value else value
        filled[name] = value
    return filled


#: A home service in force all year: a frame in which one thing is wrong.
_HOME: Values = {
    "tjTjenType": "15",
    "tjTjenUnderType": None,
    "tjVedtak": "2",
    "tjTimerUke": "2.00",
    "tjResTimerUke": None,
    "tjRullerende": None,
    "tjInstOrgnr": "900000006",
    "tjFraDato": "{Y}0101",
    "tjTilDato": None,
}


def _home(**values: str | None) -> Spoil:
    """The person lives, is assessed, and has one home service; ``values`` are what is wrong with it."""

    def spoil(person: Person, year: Year) -> None:
        person.person["peDodDato"] = None
        person.tjeneste = [person.tjeneste[0] | _dated(_HOME | values, year)]
        if not person.funksjon:
            numbers = list(year.codes("fnFunkType"))[: year.function_set.value]
            person.funksjon = [_score(person, number, year.data_year) for number in numbers]

    return spoil


def _ident(**values: str | None) -> Spoil:
    def spoil(person: Person, _year: Year) -> None:
        if person.ident is not None:
            person.ident.update(values)

    return spoil


# -- faults that need more than new values -------------------------------------------------------------------------


def _missing_ident(person: Person, _year: Year) -> None:
    person.ident = None


def _wrong_check_digit(person: Person, _year: Year) -> None:
    if person.ident is not None:
        digits = person.ident["fid"] or ""
        person.ident["fid"] = digits[:-1] + str((int(digits[-1]) + 1) % 10)


def _duplicate_key(person: Person, _year: Year) -> None:
    person.again.append(dict(person.person))


def _extra_ident(person: Person, _year: Year) -> None:
    if person.ident is not None:
        person.strange_idents.append(person.ident | {"pid": f"7{int(person.key):09d}"})


def _ident_twice(person: Person, _year: Year) -> None:
    if person.ident is not None:
        person.strange_idents.append(dict(person.ident))


def _test_person(person: Person, _year: Year) -> None:
    """A key that the vendor keeps for its own persons: 9999, then the key."""
    _rename(person, f"9999{person.key}")


def _key_too_long(person: Person, _year: Year) -> None:
    _rename(person, f"9{int(person.key):011d}")


def _rename(person: Person, key: str) -> None:
    person.person["pePeID"] = key
    if person.ident is not None:
        person.ident["pid"] = key
    for prefix, rows in zip(("po", "fn", "tj", "di", "dg"), _children(person), strict=True):
        for row in rows:
            row[f"{prefix}PeID"] = key


def _children(person: Person) -> tuple[list[Values], ...]:
    return person.personoppl, person.funksjon, person.tjeneste, person.diagnose, person.dogntilbud


def _number_twice(person: Person, _year: Year) -> None:
    person.personoppl.append(dict(person.personoppl[0]))


def _empty_person(person: Person, _year: Year) -> None:
    for rows in _children(person):
        rows.clear()


def _no_assessment(person: Person, year: Year) -> None:
    _home()(person, year)
    person.funksjon.clear()


def _old_assessment(person: Person, year: Year) -> None:
    _home()(person, year)
    for row in person.funksjon:
        row["fnFraDato"] = f"{year.data_year - 2}0101"


def _all_irrelevant(person: Person, year: Year) -> None:
    _home()(person, year)
    for row in person.funksjon:
        row["fnFunkVerdi"] = "9"


def _two_scores(person: Person, year: Year) -> None:
    _home()(person, year)
    person.funksjon.append(_score(person, "1", year.data_year) | {"fnFnID": "99"})


def _unknown_score(person: Person, year: Year) -> None:
    _home()(person, year)
    person.funksjon[0]["fnFunkVerdi"] = "7"


def _score(person: Person, number: str, since: int) -> Values:
    row: Values = {"fnPeID": person.key, "fnFnID": number, "fnFunkType": number, "fnFunkVerdi": "2"}
    return row | {"fnFraDato": f"{since}0101", "fnTilDato": "99991231"}


def _overlapping_rows(person: Person, year: Year) -> None:
    _home()(person, year)
    person.tjeneste.append(person.tjeneste[0] | {"tjTjID": "99", "tjVeID": "99", "tjVeNrID": "1"})


def _active_after_death(person: Person, year: Year) -> None:
    _home()(person, year)
    person.person["peDodDato"] = f"{year.data_year}0301"


def _wrong_diagnosis(person: Person, year: Year) -> None:
    frame: Values = {"diPeID": person.key, "diDiID": "1", "diFraDato": f"{year.data_year}0101", "diTilDato": "99991231"}
    person.diagnose = [frame | {"diKodeVersjon": "ICPC-2", "diDiagKode": "hoste"}]


def _refusal_with_start(person: Person, year: Year) -> None:
    _home(tjVedtak="1")(person, year)


def _swapped_refusal(person: Person, _year: Year) -> None:
    for row in person.tjeneste:
        row["tjVedtak"] = {"1": "2", "2": "1"}.get(row.get("tjVedtak") or "", row.get("tjVedtak"))


def _without_types(*types: str) -> Spoil:
    def spoil(person: Person, _year: Year) -> None:
        person.tjeneste = [row for row in person.tjeneste if row["tjTjenType"] not in types]

    return spoil


#: name -> fault. ``kpr synth --fault NAME=COUNT`` spoils so many persons. Faults of a whole municipality (no-dwelling,
#: no-alarm, bpa-instead, swapped-refusal) show when they are given to all or most of them.
FAULTS: dict[str, Fault] = {
    # keys and pair
    "duplicate-key": Fault(_duplicate_key, ("X01c", "X31a")),
    "number-twice": Fault(_number_twice, ("X01b",)),
    "row-of-another": Fault(_service(tjPeID="0"), ("X01a",)),
    "empty-person": Fault(_empty_person, ("X31a",)),
    "key-too-long": Fault(_key_too_long, ("I08", "R-pePeID-T")),
    "missing-ident": Fault(_missing_ident, ("I04a",)),  # E12, when given to all
    "extra-ident": Fault(_extra_ident, ("I05", "I06")),
    "ident-twice": Fault(_ident_twice, ("I04b",)),
    # ids
    "wrong-check-digit": Fault(_wrong_check_digit, ("I10b",)),
    "no-national-id": Fault(_ident(fid="010180", typeID="9"), ("I13a",)),
    "empty-national-id": Fault(_ident(fid=None), ("I10a",)),
    "unknown-id-type": Fault(_ident(typeID="11"), ("I13b",)),
    "text-for-id": Fault(_ident(fid="Rolle A"), ("I16",)),
    "no-birth-date": Fault(_ident(fid="32138012345"), ("X29e",)),
    "test-person": Fault(_test_person, ("X29f",)),  # E7
    # person
    "unknown-sex": Fault(_person(peKjonn="1"), ("R-peKjonn-K",)),
    "impossible-age": Fault(_person(peAlder="150"), ("X26a",)),
    "other-age": Fault(_person(peAlder="0"), ("X26b",)),
    "unknown-residence": Fault(_person(peKomnr="9999"), ("X27b",)),
    "dead-before-year": Fault(_person(peDodDato="{Y-1}0601"), ("X14a", "X14b")),  # E8
    "active-after-death": Fault(_active_after_death, ("X14a",)),
    # dates of services
    "no-such-day": Fault(_home(tjVedtDato="{Y}0231"), ("X02a", "R-tjVedtDato-T")),
    "from-after-to": Fault(_home(tjFraDato="{Y}0901", tjTilDato="{Y}0801"), ("X03", "R-tjTilDato-R")),  # E9
    "service-before-period": Fault(_home(tjFraDato="{Y-1}0101", tjTilDato="{Y-1}0601"), ("X04",)),  # E11
    "decision-before-2005": Fault(
        _home(tjSoknadDato="20040301", tjVedtDato="20040401"), ("X05", "R-tjVedtDato-R", "R-tjSoknadDato-R")
    ),
    "service-after-period": Fault(_home(tjFraDato="{Y+1}0104"), ("X06", "R-tjFraDato-R")),
    "overlapping-rows": Fault(_overlapping_rows, ("X15",)),
    # contents of services
    "retired-code": Fault(_home(tjTjenType="12", tjTimerUke=None), ("X13", "R-tjTjenType-K"), first_year=2019),  # E10
    "unknown-code": Fault(_home(tjTjenType="99", tjTimerUke=None), ("X13", "R-tjTjenType-K")),
    "refusal-with-start": Fault(_refusal_with_start, ("X07a",)),
    "granted-without-start": Fault(_home(tjFraDato=None), ("X07b",)),  # E11
    "hours-over-168": Fault(_home(tjTimerUke="170.00"), ("X08a", "R-tjTimerUke-R")),
    "missing-hours": Fault(_home(tjTimerUke=None), ("X08b", "R-tjTimerUke-O")),
    "hours-without-point": Fault(_home(tjTimerUke="3"), ("X10a", "R-tjTimerUke-T")),
    "decimal-comma": Fault(_home(tjTimerUke="3,5"), ("X10b", "R-tjTimerUke-T")),
    "missing-rolling": Fault(_home(tjTjenType="8", tjTimerUke=None), ("X11a", "R-tjRullerende-O")),
    "rolling-elsewhere": Fault(_home(tjRullerende="1"), ("X11b",)),
    "wrong-organisation-number": Fault(_home(tjInstOrgnr="123456789"), ("X12a",)),
    "missing-provider": Fault(_home(tjInstOrgnr=None), ("X12b",)),
    "broken-chain": Fault(_home(tjVeNrID="0"), ("X34",)),
    "swapped-refusal": Fault(_swapped_refusal, ("Y5",)),
    "no-dwelling": Fault(_without_types("29", "12", "13"), ("Y1",)),  # E3, E6
    "no-alarm": Fault(_without_types("6"), ("Y1",)),  # E6
    "bpa-instead": Fault(_home(tjTjenType="3"), ("X32a",)),  # E5
    # function scores
    "no-assessment": Fault(_no_assessment, ("X17",)),
    "old-assessment": Fault(_old_assessment, ("X20",)),
    "all-irrelevant": Fault(_all_irrelevant, ("X19b",)),
    "two-scores": Fault(_two_scores, ("X19a",)),
    "unknown-score": Fault(_unknown_score, ("R-fnFunkVerdi-K",)),
    # circumstances
    "old-doctor": Fault(_snapshot(poVurdLege="{Y-1}03"), ("X21",)),
    "no-such-month": Fault(_snapshot(poVurdTann="{Y}13"), ("X02b", "X06", "R-poVurdTann-R")),
    "risk-without-plan": Fault(_snapshot(poErnRisiko="1", poErnRisikoDato="{Y}0301", poErnPlan=None), ("X23a",)),
    "yes-without-date": Fault(_snapshot(poLegeMiddGj="1", poLegeMiddGjDato=None), ("X23b",)),
    "help-without-need": Fault(_snapshot(poArbBistBehov="2", poArbBistMottar="1"), ("X24a",)),
    "old-coordinator": Fault(_snapshot(poHarKoordinator="1"), ("X25a",), first_year=2019),
    "old-plan": Fault(_snapshot(poIndPlan="9"), ("X25b",), first_year=2019),
    "waiting-without-date": Fault(_snapshot(poVenteliste="1", poVentelisteDato=None), ("X33a",), first_year=2019),
    "wrong-diagnosis": Fault(_wrong_diagnosis, ("X28a",)),
}


def _head(table: str, **values: str) -> SpoilHeads:
    return lambda heads, year: heads[table][0].update(_dated(values, year))


def _no_submitter(heads: Heads, _year: Year) -> None:
    heads["kontaktperson"] = [row for row in heads["kontaktperson"] if row["typeKontaktperson"] != "16"]


#: Faults of the rows that stand once; a count other than 0 switches them on.
HEAD_FAULTS: dict[str, HeadFault] = {
    "other-period": HeadFault(_head("innhinfo", iiTilDato="{Y+1}1231"), ("R-iiTilDato-R", "I03a")),
    "other-format": HeadFault(_head("innhinfo", versjon="3.3"), ("L0-1",)),
    "other-number": HeadFault(_head("melding", lopenr="2"), ("I02",)),
    "unknown-municipality": HeadFault(_head("innhinfo", iiKomnr="9999"), ("X27a",)),
    "no-iplos-contact": HeadFault(_no_submitter, ("I14",)),
}
