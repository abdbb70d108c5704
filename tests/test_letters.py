"""Letters to the register: which fits, what stands in them, and that each goes out once, by a real mail server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from pydantic import ValidationError
from typer.testing import CliRunner

from kpr.alarms.notice import Level, Notice, Severity
from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.cli.app import app
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.demo.mail_servers import SmtpReceiver, mail_folder
from kpr.errors import BadInput, BadSettings, Locked, TransportError
from kpr.letters.draft import Case, Sent, Trip, draft, fitting, kinds, kinds_for_alarm, mark_of
from kpr.letters.settings import Letters
from kpr.log import blot
from kpr.next_act import Trouble
from kpr.steps.extract import kept_rows
from kpr.steps.letter import carrying_letter, send_letter, write_letter
from kpr.steps.tell import due_alarms
from kpr.steps.watch import watch
from kpr.store import KeptKind
from kpr.years import Year

SENDER, REGISTER = "innsending@kommune.example.invalid", "register@example.invalid"
runner = CliRunner()


def case(**standing: str | bool) -> Case:
    """A submission under way; ``receipt="NEGATIVE"`` changes how it stands."""
    return Case(
        "1103",
        "Eksempel kommune",
        2020,
        {"state": "AWAITING", "ident": "SENT", "receipt": "NONE", "transport": "OK", "contradicted": False, "late": False}
        | standing,
        version=1,
        sequence=1,
        codes="T99",
        sent=(
            Sent("KPR_IPL", "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001",
                 (Trip(datetime(2021, 1, 7, 9, tzinfo=OSLO), "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11", "DELIVERED"),)),
        ),
        milestone=Text("Den ordinære fristen", "The ordinary deadline"),
        date="15.01.2021",
        contact="Innsendingsansvarlig\ninnsending@kommune.example.invalid, 00000000",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("standing", "kind"),
    [
        ({"withdrawn": True, "state": "WITHDRAWN"}, "withdrawn"),
        ({"contradicted": True}, "contradiction"),
        ({"receipt": "NEGATIVE", "state": "REJECTED"}, "receipt-negative"),
        ({"ident_receipt": "NEGATIVE", "state": "REJECTED"}, "ident-receipt-negative"),
        ({"ident": "FEEDBACK_FAULTS"}, "ident-faults"),
        ({"receipt": "OVERDUE"}, "receipt-overdue"),
        ({"ident": "OVERDUE"}, "ident-missing"),
        ({"ident": "OVERDUE", "state": "REJECTED"}, "ident-missing"),
        ({"transport": "GIVEN_UP"}, "transport"),
        ({"state": "", "late": True}, "late"),
    ],
)
def test_the_letter_that_fits_is_proposed(standing: dict[str, str | bool], kind: str) -> None:
    """What went wrong decides which letter comes first."""
    assert fitting(case(**standing))[0] == kind


def test_when_nothing_is_wrong_no_letter_is_needed() -> None:
    """Under way and in time, or accepted: none fits."""
    assert fitting(case()) == ()
    assert fitting(case(state="ACCEPTED", ident="FEEDBACK_OK", receipt="POSITIVE")) == ()


_STANDINGS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["", *(each.value for each in SubmissionState)]),
        "ident": st.sampled_from([each.value for each in IdentLeg]),
        "receipt": st.sampled_from([each.value for each in ReceiptLeg]),
        "transport": st.sampled_from([each.value for each in Trouble]),
        "contradicted": st.booleans(),
        "late": st.booleans(),
    }
)


@given(_STANDINGS, st.sampled_from(kinds()), st.sampled_from(["nb", "en"]))
def test_every_letter_can_be_written_however_it_stands(
    standing: dict[str, str | bool], kind: str, language: str
) -> None:
    """No placeholder is left, ids and times stand in it, and the subject is one line."""
    letter = draft(case(**standing), kind, language)
    assert "{" not in letter.subject + letter.body
    assert "\n" not in letter.subject
    assert "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001" in letter.body
    assert "07.01.2021 09.00" in letter.body
    assert letter.use in ("professional", "technical")


def test_no_national_id_gets_into_a_letter() -> None:
    """A number in a code or a name, from wherever, is blotted out."""
    spoilt = replace(case(receipt="NEGATIVE"), codes="T99 41815512345", name="Ola 41815512345", contact="41815512345")
    letter = draft(spoilt, "receipt-negative")
    assert "41815512345" not in letter.subject + letter.body
    assert blot("41815512345") in letter.body


def test_the_mark_changes_when_anything_happened() -> None:
    """Another state, code or attempt is another letter; the words of a contact are not."""
    one = case(receipt="OVERDUE")
    assert mark_of(one, "receipt-overdue") == mark_of(replace(one, contact="en annen"), "receipt-overdue")
    others = (case(receipt="NEGATIVE"), replace(one, version=2), replace(one, codes="T01"), replace(one, sent=()))
    assert len({mark_of(each, "receipt-overdue") for each in (one, *others)}) == 5


def test_every_alarm_that_carries_a_letter_names_one_that_exists() -> None:
    """The kinds that alarms name are kinds; a deadline's alarm has a letter only at the loudest level."""
    rows = ("rejected", "withdrawn", "contradiction", "receipt-overdue", "ident-overdue", "transport-given-up")
    named = [kinds_for_alarm(row) for row in rows]
    assert all(named)
    assert {kind for each in named for kind in each} <= set(kinds())
    assert kinds_for_alarm("not-sent-3", escalated=True) == ()
    assert kinds_for_alarm("milestone-passed") == ()
    assert kinds_for_alarm("milestone-passed", escalated=True) == ("late",)


def test_another_deadline_is_another_letter_about_being_late() -> None:
    """The letter about the next deadline is not the one that was sent; no other letter changes by the calendar."""
    one = case(late=True)
    two = replace(one, milestone=Text("Siste frist", "The last date"), date="26.03.2021")
    assert mark_of(one, "late") != mark_of(two, "late")
    assert mark_of(one, "receipt-overdue") == mark_of(two, "receipt-overdue")


@pytest.mark.parametrize(
    "address",
    ["a@b.no>", "<a@b.no>", "a@b.no,x", "a@b.no\0", "å@b.no", "a;b@c", "a@b.no\nBcc: x@y", "a@b.no\n", '"a b"@c', "a@", "a@b@c"],
)  # fmt: skip
def test_what_is_not_one_plain_mailbox_is_no_address(address: str) -> None:
    """Each is refused before anything is drafted: it would break the mail's head, or go to another."""
    for name in ("sender", "reply_to", "to"):
        with pytest.raises(ValidationError):
            Letters.model_validate({name: address})
    assert Letters.model_validate({"to": "Innsending.2+kpr@kommune-a.example.invalid"}).to


# -- with a place and a mail server --------------------------------------------------------------------------------------


@dataclass
class Post:
    """A running mail server with the register's mailbox."""

    receiver: SmtpReceiver
    box: Path

    def mails(self) -> list[EmailMessage]:
        """What has come, oldest first."""
        files = sorted((self.box / "new").glob("*"))
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]  # type: ignore[misc]


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    """Started once, with STARTTLS and login."""
    with mail_folder() as folder:
        box = folder / "register"
        with SmtpReceiver(folder / "smtp", {REGISTER: box}, users={"innlevering": "hemmelig"}) as receiver:
            yield Post(receiver, box)


@pytest.fixture
def post(server: Post, monkeypatch: pytest.MonkeyPatch) -> Post:
    """An empty mailbox, and settings that lead there; the password from the environment."""
    for file in (server.box / "new").glob("*"):
        file.unlink()
    server.receiver.say()
    said = {"SENDER": SENDER, "TO": REGISTER, "REPLY_TO": SENDER, "SMTP__HOST": "localhost", "SMTP__PASSWORD": "hemmelig",
            "SMTP__PORT": str(server.receiver.port), "SMTP__CA_FILE": str(server.receiver.ca_file),
            "SMTP__USERNAME": "innlevering"}  # fmt: skip
    for name, value in said.items():
        monkeypatch.setenv(f"KPR_LETTERS__{name}", value)
    return server


@pytest.fixture
def silent(tmp_path: Path) -> Place:
    """Sent five days ago, and nobody has answered."""
    made = Place(tmp_path, persons=8, plays=[{"type": "iplos", "silent": True}, {"type": "ident", "silent": True}])
    made.report()
    made.later(days=5)
    with made.open() as place:
        watch(place)
    return made


def test_the_letter_is_read_at_the_other_end(silent: Place, post: Post) -> None:
    """Norwegian letters, ids, times and the address to answer to come through; no person of the extract does."""
    with silent.open() as place:
        drafted = send_letter(place, by="leder")
        latest = place.store.latest()
        assert latest is not None
        messages = place.store.messages(latest.id)
        people = {fid for (fid,) in kept_rows(place, latest).select("ident", ("fid",)) if fid}
    assert drafted.letter.kind == "receipt-overdue"
    (mail,) = post.mails()
    body = mail.get_content()
    assert (mail["To"], mail["From"], mail["Reply-To"]) == (REGISTER, SENDER, SENDER)
    assert "Kvitteringen for IPLOS-meldingen mangler" in str(mail["Subject"])
    assert "Vi har ikke mottatt kvittering" in body
    assert [each.msg_id for each in messages if each.msg_id not in body] == []
    assert people
    assert [fid for fid in people if fid in body] == []


def test_it_is_sent_once_and_stands_in_the_timeline(silent: Place, post: Post) -> None:
    """The second time is refused with a reason; ``again`` sends; what was sent is kept, with who said so."""
    with silent.open() as place:
        send_letter(place, by="leder")
        with pytest.raises(Locked, match="alt sendt"):
            send_letter(place, by="leder")
        assert len(post.mails()) == 1
        send_letter(place, by="leder", again=True)
        assert len(post.mails()) == 2
        assert [kept.made_by for kept in place.kept.every(KeptKind.LETTER)] == ["leder", "leder"]
    assert [line.who for line in silent.status().timeline if "brev ble sendt" in line.text.nb] == ["leder", "leder"]


def test_killed_in_the_middle_it_is_never_sent_twice_without_a_word(
    silent: Place, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever died after the server had it: the next one is told that nobody knows."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with silent.open() as place:
        with monkeypatch.context() as patched:
            patched.setattr("kpr.steps.letter.SmtpSender.send", dies)
            with pytest.raises(KeyboardInterrupt):
                send_letter(place, by="leder")
        with pytest.raises(Locked, match="uvisst"):
            send_letter(place, by="leder")
    assert post.mails() == []


def test_a_server_that_refuses_is_told_and_may_be_tried_again(silent: Place, post: Post) -> None:
    """After a refusal the same letter can be sent; the refusal stands in the log."""
    post.receiver.say(rcpt="550 5.1.1 no such mailbox")
    with silent.open() as place:
        with pytest.raises(TransportError):
            send_letter(place, by="leder")
        post.receiver.say()
        send_letter(place, by="leder")
        assert [each.event for each in place.store.events() if each.what == "letter"] == [
            "CLAIMED", "FAILED", "CLAIMED", "SENT"
        ]  # fmt: skip
    assert len(post.mails()) == 1


def test_without_a_mail_server_it_is_shown_and_saved(silent: Place, tmp_path: Path) -> None:
    """One sentence says what is missing; the draft goes to the year's contact of that day, with its mark."""
    with silent.open() as place:
        with pytest.raises(BadSettings, match="Ingen e-posttjener"):
            send_letter(place, by="leder")
        drafted = write_letter(place)
        assert drafted is not None
        assert (drafted.to, "confirmed" in drafted.source) == ("registervakt@kundesenter.nhn.no", True)
    for name in ("brev.eml", "brev.txt"):
        done = runner.invoke(app, ["letter", "save", "--out", str(tmp_path / name), "--settings", str(silent.settings)])
        assert done.exit_code == 0
    mail = message_from_bytes((tmp_path / "brev.eml").read_bytes(), policy=default)
    assert mail["To"] == "registervakt@kundesenter.nhn.no"
    assert "Vi har ikke mottatt kvittering" in (tmp_path / "brev.txt").read_text("utf-8")
    assert (tmp_path / "brev.txt").stat().st_mode & 0o077 == 0


def test_an_unknown_kind_and_a_year_without_address(silent: Place, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets one sentence with the remedy."""
    with silent.open() as place, pytest.raises(BadInput, match="ikke et slikt brev"):
        write_letter(place, "kjærlighet")
    monkeypatch.delenv("KPR_LETTERS__TO")
    silent.at(datetime(2017, 1, 1, 12, tzinfo=OSLO))
    with silent.open() as place, pytest.raises(BadSettings, match="adresse er ikke kjent"):
        send_letter(place, "receipt-overdue", by="leder")


def test_when_all_is_well_the_command_says_to_do_nothing(tmp_path: Path) -> None:
    """No letter is a good answer."""
    made = Place(tmp_path, persons=5)
    done = runner.invoke(app, ["letter", "show", "--settings", str(made.settings)])
    assert (done.exit_code, "Gjør ingenting" in done.stdout) == (0, True)
    done = runner.invoke(app, ["letter", "show", "--settings", str(made.settings), "--json"])
    assert json.loads(done.stdout) == {"fitting": [], "letter": None}


@pytest.fixture
def accepted(tmp_path: Path) -> Place:
    """Sent, answered twice, and accepted."""
    made = Place(tmp_path, persons=8)
    made.report()
    made.later(hours=1)
    made.exchange()
    assert made.status().state == "ACCEPTED"
    return made


def test_a_letter_that_is_not_true_is_not_sent(accepted: Place, post: Post) -> None:
    """Of an accepted submission nothing that went wrong can be told: Locked for every kind, and nothing is noted."""
    accepted.later(days=30)
    with accepted.open() as place:
        for kind in kinds():
            with pytest.raises(Locked, match="passer ikke slik det står nå"):
                send_letter(place, kind, by="leder", again=True)
        assert [each for each in place.store.events() if each.what == "letter"] == []
    assert post.mails() == []


def test_a_letter_that_does_not_fit_says_so_above_the_draft(accepted: Place, tmp_path: Path) -> None:
    """It can be seen and saved, with the warning first; the exit code of sending it is that of Locked."""
    words = ["--kind", "receipt-negative", "--settings", str(accepted.settings)]
    shown = runner.invoke(app, ["letter", "show", *words]).stdout
    assert -1 < shown.find("passer ikke slik det står nå") < shown.find("Emne:")
    assert "kpr letter send" not in shown
    saved = runner.invoke(app, ["letter", "save", "--out", str(tmp_path / "brev.txt"), *words])
    assert (saved.exit_code, "passer ikke slik det står nå" in saved.stdout) == (0, True)
    told = json.loads(runner.invoke(app, ["letter", "show", "--json", *words]).stdout)
    assert (told["fitting"], told["letter"]["fits"]) == ([], False)
    refused = runner.invoke(app, ["letter", "send", "--by", "leder", *words]).exception
    assert isinstance(refused, Locked)


def test_without_an_address_the_draft_has_no_empty_field(silent: Place, tmp_path: Path) -> None:
    """Saved, with the sentence that sending gives; a mail program finds neither an empty To nor an empty From."""
    silent.at(datetime(2017, 1, 1, 12, tzinfo=OSLO))
    for name in ("brev.eml", "brev.txt"):
        words = ["letter", "save", "--out", str(tmp_path / name), "--settings", str(silent.settings)]
        done = runner.invoke(app, words)
        assert (done.exit_code, "adresse er ikke kjent for denne dagen" in done.stdout) == (0, True)
    mail = message_from_bytes((tmp_path / "brev.eml").read_bytes(), policy=default)
    assert (mail["To"], mail["From"], bool(mail["Subject"])) == (None, None, True)
    assert (tmp_path / "brev.txt").read_text("utf-8").startswith("Emne: ")


def test_the_address_is_that_of_the_day_in_norway(silent: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour past midnight in Norway it is still the day before in UTC; the Norwegian day decides."""
    asked: list[date] = []
    monkeypatch.setattr(Year, "contact_on", lambda _year, day, _use="all": asked.append(day))
    silent.at(datetime(2021, 1, 31, 23, 30, tzinfo=UTC))
    with silent.open() as place:
        write_letter(place)
    assert asked == [date(2021, 2, 1)]


def test_the_alarm_about_a_deadline_carries_the_letter_that_can_be_sent(silent: Place, post: Post) -> None:
    """From the second deadline on, the same draft as ``kpr letter``: ids, times, address and command; sent once (L25)."""
    silent.at(datetime(2021, 1, 20, 8, tzinfo=OSLO))
    assert _passed(silent).letter is None
    silent.at(datetime(2021, 2, 11, 8, tzinfo=OSLO))
    carried = _passed(silent).letter
    assert carried is not None
    with silent.open() as place:
        drafted = write_letter(place, "late")
        latest = place.store.latest()
        assert drafted is not None
        assert latest is not None
        assert all(message.msg_id in carried.nb for message in place.store.messages(latest.id))
    assert drafted.letter.body in carried.nb
    assert carried.nb.startswith(f"Til: {REGISTER}\nEmne: {drafted.letter.subject}\n")
    assert "10.02.2021, er passert" in carried.nb
    assert "ingen personopplysninger" in carried.nb
    assert "kpr letter send --kind late" in carried.nb
    with silent.open() as place:
        send_letter(place, "late", by="leder")
        with pytest.raises(Locked, match="alt sendt"):
            send_letter(place, "late", by="leder")
    silent.at(datetime(2021, 3, 27, 8, tzinfo=OSLO))
    with silent.open() as place:
        send_letter(place, "late", by="leder")
    assert len(post.mails()) == 2


def _passed(made: Place) -> Notice:
    """The alarm about the deadline that passed last."""
    with made.open() as place:
        return next(notice for notice in due_alarms(place) if ":milestone-passed:" in notice.id)


def test_an_alarm_whose_letter_is_not_true_carries_none(accepted: Place) -> None:
    """No alarm hands out a draft that could not be sent."""
    with accepted.open() as place:
        words = Text("x", "x")
        notice = Notice("1103-2020:rejected:v1", "1103", "x", 2020, Severity.URGENT, Level.OFFICER, words, words)
        assert carrying_letter(place, notice).letter is None


def test_the_alarms_carry_the_letters(silent: Place) -> None:
    """The alarm about the missing receipt has the draft in it, with the address and the command; in both languages."""
    with silent.open() as place:
        found = {notice.id.split(":")[1]: notice for notice in due_alarms(place)}
    letter = found["receipt-overdue"].letter
    assert letter is not None
    assert "Til: registervakt@kundesenter.nhn.no" in letter.nb
    assert "kpr letter send --kind receipt-overdue" in letter.nb
    assert "We have not received a receipt" in letter.en
    ident = found["ident-overdue"].letter
    assert ident is not None
    assert "Vi har ikke mottatt tilbakemelding" in ident.nb


def test_only_those_who_answer_for_the_content_send(silent: Place, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator by the settings cannot send a letter."""
    monkeypatch.setenv("KPR_PEOPLE__APPROVERS", '["leder"]')
    monkeypatch.setenv("KPR_PEOPLE__OPERATORS", '["drift"]')
    with silent.open() as place, pytest.raises(Locked, match="kan ikke sende brev"):
        send_letter(place, by="drift")
    assert post.mails() == []
