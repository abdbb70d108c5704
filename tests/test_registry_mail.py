"""The ident e-mail of the stand-in register: what it says, and what it never says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from place import Place
from test_registry_reception import message, send
from test_registry_scenario import mails

from kpr.conversation import IdentEvent
from kpr.feedback.ident_mail import Expected, Mailbox

DOMAINS = ("register.example.invalid",)
EXPECTED = [Expected("1103", 2020, 1)]


def mailed(tmp_path: Path, change: object = lambda plain: plain, **play: object) -> Place:
    """A place where an ident message was taken in and its mail has come."""
    place = Place(tmp_path, [{"type": "ident", **play}], persons=1)
    send(place, message("KPR_IDE", change), "KPR_IDE")  # type: ignore[arg-type]
    place.register()
    return place


def test_it_says_number_period_and_counts(tmp_path: Path) -> None:
    """RFC 5322, from the register's address, in Norwegian, with løpenummer, period and count; nothing attached."""
    place = mailed(tmp_path)
    [mail] = mails(place)
    assert mail["From"] == "kpr@register.example.invalid"
    assert mail["Subject"] == "Tilbakemelding på identmelding, kommune 1103, 2020"
    assert mail["Date"].datetime == place.now
    assert mail["Message-ID"].endswith("@register.example.invalid>")
    text = mail.get_content()
    for line in ("Løpenummer: 1", "Periode: 2020-01-01 til 2020-12-31", "Antall personer: 8", "Ingen feil ble funnet."):
        assert line in text.splitlines()
    assert not mail.is_multipart()


DEFICIENT = {
    "a type that gives no KPR-ID": (rb'typeID="1"', b'typeID="4"', "typen gir ingen KPR-ID"),
    "a number that does not fit": (rb'fid="\d(\d*)"', rb'fid="7\1"', "nummeret er ikke gyldig for typen"),
}


@pytest.mark.parametrize(("old", "new", "reason"), DEFICIENT.values(), ids=DEFICIENT.keys())
def test_who_gets_no_kpr_id_stands_in_the_attachment_by_local_key(
    tmp_path: Path, old: bytes, new: bytes, reason: str
) -> None:
    """The text only counts; the list names local key and reason, and neither holds a national id."""
    [mail] = mails(mailed(tmp_path, lambda plain: re.sub(old, new, plain, count=1)))
    body, attached = mail.get_body(("plain",)), next(mail.iter_attachments())
    assert body is not None
    assert "1 personer har feil eller mangler" in body.get_content()
    head, row = attached.get_content().splitlines()
    assert head == "pid;årsak"
    assert re.fullmatch(rf"\d{{1,10}};{reason}", row)
    assert attached.get_filename() == "mangelliste.csv"
    assert row.split(";")[0] + ";" not in body.get_content()


def test_the_same_person_under_two_keys_is_told(tmp_path: Path) -> None:
    """One number on two keys is a deficiency of both (I06)."""
    [mail] = mails(mailed(tmp_path, lambda plain: re.sub(rb'fid="\d*"', b'fid="01818012337"', plain, count=2)))
    rows = next(mail.iter_attachments()).get_content().splitlines()[1:]
    assert [row.split(";")[1] for row in rows] == ["samme nummer på flere nøkler"] * 2
    assert b"01818012337" not in mail.as_bytes()


def test_a_key_that_is_a_national_id_is_not_repeated(tmp_path: Path) -> None:
    """A sender who put the number in pid (I09) does not get it back by e-mail."""
    changed = lambda plain: re.sub(rb'pid="\d*" fid="\d*"', b'pid="01818012337" fid="x"', plain, count=1)  # noqa: E731
    [mail] = mails(mailed(tmp_path, changed))
    assert "(key not shown);" in next(mail.iter_attachments()).get_content()
    assert b"01818012337" not in mail.as_bytes()


def test_invented_faults_are_counted_with_the_real_ones(tmp_path: Path) -> None:
    """mail_faults: the mail reports at least so many, whether or not the register found any."""
    changed = lambda plain: re.sub(rb'typeID="1"', b'typeID="4"', plain, count=2)  # noqa: E731
    [mail] = mails(mailed(tmp_path, changed, mail_faults=3))
    assert len(next(mail.iter_attachments()).get_content().splitlines()) == 4


@pytest.mark.parametrize(
    ("play", "event", "number"),
    [
        ({}, IdentEvent.FEEDBACK_OK, 1),
        ({"mail_faults": 2}, IdentEvent.FEEDBACK_FAULTS, 1),
        ({"mail_unreadable": True}, IdentEvent.FEEDBACK_UNREAD, None),
    ],
)
def test_our_reader_understands_each_of_them(
    tmp_path: Path, play: dict[str, object], event: IdentEvent, number: int | None
) -> None:
    """What the stand-in writes is what the municipality's reader makes events of."""
    place = mailed(tmp_path, **play)
    [read] = Mailbox(place.folder / "mail", DOMAINS).waiting(EXPECTED)
    assert (read.event, read.sequence_number) == (event, number)


def test_our_reader_leaves_the_strangers_mail(tmp_path: Path) -> None:
    """The same words from another domain are nobody's."""
    place = mailed(tmp_path, mail_unknown_sender=True)
    assert list(Mailbox(place.folder / "mail", DOMAINS).waiting(EXPECTED)) == []
