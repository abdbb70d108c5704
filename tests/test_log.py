"""Logs: nothing that looks like a national id leaves the program."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.log import blot, configure_logs, get_log


@pytest.mark.parametrize(
    "text",
    [
        "01818012337",
        "018180 12337",
        "fid=01818012337;",
        "018180123370",
        "018180-12337",
        "018180.12337",
        "018180\u201312337",
        "01.81.80 12337",
        "01.81.80-12337",
        "01 81 80 12337",
        "0181 8012337",
        "41.81.80 12337",
        "0181 80 12337",
        "nr 2 01.81.80 12337",
        "x018180-12337x",
    ],
)
def test_blots_national_ids(text: str) -> None:
    """Eleven or twelve digits in a row, also with a separator between day, month, year and number, are blotted out."""
    assert "12337" not in blot(text)


def test_blots_a_number_in_two_parts() -> None:
    """Also when the two last digits stand apart."""
    assert "123" not in blot("018180 123 37")


@pytest.mark.parametrize(
    "text",
    [
        "2021-01-15T10:30:00+00:00",
        "2021-01-15T10:30:00.123456+01:00",
        "2021-01-15 10:30:00.123456",
        "20210115T103000.123456Z",
        "15.01.2021 kl. 10.30",
        "15.01.2021 777777777",
        "15.01.21 777777777 8133973",
        "2021-01-15 777777777",
        "2021-01-12 8133973",
        "organisasjon 777777777, 12 personer",
        "777777777 123 personer",
        "HER 8133973 og 8000001",
        "1103-2020 versjon 12",
        "12345678-1234-1234-1234-123456789012",
        "1103 12345678-1234-1234-1234-12345678901a",
        "urn:uuid:a2345678-1234-1234-1234-1234567abcde",
        "2020 1234567a" + "0" * 56,
        "a12345678901b" + "c" * 51,
        "ABCDEF12345678901F" + "0" * 14,
        "192.168.10.20:55672",
        "1.2.826.0.1.3680043.10.54",
        "https://kpr.example.invalid/2020/1103/12345",
    ],
)
def test_keeps_what_only_resembles_one(text: str) -> None:
    """Times, MsgIds, digests, organisation numbers, HER-ids and addresses stay whole."""
    assert blot(text) == text


@given(st.uuids(), st.binary(min_size=32, max_size=32), st.datetimes(timezones=st.just(UTC)))
def test_keeps_ids_digests_and_times_of_every_kind(uuid: UUID, digest: bytes, moment: datetime) -> None:
    """Whatever digits they happen to hold, alone or after a municipality's number."""
    for text in (str(uuid), digest.hex(), uuid.hex, moment.isoformat(), moment.isoformat(" ")):
        assert blot(text) == text
        assert blot(f"1103 {text}, sendt") == f"1103 {text}, sendt"


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
