"""The officer's page as it is made from a municipality's place: what it says of every version, and where it points."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import typer
from place import Place
from typer.testing import CliRunner

from kpr.checks.finding import Text
from kpr.cli import approve as approve_command
from kpr.conversation import Verdict
from kpr.errors import Blocked
from kpr.mirror.compare import Given
from kpr.mirror.document import document_json
from kpr.report.officer import OfficerReport, SwingShown
from kpr.report.officer_page import officer_page
from kpr.steps.last_year import give_last_year
from kpr.steps.mirror import explain_row, give, mirror, sign
from kpr.steps.officer import write_page
from kpr.steps.persons import give_names
from kpr.steps.persons import look as look_at_persons
from kpr.steps.plausibility import explain, look
from kpr.steps.report import prepare
from kpr.steps.status import status
from kpr.steps.work_list import write_work_list
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
    return re.sub(r" ([:,.)])", r"\1", " ".join(re.sub(r"<[^>]*>", " ", norwegian).split()))


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


# -- what the sections say ---------------------------------------------------------------------------------------------


def test_no_code_of_the_program_is_left_in_words(corrected: Place) -> None:
    """Transport, receipts and the e-mail stand in words, on the page and in status, in each language its own."""
    page = page_of(corrected)
    text = re.sub(r"<[^>]*>", " ", page.partition("<main>")[2].partition("<script>")[0])
    for code in ("DELIVERED", "POSITIVE", "FEEDBACK_OK", "SUPERSEDED", "D2a.in_year", "D1.X29a"):
        assert code not in text
    sent = words(page, "sent")
    for said in ("Transport levert,", "Kvittering positiv", "E-post om identmeldingen kommet, uten feil"):
        assert said in sent
    assert '<span lang="en">The ident message was delivered.</span>' in page
    shown = [line.words for line in corrected.status().lines]
    assert shown[0] == "versjon 2, løpenummer 2: godtatt"
    assert shown[-1] == "ordinær frist 15.01.2021; siste trygge sending 11.01.2021"


def test_a_share_is_shown_as_one(corrected: Place) -> None:
    """L11 says how many of those who were assessed, and a share that swings says of how many."""
    assert re.search(r"19 Initiativevne \(andel av dem\) \d+ \(\d+,\d %\)", words(page_of(corrected), "letter"))
    report = OfficerReport(
        "1103",
        "Eksempel",
        2020,
        1,
        corrected.now,
        "kpr",
        Text("Nå", "Now"),
        "act",
        Verdict(False, False, False),
        (),
        (),
        swings=(SwingShown("T3 poIndPlan", Text("Plan", "Plan"), 80, 20, True, of_now=100, of_before=90),),
    )
    assert "20 av 90 80 av 100" in words(officer_page(report), "swings")


def test_what_nothing_is_to_be_done_about_says_so_and_stands_in_no_work_list(made: Place) -> None:
    """The register's own check of the coordinator's codes is known to be wrong: no vendor is asked to mend anything."""
    with made.open() as place:
        prepare(place, by="leder")
        listed = io.BytesIO()
        write_work_list(place, listed)
    found = words(page_of(made), "findings")
    noise = found.partition("R-poHarKoordinator-T")[2]
    assert "Ingenting å rette: registerets egen kontroll passer ikke til kodene 11–14." in noise
    assert "Be leverandøren rette uttrekket" not in found
    assert "R-poHarKoordinator-T" not in listed.getvalue().decode()
    assert "X24c" not in listed.getvalue().decode()


def test_the_search_says_what_it_does_not_reach(made: Place) -> None:
    """Only where a rule has more places than the page holds."""
    with made.settings.open("a", encoding="utf-8") as settings:
        settings.write("rules: {R-peKjonn-K: warn}\n")
    for faults, told in ((3, False), (55, True)):
        made.extract(unknown_sex=faults)
        with made.open() as place:
            prepare(place, by="leder")
        assert ("Bare de første 50 stedene per regel er søkbare her" in words(page_of(made), "findings")) is told


def test_an_id_in_the_systems_own_version_is_blotted(made: Place) -> None:
    """Whatever the care-record system writes of itself, eleven digits of it are not shown."""
    file = next((made.folder / "uttrekk").glob("*IPL*"))
    written, hits = re.subn(r'(iiSysVersjon(?:="|>))[^"<]*', r"\g<1>41815512345", file.read_text("utf-8"))
    assert hits
    file.write_text(written, encoding="utf-8")
    with made.open() as place:
        prepare(place, by="leder")
    page = page_of(made)
    assert "41815512345" not in page
    assert "[hidden]" in words(page, "letter")
