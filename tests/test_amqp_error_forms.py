"""Error messages: each form that is on the bus is written as it should be, and read back to the same fault."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.transports.amqp.error_forms import error_message
from kpr.transports.amqp.wire import CONTENT_TYPE, SOAP_FAULT, Stamp, Wire, from_wire
from kpr.transports.seam import Envelope, ErrorForm, Fault

ID, ERROR_ID = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11", "3d2f0c7b-9f5e-4c0f-8a1b-2c3d4e5f6071"
TO, REPLY_TO = "tb/SIM/90001_error", "tb/SIM/8133973_error"
NOON = datetime(2026, 11, 23, 9, 15, 4, tzinfo=UTC)
COMPLAINED_OF = Envelope(ID, "KPR_IPL", "90001", "8133973", NOON)
FAULT = Fault(
    "transport:invalid-field-value", ID, "One or more fields are missing", "Label;applicationTimeStamp;", NOON
)


def written(form: ErrorForm, fault: Fault = FAULT, of: Envelope = COMPLAINED_OF) -> tuple[Wire, bytes]:
    """The message in one form."""
    return error_message(fault, of, ERROR_ID, TO, Stamp(REPLY_TO, "kpr"), form)


def told(form: ErrorForm, fault: Fault = FAULT, of: Envelope = COMPLAINED_OF) -> Fault:
    """What its receiver reads."""
    wire, body = written(form, fault, of)
    read = from_wire(wire, "error", body).fault
    assert read is not None
    return read


@pytest.mark.parametrize("form", ErrorForm)
def test_each_form_is_read_back_to_the_same_fault(form: ErrorForm) -> None:
    """Condition, original id, words and time come through; only the SOAP fault has no place for the data."""
    assert told(form) == (replace(FAULT, data="") if form is ErrorForm.SOAP else FAULT)


@pytest.mark.parametrize("form", ErrorForm)
def test_an_error_goes_the_other_way(form: ErrorForm) -> None:
    """Sender and receiver of the message complained of change places, and the time is that of the error."""
    wire, body = written(form)
    envelope = from_wire(wire, "error", body)
    assert (envelope.from_her_id, envelope.to_her_id, envelope.sent_at) == ("8133973", "90001", NOON)
    assert wire.to == TO
    assert all(isinstance(value, str) for value in wire.properties.values())


def test_the_specifications_form() -> None:
    """Golden: dashes in the id, ISO time, reply address, correlation, and the content type that its reader demands."""
    assert written(ErrorForm.SPEC) == (
        Wire(
            message_id=ERROR_ID,
            to=TO,
            subject="KPR_IPL",
            reply_to=REPLY_TO,
            correlation_id=ID,
            content_type=CONTENT_TYPE,
            properties={
                "fromHerId": "8133973",
                "toHerId": "90001",
                "applicationTimeStamp": "2026-11-23T09:15:04Z",
                "enqueuedTimeUtc": "2026-11-23T09:15:04",
                "X-SystemIdentifier": "kpr",
                "originalMessageId": ID,
                "receiverTimeStamp": "2026-11-23T09:15:04Z",
                "errorCondition": "transport:invalid-field-value",
                "errorDescription": "One or more fields are missing",
                "errorConditionData": "Label;applicationTimeStamp;",
            },
        ),
        b"",
    )


def test_the_reference_librarys_form() -> None:
    """Golden (amqp.md s. 6.2): 32 digits, US date, no content type, reply address or correlation, an empty body."""
    wire, body = written(ErrorForm.REFERENCE)
    assert (wire.message_id, wire.subject, body) == ("3d2f0c7b9f5e4c0f8a1b2c3d4e5f6071", "KPR_IPL", b"")
    assert (wire.reply_to, wire.correlation_id, wire.content_type) == (None, None, None)
    assert wire.properties["receiverTimeStamp"] == "11/23/2026 09:15:04"


def test_the_soap_form() -> None:
    """Its subject and content type say so, everything else stands in the body, and no error property beside it."""
    wire, body = written(ErrorForm.SOAP)
    assert (wire.subject, wire.content_type) == (SOAP_FAULT, "application/soap+xml")
    assert not {name for name in wire.properties if name.startswith("error")}
    assert body.startswith(b"<")


@pytest.mark.parametrize("form", ErrorForm)
def test_an_error_about_a_message_without_a_type(form: ErrorForm) -> None:
    """A missing subject is just what is complained of: the error has one of its own, since its reader demands it."""
    wire, _ = written(form, of=replace(COMPLAINED_OF, message_type=""))
    assert wire.subject == (SOAP_FAULT if form is ErrorForm.SOAP else "UNKNOWN")
    assert told(form, of=replace(COMPLAINED_OF, message_type="")).condition == FAULT.condition


@pytest.mark.parametrize("form", [ErrorForm.SPEC, ErrorForm.REFERENCE])
def test_there_is_always_a_description_and_data_only_where_there_is_some(form: ErrorForm) -> None:
    """errorDescription is mandatory, errorConditionData is left out when there is none (s. 2.1.2)."""
    said = written(form, Fault("transport:internal-error", ID))[0].properties
    assert said["errorDescription"] == "transport:internal-error"
    assert "errorConditionData" not in said


@pytest.mark.parametrize("form", ErrorForm)
def test_an_error_without_a_time_has_that_of_now(form: ErrorForm) -> None:
    """The time is mandatory, so it is never left out."""
    before = datetime.now(UTC).replace(microsecond=0)
    noticed = told(form, replace(FAULT, noticed_at=None)).noticed_at
    assert noticed is not None
    assert before <= noticed <= datetime.now(UTC)


@pytest.mark.parametrize("form", ErrorForm)
def test_the_other_sides_words_cannot_spoil_an_error(form: ErrorForm) -> None:
    """An id or a description with signs that XML cannot hold is reported all the same."""
    strange = Fault("transport:internal-error", "\x00id\x1f<&>\ufffe", "\x00<b>&amp;</b>", "", NOON)
    assert told(form, strange, replace(COMPLAINED_OF, message_id=strange.original_message_id)).condition == (
        "transport:internal-error"
    )


@pytest.mark.parametrize("her_id", ["", "abc", " 8133973", "8133973 ", "0", "-1", "٣"])
def test_an_error_is_about_parties_that_are_known(her_id: str) -> None:
    """Without two HER-ids of digits no error is written; whoever calls has put its own in the place of nonsense."""
    with pytest.raises(ValueError, match="fromHerId"):
        written(ErrorForm.SPEC, of=replace(COMPLAINED_OF, to_her_id=her_id))


CODES = st.from_regex(r"[a-z]{1,20}:[a-z-]{1,40}", fullmatch=True)
WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]), max_size=80)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=ZONES).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


@given(CODES, st.uuids().map(str), WORDS.filter(str.strip), WORDS, MOMENTS, st.sampled_from(ErrorForm), st.uuids())
def test_every_fault_survives_its_form(
    code: str, original: str, words: str, data: str, moment: datetime, form: ErrorForm, id: UUID
) -> None:
    """Whatever is reported, in whatever form, the sender learns which message, which code and when."""
    fault = Fault(code, original, words, data, moment)
    wire, body = error_message(fault, COMPLAINED_OF, str(id), TO, Stamp(REPLY_TO), form)
    read = from_wire(wire, "error", body).fault
    assert read is not None
    assert (read.condition, read.original_message_id, read.noticed_at) == (code, original, moment)
    assert read.description == (words.strip() if form is ErrorForm.SOAP else words)
    assert read.data == ("" if form is ErrorForm.SOAP else data)
