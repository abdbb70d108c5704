"""The reader of the ident e-mail: whatever lies in the mailbox, it is recognised, shown to a person, or left alone."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kpr.conversation import IdentEvent
from kpr.errors import BadSettings
from kpr.feedback.ident_mail import MAIL_LIMIT, Expected, IdentMail, Mailbox, read_mail
from kpr.feedback.mail_file import HEAD_LIMIT, read_head, read_text
from kpr.feedback.mail_words import understand

DOMAINS = ("Register.example.invalid",)
OURS = b"From: kpr@register.example.invalid\r\n"
SENT = datetime(2021, 1, 7, 10, tzinfo=UTC)
EXPECTED = [Expected("1103", 2020, 1)]
GOOD = "Kommune 1103, 2020, løpenummer 1. Ingen feil."
CANARY = "01818012337"


def raw_mail(text: str = GOOD, **head: str) -> bytes:
    """A whole mail; fields of the head are named with ``_`` for ``-``."""
    mail = EmailMessage()
    fields = {"From": "Registeret <kpr@register.example.invalid>", "Subject": "Tilbakemelding"}
    for name, value in (fields | {name.replace("_", "-"): value for name, value in head.items()}).items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes()


def read(tmp_path: Path, raw: bytes, expected: list[Expected] = EXPECTED) -> IdentMail | None:
    """What a mail with these bytes is."""
    path = tmp_path / "1.eml"
    path.write_bytes(raw)
    return read_mail(path, DOMAINS, expected)


# -- what is told of a mail ------------------------------------------------------------------------------------------


def test_a_mail_is_told_with_hash_times_and_origin(tmp_path: Path) -> None:
    """Event, number, hash of the Message-ID, when it says it was sent, when it came, how, and the raw bytes."""
    raw = raw_mail(Message_ID="<a@register.example.invalid>", Date="Thu, 07 Jan 2021 11:00:00 +0100")
    path = tmp_path / "1.eml"
    path.write_bytes(raw)
    os.utime(path, (SENT.timestamp() + 60, SENT.timestamp() + 60))
    found = read_mail(path, DOMAINS, EXPECTED)
    assert found is not None
    assert (found.event, found.sequence_number, found.reason) == (IdentEvent.FEEDBACK_OK, 1, "")
    assert found.message_id_hash == hashlib.sha256(b"<a@register.example.invalid>").hexdigest()
    assert (found.sent_at, found.received_at) == (SENT, SENT + timedelta(minutes=1))
    assert (found.origin, found.raw, found.gateway) == ("file", raw, ())


def test_the_gateways_verdict_is_recorded_and_decides_nothing(tmp_path: Path) -> None:
    """DKIM, SPF and DMARC of the topmost Authentication-Results are noted, good or bad."""
    head = b"Authentication-Results: mx.example.invalid; dkim=fail reason=x; spf=pass; dmarc=none\r\n"
    lower = b"Authentication-Results: forged; dkim=pass\r\n"
    found = read(tmp_path, head + lower + raw_mail())
    assert found is not None
    assert found.gateway == ("dkim=fail", "spf=pass", "dmarc=none")
    assert found.event is IdentEvent.FEEDBACK_OK


def test_neither_text_nor_address_shows_itself(tmp_path: Path) -> None:
    """repr and str hold nothing of the body, and a mail that nobody can read raises nothing that could."""
    found = read(tmp_path, raw_mail(f"{GOOD} {CANARY}", Subject=f"Tilbakemelding {CANARY}"))
    assert found is not None
    for text in (repr(found), str(found), found.fingerprint, found.reason):
        assert CANARY not in text


UNREAD = {
    "another municipality": ("Kommune 0301, 2020, løpenummer 1. Ingen feil.", "names no submission"),
    "no running number": ("Kommune 1103, 2020. Ingen feil.", "names no submission"),
    "a longer running number": ("Kommune 1103, 2020, løpenummer 10. Ingen feil.", "names no submission"),
    "the number inside another": ("Kommune 11031, 2020, løpenummer 1. Ingen feil.", "names no submission"),
    "no outcome": ("Kommune 1103, 2020, løpenummer 1. Mottatt.", "no outcome"),
    "both outcomes": ("Kommune 1103, 2020, løpenummer 1. Ingen feil i formatet. 3 personer mangler KPR-ID.", "both"),
    "nothing": ("", "names no submission"),
}


@pytest.mark.parametrize(("text", "why"), UNREAD.values(), ids=UNREAD.keys())
def test_what_is_not_recognised_is_never_guessed(tmp_path: Path, text: str, why: str) -> None:
    """From the right domain but not clear: a person looks, and is told why."""
    found = read(tmp_path, raw_mail(text))
    assert found is not None
    assert (found.event, found.sequence_number) == (IdentEvent.FEEDBACK_UNREAD, None)
    assert why in found.reason


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("Ingen feil eller mangler.", IdentEvent.FEEDBACK_OK),
        ("Antall feil: 0", IdentEvent.FEEDBACK_OK),
        ("uten mangler", IdentEvent.FEEDBACK_OK),
        ("Antall feil: 3", IdentEvent.FEEDBACK_FAULTS),
        ("10 feil", IdentEvent.FEEDBACK_FAULTS),
        ("2 fødselsnumre er ugyldige", IdentEvent.FEEDBACK_FAULTS),
        ("Meldingen er avvist", IdentEvent.FEEDBACK_FAULTS),
        ("Antall feil: 0. Antall mangler: 4", IdentEvent.FEEDBACK_UNREAD),
    ],
)
def test_the_outcome_is_read_from_its_words(words: str, event: IdentEvent) -> None:
    """No faults, faults, or both at once, which is for a person."""
    assert understand(f"1103 2020 løpenummer 1: {words}", None, EXPECTED).event is event


def test_a_mail_must_come_in_its_time(tmp_path: Path) -> None:
    """With a window, a mail from before or after it, or without a date, is looked at by a person."""
    window = [Expected("1103", 2020, 1, not_before=SENT, not_after=SENT + timedelta(days=30))]
    dates = {
        "Thu, 07 Jan 2021 10:00:00 +0000": IdentEvent.FEEDBACK_OK,
        "Sat, 06 Feb 2021 11:00:00 +0100": IdentEvent.FEEDBACK_OK,
        "Thu, 07 Jan 2021 10:00:00 -0000": IdentEvent.FEEDBACK_OK,
        "Thu, 07 Jan 2021 10:59:59 +0100": IdentEvent.FEEDBACK_UNREAD,
        "Sat, 06 Feb 2021 10:00:01 +0000": IdentEvent.FEEDBACK_UNREAD,
        "Tue, 07 Jan 2020 10:00:00 +0000": IdentEvent.FEEDBACK_UNREAD,
    }
    for date, event in dates.items():
        found = read(tmp_path, raw_mail(Date=date), window)
        assert found is not None
        assert found.event is event, date
    for raw in (raw_mail(), b"Date: yesterday\r\n" + raw_mail()):
        found = read(tmp_path, raw, window)
        assert found is not None
        assert found.reason == "is from another time"


# -- whom it is from -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender",
    [
        b"From: kpr@register.example.invalid.example.com",
        b"From: kpr@x-register.example.invalid",
        b"From: kpr@example.com (kpr@register.example.invalid)",
        b'From: "kpr@register.example.invalid" <kpr@example.com>',
        b"From: kpr@register.example.invalid, kpr@example.com",
        b"From: kpr@register.example.invalid\r\nFrom: kpr@example.com",
        b"From: register.example.invalid",
        b"From: @register.example.invalid:kpr@example.com",
        b"From:",
        b"Sender: kpr@register.example.invalid",
        b"Reply-To: kpr@register.example.invalid\r\nFrom: kpr@example.com",
        b"From: " + b"a" * 3000 + b"@register.example.invalid",
    ],
)
def test_only_one_whole_sender_of_the_domain_is_the_register(tmp_path: Path, sender: bytes) -> None:
    """A likeness, a display name, a comment, a second sender or another field does not make it the register's mail."""
    assert read(tmp_path, sender + b"\r\n\r\n" + GOOD.encode()) is None


def test_an_empty_domain_is_nobodys(tmp_path: Path) -> None:
    """Mail without a sender is not taken even if a domain in the settings is empty."""
    path = tmp_path / "1.eml"
    path.write_bytes(b"\r\n" + GOOD.encode())
    assert read_mail(path, ("",), EXPECTED) is None


@pytest.mark.parametrize("sender", [b"From: KPR@REGISTER.example.invalid", b"from: R <kpr@register.EXAMPLE.invalid>"])
def test_case_does_not_matter(tmp_path: Path, sender: bytes) -> None:
    """Domains are the same in any case, in the mail and in the settings."""
    assert read(tmp_path, sender + b"\r\n\r\n") is not None


# -- hostile mail ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=2_000), st.sampled_from([b"", OURS, b"Content-Type: multipart/mixed; boundary=x\r\n" + OURS]))
@example(b"Content-Type: text/plain; charset=hex\r\n\r\n00", OURS)
@example(b"Content-Transfer-Encoding: base64\r\n\r\n=!", OURS)
@example(b"Subject: =?utf-8?b?/w==?=\r\nDate: 0\r\nMessage-ID: <\r\n\r\n", OURS)
@example(b"Content-Type: multipart/mixed\r\n\r\n--\r\n", OURS)
def test_any_bytes_are_taken_in_stride(tmp_path_factory: pytest.TempPathFactory, noise: bytes, head: bytes) -> None:
    """Whatever the bytes, nothing is raised and nothing is taken for the register's word."""
    path = tmp_path_factory.getbasetemp() / "noise.eml"
    path.write_bytes(head + noise)
    found = read_mail(path, DOMAINS, EXPECTED)
    assert found is None or found.event is IdentEvent.FEEDBACK_UNREAD
    assert head or found is None or b"register.example.invalid" in noise.lower()


@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 12))
def test_a_damaged_mail_is_read_or_looked_at(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, lost: int
) -> None:
    """A good mail with bytes lost and others put in: never an exception, and never a number that was not expected."""
    raw = raw_mail(Date="Thu, 07 Jan 2021 10:00:00 +0000")
    path = tmp_path_factory.getbasetemp() / "damaged.eml"
    path.write_bytes(raw[:at] + noise + raw[at + lost :])
    found = read_mail(path, DOMAINS, EXPECTED)
    assert found is None or found.sequence_number in (None, 1)


NASTY = {
    "comments in From": b"From: " + b"(" * 60_000 + b"\r\n\r\n",
    "addresses in From": b"From: " + b"a@register.example.invalid," * 2_000 + b"\r\n\r\n",
    "a long subject": OURS + b"Subject: " + b"=?utf-8?q?a?= " * 4_000 + b"\r\n\r\n",
    "a long date": OURS + b"Date: " + b"1 " * 30_000 + b"\r\n\r\n",
    "a head without end": OURS + b"X: y\r\n" * 600_000,
    "parts in parts": OURS
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(50_000)),
    "many parts": OURS + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
    "a codec that is no charset": OURS + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * 500_000,
    "one long line": OURS + b"\r\n" + b"1" * 4_000_000,
    "digits and words": OURS + b"\r\n" + "løpenummer ".encode() * 300_000,
}


@pytest.mark.parametrize("raw", NASTY.values(), ids=NASTY.keys())
def test_no_mail_takes_long(tmp_path: Path, raw: bytes) -> None:
    """Mails made to cost much are judged in seconds, and say nothing."""
    begun = time.process_time()
    found = read(tmp_path, raw)
    assert found is None or found.event is IdentEvent.FEEDBACK_UNREAD
    assert time.process_time() - begun < 5


def test_a_mail_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """Above the limit only its head is read and kept, and a person looks; one from elsewhere is left."""
    large = raw_mail() + b"x" * MAIL_LIMIT
    found = read(tmp_path, large)
    assert found is not None
    assert (found.event, found.reason) == (IdentEvent.FEEDBACK_UNREAD, "is too large")
    assert len(found.raw) == HEAD_LIMIT
    assert read(tmp_path, large.replace(b"register.example", b"elsewher.example", 1)) is None


def test_a_mail_at_the_limit_is_read_whole(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    raw = raw_mail()
    found = read(tmp_path, raw + b"x" * (MAIL_LIMIT - len(raw)))
    assert found is not None
    assert len(found.raw) == MAIL_LIMIT
    assert found.event is IdentEvent.FEEDBACK_OK


def test_attachments_are_not_opened() -> None:
    """What stands in an attachment, or in HTML alone, is not read: only the plain body is."""
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "kpr@register.example.invalid", "Se vedlegg"
    mail.set_content("Se vedlegg.")
    mail.add_attachment(GOOD, filename="tilbakemelding.txt")
    assert "1103" not in (read_text(mail.as_bytes()) or "")
    page = EmailMessage()
    page.set_content(f"<p>{GOOD}</p>", subtype="html")
    assert "1103" not in (read_text(page.as_bytes()) or "")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252"])
def test_norwegian_letters_come_through(charset: str) -> None:
    """The usual character sets are read, quoted or not."""
    mail = EmailMessage()
    mail.set_content(GOOD, charset=charset)
    assert understand(read_text(mail.as_bytes()), None, EXPECTED).event is IdentEvent.FEEDBACK_OK


@given(st.binary(max_size=3_000))
def test_a_head_is_read_or_empty(raw: bytes) -> None:
    """Any bytes have a head, perhaps an empty one; its date has a zone."""
    head = read_head(raw)
    assert head.sent_at is None or head.sent_at.tzinfo is not None
    assert head.sender_domain == head.sender_domain.lower()


# -- the maildir -----------------------------------------------------------------------------------------------------


def maildir(tmp_path: Path, **mails: bytes) -> Mailbox:
    """A maildir with new mails, a second apart."""
    box = Mailbox(tmp_path / "mail", DOMAINS)
    assert list(box.waiting(EXPECTED)) == []
    for number, (name, raw) in enumerate(mails.items()):
        path = tmp_path / "mail" / "new" / name
        path.write_bytes(raw)
        os.utime(path, (SENT.timestamp() + number,) * 2)
    return box


def lies(tmp_path: Path) -> dict[str, list[str]]:
    """The names in new and cur."""
    return {part: sorted(path.name for path in (tmp_path / "mail" / part).iterdir()) for part in ("new", "cur")}


def test_mails_come_oldest_first_and_stay_until_accepted(tmp_path: Path) -> None:
    """Reading moves nothing; accepting moves that mail alone; strangers' mail is never moved."""
    box = maildir(tmp_path, b=raw_mail("første"), a=raw_mail("andre"), c=raw_mail(From="x@example.com"))
    waiting = list(box.waiting(EXPECTED))
    assert [mail.key for mail in waiting] == ["b", "a"]
    assert {mail.origin for mail in waiting} == {"maildir"}
    assert lies(tmp_path) == {"new": ["a", "b", "c"], "cur": []}
    box.accept(waiting[0])
    box.accept(waiting[0])
    assert lies(tmp_path) == {"new": ["a", "c"], "cur": ["b:2,S"]}


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    """Folders, links and pipes among the mails stop nothing, and are not followed."""
    box = maildir(tmp_path, good=raw_mail())
    new = tmp_path / "mail" / "new"
    (new / "folder").mkdir()
    os.mkfifo(new / "pipe")
    (tmp_path / "outside").write_bytes(raw_mail())
    (new / "link").symlink_to(tmp_path / "outside")
    assert [mail.key for mail in box.waiting(EXPECTED)] == ["good"]


def test_a_mail_that_goes_away_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """A mail program may move a mail between listing and reading."""
    box = maildir(tmp_path, a=raw_mail(), b=raw_mail())
    waiting = box.waiting(EXPECTED)
    next(waiting)
    (tmp_path / "mail" / "new" / "b").unlink()
    assert list(waiting) == []


def test_a_mailbox_that_we_may_not_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lack of rights is a fault of the set-up, and not an empty mailbox."""
    box = maildir(tmp_path, a=raw_mail())

    def denied(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(BadSettings, match="cannot be read"):
        list(box.waiting(EXPECTED))
