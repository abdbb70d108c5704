"""IMAP's notation: names that cannot end their argument, and answers whose contents are not taken for names."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kpr.transports.edi.imap_words import Fetched, fetched, folder_name, response_code


def read_name(argument: str) -> str:
    """A server's reading of a quoted name in modified UTF-7 (RFC 3501 s. 5.1.3 and 9)."""
    assert argument[0] == argument[-1] == '"'
    inner = re.sub(r"\\(.)", r"\1", argument[1:-1])

    def decoded(found: re.Match[str]) -> str:
        text = found[1].replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be", "surrogatepass") if text else "&"

    return re.sub(r"&([^-]*)-", decoded, inner)


# -- names -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=40))
@example('a"b\\c')
@example("\r\nA1 DELETE INBOX\r\n")
@example("&-&AOU-")
@example("\ud800")
def test_a_server_reads_the_name_that_was_meant(name: str) -> None:
    """Any text comes back, from one argument of printable ASCII that nothing within can end."""
    argument = folder_name(name)
    assert read_name(argument) == name
    assert re.fullmatch(r'"([ !#-\[\]-~]|\\["\\])*"', argument)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("INBOX", '"INBOX"'),
        ("kpr-archive", '"kpr-archive"'),
        ("Innkående", '"Innk&AOU-ende"'),
        ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),
        ("a & b", '"a &- b"'),
        ("", '""'),
    ],
)
def test_names_look_as_the_standard_has_them(name: str, argument: str) -> None:
    """ASCII as it is; the standard's own example."""
    assert folder_name(name) == argument


# -- answers ---------------------------------------------------------------------------------------------------------


def test_what_is_told_of_a_mail_is_read() -> None:
    """Number, size, time with its zone, and the body as a literal; the UID may come last."""
    about = [(b'1 (INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 44827 BODY[]<0> {3}', b"a)("), b" UID 7)"]
    assert list(fetched(about)) == [Fetched(7, 44827, datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC), b"a)(")]


def test_a_day_of_one_digit_is_read() -> None:
    """The standard pads it with a blank."""
    [found] = fetched([b'1 (UID 7 INTERNALDATE " 7-Jul-1996 02:44:25 +0000")'])
    assert found.received_at == datetime(1996, 7, 7, 2, 44, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b'1 (UID 7 BODY[] "abc")', b"abc"),
        (b'1 (UID 7 BODY[HEADER.FIELDS (FROM)]<0> "a \\"b\\" \\\\c")', b'a "b" \\c'),
        (b'1 (UID 7 BODY[] "")', b""),
        (b"1 (UID 7 BODY[] NIL)", None),
        (b"1 (uid 7 body[] abc)", b"abc"),
        (b"1 (UID 7)", None),
    ],
)
def test_a_body_may_come_in_other_ways(line: bytes, body: bytes | None) -> None:
    """In quotes, empty, or not at all."""
    [found] = fetched([line])
    assert (found.uid, found.body) == (7, body)


@pytest.mark.parametrize(
    "line",
    [
        b'1 (BODY[] "UID 9 RFC822.SIZE 1" UID 7)',
        b"1 (FLAGS (UID 9) UID 7)",
        b'1 (ENVELOPE ("UID" "9") UID 7)',
        b'1 (X "UID" UID 7)',
        b"1 (BODY[UID 9] x UID 7)",
    ],
)
def test_what_a_mail_says_is_no_name(line: bytes) -> None:
    """A mail, a flag or an envelope cannot pass for another mail's number."""
    [found] = fetched([line])
    assert found.uid == 7


def test_a_literal_cannot_pass_for_names() -> None:
    """Whatever bytes it has, parentheses and numbers among them."""
    hostile = b') UID 9) (UID 9 RFC822.SIZE 1 "'
    [found] = fetched([(b"1 (UID 7 BODY[] {%d}" % len(hostile), hostile), b" RFC822.SIZE 5)"])
    assert found == Fetched(7, 5, None, hostile)


def test_answers_that_nobody_asked_for_are_passed_over() -> None:
    """Flags of other mails, without a number, and what is no answer at all."""
    data: list[object] = [None, b"3 (FLAGS (\\Seen))", (b"1 (UID 7 BODY[] {1}", b"x"), b")", b"", b"4 (FLAGS ())"]
    assert list(fetched(data)) == [Fetched(7, body=b"x")]


@given(st.lists(st.one_of(st.none(), st.binary(max_size=40), st.tuples(st.binary(max_size=40), st.binary(max_size=9)))))
def test_any_answer_is_read_or_passed_over(data: list[object]) -> None:
    """Nothing is raised, and every mail has a number."""
    assert all(found.uid > 0 for found in fetched(data))


@pytest.mark.parametrize("number", [b"0", b"-1", b"x", b"9" * 5000, b"7.5"])
def test_a_number_that_is_none_is_no_mail(number: bytes) -> None:
    """Nor can it be so long that reading it takes for ever."""
    assert list(fetched([b"1 (UID " + number + b")"])) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[OVERQUOTA] no room", "OVERQUOTA"),
        (b"[UIDVALIDITY 5] ok", "UIDVALIDITY"),
        (b"no [OVERQUOTA]", ""),
        (b"[overquota]", ""),
        (b"", ""),
        (b"[", ""),
    ],
)
def test_the_code_is_what_stands_first_in_brackets(line: bytes, code: str) -> None:
    """Words after it, and brackets elsewhere, are not looked at."""
    assert response_code(line) == code
