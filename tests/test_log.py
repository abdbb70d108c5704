"""Logs: nothing that looks like a national id leaves the program."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.log import blot, configure_logs, get_log


@pytest.mark.parametrize("text", ["01818012337", "018180 12337", "fid=01818012337;", "018180123370"])
def test_blots_national_ids(text: str) -> None:
    """Eleven or twelve digits in a row, also with the customary blank, are blotted out."""
    assert "12337" not in blot(text)


def test_keeps_other_numbers() -> None:
    """Organisation numbers, HER-ids and dates stay readable."""
    assert blot("777777777 8133973 20201231 1103") == "777777777 8133973 20201231 1103"


@given(st.text(max_size=20), st.integers(0, 10**11 - 1), st.text(alphabet="abc :;,", max_size=20))
def test_no_eleven_digits_survive(before: str, number: int, after: str) -> None:
    """Wherever it stands in a text, an eleven-digit number does not come through."""
    digits = f"{number:011d}"
    assert digits not in blot(f"{before.rstrip('0123456789')} {digits}{after}")


def test_log_line_hides_what_was_passed_by_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """A national id passed as text, number or inside an object is hidden in the written line."""
    configure_logs(as_json=True)
    get_log("test").info("sent", text="id 01818012337", number=41818012088, thing=["01818012337"], count=7)
    line = json.loads(capsys.readouterr().err)
    assert line["count"] == 7
    assert line["number"] == "[hidden]"
    assert "12337" not in json.dumps(line)
