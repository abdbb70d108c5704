"""People are told over real lines, each thing once: a mail server and a webhook of our own, kills and refusals included."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from place import Place
from typer.testing import CliRunner

from kpr.alarms.channels import Hook, Mailbox, channels
from kpr.alarms.message import Telling
from kpr.alarms.notice import Level, Notice
from kpr.alarms.settings import Tell, Webhook
from kpr.calendar import OSLO
from kpr.cli import alarms as alarms_command
from kpr.demo.mail_servers import SmtpReceiver, mail_folder
from kpr.errors import BadSettings, TransportError, TransportRefused
from kpr.log import configure_logs
from kpr.steps.standing import standing_of
from kpr.steps.tell import due_alarms, tell
from kpr.store import ToldBook
from kpr.store.told import TAKEOVER

PASSWORD = "hemmelig-æøå"
USER = "innlevering"
OFFICER, LEADER, OPERATOR = (f"{role}@kommune.example.invalid" for role in ("rapport", "leder", "drift"))


@dataclass
class Post:
    """A running mail server with the three roles' mailboxes."""

    receiver: SmtpReceiver
    boxes: dict[str, Path]

    def mails(self, address: str) -> list[EmailMessage]:
        """What has come to a mailbox, oldest first."""
        files = sorted((self.boxes[address] / "new").glob("*"))
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]  # type: ignore[misc]

    def subjects(self, address: str) -> list[str]:
        """Their subjects."""
        return [str(mail["Subject"]) for mail in self.mails(address)]

    def tell(self, **changes: Any) -> Tell:
        """Settings that lead here, with TLS and login."""
        server = {
            "host": "localhost",
            "port": self.receiver.port,
            "ca_file": str(self.receiver.ca_file),
            "username": USER,
            "password": PASSWORD,
            "timeout_seconds": 10,
        }
        roles = {"officer": [OFFICER], "leader": [LEADER], "operator": [OPERATOR]}
        return Tell.model_validate({"sender": "kpr@kommune.example.invalid", "smtp": server, **roles, **changes})


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    """The server is started once; STARTTLS and login as in a real house."""
    with mail_folder() as folder:
        boxes = {address: folder / address.partition("@")[0] for address in (OFFICER, LEADER, OPERATOR)}
        with SmtpReceiver(folder / "smtp", boxes, users={USER: PASSWORD}) as receiver:
            yield Post(receiver, boxes)


@pytest.fixture
def post(server: Post) -> Iterator[Post]:
    """Empty mailboxes, and a server that takes everything."""
    server.receiver.say()
    for box in server.boxes.values():
        for file in (box / "new").glob("*"):
            file.unlink()
    yield server
    server.receiver.say()


@dataclass
class Listener:
    """A webhook's other end: what came, and what it answers."""

    url: str
    heard: list[dict[str, Any]] = field(default_factory=list)
    answer: int = 204


@contextmanager
def listening() -> Iterator[Listener]:
    """An HTTP server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(heard.answer)
            if heard.answer in (301, 302, 307):
                self.send_header("Location", f"{heard.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            heard.heard.append({"id": "a redirect was followed"})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        heard = Listener(f"http://127.0.0.1:{running.server_port}/hemmelig-nokkel")
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield heard
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def hook() -> Iterator[Listener]:
    """The webhook of one test."""
    with listening() as running:
        yield running


@pytest.fixture
def late(tmp_path: Path) -> Place:
    """A municipality that has done nothing by 6 January: two alarms are due."""
    place = Place(tmp_path / "place", persons=5)
    place.at(place.now.replace(day=6))
    return place


def round_of(place: Place, settings: Tell) -> list[str]:
    """One round: what is due, and what of it was told now; without municipality and year."""
    with place.open() as opened:
        told = tell(opened, due_alarms(opened), settings)
    return [each.removeprefix("1103-2020:") for each in told]


def found(place: Place) -> dict[str, Notice]:
    """What is due, by what it is about."""
    with place.open() as opened:
        return {each.id.split(":")[1]: each for each in due_alarms(opened)}


# -- what is due in a real conversation ---------------------------------------------------------------------------


def test_a_conversation_that_goes_well_needs_nobody(tmp_path: Path) -> None:
    """Reported, answered and accepted: nothing is due, on that day or on the last."""
    place = Place(tmp_path, persons=5)
    place.report()
    assert found(place) == {}
    place.exchange()
    assert place.status().state == "ACCEPTED"
    for day in (16, 30):
        place.at(place.now.replace(day=day))
        assert found(place) == {}


def test_silence_is_told_of_in_steps(tmp_path: Path) -> None:
    """No answer at all: the ident feedback after hours, the receipt after one, three and four days, sharper each time."""
    place = Place(tmp_path, persons=5)
    place.report()
    with place.open() as opened:
        sent = standing_of(opened).awaiting_since
    assert sent == place.now
    seen = []
    for hours in (1, 25, 73, 97):
        place.at(sent + timedelta(hours=hours))
        with place.open() as opened:
            ToldBook(opened.store).collected(place.now)
        seen.append(set(found(place)))
    assert seen == [
        set(),
        {"receipt-information", "ident-overdue"},
        {"receipt-warning", "ident-overdue"},
        {"receipt-overdue", "ident-overdue"},
    ]


def test_a_round_that_is_not_made_is_told_of(tmp_path: Path) -> None:
    """Sent on Thursday at ten and nobody has collected by Friday at nine: the operator is told, until somebody does."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.later(hours=23)
    assert found(place)["not-collected"].level is Level.OPERATOR
    with place.open() as opened:
        ToldBook(opened.store).collected(place.now)
    assert "not-collected" not in found(place)


def test_a_rejection_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    """What to do now is the sentence of ``kpr status``, and the next version has an alarm of its own."""
    place = Place(tmp_path, plays=[{"type": "iplos", "number": 1, "negative": "T02"}], persons=5)
    place.report()
    place.exchange()
    assert place.status().state == "REJECTED"
    rejected = found(place)["rejected"]
    assert rejected.id == "1103-2020:rejected:v1"
    assert rejected.do == place.status().next_act


def test_red_findings_are_told_of(tmp_path: Path) -> None:
    """An extract that is stopped, five working days before the last safe day and later."""
    place = Place(tmp_path, persons=5)
    place.extract(unknown_sex=2)
    with pytest.raises(Exception, match="stan"):
        place.report()
    assert found(place)["red-findings"].id == "1103-2020:red-findings:ordinary-2021-01-07"


# -- told once ----------------------------------------------------------------------------------------------------


def test_each_alarm_is_one_mail(post: Post, late: Place) -> None:
    """Asked for twice, told once; a day on only what has become sharper is told."""
    settings = post.tell()
    assert sorted(round_of(late, settings)) == ["not-extracted", "not-sent-3:ordinary"]
    assert round_of(late, settings) == []
    assert len(post.mails(OFFICER)) == 2
    late.at(late.now.replace(day=8))
    assert round_of(late, settings) == ["not-sent-1:ordinary"]
    assert len(post.mails(OFFICER)) == 3
    assert post.mails(LEADER) == post.mails(OPERATOR) == []


def test_the_mail_is_whole_and_says_who_and_what(post: Post, late: Place) -> None:
    """Sender, receiver, date and id stand there; the text is Norwegian with its letters; nothing of a person."""
    round_of(late, post.tell(link="https://prefect.example.invalid"))
    mail = next(each for each in post.mails(OFFICER) if "lest" in each["Subject"])
    assert mail["Subject"] == "KPR 1103 Eksempel kommune 2020: " + (
        "Registeret er åpnet for rapporteringsåret 2020, og ingen uttrekk er lest"
    )
    assert (mail["From"], mail["To"]) == ("kpr@kommune.example.invalid", OFFICER)
    assert mail["Date"].datetime == late.now
    assert "Gjør dette nå: Lag uttrekket" in mail.get_content()
    assert "Mer: https://prefect.example.invalid" in mail.get_content()


def test_after_a_deadline_the_leader_is_told_too(post: Post, late: Place) -> None:
    """K7 over the real line, with a letter for the register from the second deadline on."""
    late.at(late.now.replace(day=16))
    round_of(late, post.tell())
    assert any("Den ordinære fristen" in subject for subject in post.subjects(LEADER))
    assert not any("Utkast til brev" in mail.get_content() for mail in post.mails(LEADER))
    late.at(late.now.replace(month=2, day=11))
    round_of(late, post.tell())
    assert any("Utkast til brev" in mail.get_content() for mail in post.mails(LEADER))


def test_a_server_that_is_busy_is_asked_again(post: Post, late: Place) -> None:
    """Nothing is lost: TransportError now, and told in the next round, once."""
    post.receiver.say(data="452 4.3.1 full")
    with pytest.raises(TransportError, match=r"prøves igjen neste gang.*mail:busy.*452"):
        round_of(late, post.tell())
    assert post.mails(OFFICER) == []
    post.receiver.say()
    assert len(round_of(late, post.tell())) == 2
    assert len(post.mails(OFFICER)) == 2


def test_one_that_is_refused_does_not_keep_the_others_waiting(post: Post, late: Place) -> None:
    """Two mailboxes, one of them unknown: the other gets its mails, and gets them once."""
    settings = post.tell(officer=["ukjent@kommune.example.invalid", OFFICER])
    for _ in range(2):
        with pytest.raises(TransportRefused, match="mail:recipient"):
            round_of(late, settings)
        assert len(post.mails(OFFICER)) == 2


def test_a_server_that_is_away_is_told_without_its_address(late: Place, post: Post) -> None:
    """Nobody listens there; the sentence names neither host nor mailbox."""
    away = post.tell(smtp={"host": "localhost", "port": 9, "timeout_seconds": 2})
    with pytest.raises(TransportError) as raised:
        round_of(late, away)
    assert "localhost" not in str(raised.value)
    assert OFFICER not in str(raised.value)


def test_a_password_that_is_missing_is_told(post: Post, late: Place) -> None:
    """BadSettings, with the place to mend; the claim is given back."""
    broken = post.tell().model_dump()["smtp"] | {"password": None}
    with pytest.raises(BadSettings, match=r"tell\.smtp\.password_file"):
        round_of(late, post.tell(smtp=broken))
    assert len(round_of(late, post.tell())) == 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_claim_and_mark_it_is_told_after_ten_minutes(post: Post, late: Place, moment: str) -> None:
    """Killed before the sending it comes once; killed right after, it comes once more, but never not at all."""
    settings = post.tell()

    def die(*words: Any) -> None:
        if moment == "after":
            original(*words)
        os._exit(9)

    original = Mailbox.send
    assert in_child(lambda: round_of(late, settings), lambda: setattr(Mailbox, "send", die)) == 9
    before = len(post.mails(OFFICER))
    assert before == (1 if moment == "after" else 0)
    assert len(round_of(late, settings)) == 1, "the other alarm is not kept waiting"
    late.later(seconds=TAKEOVER.total_seconds())
    assert len(round_of(late, settings)) == 1
    assert round_of(late, settings) == []
    assert len(post.mails(OFFICER)) == before + 2


def in_child(work: Callable[[], Any], prepare: Callable[[], Any]) -> int:
    """Run it in a process of its own; its exit code."""
    child = os.fork()
    if child == 0:
        prepare()
        try:
            work()
        except BaseException:
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# -- the webhook --------------------------------------------------------------------------------------------------


def test_the_webhook_gets_each_alarm_once(hook: Listener, late: Place) -> None:
    """As JSON, without anybody's mailbox being named; asked for twice, told once."""
    settings = Tell(webhook=Webhook(url=hook.url))
    assert len(round_of(late, settings)) == 2
    assert round_of(late, settings) == []
    assert sorted(each["id"] for each in hook.heard) == ["1103-2020:not-extracted", "1103-2020:not-sent-3:ordinary"]
    assert hook.heard[0]["text"]["nb"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (500, TransportError),
        (503, TransportError),
        (429, TransportError),
        (404, TransportRefused),
        (410, TransportRefused),
    ],
)
def test_a_webhook_that_does_not_take_it_is_asked_again(
    hook: Listener, late: Place, answer: int, error: type[TransportError]
) -> None:
    """Whatever it answers but 2xx, the alarm is told next time; the address, which may hold a key, is in no error."""
    settings = Tell(webhook=Webhook(url=hook.url))
    hook.answer = answer
    with pytest.raises(TransportError) as raised:
        round_of(late, settings)
    assert type(raised.value) is error
    assert "hemmelig" not in str(raised.value)
    hook.answer = 200
    assert len(round_of(late, settings)) == 2


@pytest.mark.parametrize("answer", [301, 302, 307])
def test_a_redirect_is_not_taken_for_an_answer(hook: Listener, late: Place, answer: int) -> None:
    """Followed, the POST would become a question without a body, and its "200" a lie."""
    hook.answer = answer
    with pytest.raises(TransportRefused):
        round_of(late, Tell(webhook=Webhook(url=hook.url)))
    assert all("redirect" not in each["id"] for each in hook.heard)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "http://[::1/x", "http://x..y/"])
def test_a_webhook_that_is_away_is_a_transport_error(url: str) -> None:
    """Nobody there, no such name, or no address at all: one sentence, and told next time."""
    with pytest.raises(TransportError, match="svarer ikke"):
        Hook(url).send(Telling("a", (), "", "", {}), datetime(2021, 1, 6, tzinfo=OSLO))


def test_mail_and_webhook_are_told_apart(post: Post, hook: Listener, late: Place) -> None:
    """One that fails is told later by itself; the other is not told again."""
    settings = post.tell(webhook={"url": hook.url})
    hook.answer = 500
    with pytest.raises(TransportError):
        round_of(late, settings)
    hook.answer = 200
    heard = len(hook.heard)
    assert len(round_of(late, settings)) == 2
    assert (len(post.mails(OFFICER)), len(hook.heard)) == (2, heard + 2)


def test_a_channel_is_known_by_a_mark(post: Post) -> None:
    """No address stands in what is kept or logged; upper and lower case are the same mailbox."""
    settings = post.tell(officer=[OFFICER.upper(), LEADER], webhook={"url": "https://x.invalid/hemmelig"})
    telling = Telling("a", ("officer",), "", "", {})
    marks = [channel.id for channel in channels(telling, settings)]
    assert len(set(marks)) == 3
    assert not any("@" in mark or "hemmelig" in mark or "kommune" in mark for mark in marks)
    assert marks[0] == Mailbox(None, "", OFFICER).id  # type: ignore[arg-type]


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def kpr() -> Callable[..., Any]:
    """Runs ``kpr alarms`` with these words; what came of it."""
    configure_logs()
    app = typer.Typer()

    @app.callback()
    def _nothing() -> None:
        """As the real one."""

    alarms_command.register(app)
    return lambda *words: CliRunner().invoke(app, ["alarms", *(str(word) for word in words)], catch_exceptions=False)


def installation(folder: Path, settings: Tell, *places: str) -> Path:
    """The installation's file, with the password in a file that its owner alone can read."""
    secret = folder / "smtp-password"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(stat.S_IRUSR | stat.S_IWUSR)
    told = json.loads(settings.model_dump_json())
    if told["smtp"]:
        told["smtp"] |= {"password": None, "password_file": secret.name}
    file = folder / "kpr-fleet.yaml"
    file.write_text(yaml.safe_dump({"name": "drift", "places": list(places), "tell": told}), encoding="utf-8")
    return file


def test_the_command_shows_and_tells_nobody(kpr: Callable[..., Any], post: Post, late: Place) -> None:
    """Without --send it only says what is due, to whom it would go, and what to do."""
    file = installation(late.folder.parent, post.tell(), "place/kpr.yaml")
    result = kpr("--installation", file)
    assert result.exit_code == 0
    assert "1103 Eksempel kommune · 2020 → officer" in result.stdout
    assert "ingen uttrekk er lest" in result.stdout
    assert post.mails(OFFICER) == []


def test_the_command_tells_once(kpr: Callable[..., Any], post: Post, late: Place) -> None:
    """With --send the mails go out; again, and nothing does. As JSON the ids stand there."""
    file = installation(late.folder.parent, post.tell(), "place/kpr.yaml")
    first = json.loads(kpr("--installation", file, "--send", "--json").stdout)
    again = json.loads(kpr("--installation", file, "--send", "--json").stdout)
    assert sorted(first["told"]) == ["1103-2020:not-extracted", "1103-2020:not-sent-3:ordinary"]
    assert again["told"] == []
    assert [each["id"] for each in again["alarms"]] == [each["id"] for each in first["alarms"]]
    assert len(post.mails(OFFICER)) == 2


def test_the_digest_comes_once_a_day(kpr: Callable[..., Any], post: Post, late: Place) -> None:
    """To the operator, and in a house of one to the officer; the next day there is a new one."""
    file = installation(late.folder.parent, post.tell(), "place/kpr.yaml")
    for _ in range(2):
        kpr("--installation", file, "--send", "--digest")
    assert post.subjects(OPERATOR) == ["KPR 06.01.2021: 0 av 1 godtatt, 1 trenger en person"]
    assert post.subjects(OPERATOR)[0] in post.subjects(OFFICER)
    late.later(days=1)
    told = json.loads(kpr("--installation", file, "--send", "--digest", "--json").stdout)
    assert told["digest"]["id"] == "digest-2021-01-07-1103-2020"
    assert len(post.mails(OPERATOR)) == 2


def test_a_municipality_that_cannot_be_opened_stops_nobody(kpr: Callable[..., Any], post: Post, late: Place) -> None:
    """Its fault stands in the answer and in the digest, the other one's alarms are told, and the exit code says so."""
    broken = late.folder.parent / "a-broken.yaml"
    settings = yaml.safe_load(late.settings.read_text("utf-8"))
    settings["municipality"] |= {"number": "0301", "name": "Oslo"}
    settings["store"] = {"url": "sqlite:///nowhere/kpr.sqlite"}
    broken.write_text(yaml.safe_dump(settings), encoding="utf-8")
    file = installation(late.folder.parent, post.tell(), "a-broken.yaml", "place/kpr.yaml")
    result = kpr("--installation", file, "--send", "--digest", "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 2
    assert [each["place"] for each in data["failed"]] == ["0301 Oslo · 2020"]
    assert len(post.mails(OFFICER)) == 2
    assert len(post.mails(OPERATOR)) == 1


def test_a_house_that_names_nobody_is_told_so(kpr: Callable[..., Any], late: Place) -> None:
    """One settings file is an installation of one; --send says that there is nobody to tell."""
    result = kpr("--installation", late.settings, "--send")
    assert result.exit_code == 0
    assert "Ingen er oppgitt å si fra til" in result.stdout
