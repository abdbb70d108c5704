"""A synthetic municipality as a source like any other: the same contract, any size, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kpr.errors import BadSettings
from kpr.messages.shape import iplos_shape
from kpr.national_id import birth_date, sex_of
from kpr.sources.contract import Batch, table_columns
from kpr.synth.faults import FAULTS, HEAD_FAULTS, Heads
from kpr.synth.people import People
from kpr.synth.person import CHILDREN, Person, Values
from kpr.years import Year

#: Persons per round of batches: within a round all rows of a person are given, persons first.
_ROUND = 500


@dataclass(frozen=True)
class SyntheticMunicipality:
    """So many invented persons for a data year; without ``faults`` the extract is clean.

    ``services_per_person`` is the mean of TJENESTE rows, refusals and earlier decisions of the year included; None
    gives little more than one per service type, about 2.4. ``faults`` maps a fault's name to how many persons it
    spoils (:data:`kpr.synth.faults.FAULTS`), or to anything but 0 for faults of the head. ``marked`` are synthetic ids
    given to the first persons, and ``role`` is what contact persons are called, so that a test can look for them.
    """

    year: Year
    persons: int
    seed: int = 1
    municipality: str = "1103"
    organisation_number: str = "777777777"
    services_per_person: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    marked: Sequence[str] = ()
    role: str = "Rolle"

    def batches(self) -> Iterator[Batch]:
        """The whole extract; the same arguments give the same rows. BadSettings for a fault that cannot be had."""
        self._check()
        columns = table_columns(iplos_shape(self.year.iplos_version.value))
        for table, rows in self._heads().items():
            yield _batch(table, columns, rows)
        people = People(self.year, self.municipality, self.seed, self.services_per_person)
        spoilt = self._spoilt()
        row_number = 1
        for first in range(1, self.persons + 1, _ROUND):
            numbers = range(first, min(first + _ROUND, self.persons + 1))
            group = [self._person(people, number, spoilt) for number in numbers]
            yield from self._group(group, columns, row_number)
            row_number += sum(1 + len(person.again) for person in group)

    def _check(self) -> None:
        known = FAULTS | HEAD_FAULTS
        unknown = sorted(set(self.faults) - set(known))
        if unknown:
            raise BadSettings(f"There is no fault called {unknown[0]!r}.", remedy=f"Known: {', '.join(known)}.")
        for name in self._person_faults():
            if self.year.data_year < FAULTS[name].first_year:
                remedy = "Choose a later year."
                raise BadSettings(f"The fault {name} cannot exist in data year {self.year.data_year}.", remedy=remedy)
        if sum(self._person_faults().values()) > self.persons:
            raise BadSettings("There are more faults than persons.", remedy="Ask for more persons or fewer faults.")

    def _person_faults(self) -> dict[str, int]:
        return {name: count for name, count in self.faults.items() if name in FAULTS}

    def _spoilt(self) -> dict[int, str]:
        """Which person gets which fault: one each, spread over the whole municipality."""
        names = [name for name, count in self._person_faults().items() for _ in range(count)]
        step = self.persons // len(names) if names else 1
        return {1 + index * step: name for index, name in enumerate(names)}

    def _person(self, people: People, number: int, spoilt: dict[int, str]) -> Person:
        person = people.person(number)
        if number <= len(self.marked):
            self._mark(person, self.marked[number - 1])
        if number in spoilt:
            FAULTS[spoilt[number]].spoil(person, self.year)
        return person

    def _mark(self, person: Person, fid: str) -> None:
        """Give the person this id, and the age and sex that it says."""
        born = birth_date(fid)
        person.ident = {"pid": person.key, "fid": fid, "typeID": "1"}
        person.person["peKjonn"] = sex_of(fid) or person.person["peKjonn"]
        if born is not None and born.year <= self.year.data_year:
            person.person["peAlder"] = str(self.year.data_year - born.year)

    def _group(self, group: list[Person], columns: Mapping[str, tuple[str, ...]], first: int) -> Iterator[Batch]:
        """A round; ``first`` is the row number of its first person in the table."""
        numbers: dict[int, int] = {}
        rows: list[Values] = []
        for index, person in enumerate(group):
            numbers[index] = first + len(rows)
            rows += [person.person, *person.again]
        yield _batch("person", columns, rows)
        for table in CHILDREN:
            own: list[tuple[int, Values]] = [(n, row) for n, p in enumerate(group) for row in getattr(p, table)]
            if own:
                yield _batch(table, columns, [row for _, row in own], [numbers[index] for index, _ in own])
        idents = [row for person in group for row in (person.ident, *person.strange_idents) if row is not None]
        if idents:
            unit: Values = {"institusjonID": self.organisation_number}
            yield _batch("ident", columns, [unit | ident for ident in idents])

    def _heads(self) -> Heads:
        year, number = self.year, "1"
        first, last, made = year.first_day, year.last_day, f"{year.data_year + 1}-01-04"
        heads: Heads = {
            "innhinfo": [{
                "versjon": year.iplos_version.value, "iiInnhType": "P", "iiKomnr": self.municipality,
                "iiBydelsnr": "00", "iiFraDato": f"{first:%Y%m%d}", "iiTilDato": f"{last:%Y%m%d}",
                "iiLagetDato": made.replace("-", ""), "iiSysID": "SYNT", "iiSysVersjon": "1.0", "iiLopenr": number,
            }],
            "iikontakt": [{"Type": kind, "Navn": f"{self.role} {kind}", **_reach(kind)} for kind in "12"],
            "melding": [{
                "versjon": year.ident_version.value, "meldingstype": "B", "fraDatoPeriode": first.isoformat(),
                "tilDatoPeriode": last.isoformat(), "uttakDato": made, "leverandor": "Synt", "navnEPJ": "Synt",
                "versjonEPJ": "1.0", "versjonUt": "1.0", "lopenr": number,
            }],
            "kontaktperson": [
                {
                    "kontPerson": f"{self.role} {kind}", "meldTelefon": "00000000",
                    "meldEpost1": f"rolle-{kind}@example.invalid", "typeKontaktperson": kind,
                }
                for kind in ("1", "15", "16", "17") if kind in year.codes("typeKontaktperson")
            ],
        }  # fmt: skip
        for name, switch in self.faults.items():
            if name in HEAD_FAULTS and switch:
                HEAD_FAULTS[name].spoil(heads, year)
        return heads


def _reach(kind: str) -> Values:
    return {"Telefon": "00000000", "Epost": f"rolle-{kind}@example.invalid"}


def _batch(
    table: str, columns: Mapping[str, tuple[str, ...]], rows: Sequence[Values], persons: list[int] | None = None
) -> Batch:
    names = columns[table]
    return Batch(table, names, [tuple(map(row.get, names)) for row in rows], persons)
