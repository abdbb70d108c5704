"""The form for a message handler: the plain message goes through as it is, and nothing is answered."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kpr.errors import BadMessage
from kpr.packaging.open import open_packaging
from kpr.packaging.plain import Plain
from kpr.packaging.seam import Unpacked
from kpr.reliability import Patience
from kpr.security.refusals import Unsupported
from kpr.transports.edi.settings import EdiSettings
from kpr.transports.seam import Envelope, ErrorForm, Fault
from kpr.years import load_year

NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)
PLAIN = Plain(Patience(0, timedelta(hours=72)))
NOBODY = Envelope("1", "KPR_IPL", "2", "3", NOW)


@given(some.binary(max_size=1000))
def test_the_bytes_go_through_both_ways(data: bytes) -> None:
    """Whatever they are: the hash and size are those of the message, and no digests are remembered."""
    out, back = io.BytesIO(), io.BytesIO()
    done = PLAIN.pack(io.BytesIO(data), len(data), out, NOBODY)
    assert (out.getvalue(), done.size, done.sha256, done.digests) == (data, len(data), sha256(data).hexdigest(), "")
    assert PLAIN.unpack(io.BytesIO(data), back, limit=1000, now=NOW) == Unpacked()
    assert back.getvalue() == data


def test_a_message_of_several_pieces_is_copied_whole() -> None:
    """More than a megabyte, in and out."""
    data, out, back = bytes(range(256)) * 10_000, io.BytesIO(), io.BytesIO()
    PLAIN.pack(io.BytesIO(data), len(data), out, NOBODY)
    PLAIN.unpack(io.BytesIO(data), back, limit=len(data), now=NOW)
    assert out.getvalue() == back.getvalue() == data


@pytest.mark.parametrize("size", [0, 4, 6, 2_000_000])
def test_a_message_that_changes_meanwhile_is_stopped(size: int) -> None:
    """More or fewer bytes than were promised are not handed over as if they were the message."""
    with pytest.raises(BadMessage, match="changed"):
        PLAIN.pack(io.BytesIO(b"fem__"), size, io.BytesIO(), NOBODY)


def test_a_receipt_beyond_the_limit_is_not_taken() -> None:
    """Exactly the limit is taken, and one byte more is not."""
    PLAIN.unpack(io.BytesIO(b"1234"), io.BytesIO(), limit=4, now=NOW)
    with pytest.raises(Unsupported):
        PLAIN.unpack(io.BytesIO(b"12345"), io.BytesIO(), limit=4, now=NOW)


def test_the_handler_answers_and_we_do_not() -> None:
    """It acknowledges and refuses by itself, and has checked what it lays before us."""
    assert PLAIN.acknowledgment(Unpacked(), NOW) is None
    assert PLAIN.refusal(Fault("x", "y"), NOBODY, ErrorForm.SPEC) is None
    assert PLAIN.check_signal(io.BytesIO(b"anything")) == Unpacked()


@pytest.mark.parametrize(("said", "hours"), [({}, 72), ({"retries": 2, "retry_hours": 4}, 12), ({"retries": 0}, 12)])
def test_we_wait_as_long_as_the_handlers_tries_take(said: dict[str, Any], hours: float) -> None:
    """One try of ours, and the time of all of its tries with an interval after the last."""
    settings = EdiSettings.model_validate(
        {"kind": "edi", "form": "handler", "carrier": {"kind": "folder", "folder": "/x"}, **said}
    )
    opened = open_packaging(settings, None, load_year(2020), "2", "4")  # type: ignore[arg-type]
    assert opened.patience == Patience(0, timedelta(hours=hours))
