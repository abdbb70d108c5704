"""What the houses may know of each other: the domain works without Prefect, and nobody imports the flows but the edges."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_domain_does_not_need_prefect() -> None:
    """``kpr`` can be used without Prefect: nothing in it imports prefect, flows, tasks or deployments at its top."""
    for path in (ROOT / "kpr").rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not line.startswith(
                ("import prefect", "from prefect", "from flows", "from tasks", "from deployments")
            ), path.name
