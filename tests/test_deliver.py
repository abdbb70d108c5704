"""The tasks that meet the other side: what Prefect tries again, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from kpr.errors import Blocked, Locked, TransportError, TransportRefused
from kpr.security.trust_settings import RevocationUnknown
from tasks.deliver import _is_transport_fault


class Ended:
    """A task run that ended with an error, as Prefect hands it to the condition."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def result(self) -> Any:
        """Raises, as Prefect's state does."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TransportError("away"), True),
        (RevocationUnknown("the issuer does not answer"), True),
        (TransportRefused("unroutable"), False),
        (Locked("awaiting"), False),
        (Blocked("findings"), False),
        (ValueError("a bug"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_pass_is_tried_again(error: Exception, again: bool) -> None:
    """An outage passes by itself; a refusal needs somebody to mend something, so trying again would only be noise."""
    assert _is_transport_fault(None, None, Ended(error)) is again
