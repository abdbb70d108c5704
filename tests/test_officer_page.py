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
from kpr.mirror.compare import Given
from kpr.mirror.document import document_json
from kpr.steps.last_year import give_last_year
from kpr.steps.mirror import explain_row, give, mirror, sign
from kpr.steps.officer import write_page
from kpr.steps.persons import give_names
from kpr.steps.persons import look as look_at_persons
from kpr.steps.plausibility import explain, look
from kpr.steps.report import prepare
from kpr.steps.status import status
from kpr.store import KeptKind


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


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A first version that was rejected, and a second that is accepted and signed as right."""
    plays = [{"type": "iplos", "number": 1, "negative": "T02"}]
    made = Place(tmp_path_factory.mktemp("corrected"), plays=plays, persons=60)
    swinging(made)
    with made.open() as place:
        explain(place, "6", why="tjenesten er lagt om", by="fagansvarlig")
    made.report()
    made.later(hours=1)
    made.exchange()
    made.report(mended="kontaktperson")
    made.later(hours=1)
    made.exchange()
    assert made.status().state == "ACCEPTED"
    return made


def test_an_accepted_submission_asks_for_the_view_until_it_is_signed(corrected: Place) -> None:
    """Each step of the comparison is asked for in its turn, and the signed page shows what was signed."""
    asked = []
    with corrected.open() as place:
        asked.append(status(place).next_act.nb)
        rows = mirror(place).document.rows
        give(place, f"T1.personer={rows[0].persons + 7}".encode(), by="fagansvarlig")
        asked.append(status(place).next_act.nb)
        give(place, f"T1.personer={rows[0].persons}".encode(), by="fagansvarlig", rest_is_zero=True)
        for line in mirror(place).document.unsettled:
            explain_row(place, line.row.name, why="for lite", by="fagansvarlig")
        asked.append(status(place).next_act.nb)
        sign(place, by="leder", why="sett over")
        asked.append(status(place).next_act.nb)
        later = mirror(place).document.with_given({"T1.personer": Given(98765.0)})
        place.kept.keep(KeptKind.VIEW, document_json(later), place.act(), submission_id=mirror(place).submission.id)
    for text, command in zip(asked, ("view give", "view compare", "view sign", "proof make"), strict=True):
        assert f"«kpr {command}»" in text
    shown = words(page_of(corrected), "view")
    assert "Meldt riktig av leder" in shown
    assert "98765" not in shown


def test_an_earlier_version_is_shown_as_it_ended(corrected: Place) -> None:
    """The page of the rejected version says so, has its own three answers and swings, and points to the newest."""
    page = page_of(corrected, version=1)
    now = words(page, "now")
    assert "Dette er versjon 1. Den er avvist og erstattet av versjon 2." in now
    assert "siden for versjon 2" in now
    assert "Godtatt: nei" in now
    assert "Riktig: nei" in now
    assert "tjenesten er lagt om" in words(page, "swings")
    assert "Godtatt: ja" in words(page_of(corrected), "now")
