"""The command line: what it says, with which exit code, as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from place import Place

from kpr.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kpr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``kpr`` with these words: exit code, standard output, standard error."""

    def run(*words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kpr", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def spoil(path: Path, before: bytes, after: bytes) -> None:
    """Change the first occurrence in a file."""
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))


def test_a_clean_extract_is_checked(kpr: Run, tmp_path: Path) -> None:
    """``kpr check`` of a clean extract ends with what the register will keep, and code 0."""
    place = Place(tmp_path)
    code, said, _ = kpr("check", place.folder / "uttrekk" / "IPLOS.xml", "--year", 2020)
    assert code == 0
    assert "Registeret vil beholde 25 av 25 personer" in said


def test_faults_give_code_3_and_who_is_lost(kpr: Run, tmp_path: Path) -> None:
    """What would stop a submission gives code 3, and the persons who would be lost are named by local key."""
    place = Place(tmp_path)
    place.extract(unknown_sex=2)
    code, said, errors = kpr("check", "--settings", place.settings)
    assert code == 3
    assert "beholde 23 av 25" in said
    assert "lokale nøkler): 1, 13" in said
    assert "Ingenting er sendt" in errors


def test_check_as_json_holds_every_finding(kpr: Run, tmp_path: Path) -> None:
    """``--json`` gives one object with findings, places, prediction and the letter's points."""
    place = Place(tmp_path)
    place.extract(unknown_sex=2)
    code, said, _ = kpr("check", "--settings", place.settings, "--json")
    data = json.loads(said)
    assert code == 3
    assert data["prediction"]["lost_persons"] == [{"person": key, "rule": "R-peKjonn-K"} for key in ("1", "13")]
    finding = next(item for item in data["findings"] if item["rule"] == "R-peKjonn-K")
    assert finding["place"] == {"table": "PERSON", "element": "peKjonn", "row": 1, "person": "1"}
    assert finding["fate"] == "row and everything under it deleted"
    assert finding["wrong"]["nb"]
    assert finding["remedy"]["en"]
    assert {fact["id"] for fact in data["letter"]} >= {"D1", "D2a", "D3", "D4", "D5", "D6", "D7a", "D7b", "D8"}


def test_the_findings_can_be_written_as_a_page(kpr: Run, tmp_path: Path) -> None:
    """``--html`` writes one page that needs no network."""
    place = Place(tmp_path)
    kpr("check", "--settings", place.settings, "--html", tmp_path / "funn.html")
    page = (tmp_path / "funn.html").read_text("utf-8")
    assert "Gjør dette nå" in page
    assert "http" not in page.replace("http-equiv", "")


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n<IPLOS'
EXTERNAL = b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<IPLOS'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"<IPLOS", BOMB, "DOCTYPE"),
        (b"<IPLOS", EXTERNAL, "DOCTYPE"),
        (b"</IPLOS>", b"", "cut off"),
        (b"iplos/2019", b"iplos/2018", "2018 format"),
        (b"<peAlder>", b"<peAldr>", ""),
        (b"SYNT", b"SYNT\xe6", ""),
    ],
)
def test_bad_xml_gets_code_2_and_a_sentence(kpr: Run, tmp_path: Path, before: bytes, after: bytes, said: str) -> None:
    """Bombs, external entities, cut files, another year's format and wrong encoding: one sentence, a place, code 2."""
    place = Place(tmp_path)
    spoil(place.folder / "uttrekk" / "IPLOS.xml", before, after)
    code, _, errors = kpr("check", "--settings", place.settings)
    assert code == 2
    assert said in errors
    assert "IPLOS.xml" in errors


def test_a_report_on_bad_input_leaves_nothing_half_done(kpr: Run, tmp_path: Path) -> None:
    """After a refused extract nothing was sent, and the next try with a good one works."""
    place = Place(tmp_path)
    whole = (place.folder / "uttrekk" / "IPLOS.xml").read_bytes()
    spoil(place.folder / "uttrekk" / "IPLOS.xml", b"</IPLOS>", b"")
    assert kpr("report", "--by", "rolle A", "--settings", place.settings)[0] == 2
    assert not (place.folder / "exchange").exists()
    (place.folder / "uttrekk" / "IPLOS.xml").write_bytes(whole)
    code, said, _ = kpr("report", "--by", "rolle A", "--settings", place.settings)
    assert (code, "Gjør ingenting nå" in said) == (0, True)


def test_a_person_in_one_message_only_stops_it(kpr: Run, tmp_path: Path) -> None:
    """A person without an id, and an id without a person, are found before anything is built."""
    place = Place(tmp_path)
    place.extract(missing_ident=1)
    code, said, _ = kpr("check", "--settings", place.settings)
    assert code == 3
    assert "I04" in said


def test_duplicate_keys_and_wrong_check_digits_are_found(kpr: Run, tmp_path: Path) -> None:
    """Two persons under one key, and an id whose check digits do not hold, stop a submission."""
    place = Place(tmp_path)
    place.extract(wrong_check_digit=1)
    spoil(place.folder / "uttrekk" / "IPLOS.xml", b'pePeID="2"', b'pePeID="3"')
    code, said, _ = kpr("check", "--settings", place.settings, "--json")
    rules = {count["rule"][:3] for count in json.loads(said)["rules"] if count["blocks"]}
    assert code == 3
    assert {"X01", "I10"} <= rules


def test_csv_with_a_decimal_comma_is_refused_by_line(kpr: Run, tmp_path: Path) -> None:
    """A decimal comma in a table is named by file, line and column."""
    kpr("synth", tmp_path / "csv", "--format", "csv", "--persons", 20)
    table = tmp_path / "csv" / "tjeneste.csv"
    lines = table.read_text("utf-8").splitlines()
    at = lines[0].split(";").index("tjTimerUke")
    number = next(i for i, line in enumerate(lines[1:], 1) if "." in line.split(";")[at])
    fields = lines[number].split(";")
    fields[at] = "3,50"
    lines[number] = ";".join(fields)
    table.write_text("\n".join(lines) + "\n", "utf-8")
    code, _, errors = kpr("check", tmp_path / "csv", "--year", 2020)
    assert code == 2
    assert f"tjeneste.csv, line {number + 1}, column tjTimerUke" in errors
    assert "3,50" not in errors


def test_csv_with_a_missing_column_is_refused(kpr: Run, tmp_path: Path) -> None:
    """A table without its key column is named."""
    kpr("synth", tmp_path / "csv", "--format", "csv", "--persons", 5)
    spoil(tmp_path / "csv" / "person.csv", b"pePeID;", b"")
    code, _, errors = kpr("check", tmp_path / "csv", "--year", 2020)
    assert (code, "pePeID is missing" in errors) == (2, True)


@pytest.mark.parametrize("form", ["csv", "parquet", "xml"])
def test_every_form_of_extract_says_the_same(kpr: Run, tmp_path: Path, form: str) -> None:
    """The same people as XML, CSV and Parquet give the same numbers."""
    kpr("synth", tmp_path / form, "--format", form, "--persons", 30, "--fault", "unknown-sex=3")
    path = tmp_path / form / "IPLOS.xml" if form == "xml" else tmp_path / form
    code, said, _ = kpr("check", path, "--year", 2020, "--json")
    data = json.loads(said)
    assert code == 3
    assert data["prediction"]["persons_kept"] == 27


def test_the_whole_season_from_the_command_line(kpr: Run, tmp_path: Path) -> None:
    """init, synth, report, registry step, collect, status: each works as the README says."""
    settings = tmp_path / "kpr.yaml"
    assert kpr("init", tmp_path)[0] == 0
    assert kpr("synth", tmp_path / "uttrekk", "--persons", 20)[0] == 0
    assert kpr("report", "--by", "rolle A", "--settings", settings)[0] == 0
    code, _, errors = kpr("correct", "--by", "rolle A", "--mended", "x", "--settings", settings)
    assert (code, "L23" in errors) == (4, True)
    assert kpr("registry", "step", "--settings", tmp_path / "register" / "register.yaml")[0] == 0
    assert kpr("collect", "--settings", settings)[0] == 0
    assert kpr("watch", "--settings", settings)[0] == 0
    code, said, _ = kpr("status", "--settings", settings, "--json", "--html", tmp_path / "status.html")
    assert json.loads(said)["verdict"] == {"delivered": True, "accepted": True, "right": False}
    assert "godtatt" in (tmp_path / "status.html").read_text("utf-8")


def test_init_does_not_overwrite(kpr: Run, tmp_path: Path) -> None:
    """A settings file that is there already is left as it is."""
    assert kpr("init", tmp_path)[0] == 0
    code, _, errors = kpr("init", tmp_path)
    assert (code, "already" in errors) == (2, True)


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        (b'number: "1103"', b'number: "11"', "municipality.number"),
        (b"data_year: 2020", b"data_year: x", "data_year"),
        (b"rules: {}", b"rules: {X17: never}", "rules.X17"),
        (b"rules: {}", b"rulez: {}", "rulez"),
    ],
)
def test_a_wrong_setting_is_named(kpr: Run, tmp_path: Path, before: bytes, after: bytes, place: str) -> None:
    """A wrong value, a wrong name: the field is named, the value is not shown."""
    made = Place(tmp_path)
    spoil(made.settings, before, after)
    code, _, errors = kpr("status", "--settings", made.settings)
    assert code == 2
    assert place in errors


def test_errors_as_json(kpr: Run, tmp_path: Path) -> None:
    """With ``--json`` an error is one object too, with place, remedy and exit code."""
    code, said, _ = kpr("status", "--settings", tmp_path / "none.yaml", "--json")
    error = json.loads(said)
    assert (code, error["exit_code"], error["place"]) == (2, 2, "none.yaml")
    assert "kpr init" in error["remedy"]


def test_production_must_name_the_years_receiver(kpr: Run, tmp_path: Path) -> None:
    """In production a receiver other than the data year's is refused before anything is opened (L0-5)."""
    made = Place(tmp_path)
    spoil(made.settings, b"environment: simulator", b"environment: production")
    spoil(made.settings, b"clock_file: clock", b"")
    spoil(made.settings, b'trust: {revocation: "off"}', b"trust: {roots: keys/roots.pem}")
    code, _, errors = kpr("status", "--settings", made.settings)
    assert (code, "134197" in errors) == (2, True)


def test_feedback_seen_writes_down_who_saw_the_mail(kpr: Run, tmp_path: Path) -> None:
    """``kpr feedback seen`` takes a named person's word, and says what to do now."""
    place = Place(tmp_path, [{"type": "ident", "no_mail": True}])
    place.report()
    place.exchange()
    code, said, _ = kpr("feedback", "seen", "--ok", "--by", "rolle B", "--settings", place.settings)
    assert code == 0
    assert "Identmelding: e-post: kommet, uten feil" in said
    assert "Innsendingen er godtatt" in said.replace("\n", " ")


def test_feedback_seen_needs_to_know_what_the_mail_said(kpr: Run, tmp_path: Path) -> None:
    """Without ``--ok`` or ``--faults`` nothing is assumed."""
    place = Place(tmp_path)
    place.report()
    code, _, errors = kpr("feedback", "seen", "--by", "rolle B", "--settings", place.settings)
    assert code == 2
    assert "--faults" in errors
    assert place.status().lines[1].state == "SENT"


def test_feedback_add_of_a_file_that_is_no_mail_of_the_register_gives_code_2(kpr: Run, tmp_path: Path) -> None:
    """The file is named, with the remedy, and nothing of it is shown."""
    place = Place(tmp_path / "place")
    place.report()
    file = tmp_path / "brev.eml"
    file.write_text("From: noen@example.com\n\nhemmelig innhold\n", encoding="utf-8")
    code, said, errors = kpr("feedback", "add", file, "--by", "rolle B", "--settings", place.settings)
    assert code == 2
    assert "brev.eml" in errors
    assert "hemmelig" not in said + errors
