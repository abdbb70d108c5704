"""The picture of the season: what each mark means, and that nothing lies over the words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from kpr.checks.finding import Text
from kpr.report.officer import DateShown, Moment
from kpr.report.pictures import WIDTH, Label, SeasonPicture, season_picture

NOW = datetime(2021, 1, 12, 9, tzinfo=UTC)
WORDS = Text("en dato med en nokså lang forklaring", "a date with a rather long explanation")
DATES = [date(2021, 1, 5), date(2021, 1, 15), date(2021, 2, 10), date(2021, 3, 15), date(2021, 3, 26)]


def season(*moments: tuple[int, str]) -> SeasonPicture:
    """The letter's dates, and moments at hours of January with their side."""
    shown = [DateShown(f"{day}", WORDS, day, "confirmed", True, NOW) for day in DATES]
    start = datetime(2021, 1, 4, 8, tzinfo=UTC)
    picture = season_picture(
        shown, [Moment(start + timedelta(hours=at), WORDS, "leder", "", side) for at, side in moments], NOW, "nb"
    )
    assert picture is not None
    return picture


def crossed(labels: tuple[Label, ...], line: float) -> int:
    """How many words a line of another label goes through, where the words hang on the other side of the same corner."""
    return sum(
        one.left < other.x < one.left + one.width and abs(other.y - line) > abs(one.y - line)
        for one in labels
        for other in labels
        if one is not other and one.at_end == other.at_end
    )


@pytest.mark.parametrize("sides", [["opened"], ["out", "in"], ["opened", "person", "out", "in"]])
def test_no_line_goes_through_the_words_of_another(sides: list[str]) -> None:
    """Words stand further out than what is written on their way, and no two lie over each other or outside."""
    picture = season(*((day * 24 + 3 * n, side) for day in range(0, 70, 9) for n, side in enumerate(sides)))
    for labels in (picture.above, picture.below):
        assert crossed(labels, picture.line) == 0
        for one in labels:
            assert one.left >= 0
            assert one.left + one.width <= WIDTH
            alike = [each for each in labels if each is not one and each.y == one.y]
            assert not any(one.left < each.left + each.width and each.left < one.left + one.width for each in alike)


def test_a_day_that_only_led_up_to_something_is_not_called_approved() -> None:
    """What was opened and checked has its own mark and words."""
    (label,) = season((0, "opened"), (1, "opened")).below
    assert (label.sign, label.text) == ("○", "04.01. åpnet og kontrollert (2)")
    (label,) = season((0, "person")).below
    assert label.sign == "◆"
