"""Receipts: both versions written and read, official samples read, and what breaks the rules still read and told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.app_rec import AppRec, AppRecError, error_codes, read_app_rec, write_app_rec
from kpr.messages.head import Party
from kpr.messages.schemas import payload_schema

REGISTER = Party("Registereier (test)", "8000003", "KPR (test)", "8133973")
OURS = Party("Eksempel kommune", "8000001", "Saksbehandling", "8000002")
MSG_ID = "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0011"
LIST = "2.16.578.1.12.4.1.1.8221"


def receipt(version: str = "1.1", status: str = "1", errors: tuple[AppRecError, ...] = ()) -> AppRec:
    """A receipt from the register to us."""
    return AppRec(
        version=version,
        id="6a1d7c52-90a4-4a59-8f0e-5d3c1b2a0001",
        generated=datetime(2021, 1, 11, 8, 21, 40, tzinfo=UTC),
        status=status,
        errors=errors,
        original_msg_id=MSG_ID,
        original_type="KPR_IPL",
        original_issue_date=datetime(2021, 1, 11, 8, 15, tzinfo=UTC),
        sender_her_id="8133973",
        receiver_her_id="8000002",
    )


def written(version: str = "1.1", status: str = "1", errors: tuple[AppRecError, ...] = ()) -> bytes:
    """That receipt as bytes."""
    return write_app_rec(receipt(version, status, errors), REGISTER, OURS)


def faults_of(data: bytes) -> tuple[str, ...]:
    """What the reader says is wrong."""
    return read_app_rec(data).faults


_ERRORS = st.builds(
    AppRecError,
    st.sampled_from(sorted(error_codes())),
    st.just(LIST),
    st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=20),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=20),
)


@given(
    version=st.sampled_from(["1.0", "1.1"]),
    verdict=st.just(("1", ())) | st.tuples(st.sampled_from("23"), st.lists(_ERRORS, min_size=1, max_size=3).map(tuple)),
)
def test_a_receipt_is_read_as_it_was_written(version: str, verdict: tuple[str, tuple[AppRecError, ...]]) -> None:
    """Any verdict with any errors comes back as it went out, follows its schema, and has no faults."""
    made = receipt(version, *verdict)
    data = write_app_rec(made, REGISTER, OURS)
    assert read_app_rec(data) == made
    assert payload_schema("apprec", version).validate(etree.fromstring(data))


def test_versions_are_told_apart_by_namespace() -> None:
    """An odd MIGversion, as in an official sample, changes nothing."""
    odd = written("1.0").replace(b"1.0 2004-11-21", b"1.0 2008-11-21")
    assert read_app_rec(odd).version == "1.0"
    assert faults_of(odd) == ()


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (b"<Id>6a1d7c52-90a4-4a59-8f0e-5d3c1b2a0001</Id>", b"", "does not follow its schema"),
        (b'<Status V="1" DN="OK"/>', b'<Status V="7"/>', "unknown status"),
        (b'<Status V="1" DN="OK"/>', b"<Status/>", "unknown status"),
        (b'<Status V="1" DN="OK"/>', b'<Status V="2"/>', "negative, but without errors"),
        (b"<OriginalMsgId>", b'<Error V="T02"/><OriginalMsgId>', "positive, but with errors"),
        (MSG_ID.encode(), b"message one", "original id is no UUID"),
    ],
)
def test_a_receipt_that_breaks_the_rules_is_read_and_told(before: bytes, after: bytes, fault: str) -> None:
    """Status and original id are still read; what was wrong stands in the faults."""
    data = written()
    assert before in data
    read = read_app_rec(data.replace(before, after))
    assert read.faults == (fault,)
    assert read.original_type == "KPR_IPL"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2021-01-11T09:15:00", datetime(2021, 1, 11, 9, 15, tzinfo=timezone(timedelta(hours=1)))),
        ("2021-07-11T09:15:00", datetime(2021, 7, 11, 9, 15, tzinfo=timezone(timedelta(hours=2)))),
        ("2021-01-11T09:15:00.0004673Z", datetime(2021, 1, 11, 9, 15, 0, 467, tzinfo=UTC)),
        ("2021-01-11T09:15:00+01:00", datetime(2021, 1, 11, 8, 15, tzinfo=UTC)),
        (" 2021-01-11T09:15:00Z ", datetime(2021, 1, 11, 9, 15, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_times_are_read_in_every_form(said: str, meant: datetime | None) -> None:
    """No zone means Norwegian time (HIS 1037 s. 6.2.1); seven fraction digits and a Z are met in real receipts."""
    data = written().replace(b"<GenDate>2021-01-11T09:21:40+01:00<", f"<GenDate>{said}<".encode())
    assert read_app_rec(data).generated == meant


def test_white_space_around_codes_and_ids_is_no_part_of_them() -> None:
    """Real receipts have `V=" HER"` and padded ids (HISD 1165 forbids it)."""
    data = written().replace(b'V="1"', b'V=" 1 "').replace(MSG_ID.encode(), f"\n  {MSG_ID} ".encode())
    read = read_app_rec(data)
    assert (read.status, read.original_msg_id) == ("1", MSG_ID)


def test_an_error_never_shows_its_detail() -> None:
    """OT may hold person data; it is kept for the officer and never for a log."""
    data = written("1.1", "2", (AppRecError("T99", LIST, "Annen feil på format", "about 01818012337"),))
    read = read_app_rec(data)
    assert read.errors[0].detail == "about 01818012337"
    assert "01818012337" not in repr(read)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text",
        b"<AppRec/>",
        b'<AppRec xmlns="http://www.kith.no/xmlstds/apprec/2012-02-15"/>',
        b'<Other xmlns="http://www.kith.no/xmlstds/apprec/2012-02-15"/>',
        b'<!DOCTYPE a [<!ENTITY a "b">]><a>&a;</a>',
        written()[:-20],
        written().replace(MSG_ID.encode(), b" "),
        written().replace(b'<Status V="1" DN="OK"/>', b""),
        written() + b" " * (1 << 20),
    ],
    ids=[
        "empty",
        "text",
        "no namespace",
        "no content",
        "other root",
        "doctype",
        "cut off",
        "no original",
        "no status",
        "too large",
    ],
)
def test_what_is_no_receipt_gets_a_clear_error(data: bytes) -> None:
    """A sentence of our own, never the parser's."""
    with pytest.raises(BadMessage):
        read_app_rec(data)


def test_no_empty_attribute_is_written() -> None:
    """HISD 1165: an unknown status has no text, and an error without a text has none either."""
    data = written("1.1", "9", (AppRecError("Z1", "1.2.3", ""),))
    assert b'=""' not in data
    assert b'<Status V="9"/>' in data


def test_a_receipt_with_a_control_character_is_not_written() -> None:
    """The stand-in register's own texts are held to the same rule, and the value is not told."""
    with pytest.raises(BadMessage, match="does not allow"):
        written("1.1", "2", (AppRecError("T99", LIST, "Annen feil", "\x01"),))


def test_code_list_8221_is_whole() -> None:
    """22 codes, each with a text and one who mends it."""
    codes = error_codes()
    assert sorted(codes) == sorted(
        [
            "T01",
            "T02",
            "T10",
            "T99",
            "S01",
            "S02",
            "S03",
            "S99",
            "E10",
            "E20",
            "E21",
            "E30",
            "E31",
            "E32",
            "E33",
            "E34",
            "E35",
            "E36",
            "E40",
            "E53",
            "E54",
            "X99",
        ]
    )
    assert {row.who_mends for row in codes.values()} == {"sender", "data", "key", "register"}
    assert all(row.text for row in codes.values())
    assert (codes["T02"].who_mends, codes["T02"].also) == ("sender", "data")


@pytest.mark.parametrize(
    ("name", "version", "status", "errors", "sender", "receiver"),
    [
        ("v1.0-all-data", "1.0", "1", [], "8143060", "555111"),
        ("v1.0-example-avvist", "1.0", "2", ["E21"], "56704", "91126"),
        ("v1.0-example-ok", "1.0", "1", [], "56704", "91126"),
        ("v1.1-all-data", "1.1", "1", [], "8143060", "555111"),
        ("v1.1-example-avvist", "1.1", "2", ["E21"], "56704", "89583"),
        ("v1.1-example-ok", "1.1", "1", [], "56704", "89583"),
        ("v1.1-helsenorge", "1.1", "1", [], "56704", "90998"),
    ],
)
def test_every_official_sample_is_read(
    official: Path, name: str, version: str, status: str, errors: list[str], sender: str, receiver: str
) -> None:
    """Version, verdict and both parties of each sample, without faults."""
    read = read_app_rec((official / "samples" / "apprec" / f"{name}.xml").read_bytes())
    assert (read.version, read.status, [error.code for error in read.errors]) == (version, status, errors)
    assert (read.sender_her_id, read.receiver_her_id) == (sender, receiver)
    assert read.faults == ()
    assert read.generated is not None
    assert read.original_issue_date is not None
