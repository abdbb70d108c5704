"""SMTP's notation: dots and line ends at any border, what a mail is called, and what a reply means."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mail_servers import Scripted, address, label

from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi.outcomes import table
from kpr.transports.edi.settings import SmtpServer
from kpr.transports.edi.smtp import SmtpSender, message_of
from kpr.transports.edi.smtp_words import PIECE, dotted, head, is_address, mail_message_id, pieces, reply_error

CANARY = "01818012337"

#: Bytes that are mostly what matters here.
TRICKY = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\x00", b"\xe6"]), max_size=30).map(b"".join)


def cut(text: bytes, borders: list[int]) -> Iterator[bytes]:
    """The same bytes in pieces."""
    places = [0, *sorted(border % (len(text) + 1) for border in borders), len(text)]
    return (text[a:b] for a, b in pairwise(places))


def received(wire: bytes) -> bytes:
    """What a server makes of DATA (RFC 5321 s. 4.5.2), line by line; it must end at the end and not before."""
    lines = wire.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])


def with_line_ends(text: bytes) -> bytes:
    """The same text in lines with CRLF, told in another way than the code does."""
    lines = re.split(rb"\r\n|\n|\r", text)
    return b"".join(line + b"\r\n" for line in (lines[:-1] if not lines[-1] else lines))


# -- dots and line ends ----------------------------------------------------------------------------------------------


@given(TRICKY, st.lists(st.integers(0, 100), max_size=6))
@example(b".", [])
@example(b"\r\n.\r\n", [1, 2, 3])
@example(b"a\r", [2])
@example(b"\n.\n", [1, 2])
@example(b"\r\r\n.", [1, 2])
@example(b"", [])
def test_a_server_reads_what_was_sent_wherever_the_borders_fall(text: bytes, borders: list[int]) -> None:
    """The lines arrive as they were, and neither a dot nor a bare CR or LF ends the mail early."""
    wire = b"".join(dotted(cut(text, borders)))
    assert received(wire) == with_line_ends(text)
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")


@given(TRICKY, st.lists(st.integers(0, 100), max_size=6), st.lists(st.integers(0, 100), max_size=6))
def test_borders_change_nothing(text: bytes, some: list[int], others: list[int]) -> None:
    """Two ways of cutting give the same bytes."""
    assert b"".join(dotted(cut(text, some))) == b"".join(dotted(cut(text, others)))


def test_what_has_its_line_ends_goes_as_it_is() -> None:
    """An entity as our writers make it is not changed by a byte, but for the final dot."""
    text = b"MIME-Version: 1.0\r\n\r\nQUJD\r\n" * 3
    assert b"".join(dotted(cut(text, [1, 20, 22]))) == text + b".\r\n"


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_body_goes_in_pieces(size: int) -> None:
    """All of it, none larger than the limit, and nothing beyond the size that was said."""
    body = io.BytesIO(bytes(size) + b"beyond")
    found = list(pieces(body, size))
    assert b"".join(found) == bytes(size)
    assert max(map(len, found), default=0) <= PIECE


def test_a_body_that_is_too_short_is_never_taken_for_whole() -> None:
    """It is told before the end of DATA could be sent, whether it ends early or cannot be read."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(CANARY)

    for body in (io.BytesIO(b"abc"), Broken(b"abcd")):
        with pytest.raises(TransportRefused, match="mail:short") as told:
            list(pieces(body, 4))
        assert CANARY not in str(told.value)


# -- what a mail is called -------------------------------------------------------------------------------------------


@given(st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{1,10}){0,3}", fullmatch=True))
@example("a.0123abcd")
def test_the_name_comes_back_from_the_message_id(name: str) -> None:
    """From the whole id, without its brackets, with blanks around it, and from the envelope's id."""
    made = mail_message_id(label(name=name))
    for form in (made, made.strip("<>"), f" {made} ", made.strip("<>").partition("@")[0]):
        assert message_of(form) == name


def test_each_try_has_an_id_of_its_own() -> None:
    """The same message, sent twice, is two mails of the sender's domain."""
    one = label()
    ids = {mail_message_id(one) for _ in range(50)}
    assert len(ids) == 50
    assert {found.rpartition("@")[2] for found in ids} == {"edi.example.invalid>"}


@given(st.text(max_size=60))
@example("<a.0123abcd@x> <b.0123abcd@x>")
@example("<x@edi.example.invalid>")
@example("a.0123ABCD@x")
@example("." * 40 + "0123abcd")
@example("a" * 600 + ".0123abcd@x")
def test_another_id_is_none_of_ours(text: str) -> None:
    """Whatever stands there: a name of ours, or nothing."""
    assert re.fullmatch(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?", message_of(text))
    if ".0123abcd" not in text:
        assert message_of(text) == "" or re.search(r"\.[0-9a-f]{8}", text)


@pytest.mark.parametrize(
    "text", ["<a.0123abcd@x> <b.0123abcd@x>", "<@x>", "<.0123abcd@x>", "a b.0123abcd@x", "a" * 600]
)
def test_what_only_resembles_an_id_of_ours_is_none(text: str) -> None:
    """Two ids, no name, a blank within, or far too long."""
    assert message_of(text) == ""


@pytest.mark.parametrize("name", ["", "a b", "a@b", "a\r\nBcc: x", ".a", "a.", "a..b", "æ", "<a>"])
def test_a_name_that_would_break_the_head_is_a_mistake(name: str) -> None:
    """Names are made by us: another is a fault of ours, and no mail."""
    with pytest.raises(ValueError, match="a label's name"):
        mail_message_id(label(name=name))


def test_the_head_has_what_the_profile_demands() -> None:
    """From, To, Date and Message-ID, each once, in a form that Python's own parser reads."""
    one = label(sent_at=datetime(2021, 1, 7, 10, tzinfo=UTC))
    read = BytesParser(policy=policy.default).parsebytes(head(one, "<a.0123abcd@x>") + b"\r\n")
    assert [name for name, _ in read.items()] == ["From", "To", "Date", "Message-ID"]
    assert (read["From"], read["To"], read["Message-ID"]) == (one.sender, one.recipient, "<a.0123abcd@x>")
    assert read["Date"].datetime == one.sent_at


@pytest.mark.parametrize(
    "text", ["", "x", "a@", "@b", "a@b c", "a b@c", "a@b>", "<a@b", "a@b\r\nX: y", "æ@b", "a@b.", "a@-b"]
)
def test_no_address_can_end_its_own_line(text: str) -> None:
    """Missing, of two words, with brackets or line ends: refused before anything is sent."""
    assert not is_address(text)
    nowhere = SmtpSender(SmtpServer(host="localhost", port=1))
    for changes in ({"sender": text}, {"recipient": text}):
        with pytest.raises(TransportRefused, match="mail:address"):
            nowhere.send(replace(label(), **changes), io.BytesIO(b"x"), 1)


@pytest.mark.parametrize(
    "text", ["123456@edi.nhn.no", "123456@testedi.nhn.no", "A.b+c_d@x", "o'x@x.no", address("user0")]
)
def test_addresses_in_use_are_taken(text: str) -> None:
    """As the address book has them."""
    assert is_address(text)


# -- what a reply means ----------------------------------------------------------------------------------------------

REPLIES = {
    "too busy": (421, b"", "connect", "mail:busy", True),
    "greylisted": (451, b"4.7.1", "rcpt", "mail:busy", True),
    "full for now": (452, b"4.2.2", "rcpt", "mail:busy", True),
    "login later": (454, b"4.7.0", "login", "mail:busy", True),
    "no TLS now": (454, b"", "tls", "mail:busy", True),
    "no TLS": (502, b"", "tls", "mail:no-starttls", False),
    "wrong password": (535, b"5.7.8", "login", "mail:login", False),
    "odd login": (501, b"", "login", "mail:login", False),
    "login first": (530, b"5.7.0", "mail", "mail:login", False),
    "unknown": (550, b"5.1.1", "rcpt", "mail:recipient", False),
    "not local": (551, b"", "rcpt", "mail:recipient", False),
    "full": (552, b"5.2.2", "data", "mail:quota", True),
    "full at once": (552, b"", "rcpt", "mail:quota", True),
    "full by its number": (550, b"5.2.2", "rcpt", "mail:quota", True),
    "larger than said": (552, b"", "mail", "mail:too-large", False),
    "too large": (552, b"5.3.4", "data", "mail:too-large", False),
    "too large by its number": (554, b"5.3.4", "data", "mail:too-large", False),
    "spam": (554, b"5.7.1", "data", "mail:refused", False),
    "no mail here": (554, b"", "connect", "mail:refused", False),
    "a web server": (-1, b"", "connect", "mail:protocol", False),
    "what": (250, b"", "data", "mail:protocol", False),
}


@pytest.mark.parametrize(("code", "words", "stage", "condition", "retry"), REPLIES.values(), ids=REPLIES.keys())
def test_a_reply_is_told_by_its_number_alone(code: int, words: bytes, stage: str, condition: str, retry: bool) -> None:
    """Whether it may be tried again, the sentence, and the code; the server's words are never there."""
    error = reply_error(code, words + b" " + CANARY.encode(), stage)
    assert (type(error) is TransportError) is retry
    assert condition in str(error)
    assert (f"[{code}]" in str(error)) is (code > 0)
    assert CANARY not in str(error)


def test_every_condition_of_mail_has_its_own_row() -> None:
    """No condition that the code names falls back to the general sentence."""
    named = {condition for *_, condition, _ in REPLIES.values()}
    others = {"away", "unsure", "tls", "address", "short", "folder", "gone", "renumbered"}
    assert named | {f"mail:{name}" for name in others} == {name for name in table() if name.startswith("mail:")}


# -- servers that one seldom meets -----------------------------------------------------------------------------------


def scripted(answers: dict[bytes, bytes | None], greeting: bytes = b"220 x\r\n") -> Scripted:
    """An SMTP server that answers by the command's first word; otherwise it agrees. Lines of DATA get no answer."""
    usual: dict[bytes, bytes | None] = {b"EHLO": b"250 x\r\n", b"DATA": b"354 go\r\n"}
    in_data = False

    def answer(line: bytes) -> bytes | None:
        nonlocal in_data
        word = (line.upper().split() or [b""])[0]
        if in_data and word != b".":
            return b""
        reply = (usual | answers).get(word, b"250 ok\r\n")
        in_data = word == b"DATA" and reply is not None and reply.startswith(b"354")
        return reply

    return Scripted(greeting, answer)


def send(server: Scripted, body: bytes = b"\r\nx\r\n", **changes: object) -> None:
    """A mail to a server without TLS on this machine."""
    usual = {"host": "127.0.0.1", "port": server.port, "security": "none", "timeout_seconds": 5}
    SmtpSender(SmtpServer.model_validate(usual | changes)).send(label(), io.BytesIO(body), len(body))


def test_a_server_that_hangs_up_in_the_middle_is_still_heard() -> None:
    """It refuses while the mail is on its way, and closes: the reply counts, not the broken line."""
    body = b"\r\n" + b"x" * 70 + b"\r\n"
    told = iter([b"250 x\r\n"] * 3 + [b"354 go\r\n", b"552 5.3.4 too much\r\n"])

    def answer(_line: bytes) -> bytes | None:
        return next(told, None)

    with Scripted(b"220 x\r\n", answer) as server, pytest.raises(TransportRefused, match=r"mail:too-large.*\[552\]"):
        send(server, body * 200_000)


@pytest.mark.parametrize(
    ("answers", "greeting", "condition"),
    [
        ({}, b"421 busy\r\n", "mail:busy"),
        ({}, b"554 no\r\n", "mail:refused"),
        ({}, b"HTTP/1.1 400 Bad Request\r\n", "mail:protocol"),
        ({}, b"220 " + b"x" * 20_000 + b"\r\n", "mail:refused"),
        ({b"EHLO": None}, b"220 x\r\n", "mail:away"),
        ({b"EHLO": b"\xff\xfe what\r\n", b"HELO": b"\x00 what\r\n"}, b"220 x\r\n", "mail:protocol"),
        ({b"MAIL": None}, b"220 x\r\n", "mail:away"),
        ({b"RCPT": b"550-5.1.1 a\r\n550 5.1.1 b\r\n"}, b"220 x\r\n", "mail:recipient"),
        ({b"DATA": b"250 what\r\n"}, b"220 x\r\n", "mail:protocol"),
        ({b".": None}, b"220 x\r\n", "mail:unsure"),
        ({b".": b"451 later\r\n"}, b"220 x\r\n", "mail:busy"),
    ],
)
def test_whatever_a_server_says_becomes_one_of_our_errors(
    answers: dict[bytes, bytes | None], greeting: bytes, condition: str
) -> None:
    """Busy, closed, nonsense, or gone at any point: a condition of the table, and nothing else is raised."""
    with scripted(answers, greeting) as server, pytest.raises(TransportError, match=condition):
        send(server)


def test_a_server_of_the_old_kind_is_spoken_to() -> None:
    """Without EHLO there are no extensions, and none is used."""
    with scripted({b"EHLO": b"502 what\r\n"}) as server:
        send(server)
        heard = b"".join(server.heard)
    assert b"MAIL FROM:<user0@edi.example.invalid>\r\n" in heard
    assert b"RCPT TO:<user0@edi.example.invalid>\r\n" in heard


@pytest.mark.parametrize(
    ("said", "refused"),
    [(b"SIZE 40", True), (b"SIZE 0", False), (b"SIZE", False), (b"SIZE " + b"9" * 5000, False), (b"SIZE x", False)],
)
def test_the_announced_size_counts_before_anything_is_sent(said: bytes, refused: bool) -> None:
    """A limit stops a mail that is larger; no limit, or one that cannot be read, does not."""
    with scripted({b"EHLO": b"250-x\r\n250 " + said + b"\r\n"}) as server:
        if not refused:
            send(server)
            assert any(b" SIZE=" in line for line in server.heard)
            return
        with pytest.raises(TransportRefused, match="mail:too-large"):
            send(server)
        assert not any(line.startswith(b"MAIL") for line in server.heard)


@pytest.mark.parametrize(
    ("offered", "word"),
    [(b"AUTH PLAIN LOGIN", b"AUTH PLAIN "), (b"AUTH LOGIN", b"AUTH LOGIN"), (b"AUTH CRAM-MD5", b""), (b"x", b"")],
)
def test_we_log_in_in_a_way_that_both_know(offered: bytes, word: bytes) -> None:
    """PLAIN, else LOGIN, with any letters; where neither is offered, nothing is sent."""

    told: dict[bytes, bytes | None] = {
        b"EHLO": b"250-x\r\n250 " + offered + b"\r\n",
        b"AUTH": b"235 ok\r\n" if word == b"AUTH PLAIN " else b"334 x\r\n",
        b"DXM=": b"334 x\r\n",
        b"W6BDUMOL": b"235 ok\r\n",
    }
    with scripted(told) as server:
        if word:
            send(server, b"", username="us", password="æøå")
            assert any(line.startswith(word) for line in server.heard)
            return
        with pytest.raises(TransportRefused, match="mail:login"):
            send(server, b"", username="us", password="æøå")
        assert not any(line.startswith(b"MAIL") for line in server.heard)
