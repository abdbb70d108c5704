"""The ident mailbox by IMAP against a real Dovecot: what is the register's is read, the rest is left as it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from mail_servers import PASSWORD, Post, imap_values, look, running_post

from kpr.conversation import IdentEvent
from kpr.demo.maildir import deliver
from kpr.errors import TransportError, TransportRefused
from kpr.feedback.ident_mail import MAIL_LIMIT, Expected, IdentMail, Mailbox
from kpr.feedback.imap_mailbox import ImapMailbox
from kpr.feedback.mail_file import HEAD_LIMIT
from kpr.feedback.mailboxes import open_mailbox
from kpr.settings import ImapMailboxSettings

DOMAINS = ("Register.example.invalid",)
EXPECTED = [Expected("1103", 2020, 1)]
GOOD = "Kommune 1103, 2020, løpenummer 1. Ingen feil."
CANARY = "01818012337"
US, THEM = "kpr@register.example.invalid", "someone@example.com"


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    """One server for all tests that do not stop it."""
    with running_post() as running:
        yield running


def mail(text: str = GOOD, sender: str = US, **head: str) -> bytes:
    """A whole mail as a server keeps it."""
    message = EmailMessage()
    for name, value in ({"From": sender, "Subject": "Tilbakemelding"} | head).items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mailbox(post: Post, user: str, **changes: Any) -> Any:
    """The mailbox as the settings open it."""
    usual = imap_values(user, post.dovecot) | {"kind": "imap", "sender_domains": DOMAINS}
    opened = open_mailbox(ImapMailboxSettings.model_validate(usual | changes))
    assert isinstance(opened, ImapMailbox)
    return opened


def lies(post: Post, user: str, folder: str = "INBOX") -> list[tuple[set[str], bytes]]:
    """Flags and bytes of what lies in a folder, as another program sees it."""
    return [found for _, found in sorted(look(post.dovecot, user, folder).items())]


# -- what is read and what is left -----------------------------------------------------------------------------------


def test_the_registers_mail_is_read_and_stays_until_accepted(post: Post) -> None:
    """Read twice it is the same and unseen; accepted it is seen, and lies in the archive."""
    user, raw, before = post.user(), mail(), datetime.now(UTC).replace(microsecond=0)
    post.dovecot.deliver(user, raw)
    box = mailbox(post, user)
    [first], [second] = list(box.waiting(EXPECTED)), list(box.waiting(EXPECTED))
    assert first == second
    assert (first.event, first.sequence_number, first.origin, first.raw) == (IdentEvent.FEEDBACK_OK, 1, "imap", raw)
    assert before <= first.received_at <= datetime.now(UTC)
    assert lies(post, user) == [(set(), raw)]
    box.accept(first)
    box.accept(first)
    assert lies(post, user) == []
    assert lies(post, user, "kpr-archive") == [({r"\Seen"}, raw)]
    assert list(box.waiting(EXPECTED)) == []


def test_mail_from_others_is_left_as_it_is(post: Post) -> None:
    """Unseen, unmarked, in its place and in its order, also when the register's mail around it is taken."""
    user = post.user()
    strangers = [
        mail(sender=sender) for sender in (THEM, f"{US}, {THEM}", "kpr@register.example.invalid.example.com", "x")
    ]
    twice = b"From: x@example.com\r\n" + mail()
    ours = [mail(GOOD), mail("Hva er dette?")]
    for raw in (strangers[0], ours[0], strangers[1], twice, ours[1], strangers[2], strangers[3], b"no mail at all"):
        post.dovecot.deliver(user, raw)
    box = mailbox(post, user)
    for found in box.waiting(EXPECTED):
        box.accept(found)
    left = [*strangers[:2], twice, *strangers[2:], b"no mail at all"]
    assert [(flags, raw.rstrip()) for flags, raw in lies(post, user)] == [(set(), raw.rstrip()) for raw in left]
    assert lies(post, user, "kpr-archive") == [({r"\Seen"}, raw) for raw in ours]


def test_what_is_from_the_register_and_not_understood_is_shown_to_a_person(post: Post) -> None:
    """It waits like the others, with its reason; accepted after it was stored, it is archived like the others."""
    user = post.user()
    post.dovecot.deliver(user, mail("Kommune 1103, 2020. Ta kontakt."))
    box = mailbox(post, user)
    for found in box.waiting(EXPECTED):
        assert (found.event, found.reason) == (IdentEvent.FEEDBACK_UNREAD, "names no submission of ours")
        box.accept(found)
    assert (len(lies(post, user)), len(lies(post, user, "kpr-archive"))) == (0, 1)


def test_both_kinds_of_mailbox_say_the_same(post: Post, tmp_path: Path) -> None:
    """The same mails, in the same order, by maildir and by IMAP; only where they lie and when they came differs."""
    user, owner = post.user(), (0, 0)
    date = {"Date": "Thu, 07 Jan 2021 10:00:00 +0000", "Message-ID": "<a@register.example.invalid>"}
    mails = [mail(), mail("2 feil i 1103, 2020, løpenummer 1", **date), mail(sender=THEM), mail("?")]
    maildir = Mailbox(tmp_path / "mail", DOMAINS)
    for raw in (*mails, mail() + b"x" * MAIL_LIMIT):
        post.dovecot.deliver(user, raw)
        deliver(tmp_path / "mail", raw, owner)

    def same(found: IdentMail) -> IdentMail:
        return replace(found, key="", origin="", received_at=None)

    by_maildir = [same(found) for found in maildir.waiting(EXPECTED)]
    assert len(by_maildir) == 4
    assert [same(found) for found in mailbox(post, user).waiting(EXPECTED)] == by_maildir


def test_attachments_are_never_opened(post: Post) -> None:
    """What an attachment says does not count; the mail is for a person."""
    user, message = post.user(), EmailMessage()
    message["From"], message["Subject"] = US, "Se vedlegg"
    message.set_content("Se vedlegg.")
    message.add_attachment(GOOD, filename="tilbakemelding.txt")
    post.dovecot.deliver(user, message.as_bytes().replace(b"\n", b"\r\n"))
    [found] = mailbox(post, user).waiting(EXPECTED)
    assert (found.event, found.sequence_number) == (IdentEvent.FEEDBACK_UNREAD, None)


# -- sizes -----------------------------------------------------------------------------------------------------------


def test_of_a_mail_that_is_too_large_only_the_head_is_fetched(post: Post) -> None:
    """A person looks; what went over the line is the head's size, and accepting moves the whole mail."""
    user, large = post.user(), mail() + b"x" * (MAIL_LIMIT + 1)
    post.dovecot.deliver(user, large)
    with FaultProxy("127.0.0.1", post.dovecot.tls_port) as proxy:
        box = mailbox(post, user, port=proxy.port)
        [found] = box.waiting(EXPECTED)
        assert (found.event, found.reason) == (IdentEvent.FEEDBACK_UNREAD, "is too large")
        assert found.raw == large[:HEAD_LIMIT]
        assert proxy.bytes_down < 2 * HEAD_LIMIT
        box.accept(found)
    assert lies(post, user, "kpr-archive") == [({r"\Seen"}, large)]


def test_of_a_strangers_mail_only_the_sender_is_fetched(post: Post) -> None:
    """However large its body, its other fields or its From: nothing of them goes over the line."""
    user = post.user()
    post.dovecot.deliver(user, mail(sender=THEM) + b"x" * 1_000_000)
    post.dovecot.deliver(user, b"X: y\r\n" * 50_000 + mail(sender=THEM))
    post.dovecot.deliver(user, b"From: " + b"a@register.example.invalid,\r\n " * 20_000 + b"\r\n\r\nx")
    with FaultProxy("127.0.0.1", post.dovecot.tls_port) as proxy:
        assert list(mailbox(post, user, port=proxy.port).waiting(EXPECTED)) == []
        assert proxy.bytes_down < 30_000


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_itself_is_read(post: Post, more: int) -> None:
    """Exactly the limit is read whole, in two pieces; one byte more is not."""
    user, raw = post.user(), mail()
    post.dovecot.deliver(user, raw + b"x" * (MAIL_LIMIT - len(raw) + more))
    [found] = mailbox(post, user).waiting(EXPECTED)
    assert found.event is (IdentEvent.FEEDBACK_UNREAD if more else IdentEvent.FEEDBACK_OK)
    assert len(found.raw) == (HEAD_LIMIT if more else MAIL_LIMIT)


# -- servers that go away --------------------------------------------------------------------------------------------


def test_a_server_that_comes_back_in_a_round_loses_and_doubles_nothing() -> None:
    """Killed after the first mail was read: each is read once, in order, and each is in the archive once."""
    with running_post() as own:
        user = own.user()
        raws = [mail(f"{GOOD} {number}") for number in range(4)]
        for raw in raws:
            own.dovecot.deliver(user, raw)
        box, found = mailbox(own, user), []
        for number, one in enumerate(box.waiting(EXPECTED)):
            if number == 1:
                own.dovecot.kill()
                own.dovecot.start()
            box.accept(one)
            found.append(one.raw)
        assert found == raws
        assert lies(own, user) == []
        assert [raw for _, raw in lies(own, user, "kpr-archive")] == raws


def test_a_server_that_stays_away_is_told_and_nothing_is_taken() -> None:
    """Gone in mid-round: a fault that passes; the next round begins where this one was."""
    with running_post() as own:
        user = own.user()
        for number in range(3):
            own.dovecot.deliver(user, mail(f"{GOOD} {number}"))
        box = mailbox(own, user)
        round_ = box.waiting(EXPECTED)
        box.accept(next(round_))
        own.dovecot.stop()
        with pytest.raises(TransportError, match="mail:away") as told:
            list(round_)
        assert not isinstance(told.value, TransportRefused)
        own.dovecot.start()
        assert len(list(box.waiting(EXPECTED))) == 2


def test_no_connection_stays_open_between_rounds(post: Post) -> None:
    """After a whole round, one that was broken off, and an accept on its own."""
    user = post.user()
    for _ in range(2):
        post.dovecot.deliver(user, mail())
    box = mailbox(post, user)
    first, _ = box.waiting(EXPECTED)
    assert not box._box.is_open
    broken_off = box.waiting(EXPECTED)
    next(broken_off)
    assert box._box.is_open
    broken_off.close()
    assert not box._box.is_open
    box.accept(first)
    assert not box._box.is_open
    assert len(lies(post, user)) == 1


def test_two_mailboxes_in_one_process_take_their_own(post: Post) -> None:
    """Two rounds at once do not mix."""
    one, two = post.user(), post.user()
    post.dovecot.deliver(one, mail(f"{GOOD} en"))
    post.dovecot.deliver(two, mail(f"{GOOD} to"))
    boxes = mailbox(post, one), mailbox(post, two)
    for found in zip(boxes[0].waiting(EXPECTED), boxes[1].waiting(EXPECTED), strict=True):
        assert [b"en" in found[0].raw, b"to" in found[1].raw] == [True, True]
        boxes[1].accept(found[1])
    assert (len(lies(post, one)), len(lies(post, two))) == (1, 0)


def test_nothing_of_a_mail_is_logged_or_shown(
    post: Post, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither text nor subject nor password, in logs, on the terminal, in reprs or in a refusal."""
    caplog.set_level(logging.DEBUG)
    user = post.user()
    post.dovecot.deliver(user, mail(f"{GOOD} {CANARY}", Cc=f"{CANARY}@example.com"))
    box = mailbox(post, user)
    [found] = box.waiting(EXPECTED)
    assert CANARY.encode() in found.raw
    box.accept(found)
    with pytest.raises(TransportRefused, match="mail:login") as told:
        list(mailbox(post, user, password=CANARY).waiting(EXPECTED))
    shown = f"{found!r}{box!r}{told.value!r}{caplog.text}{''.join(capfd.readouterr())}"
    assert CANARY not in shown
    assert PASSWORD not in shown
