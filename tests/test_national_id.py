"""Identifiers: kinds, check digits, what a number says and does not say, and that it never shows itself.

Numbers that are not synthetic (+80) are the published vectors of HIS 1001 and of the change of 2032; they are written
with a blank after the date, so that no whole number of that kind stands anywhere in the project.
"""

from __future__ import annotations

import logging
import pprint
import time
import traceback
from dataclasses import FrozenInstanceError
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from kpr.errors import BadMessage
from kpr.national_id import (
    IdKind,
    NationalId,
    birth_date,
    check_digits,
    check_national_id,
    kind_of,
    make_synthetic,
    sex_of,
    valid_organisation_number,
)

BIRTH, D, H40, S65, S80, FH = (
    IdKind.BIRTH,
    IdKind.D,
    IdKind.H_OR_SYNTHETIC_40,
    IdKind.SYNTHETIC_65,
    IdKind.SYNTHETIC_80,
    IdKind.FH,
)

#: number, kind, declared type, passes the old rule, passes the rule of 2032
VECTORS = [
    ("010150 00232", BIRTH, "1", True, True),
    ("150765 00565", BIRTH, "1", True, True),
    ("311299 56715", BIRTH, "1", True, True),
    ("010150 00322", BIRTH, "1", False, False),
    ("010150 02322", BIRTH, "1", False, False),
    ("020132 99997", BIRTH, "1", True, True),
    ("301082 99920", BIRTH, "1", True, True),
    ("301082 99939", BIRTH, "1", False, True),
    ("41814061033", S80, "2", True, True),
    ("41814065640", S80, "2", True, True),
    ("41814075603", S80, "2", True, True),
    ("41810021827", S80, "2", True, True),
    ("41810025091", S80, "2", True, True),
    ("41810034422", S80, "2", True, True),
    ("01818012337", S80, "1", True, True),
    ("01818012094", S80, "1", True, True),
    ("41818012088", S80, "2", True, True),
    ("014180 12354", H40, "3", True, True),
    ("014180 12001", H40, "3", True, True),
    ("555076 08360", H40, "2", True, True),
    ("016680 12058", S65, "1", True, True),
    ("800000 00179", FH, "12", True, True),
    ("800000 00330", FH, "12", True, True),
]


def _number(spaced: str) -> str:
    return spaced.replace(" ", "")


def _numbered(stem: str, first_rest: int = 0) -> str | None:
    """Nine digits with check digits, the first one off by ``first_rest``; reckoned here apart from the product."""
    first = (first_rest - sum(int(d) * w for d, w in zip(stem, (3, 7, 6, 1, 8, 9, 4, 5, 2), strict=True))) % 11
    ten = f"{stem}{first}"
    second = -sum(int(d) * w for d, w in zip(ten, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=False)) % 11
    return None if 10 in (first, second) else f"{ten}{second}"


def _issued(serial: int, year: int) -> str:
    """A synthetic number with this individual number and two-digit year, on whichever day one was issued."""
    stems = (f"{day:02d}81{year:02d}{serial:03d}" for day in range(1, 29))
    return next(number for number in map(_numbered, stems) if number)


days = st.dates(date(1854, 1, 1), date(2039, 12, 31))
serials = st.integers(0, 999)
stems = st.builds(lambda day, n: f"{day.day:02d}{day.month + 80}{day.year % 100:02d}{n:03d}", days, serials)
made = st.builds(make_synthetic, days, serials).filter(lambda number: number is not None)

# -- check digits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spaced", "kind", "type_id", "old", "new"), VECTORS)
def test_published_and_computed_vectors(spaced: str, kind: IdKind, type_id: str, old: bool, new: bool) -> None:
    """Every vector has its kind, and passes exactly the rules that it is said to pass."""
    number = _number(spaced)
    verdict = check_national_id(number, type_id)
    assert (kind_of(number), check_digits(number)) == (kind, (old, new))
    assert (verdict.kind, verdict.valid_old, verdict.valid_2032, verdict.fits_type) == (kind, old, new, True)
    assert verdict.ok is (old or new)


@pytest.mark.parametrize("text", ["0" * 11, "31023012345", "3101501234", "0101500023X", "", "٠" * 11, "1" * 12])
@pytest.mark.parametrize("type_id", ["1", "2", "3", "12"])
def test_what_is_no_number_fails(text: str, type_id: str) -> None:
    """All zeros, 31 February, ten or twelve digits, a letter, foreign digits: nothing about them is valid."""
    verdict = check_national_id(text, type_id)
    assert (verdict.valid_old, verdict.valid_2032, verdict.fits_type, verdict.ok) == (False, False, False, False)
    assert verdict.kind is kind_of(text)


def test_all_zeros_pass_the_digits_alone() -> None:
    """The check digits alone would let all zeros pass: that is why the date is checked too."""
    assert check_digits("0" * 11) == (True, True)
    assert kind_of("0" * 11) is IdKind.INVALID


@given(made)
def test_made_numbers_pass(number: str) -> None:
    """What make_synthetic issues is synthetic by its form and passes both rules under type 1."""
    verdict = check_national_id(number, "1")
    assert (verdict.kind, verdict.valid_old, verdict.valid_2032, verdict.ok) == (S80, True, True, True)


@given(made, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_fails(number: str, place: int, shift: int) -> None:
    """Any single digit changed fails the old rule."""
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    assert check_digits(wrong)[0] is False


@given(stems, st.integers(0, 10))
def test_rests_of_the_first_digit(stem: str, rest: int) -> None:
    """Rest 0 passes the old rule; 0, 1, 2 and 3 pass that of 2032; no other passes."""
    number = _numbered(stem, rest)
    assume(number is not None)
    assert check_digits(number or "") == (rest == 0, rest <= 3)


@given(stems, st.integers(0, 3), st.integers(1, 9))
def test_the_second_digit_did_not_change(stem: str, rest: int, shift: int) -> None:
    """A wrong second check digit fails both rules, whatever the first one is."""
    number = _numbered(stem, rest)
    assume(number is not None)
    wrong = (number or "")[:10] + str((int((number or "")[10]) + shift) % 10)
    assert check_digits(wrong) == (False, False)


# -- kinds ------------------------------------------------------------------------------------------------------

MONTHS = {
    "00": None, "01": BIRTH, "12": BIRTH, "13": None, "40": None, "41": H40, "52": H40, "53": None, "65": None,
    "66": S65, "77": S65, "78": None, "80": None, "81": S80, "92": S80, "93": None, "99": None,
}  # fmt: skip


@pytest.mark.parametrize(("month", "kind"), MONTHS.items())
def test_kind_by_month(month: str, kind: IdKind | None) -> None:
    """Months 1-12, +40, +65 and +80 tell the kind; a D-number with a plain month is a D-number."""
    assert kind_of(f"01{month}8000000") is (kind or IdKind.INVALID)
    assert kind_of(f"41{month}8000000") is (D if kind is BIRTH else kind or IdKind.INVALID)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("00", None),
        ("01", BIRTH),
        ("09", BIRTH),
        ("31", BIRTH),
        ("32", None),
        ("39", None),
        ("40", None),
        ("41", D),
        ("71", D),
        ("72", None),
        ("79", None),
        ("80", FH),
        ("81", FH),
        ("90", FH),
        ("99", FH),
    ],
)
def test_kind_by_day(day: str, kind: IdKind | None) -> None:
    """Days 1-31 are plain, 41-71 a D-number, a first digit 8 or 9 an FH-number, whatever follows."""
    assert kind_of(f"{day}018000000") is (kind or IdKind.INVALID)


@pytest.mark.parametrize(
    ("spaced", "fitting"),
    [
        ("010150 00232", {"1"}),
        ("800000 00179", {"12"}),
        ("014180 12354", {"1", "3"}),
        ("016680 12058", {"1"}),
        ("01818012337", {"1"}),
        ("41818012088", {"2"}),
    ],
)
def test_which_type_a_number_fits(spaced: str, fitting: set[str]) -> None:
    """A number fits only the types whose offsets it has; +40 may be an H-number or synthetic."""
    assert {kind for kind in ("1", "2", "3", "12") if check_national_id(_number(spaced), kind).ok} == fitting


def test_a_plain_d_number_is_of_type_2_alone() -> None:
    """Day + 40 with a plain month is a D-number and no fødselsnummer."""
    number = _numbered("410180120") or ""
    assert [kind for kind in ("1", "2", "3", "12") if check_national_id(number, kind).ok] == ["2"]


def test_synthetic_d_numbers_of_every_maker_fit_type_2() -> None:
    """Day + 40 together with month + 40, + 65 or + 80 is a synthetic D-number, never a fødselsnummer."""
    for month in ("41", "66", "81"):
        number = next(n for n in (_numbered(f"41{month}80{serial:03d}") for serial in range(99)) if n)
        assert check_national_id(number, "2").ok
        assert not any(check_national_id(number, kind).ok for kind in ("1", "3", "12"))


@pytest.mark.parametrize(
    ("type_id", "text", "ok"),
    [
        ("10", "1" * 12, True),
        ("10", "1" * 11, False),
        ("10", "1" * 13, False),
        ("10", "1" * 11 + "X", False),
        ("10", "٠" * 12, False),
        ("4", "X" * 20, True),
        ("4", "X" * 21, False),
        ("9", "X", True),
        ("9", "", False),
    ],
)
def test_types_without_check_digits(type_id: str, text: str, ok: bool) -> None:
    """A DUF number is twelve digits; the free types are 1 to 20 characters."""
    verdict = check_national_id(text, type_id)
    assert (verdict.ok, verdict.fits_type) == (ok, ok)
    assert verdict.valid_old == verdict.valid_2032 == (ok or (type_id == "4"))
    assert verdict.kind is kind_of(text)


def test_fits_its_type_is_not_enough() -> None:
    """A wrong check digit makes a number of the right kind not ok, and the wrong type makes right digits not ok."""
    assert check_national_id("01818012338", "1").fits_type
    assert not check_national_id("01818012338", "1").ok
    assert check_national_id("01818012337", "3").valid_old
    assert not check_national_id("01818012337", "3").ok


# -- what a number says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serial", "year", "born"),
    [
        (0, 0, 1900),
        (0, 99, 1999),
        (499, 39, 1939),
        (499, 40, 1940),
        (500, 0, 2000),
        (500, 39, 2039),
        (500, 40, None),
        (500, 54, None),
        (500, 55, 1855),
        (749, 54, None),
        (749, 55, 1855),
        (749, 99, 1899),
        (749, 39, 2039),
        (750, 39, 2039),
        (750, 40, None),
        (750, 55, None),
        (750, 99, None),
        (899, 39, 2039),
        (899, 40, None),
        (900, 0, 2000),
        (900, 39, 2039),
        (900, 40, 1940),
        (900, 54, 1954),
        (999, 39, 2039),
        (999, 40, 1940),
        (999, 99, 1999),
    ],
)
def test_century_by_individual_number(serial: int, year: int, born: int | None) -> None:
    """The individual number tells the century by the table of HIS 1001, and nothing outside it."""
    said = birth_date(_issued(serial, year))
    assert (said.year if said else None) == born


@pytest.mark.parametrize(
    ("number", "born"),
    [
        ("01818012337", date(1980, 1, 1)),
        ("010150 00232", date(1950, 1, 1)),
        ("016680 12058", date(1980, 1, 1)),
        ("014180 12354", date(1980, 1, 1)),
        ("311299 56715", date(1899, 12, 31)),
        ("301082 99939", None),
        ("800000 00179", None),
        ("01818012338", None),
        ("31023012345", None),
        ("0101500023X", None),
        ("0" * 11, None),
    ],
)
def test_birth_date(number: str, born: date | None) -> None:
    """The birth date stands without its offsets; only numbers of the old rule and with a date have one."""
    assert birth_date(_number(number)) == born


def test_d_numbers_say_no_date() -> None:
    """The series of D-numbers was widened in 2021, so a plain D-number has no certain century."""
    assert birth_date(_numbered("410180120") or "") is None
    assert birth_date("41818012088") is None


def test_leap_day_needs_its_own_century() -> None:
    """29 February of year 00 exists in 2000 and not in 1900."""
    ends = {serial: _numbered(f"298200{serial:03d}") for serial in (*range(60), *range(500, 560))}
    assert {birth_date(number) for serial, number in ends.items() if number and serial < 500} == {None}
    assert {birth_date(number) for serial, number in ends.items() if number and serial > 499} == {date(2000, 2, 29)}


@pytest.mark.parametrize(
    ("number", "sex"),
    [
        ("01818012337", "M"),
        ("01818012094", "K"),
        ("41818012088", "K"),
        ("014180 12354", "M"),
        ("014180 12001", "K"),
        ("301082 99939", None),
        ("800000 00179", None),
        ("01818012338", None),
        ("0101500023X", None),
    ],
)
def test_sex(number: str, sex: str | None) -> None:
    """The ninth digit is odd for a man, even for a woman, where the number is of the old rule and has a sex."""
    assert sex_of(_number(number)) == sex


# -- making ------------------------------------------------------------------------------------------------------


@given(days, serials)
def test_make_synthetic_is_exact(day: date, serial: int) -> None:
    """A made number is the date with month + 80, the serial and its check digits; None where none was issued."""
    assert make_synthetic(day, serial) == _numbered(f"{day.day:02d}{day.month + 80}{day.year % 100:02d}{serial:03d}")


def test_make_synthetic_by_example() -> None:
    """Known numbers come out, each with its sex and birth date, and a rest of 10 in either digit gives None."""
    born = date(1980, 1, 1)
    assert make_synthetic(born, 123) == "01818012337"
    assert make_synthetic(born, 120) == "01818012094"
    assert [make_synthetic(born, serial) for serial in (-1, 1000)] == [None, None]
    every = [make_synthetic(born, serial) for serial in range(500)]
    assert 380 < sum(number is not None for number in every) < 430
    assert {birth_date(number) for number in every if number} == {born}
    assert all(sex_of(number) == ("M" if serial % 2 else "K") for serial, number in enumerate(every) if number)


# -- never shown --------------------------------------------------------------------------------------------------


@given(made, st.sampled_from(["", ">40", "s", "!r", "x"]))
def test_never_shows_its_digits(number: str, spec: str) -> None:
    """No text form of an id has any part of its number: repr, str, format, containers, pretty printers."""
    hidden = NationalId(number, "1")
    texts = [repr(hidden), str(hidden), f"{hidden}", f"{hidden!r}", f"{hidden!s}", format(hidden, spec), f"{[hidden]}"]
    texts += ["{}".format(hidden), "%s %r" % (hidden, hidden), pprint.pformat({"id": hidden}), pretty_repr([hidden])]  # noqa: UP031, UP032
    assert all(number not in text and number[:6] not in text and number[6:] not in text for text in texts)
    assert hidden.reveal() == number
    assert all("hidden" in text and "type 1" in text for text in texts)


def test_not_shown_when_number_and_type_are_swapped() -> None:
    """Even with its two parts the wrong way round an id does not show its number."""
    assert "818012337" not in repr(NationalId("1", "01818012337"))


def test_not_shown_by_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    """An error or a log line that is handed an id does not show it, nor does trying to change one."""
    number = "01818012337"
    hidden = NationalId(number, "1")
    with pytest.raises(FrozenInstanceError) as frozen:
        hidden.value = "other"  # type: ignore[misc]
    with pytest.raises(BadMessage) as bad:
        raise BadMessage("The id cannot be used.", place=f"{hidden}")
    with caplog.at_level(logging.INFO):
        logging.getLogger("kpr.test").info("id %s", hidden, extra={"id": hidden})
    for error in (frozen.value, bad.value):
        assert number not in "".join(traceback.format_exception(error))
    assert number not in caplog.text


def test_equal_by_number_and_type() -> None:
    """Two ids are the same when number and type are, so they can be compared and put in sets unseen."""
    one = NationalId("01818012337", "1")
    assert one == NationalId("01818012337", "1")
    assert len({one, NationalId("01818012337", "2"), NationalId("01818012094", "1")}) == 3


# -- speed --------------------------------------------------------------------------------------------------------


def test_a_large_municipality_is_checked_at_once() -> None:
    """60,000 checks take less than a second of one core."""
    day = date(1930, 1, 1)
    numbers = [make_synthetic(day + timedelta(days=n), n % 500) or "01818012337" for n in range(6000)] * 10

    def seconds() -> float:
        start = time.process_time()
        assert all(check_national_id(number, "1").ok for number in numbers)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 1.0


# -- organisation numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["777777777", "123456785", "900000006", "800000009", "987654325"])
def test_valid_organisation_numbers(text: str) -> None:
    """The vectors pass; 777777777 is the test value of the register's family."""
    assert valid_organisation_number(text)


@pytest.mark.parametrize(
    "text", ["123456786", "000000000", "12345678", "1234567850", "12345678X", "", "٧٧٧٧٧٧٧٧٧", " 123456785"]
)
def test_invalid_organisation_numbers(text: str) -> None:
    """A wrong digit, all zeros, another length or another sign fails."""
    assert not valid_organisation_number(text)


def test_no_digit_fits_a_rest_of_ten() -> None:
    """90000009 has no check digit that fits."""
    assert not any(valid_organisation_number(f"90000009{digit}") for digit in range(10))


@given(st.integers(10_000_000, 99_999_999), st.integers(0, 8), st.integers(1, 9))
def test_one_digit_alone_fits_an_organisation_number(stem: int, place: int, shift: int) -> None:
    """At most one last digit fits eight digits, by the weights 3 2 7 6 5 4 3 2, and one wrong digit fails."""
    total = sum(int(digit) * weight for digit, weight in zip(str(stem), (3, 2, 7, 6, 5, 4, 3, 2), strict=True))
    fitting = [digit for digit in range(10) if valid_organisation_number(f"{stem}{digit}")]
    assert fitting == [digit for digit in range(10) if digit == -total % 11]
    assume(fitting)
    number = f"{stem}{fitting[0]}"
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    assert not valid_organisation_number(wrong)
