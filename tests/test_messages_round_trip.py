"""Messages: what is written passes the gate, says what the rows said, and is the same every time."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest

from kpr.errors import BadMessage
from kpr.messages.gate import gate
from kpr.messages.head import ConversationRef, Head, MessageInfo, Party, read_head, write_message
from kpr.messages.ident import IdentHeader, ident_payload
from kpr.messages.iplos import IplosHeader, iplos_payload
from kpr.messages.pair import PairReport, check_pair
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows

FIRST, LAST = date(2020, 1, 1), date(2020, 12, 31)
OURS = Party("Eksempel kommune", "8000001", "Saksbehandling", "8000002", "777777777")
THEIRS = Party("Registereier (test)", "8000003", "KPR (test)", "8133973")


def head(message_type: str = "KPR_IPL", **changes: object) -> Head:
    """A message head of the test register."""
    values = {
        "message_type": message_type,
        "msg_id": "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001",
        "generated": datetime(2021, 1, 11, 8, 15, tzinfo=UTC),
        "sender": OURS,
        "receiver": THEIRS,
        "processing_status": "D",
    }
    return Head(**(values | changes))  # type: ignore[arg-type]


def iplos_header(number: int = 1) -> IplosHeader:
    """INNHINFO of the example municipality."""
    contacts = [{"Type": kind, "Navn": "Rolle", "Telefon": "00000000", "Epost": "a@example.invalid"} for kind in "12"]
    return IplosHeader("1103", "00", contacts, FIRST, LAST, date(2021, 1, 11), "EPJ", "1.0", number)


def ident_header(number: int = 1) -> IdentHeader:
    """Melding of the example municipality."""
    contact = {"kontPerson": "Rolle", "meldEpost1": "a@example.invalid", "typeKontaktperson": "16"}
    return IdentHeader(
        "53.1.3", FIRST, LAST, date(2021, 1, 11), "V", "EPJ", "1.0", "1.0", number, "777777777", [contact]
    )


def work_rows(persons: int = 3, **changes: str | None) -> WorkRows:
    """Some persons with one service each; ``changes`` alter the service of the last one."""
    work = WorkRows(iplos_shape("3.7"))
    keys = [str(number) for number in range(1, persons + 1)]
    columns = ("pePeID", "peAlder", "peKjonn")
    work.add(Batch("person", columns, [(key, "80", "K") for key in keys]))
    service = {"tjTjenType": "15", "tjVedtDato": "20200301", "tjTimerUke": "3.50", "tjFraDato": "20200305"}
    names = ("tjPeID", "tjTjID", *service)
    rows = [(key, "1", *service.values()) for key in keys]
    rows[-1] = (keys[-1], "1", *(service | changes).values())
    work.add(Batch("tjeneste", names, rows))
    work.add(Batch("ident", ("pid", "fid", "typeID"), [(key, "01818012337", "1") for key in keys]))
    work.finish()
    return work


def iplos_message(work: WorkRows, number: int = 1) -> bytes:
    """A whole IPLOS message."""
    out = io.BytesIO()
    write_message(head(), iplos_payload(work, iplos_header(number)), out)
    return out.getvalue()


def ident_message(work: WorkRows, number: int = 1) -> bytes:
    """A whole ident message."""
    out = io.BytesIO()
    write_message(head("KPR_IDE"), ident_payload(work, ident_header(number)), out)
    return out.getvalue()


def pair_of(ident: WorkRows, iplos: WorkRows, number: int = 1) -> PairReport:
    """Both messages through the gate, and held against each other; ``number`` is the IPLOS message's."""
    left = gate(io.BytesIO(ident_message(ident)), "ident", "53.1.3")
    return check_pair(left, gate(io.BytesIO(iplos_message(iplos, number)), "iplos", "3.7"))


def test_what_is_written_passes_the_gate() -> None:
    """Both messages of a good extract pass, with the number of persons that were put in."""
    work = work_rows()
    assert gate(io.BytesIO(iplos_message(work)), "iplos", "3.7").persons == 3
    assert gate(io.BytesIO(ident_message(work)), "ident", "53.1.3").persons == 3


def test_the_same_rows_give_the_same_bytes() -> None:
    """Building again after a kill gives byte for byte the same message."""
    assert iplos_message(work_rows()) == iplos_message(work_rows())
    assert ident_message(work_rows()) == ident_message(work_rows())


def test_the_gate_names_the_bytes_by_their_hash() -> None:
    """The report's hash and size are those of the whole file."""
    import hashlib

    data = iplos_message(work_rows())
    report = gate(io.BytesIO(data), "iplos", "3.7")
    assert (report.sha256, report.size) == (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<tjTimerUke>3.50<", b"<tjTimerUke>3,50<"),
        (b"<tjVedtDato>20200301<", b"<tjVedtDato>20201301<"),
        (b'pePeID="1"', b'pePeID="x"'),
        (b"<peAlder>80</peAlder>", b"<peAlder>80</peAlder><peAlder>80</peAlder>"),
        (b'versjon="3.7"', b'versjon="3.5"'),
        (b"</MsgHead>", b""),
        (b"</MsgHead>", b"</MsgHead><MsgHead/>"),
        (b"</tjTimerUke>", b""),
        (b">3.50<", b">&unknown;<"),
        (b"<MsgId>", b"<Unknown/><MsgId>"),
        (b"iplos/2019", b"iplos/2018"),
    ],
)
def test_the_gate_refuses_one_bad_value(before: bytes, after: bytes) -> None:
    """One wrong value anywhere, and the whole file is refused; a gate that lets it through is none."""
    data = iplos_message(work_rows())
    assert before in data
    with pytest.raises(BadMessage):
        gate(io.BytesIO(data.replace(before, after, 1)), "iplos", "3.7")


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"tjTimerUke": "3,5"}, "tjTimerUke"),
        ({"tjTimerUke": "1234.56"}, "tjTimerUke"),
        ({"tjVedtDato": "2020-03-01"}, "tjVedtDato"),
        ({"tjTjenType": "femten"}, "tjTjenType"),
        ({"tjTjenType": None}, "tjTjenType"),
    ],
)
def test_a_bad_person_is_named_before_it_is_written(changes: dict[str, str | None], element: str) -> None:
    """The error names person, class, row and element, and never the value."""
    with pytest.raises(BadMessage) as caught:
        iplos_message(work_rows(**changes))
    assert caught.value.place == f"person 3, TJENESTE, row 3, {element}"
    assert str(next(iter(changes.values()))) not in str(caught.value).replace("row 3", "")


def test_a_control_character_is_named_by_place() -> None:
    """A character that XML does not allow stops the message, by its place."""
    with pytest.raises(BadMessage, match="does not allow") as caught:
        iplos_message(work_rows(tjTjenType="15\x01"))
    assert caught.value.place == "person 3, TJENESTE, row 3"


def test_a_row_without_a_person_stops_the_message() -> None:
    """A service whose person is not in the extract is never left out in silence."""
    work = WorkRows(iplos_shape("3.7"))
    work.add(Batch("person", ("pePeID",), [("1",)]))
    work.add(Batch("tjeneste", ("tjPeID", "tjTjID", "tjTjenType"), [("2", "1", "15")]))
    work.finish()
    with pytest.raises(BadMessage, match="belongs to no person"):
        iplos_message(work)


def test_head_is_read_as_it_was_written() -> None:
    """Sender, receiver, ids, time and conversation come back from the file, and the payload is named."""
    written = head(conversation=ConversationRef("parent", "first"))
    out = io.BytesIO()
    write_message(written, iplos_payload(work_rows(), iplos_header()), out)
    read = read_head(io.BytesIO(out.getvalue()))
    assert read == MessageInfo(written, "http://www.npr.no/xmlstds/iplos/2019", "3.7")


def test_a_pair_from_the_same_rows_fits() -> None:
    """Same persons, number and period on both sides."""
    work = work_rows()
    report = pair_of(work, work)
    assert (report.persons, report.sequence_number, report.municipality_number) == (3, "1", "1103")


def test_a_pair_with_different_numbers_does_not_fit() -> None:
    """Løpenummer must be the same in both (I02)."""
    work = work_rows()
    with pytest.raises(BadMessage, match="løpenummer"):
        pair_of(work, work, 2)


@pytest.mark.parametrize(("left", "right"), [(2, 3), (3, 2)])
def test_a_person_on_one_side_only_does_not_fit(left: int, right: int) -> None:
    """A person in one message only is named by the local key (I04, I05, L21)."""
    with pytest.raises(BadMessage) as caught:
        pair_of(work_rows(left), work_rows(right))
    assert caught.value.place == "local keys 3"


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]>'


@pytest.mark.parametrize("read", [read_head, lambda source: gate(source, "iplos", "3.7")])
@pytest.mark.parametrize(
    "data",
    [b"", b"<", b"<a/>", BOMB + b"<a>&a;</a>", iplos_message(work_rows())[:900], b"\xff\xfe<", b"<a>\xe6</a>"],
)
def test_what_is_no_message_gets_a_clear_error(read: object, data: bytes) -> None:
    """Empty, cut, foreign or dangerous files are refused with our own sentence."""
    with pytest.raises(BadMessage):
        read(io.BytesIO(data))  # type: ignore[operator]
