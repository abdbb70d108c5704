"""The officer's page as it is made from a municipality's place: what it says of every version, and where it points."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from place import Place
from typer.testing import CliRunner

from kpr.cli import approve as approve_command
from kpr.errors import Blocked
from kpr.steps.last_year import give_last_year
from kpr.steps.officer import write_page
from kpr.steps.persons import give_names
from kpr.steps.persons import look as look_at_persons
from kpr.steps.plausibility import look
from kpr.steps.report import prepare


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A municipality with 60 invented recipients."""
    return Place(tmp_path, persons=60)


def page_of(made: Place, version: int | None = None) -> str:
    """The page as HTML."""
    with made.open() as place:
        return write_page(place, version=version)


def words(page: str, section: str) -> str:
    """A section's Norwegian words, without the marks of HTML."""
    found = re.search(rf'<section id="{section}".*?</section>|aria-labelledby="h-{section}".*?</section>', page, re.S)
    assert found, section
    norwegian = re.sub(r'<span lang="en">.*?</span>', "", found.group(), flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", "", norwegian).split())


def swinging(made: Place) -> None:
    """A check that only a number against last year's stops."""
    with made.open() as place:
        numbers = prepare(place, by="leder")[1].result.figures.lines
        give_last_year(place, f"6;{numbers['6'] * 4 + 40}\n".encode(), by="fagansvarlig")
        blocks = {count.rule for count in prepare(place, by="leder")[1].result.counts if count.blocks}
        assert blocks == {"X32a"}
        assert look(place).waiting == 1


def suspected(made: Place) -> None:
    """A check that only a name in a list stops."""
    with made.open() as place:
        prepare(place, by="leder")
        give_names(place, b"pid;navn\n2;Donald Duck\n")
        blocks = {count.rule for count in prepare(place, by="leder")[1].result.counts if count.blocks}
        assert blocks == {"X29d"}
        assert look_at_persons(place).stopping == 1


def test_a_number_that_swings_asks_for_a_reason(made: Place) -> None:
    """Nothing is wrong in the care-record system, so page and status say where the reason is written."""
    swinging(made)
    for text in (words(page_of(made), "now"), made.status().next_act.nb):
        assert "«kpr swings show»" in text
        assert "«kpr swings explain»" in text
        assert "Kontrollen fant feil" not in text


def test_a_suspected_test_person_asks_for_a_decision(made: Place) -> None:
    """The page and the rule's own remedy say where the officer decides."""
    suspected(made)
    page = page_of(made)
    assert "«kpr persons decide»" in words(page, "now")
    assert "Rett feilene" not in words(page, "now")
    assert "kpr persons decide" in words(page, "findings")


def test_the_command_line_says_the_same(made: Place) -> None:
    """``kpr approve`` ends with the page's sentence, and has each rule's remedy beside it."""
    swinging(made)
    app = typer.Typer()
    approve_command.register(app)
    ended = CliRunner().invoke(app, ["--settings", str(made.settings), "--by", "leder"])
    assert isinstance(ended.exception, Blocked)
    assert str(ended.exception) == f"{made.status().next_act.nb} Ingenting er godkjent."
    said = " ".join(ended.stdout.split())
    assert "X32a" in said
    assert "skriv hvorfor (kpr swings explain)" in said
