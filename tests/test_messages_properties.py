"""What the writers write, whatever the rows: read back the same, valid under our schema and the official one."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from strategies import iplos_tables, rows_from
from test_messages_round_trip import head, ident_header, iplos_header

from kpr.errors import BadMessage
from kpr.messages.gate import gate
from kpr.messages.head import ConversationRef, Head, Party, read_head, write_message
from kpr.messages.ident import IdentHeader, ident_payload
from kpr.messages.iplos import IplosHeader, iplos_payload
from kpr.messages.shape import CHILD_CLASSES, iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.work_rows import WorkRows

Tables = dict[str, list[tuple[str | None, ...]]]
SHAPE = iplos_shape("3.7")
SPACE = f"{{{SHAPE.namespace}}}"
MSGHEAD = "{http://www.kith.no/xmlstds/msghead/2006-05-24}"
unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def message(work: WorkRows, header: IplosHeader | None = None) -> bytes:
    """The rows as a whole IPLOS message."""
    out = io.BytesIO()
    write_message(head(), iplos_payload(work, header or iplos_header()), out)
    return out.getvalue()


def read_back(data: bytes) -> Tables:
    """The rows of a message, per table, in the order of the document."""
    tables: Tables = {name.lower(): [] for name in ("PERSON", *CHILD_CLASSES)}
    for node in etree.fromstring(data).iter(*(SPACE + name for name in ("PERSON", *CHILD_CLASSES))):
        shape = SHAPE[etree.QName(node).localname]
        leaves = [node.findtext(SPACE + name) for name in shape.elements]
        tables[shape.table].append((*(node.get(key) for key in shape.keys), *leaves))
    return tables


def by_person(tables: Tables) -> Tables:
    """The same rows in the order in which the message must have them."""
    order = {row[0]: number for number, row in enumerate(tables["person"])}
    return {table: sorted(rows, key=lambda row: order[row[0]]) for table, rows in tables.items()}


@given(tables=iplos_tables())
@unhurried
def test_rows_come_back_from_the_message_as_they_went_in(tables: Tables) -> None:
    """Every value of every row, markup characters and all; a column without a value is not there."""
    data = message(rows_from(tables))
    assert read_back(data) == by_person(tables)
    assert gate(io.BytesIO(data), "iplos", "3.7").persons == len(tables["person"])


@given(tables=iplos_tables())
@settings(unhurried, max_examples=30)
def test_what_is_written_follows_the_official_schema(official_iplos: etree.XMLSchema, tables: Tables) -> None:
    """Whatever passes our writer passes the official schema of the payload."""
    payload = etree.fromstring(message(rows_from(tables))).find(f".//{SPACE}IPLOS")
    official_iplos.assertValid(etree.fromstring(etree.tostring(payload)))


@pytest.fixture(scope="module")
def official_iplos(official: Path) -> etree.XMLSchema:
    """The official schema of IPLOS 3.7."""
    return etree.XMLSchema(etree.parse(official / "schemas" / "iplos-2019" / "iplos_2019.xsd"))


@pytest.mark.parametrize("version", ["53.1.2", "53.1.3"])
def test_an_ident_message_follows_the_official_schema(official: Path, version: str) -> None:
    """Two institutions, persons of one without an institution of their own, markup in the names."""
    payload = etree.fromstring(ident_message(three_ids(), version))[-1][-1][-1][0]
    schema = etree.XMLSchema(etree.parse(official / "schemas" / f"ident-{version}" / "XPR(ide).xsd"))
    schema.assertValid(etree.fromstring(etree.tostring(payload)))


def test_the_sender_form_of_3_5_follows_both_official_schemas(official: Path) -> None:
    """A 2018 message passes the strict schema for senders and the loose one of the receiver."""
    work = WorkRows(iplos_shape("3.5"))
    person = ("pePeID", "peAlder", "peKjonn", "peKomnr", "peBydelsnr", "peFraDato", "peEndrDato")
    work.add(Batch("person", person, [("1", "80", "K", "1103", "00", "20150101", "20181231")]))
    service = ("tjPeID", "tjTjID", "tjVeID", "tjVeNrID", "tjTjenType", "tjTjenUnderType", "tjVedtDato")
    work.add(Batch("tjeneste", service, [("1", "1", "1", "1", "15", "1", "20180101")]))
    work.finish()
    payload = etree.fromstring(message(work))[-1][-1][-1][0]
    for name in ("iplos_2018_sender.xsd", "iplos_2018.xsd"):
        schema = etree.XMLSchema(etree.parse(official / "schemas" / "iplos-2018" / name))
        schema.assertValid(etree.fromstring(etree.tostring(payload)))


def three_ids() -> WorkRows:
    """Three persons, one of them in an institution of its own, in the middle."""
    work = WorkRows(SHAPE)
    ids = [(None, "1", "01818012337", "1"), ("888888888", "2", "01818012337", "1"), ("777777777", "3", "010180", "9")]
    work.add(Batch("ident", ("institusjonID", "pid", "fid", "typeID"), ids))
    work.finish()
    return work


def ident_message(work: WorkRows, version: str = "53.1.3") -> bytes:
    """The ids as a whole ident message, with markup characters in the contact's name."""
    said = ident_header()
    contact = {"kontPerson": 'Rolle <A> & "B"', "meldEpost1": "a@example.invalid", "typeKontaktperson": "16"}
    values = {name: getattr(said, name) for name in IdentHeader.__dataclass_fields__}
    out = io.BytesIO()
    write_message(
        head("KPR_IDE"), ident_payload(work, IdentHeader(**values | {"version": version, "contacts": [contact]})), out
    )
    return out.getvalue()


def test_ids_stand_once_under_their_own_institution() -> None:
    """Rows without an institution, or with our own, stand together; institutions in the order of the extract."""
    root = etree.fromstring(ident_message(three_ids()))
    found = [
        (node.get("institusjonID"), [child.get("pid") for child in node])
        for node in root.iter("{http://www.npr.no/xmlstds/53_1_3_ide}Institusjon")
    ]
    assert found == [("777777777", ["1", "3"]), ("888888888", ["2"])]


@given(tables=iplos_tables(), seed=st.integers(0, 2**32))
@unhurried
def test_the_gate_refuses_one_value_that_is_not_of_its_kind(tables: Tables, seed: int) -> None:
    """One number or date anywhere in the file becomes a word, and the whole file is refused."""
    root = etree.fromstring(message(rows_from(tables)))
    rng = random.Random(seed)
    person = rng.choice(list(root.iter(f"{SPACE}PERSON")))
    typed = [node for node in person.iter() if etree.QName(node).localname.endswith(("Dato", "Type", "Alder"))]
    if typed:
        rng.choice(typed).text = "femten"
    else:
        person.set("pePeID", "femten")
    with pytest.raises(BadMessage):
        gate(io.BytesIO(etree.tostring(root)), "iplos", "3.7")


@given(cut=st.integers(1, 3_000))
@unhurried
def test_the_gate_refuses_a_file_cut_off_anywhere(cut: int) -> None:
    """However many bytes are missing at the end, the file is not taken for a whole one."""
    data = message(rows_from({"person": [("1", *[None] * 7)], "tjeneste": []}))
    assert gate(io.BytesIO(data), "iplos", "3.7").persons == 1
    with pytest.raises(BadMessage):
        gate(io.BytesIO(data[: -min(cut, len(data))]), "iplos", "3.7")


_NAME = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
_HER = st.integers(1, 9_999_999).map(str)
_PARTY = st.builds(Party, _NAME, _HER, _NAME, _HER, st.none() | st.just("777777777"))
_HEAD = st.builds(
    Head,
    message_type=st.sampled_from(["KPR_IPL", "KPR_IDE"]),
    msg_id=st.uuids().map(str),
    generated=st.datetimes(datetime(2018, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
    sender=_PARTY,
    receiver=_PARTY,
    processing_status=st.sampled_from(["", "P", "T", "D"]),
    conversation=st.none() | st.builds(ConversationRef, st.uuids().map(str), st.uuids().map(str)),
)


@given(made=_HEAD)
@unhurried
def test_any_head_is_read_as_it_was_written(made: Head) -> None:
    """Parties, ids, time, status and conversation come back; the schema takes them all."""
    out = io.BytesIO()
    write_message(made, ident_payload(three_ids(), ident_header()), out)
    info = read_head(io.BytesIO(out.getvalue()))
    assert info.head == made
    assert (info.payload_namespace, info.payload_version) == ("http://www.npr.no/xmlstds/53_1_3_ide", "53.1.3")
    assert gate(io.BytesIO(out.getvalue()), "ident", "53.1.3").persons == 3


def test_a_head_full_of_white_space_is_read() -> None:
    """Real heads pad their codes and ids (M8); they are compared without."""
    data = ident_message(three_ids()).replace(b'V="HER"', b'V=" HER "').replace(b">8133973<", b"> 8133973\n<")
    assert read_head(io.BytesIO(data)).head.receiver.service_her_id == "8133973"


def test_only_the_head_is_read() -> None:
    """Whatever stands behind the payload's first tag is not looked at, so a 400 MB message costs as little as this."""
    data = message(rows_from({"person": [("1", *[None] * 7)]}))
    start = data.index(b"<INNHINFO")
    source = io.BytesIO(data[:start] + b"<peAlder>80</peAlder>" * 100_000)
    assert read_head(source).payload_version == "3.7"
    assert source.tell() < 200_000
