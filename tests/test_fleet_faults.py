"""One municipality with something broken: it says so to the operator, and stops nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from place import START, Place

import kpr.yaml_file as yaml_file
from kpr.alarms.message import Telling
from kpr.errors import BadSettings, KprError
from kpr.fleet import alarm_round
from kpr.fleet.alarm_round import AlarmRound
from kpr.fleet.board import board
from kpr.fleet.bulk import Result, worst
from kpr.fleet.installation import Entry, Installation, load_installation
from kpr.fleet.look import look, look_at_all, year_and_now
from kpr.store import ToldBook
from kpr.years import load_year

YEAR = load_year(2020)


@pytest.fixture
def fleet(tmp_path: Path) -> Installation:
    """Two municipalities; what is broken below is broken in the first."""
    for name, number in (("a", "1101"), ("b", "1103")):
        place = Place(tmp_path / name, persons=5)
        change(place.settings, municipality={"number": number})
    (tmp_path / "kpr-fleet.yaml").write_text("places: ['*/kpr.yaml']\n", "utf-8")
    return load_installation(tmp_path / "kpr-fleet.yaml")


def change(file: Path, **values: Any) -> None:
    """Write other settings."""
    said = yaml.safe_load(file.read_text("utf-8"))
    for name, value in values.items():
        said[name] = said.get(name, {}) | value if isinstance(value, dict) else value
    file.write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")


def _unknown_field(entry: Entry) -> None:
    change(entry.settings_file, unknown="x")


def _no_year_file(entry: Entry) -> None:
    change(entry.settings_file, year_file="away.yaml")


def _bad_year_file(entry: Entry) -> None:
    (entry.settings_file.parent / "year.yaml").write_text("milestones: 7\n", "utf-8")
    change(entry.settings_file, year_file="year.yaml")


def _no_key(entry: Entry) -> None:
    (entry.settings_file.parent / "keys" / "municipality.key").unlink()


def _no_text(entry: Entry) -> None:
    change(entry.settings_file, store="kpr.sqlite")


FAULTS = [_unknown_field, _no_year_file, _bad_year_file, _no_key, _no_text]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_place_that_cannot_be_opened_is_the_operator_s(fleet: Installation, fault: Any) -> None:
    """Nobody phones the reporting officer about an extract when the settings are what is wrong."""
    first, second = fleet
    assert look(first).error == ""
    fault(first)
    rows = board(look_at_all(fleet), YEAR, START)
    assert [(row.standing.number, row.place, row.person) for row in rows] == [
        ("1101", "FAULT", "operator"),
        ("1103", "NOT_EXTRACTED", "officer"),
    ]
    assert look(second).error == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_is_broken_does_not_keep_the_board_from_the_others(
    fleet: Installation, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board of the flows and the daily digest take year and clock from whoever can say them."""
    from tasks import board as shown

    monkeypatch.setattr(shown, "installation", lambda: fleet)
    monkeypatch.setattr(shown, "create_table_artifact", lambda **_words: None)
    fault(next(iter(fleet)))
    assert [row.standing.number for row in shown.show_board(fleet.entries).rows] == ["1101", "1103"]
    year, now = year_and_now(fleet.entries)
    assert (year.data_year, now) == (2020, START)
    this = AlarmRound(fleet, send=False, now=START)
    summary = this.daily()
    assert summary is not None
    assert "1101" in summary.body


def test_where_nobody_can_say_the_year_the_reason_is_told() -> None:
    """No municipalities, or none that can be read: an error, and no guess."""
    with pytest.raises(BadSettings, match="ingen kommuner"):
        year_and_now(())


def test_a_key_that_a_variable_gives_needs_no_file(fleet: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may hold it instead."""
    first = next(iter(fleet))
    _no_key(first)
    change(first.settings_file, vault={"key_variable": "MY_KEY"})
    assert "nøkkel" in look(first).error
    monkeypatch.setenv("MY_KEY", "x")
    assert look(first).error == ""


def test_a_settings_file_is_parsed_once_while_it_is_the_same(
    fleet: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds are looked at every few minutes: parsing them is most of it."""
    look_at_all(fleet)
    parsed: list[object] = []
    original = yaml_file.yaml.load
    monkeypatch.setattr(yaml_file.yaml, "load", lambda *words, **more: parsed.append(1) or original(*words, **more))
    look_at_all(load_installation(fleet.file))
    assert parsed == []
    change(next(iter(fleet)).settings_file, purge_days_after=31)
    look_at_all(load_installation(fleet.file))
    assert len(parsed) >= 1


def test_the_digest_is_told_once_whichever_store_kept_count(
    fleet: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told while the first place was broken, it is not told again when that one has been mended."""
    first, second = fleet
    key = first.settings_file.parent / "keys" / "municipality.key"
    kept = key.read_bytes()
    key.unlink()
    this = AlarmRound(fleet, send=True, now=START)
    telling = Telling(**dict.fromkeys(Telling.__slots__) | {"id": "digest-2021-01-07-kpr"})  # type: ignore[arg-type]
    where: list[str] = []

    def told(place: Any, tellings: list[Telling], _settings: object) -> list[str]:
        where.append(place.label)
        for each in tellings:
            ToldBook(place.store).claim(each.id, "mail", place.clock())
            ToldBook(place.store).sent(each.id, "mail", place.clock())
        return [each.id for each in tellings]

    monkeypatch.setattr(alarm_round, "tell_all", told)
    assert not this.daily_is_told()
    this.send_daily(telling)
    key.write_bytes(kept)
    key.chmod(0o600)
    assert this.daily_is_told()
    this.send_daily(telling)
    assert where == [f"{second.number}-2020"] * 2
    assert first.number == "1101"


def test_the_worst_is_what_nobody_expected() -> None:
    """A sending that the guard locks is milder than one that findings stop, and both than an unexpected failure."""
    entry = Entry("1103", "Et sted", 2020, "simulator", "8000002", Path("kpr.yaml"))
    results = [Result(entry, "feilet", "x", code) for code in (3, 1, 4)]
    assert worst(results) == 1
    assert worst(results[::2]) == 3
    assert worst([]) == 0


def test_every_exit_code_has_a_place_in_the_order() -> None:
    """A new kind of error must be placed, or a round could not end."""
    kinds = [KprError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        entry = Entry("1103", "Et sted", 2020, "simulator", "8000002", Path("kpr.yaml"))
        assert worst([Result(entry, "feilet", "x", kind.exit_code)]) == kind.exit_code
