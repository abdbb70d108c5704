"""Letters to the register: which fits, what stands in them, and that each goes out once, by a real mail server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from typer.testing import CliRunner

from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.cli.app import app
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.demo.mail_servers import SmtpReceiver, mail_folder
from kpr.errors import BadInput, BadSettings, Locked, TransportError
from kpr.letters.draft import Case, Sent, Trip, draft, fitting, kind_for_alarm, kinds, mark_of
from kpr.log import blot
from kpr.next_act import Trouble
from kpr.steps.extract import kept_rows
from kpr.steps.letter import send_letter, write_letter
from kpr.steps.tell import due_alarms
from kpr.steps.watch import watch
from kpr.store import KeptKind

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
        ({"receipt": "WITHDRAWN", "state": "WITHDRAWN"}, "withdrawn"),
        ({"contradicted": True}, "contradiction"),
        ({"receipt": "NEGATIVE", "state": "REJECTED"}, "receipt-negative"),
        ({"ident": "FEEDBACK_FAULTS"}, "ident-faults"),
        ({"receipt": "OVERDUE"}, "receipt-overdue"),
        ({"ident": "OVERDUE"}, "ident-missing"),
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
    """The kinds that alarms name are kinds."""
    rows = ("rejected", "withdrawn", "contradiction", "receipt-overdue", "ident-overdue", "transport-given-up")
    assert {kind_for_alarm(row) for row in rows} <= set(kinds())
    assert kind_for_alarm("not-sent-3") == ""


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
        send_letter(place, "late", by="leder")


def test_when_all_is_well_the_command_says_to_do_nothing(tmp_path: Path) -> None:
    """No letter is a good answer."""
    made = Place(tmp_path, persons=5)
    done = runner.invoke(app, ["letter", "show", "--settings", str(made.settings)])
    assert (done.exit_code, "Gjør ingenting" in done.stdout) == (0, True)
    done = runner.invoke(app, ["letter", "show", "--settings", str(made.settings), "--json"])
    assert json.loads(done.stdout) == {"fitting": [], "letter": None}


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
