"""The installation: which municipalities a house reports for, found by number and year; faults named with their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kpr.errors import BadInput, BadSettings
from kpr.fleet.installation import FILE_NAMES, VARIABLE, Entry, find_installation, load_installation
from kpr.simulator import NewPlace, make_place


def write_place(folder: Path, number: str = "1103", data_year: int = 2020, **words: Any) -> Path:
    """What the installation looks into of a settings file."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "municipality": {"number": number, "name": f"Kommune {number}"},
        "data_year": data_year,
        "sender": {"service_her_id": "8000002"},
        **words,
    }
    (folder / "kpr.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), encoding="utf-8")
    return folder / "kpr.yaml"


def write_fleet(folder: Path, **words: Any) -> Path:
    """The installation's own file."""
    (folder / "kpr-fleet.yaml").write_text(yaml.safe_dump({"places": ["*/kpr.yaml"]} | words), encoding="utf-8")
    return folder / "kpr-fleet.yaml"


# -- what is read -------------------------------------------------------------------------------------------------


def test_one_settings_file_is_an_installation_of_one(tmp_path: Path) -> None:
    """A house with one municipality needs no other file than the one that ``kpr init`` made."""
    settings = make_place(tmp_path / "one", NewPlace(number="1103", name="Stavanger", environment="test"))
    (entry,) = load_installation(settings)
    assert (entry.number, entry.name, entry.data_year, entry.environment) == ("1103", "Stavanger", 2020, "test")
    assert entry.settings_file == settings
    assert entry.label == "1103 Stavanger · 2020"
    assert entry.rehearsal is None


def test_places_are_read_in_the_order_of_the_patterns(tmp_path: Path) -> None:
    """Within a pattern by name; what the settings do not say has the default of the settings."""
    write_place(tmp_path / "b" / "two", "5001")
    write_place(tmp_path / "b" / "one", "1103")
    write_place(tmp_path / "a", "0301", environment="qa")
    installation = load_installation(write_fleet(tmp_path, places=["b/*/kpr.yaml", "a/kpr.yaml"], name="Senteret"))
    assert [entry.number for entry in installation] == ["1103", "5001", "0301"]
    assert [entry.environment for entry in installation] == ["simulator", "simulator", "qa"]
    assert installation.name == "Senteret"
    assert all(entry.settings_file.is_absolute() for entry in installation)


def test_patterns_count_from_the_file_and_not_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same installation from any working directory, also when it is named by a relative path."""
    write_place(tmp_path / "house" / "one")
    write_fleet(tmp_path / "house")
    monkeypatch.chdir(tmp_path)
    (entry,) = load_installation(Path("house/kpr-fleet.yaml"))
    assert entry.settings_file == tmp_path / "house" / "one" / "kpr.yaml"


def test_one_municipality_may_have_several_years(tmp_path: Path) -> None:
    """A profile is a municipality and a data year."""
    write_place(tmp_path / "one", data_year=2020)
    write_place(tmp_path / "other", data_year=2021)
    installation = load_installation(write_fleet(tmp_path))
    assert installation.find("1103", 2021).settings_file.parent.name == "other"
    assert installation.find("1103", 2020).settings_file.parent.name == "one"


def test_the_trial_submission_has_a_profile_of_its_own(tmp_path: Path) -> None:
    """Under rehearsals: found with the municipality's entry, and no second entry."""
    write_place(tmp_path / "real")
    trial = write_place(tmp_path / "trials" / "1103", environment="test")
    write_place(tmp_path / "other", "5001")
    installation = load_installation(write_fleet(tmp_path, rehearsals=["trials/*/kpr.yaml"]))
    assert len(list(installation)) == 2
    found = installation.find("1103", 2020)
    assert (found.rehearsal, found.environment) == (trial, "simulator")
    assert installation.find("5001", 2020).rehearsal is None


def test_whom_to_tell_counts_its_paths_from_the_installation(tmp_path: Path) -> None:
    """A mail server's files are named from the installation's folder; without the part nobody is told."""
    write_place(tmp_path / "one")
    assert load_installation(write_fleet(tmp_path)).tell.officer == ()
    tell = {
        "officer": ["kpr@kommune.example.invalid"],
        "smtp": {"host": "localhost", "port": 2525, "ca_file": "keys/ca.pem"},
    }
    told = load_installation(write_fleet(tmp_path, tell=tell)).tell
    assert told.officer == ("kpr@kommune.example.invalid",)
    assert told.smtp is not None
    assert told.smtp.ca_file == tmp_path / "keys" / "ca.pem"


# -- whom it has --------------------------------------------------------------------------------------------------


def test_a_municipality_that_did_not_exist_that_year_is_named_so(tmp_path: Path) -> None:
    """Numbers change with the reforms: the answer says that the number was not valid then."""
    write_place(tmp_path / "one")
    installation = load_installation(write_fleet(tmp_path))
    with pytest.raises(BadInput, match="Det fantes ingen kommune 0228 i rapporteringsåret 2020") as told:
        installation.find("0228", 2020)
    assert "1. januar" in told.value.remedy


def test_a_municipality_that_is_not_ours_is_named_so(tmp_path: Path) -> None:
    """It exists, and another house reports for it: the remedy names the file."""
    write_place(tmp_path / "one")
    with pytest.raises(BadInput, match="5001 for 2020 er ikke en av dem") as told:
        load_installation(write_fleet(tmp_path)).find("5001", 2020)
    assert "kpr-fleet.yaml" in told.value.remedy


# -- faults -------------------------------------------------------------------------------------------------------


def test_two_profiles_for_one_year_are_refused(tmp_path: Path) -> None:
    """Both files are named, so that one can be taken out."""
    write_place(tmp_path / "one")
    write_place(tmp_path / "other")
    with pytest.raises(BadSettings, match="Two profiles for municipality 1103, data year 2020") as told:
        load_installation(write_fleet(tmp_path))
    assert "one/kpr.yaml and other/kpr.yaml" in told.value.place


def test_a_file_that_two_patterns_name_is_one_profile_and_not_two(tmp_path: Path) -> None:
    """The same file twice is no contradiction."""
    write_place(tmp_path / "one")
    (entry,) = load_installation(write_fleet(tmp_path, places=["one/kpr.yaml", "*/kpr.yaml"]))
    assert entry.settings_file == tmp_path / "one" / "kpr.yaml"


def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    """A path that was mistyped would otherwise leave a municipality out in silence."""
    write_place(tmp_path / "one")
    with pytest.raises(BadSettings, match="No settings file fits") as told:
        load_installation(write_fleet(tmp_path, places=["*/kpr.yaml", "borte/kpr.yaml"]))
    assert told.value.place == "kpr-fleet.yaml: places: borte/kpr.yaml"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"places": []}, "places"),
        ({"places": "one/kpr.yaml"}, "places"),
        ({"stedene": ["one/kpr.yaml"]}, "stedene"),
        ({"tell": {"officer": ["uten krøllalfa"]}}, "tell.officer.0"),
        ({"tell": {"webhook": {"url": "ftp://hemmelig"}}}, "tell.webhook.url"),
    ],
)
def test_a_wrong_installation_names_the_field_and_not_its_value(
    tmp_path: Path, words: dict[str, Any], place: str
) -> None:
    """A typing error is found by its place; what stands there may be an address that is nobody else's business."""
    write_place(tmp_path / "one")
    with pytest.raises(BadSettings) as told:
        load_installation(write_fleet(tmp_path, **words))
    assert told.value.place == f"kpr-fleet.yaml: {place}"
    assert "hemmelig" not in str(told.value)
    assert "krøllalfa" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"- a list\n", b"places: [", b"\xff\xfe", b"just words"])
def test_what_is_no_installation_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, no mapping, no YAML or not UTF-8: a sentence with the file's name."""
    (tmp_path / "kpr-fleet.yaml").write_bytes(content)
    with pytest.raises(BadSettings) as told:
        load_installation(tmp_path / "kpr-fleet.yaml")
    assert told.value.place == "kpr-fleet.yaml"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With its name, and not with the machine's folders."""
    with pytest.raises(BadSettings) as told:
        load_installation(tmp_path / "kpr-fleet.yaml")
    assert str(tmp_path) not in str(told.value)


@pytest.mark.parametrize("missing", ["municipality", "data_year", "sender"])
def test_settings_that_do_not_say_whose_they_are_are_refused(tmp_path: Path, missing: str) -> None:
    """The number, the data year and the communication party must stand there; the rest is checked when it is opened."""
    file = write_place(tmp_path / "one")
    said = yaml.safe_load(file.read_text("utf-8"))
    del said[missing]
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    with pytest.raises(BadSettings, match="No municipality's settings can be read") as told:
        load_installation(write_fleet(tmp_path))
    assert "one/kpr.yaml" in told.value.remedy


def test_a_settings_file_that_is_broken_stops_nobody_else(tmp_path: Path) -> None:
    """The others are there, and the broken one is told by its file."""
    write_place(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "kpr.yaml").write_text("municipality: [", encoding="utf-8")
    installation = load_installation(write_fleet(tmp_path))
    assert len(installation.entries) == 1
    (said,) = installation.broken
    assert said.startswith("two/kpr.yaml: ")


# -- where it lies ------------------------------------------------------------------------------------------------


def test_the_environment_names_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins over what lies in the working directory: a worker has no folder of its own."""
    write_place(tmp_path)
    monkeypatch.setenv(VARIABLE, "/srv/kpr/kpr-fleet.yaml")
    assert find_installation(tmp_path) == Path("/srv/kpr/kpr-fleet.yaml")


def test_a_fleet_goes_before_a_single_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with both the installation's own file is meant; with neither the remedy says what to make."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(BadSettings) as told:
        find_installation(tmp_path)
    assert all(name in told.value.remedy for name in FILE_NAMES)
    write_place(tmp_path)
    assert find_installation(tmp_path) == tmp_path / "kpr.yaml"
    write_fleet(tmp_path)
    assert find_installation(tmp_path) == tmp_path / "kpr-fleet.yaml"


def test_the_working_directory_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder, where one stands."""
    monkeypatch.delenv(VARIABLE, raising=False)
    write_place(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert find_installation() == tmp_path / "kpr.yaml"


def test_an_entry_shows_no_path_in_its_label() -> None:
    """A run's name is seen by many: number, name and year are all there is."""
    assert Entry("1103", "Stavanger", 2020, "qa", "8", Path("/srv/secret")).label == "1103 Stavanger · 2020"


# -- what must not be shared ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("KPR_KEYS__PASSWORD", "keys.password_file"),
        ("kpr_source__url", "source.url_file"),
        ("KPR_VAULT__FOLDER", "vault.key_file"),
        ("KPR_MUNICIPALITY__NUMBER", "municipality"),
        ("KPR_SENDER", "sender"),
    ],
)
def test_a_variable_that_would_hold_for_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, setting: str
) -> None:
    """One password or source for all municipalities: the error names the variable and the setting, not the value."""
    monkeypatch.setenv(variable, "hemmelig")
    for number in ("1101", "1103"):
        write_place(tmp_path / number, number)
    with pytest.raises(BadSettings) as told:
        load_installation(write_fleet(tmp_path))
    assert (told.value.place, "hemmelig" in str(told.value)) == (variable, False)
    assert setting in told.value.remedy


def test_a_house_of_one_municipality_may_use_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two years of one municipality have the same keys; and what many may share is nobody's own."""
    monkeypatch.setenv("KPR_KEYS__PASSWORD", "x")
    for year in (2020, 2021):
        write_place(tmp_path / f"y{year}", "1103", year)
    assert len(load_installation(write_fleet(tmp_path)).entries) == 2
    monkeypatch.delenv("KPR_KEYS__PASSWORD")
    monkeypatch.setenv("KPR_STORE__URL", "sqlite://")
    write_place(tmp_path / "1101", "1101")
    assert len(load_installation(write_fleet(tmp_path)).entries) == 3
