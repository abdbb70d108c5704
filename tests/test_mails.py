"""The ident feedback's three ways in: the mailbox, a mail that a person saved, and a person's word."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from place import Place

from kpr.conversation import IdentLeg
from kpr.errors import BadInput, Locked, TransportError
from kpr.steps.mails import add_mail, seen
from kpr.steps.status import status
from kpr.steps.timeline import timeline
from kpr.steps.watch import watch

UNREADABLE = {"type": "ident", "mail_unreadable": True}
NO_MAIL = {"type": "ident", "no_mail": True}


def new_mails(made: Place) -> list[Path]:
    """What lies in the mailbox as new."""
    return sorted((made.folder / "mail" / "new").iterdir())


def leg(made: Place) -> IdentLeg:
    """The newest submission's ident leg."""
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        return latest.ident_leg


@pytest.fixture
def sent(tmp_path: Path) -> Place:
    """A place that has sent, to a register that sends no mail; its receipts have come."""
    made = Place(tmp_path / "place", [NO_MAIL])
    made.report()
    made.exchange()
    return made


def saved_mail(folder: Path, **words: str) -> Path:
    """A mail as a person saves it."""
    said = {"sender": "kpr@register.example.invalid", "text": "Kommune 1103, 2020, løpenummer 1. Ingen feil."} | words
    file = folder / "tilbakemelding.eml"
    head = f"From: {said['sender']}\nDate: Thu, 07 Jan 2021 12:00:00 +0100\nSubject: Melding\n"
    file.write_text(f"{head}Content-Type: text/plain; charset=utf-8\n\n{said['text']}\n", encoding="utf-8")
    return file


# -- the mailbox ---------------------------------------------------------------------------------------------------


def test_a_recognised_mail_is_taken_and_marked_as_seen(tmp_path: Path) -> None:
    """What it says is durable, and the mail lies among the seen ones."""
    made = Place(tmp_path / "place")
    made.report()
    assert made.exchange()["ident e-mail: FEEDBACK_OK"] == 1
    assert new_mails(made) == []
    assert [path.name.endswith(":2,S") for path in (made.folder / "mail" / "cur").iterdir()] == [True]


def test_an_unrecognised_mail_is_told_of_once_and_left_in_place(tmp_path: Path) -> None:
    """A person must see it where it lies; the second round says nothing new, and changes nothing."""
    made = Place(tmp_path / "place", [UNREADABLE])
    made.report()
    assert made.exchange()["ident e-mail: FEEDBACK_UNREAD"] == 1
    [mail] = new_mails(made)
    assert made.collect() == {}
    assert new_mails(made) == [mail]
    assert leg(made) is IdentLeg.FEEDBACK_UNREAD
    assert "se på den" in made.status().next_act.nb


def test_before_anything_was_sent_every_mail_is_left(tmp_path: Path) -> None:
    """A mail that came before the first submission cannot answer it."""
    made = Place(tmp_path / "place")
    (made.folder / "mail" / "new").mkdir(parents=True)
    mail = made.folder / "mail" / "new" / "1.eml"
    saved_mail(tmp_path).rename(mail)
    assert made.collect() == {}
    assert new_mails(made) == [mail]


def test_a_mailbox_that_is_away_does_not_keep_receipts_waiting(tmp_path: Path) -> None:
    """The receipts are taken in, and then it is told that the mailbox could not be asked."""
    made = Place(tmp_path / "place")
    made.report()
    made.register()
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    password = made.folder / "keys" / "mailbox.password"
    password.write_text("x", encoding="utf-8")
    password.chmod(0o600)
    server = {"host": "localhost", "port": 1, "username": "u", "password_file": str(password), "timeout_seconds": 5}
    settings["mailbox"] = {"kind": "imap", "sender_domains": ["register.example.invalid"], **server}
    made.settings.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(TransportError):
        made.collect()
    assert made.status().lines[3].state == "POSITIVE"


# -- a mail that a person saved ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Kommune 1103, 2020, løpenummer 1. Ingen feil.", IdentLeg.FEEDBACK_OK),
        ("Kommune 1103, 2020, løpenummer 1. 3 personer har feil.", IdentLeg.FEEDBACK_FAULTS),
        ("Se vedlegg.", IdentLeg.FEEDBACK_UNREAD),
    ],
)
def test_a_saved_mail_counts_as_the_mailbox_would_count_it(
    sent: Place, tmp_path: Path, text: str, state: IdentLeg
) -> None:
    """The same rules decide, and who dropped it stands in the timeline."""
    with sent.open() as place:
        assert add_mail(place, saved_mail(tmp_path, text=text), "rolle B") == state.value
        assert "rolle B" in [line.who for line in timeline(place)]
    assert leg(sent) is state


def test_the_same_saved_mail_changes_nothing_the_second_time(sent: Place, tmp_path: Path) -> None:
    """It is kept once."""
    with sent.open() as place:
        add_mail(place, saved_mail(tmp_path), "rolle B")
        assert add_mail(place, saved_mail(tmp_path), "rolle B") == "SAME_AGAIN"


def test_a_saved_mail_from_elsewhere_is_refused_with_the_other_way(sent: Place, tmp_path: Path) -> None:
    """It touches nothing, and the person is told how to write down what she has seen."""
    with sent.open() as place, pytest.raises(BadInput, match="kpr feedback seen"):
        add_mail(place, saved_mail(tmp_path, sender="noen@example.com"), "rolle B")
    assert leg(sent) is IdentLeg.SENT


# -- a person's word -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("faults", "state"), [(False, IdentLeg.FEEDBACK_OK), (True, IdentLeg.FEEDBACK_FAULTS)])
def test_a_persons_word_moves_the_leg_with_name_time_and_note(sent: Place, faults: bool, state: IdentLeg) -> None:
    """Who said it, when, and what she wrote stand in the timeline."""
    sent.later(hours=1)
    with sent.open() as place:
        assert seen(place, "rolle B", faults=faults, note="Kom til felles postkasse") == state.value
        line = next(line for line in timeline(place) if line.who == "rolle B")
        assert (line.at, line.why) == (sent.now, "sett av person: Kom til felles postkasse")
    assert leg(sent) is state


def test_with_a_persons_word_and_a_positive_receipt_the_submission_is_accepted(sent: Place) -> None:
    """Both legs are good, whichever way the answer came."""
    with sent.open() as place:
        seen(place, "rolle B", faults=False, note="")
        assert status(place).state == "ACCEPTED"


def test_a_persons_word_silences_the_alarm(sent: Place) -> None:
    """The alarm for a missing e-mail rings after the set time, until somebody has seen it."""
    sent.later(days=2)
    with sent.open() as place:
        assert any(alarm.id.startswith("ident-overdue") for alarm in watch(place))
        seen(place, "rolle B", faults=False, note="")
        assert not any(alarm.id.startswith("ident-overdue") for alarm in watch(place))


def test_a_note_with_a_national_id_is_refused(sent: Place) -> None:
    """The note is shown in the timeline, so nobody may be named in it by number."""
    with sent.open() as place, pytest.raises(BadInput) as refused:
        seen(place, "rolle B", faults=True, note="gjelder 01818012337")
    assert "01818012337" not in str(refused.value)
    assert leg(sent) is IdentLeg.SENT


def test_a_word_about_a_submission_that_does_not_exist_is_refused(sent: Place) -> None:
    """The number must be one of ours; nothing is guessed."""
    with sent.open() as place, pytest.raises(BadInput, match="number 7"):
        seen(place, "rolle B", faults=False, note="", sequence_number=7)


def test_before_anything_was_sent_there_is_nothing_to_have_seen(tmp_path: Path) -> None:
    """A word that answers nothing is not written down."""
    made = Place(tmp_path / "place")
    with made.open() as place, pytest.raises(Locked):
        seen(place, "rolle B", faults=False, note="")
