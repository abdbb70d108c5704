"""What many tests need: where the official material lies, if it is here at all."""

from __future__ import annotations

from pathlib import Path

import pytest

OFFICIAL = Path(__file__).resolve().parents[2] / "shared" / "official"


@pytest.fixture(scope="session")
def official() -> Path:
    """The folder of official schemas and samples; the test skips, saying so, where it is absent."""
    if not OFFICIAL.is_dir():
        pytest.skip("the official schemas and samples are not beside this checkout; compared with them elsewhere")
    return OFFICIAL


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are named by their number, not by what they are: made anew in each process, they would differ."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None
