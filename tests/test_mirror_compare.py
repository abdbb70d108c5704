"""Our rows against the view's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.mirror.compare import Agreement, Explanation, Given, compare
from kpr.mirror.rows import Row


def one(row: Row, given: Given | None, explanation: Explanation | None = None) -> Agreement:
    """How one row stands."""
    numbers = {} if given is None else {row.name: given}
    (line,) = compare([row], numbers, {row.name: explanation} if explanation else {})
    return line.agreement


def count(persons: int) -> Row:
    """A row of T1."""
    return Row("T1", "6", "Hjemmesykepleie", persons)


def share(persons: int, of: int) -> Row:
    """A row of T2."""
    return Row("T2", "poHusstand", "Husstand", persons, of=of)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (1250, 1250, Agreement.EQUAL),
        (1250, 1249, Agreement.DIFFERS),
        (1250, None, Agreement.DIFFERS),
        (0, 0, Agreement.EQUAL),
        (5, 5, Agreement.EQUAL),
        (4, 0, Agreement.SMALL),
        (4, None, Agreement.SMALL),
        (4, 3, Agreement.SMALL),
        (0, None, Agreement.SMALL),
        (4, 5, Agreement.DIFFERS),
        (5, 4, Agreement.DIFFERS),
        (5, 0, Agreement.DIFFERS),
        (5, None, Agreement.DIFFERS),
    ],
)
def test_counts(ours: int, theirs: int | None, expected: Agreement) -> None:
    """Counts must be the same, except where both are among those that public tables hide."""
    assert one(count(ours), Given(None if theirs is None else float(theirs))) is expected


@pytest.mark.parametrize(
    ("row", "given_", "expected"),
    [
        (share(135, 300), Given(45.0, 1), Agreement.EQUAL),
        (share(100, 300), Given(33.3, 1), Agreement.EQUAL),
        (share(100, 300), Given(33.0, 0), Agreement.EQUAL),
        (share(125, 1000), Given(12.0, 0), Agreement.EQUAL),
        (share(125, 1000), Given(13.0, 0), Agreement.EQUAL),
        (share(100, 300), Given(33.4, 1), Agreement.DIFFERS),
        (share(100, 300), Given(None), Agreement.DIFFERS),
        (share(3, 300), Given(None), Agreement.SMALL),
        (share(298, 300), Given(None), Agreement.SMALL),
        (share(298, 300), Given(99.3, 1), Agreement.SMALL),
        (share(0, 0), Given(None), Agreement.SMALL),
        (share(0, 0), Given(0.0), Agreement.EQUAL),
        (share(0, 0), Given(4.0), Agreement.DIFFERS),
    ],
)
def test_shares(row: Row, given_: Given, expected: Agreement) -> None:
    """A share is the same when it rounds to what was written; one that could give a person away is not compared."""
    assert one(row, given_) is expected


def test_what_was_not_given_is_never_equal() -> None:
    """A row that the paste lacks stands in the way in T1, also when we count nought; in T2 it does not."""
    (first, second) = compare([count(0), share(135, 300)], {}, {})
    assert (first.agreement, first.is_settled) == (Agreement.NOT_GIVEN, False)
    assert (second.agreement, second.is_settled) == (Agreement.NOT_GIVEN, True)


def test_an_explanation_settles_the_number_that_it_was_given_for() -> None:
    """Another number of the view's asks again."""
    said = Explanation("leder", "2021-01-12T10:00:00+01:00", "registrert i en bydel for mye", 1200.0)
    (settled,) = compare([count(1250)], {"T1.6": Given(1200.0)}, {"T1.6": said})
    assert (settled.agreement, settled.is_settled, settled.difference) == (Agreement.DIFFERS, True, -50.0)
    (again,) = compare([count(1250)], {"T1.6": Given(1100.0)}, {"T1.6": said})
    assert (again.is_settled, again.explanation, again.difference) == (False, None, -150.0)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_two_counts_agree_only_when_they_are_the_same_or_both_small(ours: int, theirs: int) -> None:
    """Nothing that the view shows and we count otherwise passes as equal."""
    settled = one(count(ours), Given(float(theirs))) in (Agreement.EQUAL, Agreement.SMALL)
    assert settled == (ours == theirs or (ours < 5 and theirs < 5))
