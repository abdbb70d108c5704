"""A synthetic municipality as a source like any other: the same contract, any size, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kpr.errors import BadSettings
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch, Row, table_columns
from kpr.synth.faults import FAULTS
from kpr.synth.people import People, Person
from kpr.years import Year

#: Persons per round of batches.
_ROUND = 500
_CHILDREN = ("personoppl", "funksjon", "tjeneste", "diagnose", "dogntilbud")


@dataclass(frozen=True)
class SyntheticMunicipality:
    """So many invented persons for a data year. ``faults`` maps a fault's name to how many persons it spoils.

    ``marked`` are synthetic ids given to the first persons, so that a test can look for them afterwards.
    """

    year: Year
    persons: int
    seed: int = 1
    municipality: str = "1103"
    organisation_number: str = "777777777"
    services_per_person: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    marked: Sequence[str] = ()

    def batches(self) -> Iterator[Batch]:
        """The whole extract; the same arguments give the same rows."""
        self._check()
        columns = table_columns(iplos_shape(self.year.iplos_version.value))
        yield from self._heads(columns)
        people = People(self.year, self.municipality, self.seed, self.services_per_person)
        spoilt = self._spoilt()
        for first in range(1, self.persons + 1, _ROUND):
            group = [
                self._person(people, number, spoilt) for number in range(first, min(first + _ROUND, self.persons + 1))
            ]
            yield from self._group(group, columns)

    def _check(self) -> None:
        unknown = sorted(set(self.faults) - set(FAULTS))
        if unknown:
            raise BadSettings(f"There is no fault called {unknown[0]!r}.", remedy=f"Known: {', '.join(FAULTS)}.")
        if sum(self.faults.values()) > self.persons:
            raise BadSettings("There are more faults than persons.", remedy="Ask for more persons or fewer faults.")

    def _spoilt(self) -> dict[int, str]:
        """Which person gets which fault: one each, spread over the whole municipality."""
        names = [name for name, count in self.faults.items() for _ in range(count)]
        step = self.persons // len(names) if names else 1
        return {1 + index * step: name for index, name in enumerate(names)}

    def _person(self, people: People, number: int, spoilt: dict[int, str]) -> Person:
        person = people.person(number)
        if number <= len(self.marked) and person.ident:
            person.ident["fid"] = self.marked[number - 1]
        if number in spoilt:
            FAULTS[spoilt[number]](person, self.year)
        return person

    def _group(self, group: list[Person], columns: dict[str, tuple[str, ...]]) -> Iterator[Batch]:
        yield _batch("person", columns["person"], [person.person for person in group])
        for table in _CHILDREN:
            rows = [row for person in group for row in getattr(person, table)]
            if rows:
                yield _batch(table, columns[table], rows)
        idents = [person.ident for person in group if person.ident is not None]
        unit = {"institusjonID": self.organisation_number}
        if idents:
            yield _batch("ident", columns["ident"], [unit | ident for ident in idents])

    def _heads(self, columns: dict[str, tuple[str, ...]]) -> Iterator[Batch]:
        year = self.year
        first, last = year.first_day, year.last_day
        yield _batch("innhinfo", columns["innhinfo"], [
            {
                "versjon": year.iplos_version.value, "iiInnhType": "P", "iiKomnr": self.municipality,
                "iiBydelsnr": "00", "iiFraDato": f"{first:%Y%m%d}", "iiTilDato": f"{last:%Y%m%d}",
                "iiLagetDato": f"{last.year + 1}0104", "iiSysID": "SYNT", "iiSysVersjon": "1.0", "iiLopenr": "1",
            }
        ])  # fmt: skip
        contacts = [{"Type": kind, "Navn": f"Rolle {kind}"} | _reach(kind) for kind in "12"]
        yield _batch("iikontakt", columns["iikontakt"], contacts)
        yield _batch("melding", columns["melding"], [
            {
                "versjon": year.ident_version.value, "meldingstype": "B", "fraDatoPeriode": first.isoformat(),
                "tilDatoPeriode": last.isoformat(), "uttakDato": f"{last.year + 1}-01-04", "leverandor": "Synt",
                "navnEPJ": "Synt", "versjonEPJ": "1.0", "versjonUt": "1.0", "lopenr": "1",
            }
        ])  # fmt: skip
        kinds = [kind for kind in ("1", "15", "16", "17") if kind in year.codes("typeKontaktperson")]
        people = [
            {"kontPerson": f"Rolle {kind}", "meldTelefon": "00000000", "meldEpost1": f"rolle-{kind}@example.invalid"}
            | {"typeKontaktperson": kind}
            for kind in kinds
        ]
        yield _batch("kontaktperson", columns["kontaktperson"], people)


def _reach(kind: str) -> dict[str, str]:
    return {"Telefon": "00000000", "Epost": f"rolle-{kind}@example.invalid"}


def _batch(table: str, columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> Batch:
    made: list[Row] = [tuple(row.get(name) for name in columns) for row in rows]
    return Batch(table, columns, made)
