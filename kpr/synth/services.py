"""Invented services: granted and running, prolonged within the year, ended, refused, complained about.

Shares follow the national figures roughly (Oslo 2025 and the country 2022): enough for sizes and plausibility,
not for statistics.
"""

from __future__ import annotations

from datetime import date, timedelta

from kpr.synth.person import Dice, Person, Values, as_date, as_text
from kpr.years import Year

#: Recipients by service type (Oslo 2025; our guess where Oslo has none or the code is retired).
_RECIPIENTS = {
    "15": 21078, "6": 12751, "1": 7830, "21": 5408, "28": 3784, "4": 3300, "29": 3159, "2": 3144, "9": 2743,
    "18": 2080, "27": 1787, "19": 1661, "20": 1622, "11": 1264, "25": 1224, "7": 963, "8": 897, "3": 664,
    "5": 660, "26": 556, "17": 300, "22": 60, "24": 50, "14": 30, "23": 15,
    "12": 2500, "13": 600, "16": 900,
}  # fmt: skip

#: How many types a person has, and how likely (mean about 2.2).
_TYPE_COUNTS, _TYPE_COUNT_WEIGHTS = (1, 2, 3, 4, 5), (32, 34, 20, 10, 4)

#: Rows beyond one per type: mean when no average is asked for, and how many of them are refusals.
_MORE_ROWS, _REFUSED = 0.15, 0.15
_COMPLAINTS = 0.01

_HOURS = ("0.50", "1.00", "2.00", "3.50", "5.00", "7.25", "12.00", "20.00")
_PROVIDERS = ("900000006", "987654325", "800000009")


class Services:
    """Gives a person services of one data year."""

    def __init__(self, year: Year, dice: Dice, per_person: float | None) -> None:
        self.dice, self.per_person = dice, per_person
        self._types = year.service_types
        self._codes = [code for code in _RECIPIENTS if code in self._types]
        self._weights = [_RECIPIENTS[code] for code in self._codes]
        self._dwellings = [code for code in ("12", "13") if code in self._types]
        self._subtypes = list(year.codes("tjTjenUnderType")) if self._dwellings else []
        self._first, self._last = year.first_day, year.last_day
        # The register's check of 2018 asks for a provider on every row, whatever the type.
        self._provider_always = year.data_year == 2018
        # A refusal has no hours (content rule X07), yet the register notes missing hours on refusals too (IF-T): a
        # refusal of a type with hours can never be clean, so only the others are refused here.
        self._refusable = [
            code for code, kind in self._types.items() if "V" in kind.obligations and "T" not in kind.obligations
        ]

    def give(self, made: Person, entered: date) -> list[str]:
        """Append the person's services; the types that were granted."""
        types = self._choose()
        more = self.dice.times(_MORE_ROWS if self.per_person is None else max(0.0, self.per_person - len(types)))
        refused = sum(self.dice.happens(_REFUSED) for _ in range(more))
        links = dict.fromkeys(types, 1)
        for _ in range(more - refused):
            links[self.dice.choice(types)] += 1
        for code in types:
            self._granted(made, code, links[code], entered)
        for _ in range(refused):
            self._refusal(made, types, entered)
        return types

    def _choose(self) -> list[str]:
        wanted = self.dice.choices(_TYPE_COUNTS, _TYPE_COUNT_WEIGHTS)[0]
        chosen: list[str] = []
        while len(chosen) < wanted:
            code = self.dice.choices(self._codes, self._weights)[0]
            if code not in chosen:
                chosen.append(code)
        return chosen

    def _granted(self, made: Person, code: str, links: int, entered: date) -> None:
        """A running service; with several links it was prolonged within the data year, each link under its number."""
        kind, number = self._types[code], len(made.tjeneste) + 1
        starts = self._starts(links, entered)
        for link, start in enumerate(starts, 1):
            decided = self.dice.day(max(start - timedelta(days=30), entered), start)
            row = self._row(made, code, decided, chain=number, link=link)
            row["tjVedtak"] = "2" if "V" in kind.obligations else None
            row["tjFraDato"] = as_text(start)
            row["tjTilDato"] = as_text(starts[link] - timedelta(days=1)) if link < links else self._end(code, start)
            if "T" in kind.obligations:
                row["tjTimerUke"] = self.dice.choice(_HOURS)
            if code == "3" and self.dice.happens(0.1):
                row["tjResTimerUke"] = "2.00"
            if "R" in kind.obligations:
                row["tjRullerende"] = self.dice.choice("12")
            if self.dice.happens(_COMPLAINTS):
                self._complaint(row, decided)

    def _starts(self, links: int, entered: date) -> list[date]:
        """First days of a chain of decisions; every link is in force on some day of the data year."""
        if links == 1:
            return [self.dice.day(entered, self._last - timedelta(days=30))]
        days = self.dice.random.sample(range(2, 360), links - 1)
        return [self.dice.day(entered, self._first), *(self._first + timedelta(days=day) for day in sorted(days))]

    def _end(self, code: str, start: date) -> str | None:
        """Short stays end within the year; everything else runs on."""
        if self._types[code].group != "institusjon" or code == "21" or self.dice.happens(0.3):
            return None
        return as_text(self.dice.day(max(start, self._first), self._last))

    def _row(self, made: Person, code: str, decided: date, chain: int, link: int = 1) -> Values:
        row: Values = {
            "tjPeID": made.key,
            "tjTjID": str(len(made.tjeneste) + 1),
            "tjVeID": f"{made.key}{chain:02d}",
            "tjVeNrID": str(link),
            "tjTjenType": code,
            "tjSoknadDato": as_text(self.dice.day(decided - timedelta(days=40), decided)),
            "tjVedtDato": as_text(decided),
        }
        if code in self._dwellings:
            row["tjTjenUnderType"] = self.dice.choice(self._subtypes)
        if self._provider_always or self._types[code].organisation == "required":
            row["tjInstOrgnr"] = self.dice.choice(_PROVIDERS)
        made.tjeneste.append(row)
        return row

    def _refusal(self, made: Person, types: list[str], entered: date) -> None:
        code = self.dice.choice([code for code in self._refusable if code not in types] or self._refusable)
        decided = self.dice.day(max(entered, self._first), self._last)
        row = self._row(made, code, decided, chain=len(made.tjeneste) + 1)
        row["tjVedtak"] = "1"
        if "R" in self._types[code].obligations:
            row["tjRullerende"] = "2"

    def _complaint(self, row: Values, decided: date) -> None:
        received = self.dice.day(decided, min(decided + timedelta(days=60), self._last))
        row["tjKlageMottatt"] = as_text(received)
        row["tjKlageBesvart"] = as_text(self.dice.day(received, self._last))

    def end_at_death(self, made: Person) -> None:
        """Let the person die late in the data year, after everything that was decided; nothing runs on."""
        latest = max(
            as_date(row[name]) for row in made.tjeneste for name in ("tjVedtDato", "tjFraDato") if row.get(name)
        )
        died = self.dice.day(max(latest, self._first), self._last)
        made.person["peDodDato"] = as_text(died)
        for row in made.tjeneste:
            if row.get("tjFraDato") and (row.get("tjTilDato") is None or as_date(row["tjTilDato"]) > died):
                row["tjTilDato"] = as_text(died)
