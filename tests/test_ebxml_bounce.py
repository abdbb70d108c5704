"""Bounces: reports of mail servers are recognised and read, and nothing else is taken for one."""

from __future__ import annotations

import io
from dataclasses import replace
from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpr.messages.ebxml.mail_report import LOOKED_AT, Bounce, read_bounce
from kpr.messages.ebxml.mime import write_entity

#: As Postfix writes it.
POSTFIX = b"""\
Return-Path: <>
Date: Tue, 29 Aug 2023 12:56:58 +0200 (CEST)
From: MAILER-DAEMON@edi.nhn.no (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: avsender@edi.nhn.no
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="CE8DA30002D3.1693306618/edi.nhn.no"
Message-Id: <20230829105658.0A1B2C3D@edi.nhn.no>

This is a MIME-encapsulated message.

--CE8DA30002D3.1693306618/edi.nhn.no
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<ingen@edi.nhn.no>: host mx.nhn.no said: 550 5.1.1 User unknown

--CE8DA30002D3.1693306618/edi.nhn.no
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; edi.nhn.no
Original-Envelope-Id: 4f5b2c1e-0000-4000-8000-000000000001
X-Postfix-Queue-ID: CE8DA30002D3
Arrival-Date: Tue, 29 Aug 2023 12:56:55 +0200 (CEST)

Final-Recipient: rfc822; ingen@edi.nhn.no
Original-Recipient: rfc822;ingen@edi.nhn.no
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.nhn.no
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--CE8DA30002D3.1693306618/edi.nhn.no
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <avsender@edi.nhn.no>
From: avsender@edi.nhn.no
Message-ID:
 <4f5b2c1e-0000-4000-8000-000000000001.0a1b2c3d@edi.nhn.no>
SOAPAction: "ebXML"

--CE8DA30002D3.1693306618/edi.nhn.no--
"""
READ = Bounce(
    original_envelope_id="4f5b2c1e-0000-4000-8000-000000000001",
    original_message_id="4f5b2c1e-0000-4000-8000-000000000001.0a1b2c3d@edi.nhn.no",
    action="failed",
    status="5.1.1",
    permanent=True,
)


@pytest.mark.parametrize(
    "mail",
    [
        POSTFIX,
        POSTFIX.replace(b"\n", b"\r\n"),
        POSTFIX.replace(b"text/rfc822-headers", b"message/rfc822").replace(b'"ebXML"\n', b'"ebXML"\n\nThe body.\n'),
        POSTFIX.replace(b"Action: failed", b"ACTION: Failed").replace(b"Status: 5.1.1", b"status: 5.1.1 (no such)"),
        POSTFIX.replace(b"report-type=delivery-status;", b"Report-Type=Delivery-Status;"),
        POSTFIX.replace(b" report-type=delivery-status;", b""),
        POSTFIX[: -len(b"--CE8DA30002D3.1693306618/edi.nhn.no--\n")],
        POSTFIX[: -len(b"--CE8DA30002D3.1693306618/edi.nhn.no--\n") - 20],
    ],
)
def test_a_report_is_read(mail: bytes) -> None:
    """Whose envelope, which mail, what became of it: with either line end, the whole mail behind it, or cut in it."""
    assert read_bounce(mail) == READ


def test_a_report_before_a_large_mail_needs_its_beginning_only() -> None:
    """Of a bounce that returns a large mail the first 256 KiB are enough, and no more is looked at."""
    mail = POSTFIX.replace(b"text/rfc822-headers", b"message/rfc822").replace(
        b'"ebXML"\n', b'"ebXML"\n\n' + b"QUJD" * (1 << 20)
    )
    assert read_bounce(mail) == READ == read_bounce(mail[:LOOKED_AT])


@pytest.mark.parametrize(
    ("action", "status", "permanent"),
    [
        ("failed", "5.2.2", True),
        ("failed", "4.4.7", False),
        ("delayed", "4.4.1", False),
        ("delivered", "2.0.0", False),
        ("exploded", "5.0.0", False),
        ("failed", "nothing", False),
    ],
)
def test_only_a_failure_with_a_5_is_permanent(action: str, status: str, permanent: bool) -> None:
    """A delay, a delivery, a failure for lack of time, and what is not said in the form, are no reason to give up."""
    mail = POSTFIX.replace(b"Action: failed", b"Action: " + action.encode())
    bounce = read_bounce(mail.replace(b"Status: 5.1.1", b"Status: " + status.encode()))
    assert bounce is not None
    assert bounce.permanent is permanent
    assert bounce.action == (action if action != "exploded" else "unknown")
    assert bounce.status == (status if status != "nothing" else "")


def test_of_several_recipients_the_failed_one_counts() -> None:
    """A report that begins with a delivery and ends with a failure is a failure."""
    mail = POSTFIX.replace(
        b"Final-Recipient:", b"Final-Recipient: rfc822; b@x.no\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient:", 1
    )
    assert read_bounce(mail) == READ


def test_of_several_parts_the_first_counts() -> None:
    """What a mail holds behind its report, and behind what it returns, says nothing about ours."""
    end = b"--CE8DA30002D3.1693306618/edi.nhn.no--\n"
    more = end[:-3] + b"\nContent-Type: message/rfc822\n\nMessage-ID: <other@x>\n"
    more += end[:-3] + b"\nContent-Type: message/delivery-status\n\nOriginal-Envelope-Id: other\n\nAction: delayed\n"
    assert read_bounce(POSTFIX.replace(end, more + end)) == READ


def test_a_report_without_its_parts_still_is_one() -> None:
    """What announces itself as a report, and can be read no further, is a report about something unknown."""
    assert read_bounce(POSTFIX[: POSTFIX.index(b"This is")] + b"\n") == Bounce()
    assert read_bounce(POSTFIX.replace(b"message/delivery-status", b"text/plain")) == Bounce(
        original_message_id=READ.original_message_id
    )


#: As Exim writes it: no report, but a field of its own, and the mail behind a line.
EXIM = b"""\
Return-Path: <>
X-Failed-Recipients: ingen@edi.nhn.no
From: Mail Delivery System <Mailer-Daemon@mx.no>
To: avsender@edi.nhn.no
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.
  ingen@edi.nhn.no
    550 5.1.1 unknown

------ This is a copy of the message, including all the headers. ------

From: avsender@edi.nhn.no
Message-ID: <4f5b2c1e.0a1b2c3d@edi.nhn.no>

x
"""
QMAIL = b"""\
From: MAILER-DAEMON@mx.no
To: avsender@edi.nhn.no
Subject: failure notice

Hi. This is the qmail-send program at mx.no.

--- Below this line is a copy of the message.

Message-Id: <4f5b2c1e.0a1b2c3d@edi.nhn.no>
"""


@pytest.mark.parametrize(
    ("mail", "status"),
    [
        (EXIM, "5.1.1"),
        (EXIM.replace(b"X-Failed-Recipients: ingen@edi.nhn.no\n", b""), "5.1.1"),
        (EXIM.replace(b"\n", b"\r\n"), "5.1.1"),
        (QMAIL, ""),
        (QMAIL.replace(b"failure notice", b"?").replace(b"From:", b"Return-Path: <>\nFrom:", 1), ""),
        (QMAIL.replace(b"MAILER-DAEMON", b"postmaster").replace(b"failure notice", b"Undeliverable: x"), ""),
    ],
)
def test_plain_bounces_are_recognised_and_never_final(mail: bytes, status: str) -> None:
    """Exim, qmail and the like: the mail's id is found, the action unknown, and the attempt goes on."""
    assert read_bounce(mail) == Bounce(original_message_id="4f5b2c1e.0a1b2c3d@edi.nhn.no", status=status)


def entity(payload: bytes | None) -> bytes:
    """An ebXML message that says of itself to be from a mailer daemon."""
    out = io.BytesIO()
    write_entity(out, b"<a/>", None if payload is None else ("p@x", io.BytesIO(payload)))
    return b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x.no\r\nSubject: Undeliverable\r\n" + out.getvalue()


def receipt() -> bytes:
    """A receipt of reading."""
    return POSTFIX.replace(b"=delivery-status", b"=disposition-notification")


@pytest.mark.parametrize(
    "mail",
    [
        entity(None),
        entity(b"x"),
        receipt(),
        b"From: kari@x.no\r\nReturn-Path: <>\r\nSubject: Undeliverable\r\n\r\nOut of office",
        b"From: postmaster@x.no\r\nReturn-Path: <postmaster@x.no>\r\nSubject: Nytt fra postkontoret\r\n\r\nHei",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
        b"Content-Type: multipart/report\r\n\r\n",
        b"",
        b"no head",
        b"\0: \0\r\n\r\n",
    ],
)
def test_other_mails_are_no_bounces(mail: bytes) -> None:
    """Messages, signals, faults, receipts of reading, absences and noise are none, whoever they say wrote them."""
    assert read_bounce(mail) is None


def test_what_the_standard_library_writes_is_read() -> None:
    """A report made by Python's library gives the same as one by hand."""
    groups = [Message(), Message()]
    groups[0]["Original-Envelope-Id"], groups[1]["Action"], groups[1]["Status"] = "e", "failed", "5.0.0"
    status, returned = Message(), EmailMessage()
    status["Content-Type"], returned["Message-ID"] = "message/delivery-status", "<m@x>"
    status.set_payload(groups)
    report = MIMEMultipart("report", **{"report-type": "delivery-status"})
    for part in (MIMEText("It failed."), status, MIMEMessage(returned)):
        report.attach(part)
    assert read_bounce(report.as_bytes()) == Bounce("e", "m@x", "failed", "5.0.0", True)


def test_an_id_that_was_cut_is_none() -> None:
    """Half an id in a cut report is not handed on as one."""
    assert read_bounce(POSTFIX[: POSTFIX.index(b".0a1b2c3d")]) == replace(READ, original_message_id="")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(POSTFIX)), st.integers(0, 30), st.binary(max_size=5))
def test_a_spoiled_report_never_raises(at: int, gone: int, more: bytes) -> None:
    """Whatever is cut out or put in, it is a report with more or less in it, or none."""
    bounce = read_bounce(POSTFIX[:at] + more + POSTFIX[at + gone :])
    assert bounce is None or bounce.action in ("failed", "unknown")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_noise_never_raises(noise: bytes) -> None:
    """Arbitrary bytes, also behind a head that promises a report, give a value."""
    assert read_bounce(noise) is None
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
    assert isinstance(read_bounce(head + noise), Bounce)


def test_parts_without_end_are_given_up() -> None:
    """A report in thousands of parts is looked at for ten of them."""
    parts = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    late = b"--b\r\nContent-Type: message/delivery-status\r\n\r\nOriginal-Envelope-Id: e\r\n\r\nAction: failed\r\n--b--"
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    assert read_bounce(head + parts * 9 + late) == Bounce("e", "", "failed")
    assert read_bounce(head + parts * 10 + late) == Bounce()
