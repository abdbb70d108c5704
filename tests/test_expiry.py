"""Warnings before a certificate expires: at which threshold, about which last date, and in which words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from kpr.calendar import end_of_day
from kpr.security.certificates import days_left
from kpr.security.expiry import ExpiryWarning, warnings_before_expiry

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LAST = date(2027, 3, 26)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def ending(ends: datetime) -> x509.Certificate:
    """A certificate that is good until then, in the name of somebody who must not be named."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Kari Nordmann 01010112345")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(_key().public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2000, 1, 1, tzinfo=UTC)).not_valid_after(ends)
    return builder.sign(_key(), hashes.SHA256())


def warned(ends: datetime, last: date | None = None, now: datetime = NOW) -> ExpiryWarning | None:
    """The warning about one certificate that ends then; None when there is none."""
    found = warnings_before_expiry({"signing": ending(ends)}, now, last)
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("left", "days", "threshold"),
    [
        (-400 * DAY, -400, 0),
        (-SECOND, -1, 0),
        (0 * DAY, 0, 7),
        (8 * DAY - SECOND, 7, 7),
        (8 * DAY, 8, 30),
        (31 * DAY - SECOND, 30, 30),
        (31 * DAY, 31, 90),
        (91 * DAY - SECOND, 90, 90),
    ],
)
def test_thresholds(left: timedelta, days: int, threshold: int) -> None:
    """Whole days left decide, and the last second before a threshold still counts to it."""
    warning = warned(NOW + left)
    assert warning is not None
    assert (warning.name, warning.days_left, warning.threshold) == ("signing", days, threshold)
    assert warning.before_last_date is False


@pytest.mark.parametrize("left", [91 * DAY, 92 * DAY, 3000 * DAY])
def test_no_warning(left: timedelta) -> None:
    """With more than 90 whole days left, and no last date known, nothing is said."""
    assert warned(NOW + left) is None


@pytest.mark.parametrize(
    ("ends", "too_short"),
    [
        (datetime(2027, 3, 26, 22, 59, 58, tzinfo=UTC), True),
        (datetime(2027, 3, 26, 22, 59, 59, tzinfo=UTC), False),
        (datetime(2027, 3, 27, 12, tzinfo=UTC), False),
    ],
)
def test_last_date(ends: datetime, too_short: bool) -> None:
    """A certificate must hold until 23:59:59 in Norway on the absolute last date; else it is warned of at 90."""
    warning = warned(ends, LAST)
    assert (warning is not None) is too_short
    if warning is not None:
        assert (warning.threshold, warning.before_last_date) == (90, True)
        assert "før siste frist for innsending, 26.03.2027" in warning.text.nb
        assert "before the last date for submissions, 2027-03-26" in warning.text.en


def test_last_date_at_a_sharper_threshold() -> None:
    """One warning says both that it is near and that it is before the last date."""
    warning = warned(NOW + 20 * DAY, LAST)
    assert warning is not None
    assert (warning.threshold, warning.before_last_date) == (30, True)
    assert "om 20 dager" in warning.text.nb
    assert "siste frist" in warning.text.nb


def test_last_date_gone() -> None:
    """When the last date is over it does not matter any more that a certificate ended before it."""
    late = warned(end_of_day(LAST) - DAY, LAST, end_of_day(LAST) + SECOND)
    assert late is not None
    assert (late.threshold, late.before_last_date) == (0, False)
    assert "siste frist" not in late.text.nb
    on_time = warned(end_of_day(LAST) - DAY, LAST, end_of_day(LAST))
    assert on_time is not None
    assert (on_time.threshold, on_time.before_last_date) == (0, True)


@pytest.mark.parametrize(
    ("left", "nb", "en"),
    [
        (-DAY, "utløp 22.11.2026 og kan ikke brukes", "expired on 2026-11-22"),
        (5 * DAY, "utløper 28.11.2026: det haster", "expires on 2026-11-28: this is urgent"),
        (15 * DAY, "utløper 08.12.2026, om 15 dager", "expires on 2026-12-08, in 15 days"),
        (80 * DAY, "utløper 11.02.2027, om 80 dager", "expires on 2027-02-11, in 80 days"),
    ],
)
def test_words(left: timedelta, nb: str, en: str) -> None:
    """Each says which certificate, when, and what to do, in both languages, and nothing from its subject."""
    warning = warned(NOW + left)
    assert warning is not None
    assert warning.text.nb.startswith("Sertifikatet «signing» " + nb)
    assert warning.text.en.startswith("'signing' " + en)
    assert "bestill nytt virksomhetssertifikat" in warning.text.nb
    assert "order a new enterprise certificate" in warning.text.en
    assert "{" not in warning.text.nb + warning.text.en
    assert "Nordmann" not in repr(warning)
    assert "0101" not in repr(warning)


def test_day_in_norway() -> None:
    """The day is the one on the calendar in Norway: 23:30 in UTC is the day after."""
    warning = warned(datetime(2026, 12, 1, 23, 30, tzinfo=UTC))
    assert warning is not None
    assert "02.12.2026" in warning.text.nb
    assert "2026-12-02" in warning.text.en


def test_several() -> None:
    """Certificates keep their order and names, and each is warned of once."""
    named = {"signing {x}": ending(NOW + DAY), "fine": ending(NOW + 400 * DAY), "decryption": ending(NOW - DAY)}
    found = warnings_before_expiry(named, NOW, LAST)
    assert [(warning.name, warning.threshold) for warning in found] == [("signing {x}", 7), ("decryption", 0)]
    assert "«signing {x}»" in found[0].text.nb
    assert warnings_before_expiry({}, NOW, LAST) == []


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
whole_seconds = moments.map(lambda moment: moment.replace(microsecond=0))


@given(ends=whole_seconds, now=moments, last=st.none() | st.dates(date(2020, 1, 1), date(2035, 1, 1)))
def test_sharpest_threshold(ends: datetime, now: datetime, last: date | None) -> None:
    """The threshold is the least that the days left do not exceed; past 90 only the last date can make a warning."""
    warning = warned(ends, last, now)
    left = days_left(ending(ends), now)
    short = last is not None and now <= end_of_day(last) and ends < end_of_day(last)
    if warning is None:
        assert left > 90
        assert not short
        return
    assert warning.before_last_date is short
    assert warning.days_left == left
    assert warning.threshold in (90, 30, 7, 0)
    assert (warning.threshold == 0) is (now > ends)
    if left > 90:
        assert short
        assert warning.threshold == 90
    elif left >= 0:
        assert warning.threshold == min(limit for limit in (7, 30, 90) if left <= limit)


@given(now=moments, last=st.dates(date(2020, 1, 1), date(2035, 1, 1)), more=st.integers(0, 3000))
def test_silence_after_the_last_date(now: datetime, last: date, more: int) -> None:
    """No warning is given for one that ends more than 90 days from now and not before the last date."""
    ends = max(now.replace(microsecond=0) + 92 * DAY, end_of_day(last)) + more * DAY
    assert warned(ends, last, now) is None
