"""The trial submission: settings that could reach production, or touch what is really sent, are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from place import Place

from kpr.errors import BadSettings
from kpr.steps.rehearsal import open_rehearsal, rehearse_once
from kpr.years import known_years, load_year


@pytest.fixture
def real(tmp_path: Path) -> Place:
    """The real place."""
    return Place(tmp_path / "real", persons=5)


@pytest.fixture
def trial(tmp_path: Path) -> Place:
    """The trial's own place, with its own stand-in register."""
    return Place(tmp_path / "trial", persons=5)


def change(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    """Write other settings."""
    values = yaml.safe_load(place.settings.read_text("utf-8"))
    change(values)
    place.settings.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")


def refusal(trial: Place, real: Place) -> BadSettings:
    """Why it was refused; nothing may have been opened by then."""
    before = snapshot(real)
    with pytest.raises(BadSettings) as refused, open_rehearsal(trial.settings, real.settings):
        pass
    assert snapshot(real) == before
    assert refused.value.remedy
    return refused.value


def snapshot(place: Place) -> dict[str, bytes]:
    """Everything that lies in a place."""
    files = (path for path in place.folder.rglob("*") if path.is_file())
    return {str(path.relative_to(place.folder)): path.read_bytes() for path in files}


def test_a_trial_goes_all_the_way_and_touches_nothing_real(trial: Place, real: Place) -> None:
    """A trial is prepared, sent and accepted by its own register; the real place is as it was, byte for byte."""
    before = snapshot(real)
    with open_rehearsal(trial.settings, real.settings) as place:
        submission = rehearse_once(place, "rolle A")
        assert place.store.submission(submission).approved_by == "rolle A"
    trial.exchange()
    assert trial.status().state == "ACCEPTED"
    assert snapshot(real) == before


def test_a_trial_may_be_done_again_when_it_was_answered(trial: Place, real: Place) -> None:
    """A second trial is a new version of the trial, and needs no words about what was mended."""
    for version in (1, 2):
        with open_rehearsal(trial.settings, real.settings) as place:
            submission = rehearse_once(place, "rolle A")
            assert place.store.submission(submission).version == version
        trial.exchange()
    assert trial.status().state == "ACCEPTED"


def test_the_same_certificates_may_be_used(trial: Place, real: Place) -> None:
    """A municipality has one enterprise certificate: naming the real one's files is no reason to refuse."""
    keys = {name: str(real.folder / "keys" / name) for name in ("sign.pem", "sign.key", "decrypt.pem", "decrypt.key")}

    def share(values: dict[str, Any]) -> None:
        values["keys"] |= {"signing_certificate": keys["sign.pem"], "signing_key": keys["sign.key"]}

    change(trial, share)
    with open_rehearsal(trial.settings, real.settings) as place:
        assert place.settings.keys.signing_certificate == real.folder / "keys" / "sign.pem"


def test_the_production_environment_is_refused(trial: Place, real: Place) -> None:
    """A trial is for qa, test or the simulator."""

    def produce(values: dict[str, Any]) -> None:
        values |= {"environment": "production", "clock_file": None}
        values["trust"] = {"roots": "keys/sign.pem"}

    change(trial, produce)
    refused = refusal(trial, real)
    assert "produksjon" in refused.problem
    assert refused.place == "kpr.yaml: environment"


@pytest.mark.parametrize("her_id", sorted({load_year(year).receiver_production.value for year in known_years()}))
def test_production_s_receiver_of_any_year_is_refused(trial: Place, real: Place, her_id: str) -> None:
    """Whatever data year the trial is for, none of the register's production addresses may be its receiver."""
    change(trial, lambda values: values["receiver"].update(service_her_id=her_id))
    assert "produksjonens mottaker" in refusal(trial, real).problem


def test_the_receiver_that_production_really_uses_is_refused(trial: Place, real: Place) -> None:
    """An address that only the municipality's own year file knows is production's all the same."""
    (real.folder / "year.yaml").write_text(
        "receiver_production: {value: '9999999', source: 'Adresseregisteret', mark: confirmed}\n", "utf-8"
    )
    change(real, lambda values: values.update(year_file="year.yaml"))
    change(trial, lambda values: values["receiver"].update(service_her_id="9999999"))
    assert "produksjonens mottaker" in refusal(trial, real).problem


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("store.url", lambda real: {"store": {"url": f"sqlite:///{real.folder}/../real/kpr.sqlite"}}),
        ("vault.folder", lambda real: {"vault": {"folder": str(real.folder / "keys" / ".." / "vault")}}),
        (
            "transport.folder",
            lambda real: {"transport": {"kind": "directory", "folder": str(real.folder / "exchange")}},
        ),
    ],
)
def test_a_shared_place_is_refused_by_whatever_name(
    trial: Place, real: Place, part: str, named: Callable[[Place], dict[str, Any]]
) -> None:
    """Database, vault and exchange folder are the trial's own, however the path to them is written."""

    def share(values: dict[str, Any]) -> None:
        for name, value in named(real).items():
            values[name] = values.get(name, {}) | value

    change(trial, share)
    refused = refusal(trial, real)
    assert "der det virkelige ligger" in refused.problem
    assert refused.place == f"kpr.yaml: {part}"


def test_a_vault_behind_a_link_is_the_same_vault(trial: Place, real: Place) -> None:
    """A link to the real vault is seen through."""
    (real.folder / "vault").mkdir(exist_ok=True)
    (trial.folder / "link").symlink_to(real.folder / "vault")
    change(trial, lambda values: values["vault"].update(folder="link"))
    assert refusal(trial, real).place == "kpr.yaml: vault.folder"


def test_one_database_by_two_addresses_is_shared(trial: Place, real: Place) -> None:
    """The same PostgreSQL database under another user, driver, and with the usual port left out, is the same one."""
    change(real, lambda values: values.update(store={"url": "postgresql+psycopg://kpr@127.0.0.1:5432/kpr"}))
    change(trial, lambda values: values.update(store={"url": "postgresql://trial@LOCALHOST/kpr"}))
    refused = refusal(trial, real)
    assert refused.place == "kpr.yaml: store.url"
    assert "postgresql" not in str(refused)


def test_a_variable_that_holds_for_both_is_seen(
    trial: Place, real: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment goes before both files: a database named there would be shared."""
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{tmp_path}/both.sqlite")
    assert refusal(trial, real).place == "kpr.yaml: store.url"
    assert not (tmp_path / "both.sqlite").exists()


def test_the_trial_s_database_has_a_variable_of_its_own(
    trial: Place, real: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on PostgreSQL, where the environment names the real one for all: the trial goes into its own."""
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{tmp_path}/both.sqlite")
    monkeypatch.setenv("KPR_TRIAL_STORE__URL", f"sqlite:///{tmp_path}/trials.sqlite")
    with open_rehearsal(trial.settings, real.settings) as place:
        rehearse_once(place, "rolle A")
    assert not (tmp_path / "both.sqlite").exists()
    assert (tmp_path / "trials.sqlite").exists()


def test_the_trial_s_variable_must_name_another_database(
    trial: Place, real: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same one by two variables is shared all the same; the remedy names the variable, never its value."""
    for name in ("KPR_STORE__URL", "KPR_TRIAL_STORE__URL"):
        monkeypatch.setenv(name, f"sqlite:///{tmp_path}/both.sqlite")
    refused = refusal(trial, real)
    assert refused.place == "kpr.yaml: store.url"
    assert "KPR_TRIAL_STORE__URL" in refused.remedy
    assert "both" not in str(refused)


@pytest.mark.parametrize(
    ("part", "other"),
    [("municipality.number", {"municipality": {"number": "0301"}}), ("data_year", {"data_year": 2021})],
)
def test_a_trial_is_for_the_same_municipality_and_year(
    trial: Place, real: Place, part: str, other: dict[str, Any]
) -> None:
    """Settings of another municipality or year show nothing about this one."""

    def differ(values: dict[str, Any]) -> None:
        for name, value in other.items():
            values[name] = values[name] | value if isinstance(value, dict) else value

    change(trial, differ)
    refused = refusal(trial, real)
    assert refused.place == f"kpr.yaml: {part}"
    assert "annen kommune eller et annet år" in refused.problem
