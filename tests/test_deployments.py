"""The deployments: what prefect.yaml names is there, and takes the parameters that it is given."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda entry: entry["name"])
def test_a_deployment_names_a_flow_with_its_parameters(deployment: dict[str, Any]) -> None:
    """The entrypoint is a flow, and it knows every parameter."""
    file, name = deployment["entrypoint"].split(":")
    spec = importlib.util.spec_from_file_location(f"deployed_{name}", ROOT / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    flow = getattr(module, name)
    assert set(deployment["parameters"]) <= set(flow.parameters.properties)
    assert set(flow.parameters.required) <= set(deployment["parameters"])


def test_every_flow_is_deployed() -> None:
    """A new flow file gets an entry, or this test fails."""
    flows = {path.name for path in (ROOT / "flows").glob("*.py")} - {"__init__.py"}
    assert flows == {Path(entry["entrypoint"].split(":")[0]).name for entry in DEPLOYMENTS}


def test_the_domain_does_not_need_prefect() -> None:
    """``kpr`` can be used without Prefect: nothing in it imports prefect, flows or tasks at its top."""
    for path in (ROOT / "kpr").rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not line.startswith(("import prefect", "from prefect", "from flows", "from tasks")), path.name
