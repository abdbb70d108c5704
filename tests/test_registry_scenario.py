"""Scenarios: every fault can be played, and one that cannot be played as written is refused with a sentence."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from place import Place
from test_registry_reception import answers, message, send

from kpr.errors import BadSettings
from kpr.feedback.receipt import answer_of, mirrored
from kpr.messages.app_rec import AppRec, error_codes
from kpr.registry.register import Register
from kpr.registry.scenario import Play, Scenario, load_scenario
from kpr.registry.settings import load_register_settings


def played(tmp_path: Path, kind: str, **play: Any) -> tuple[Place, list[AppRec]]:
    """One message to a register with one play; the receipts at once."""
    family = {"KPR_IDE": "ident", "KPR_IPL": "iplos"}[kind]
    place = Place(tmp_path, [{"type": family, **play}], persons=1)
    send(place, message(kind), kind)
    place.register()
    return place, answers(place)


def mails(place: Place) -> list[EmailMessage]:
    """What lies new in the municipality's maildir."""
    folder = place.folder / "mail" / "new"
    found = sorted(folder.iterdir()) if folder.exists() else []
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]  # type: ignore[misc]


@pytest.mark.parametrize("code", sorted(error_codes()))
def test_every_code_can_be_played(code: str) -> None:
    """Each code of list 8221 is a negative answer, with its detail."""
    assert Play(negative=code, detail="iiKomnr").negative == code


def test_a_negative_receipt_carries_code_and_detail(tmp_path: Path) -> None:
    """negative: the code that was wanted, with OT, and status 2."""
    _, [receipt] = played(tmp_path, "KPR_IPL", negative="T02", detail="iiKomnr")
    assert (receipt.status, receipt.errors[0].code, receipt.errors[0].detail) == ("2", "T02", "iiKomnr")
    assert receipt.errors[0].text == "XML validerer ikke"


def test_a_part_is_status_three(tmp_path: Path) -> None:
    """part: status 3 with the code."""
    _, [receipt] = played(tmp_path, "KPR_IPL", part="T99", detail="to personer")
    assert (receipt.status, receipt.errors[0].code) == ("3", "T99")


def test_a_silent_register_says_nothing(tmp_path: Path) -> None:
    """silent: no receipt, neither now nor a week later; the mail comes all the same."""
    place, receipts = played(tmp_path, "KPR_IDE", silent=True)
    assert receipts == []
    place.later(days=7)
    place.register()
    assert answers(place) == []
    assert len(mails(place)) == 1


def test_a_late_receipt_comes_when_the_clock_has_passed(tmp_path: Path) -> None:
    """late_hours: 97 hours by the register's own clock, not a minute before."""
    place, receipts = played(tmp_path, "KPR_IPL", late_hours=97)
    assert receipts == []
    place.later(hours=96, minutes=59)
    place.register()
    assert answers(place) == []
    place.later(minutes=1)
    place.register()
    [receipt] = answers(place)
    assert receipt.generated == place.now


def test_a_late_mail_comes_when_the_clock_has_passed(tmp_path: Path) -> None:
    """mail_late_hours: the receipt comes at once and the mail later, dated when it comes."""
    place, receipts = played(tmp_path, "KPR_IDE", mail_late_hours=30)
    assert (len(receipts), mails(place)) == (1, [])
    place.later(hours=30)
    place.register()
    [mail] = mails(place)
    assert mail["Date"].datetime == place.now


def test_a_doubled_receipt_is_the_same_twice(tmp_path: Path) -> None:
    """double: two messages on the transport, and the same receipt in both."""
    _, receipts = played(tmp_path, "KPR_IPL", double=True)
    assert len(receipts) == 2
    assert receipts[0] == receipts[1]


@pytest.mark.parametrize(("play", "statuses"), [({}, ["1", "2"]), ({"negative": "T02"}, ["2", "1"])])
def test_a_contradiction_is_two_verdicts_under_two_ids(
    tmp_path: Path, play: dict[str, Any], statuses: list[str]
) -> None:
    """contradict: first one verdict, then the other, each with an id of its own (R15 broken)."""
    _, receipts = played(tmp_path, "KPR_IPL", contradict=True, **play)
    assert sorted(receipt.status for receipt in receipts) == sorted(statuses)
    assert len({receipt.id for receipt in receipts}) == 2
    assert len({receipt.original_msg_id for receipt in receipts}) == 1


def test_a_receipt_for_another_message_names_another(tmp_path: Path) -> None:
    """unknown_original: the receipt answers a MsgId that was never sent."""
    place = Place(tmp_path, [{"unknown_original": True}], persons=1)
    plain = message("KPR_IPL")
    send(place, plain)
    place.register()
    [receipt] = answers(place)
    assert receipt.original_msg_id.encode() not in plain


def test_a_receipt_from_a_stranger_is_not_mirrored(tmp_path: Path) -> None:
    """unknown_sender: the receipt says that it comes from another than the register, and is otherwise whole."""
    _, [receipt] = played(tmp_path, "KPR_IPL", unknown_sender=True)
    assert receipt.faults == ()
    assert not mirrored(receipt, "8000002", "8000004")
    assert answer_of(receipt).event == "POSITIVE"


def test_one_receipt_may_be_of_the_other_version(tmp_path: Path) -> None:
    """app_rec_version on a play is for that message alone."""
    place = Place(tmp_path, [{"number": 1, "app_rec_version": "1.0"}], persons=1)
    for _ in range(2):
        send(place, message("KPR_IPL"))
    place.register()
    assert sorted(receipt.version for receipt in answers(place)) == ["1.0", "1.1"]


def test_a_play_is_for_its_number_only(tmp_path: Path) -> None:
    """number counts the messages of a type as they come; what is not numbered falls to the play without number."""
    plays = [{"number": 2, "negative": "T02"}, {"part": "T99"}]
    place = Place(tmp_path, plays, persons=1)
    statuses = []
    for _ in range(3):
        send(place, message("KPR_IPL"))
        place.register()
        statuses.append([receipt.status for receipt in answers(place)])
    assert [len(found) for found in statuses] == [1, 2, 3]
    assert sorted(statuses[-1]) == ["2", "3", "3"]


@pytest.mark.parametrize(("play", "count"), [({"no_mail": True}, 0), ({"mail_double": True}, 2), ({}, 1)])
def test_mails_are_missing_or_doubled(tmp_path: Path, play: dict[str, Any], count: int) -> None:
    """no_mail and mail_double: none, or the same mail twice under one Message-ID."""
    place, receipts = played(tmp_path, "KPR_IDE", **play)
    assert len(receipts) == 1
    assert len(mails(place)) == count
    assert len({mail["Message-ID"] for mail in mails(place)}) == min(count, 1)


def test_a_rejected_ident_message_gets_no_mail(tmp_path: Path) -> None:
    """negative for an ident message: the receipt says it, and no mail says otherwise."""
    place, [receipt] = played(tmp_path, "KPR_IDE", negative="E31")
    assert receipt.status == "2"
    assert mails(place) == []


def test_a_mail_from_another_domain_is_the_same_mail(tmp_path: Path) -> None:
    """mail_unknown_sender: only the sender's domain is another."""
    place, _ = played(tmp_path, "KPR_IDE", mail_unknown_sender=True)
    [mail] = mails(place)
    assert mail["From"] == "kpr@ukjent.example.invalid"
    assert "Løpenummer: 1" in mail.get_content()


WRONG = {
    "plays: [{type: other}]": "plays.0.type",
    "plays: [{negative: Q99}]": "no code of list 8221",
    "plays: [{part: T0}]": "no code of list 8221",
    "plays: [{detail: x}]": "neither",
    "plays: [{silent: true, double: true}]": "exclude each other",
    "plays: [{silent: true, late_hours: 3}]": "exclude each other",
    "plays: [{negative: T02, part: T02}]": "exclude each other",
    "plays: [{double: true, contradict: true}]": "exclude each other",
    "plays: [{type: ident, no_mail: true, mail_faults: 2}]": "exclude each other",
    "plays: [{type: ident, negative: T02, mail_double: true}]": "exclude each other",
    "plays: [{no_mail: true}]": "no e-mail",
    "plays: [{mail_faults: 1}]": "no e-mail",
    "plays: [{double: true}, {number: 2, silent: true}]": "play 2 is never used",
    "plays: [{number: 2}, {type: ident}, {number: 2, silent: true}]": "play 3 is never used",
    "plays: [{late_hours: -1}]": "late_hours",
    "plays: [{late_hours: .inf}]": "late_hours",
    "plays: [{late_hours: .nan}]": "late_hours",
    "plays: [{number: 0}]": "number",
    'plays: [{negative: T02, detail: "a\\x01"}]': "cannot be written",
    "plays: [{silents: true}]": "plays.0.silents",
    "plays: {silent: true}": "plays",
    "app_rec_version: 1.1": "app_rec_version",
    "app_rec_version: '1.2'": "app_rec_version",
    "x: 2020-13-45": "scenario",
    "a: [": "YAML",
    "just text": "scenario",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_scenario_that_cannot_be_played_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The error names the file and says what is wrong, before the register starts."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match=said) as error:
        load_scenario(path)
    assert error.value.place.startswith("scenario.yaml")
    assert error.value.remedy


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A named scenario must exist; without a name the register behaves."""
    with pytest.raises(BadSettings, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")
    assert load_scenario(None) == Scenario()


def test_every_play_is_described_in_the_documentation() -> None:
    """Each field of a play stands in docs/stand-in-register.md."""
    text = (Path(__file__).parents[1] / "docs" / "stand-in-register.md").read_text("utf-8")
    assert [name for name in Play.model_fields if f"`{name}" not in text] == []


def test_the_register_does_not_start_with_a_wrong_scenario(tmp_path: Path) -> None:
    """It is refused at the start, not when the first message comes."""
    place = Place(tmp_path, [{"negative": "Q99"}], persons=1)
    with pytest.raises(BadSettings, match="8221"):
        Register(load_register_settings(place.folder / "register" / "register.yaml"))


SETTINGS = {
    "service_her_id: '8000004'": ("service_her_id: 8000004", "service_her_id"),
    "her_id: '8000002'": ("her_id: '../x'", "senders.0.her_id"),
    "municipality: '1103'": ("municipality: 1103", "senders.0.municipality"),
    "organisation_name": ("organisation_nam", "organisation_name"),
    "clock_file": ("clok_file", "clok_file"),
}


@pytest.mark.parametrize(("old", "new", "field"), [(old, *rest) for old, rest in SETTINGS.items()])
def test_wrong_settings_are_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    """The field that is wrong or unknown stands in the error, and its value does not."""
    place = Place(tmp_path, persons=1)
    path = place.folder / "register" / "register.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadSettings) as error:
        load_register_settings(path)
    assert error.value.place == f"register.yaml: {field}"
    assert "../x" not in str(error.value)


def test_a_sender_stands_once(tmp_path: Path) -> None:
    """Two senders under one HER-id would hide one of them."""
    place = Place(tmp_path, persons=1)
    path = place.folder / "register" / "register.yaml"
    text = path.read_text("utf-8")
    sender = text[text.index("- her_id") : text.index("clock_file")]
    path.write_text(text.replace(sender, sender * 2), encoding="utf-8")
    with pytest.raises(BadSettings, match="same her_id"):
        load_register_settings(path)


def test_a_year_file_is_laid_over_its_own_year(tmp_path: Path) -> None:
    """A year that the package does not know is taken when the register's year file brings it, and others are as before."""
    place = Place(tmp_path, persons=1)
    (place.folder / "register" / "2031.yaml").write_text("data_year: 2031\nbased_on: 2020\n", encoding="utf-8")
    settings = place.folder / "register" / "register.yaml"
    settings.write_text(settings.read_text("utf-8") + "year_file: 2031.yaml\n", encoding="utf-8")
    for year in (b"2031", b"2020", b"2032"):
        send(
            place,
            message("KPR_IDE", lambda p, y=year: p.replace(b'fraDatoPeriode="2020', b'fraDatoPeriode="' + y)),
            "KPR_IDE",
        )
        place.register()
    found = [[error.code for error in receipt.errors] for receipt in answers(place)]
    assert sorted(found) == [[], [], ["T10"]]


def test_late_hours_are_hours() -> None:
    """97 is 97 hours."""
    from kpr.registry.scenario import delay

    assert delay(Play(late_hours=97)) == timedelta(hours=97)
