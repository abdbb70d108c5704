"""The register's own checks as data: one row per attribute of its annotation files, and the rules they make.

Consequences (annotation files, handling ids): 1 the message is deleted, 2 and 3 the row (2 with everything under it),
7 the value is set to NULL, 9 noted, empty: switched on without a consequence. From consequence to severity is our own
choice (register-checks.md section 6): 1 is FATAL, 2 and 3 ERROR, 7 ERROR where the row then no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from kpr.checks.finding import Fate, Mode, Owner, Severity, Text
from kpr.checks.rules import Rule
from kpr.yaml_file import read_yaml

DATA = Path(__file__).parent / "data"

_FATES = {"1": Fate.MESSAGE_DELETED, "2": Fate.ROW_DELETED, "3": Fate.ROW_DELETED, "7": Fate.VALUE_LOST}

#: Values without which a row is kept but no longer counts.
_COUNTED_ON = frozenset({"tjTjenType", "tjVedtak", "fnFunkVerdi"})


#: The register's type allows one character, and the codes of 2019 have two: noted for every right value (K8).
_KNOWN_NOISE = frozenset({"poHarKoordinator"})


class Kind(StrEnum):
    """The register's four kinds of check."""

    TYPE = "T"
    OBLIGATION = "O"
    CODE = "K"
    RANGE = "R"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of the data file; see the file's head for the meaning of each."""

    cls: str
    element: str
    name: str
    type: str
    type_fate: str
    obligation: str
    obligation_fate: str
    lists: tuple[str, ...]
    code_fate: str
    range: tuple[str, ...]
    range_fate: str
    range_off: bool

    def checks(self) -> Iterator[Check]:
        """The checks that this attribute has, those prepared but switched off too."""
        yield Check(self, Kind.TYPE, self.type_fate)
        if self.obligation:
            yield Check(self, Kind.OBLIGATION, self.obligation_fate, off=self.obligation == "off")
        if self.lists:
            yield Check(self, Kind.CODE, self.code_fate)
        if self.range:
            yield Check(self, Kind.RANGE, self.range_fate, off=self.range_off)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one attribute."""

    attribute: Attribute
    kind: Kind
    handling: str
    off: bool = False

    @property
    def rule_id(self) -> str:
        """``R-tjTjenType-K``; contact persons' short names carry their class."""
        short = self.attribute.cls == "iiKontakt"
        return f"R-{'iiKontakt' if short else ''}{self.attribute.element}-{self.kind.value}"

    @property
    def is_known_noise(self) -> bool:
        """Whether right values break it, without a consequence."""
        return self.kind is Kind.TYPE and self.attribute.element in _KNOWN_NOISE

    @property
    def fate(self) -> Fate:
        """What the register does when it fails."""
        return Fate.NONE if self.off else _FATES.get(self.handling, Fate.NOTED)

    @property
    def severity(self) -> Severity:
        """How serious we take it."""
        if self.off or self.is_known_noise:
            return Severity.INFO
        if self.fate is Fate.VALUE_LOST and self.attribute.element in _COUNTED_ON:
            return Severity.ERROR
        return {Fate.MESSAGE_DELETED: Severity.FATAL, Fate.ROW_DELETED: Severity.ERROR}.get(self.fate, Severity.WARNING)

    def rule(self) -> Rule:
        """The check as a rule of the catalogue."""
        blocks = self.severity in (Severity.FATAL, Severity.ERROR)
        return Rule(
            id=self.rule_id,
            severity=self.severity,
            owner=_OWNERS[self.kind],
            wrong=_wrong(self),
            remedy=_HARMLESS if self.is_known_noise else _REMEDIES[self.kind],
            source="the register's annotation file",
            basis="C",
            mode=Mode.BLOCK if blocks else Mode.WARN,
            nothing_to_mend=self.is_known_noise,
        )


#: A value of the wrong type comes out of the extract; a missing value or a wrong date was registered so.
_OWNERS = {
    Kind.TYPE: Owner.EXTRACT,
    Kind.OBLIGATION: Owner.UNIT,
    Kind.CODE: Owner.CODE,
    Kind.RANGE: Owner.UNIT,
}
_PROBLEMS = {
    Kind.TYPE: Text("har ikke den formen registeret krever", "does not have the form that the register wants"),
    Kind.OBLIGATION: Text("mangler", "is missing"),
    Kind.CODE: Text("har en kode som ikke gjelder for året", "has a code that is not valid for the year"),
    Kind.RANGE: Text("er utenfor det registeret godtar", "is outside what the register accepts"),
}
_FATE_TEXTS = {
    Fate.MESSAGE_DELETED: Text("Registeret sletter hele meldingen.", "The register deletes the whole message."),
    Fate.ROW_DELETED: Text("Registeret sletter raden med alt under.", "The register deletes the row and all under it."),
    Fate.VALUE_LOST: Text("Registeret tømmer feltet.", "The register sets the value to NULL."),
    Fate.NOTED: Text("Registeret noterer det.", "The register notes it."),
    Fate.NONE: Text("Kan bli krevd et annet år.", "May be demanded in another year."),
}
_REMEDIES = {
    Kind.TYPE: Text("Be leverandøren rette uttrekket.", "Have the vendor mend the extract."),
    Kind.OBLIGATION: Text("Registrer opplysningen i fagsystemet.", "Register it in the care-record system."),
    Kind.CODE: Text(
        "Velg en gyldig kode i fagsystemet, eller rett kodetabellen.", "Choose a valid code, or mend the code table."
    ),
    Kind.RANGE: Text("Rett datoen eller tallet i fagsystemet.", "Mend the date or number in the care-record system."),
}
#: For a check that right values break: the codes are the register's own (K8).
_HARMLESS = Text(
    "Ingenting å rette: registerets egen kontroll passer ikke til kodene 11–14.",
    "Nothing to mend: the register's own check does not fit the codes 11–14.",
)


def _wrong(check: Check) -> Text:
    problem, fate = _PROBLEMS[check.kind], _FATE_TEXTS[check.fate]
    what = f"{check.attribute.name} ({check.attribute.element})"
    return Text(f"{what} {problem.nb}. {fate.nb}", f"{what} {problem.en}. {fate.en}")


@cache
def attributes(version: str) -> tuple[Attribute, ...]:
    """The attributes of a format version (84 for 3.5, 88 for 3.7)."""
    rows = read_yaml(DATA / f"register-{version}.yaml")
    return tuple(_attribute(row) for row in rows)


def _attribute(row: dict[str, Any]) -> Attribute:
    return Attribute(
        cls=row["class"],
        element=row["element"],
        name=row["name"],
        type=row["type"],
        type_fate=row["type_fate"],
        obligation=row.get("obligation", ""),
        obligation_fate=row.get("obligation_fate", ""),
        lists=tuple(row.get("lists", ())),
        code_fate=row.get("code_fate", ""),
        range=tuple(row.get("range", ())),
        range_fate=row.get("range_fate", ""),
        range_off=row.get("range_off", False),
    )
