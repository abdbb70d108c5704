"""What many tests need: where the official material lies, if it is here at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from kpr.security import certificates

# A slow machine is no fault of the code.
settings.register_profile("kpr", deadline=None)
settings.load_profile("kpr")

OFFICIAL = Path(__file__).resolve().parents[2] / "shared" / "official"


@pytest.fixture(scope="session")
def official() -> Path:
    """The folder of official schemas and samples; the test skips, saying so, where it is absent."""
    if not OFFICIAL.is_dir():
        pytest.skip("the official schemas and samples are not beside this checkout; compared with them elsewhere")
    return OFFICIAL


@pytest.fixture(autouse=True, scope="session")
def _each_key_is_proved_once() -> Iterator[None]:
    """OpenSSL proves a key's primes whenever it is read: a third of many tests. The same bytes give the same key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "load_pem_private_key", cache(certificates.load_pem_private_key))
        yield


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are named by their number, not by what they are: made anew in each process, they would differ."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None


#: The files that take longest, longest first: whoever runs several at a time should not end with one of these alone.
LONGEST = (
    "test_thread",
    "test_two_workers",
    "test_prefect_canary",
    "test_amqp_faults",
    "test_deploy",
    "test_edi_killed",
    "test_edi_ftps",
    "test_edi_year",
    "test_amqp_year",
    "test_edi_sftp",
    "test_canary",
    "test_amqp_prefect",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the others in their usual order."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
