"""The officer's commands as she types them: what they say, what they leave, and the codes that they end with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from place import Place
from typer.testing import CliRunner, Result

from kpr.calendar import OSLO
from kpr.cli.app import app
from kpr.errors import KprError

Run = Callable[..., Result]


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A municipality whose report was accepted."""
    place = Place(tmp_path / "kommune", persons=40)
    place.report()
    place.later(hours=1)
    place.exchange()
    return place


@pytest.fixture
def kpr(made: Place) -> Run:
    """Runs a command in that place; what it raises comes out as it is."""

    def run(*words: object, given: str | None = None) -> Result:
        line = [*(str(word) for word in words), "--settings", str(made.settings)]
        done = CliRunner().invoke(app, line, input=given, env={"COLUMNS": "200"})
        if isinstance(done.exception, KprError):
            raise done.exception
        return done

    return run


def code_of(run: Run, *words: object) -> tuple[int, str]:
    """The exit code that an error becomes, and its sentence."""
    with pytest.raises(KprError) as told:
        run(*words)
    return told.value.exit_code, str(told.value)


def test_the_view_is_shown_given_compared_and_signed(kpr: Run) -> None:
    """Our rows, hers beside them, what differs, an explanation, and the signature; each command says what comes next."""
    shown = kpr("view", "show").stdout
    assert "T1.6" in shown
    assert "kpr view give" in shown
    rows = json.loads(kpr("view", "show", "--json").stdout)["rows"]
    text = "\n".join(f"{row['row']}={row['ours']}" for row in rows if row["row"].startswith("T1."))
    spoilt = text.replace("T1.personer=", "T1.personer=1")
    said = kpr("view", "give", "-", "--by", "fagansvarlig", given=spoilt).stdout
    assert "avviker" in said
    assert "1 rader venter" in said
    assert code_of(kpr, "view", "sign", "--by", "leder")[0] == 4
    said = kpr("view", "explain", "--row", "T1.personer", "--why", "visningen er fra i går", "--by", "leder").stdout
    assert "Underskriv med" in said
    assert "meldt riktig" in kpr("view", "sign", "--by", "leder").stdout
    assert "Meldt riktig" in kpr("view", "compare").stdout
    data = json.loads(kpr("view", "compare", "--json").stdout)
    assert (data["right"], data["unsettled"], data["signed"]["who"]) == (True, [], "leder")


def test_one_row_can_be_typed(kpr: Run) -> None:
    """Without a file, rows are given one by one; with both, or none, it says so."""
    data = json.loads(kpr("view", "give", "--row", "T1.6=12", "--row", "T1.7 <5", "--by", "leder", "--json").stdout)
    given = {row["row"]: row["view"] for row in data["rows"] if row["view"]}
    assert given == {"T1.6": {"number": 12.0, "decimals": 0}, "T1.7": {"number": None, "decimals": 0}}
    assert code_of(kpr, "view", "give", "--by", "leder")[0] == 2
    assert code_of(kpr, "view", "give", "fil.csv", "--row", "T1.6=1", "--by", "leder")[0] == 2
    code, said = code_of(kpr, "view", "give", "finnes-ikke.csv", "--by", "leder")
    assert (code, "kan ikke leses" in said) == (2, True)


def test_the_page_is_written_whole(kpr: Run, tmp_path: Path) -> None:
    """One file, for its owner alone; a folder that is not there is one sentence, and nothing is left."""
    file = tmp_path / "side.html"
    assert "Åpne den" in kpr("page", "--out", file).stdout
    assert file.read_text("utf-8").lstrip().startswith("<!doctype html>")
    assert file.stat().st_mode & 0o077 == 0
    code, said = code_of(kpr, "page", "--out", tmp_path / "ingen" / "side.html")
    assert (code, "kan ikke skrives" in said) == (2, True)
    assert not (tmp_path / "ingen").exists()
    assert code_of(kpr, "page", "--version", "9", "--out", file)[0] == 2


def test_the_work_list_says_how_much_is_left(kpr: Run, tmp_path: Path) -> None:
    """How many are new, remain, were mended, left out or explained; in English on request."""
    file = tmp_path / "liste.csv"
    assert "Nye: " in kpr("worklist", "--out", file).stdout
    assert file.read_bytes().startswith(b"\xef\xbb\xbfEnhet;Status")
    counts = json.loads(kpr("worklist", "--out", file, "--english", "--json").stdout)["counts"]
    assert set(counts) == {"new", "remaining", "mended", "left_out", "explained"}
    assert file.read_bytes().startswith(b"\xef\xbb\xbfUnit;Status")


def test_the_page_of_an_empty_year_says_what_to_do_first(tmp_path: Path) -> None:
    """Before anything was sent there is a page too, and no work list."""
    empty = Place(tmp_path)
    file = tmp_path / "side.html"
    done = CliRunner().invoke(app, ["page", "--settings", str(empty.settings), "--out", str(file)])
    assert done.exit_code == 0
    text = file.read_text("utf-8")
    assert "Gjør dette nå" in text
    assert "Hva som ble sendt" not in text
    done = CliRunner().invoke(app, ["worklist", "--settings", str(empty.settings), "--out", str(tmp_path / "l.csv")])
    assert isinstance(done.exception, KprError)
    assert not (tmp_path / "l.csv").exists()


def test_the_page_outlives_the_purge(made: Place, kpr: Run, tmp_path: Path) -> None:
    """When the content is gone the page is made of what the store knows: what was sent, and what happened."""
    made.at(datetime(2021, 4, 26, 8, tzinfo=OSLO))
    kpr("purge", "--by", "leder")
    file = tmp_path / "side.html"
    kpr("page", "--out", file)
    text = file.read_text("utf-8")
    assert "Hva som ble sendt" in text
    assert 'id="h-findings"' not in text
    assert 'id="h-services"' in text


def test_only_a_folder_can_be_shown(tmp_path: Path) -> None:
    """``kpr pages`` on what is no folder is one sentence."""
    done = CliRunner().invoke(app, ["pages", str(tmp_path / "ingen")])
    assert isinstance(done.exception, KprError)
    assert done.exception.exit_code == 2
