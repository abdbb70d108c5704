"""Invented circumstances: dated snapshots, functional scores, diagnoses and stays in specialist care."""

from __future__ import annotations

from datetime import date, timedelta

from kpr.synth.person import OPEN_END, Dice, Person, Values, as_text
from kpr.years import Year

#: How often a person has two snapshots, a diagnosis, a stay (ours; DOGNTILBUD is not compulsory since 2018).
_TWO_SNAPSHOTS, _DIAGNOSED, _STAYED = 0.25, 0.4, 0.08

#: Scores by how often they are given (ours). 9 (not relevant) never stands alone: the first variable has a score.
_SCORES, _SCORE_WEIGHTS = ("1", "2", "3", "4", "5", "9"), (25, 25, 22, 15, 8, 5)

#: About 0.8 % wait for a place, and 17 % have a round-the-clock offer (2022).
_WAITING, _ROUND_THE_CLOCK, _REHABILITATION = 0.008, 0.6, 0.02

_DIAGNOSES = (("ICPC-2", "K86"), ("ICPC-2", "P70"), ("ICPC-2", "T90"), ("ICD-10", "I10"), ("ICD-10", "G30"))
_HOSPITALS = ("987654325", "900000006")

_NEEDS = ("ArbBist", "ArbTransp", "FriBist", "FriTransp")

#: Types that ask for no functional assessment; with welfare technology alone nobody is assessed from 2019.
_UNASSESSED = frozenset({"14", "23", "24", "25"})


class Circumstances:
    """Gives a person everything but services."""

    def __init__(self, year: Year, dice: Dice) -> None:
        self.dice = dice
        self._new_codes = year.data_year > 2018
        self._not_receiving = year.not_receiving_code.value
        self._variables = list(year.codes("fnFunkType"))[: year.function_set.value]
        self._first, self._last = year.first_day, year.last_day
        technology = {code for code, kind in year.service_types.items() if kind.group == "velferdsteknologi"}
        self._unassessed = _UNASSESSED | (technology if self._new_codes else set())

    def give(self, made: Person, types: list[str]) -> None:
        """Append scores, snapshots, diagnosis and stay, as they suit the person's service types."""
        if not self._unassessed.issuperset(types):
            self._scores(made)
        self._snapshots(made, types)
        if self.dice.happens(_DIAGNOSED):
            self._diagnosis(made)
        if self.dice.happens(_STAYED):
            self._stay(made)

    def _scores(self, made: Person) -> None:
        start = as_text(self.dice.day(self._first, self._last))
        scores = self.dice.choices(_SCORES, _SCORE_WEIGHTS, k=len(self._variables))
        scores[0] = "2" if scores[0] == "9" else scores[0]
        made.funksjon = [
            {
                "fnPeID": made.key,
                "fnFnID": str(number),
                "fnFunkType": variable,
                "fnFunkVerdi": score,
                "fnFraDato": start,
                "fnTilDato": OPEN_END,
            }
            for number, (variable, score) in enumerate(zip(self._variables, scores, strict=True), 1)
        ]

    def _snapshots(self, made: Person, types: list[str]) -> None:
        newest = self._snapshot(made.key, types)
        made.personoppl.append(newest)
        if self.dice.happens(_TWO_SNAPSHOTS):
            changed = self.dice.day(self._first + timedelta(days=1), self._last)
            older = self._snapshot(made.key, types)
            older["poTilDato"] = as_text(changed - timedelta(days=1))
            newest["poFraDato"] = as_text(changed)
            made.personoppl.insert(0, older)
        for number, row in enumerate(made.personoppl, 1):
            row["poPoID"] = str(number)

    def _snapshot(self, key: str, types: list[str]) -> Values:
        dice, seen = self.dice, as_text(self.dice.day(self._first, self._last))
        row: Values = {
            "poPeID": key,
            "poHusstand": dice.choice("123"),
            "poOmsorgBarn": "1" if dice.happens(0.04) else "2",
            "poPrivHjelp": dice.choice("123456"),
            "poBoligTilr": dice.choice("12"),
            "poVurdTann": seen[:6],
            "poVurdLege": seen[:6],
            "poIndPlan": dice.choice("1234" if self._new_codes else "1239"),
            "poHarKoordinator": dice.choice(("11", "12", "13", "14") if self._new_codes else ("1", "2", "9")),
            "poLegeMiddGj": "1",
            "poLegeMiddGjDato": seen,
            "poErnKartlagt": "1",
            "poErnKartlagtDato": seen,
            "poFraDato": as_text(self._first),
            "poTilDato": OPEN_END,
        }
        self._needs(row)
        self._nutrition(row, seen)
        if self._new_codes:
            self._from_2019(row, types, seen)
        return row

    def _needs(self, row: Values) -> None:
        for name in _NEEDS:
            if self.dice.happens(0.15):
                row[f"po{name}Behov"] = "1"
                row[f"po{name}Mottar"] = self.dice.choice(("1", "1", "2", self._not_receiving))
            else:
                row[f"po{name}Behov"] = "2"

    def _nutrition(self, row: Values, seen: str) -> None:
        if self.dice.happens(0.2):
            row |= {"poErnRisiko": "1", "poErnRisikoDato": seen, "poErnPlan": "1", "poErnPlanDato": seen}
        else:
            row["poErnRisiko"] = "2"

    def _from_2019(self, row: Values, types: list[str], seen: str) -> None:
        if {"21", "29"} & set(types) and self.dice.happens(_ROUND_THE_CLOCK):
            row["poHeldg"] = "1"
        if self.dice.happens(_REHABILITATION):
            row |= {"poHab": "1", "poHabDato": seen}
        if self.dice.happens(_WAITING):
            row |= {"poVenteliste": "1", "poVentelisteDato": seen}

    def _diagnosis(self, made: Person) -> None:
        system, code = self.dice.choice(_DIAGNOSES)
        start = as_text(self.dice.day(date(self._last.year - 5, 1, 1), self._last))
        made.diagnose.append(
            {
                "diPeID": made.key,
                "diDiID": "1",
                "diKodeVersjon": system,
                "diDiagKode": code,
                "diFraDato": start,
                "diTilDato": OPEN_END,
            }
        )

    def _stay(self, made: Person) -> None:
        start = self.dice.day(self._first, self._last - timedelta(days=20))
        end = start + timedelta(days=1 + int(self.dice.random.random() * 14))
        row: Values = {"dgPeID": made.key, "dgDgID": "1", "dgInstOrgnr": self.dice.choice(_HOSPITALS)}
        made.dogntilbud.append(row | {"dgFraDato": as_text(start), "dgTilDato": as_text(end)})
