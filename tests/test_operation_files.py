"""The files and pages for an operator: what they name exists, and what they promise stands there."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prefect.settings import Settings

from kpr.cli.app import app
from kpr.fleet.installation import load_installation
from kpr.simulator import NewPlace, settings_text

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deployments" / "systemd").glob("*.service"))
PAGES = [ROOT / "docs" / name for name in ("operation.md", "fleet.md")]
FILES = [*UNITS, *PAGES, ROOT / "deployments" / "compose.yaml", ROOT / "deployments" / "Containerfile"]
#: Read by Prefect's other parts, and not by its settings.
NOT_A_SETTING = {"PREFECT_HOME"}


def known_settings(model: Any = Settings) -> set[str]:
    """Every environment variable that the installed Prefect reads."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            names |= known_settings(inner)
            continue
        prefix = model.model_config.get("env_prefix", "PREFECT_")
        names.add(f"{prefix}{name}".upper())
        for choice in getattr(field.validation_alias, "choices", ()):
            names |= {str(part).upper() for part in getattr(choice, "path", [choice]) if isinstance(part, str)}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_setting_of_prefect_that_is_named_exists(file: Path) -> None:
    """A setting that Prefect does not know would be ignored without a word."""
    named = set(re.findall(r"\bPREFECT_[A-Z_]+\b", file.read_text("utf-8"))) - NOT_A_SETTING
    assert named <= known_settings()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_restarted_and_may_do_little(unit: Path) -> None:
    """It comes back by itself, cannot gain rights, and writes where it must only."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text("utf-8"))
    service = parser["Service"]
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["UMask"] == "0077"
    assert service["StateDirectory"].startswith("kpr/")
    assert {"PREFECT_SERVER_ANALYTICS_ENABLED=false", "DO_NOT_TRACK=1"} <= set(
        re.findall(r"^Environment=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    )
    assert "--limit" not in service["ExecStart"]
    assert shlex.split(service["ExecStart"])[1] in ("server", "worker")


def test_the_compose_file_has_a_server_workers_and_no_secret() -> None:
    """Several workers, analytics off in the image, secrets from files that are not in the repository."""
    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text("utf-8"))
    assert set(compose["services"]) == {"database", "server", "deploy", "worker"}
    assert compose["services"]["deploy"]["environment"] == compose["services"]["worker"]["environment"]
    named = set(re.findall(r"@database/(\w+)|…/(\w+)", (ROOT / "deployments" / "compose.yaml").read_text("utf-8")))
    made = (ROOT / "deployments" / "databases.sql").read_text("utf-8")
    assert len(named) == 3
    assert all(f"CREATE DATABASE {''.join(name)};" in made for name in named)
    assert compose["services"]["worker"]["deploy"]["replicas"] >= 2
    assert "--limit" not in compose["services"]["worker"]["command"]
    assert not re.search(r"password\s*[:=]\s*\S*[A-Za-z0-9]{8}", str(compose["services"]), re.IGNORECASE)
    image = (ROOT / "deployments" / "Containerfile").read_text("utf-8")
    assert "PREFECT_SERVER_ANALYTICS_ENABLED=false" in image
    assert (ROOT / "requirements.lock").exists()


def commands() -> list[list[str]]:
    """Every ``kpr …`` command that the pages name."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    lines = re.findall(r"^kpr [^\n#]*", text, re.MULTILINE) + re.findall(r"`(kpr [^`]*)`", text)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_that_is_named_exists(words: list[str]) -> None:
    """The command and each of its flags."""
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, words
        found, words = found.commands[words[0]], words[1:]
    flags = {flag for parameter in found.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= flags


def test_the_example_of_an_installation_loads(tmp_path: Path) -> None:
    """With one place beneath it, it is an installation of one."""
    (tmp_path / "kpr-fleet.yaml").write_bytes((ROOT / "deployments" / "kpr-fleet.example.yaml").read_bytes())
    (tmp_path / "places" / "1103").mkdir(parents=True)
    (tmp_path / "places" / "1103" / "kpr.yaml").write_text(settings_text(NewPlace()), encoding="utf-8")
    loaded = load_installation(tmp_path / "kpr-fleet.yaml")
    assert [entry.number for entry in loaded] == ["1103"]
    assert loaded.tell.smtp is not None
