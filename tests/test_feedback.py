"""What comes back: receipts become events, and mails are recognised or left to a person."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpr.conversation import IdentEvent, ReceiptEvent
from kpr.feedback.ident_mail import Expected, Mailbox, read_mail
from kpr.feedback.receipt import answer_of, mirrored
from kpr.messages.app_rec import AppRec, AppRecError

DOMAINS = ("register.example.invalid",)
EXPECTED = [Expected("1103", 2020, 1), Expected("1103", 2020, 2)]


def mail(
    tmp_path: Path, text: str, sender: str = "kpr@register.example.invalid", subject: str = "Tilbakemelding"
) -> Path:
    """A mail as a file."""
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    message.set_content(text)
    path = tmp_path / "1.mail"
    path.write_bytes(message.as_bytes())
    return path


@pytest.mark.parametrize(
    ("text", "event", "number"),
    [
        ("Kommune 1103, år 2020, løpenummer: 2. Ingen feil.", IdentEvent.FEEDBACK_OK, 2),
        ("Kommune 1103, år 2020, løpenummer 1. 3 personer har feil.", IdentEvent.FEEDBACK_FAULTS, 1),
        ("Kommune 1103, år 2020, lopenummer 1: 0 feil", IdentEvent.FEEDBACK_OK, 1),
        ("Kommune 1103, år 2020, løpenummer 1. Takk.", IdentEvent.FEEDBACK_UNREAD, None),
        ("Kommune 1103, år 2019, løpenummer 1. Ingen feil.", IdentEvent.FEEDBACK_UNREAD, None),
        ("Kommune 0301, år 2020, løpenummer 1. Ingen feil.", IdentEvent.FEEDBACK_UNREAD, None),
        ("Kommune 1103, år 2020, løpenummer 12. Ingen feil.", IdentEvent.FEEDBACK_UNREAD, None),
        ("Kommune 1103, 2020. Løpenummer 1, løpenummer 2. Ingen feil.", IdentEvent.FEEDBACK_UNREAD, None),
        ("", IdentEvent.FEEDBACK_UNREAD, None),
    ],
)
def test_a_mail_is_recognised_or_looked_at(tmp_path: Path, text: str, event: IdentEvent, number: int | None) -> None:
    """Municipality, year, number and outcome must all be there, for exactly one submission."""
    read = read_mail(mail(tmp_path, text), DOMAINS, EXPECTED)
    assert read is not None
    assert (read.event, read.sequence_number) == (event, number)


@pytest.mark.parametrize(
    "sender", ["kpr@example.com", "register.example.invalid", "a@register.example.invalid.com", ""]
)
def test_a_mail_from_elsewhere_is_none_of_ours(tmp_path: Path, sender: str) -> None:
    """Only the whole domain counts, and only as the sender's."""
    text = "Kommune 1103, år 2020, løpenummer 1. Ingen feil."
    assert read_mail(mail(tmp_path, text, sender=sender), DOMAINS, EXPECTED) is None


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_are_a_mail_or_none(tmp_path_factory: pytest.TempPathFactory, raw: bytes, ours: bool) -> None:
    """However malformed, a mail never stops the round; at most a person is asked to look."""
    path = tmp_path_factory.getbasetemp() / "noise.mail"
    path.write_bytes((b"From: kpr@register.example.invalid\n" if ours else b"") + raw)
    read = read_mail(path, DOMAINS, EXPECTED)
    assert read is None or read.event in set(IdentEvent)


def test_a_mail_shows_nothing_of_itself(tmp_path: Path) -> None:
    """The text form of what was read holds nothing of the body."""
    read = read_mail(mail(tmp_path, "01818012337"), DOMAINS, EXPECTED)
    assert "01818012337" not in repr(read)


def test_an_accepted_mail_is_not_offered_again(tmp_path: Path) -> None:
    """A mail is new until it is accepted, and then it lies among the seen ones."""
    mails = Mailbox(tmp_path / "mail", DOMAINS)
    assert list(mails.waiting(EXPECTED)) == []
    mail(tmp_path, "x").rename(tmp_path / "mail" / "new" / "1.mail")
    [waiting] = mails.waiting(EXPECTED)
    mails.accept(waiting)
    assert list(mails.waiting(EXPECTED)) == []
    assert (tmp_path / "mail" / "cur" / "1.mail:2,S").exists()


def receipt(status: str, *codes: str) -> AppRec:
    """A receipt with these codes."""
    errors = tuple(AppRecError(code, "2.16.578.1.12.4.1.1.8221", "text", "detalj") for code in codes)
    return AppRec("1.1", "id", None, status, errors, "AB", "KPR_IPL", None, "8000004", "8000002")


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("1", ReceiptEvent.POSITIVE),
        ("2", ReceiptEvent.NEGATIVE),
        ("3", ReceiptEvent.POSITIVE_PART),
        ("", ReceiptEvent.UNREADABLE),
        ("4", ReceiptEvent.UNREADABLE),
    ],
)
def test_a_status_becomes_its_event(status: str, event: ReceiptEvent) -> None:
    """Statuses of list 8258, and what is not in it is never guessed."""
    assert answer_of(receipt(status)).event is event


def test_codes_are_told_with_who_mends_and_without_detail() -> None:
    """Codes go on, foreign ones only when they look like a code; the detail stays out."""
    answer = answer_of(receipt("2", "T02", "01818012337"))
    assert answer.codes == "T02, ?"
    assert answer.who_mends == ("sender",)
    assert "detalj" not in repr(answer)


def test_addresses_must_be_mirrored() -> None:
    """The receipt must come from the register and be for us."""
    assert mirrored(receipt("1"), "8000002", "8000004")
    assert not mirrored(receipt("1"), "8000004", "8000002")
