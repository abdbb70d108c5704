"""The mail carrier against a real Dovecot and a real SMTP server: what is handed in arrives whole, or is told."""

from __future__ import annotations

import base64
import io
import logging
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from mail_servers import (
    PASSWORD,
    SMTP_USER,
    Post,
    Scripted,
    address,
    label,
    look,
    running_dovecot,
    running_post,
    running_smtp,
    server_keys,
)

from kpr.demo.mail_servers import Dovecot, find_dovecot, mail_folder
from kpr.errors import BadSettings, TransportError, TransportRefused
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.imap import ImapBox
from kpr.transports.edi.imap_line import PIECE
from kpr.transports.edi.smtp import message_of

CANARY = "01818012337"
SMALL = b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n.hei\r\n..\r\n"


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    """One pair of servers for all tests that do not change them."""
    with running_post() as running:
        yield running


@pytest.fixture
def own() -> Iterator[Post]:
    """A pair that a test may kill."""
    with running_post() as running:
        yield running


def entity(payload: bytes) -> bytes:
    """A MIME entity as the envelope's writer makes it: its own headers first, the payload in base64."""
    return (
        b'MIME-Version: 1.0\r\nSOAPAction: "ebXML"\r\n'
        b'Content-Type: multipart/related; type="text/xml"; boundary="kpr"; start="<soap>"\r\n\r\n'
        b'--kpr\r\nContent-Type: text/xml; charset="UTF-8"\r\nContent-ID: <soap>\r\n\r\n<x/>\r\n'
        b"--kpr\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(payload).replace(b"\n", b"\r\n")
        + b"--kpr--\r\n"
    )


def send(post: Post, to: str, body: bytes = SMALL, one: Label | None = None, **changes: Any) -> Label:
    """Send a mail to a user through the usual server, or as the changes say."""
    one = one or label(recipient=to)
    post.sender(**changes).send(one, io.BytesIO(body), len(body))
    return one


def names(post: Post, user: str, folder: str = "INBOX") -> list[str]:
    """The messages in a folder, by what their mails are called, oldest first."""
    mails = look(post.dovecot, user, folder)
    return [message_of(_head(mails[uid][1], "Message-ID")) for uid in sorted(mails)]


def _head(raw: bytes, name: str) -> str:
    return str(BytesParser(policy=policy.default).parsebytes(raw, headersonly=True)[name] or "")


# -- there and back --------------------------------------------------------------------------------------------------


def test_twenty_megabytes_arrive_byte_for_byte(post: Post) -> None:
    """Handed in, fetched in pieces, and the same; Python's own parser reads the mail and finds the payload."""
    user, payload = post.user(), bytes(range(256)) * (15 << 12)
    body = entity(payload)
    assert len(body) > 20_000_000
    carrier = post.carrier(user)
    one = label(recipient=user)
    carrier.put(one, io.BytesIO(body), len(body))
    [arrived] = carrier.waiting()
    with arrived.open() as stream:
        raw = stream.read()
    assert len(raw) == arrived.size
    assert raw.endswith(b"\r\n" + body)
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/xml", "application/pkcs7-mime"]
    assert list(mail.iter_parts())[1].get_payload(decode=True) == payload
    assert (mail["From"], mail["To"], mail["SOAPAction"]) == (one.sender, address(user), '"ebXML"')
    assert message_of(mail["Message-ID"]) == one.name
    arrived.accept()
    carrier.close()
    assert look(post.dovecot, user) == {}
    [(flags, archived)] = look(post.dovecot, user, "kpr-archive").values()
    assert (flags, archived) == ({r"\Seen"}, raw)


def test_a_large_mail_is_never_in_memory_as_a_whole(post: Post) -> None:
    """Sending and reading 20 MB a little at a time takes a few pieces' room, not the mail's."""
    user, body = post.user(), entity(bytes(15 << 20))
    tracemalloc.start()
    try:
        post.sender().send(label(recipient=user), io.BytesIO(body), len(body))
        sending = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        box = post.box(user)
        [arrived] = box.waiting()
        with arrived.open() as stream:
            total = sum(len(part) for part in iter(lambda: stream.read(1 << 16), b""))
        box.close()
        reading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == arrived.size
    assert sending < 8 << 20
    assert reading < 4 * PIECE


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_mail_of_any_size_ends_where_it_ends(post: Post, size: int) -> None:
    """Also when the last piece is full, or there is nothing."""
    user, raw = post.user(), b"x" * size
    post.dovecot.deliver(user, raw)
    box = post.box(user)
    [arrived] = box.waiting()
    assert (arrived.size, arrived.open().read()) == (size, raw)
    box.close()


def test_mails_come_in_the_order_that_they_came(post: Post) -> None:
    """By UID, more than fit in one question; another program's deleted mail is not among them."""
    user = post.user()
    for number in range(120):
        post.dovecot.deliver(user, b"Subject: %d\r\n\r\n" % number)
    box = post.box(user)
    first = list(box.waiting())
    assert [_head(mail.open().read(), "Subject") for mail in first] == [str(number) for number in range(120)]
    assert [int(mail.name.partition(".")[2]) for mail in first] == sorted(int(m.name.partition(".")[2]) for m in first)
    first[7].accept()
    first[3].set_aside("useless")
    assert [mail.name for mail in box.waiting()] == [m.name for number, m in enumerate(first) if number not in (3, 7)]
    box.close()


def test_looking_leaves_no_trace(post: Post) -> None:
    """A round that reads everything and takes nothing leaves every mail unseen in its place, to come again."""
    user = post.user()
    for _ in range(3):
        send(post, user)
    before = look(post.dovecot, user)
    box = post.box(user)
    for _ in range(2):
        assert [mail.open().read() for mail in box.waiting()] == [raw for _, raw in before.values()]
    box.close()
    assert look(post.dovecot, user) == before
    assert {frozenset(flags) for flags, _ in before.values()} == {frozenset()}


def test_what_nobody_can_use_goes_to_its_own_folder(post: Post) -> None:
    """Seen and moved; twice is once; the archive is not made for it."""
    user = post.user()
    one = send(post, user)
    box = post.box(user)
    [arrived] = box.waiting()
    arrived.set_aside("no envelope")
    arrived.set_aside("no envelope")
    box.close()
    assert names(post, user) == []
    assert names(post, user, "kpr-failed") == [one.name]
    assert names(post, user, "kpr-archive") == []


def test_what_comes_during_a_connection_is_seen_in_the_next_round(post: Post) -> None:
    """The connection stays open between rounds, and the server is asked anew."""
    user = post.user()
    box = post.box(user)
    assert list(box.waiting()) == []
    send(post, user)
    assert len(list(box.waiting())) == 1
    box.close()


@pytest.mark.parametrize(
    "folder", ["Arkiv æøå", "Til & fra", "日本/x", 'a "b" c', "a\\b", "* OK [x]", "kpr\r\nA1 DELETE INBOX"]
)
def test_a_folder_may_be_called_anything(post: Post, folder: str) -> None:
    """Letters, quotes, backslashes and line ends are part of the name, or the server refuses the name: never a command.

    What is accepted lies in a folder of that name afterwards, or is still where it was.
    """
    user = post.user()
    one = send(post, user)
    box, again = post.box(user, archive=folder), post.box(user, folder=folder, archive="elsewhere")
    [arrived] = box.waiting()
    refused = ""
    try:
        arrived.accept()
    except TransportRefused as told:
        refused = str(told)
    box.close()
    assert not refused or "mail:folder" in refused
    assert names(post, user) == ([one.name] if refused else [])
    if not refused:
        assert [message_of(_head(mail.open().read(), "Message-ID")) for mail in again.waiting()] == [one.name]
        again.close()


def test_norwegian_folders_are_read_and_written(post: Post) -> None:
    """Both the folder that is read and the archive; a mail program sees the names in IMAP's own form."""
    user = post.user()
    post.dovecot.deliver(user, SMALL, folder="Innk&AOU-ende")
    box = post.box(user, folder="Innkående", archive="Lest øst")
    [arrived] = box.waiting()
    arrived.accept()
    box.close()
    assert [raw for _, raw in look(post.dovecot, user, "Lest &APg-st").values()] == [SMALL]


def test_two_mailboxes_in_one_process_do_not_mix(post: Post) -> None:
    """Two rounds at once, each with its own connection, see and take their own."""
    one, two = post.user(), post.user()
    expected = {user: [send(post, user).name for _ in range(3)] for user in (one, two)}
    boxes = {user: post.box(user) for user in (one, two)}
    found: dict[str, list[str]] = {one: [], two: []}
    for first, second in zip(boxes[one].waiting(), boxes[two].waiting(), strict=True):
        for user, arrived in ((one, first), (two, second)):
            found[user].append(message_of(_head(arrived.open().read(), "Message-ID")))
            arrived.accept()
    for box in boxes.values():
        box.close()
    assert found == expected
    assert (names(post, one), names(post, two)) == ([], [])


# -- TLS and login ---------------------------------------------------------------------------------------------------


def imap_round(post: Post, **changes: Any) -> None:
    """Look into a mailbox."""
    box = post.box("user0", **changes)
    try:
        list(box.waiting())
    finally:
        box.close()


def test_smtp_without_starttls_is_refused_and_not_used_in_the_clear(post: Post) -> None:
    """The server would take the mail; nothing is sent to it, and the password is not either."""
    user = post.user()
    with running_smtp(post.dovecot, security="none") as plain:
        with pytest.raises(TransportRefused, match="mail:no-starttls"):
            send(post, user, server=plain, username="")
        assert look(post.dovecot, user) == {}
        send(post, user, server=plain, security="none", username="")
    assert len(look(post.dovecot, user)) == 1


def test_imap_without_starttls_is_refused_and_not_used_in_the_clear(post: Post) -> None:
    """The same server in the clear, when the settings say so, is used."""
    with running_dovecot(tls=False) as plain:
        with pytest.raises(TransportRefused, match="mail:no-starttls"):
            imap_round(post, server=plain, port=plain.port, security="starttls")
        imap_round(post, server=plain, port=plain.port, security="none")
        log = (plain.folder / "run" / "dovecot.log").read_text()
    assert log.count("Login: user=") == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_both_ways_of_tls_work(post: Post, security: str) -> None:
    """TLS from the start and STARTTLS, in both directions."""
    user = post.user()
    with running_smtp(post.dovecot, security=security, users={SMTP_USER: PASSWORD}) as server:
        one = send(post, user, server=server, security=security)
    port = post.dovecot.tls_port if security == "tls" else post.dovecot.port
    box = post.box(user, security=security, port=port)
    [arrived] = box.waiting()
    box.close()
    assert message_of(_head(arrived.open().read(), "Message-ID")) == one.name
    box.close()


@pytest.mark.parametrize("fault", ["expired", "another host", "another authority"])
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_does_not_fit_ends_it(post: Post, tmp_path: Path, fault: str, security: str) -> None:
    """Expired, for another name, or from an authority that is not ours: refused before login, in both directions."""
    host = "mail.example.invalid" if fault == "another host" else "localhost"
    certificate, key, authority = server_keys(tmp_path, host, expired=fault == "expired")
    ca_file = post.smtp.ca_file if fault == "another authority" else authority
    keys, how = (certificate, key), {"ca_file": ca_file, "security": security}
    with running_dovecot(keys=keys) as imap, running_smtp(imap, keys=keys, security=security) as smtp:
        port = imap.tls_port if security == "tls" else imap.port
        with pytest.raises(TransportRefused, match="mail:tls"):
            send(post, "user0", server=smtp, username="", **how)
        with pytest.raises(TransportRefused, match="mail:tls"):
            imap_round(post, server=imap, port=port, **how)
        assert "Login:" not in (imap.folder / "run" / "dovecot.log").read_text()
        assert look(imap, "user0") == {}


def test_a_port_that_speaks_no_tls_is_told(post: Post) -> None:
    """The usual mistake: 587 or 143 with TLS from the start."""
    with pytest.raises(TransportRefused, match="mail:tls"):
        send(post, "user0", security="tls")
    with pytest.raises(TransportRefused, match="mail:tls"):
        imap_round(post, port=post.dovecot.port)


def test_a_login_that_is_refused_is_told_without_the_password(post: Post) -> None:
    """A wrong password, or an unknown user: refused, so that nobody locks the account by trying again."""
    for changes in ({"password": CANARY}, {"username": f"{CANARY}@x"}, {"username": 'a" b\\'}):
        with pytest.raises(TransportRefused, match="mail:login") as told:
            send(post, "user0", **changes)
        assert CANARY not in str(told.value)
    for changes in ({"password": CANARY}, {"username": f"x{CANARY}"}, {"username": ""}):
        with pytest.raises(TransportRefused, match="mail:login") as told:
            imap_round(post, **changes)
        assert CANARY not in str(told.value)


def test_a_server_that_is_not_there_is_tried_again(post: Post) -> None:
    """Nobody listens: a fault that may pass, in both directions."""
    with pytest.raises(TransportError, match="mail:away") as told:
        send(post, "user0", port=1)
    assert not isinstance(told.value, TransportRefused)
    with pytest.raises(TransportError, match="mail:away") as told:
        imap_round(post, port=1)
    assert not isinstance(told.value, TransportRefused)


def test_a_folder_that_does_not_exist_is_told(post: Post) -> None:
    """The folder that is read is not made: it would be empty for ever."""
    with pytest.raises(TransportRefused, match="mail:folder"):
        imap_round(post, folder="Innboks")


# -- sizes, refusals, bounces ----------------------------------------------------------------------------------------


def test_a_size_that_was_announced_stops_the_mail_before_it_is_sent(post: Post) -> None:
    """A mail over the server's limit is refused with a sentence; one below goes through."""
    user = post.user()
    with running_smtp(post.dovecot, size_limit=100_000) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        how = {"server": server, "username": "", "port": proxy.port}
        with pytest.raises(TransportRefused, match="større enn e-posttjeneren tar imot"):
            send(post, user, entity(bytes(80_000)), **how)
        assert proxy.bytes_up < 10_000
        send(post, user, entity(bytes(60_000)), **how)
    assert len(look(post.dovecot, user)) == 1


ANSWERS = {
    "size not announced": ("data", "552 5.3.4 too large", "mail:too-large", False),
    "size without a number": ("data", "552 too much mail data", "mail:too-large", False),
    "no room": ("data", "552 5.2.2 over quota", "mail:quota", True),
    "no room for now": ("rcpt", "452 4.2.2 over quota", "mail:busy", True),
    "shutting down": ("mail", "421 4.3.2 shutting down", "mail:busy", True),
    "greylisted": ("rcpt", "451 4.7.1 come back", "mail:busy", True),
    "not now": ("data", "451 4.3.0 not now", "mail:busy", True),
    "unknown receiver": ("rcpt", "550 5.1.1 who", "mail:recipient", False),
    "unwanted": ("data", "554 5.7.1 spam", "mail:refused", False),
}


@pytest.fixture(scope="module")
def moody(post: Post) -> Iterator[Any]:
    """A server that is told what to answer."""
    with running_smtp(post.dovecot) as server:
        yield server


@pytest.mark.parametrize(("stage", "answer", "condition", "retry"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_refusal_is_told_and_the_next_try_goes_through(
    post: Post, moody: Any, stage: str, answer: str, condition: str, retry: bool
) -> None:
    """4xx may be tried again, 5xx not, a full mailbox may; afterwards the same message arrives, once."""
    user, one = post.user(), label()
    to = label(recipient=user, name=one.name)
    moody.say(**{stage: f"{answer} {CANARY}"})
    with pytest.raises(TransportError, match=condition) as told:
        send(post, user, one=to, server=moody, username="")
    assert isinstance(told.value, TransportRefused) is not retry
    assert f"[{answer[:3]}]" in str(told.value)
    assert CANARY not in str(told.value)
    assert look(post.dovecot, user) == {}
    moody.say()
    send(post, user, one=to, server=moody, username="")
    assert names(post, user) == [one.name]


def test_an_unknown_receiver_is_refused_by_the_server_itself(post: Post) -> None:
    """An address that has no mailbox there."""
    with pytest.raises(TransportRefused, match=r"mail:recipient.*\[550\]"):
        send(post, "nobody")


def test_a_bounce_names_the_message(post: Post, moody: Any) -> None:
    """Taken first and returned later: by the envelope id that we gave, and by the Message-ID in what is returned."""
    user = post.user()
    one = label(sender=user, recipient=user)
    moody.say(bounce="5.1.1")
    send(post, user, one=one, server=moody, username="")
    moody.say()
    box = post.box(user)
    [arrived] = box.waiting()
    report = BytesParser(policy=policy.default).parsebytes(arrived.open().read())
    box.close()
    status, original = list(report.iter_parts())[1:]
    assert message_of(status.get_payload()[0]["Original-Envelope-Id"]) == one.name
    assert message_of(_head(original.get_content().encode(), "Message-ID")) == one.name


def test_without_dsn_nothing_of_it_is_said(post: Post) -> None:
    """A server that does not offer it refuses its parameters; the mail arrives."""
    user = post.user()
    with running_smtp(post.dovecot, dsn=False) as server:
        one = send(post, user, server=server, username="")
    assert names(post, user) == [one.name]


# -- lines that break ------------------------------------------------------------------------------------------------


@pytest.fixture
def plain(post: Post) -> Iterator[Any]:
    """An SMTP server in the clear, so that bytes on the line can be counted, behind a line that breaks."""
    with running_smtp(post.dovecot, security="none") as server, FaultProxy("127.0.0.1", server.port) as proxy:
        yield {"server": server, "security": "none", "username": "", "port": proxy.port}, proxy


def whole_session(proxy: FaultProxy) -> int:
    """What the server has said, when nothing more is counted: a client can be done before the proxy has counted."""
    before = -1
    while before != proxy.bytes_down:
        before = proxy.bytes_down
        time.sleep(0.1)
    return before


@pytest.mark.parametrize("n_bytes", [0, 30, 200, 500_000])
def test_a_line_that_breaks_while_sending_leaves_no_half_mail(post: Post, plain: Any, n_bytes: int) -> None:
    """At the greeting, in the envelope, in the head or in the body: tried again, and then there once."""
    how, proxy = plain
    user, one = post.user(), label()
    to, body = label(recipient=user, name=one.name), entity(bytes(700_000))
    proxy.cut_after(n_bytes, "up")
    if not n_bytes:
        proxy.refuse()
    # What still lies in buffers on the way has been sent, as far as we can know.
    with pytest.raises(TransportError, match=r"mail:(away|unsure)") as told:
        send(post, user, body, one=to, **how)
    assert not isinstance(told.value, TransportRefused)
    assert look(post.dovecot, user) == {}
    proxy.heal()
    send(post, user, body, one=to, **how)
    assert names(post, user) == [one.name]


def test_a_line_that_breaks_before_the_answer_leaves_it_open(post: Post, plain: Any) -> None:
    """The server has the mail, and we do not know it: sent again under the same name, as another mail."""
    how, proxy = plain
    other, user, one = post.user(), post.user(), label()
    to = label(recipient=user, name=one.name)
    send(post, other, **how)
    proxy.cut_after(whole_session(proxy) - len(b"250 2.0.0 queued\r\n221 Bye\r\n") + 1, "down")
    with pytest.raises(TransportError, match="mail:unsure") as told:
        send(post, user, one=to, **how)
    assert not isinstance(told.value, TransportRefused)
    proxy.heal()
    send(post, user, one=to, **how)
    assert names(post, user) == [one.name, one.name]
    ids = {_head(raw, "Message-ID") for _, raw in look(post.dovecot, user).values()}
    assert len(ids) == 2


@pytest.mark.parametrize("n_bytes", [1_000, 3_000_000, 9_000_000])
def test_a_line_that_breaks_while_reading_goes_on_where_it_was(post: Post, n_bytes: int) -> None:
    """New connections get through: the mail is read to its end over a second one, byte for byte."""
    user, raw = post.user(), b"Subject: x\r\n\r\n" + bytes(range(33, 127)) * 100_000
    post.dovecot.deliver(user, raw)
    with FaultProxy("127.0.0.1", post.dovecot.tls_port) as proxy:
        box = post.box(user, port=proxy.port)
        [arrived] = box.waiting()
        proxy.at(n_bytes, "down", proxy.cut)
        assert arrived.open().read() == raw
        assert proxy.connections == 2
        arrived.accept()
        box.close()
    assert look(post.dovecot, user) == {}


def test_a_line_that_says_nothing_more_is_given_up(post: Post, plain: Any) -> None:
    """Nobody hangs up, and nothing comes: after the time in the settings, a fault that may pass."""
    how, proxy = plain
    proxy.black_hole()
    with pytest.raises(TransportError, match="mail:away"):
        send(post, "user0", timeout_seconds=0.5, **how)
    user = post.user()
    post.dovecot.deliver(user, SMALL)
    with FaultProxy("127.0.0.1", post.dovecot.tls_port) as line:
        box = post.box(user, port=line.port, timeout_seconds=1)
        [arrived] = box.waiting()
        line.black_hole()
        with pytest.raises(TransportError, match="mail:away"):
            arrived.open().read()
        line.heal()
        assert arrived.open().read() == SMALL
        box.close()


def test_a_line_that_stays_broken_is_told_and_nothing_is_lost(post: Post) -> None:
    """The mail that was being read waits for the next round, unseen."""
    user, raw = post.user(), b"Subject: x\r\n\r\n" + bytes(range(33, 127)) * 100_000
    post.dovecot.deliver(user, raw)
    with FaultProxy("127.0.0.1", post.dovecot.tls_port) as proxy:
        box = post.box(user, port=proxy.port)
        [arrived] = box.waiting()
        proxy.cut_after(5_000_000, "down")
        with pytest.raises(TransportError, match="mail:away"):
            arrived.open().read()
        assert [flags for flags, _ in look(post.dovecot, user).values()] == [set()]
        proxy.heal()
        [again] = box.waiting()
        assert again.open().read() == raw
        box.close()


@pytest.mark.parametrize("moment", ["before reading", "while reading", "before accepting"])
def test_a_server_that_is_killed_and_comes_back_in_a_round(own: Post, moment: str) -> None:
    """Each mail is read whole and taken once, in order, whenever the server went; the archive has each once."""
    user, body = own.user(), entity(bytes(6 << 20))
    sent = [send(own, user, body).name for _ in range(4)]
    box, found = own.box(user), []

    def again(now: str, number: int) -> None:
        if (now, number) == (moment, 1):
            own.dovecot.kill()
            own.dovecot.start()

    for number, arrived in enumerate(box.waiting()):
        again("before reading", number)
        with arrived.open() as stream:
            first = stream.read(100)
            again("while reading", number)
            raw = first + stream.read()
        assert raw.endswith(body)
        found.append(message_of(_head(raw, "Message-ID")))
        again("before accepting", number)
        arrived.accept()
    box.close()
    assert found == sent
    assert names(own, user) == []
    assert names(own, user, "kpr-archive") == sent


def test_a_server_that_stays_away_ends_the_round(own: Post) -> None:
    """What was not taken comes in the next round, and what was taken does not."""
    user = own.user()
    sent = [send(own, user).name for _ in range(3)]
    box = own.box(user)
    round_ = box.waiting()
    next(round_).accept()
    second = next(round_)
    own.dovecot.stop()
    with pytest.raises(TransportError, match="mail:away"):
        second.accept()
    own.dovecot.start()
    assert [message_of(_head(mail.open().read(), "Message-ID")) for mail in box.waiting()] == sent[1:]
    box.close()


def test_a_mailbox_that_was_numbered_anew_moves_nothing(own: Post) -> None:
    """The same UID is another mail then: what was read is not taken, and comes again in the next round."""
    user = own.user()
    own.dovecot.deliver(user, b"Subject: first\r\n\r\n")
    box = own.box(user)
    [arrived] = box.waiting()
    own.dovecot.stop()
    for file in own.dovecot.maildir(user).glob("dovecot*"):
        file.unlink()
    (own.dovecot.maildir(user) / "dovecot-uidlist").write_text("3 V77 N1 G0123456789abcdef0123456789abcdef\n")
    own.dovecot.start()
    for take in (arrived.accept, lambda: arrived.set_aside("x"), lambda: arrived.open().read()):
        with pytest.raises(TransportError, match="mail:renumbered"):
            take()
    assert len(look(own.dovecot, user)) == 1
    [again] = box.waiting()
    assert again.name == "77.1"
    again.accept()
    box.close()
    assert look(own.dovecot, user) == {}


def test_a_mail_that_another_program_took_is_told(post: Post) -> None:
    """Reading it is a fault that passes; accepting it takes nothing else."""
    user = post.user()
    for number in range(2):
        post.dovecot.deliver(user, b"Subject: %d\r\n\r\n" % number)
    box, other = post.box(user), post.box(user)
    first, second = box.waiting()
    next(other.waiting()).accept()
    with pytest.raises(TransportError, match="mail:gone"):
        first.open().read()
    first.accept()
    assert second.open().read() == b"Subject: 1\r\n\r\n"
    box.close()
    other.close()
    assert len(look(post.dovecot, user)) == 1


# -- servers with less -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 UIDPLUS", "IMAP4rev1"])
def test_without_move_a_mail_is_copied_and_deleted(post: Post, capabilities: str) -> None:
    """With UIDPLUS it is gone; without, it stays marked as deleted, and another's deleted mail is never expunged."""
    with running_dovecot(config=f"protocol imap {{\n imap_capability = {capabilities}\n}}\n") as server:
        user = post.user()
        for number in range(3):
            server.deliver(user, b"Subject: %d\r\n\r\n" % number)
        box = ImapBox(post.imap_settings(user, server), "x")
        first, second, third = box.waiting()
        third.box._line.uid("STORE", "3", "+FLAGS", r"(\Deleted)")  # another program's
        first.accept()
        second.set_aside("x")
        assert list(box.waiting()) == []
        box.close()
        left = {uid: flags for uid, (flags, _) in look(server, user).items()}
        archived, failed = look(server, user, "kpr-archive"), look(server, user, "kpr-failed")
    ours = {} if "UIDPLUS" in capabilities else {1: {r"\Seen", r"\Deleted"}, 2: {r"\Seen", r"\Deleted"}}
    assert left == {3: {r"\Deleted"}} | ours
    assert list(archived.values()) == [({r"\Seen"}, b"Subject: 0\r\n\r\n")]
    assert list(failed.values()) == [({r"\Seen"}, b"Subject: 1\r\n\r\n")]


def test_a_full_mailbox_is_told_when_its_mail_is_copied(post: Post) -> None:
    """The archive has no room: the mail stays where it was, not deleted, and it may be tried again."""
    quota = (
        "mail_plugins = quota\nplugin {\n quota = maildir:User quota\n quota_rule = *:storage=30K\n}\n"
        "protocol imap {\n imap_capability = IMAP4rev1 UIDPLUS\n}\n"
    )
    with running_dovecot(config=quota) as server:
        user, raw = post.user(), b"Subject: x\r\n\r\n" + b"x" * 20_000
        server.deliver(user, raw)
        box = ImapBox(post.imap_settings(user, server), "x")
        [arrived] = box.waiting()
        with pytest.raises(TransportError, match="mail:quota") as told:
            arrived.accept()
        assert not isinstance(told.value, TransportRefused)
        box.close()
        assert list(look(server, user).values()) == [({r"\Seen"}, raw)]


def scripted(answers: dict[str, bytes | None], greeting: bytes) -> Scripted:
    """An IMAP server that answers by the command; ``T`` in an answer is the command's tag."""
    usual: dict[str, bytes | None] = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1\r\nT OK x\r\n",
        "SELECT": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 5]\r\nT OK [READ-WRITE]\r\n",
        "SEARCH": b"* SEARCH 1\r\nT OK x\r\n",
        "FETCH": b'* 1 FETCH (UID 1 RFC822.SIZE 3 INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] "abc")\r\nT OK x\r\n',
    }

    def answer(line: bytes) -> bytes | None:
        tag, *words = line.split()
        word = words[1] if words[0] == b"UID" else words[0]
        reply = (usual | answers).get(word.decode().upper(), b"T OK x\r\n")
        return None if reply is None else reply.replace(b"T ", tag + b" ")

    return Scripted(greeting, answer)


STRANGE = {
    "takes passwords in ASCII only": ({}, b"* OK x\r\n", "mail:login", "none", "æøå"),
    "logged in before TLS": ({}, b"* PREAUTH hello\r\n", "mail:no-starttls", "starttls", "x"),
    "refuses TLS": (
        {"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\nT OK x\r\n", "STARTTLS": b"T NO x\r\n"},
        b"* OK x\r\n",
        "mail:no-starttls",
        "starttls",
        "x",
    ),
    "goodbye": ({}, b"* BYE too many\r\n", "mail:away", "none", "x"),
    "a web server": ({}, b"HTTP/1.1 400 Bad Request\r\n", "mail:away", "none", "x"),
    "cannot check passwords now": ({"LOGIN": b"T NO [UNAVAILABLE] x\r\n"}, b"* OK x\r\n", "mail:busy", "none", "x"),
    "wrong password": ({"LOGIN": b"T NO [AUTHENTICATIONFAILED] x\r\n"}, b"* OK x\r\n", "mail:login", "none", "x"),
    "in use": ({"SELECT": b"T NO [INUSE] x\r\n"}, b"* OK x\r\n", "mail:busy", "none", "x"),
    "hangs up always": ({"SEARCH": None}, b"* OK x\r\n", "mail:away", "none", "x"),
    "does not know UIDs": ({"SEARCH": b"T BAD what\r\n"}, b"* OK x\r\n", "mail:protocol", "none", "x"),
    "numbers that are none": ({"SEARCH": b"* SEARCH x\r\nT OK x\r\n"}, b"* OK x\r\n", "mail:protocol", "none", "x"),
    "more than was asked for": (
        {"FETCH": b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n"},
        b"* OK x\r\n",
        "mail:protocol",
        "none",
        "x",
    ),
}


@pytest.mark.parametrize(
    ("answers", "greeting", "condition", "security", "password"), STRANGE.values(), ids=STRANGE.keys()
)
def test_whatever_a_server_says_becomes_one_of_our_errors(
    post: Post, answers: dict[str, bytes | None], greeting: bytes, condition: str, security: str, password: str
) -> None:
    """Nonsense, refusals, and a literal that would fill the memory: a condition of the table, and nothing else."""
    with scripted(answers, greeting) as server, pytest.raises(TransportError, match=condition):
        imap_round(post, port=server.port, security=security, password=password)


def test_a_server_that_quotes_what_others_count_is_understood(post: Post) -> None:
    """Short bodies may come in quotes, and other mails' flags between the answers."""
    with scripted({}, b"* OK x\r\n") as server:
        box = post.box("user0", port=server.port, security="none", password="x")
        [arrived] = box.waiting()
        assert (arrived.name, arrived.size, arrived.open().read()) == ("5.1", 3, b"abc")
        assert arrived.received_at.isoformat() == "1996-07-17T09:44:25+00:00"
        box.close()


def test_a_folder_that_dovecot_cannot_use_is_told_before_it_starts() -> None:
    """A name too long for its sockets, or a place where it may not go; it would start, and answer nobody."""
    if find_dovecot() is None:
        pytest.skip("Dovecot is not here (sh scripts/dovecot, or KPR_DOVECOT)")
    with mail_folder() as folder:
        (folder / "closed").mkdir(mode=0o000)
        for place in (folder / ("x" * 80), folder / "closed" / "x"):
            if os.geteuid() == 0 or "closed" not in place.parts:
                with pytest.raises(BadSettings, match="cannot use this folder"):
                    Dovecot(place, {})


def has_ended(group: int) -> bool:
    """Whether a process group is gone, once somebody has had the time to bury its dead."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_servers_that_were_stopped_are_gone() -> None:
    """Neither port answers any more, no process of them is left, and the folder is away."""
    with running_post() as own:
        servers = own.dovecot, own.smtp
        groups = [server._process.pid for server in servers if server._process]
        assert len(groups) == 2
    for server, group in zip(servers, groups, strict=True):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port)).close()
        assert has_ended(group)
        assert not server.folder.exists()


# -- nothing of a mail is shown --------------------------------------------------------------------------------------


def test_nothing_of_a_mail_is_logged_or_shown(
    own: Post, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through sending, reading, refusals and a killed server: neither text nor password in logs, errors or reprs."""
    caplog.set_level(logging.DEBUG)
    user, told = own.user(), []
    body = SMALL + (CANARY.encode() + b"\r\n") * 1000
    carrier = own.carrier(user)
    carrier.put(label(recipient=user), io.BytesIO(body), len(body))
    [arrived] = carrier.waiting()
    stream = arrived.open()
    assert CANARY.encode() in stream.read()
    told += [repr(arrived), repr(stream), repr(carrier)]
    own.dovecot.kill()
    for act in (arrived.accept, lambda: list(carrier.waiting()), lambda: send(own, user, body, password=CANARY)):
        with pytest.raises(TransportError) as error:
            act()
        told += [str(error.value), repr(error.value), repr(error.value.__cause__)]
    carrier.close()
    shown = "".join(told) + caplog.text + "".join(capfd.readouterr())
    assert CANARY not in shown
    assert PASSWORD not in shown
