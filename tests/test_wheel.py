"""The wheel: whoever installs kpr without its repository has all that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("kpr", "flows", "tasks", "deployments")
READ_AT_RUN_TIME = {".yaml", ".html", ".xsd", ".sql", ".css", ".mako"}
EXAMPLES = {"deployments/compose.yaml", "deployments/kpr-fleet.example.yaml"}

BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
PLAN = """
from datetime import UTC, datetime
import deployments
from deployments.plan import plan
from kpr.years import load_year
print(deployments.__file__, len(plan(load_year(2020), datetime(2020, 12, 1, tzinfo=UTC))))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation of the wheel has; made from a copy, so that the repository stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, folder], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_every_file_that_is_read_at_run_time_is_in_the_wheel(unpacked: Path) -> None:
    """Data, pages, schemas and queries lie beside the code that reads them."""
    wanted = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.suffix in READ_AT_RUN_TIME
    }
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert wanted - EXAMPLES - there == set()


def test_the_plan_is_made_from_the_wheel(unpacked: Path) -> None:
    """An installed ``kpr deploy`` has its plan along."""
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-c", PLAN], cwd=unpacked, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(unpacked / "deployments" / "__init__.py"), "10"]
