"""Invented people: age, sex, synthetic id (month + 80), and what they receive. No names, and nobody real.

Shares follow the national figures roughly (scale.md): enough for sizes and plausibility, not for statistics.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from kpr.national_id import make_synthetic
from kpr.years import Year

Values = dict[str, str | None]

#: Recipients by service type (Oslo 2025, with the national figures where Oslo has none).
_WEIGHTS = {
    "15": 21078, "6": 12751, "1": 7830, "21": 5408, "28": 3784, "4": 3300, "29": 3159, "2": 3144, "9": 2743,
    "18": 2080, "27": 1787, "19": 1661, "20": 1622, "11": 1264, "25": 1224, "7": 963, "8": 897, "3": 664,
    "5": 660, "26": 556, "17": 300,
    "12": 2500, "13": 600, "16": 900,
}  # fmt: skip

#: How many types a person has, and how likely (mean about 2.2).
_TYPE_COUNTS = ((1, 32), (2, 34), (3, 20), (4, 10), (5, 4))

_DIAGNOSES = (("ICPC-2", "K86"), ("ICPC-2", "P70"), ("ICPC-2", "T90"), ("ICD-10", "I10"), ("ICD-10", "G30"))
_PROVIDERS = ("900000006", "987654325", "800000009")


@dataclass(slots=True)
class Person:
    """One recipient, as rows by class; ``ident`` None leaves the person out of the ident message."""

    person: Values
    ident: Values | None
    personoppl: list[Values] = field(default_factory=list)
    funksjon: list[Values] = field(default_factory=list)
    tjeneste: list[Values] = field(default_factory=list)
    diagnose: list[Values] = field(default_factory=list)
    dogntilbud: list[Values] = field(default_factory=list)


class People:
    """Makes one person after another; the same seed makes the same people."""

    def __init__(self, year: Year, municipality: str, seed: int, services_per_person: float | None) -> None:
        self.year = year
        self.municipality = municipality
        self.random = random.Random(seed)  # noqa: S311  (invented people need no secrets)
        self.services = services_per_person
        self._used: set[str] = set()
        self._types = year.service_types
        codes = [code for code in _WEIGHTS if code in self._types]
        self._codes, self._weights = codes, [_WEIGHTS[code] for code in codes]
        self._functions = list(year.codes("fnFunkType"))[: year.function_set.value]
        self._first, self._last = year.first_day, year.last_day

    def person(self, number: int) -> Person:
        """Person number ``number``, with local key ``number``."""
        born, sex, national_id = self._birth()
        key = str(number)
        age = self._last.year - born.year
        entered = self._day(date(max(born.year + 1, self._last.year - 8), 1, 1), date(self._last.year - 1, 12, 31))
        made = Person(
            person={
                "pePeID": key,
                "peAlder": str(age),
                "peKjonn": sex,
                "peKomnr": self.municipality,
                "peBydelsnr": "00",
                "peFraDato": _text(entered),
                "peEndrDato": _text(self._day(self._first, self._last)),
            },
            ident={"pid": key, "fid": national_id, "typeID": "1"},
        )
        self._fill(made, key, entered)
        return made

    def _birth(self) -> tuple[date, str, str]:
        while True:
            age = min(
                104, max(1, int(self.random.gauss(78, 12) if self.random.random() < 0.6 else self.random.gauss(45, 20)))
            )
            born = self._day(date(self._last.year - age, 1, 1), date(self._last.year - age, 12, 31))
            sex = "M" if self.random.random() < 0.42 else "K"
            serial = self.random.randrange(0, 500, 2) + (500 if born.year >= 2000 else 0) + (sex == "M")
            made = make_synthetic(born, serial)
            if made is not None and made not in self._used:
                self._used.add(made)
                return born, sex, made

    def _day(self, first: date, last: date) -> date:
        return first + timedelta(days=self.random.randint(0, max(0, (last - first).days)))

    def _fill(self, made: Person, key: str, entered: date) -> None:
        types = self._choose_types()
        for code in types:
            self._service(made, key, code, entered)
        self._more_services(made, key, types, entered)
        assessed = any(self._types[code].group not in ("velferdsteknologi", "tvang") and code != "25" for code in types)
        if assessed:
            self._functions_of(made, key)
        made.personoppl.append(self._snapshot(made, key, types))
        if self.random.random() < 0.4:
            self._diagnosis(made, key)
        if self.random.random() < 0.08:
            self._stay(made, key)

    def _choose_types(self) -> list[str]:
        counts, weights = zip(*_TYPE_COUNTS, strict=True)
        wanted = self.random.choices(counts, weights)[0]
        chosen: list[str] = []
        while len(chosen) < wanted:
            code = self.random.choices(self._codes, self._weights)[0]
            if code not in chosen:
                chosen.append(code)
        return chosen

    def _service(self, made: Person, key: str, code: str, entered: date) -> None:
        """An active, granted service."""
        row = self._decision(made, key, code, self._day(entered, self._last - timedelta(days=60)))
        row["tjVedtak"] = "2" if "V" in self._types[code].obligations else None
        start = _date(row["tjVedtDato"]) + timedelta(days=self.random.randint(0, 30))
        row["tjFraDato"] = _text(min(start, self._last))
        if self._types[code].group == "institusjon" and code != "21" and self.random.random() < 0.7:
            begin = max(_date(row["tjFraDato"]), self._first)
            row["tjTilDato"] = _text(self._day(begin, self._last))
        if "T" in self._types[code].obligations:
            row["tjTimerUke"] = f"{self.random.choice((0.5, 1, 2, 3.5, 5, 7.25, 12, 20)):.2f}"
        if "R" in self._types[code].obligations:
            row["tjRullerende"] = self.random.choice("12")

    def _decision(self, made: Person, key: str, code: str, decided: date) -> Values:
        applied = decided - timedelta(days=self.random.randint(0, 40))
        number = str(len(made.tjeneste) + 1)
        row: Values = {
            "tjPeID": key,
            "tjTjID": number,
            "tjVeID": f"{key}{int(number):02d}"[-10:],
            "tjVeNrID": "1",
            "tjTjenType": code,
            "tjSoknadDato": _text(applied),
            "tjVedtDato": _text(decided),
        }
        if self.year.data_year == 2018 and code in ("12", "13"):
            row["tjTjenUnderType"] = "30"
        if self._types[code].organisation == "required":
            row["tjInstOrgnr"] = self.random.choice(_PROVIDERS)
        made.tjeneste.append(row)
        return row

    def _more_services(self, made: Person, key: str, types: list[str], entered: date) -> None:
        """Refusals and services that ended, until the wished average is reached."""
        if self.services is None:
            wanted = len(types) + (self.random.random() < 0.15)
        else:
            wanted = int(self.services) + (self.random.random() < self.services % 1)
        others = [code for code in self._codes if code not in types and "V" in self._types[code].obligations]
        self.random.shuffle(others)
        for code in others[: max(0, wanted - len(made.tjeneste))]:
            decided = self._day(max(entered, self._first), self._last)
            refused = self._decision(made, key, code, decided)
            refused["tjVedtak"] = "1"
            if "R" in self._types[code].obligations:
                refused["tjRullerende"] = "2"

    def _functions_of(self, made: Person, key: str) -> None:
        start = _text(self._day(self._first, self._last))
        for number, code in enumerate(self._functions, 1):
            score = self.random.choice("1234")
            made.funksjon.append(
                {
                    "fnPeID": key,
                    "fnFnID": str(number),
                    "fnFunkType": code,
                    "fnFunkVerdi": score,
                    "fnFraDato": start,
                    "fnTilDato": "99991231",
                }
            )

    def _snapshot(self, made: Person, key: str, types: list[str]) -> Values:
        latest = self.year.data_year > 2018
        seen = self._day(self._first, self._last)
        needs = self.random.random() < 0.2
        plan = self.random.choice("1234" if latest else "1239")
        coordinator = self.random.choice(("11", "12", "13", "14") if latest else ("1", "2", "9"))
        row: Values = {
            "poPeID": key,
            "poPoID": str(len(made.personoppl) + 1),
            "poHusstand": self.random.choice("123"),
            "poOmsorgBarn": "2",
            "poPrivHjelp": self.random.choice("123456"),
            "poBoligTilr": self.random.choice("12"),
            "poVurdTann": _text(seen)[:6],
            "poVurdLege": _text(seen)[:6],
            "poIndPlan": plan,
            "poHarKoordinator": coordinator,
            "poArbBistBehov": "1" if needs else "2",
            "poArbBistMottar": "1" if needs else None,
            "poLegeMiddGj": "1",
            "poLegeMiddGjDato": _text(seen),
            "poErnKartlagt": "1",
            "poErnKartlagtDato": _text(seen),
            "poErnRisiko": "2",
            "poFraDato": _text(self._first),
            "poTilDato": "99991231",
        }
        if latest and {"21", "29"} & set(types) and self.random.random() < 0.5:
            row["poHeldg"] = "1"
        if latest and self.random.random() < 0.02:
            row["poHab"], row["poHabDato"] = "1", _text(seen)
        return row

    def _diagnosis(self, made: Person, key: str) -> None:
        system, code = self.random.choice(_DIAGNOSES)
        start = _text(self._day(date(self._last.year - 5, 1, 1), self._last))
        made.diagnose.append(
            {
                "diPeID": key,
                "diDiID": "1",
                "diKodeVersjon": system,
                "diDiagKode": code,
                "diFraDato": start,
                "diTilDato": "99991231",
            }
        )

    def _stay(self, made: Person, key: str) -> None:
        start = self._day(self._first, self._last - timedelta(days=20))
        end = start + timedelta(days=self.random.randint(1, 14))
        row: Values = {"dgPeID": key, "dgDgID": "1", "dgInstOrgnr": "987654325"}
        made.dogntilbud.append(row | {"dgFraDato": _text(start), "dgTilDato": _text(end)})


def _text(day: date) -> str:
    return f"{day:%Y%m%d}"


def _date(text: str | None) -> date:
    assert text is not None
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))
