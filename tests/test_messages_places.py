"""Errors of the writers and the gate: the sentence fits, the place is exact, and no value or national id is told."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest
from test_messages_round_trip import head, ident_header, ident_message, iplos_header, iplos_message, work_rows

from kpr.errors import BadMessage
from kpr.messages.gate import gate
from kpr.messages.head import Head, read_head, write_message
from kpr.messages.ident import IdentHeader, ident_payload
from kpr.messages.iplos import iplos_payload
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows

NATIONAL_ID = "01818012337"


def ids(*rows: tuple[str | None, ...]) -> WorkRows:
    """Work rows with these ids: institution, pid, fid, typeID."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("ident", ("institusjonID", "pid", "fid", "typeID"), list(rows)))
    work.finish()
    return work


def refused_ident(work: WorkRows, **changes: Any) -> BadMessage:
    """The error of writing these ids, with these changes to the header."""
    said = {field.name: getattr(ident_header(), field.name) for field in fields(IdentHeader)}
    with pytest.raises(BadMessage) as caught:
        write_message(head("KPR_IDE"), ident_payload(work, IdentHeader(**(said | changes))), io.BytesIO())
    return caught.value


GOOD = (None, "1", NATIONAL_ID, "1")


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ((None, "2", NATIONAL_ID, "11"), "person 2, ident, row 2, typeID"),
        ((None, "2", NATIONAL_ID, None), "person 2, ident, row 2, typeID"),
        ((None, "2", None, "1"), "person 2, ident, row 2, fid"),
        ((None, None, NATIONAL_ID, "1"), "person (key not shown), ident, row 2, pid"),
        ((None, "2", "0181\x01", "1"), "person 2, ident, row 2"),
        ((None, "1", NATIONAL_ID, "1"), "person 1, ident, row 2"),
        (("", "1", NATIONAL_ID, "1"), "person 1, ident, row 2"),
        (("777777777", "1", NATIONAL_ID, "1"), "person 1, ident, row 2"),
        ((None, NATIONAL_ID, NATIONAL_ID, "x"), "person (key not shown), ident, row 2, typeID"),
    ],
)
def test_a_bad_id_is_named_by_row_and_attribute(row: tuple[str | None, ...], place: str) -> None:
    """Local key, row and attribute; never the id, not even when it was given as the key (I09)."""
    error = refused_ident(ids(GOOD, row))
    assert error.place == place
    assert NATIONAL_ID not in str(error)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"vendor": ""}, "Melding, leverandor"),
        ({"system_name": "a\x01"}, "Melding"),
        ({"contacts": []}, "Kontaktperson"),
        ({"contacts": [{"kontPerson": "Rolle", "meldEpost1": "a", "typeKontaktperson": "18"}]},
         "Kontaktperson, row 1, typeKontaktperson"),
        ({"contacts": [{"kontPerson": "Rolle", "typeKontaktperson": "1"}]}, "Kontaktperson, row 1, meldEpost1"),
        ({"version": "53.1.2", "contacts": [{"kontPerson": "R", "meldEpost1": "a", "typeKontaktperson": "17"}]},
         "Kontaktperson, row 1, typeKontaktperson"),
    ],
)  # fmt: skip
def test_a_bad_ident_header_is_named(changes: dict[str, Any], place: str) -> None:
    """What the settings gave is named before a person is written; type 17 exists from 53.1.3 only (I15)."""
    assert refused_ident(ids(GOOD), **changes).place == place


def test_ids_may_be_the_same_in_two_institutions() -> None:
    """A key is unique within its institution."""
    work = ids(GOOD, ("888888888", "1", NATIONAL_ID, "1"))
    assert gate(io.BytesIO(ident_message(work)), "ident", "53.1.3").persons == 2


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"municipality_number": "301"}, "INNHINFO, iiKomnr"),
        ({"district_number": ""}, "INNHINFO, iiBydelsnr"),
        ({"system_id": "a name far too long"}, "INNHINFO, iiSysID"),
        ({"system_version": "1\x00"}, "INNHINFO"),
        ({"sequence_number": 2_147_483_648}, "INNHINFO, iiLopenr"),
        ({"contacts": ()}, "INNHINFO, iiKontakt"),
    ],
)
def test_a_bad_iplos_header_is_named(changes: dict[str, Any], place: str) -> None:
    """What the settings gave is named as the element that it would have been."""
    with pytest.raises(BadMessage) as caught:
        write_message(head(), iplos_payload(work_rows(), replace(iplos_header(), **changes)), io.BytesIO())
    assert caught.value.place == place


def test_a_national_id_as_person_key_is_never_told() -> None:
    """Where an extract has national ids as its keys (I09), the row number names the place."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("person", ("pePeID",), [(NATIONAL_ID,)]))
    work.add(Batch("tjeneste", ("tjPeID", "tjTjID", "tjTjenType"), [(NATIONAL_ID, "1", "femten")]))
    work.finish()
    with pytest.raises(BadMessage) as caught:
        iplos_message(work)
    assert caught.value.place == "person (key not shown), TJENESTE, row 1, tjTjenType"


def test_a_row_tied_to_a_person_who_is_not_there_stops_the_message() -> None:
    """Not one row is ever left out in silence, whatever the source said about its person."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("person", ("pePeID",), [("1",), ("2",)]))
    rows = [("1", "1", "15"), ("2", "1", "15")]
    work.add(Batch("tjeneste", ("tjPeID", "tjTjID", "tjTjenType"), rows, persons=[1, 3]))
    work.finish()
    with pytest.raises(BadMessage, match="belongs to no person"):
        iplos_message(work)


def test_an_empty_value_is_left_out_unless_it_must_be_there() -> None:
    """Optional: no empty element (HISD 1165). Obligatory: written as it stands, since missing is something else."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("person", ("pePeID", "peKjonn"), [("1", "")]))
    score = ("1", "1", "13", "", "20200101", "99991231")
    work.add(Batch("funksjon", work.columns["funksjon"], [score]))
    work.finish()
    data = iplos_message(work)
    assert b"peKjonn" not in data
    assert b"<fnFunkVerdi></fnFunkVerdi>" in data


@pytest.mark.parametrize(
    ("before", "after", "sentence", "place"),
    [
        (b">3.50<", b">3,50<", "not of the kind", "tjTimerUke"),
        (b">20200301<", b">20201301<", "does not have the form", "tjVedtDato"),
        (b">20200301<", b">2020<", "too long or too short", "tjVedtDato"),
        (b">3.50<", b">123456<", "more digits", "tjTimerUke"),
        (b' tjTjID="1"', b"", "required key is missing", "tjTjID"),
        (b' tjTjID="1"', b' tjTjID="1" x="1"', "key is not allowed", "x"),
        (b"<peAlder>80</peAlder>", b"<peAlder>80</peAlder><peAlder>80</peAlder>", "out of order", "peKjonn"),
        (b'versjon="3.7"', b'versjon="3.5"', "does not follow its schema", "versjon"),
        (b"<Type V", b"<Type X", "key is not allowed", "X"),
    ],
)
def test_the_gate_says_what_is_wrong_and_with_which_element(
    before: bytes, after: bytes, sentence: str, place: str
) -> None:
    """A message from elsewhere gets a sentence of ours and a name, so that its sender can be answered."""
    data = iplos_message(work_rows())
    assert before in data
    with pytest.raises(BadMessage, match=sentence) as caught:
        gate(io.BytesIO(data.replace(before, after, 1)), "iplos", "3.7")
    assert caught.value.place == place


def test_a_key_that_stands_twice_is_told_by_the_gate() -> None:
    """xs:unique is checked in the stream too, and the key is not told."""
    data = ident_message(ids(GOOD, (None, "2", NATIONAL_ID, "1"))).replace(b'pid="2"', b'pid="1"')
    with pytest.raises(BadMessage, match="stands twice") as caught:
        gate(io.BytesIO(data), "ident", "53.1.3")
    assert NATIONAL_ID not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "family", "version", "sentence"),
    [
        (iplos_message(work_rows()).replace(b"iplos/2019", b"iplos/2018"), "iplos", "3.7", r"\(2018\) than .* \(2019\)"),
        (iplos_message(work_rows()), "iplos", "3.5", r"\(2019\) than .* \(2018\)"),
        (iplos_message(work_rows()), "ident", "53.1.3", r"\(2019\) than .* \(53_1_3_ide\)"),
        (ident_message(work_rows()), "ident", "53.1.2", r"\(53_1_3_ide\) than .* \(53_1_2_ide\)"),
        (ident_message(work_rows()).replace(b"53_1_3_ide", b"01818012337 x"), "ident", "53.1.3", r"\(unknown\)"),
    ],
)  # fmt: skip
def test_another_format_gets_its_own_sentence(data: bytes, family: str, version: str, sentence: str) -> None:
    """A file of 2018 given for 2020, or an IPLOS message for an ident one, is named as that."""
    with pytest.raises(BadMessage, match=sentence):
        gate(io.BytesIO(data), family, version)


def test_two_payloads_in_one_message_are_refused() -> None:
    """The schema of the head would take any number; one message carries one payload."""
    data = iplos_message(work_rows())
    payload = data[data.index(b"<IPLOS") : data.index(b"</IPLOS>") + len(b"</IPLOS>")]
    assert gate(io.BytesIO(data), "iplos", "3.7").persons == 3
    with pytest.raises(BadMessage, match="more than one payload"):
        gate(io.BytesIO(data.replace(payload, payload * 2)), "iplos", "3.7")


def test_a_payload_without_a_head_is_refused_at_once() -> None:
    """However large it is, no more than its beginning is read."""
    payload = iplos_message(work_rows())
    payload = payload[payload.index(b"<IPLOS") :]
    source = io.BytesIO(payload.replace(b"<PERSON", b"<PERSON" + b" " * 1_000_000, 1))
    with pytest.raises(BadMessage, match="message head"):
        read_head(source)
    assert source.tell() < 200_000


def test_a_head_without_end_is_refused() -> None:
    """A head that never comes to its payload is not read for ever."""
    data = iplos_message(work_rows())
    endless = data.replace(b"<Sender>", b"<Sender>" + b"<a/>" * 200_000, 1)
    with pytest.raises(BadMessage, match="message head"):
        read_head(io.BytesIO(endless))


def test_a_time_without_a_zone_makes_no_head() -> None:
    """It would silently be taken for that of the machine (M4)."""
    said = {field.name: getattr(head(), field.name) for field in fields(Head)}
    with pytest.raises(ValueError, match="zone"):
        Head(**(said | {"generated": datetime(2021, 1, 11)}))  # noqa: DTZ001


def test_a_control_character_in_the_head_stops_the_message() -> None:
    """Settings are held to the same rule as rows."""
    with pytest.raises(BadMessage, match="does not allow") as caught:
        write_message(head(msg_id="a\x01"), iplos_payload(work_rows(), iplos_header()), io.BytesIO())
    assert caught.value.place == "MsgInfo"
