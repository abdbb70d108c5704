"""A fleet to practise with: many municipalities, one register, and nothing of one in the hands of another."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kpr.calendar import OSLO
from kpr.cli.app import app
from kpr.clock import set_file_clock
from kpr.errors import BadCertificate, KprError
from kpr.fleet.board import board, counts, faults_only
from kpr.fleet.bulk import for_each, worst
from kpr.fleet.installation import Entry, Installation, load_installation
from kpr.fleet.look import look, needs_collecting
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.security.vault import MasterKey, Vault
from kpr.simulator_fleet import extract_for, make_fleet, renew_certificates
from kpr.steps.collect import collect
from kpr.steps.rehearsal import open_rehearsal, rehearse_once
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import open_workplace
from kpr.years import load_year

NUMBERS = ("0301", "1103", "5001")
START = datetime(2021, 1, 7, 10, tzinfo=OSLO)
TRIAL = datetime(2020, 11, 12, 10, tzinfo=OSLO)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: keys are slow."""
    folder = tmp_path_factory.mktemp("fleet")
    make_fleet(folder, NUMBERS, persons=12, plays=[{"municipality": "5001", "negative": "T99", "number": 1}])
    return folder


@pytest.fixture
def fleet(template: Path, tmp_path: Path) -> Installation:
    """Three municipalities on 7 January."""
    import shutil

    shutil.copytree(template, tmp_path / "fleet")
    set_file_clock(tmp_path / "fleet" / "clock", START)
    return load_installation(tmp_path / "fleet" / "kpr-fleet.yaml")


def report(entry: Entry) -> str:
    """Check and send."""
    with open_workplace(entry.settings_file) as place:
        submission, checked = prepare(place, by="rolle A", mended="x" if place.store.latest() else None)
        send_approved(place, submission, checked, by="rolle A", reason=None)
    return "sendt"


def take_in(entry: Entry) -> str:
    """One round of collecting."""
    with open_workplace(entry.settings_file) as place:
        return str(collect(place).counts())


def answer(fleet: Installation, at: datetime) -> None:
    """The register does what is due."""
    step(fleet.file.parent, at)


def where(fleet: Installation) -> dict[str, str]:
    """Each municipality's place on the board."""
    rows = board((look(entry) for entry in fleet), load_year(2020), START)
    return {row.standing.number: row.place for row in rows}


def test_all_report_to_one_register_and_nothing_is_mixed_up(fleet: Installation) -> None:
    """Two are accepted, the third is rejected as its own play says; each gets its own answers and no other's."""
    assert where(fleet) == dict.fromkeys(NUMBERS, "NOT_EXTRACTED")
    assert {result.outcome for result in for_each(fleet, report)} == {"sendt"}
    assert set(where(fleet).values()) == {"AWAITING_BOTH"}
    answer(fleet, START)
    for_each(fleet, take_in)
    assert where(fleet) == {"0301": "DONE", "1103": "DONE", "5001": "REJECTED"}
    assert needs_collecting(fleet.find("5001", 2020))
    set_file_clock(fleet.file.parent / "clock", START + timedelta(days=1))
    assert report(fleet.find("5001", 2020)) == "sendt"
    answer(fleet, START + timedelta(days=1))
    for_each(fleet, take_in)
    assert where(fleet) == dict.fromkeys(NUMBERS, "DONE")


def test_one_that_fails_does_not_stop_the_others(fleet: Installation) -> None:
    """A broken extract, a broken settings file and an unexpected error are told for their own municipality alone."""
    first, second, third = fleet
    (first.settings_file.parent / "uttrekk" / "IPLOS.xml").write_text("<not", encoding="utf-8")

    def one(entry: Entry) -> str:
        if entry is second:
            raise RuntimeError("01017012345")
        return report(entry)

    results = for_each(fleet, one)
    assert [bool(result.error) for result in results] == [True, True, False]
    assert [result.exit_code for result in results] == [2, 1, 0]
    assert "01017012345" not in results[1].error
    assert worst(results) == 1
    third.settings_file.write_text("municipality: [", encoding="utf-8")
    assert look(third).error
    assert not look(first).error


def test_a_round_has_a_limit(fleet: Installation) -> None:
    """At most so many, in the order given."""
    assert [result.entry.number for result in for_each(fleet, lambda _entry: "x", limit=2)] == ["0301", "1103"]


def test_what_one_keeps_another_cannot_open(fleet: Installation) -> None:
    """One municipality's vault does not open with another's key, and the error shows nothing of it."""
    one, other, _ = fleet
    report(one)
    with open_workplace(one.settings_file) as place:
        submission = place.store.submissions()[-1]
        name, wrapped = submission.rows_name, submission.wrapped_key
    wrong = MasterKey.load(other.settings_file.parent / "keys" / "municipality.key")
    with pytest.raises(KprError) as told:
        Vault(one.settings_file.parent / "vault", wrong).get(name, wrapped)
    assert len(str(told.value)) < 200
    with pytest.raises(KprError), open_workplace(other.settings_file) as place:
        place.vault.get(name, wrapped)


def test_a_shared_database_shows_each_its_own(fleet: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two municipalities in one database: each sees its own submissions and events only."""
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{fleet.file.parent / 'shared.sqlite'}")
    one, other, _ = fleet
    report(one)
    with open_workplace(other.settings_file) as place:
        assert place.store.submissions() == []
        assert place.store.events() == []
    assert look(one).state is not None
    assert look(other).state is None


def test_another_extract_can_be_made(fleet: Installation) -> None:
    """Faults in the new extract are found by the check."""
    entry = fleet.find("0301", 2020)
    extract_for(entry.settings_file.parent, "0301", 2020, 12, seed=9, faults={"unknown-sex": 2})
    with open_workplace(entry.settings_file) as place:
        _, checked = prepare(place, by="rolle A")
    assert checked.result.blocked


def test_the_board_puts_first_who_needs_a_person(fleet: Installation) -> None:
    """Counts add up, and the preset shows only those that ask for somebody."""
    report(next(iter(fleet)))
    rows = board((look(entry) for entry in fleet), load_year(2020), START)
    assert sum(counts(rows).values()) == len(rows)
    assert {row.standing.number for row in faults_only(rows)} == {"1103", "5001"}
    shown: Any = rows[0]
    assert shown.hours is not None


def test_a_trial_goes_to_a_register_of_its_own(tmp_path: Path) -> None:
    """It is accepted there, the fleet's round collects its answers; the real register has heard of nobody."""
    make_fleet(tmp_path, NUMBERS[:1], persons=5, trials=True)
    set_file_clock(tmp_path / "clock", TRIAL)
    (entry,) = load_installation(tmp_path / "kpr-fleet.yaml")
    assert entry.rehearsal is not None
    with open_rehearsal(entry.rehearsal, entry.settings_file) as place:
        rehearse_once(place, "rolle A")
    assert step(tmp_path / "trial", TRIAL) > 0
    words = ["fleet", "collect", "--installation", str(tmp_path / "kpr-fleet.yaml")]
    collected = CliRunner().invoke(app, words)
    assert collected.exit_code == 0, collected.output
    assert "(prøve)" in collected.output
    with open_rehearsal(entry.rehearsal, entry.settings_file) as place:
        latest = place.store.latest()
        assert latest is not None
        assert latest.state == "ACCEPTED"
    assert step(tmp_path, TRIAL) == 0
    assert look(entry).state is None


def test_where_all_have_one_database_no_trial_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial must have one of its own to be sent at all; what cannot be read would be awaited for ever."""
    trial = Entry("1103", "x", 2020, "test", "1", tmp_path / "none.yaml", trial_of=tmp_path / "kpr.yaml")
    assert needs_collecting(trial)
    monkeypatch.setenv("KPR_STORE__URL", "postgresql://nowhere.invalid/kpr")
    assert not needs_collecting(trial)


def test_certificates_that_end_are_refused_until_they_are_renewed(tmp_path: Path) -> None:
    """Nothing leaves with them; with the new ones the very same messages go out, and the register knows them."""
    ends = START - timedelta(hours=1)
    make_fleet(tmp_path, NUMBERS[:2], persons=5, ending={"1103": ends})
    set_file_clock(tmp_path / "clock", START)
    good, late = load_installation(tmp_path / "kpr-fleet.yaml")
    assert report(good) == "sendt"
    with pytest.raises(BadCertificate):
        report(late)
    before = msg_ids(late)
    renew_certificates(tmp_path, "1103")
    assert report(late) == "sendt"
    assert msg_ids(late) == before
    step(tmp_path, START)
    for_each((good, late), take_in)
    assert [look(entry).state for entry in (good, late)] == ["ACCEPTED", "ACCEPTED"]


def msg_ids(entry: Entry) -> list[str]:
    """The ids of the messages of the newest version."""
    with open_workplace(entry.settings_file) as place:
        latest = place.store.latest()
        return [message.msg_id for message in place.store.messages(latest.id)] if latest else []


def step(folder: Path, at: datetime) -> int:
    """One round of the register in a folder; how much it did."""
    register = Register(load_register_settings(folder / "register" / "register.yaml"))
    try:
        return register.step(at)
    finally:
        register.close()
