"""Faults on demand, each named after what is wrong: a small function that spoils one person."""

from __future__ import annotations

from collections.abc import Callable

from kpr.synth.people import Person
from kpr.years import Year

Spoil = Callable[[Person, Year], None]


def _service(person: Person, **values: str | None) -> None:
    person.tjeneste[0].update(values)


def _snapshot(person: Person, **values: str | None) -> None:
    person.personoppl[0].update(values)


def _sex_unknown(person: Person, _year: Year) -> None:
    person.person["peKjonn"] = "1"


def _after_period(person: Person, year: Year) -> None:
    _service(person, tjFraDato=f"{year.data_year + 1}0104", tjTilDato=None)


def _before_2005(person: Person, _year: Year) -> None:
    _service(person, tjSoknadDato="20040301", tjVedtDato="20040401")


def _from_after_to(person: Person, year: Year) -> None:
    _service(person, tjVedtak="2", tjFraDato=f"{year.data_year}0901", tjTilDato=f"{year.data_year}0801")


def _retired_code(person: Person, _year: Year) -> None:
    _service(person, tjTjenType="12", tjTimerUke=None, tjRullerende=None)


def _unknown_code(person: Person, _year: Year) -> None:
    _service(person, tjTjenType="99", tjTimerUke=None, tjRullerende=None)


def _no_such_day(person: Person, year: Year) -> None:
    _service(person, tjVedtDato=f"{year.data_year}0231")


def _hours_over_168(person: Person, _year: Year) -> None:
    _service(person, tjTjenType="15", tjVedtak="2", tjTimerUke="170.00", tjRullerende=None)


def _missing_ident(person: Person, _year: Year) -> None:
    person.ident = None


def _wrong_check_digit(person: Person, _year: Year) -> None:
    assert person.ident is not None
    digits = person.ident["fid"] or ""
    person.ident["fid"] = digits[:-1] + str((int(digits[-1]) + 1) % 10)


def _dead_before_year(person: Person, year: Year) -> None:
    person.person["peDodDato"] = f"{year.data_year - 1}0601"


def _old_coordinator(person: Person, _year: Year) -> None:
    _snapshot(person, poHarKoordinator="1")


def _help_without_need(person: Person, _year: Year) -> None:
    _snapshot(person, poArbBistBehov="2", poArbBistMottar="1")


def _no_assessment(person: Person, _year: Year) -> None:
    person.funksjon.clear()
    _service(person, tjTjenType="15", tjVedtak="2", tjTimerUke="2.00", tjRullerende=None, tjTilDato=None)


def _swapped_refusal(person: Person, _year: Year) -> None:
    for row in person.tjeneste:
        row["tjVedtak"] = {"1": "2", "2": "1"}.get(row.get("tjVedtak") or "", row.get("tjVedtak"))


#: name -> what it does. ``kpr synth --fault NAME=COUNT`` spoils so many persons.
FAULTS: dict[str, Spoil] = {
    "unknown-sex": _sex_unknown,
    "service-after-period": _after_period,
    "decision-before-2005": _before_2005,
    "from-after-to": _from_after_to,
    "retired-code": _retired_code,
    "unknown-code": _unknown_code,
    "no-such-day": _no_such_day,
    "hours-over-168": _hours_over_168,
    "missing-ident": _missing_ident,
    "wrong-check-digit": _wrong_check_digit,
    "dead-before-year": _dead_before_year,
    "old-coordinator": _old_coordinator,
    "help-without-need": _help_without_need,
    "no-assessment": _no_assessment,
    "swapped-refusal": _swapped_refusal,
}
