"""Invented people: age, sex, synthetic id (month + 80), residence. No names, and nobody real."""

from __future__ import annotations

from datetime import date

from kpr.national_id import make_synthetic
from kpr.synth.circumstances import Circumstances
from kpr.synth.person import Dice, Person, as_text
from kpr.synth.services import Services
from kpr.years import Year

#: Six of ten are old; the others have every age.
_OLD, _AGES_OLD, _AGES = 0.6, (78, 12), (45, 20)
_OLDEST = 104
_MEN = 0.42
_DYING = 0.06


class People:
    """Makes one person after another; the same seed makes the same people, however many are asked for."""

    def __init__(self, year: Year, municipality: str, seed: int, services_per_person: float | None) -> None:
        self.municipality = municipality
        self.dice = Dice(seed)
        self._services = Services(year, self.dice, services_per_person)
        self._circumstances = Circumstances(year, self.dice)
        self._districts = [code for code in year.districts(municipality) if code != "99"] or ["00"]
        self._first, self._last = year.first_day, year.last_day
        self._used: set[str] = set()

    def person(self, number: int) -> Person:
        """The next person, with local key ``number``."""
        born, sex, national_id = self._birth()
        oldest = max(born.year + 1, self._last.year - 8)
        entered = self.dice.day(date(oldest, 1, 1), date(self._last.year - 1, 12, 31))
        key = str(number)
        made = Person(
            person={
                "pePeID": key,
                "peAlder": str(self._last.year - born.year),
                "peKjonn": sex,
                "peKomnr": self.municipality,
                "peBydelsnr": self.dice.choice(self._districts),
                "peFraDato": as_text(entered),
                "peEndrDato": as_text(self.dice.day(self._first, self._last)),
            },
            ident={"pid": key, "fid": national_id, "typeID": "1"},
        )
        types = self._services.give(made, entered)
        self._circumstances.give(made, types)
        if self.dice.happens(_DYING):
            self._services.end_at_death(made)
        return made

    def _birth(self) -> tuple[date, str, str]:
        """Birth date, sex and an id that nobody here has yet."""
        while True:
            mean, spread = _AGES_OLD if self.dice.happens(_OLD) else _AGES
            year = self._last.year - min(_OLDEST, max(1, int(self.dice.random.gauss(mean, spread))))
            born = self.dice.day(date(year, 1, 1), date(year, 12, 31))
            sex = "M" if self.dice.happens(_MEN) else "K"
            # Individual numbers 0-499 belong to 1900-1999, 500-999 to 2000-2039 (HIS 1001); odd is a man.
            serial = int(self.dice.random.random() * 250) * 2 + (500 if year >= 2000 else 0) + (sex == "M")
            made = make_synthetic(born, serial)
            if made is not None and made not in self._used:
                self._used.add(made)
                return born, sex, made
