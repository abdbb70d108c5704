"""Identifiers of persons and organisations: their kinds, their check digits, and a type that hides them.

Rules: HIS 1001:2010 (kinds, check digits), Skatteetaten's published change of 2032 (a second rule for the first
check digit), ident message code list 9032 (kinds by number). A number says nothing certain about sex or century
after 2032; birth date and sex are read only from numbers that pass the old rule, and only for a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

_WEIGHTS_1 = (3, 7, 6, 1, 8, 9, 4, 5, 2)
_WEIGHTS_2 = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_WEIGHTS_ORGANISATION = (3, 2, 7, 6, 5, 4, 3, 2)


class IdKind(StrEnum):
    """What an 11-digit string is, by its form alone (identifiers.md section 3, in that order)."""

    FH = "FH-nummer"
    D = "D-nummer"
    H_OR_SYNTHETIC_40 = "H-nummer eller syntetisk (+40)"
    BIRTH = "fødselsnummer"
    SYNTHETIC_80 = "syntetisk (+80)"
    SYNTHETIC_65 = "syntetisk (+65)"
    INVALID = "ugyldig"


@dataclass(frozen=True, slots=True, repr=False)
class NationalId:
    """A national id with its type (9032). Its text forms hide it; :meth:`reveal` gives the digits, for the message."""

    value: str
    type_id: str

    def __repr__(self) -> str:
        return f"NationalId(hidden, type {self.type_id[:2]})"  # cut, should the two ever be swapped

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def reveal(self) -> str:
        """The digits themselves: only ever into a message or a check, never into a text."""
        return self.value


@dataclass(frozen=True, slots=True)
class IdVerdict:
    """What the digits say: kind, whether each rule's check digits hold, and whether it fits its declared type."""

    kind: IdKind
    valid_old: bool
    valid_2032: bool
    fits_type: bool

    @property
    def ok(self) -> bool:
        """Either rule holds and the type fits (both rules run in parallel from 2032)."""
        return self.fits_type and (self.valid_old or self.valid_2032)


def kind_of(text: str) -> IdKind:
    """The kind by form: day, month and first digit. No check digits yet."""
    if len(text) != 11 or not text.isascii() or not text.isdigit():
        return IdKind.INVALID
    if text[0] in "89":
        return IdKind.FH
    day, month = int(text[:2]), int(text[2:4])
    is_d = 41 <= day <= 71
    if not (1 <= day <= 31 or is_d):
        return IdKind.INVALID
    return _kind_by_month(month, is_d=is_d)


def _kind_by_month(month: int, *, is_d: bool) -> IdKind:
    if 1 <= month <= 12:
        return IdKind.D if is_d else IdKind.BIRTH
    for offset, kind in ((40, IdKind.H_OR_SYNTHETIC_40), (65, IdKind.SYNTHETIC_65), (80, IdKind.SYNTHETIC_80)):
        if offset < month <= offset + 12:
            return kind
    return IdKind.INVALID


def check_digits(text: str) -> tuple[bool, bool]:
    """Whether the check digits of 11 digits hold by the old rule, and by the rule of 2032."""
    digits = [int(sign) for sign in text]
    first = (sum(w * d for w, d in zip(_WEIGHTS_1, digits, strict=False)) + digits[9]) % 11
    second = (sum(w * d for w, d in zip(_WEIGHTS_2, digits, strict=False)) + digits[10]) % 11
    return first == 0 and second == 0, first in (0, 1, 2, 3) and second == 0


#: Which kinds each type of 9032 may have; types 4-9 are free text, 10 (DUF) is 12 digits.
_KINDS_OF_TYPE = {
    "1": {IdKind.BIRTH, IdKind.SYNTHETIC_80, IdKind.SYNTHETIC_65, IdKind.H_OR_SYNTHETIC_40},
    "2": {IdKind.D},
    "3": {IdKind.H_OR_SYNTHETIC_40},
    "12": {IdKind.FH},
}
_SYNTHETIC = {IdKind.SYNTHETIC_80, IdKind.SYNTHETIC_65, IdKind.H_OR_SYNTHETIC_40}


def check_national_id(text: str, type_id: str) -> IdVerdict:
    """The verdict on an id under its declared type (code list 9032; ident-message.md I10)."""
    kind = kind_of(text)
    if type_id == "10":
        fits = len(text) == 12 and text.isascii() and text.isdigit()
        return IdVerdict(kind, fits, fits, fits)
    if type_id not in _KINDS_OF_TYPE:
        return IdVerdict(kind, bool(text), bool(text), 0 < len(text) <= 20)
    if kind is IdKind.INVALID or (kind is not IdKind.FH and _calendar_day(text) is None):
        return IdVerdict(kind, False, False, False)
    old, new = check_digits(text)
    fits = kind in _KINDS_OF_TYPE[type_id] and not (type_id in ("1", "3") and text[0] in "4567")
    if type_id == "2" and text[0] in "4567" and kind in _SYNTHETIC:
        fits = True
    return IdVerdict(kind, old, new, fits)


def _calendar_day(text: str) -> tuple[int, int, int] | None:
    """(day, month, two-digit year) with the offsets taken off; None when no year in either century has that day."""
    day, month, year = int(text[:2]), int(text[2:4]), int(text[4:6])
    day -= 40 if day > 40 else 0
    for offset in (80, 65, 40):
        if month > offset:
            month -= offset
            break
    for century in (1900, 2000):
        try:
            date(century + year, month, day)
        except ValueError:
            continue
        return day, month, year
    return None


def _century(individual: int, year: int) -> int | None:
    """The century of a fødselsnummer issued before 2032 (HIS 1001; identifiers.md section 3)."""
    if individual <= 499:
        return 1900
    if 500 <= individual <= 749 and year >= 55:
        return 1800
    if individual >= 900 and year >= 40:
        return 1900
    return 2000 if year <= 39 else None


def birth_date(text: str) -> date | None:
    """The birth date in a number that passes the old rule; None where it cannot be known (FH, D since 2021, 2032)."""
    kind = kind_of(text)
    if kind in (IdKind.INVALID, IdKind.FH) or text[0] in "4567" or not check_digits(text)[0]:
        return None
    parts = _calendar_day(text)
    if parts is None:
        return None
    day, month, year = parts
    century = _century(int(text[6:9]), year)
    if century is None:
        return None
    try:
        return date(century + year, month, day)
    except ValueError:
        return None


def sex_of(text: str) -> str | None:
    """``M`` or ``K`` from the ninth digit of a number that passes the old rule; None where it says nothing."""
    if kind_of(text) in (IdKind.INVALID, IdKind.FH) or not check_digits(text)[0]:
        return None
    return "M" if int(text[8]) % 2 else "K"


def make_synthetic(day: date, serial: int) -> str | None:
    """A synthetic number (month + 80) for a birth date and an individual number 0-999; None when not issued.

    An odd serial is a man's, an even one a woman's; the serial must belong to the century of the date.
    """
    if not 0 <= serial <= 999:
        return None
    stem = f"{day.day:02d}{day.month + 80:02d}{day.year % 100:02d}{serial:03d}"
    digits = [int(sign) for sign in stem]
    first = -sum(w * d for w, d in zip(_WEIGHTS_1, digits, strict=True)) % 11
    if first == 10:
        return None
    second = -sum(w * d for w, d in zip(_WEIGHTS_2, [*digits, first], strict=True)) % 11
    return None if second == 10 else f"{stem}{first}{second}"


def valid_organisation_number(text: str) -> bool:
    """Nine digits whose mod-11 check digit holds, not beginning with 0 (000000000 would pass the sum)."""
    if len(text) != 9 or not text.isascii() or not text.isdigit() or text[0] == "0":
        return False
    total = sum(w * int(sign) for w, sign in zip(_WEIGHTS_ORGANISATION, text[:8], strict=True))
    return -total % 11 == int(text[8])
