"""The AMQP envelope: exact when it is written, and read whatever stands there (amqp.md s. 2, 4.3 and 6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.transports.amqp.wire import CONTENT_TYPE, SOAP_FAULT, Stamp, Wire, from_wire, moment_of, text_of, to_wire
from kpr.transports.seam import Envelope, Fault

ID = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11"
TO = "tb.example.invalid/SIM/8133973_async"
REPLY_TO = "tb.example.invalid/SIM/90001_async"
NOON = datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC)
SENT = Envelope(ID, "KPR_IPL", "90001", "8133973", NOON)
STAMP = Stamp(REPLY_TO, "our-system/1.0")

#: Whatever a broker may hand over as text; lone surrogates cannot be on the wire.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


# -- written ---------------------------------------------------------------------------------------------------------


def test_an_outgoing_message_is_exactly_as_the_profile_wants_it() -> None:
    """Golden (amqp.md s. 6.1): each mandatory property, application properties as strings, and nothing else."""
    assert to_wire(SENT, TO, STAMP) == Wire(
        message_id=ID,
        to=TO,
        subject="KPR_IPL",
        reply_to=REPLY_TO,
        correlation_id=ID,
        content_type="application/pkcs7-mime; smime-type=signed-and-enveloped-data",
        properties={
            "fromHerId": "90001",
            "toHerId": "8133973",
            "applicationTimeStamp": "2026-11-23T09:15:02Z",
            "enqueuedTimeUtc": "2026-11-23T09:15:02",
            "X-SystemIdentifier": "our-system/1.0",
        },
    )


def test_the_agreement_is_named_only_where_there_is_one() -> None:
    """cpaId is left out when there is none, since a key without a value makes the reference receiver fail."""
    cpa = str(uuid4())
    assert "cpaId" not in to_wire(SENT, TO, STAMP).properties
    assert to_wire(SENT, TO, replace(STAMP, cpa_id=cpa)).properties["cpaId"] == cpa


def test_no_key_stands_without_a_value() -> None:
    """An empty system identifier or agreement is no key at all."""
    said = to_wire(SENT, TO, Stamp(REPLY_TO, "", "")).properties
    assert set(said) == {"fromHerId", "toHerId", "applicationTimeStamp", "enqueuedTimeUtc"}


def test_an_answer_names_what_it_correlates_with() -> None:
    """A correlation id that is given goes out, instead of the message's own id."""
    assert to_wire(replace(SENT, correlation_id="other"), TO, STAMP).correlation_id == "other"


@pytest.mark.parametrize("hours", [-11, -5, 0, 1, 2, 13])
def test_the_time_is_utc_from_any_zone(hours: int) -> None:
    """The same moment is written alike, in UTC with Z, in whatever zone it was told."""
    local = NOON.astimezone(timezone(timedelta(hours=hours)))
    said = to_wire(replace(SENT, sent_at=local), TO, STAMP).properties
    assert said["applicationTimeStamp"] == "2026-11-23T09:15:02Z"
    assert said["enqueuedTimeUtc"] == "2026-11-23T09:15:02"


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no message id": ("message-id", {"message_id": ""}),
    "32 hex digits": ("message-id", {"message_id": UUID(ID).hex}),
    "upper case": ("message-id", {"message_id": ID.upper()}),
    "in braces": ("message-id", {"message_id": f"{{{ID}}}"}),
    "a line after it": ("message-id", {"message_id": ID + "\n"}),
    "no type": ("subject", {"message_type": ""}),
    "no sender": ("fromHerId", {"from_her_id": ""}),
    "a sender with a blank": ("fromHerId", {"from_her_id": " 90001"}),
    "a sender that is a name": ("fromHerId", {"from_her_id": "Eksempel"}),
    "a sender with a zero before it": ("fromHerId", {"from_her_id": "090001"}),
    "a sender in other digits": ("fromHerId", {"from_her_id": "٩٠٠٠١"}),
    "no receiver": ("toHerId", {"to_her_id": ""}),
    "a receiver with a line after it": ("toHerId", {"to_her_id": "8133973\n"}),
    "a negative receiver": ("toHerId", {"to_her_id": "-1"}),
    "no time": ("applicationTimeStamp", {"sent_at": None}),
    "a time without a zone": ("applicationTimeStamp", {"sent_at": NOON.replace(tzinfo=None)}),
}


@pytest.mark.parametrize(("field", "changes"), WRONG.values(), ids=WRONG.keys())
def test_a_mandatory_field_that_is_missing_or_wrong_is_not_sent(field: str, changes: dict[str, Any]) -> None:
    """It is our own fault, told by the field's name and never by its value."""
    with pytest.raises(ValueError, match=f"^{field}$"):
        to_wire(replace(SENT, **changes), TO, STAMP)


def test_no_message_goes_without_addresses() -> None:
    """Neither the receiver's queue nor our own may be missing."""
    with pytest.raises(ValueError, match=r"^to$"):
        to_wire(SENT, "", STAMP)
    with pytest.raises(ValueError, match=r"^reply-to$"):
        to_wire(SENT, TO, Stamp(""))


HER_IDS = st.integers(1, 10**8).map(str)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=ZONES).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
ENVELOPES = st.builds(
    Envelope,
    message_id=st.uuids().map(str),
    message_type=ANY_TEXT.filter(bool).filter(lambda said: said != SOAP_FAULT),
    from_her_id=HER_IDS,
    to_her_id=HER_IDS,
    sent_at=MOMENTS,
    correlation_id=st.one_of(st.none(), st.uuids().map(str)),
)


@given(ENVELOPES, ANY_TEXT.filter(bool), ANY_TEXT.filter(bool), st.one_of(st.none(), st.uuids().map(str)))
def test_what_is_written_is_read_back(envelope: Envelope, to: str, reply_to: str, cpa_id: str | None) -> None:
    """From envelope to wire and back nothing is lost; all application properties are text."""
    wire = to_wire(envelope, to, Stamp(reply_to, "kpr", cpa_id))
    assert all(isinstance(value, str) and value for value in wire.properties.values())
    expected = replace(envelope, correlation_id=envelope.correlation_id or envelope.message_id, came_by="async")
    assert from_wire(wire, "async") == expected


# -- read ------------------------------------------------------------------------------------------------------------


def reference_error(**changes: str) -> Wire:
    """Golden (amqp.md s. 6.2): what the reference library puts on an error queue."""
    said = {
        "fromHerId": "8133973",
        "toHerId": "90001",
        "applicationTimeStamp": "2026-11-23T09:15:04Z",
        "enqueuedTimeUtc": "2026-11-23T09:15:04",
        "originalMessageId": ID,
        "receiverTimeStamp": "11/23/2026 09:15:04",
        "errorCondition": "transport:invalid-field-value",
        "errorDescription": "One or more fields are missing",
        "errorConditionData": "Label;applicationTimeStamp;",
    }
    return Wire("3d2f0c7b9f5e4c0f8a1b2c3d4e5f6071", "90001_error", "KPR_IPL", properties=said | changes)


def test_the_reference_librarys_error_is_read() -> None:
    """Without content type, reply address and correlation, with a US date and an id of 32 digits: all is understood."""
    moment = datetime(2026, 11, 23, 9, 15, 4, tzinfo=UTC)
    fault = Fault(
        "transport:invalid-field-value",
        ID,
        "One or more fields are missing",
        "Label;applicationTimeStamp;",
        moment,
    )
    assert from_wire(reference_error(), "error") == Envelope(
        "3d2f0c7b9f5e4c0f8a1b2c3d4e5f6071", "KPR_IPL", "8133973", "90001", moment, None, fault, "error"
    )


def test_an_error_about_a_soap_fault_is_read_by_its_properties() -> None:
    """The subject is that of the message complained of; without a body it is no SOAP fault."""
    fault = from_wire(replace(reference_error(), subject=SOAP_FAULT), "error").fault
    assert fault is not None
    assert (fault.condition, fault.original_message_id) == ("transport:invalid-field-value", ID)


SOAP = f"""<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault>
  <s:Code><s:Value> transport:decryption-failed </s:Value><s:Subcode><s:Value>x</s:Value></s:Subcode></s:Code>
  <s:Reason><s:Text xml:lang="no">Feil</s:Text></s:Reason>
  <s:Detail><d:messageId xmlns:d="http://www.kith.no/xmlstds/digitaldialog/2013-10-08">{ID}</d:messageId>
  <d:applicationTimeStamp xmlns:d="http://www.kith.no/xmlstds/digitaldialog/2013-10-08"
    >2026-11-23T10:15:04+01:00</d:applicationTimeStamp></s:Detail>
</s:Fault></s:Body></s:Envelope>""".encode()


def soap_fault(body: bytes) -> Fault:
    """What is read from a SOAP fault with this body; there always is a fault."""
    fault = from_wire(Wire("a", "90001_error", SOAP_FAULT, content_type="application/soap+xml"), "error", body).fault
    assert fault is not None
    return fault


def test_a_soap_fault_is_read() -> None:
    """Code, reason, original message and time stand in the body; the subcode does not take the code's place."""
    read = soap_fault(SOAP)
    assert read == Fault("transport:decryption-failed", ID, "Feil", "", datetime(2026, 11, 23, 9, 15, 4, tzinfo=UTC))
    assert read.noticed_at is not None
    assert read.noticed_at.utcoffset() == timedelta(hours=1)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "0123456789">%s]>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Value>&i;</s:Value></s:Envelope>"""
LEVELS = b"".join(b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(8))
HOSTILE = {
    "a billion laughs": BOMB % LEVELS,
    "a file on this machine": BOMB % b'<!ENTITY i SYSTEM "file:///etc/passwd">',
    "a DTD elsewhere": SOAP.replace(
        b"<s:Envelope", b'<!DOCTYPE s SYSTEM "http://example.invalid/x.dtd"><s:Envelope', 1
    ),
    "an entity that nobody declared": SOAP.replace(b"Feil", b"&nobody;"),
    "cut off": SOAP[:200],
    "not XML": b"\x30\x82\x01\x00",
    "another encoding": SOAP.decode().replace("utf-8", "utf-16").encode("utf-16"),
    "too large": SOAP.replace(b"Feil", b"x" * (2 << 20)),
    "very deep": b"<a>" * 100_000,
    "empty": b"",
    "blanks": b"  \n",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_soap_fault_that_cannot_be_read_is_a_fault_all_the_same(body: bytes) -> None:
    """Entities, DTDs, garbage and nothing at all neither explode nor raise, and it is still an error report."""
    read = soap_fault(body)
    assert read.original_message_id == ""
    assert "root:" not in read.condition + read.description


def test_a_soap_body_without_a_fault_in_it_is_an_empty_fault() -> None:
    """Well-formed XML that says nothing we know is read as a fault without a word."""
    assert soap_fault(b"<a><b/></a>") == Fault("", "")


def test_an_empty_message_is_an_empty_envelope() -> None:
    """What is missing is empty, and no fault is imagined."""
    assert from_wire(Wire("", "", ""), "async") == Envelope("", "", "", "", None, None, None, "async")


def test_unknown_properties_change_nothing() -> None:
    """What we do not know is passed over, whatever it is called."""
    wire = to_wire(SENT, TO, STAMP)
    more = replace(wire, properties={**wire.properties, "x-opt-enqueued-time": "now", "Rolle": "æøå", "": ""})
    assert from_wire(more, "async") == from_wire(wire, "async")


KEYS = [
    "fromHerId",
    "toHerId",
    "applicationTimeStamp",
    "originalMessageId",
    "receiverTimeStamp",
    "errorCondition",
    "errorDescription",
    "errorConditionData",
    "cpaId",
]
WIRES = st.builds(
    Wire,
    message_id=ANY_TEXT,
    to=ANY_TEXT,
    subject=st.one_of(ANY_TEXT, st.just(SOAP_FAULT)),
    reply_to=st.one_of(st.none(), ANY_TEXT),
    correlation_id=st.one_of(st.none(), ANY_TEXT),
    content_type=st.one_of(st.none(), ANY_TEXT),
    properties=st.dictionaries(st.one_of(st.sampled_from(KEYS), ANY_TEXT), ANY_TEXT),
)


@given(WIRES, st.one_of(st.binary(max_size=200), st.just(SOAP)), ANY_TEXT)
def test_whatever_comes_gives_an_envelope(wire: Wire, body: bytes, came_by: str) -> None:
    """No message on a queue makes the reading fail, and each of its times has a zone."""
    envelope = from_wire(wire, came_by, body)
    assert (envelope.message_id, envelope.came_by) == (wire.message_id, came_by)
    assert (envelope.fault is not None) == ("errorCondition" in wire.properties or wire.subject == SOAP_FAULT)
    for moment in (envelope.sent_at, envelope.fault and envelope.fault.noticed_at):
        assert moment is None or moment.tzinfo is not None


# -- times and types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:15:04Z",
        "2026-11-23T10:15:04+01:00",
        "2026-11-23T09:15:04",
        "2026-11-23T09:15:04.000Z",
        "2026-11-23T09:15:04.0000000Z",
        "11/23/2026 09:15:04",
        " 11/23/2026 09:15:04\n",
    ],
)
def test_a_time_is_read_in_each_form(text: str) -> None:
    """ISO with offset, with Z, with .NET's fractions or without a zone, and the US form without one: UTC is meant."""
    assert moment_of(text) == datetime(2026, 11, 23, 9, 15, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "23/11/2026 09:15:04", "11/23/2026", "2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z", "\0", "١"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    """A date that nobody can read is missing, as it is for the reference receiver, and stops nothing."""
    assert moment_of(text) is None


@given(ANY_TEXT)
def test_no_text_makes_the_reading_of_a_time_fail(text: str) -> None:
    """Whatever stands there is a time with a zone, or none."""
    moment = moment_of(text)
    assert moment is None or moment.utcoffset() is not None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_us_date_is_read_back(moment: datetime) -> None:
    """Month comes before day, on every day of every year."""
    whole = moment.replace(microsecond=0)
    assert moment_of(whole.strftime("%m/%d/%Y %H:%M:%S")) == whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("8133973", "8133973"),
        (8133973, "8133973"),
        (b"8133973", "8133973"),
        (memoryview(b"8133973"), "8133973"),
        (b"\xff", "\ufffd"),
        (UUID(ID), ID),
        (True, "True"),
        ("", ""),
    ],
)
def test_a_property_of_any_type_is_text(value: object, text: str) -> None:
    """Senders give numbers, bytes and UUIDs where text is meant; each is read as its text."""
    assert text_of(value) == text


def test_a_number_of_a_class_of_its_own_is_its_digits() -> None:
    """Number types that call themselves something are read as digits all the same."""

    class Ulong(int):
        def __str__(self) -> str:
            return f"ulong({int(self)})"

    assert text_of(Ulong(5)) == "5"


def test_the_content_type_has_one_blank() -> None:
    """The exact text, with one blank after the semicolon (AMQP specification s. 2.1.2)."""
    assert CONTENT_TYPE == "application/pkcs7-mime; smime-type=signed-and-enveloped-data"
