"""Which alarms are due and when, who is told, what the texts and the daily digest say, and that each is told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from postgresql import Server, find_binaries, running_postgresql
from pydantic import ValidationError
from sqlalchemy import Engine

from kpr.alarms import due as due_module
from kpr.alarms.digest import Change, Section, digest
from kpr.alarms.due import Standing, due, of_watch
from kpr.alarms.message import mail_entity, recipients, telling_of
from kpr.alarms.notice import Level, Notice, Severity
from kpr.alarms.season import Season, working_days_after
from kpr.alarms.settings import PASSWORD_VARIABLE, Tell
from kpr.calendar import OSLO, end_of_day, is_working_day
from kpr.checks.finding import Text
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.fleet import board as fleet
from kpr.next_act import Trouble
from kpr.overdue import Alarm, Lateness, given_up_alarm, ident_alarm, receipt_alarm
from kpr.store import Store, Told, ToldBook, migrate, open_engine
from kpr.store.told import TAKEOVER
from kpr.years import Mark, Milestone, Year, load_year

YEAR = load_year(2020)
WHO = ("1103", "Stavanger", 2020)
NOTHING = Standing(*WHO)
S, R = SubmissionState, ReceiptLeg
SECOND = timedelta(seconds=1)


def on(day: int, month: int, hour: int = 8, year: int = 2021) -> datetime:
    """A moment in Norway."""
    return datetime(year, month, day, hour, tzinfo=OSLO)


def ids(standing: Standing, now: datetime, year: Year = YEAR, **more: Any) -> list[str]:
    """What is due, without the municipality and year that stand first in each id."""
    return [notice.id.removeprefix("1103-2020:") for notice in due(standing, year, now, **more)]


def year_with(**dates: str) -> Year:
    """The data year with these milestones and no others."""
    milestones = tuple(
        Milestone(id=name, date=date.fromisoformat(day), source="test", mark=Mark.ASSUMED)
        for name, day in dates.items()
    )
    return Year(YEAR.profile.model_copy(update={"milestones": milestones}), {})


def first_days(standing: Standing, year: Year = YEAR, start: datetime | None = None) -> dict[str, str]:
    """The day on which each alarm is first due, looking once a day at eight."""
    found: dict[str, str] = {}
    now = start or on(28, 12, year=2020)
    for _ in range(110):
        for name in ids(standing, now, year):
            found.setdefault(name, f"{now.date()}")
        now += timedelta(days=1)
    return found


# -- the calendar -------------------------------------------------------------------------------------------------


def test_a_year_in_which_nothing_is_done_is_told_of_on_these_days() -> None:
    """Every alarm of the table, with the letter's own dates of data year 2020."""
    assert first_days(NOTHING) == {
        "not-extracted": "2021-01-06",
        "not-sent-3:ordinary": "2021-01-06",
        "not-sent-1:ordinary": "2021-01-08",
        "not-sent-0:ordinary": "2021-01-11",
        "milestone-passed:ordinary": "2021-01-16",
        "not-sent-3:corrections_preliminary": "2021-02-02",
        "not-sent-1:corrections_preliminary": "2021-02-04",
        "not-sent-0:corrections_preliminary": "2021-02-05",
        "milestone-passed:corrections_preliminary": "2021-02-11",
        "not-sent-3:absolute_last": "2021-03-17",
        "not-sent-1:absolute_last": "2021-03-19",
        "not-sent-0:absolute_last": "2021-03-22",
        "milestone-passed:absolute_last": "2021-03-27",
    }


def test_over_edi_one_is_warned_three_days_earlier() -> None:
    """K5: from 168 hours before each deadline's end, for that route alone."""
    extra = set(first_days(replace(NOTHING, edi=True)).items()) - set(first_days(NOTHING).items())
    assert extra == {
        ("edi-not-sent:ordinary", "2021-01-08"),
        ("edi-not-sent:corrections_preliminary", "2021-02-03"),
        ("edi-not-sent:absolute_last", "2021-03-19"),
    }


def test_red_findings_are_told_of_daily_from_five_working_days_before() -> None:
    """From Monday 4 January, with the date in the id, until the deadline has ended."""
    blocked = replace(NOTHING, state=S.BLOCKED, version=1)
    days = {name: day for name, day in first_days(blocked).items() if name.startswith("red-findings:ordinary")}
    assert days == {f"red-findings:ordinary-2021-01-{day:02}": f"2021-01-{day:02}" for day in range(4, 16)}


def test_what_has_been_sent_is_not_told_of_as_not_sent() -> None:
    """While answers are awaited only the deadline itself is told of; when it is accepted, nothing at all."""
    sent = Standing(*WHO, state=S.AWAITING, version=1, ident_leg=IdentLeg.SENT, edi=True)
    assert set(first_days(sent)) == {f"milestone-passed:{each.id}" for each in Season(YEAR, on(1, 1)).deadlines}
    done = replace(sent, state=S.ACCEPTED, accepted=True, ident_leg=IdentLeg.FEEDBACK_OK, receipt_leg=R.POSITIVE)
    assert first_days(done) == {}


def test_a_correction_that_is_not_sent_is_told_of_quietly() -> None:
    """The first version counts, so only the officer is told, and no deadline has passed in vain."""
    correcting = Standing(*WHO, state=S.CHECKED, version=2, accepted=True)
    assert ids(correcting, on(5, 2)) == ["not-sent-0:corrections_preliminary"]
    assert [notice.level for notice in due(correcting, YEAR, on(5, 2))] == [Level.OFFICER]


@pytest.mark.parametrize(
    ("state", "expected"), [(None, True), (S.DRAFT, True), (S.EXTRACTED, False), (S.BLOCKED, False)]
)
def test_an_extract_is_missed_three_working_days_after_the_opening(state: S | None, expected: bool) -> None:
    """2 January 2021 is a Saturday, so Wednesday the 6th; not once anything has been read."""
    standing = replace(NOTHING, state=state)
    assert ("not-extracted" in ids(standing, on(6, 1, 0))) is expected
    assert "not-extracted" not in ids(standing, on(6, 1, 0) - SECOND)


def test_a_deadline_has_passed_a_second_after_its_day() -> None:
    """K2: 23:59:59 that day in Norway is still in time."""
    ends = end_of_day(date(2021, 1, 15))
    assert "milestone-passed:ordinary" not in ids(NOTHING, ends)
    assert "milestone-passed:ordinary" in ids(NOTHING, ends + SECOND)


def test_each_deadline_that_passes_is_louder() -> None:
    """K7: the officer, then the leader too, then a letter to the register is drafted."""
    levels = [Season(YEAR, now).level(accepted=False) for now in (on(15, 1), on(16, 1), on(11, 2), on(27, 3))]
    assert levels == [Level.OFFICER, Level.LEADER, Level.LETTER, Level.LETTER]
    assert Season(YEAR, on(27, 3)).level(accepted=True) is Level.OFFICER


def test_a_year_with_one_deadline_ends_with_the_letter() -> None:
    """When nothing more is to come, the loudest level is due however few deadlines there were; two on a day are one."""
    year = year_with(ordinary="2024-01-15", corrections="2024-01-15")
    assert ids(NOTHING, on(16, 1, year=2024), year) == ["milestone-passed:ordinary"]
    assert due(NOTHING, year, on(16, 1, year=2024))[0].level is Level.LETTER


def test_easter_moves_the_warnings_forward() -> None:
    """26 March 2027 is Good Friday and the days before it are counted as they are: the last safe day is Monday 22."""
    found = first_days(NOTHING, year_with(absolute_last="2027-03-26"), on(1, 3, year=2027))
    assert found["not-sent-0:absolute_last"] == "2027-03-22"
    assert found["not-sent-1:absolute_last"] == "2027-03-19"
    assert found["milestone-passed:absolute_last"] == "2027-03-27"


def test_a_year_without_known_deadlines_says_so() -> None:
    """K1: unknown dates are not guessed, and silence about them would be dangerous."""
    year = year_with()
    assert ids(NOTHING, on(31, 12, year=2020), year) == []
    assert ids(NOTHING, on(1, 1), year) == ["calendar-unknown"]
    assert ids(replace(NOTHING, accepted=True), on(1, 1), year) == []


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.integers(0, 10))
def test_working_days_are_counted_forward(day: date, count: int) -> None:
    """So many working days lie after the day, up to and with the one that is found."""
    found = working_days_after(day, count)
    between = [day + timedelta(days=n) for n in range(1, (found - day).days + 1)]
    assert sum(map(is_working_day, between)) == count
    assert count == 0 or is_working_day(found)


# -- where it stands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": S.REJECTED, "receipt_leg": R.NEGATIVE}, "rejected:v1"),
        ({"state": S.SENDING, "receipt_leg": R.NEGATIVE}, "negative-receipt:v1"),
        ({"state": S.WITHDRAWN, "receipt_leg": R.WITHDRAWN}, "withdrawn:v1"),
        ({"state": S.AWAITING, "receipt_leg": R.UNREADABLE}, "receipt-unclear:v1"),
        ({"state": S.AWAITING, "receipt_leg": R.POSITIVE_PART}, "receipt-unclear:v1"),
        ({"state": S.AWAITING, "ident_leg": IdentLeg.FEEDBACK_FAULTS}, "ident-faults:v1"),
        ({"state": S.AWAITING, "ident_leg": IdentLeg.FEEDBACK_UNREAD}, "ident-unread:v1"),
        ({"state": S.AWAITING, "contradicted": True}, "contradiction:v1"),
        ({"state": S.SENDING, "trouble": Trouble.REFUSED}, "transport-refused:v1"),
        ({"state": S.AWAITING, "trouble": Trouble.RETURNED}, "transport-refused:v1"),
        ({"state": S.AWAITING, "ident_leg": IdentLeg.FEEDBACK_OK}, None),
        ({"state": S.ACCEPTED, "accepted": True, "receipt_leg": R.POSITIVE}, None),
    ],
)
def test_an_answer_that_needs_a_person_is_told_of(changes: dict[str, Any], expected: str | None) -> None:
    """Whatever the register or the transport says that somebody must look at, once for each version."""
    found = ids(Standing(*WHO, version=1, **changes), on(2, 1))
    assert found == ([expected] if expected else [])


def test_silence_from_ourselves_is_told_of() -> None:
    """Answers are awaited and nobody has looked for six office hours: from Thursday 14.00 that is Friday 12.00."""
    sent = datetime(2021, 1, 7, 14, tzinfo=OSLO)
    standing = Standing(*WHO, state=S.AWAITING, version=1, awaiting_since=sent)
    noon = datetime(2021, 1, 8, 12, tzinfo=OSLO)
    assert ids(standing, noon - SECOND) == []
    assert ids(standing, noon) == ["not-collected:2021-01-07T1400"]
    assert ids(standing, noon, quiet_hours=7) == []
    looked = replace(standing, collected_at=noon - timedelta(minutes=5))
    assert ids(looked, noon) == []
    assert ids(replace(standing, awaiting_since=None), noon) == []


@pytest.mark.parametrize(
    ("alarm", "level", "severity"),
    [
        (receipt_alarm("a1", Lateness.INFORMATION), Level.OFFICER, Severity.INFORMATION),
        (receipt_alarm("a1", Lateness.WARNING), Level.OFFICER, Severity.WARNING),
        (receipt_alarm("a1", Lateness.OVERDUE), Level.OFFICER, Severity.URGENT),
        (ident_alarm("a1", Lateness.OVERDUE), Level.OFFICER, Severity.URGENT),
        (given_up_alarm("a1"), Level.OPERATOR, Severity.URGENT),
    ],
)
def test_what_watch_finds_gets_its_place(alarm: Alarm, level: Level, severity: Severity) -> None:
    """Its own sentence stays; the id names municipality and year, and who is told stands beside it."""
    notice = of_watch(alarm, NOTHING, YEAR, on(7, 1))
    assert notice.id == f"1103-2020:{alarm.id.removesuffix('-a1')}:a1"
    assert (notice.text, notice.level, notice.severity) == (alarm.text, level, severity)


def test_a_certificate_is_told_of_again_when_the_season_begins() -> None:
    """90, 30 and 7 days, and once more at the opening."""
    alarm = Alarm("certificate:keys.signing_certificate:90", Lateness.WARNING, Text("a", "b"))
    before = of_watch(alarm, NOTHING, YEAR, on(1, 12, year=2020))
    after = {of_watch(alarm, NOTHING, YEAR, now).id for now in (on(2, 1), on(3, 1))}
    assert before.id == "1103-2020:certificate:keys.signing_certificate:90"
    assert after == {f"{before.id}-season"}
    assert before.level is Level.OPERATOR


STANDINGS = st.builds(
    Standing,
    st.just("1103"),
    st.just("Stavanger"),
    st.just(2020),
    state=st.none() | st.sampled_from(S),
    version=st.integers(0, 3),
    ident_leg=st.sampled_from(IdentLeg),
    receipt_leg=st.sampled_from(R),
    trouble=st.sampled_from(Trouble),
    accepted=st.booleans(),
    contradicted=st.booleans(),
    edi=st.booleans(),
)


@given(STANDINGS, st.integers(0, 180 * 24))
def test_whatever_stands_is_told_in_whole_sentences(standing: Standing, hours: int) -> None:
    """No placeholder is left open, no id comes twice, and the same question has the same answer."""
    now = on(1, 11, year=2020) + timedelta(hours=hours)
    found = due(standing, YEAR, now)
    assert found == due(standing, YEAR, now)
    assert len({notice.id for notice in found}) == len(found)
    for notice in found:
        assert notice.id.startswith("1103-2020:")
        said = (notice.text.nb, notice.text.en, notice.do.nb, notice.do.en)
        assert all(text and "{" not in text for text in said)


def test_every_row_can_become_due() -> None:
    """A row of the table that no rule can reach would be a promise that is not kept."""
    rows = set(yaml.safe_load(Path(due_module.__file__).with_suffix(".yaml").read_text("utf-8"))["alarms"])
    late = [
        given_up_alarm("a"),
        ident_alarm("a", Lateness.OVERDUE),
        Alarm("certificate:x:7", Lateness.WARNING, Text("", "")),
    ]
    late += [receipt_alarm("a", each) for each in Lateness if each is not Lateness.ON_TIME]
    reached = {of_watch(alarm, NOTHING, YEAR, on(1, 1)).id.split(":")[1] for alarm in late if alarm}
    states = [
        replace(NOTHING, edi=True),
        replace(NOTHING, state=S.BLOCKED),
        replace(NOTHING, state=S.REJECTED),
        replace(NOTHING, state=S.WITHDRAWN),
        replace(NOTHING, state=S.ACCEPTED, accepted=True, contradicted=True),
        replace(NOTHING, state=S.SENDING, receipt_leg=R.NEGATIVE, ident_leg=IdentLeg.FEEDBACK_UNREAD),
        replace(NOTHING, state=S.AWAITING, receipt_leg=R.UNREADABLE, ident_leg=IdentLeg.FEEDBACK_FAULTS),
        replace(NOTHING, state=S.AWAITING, trouble=Trouble.REFUSED, awaiting_since=on(2, 1)),
    ]
    for standing in states:
        reached |= {name.split(":")[0] for day in range(90) for name in ids(standing, on(1, 1) + timedelta(days=day))}
    reached |= {name.split(":")[0] for name in ids(NOTHING, on(5, 1), year_with())}
    assert reached == rows


# -- what is written ----------------------------------------------------------------------------------------------


def notice(**changes: Any) -> Notice:
    """One notice with words of its own."""
    usual = {
        "severity": Severity.URGENT,
        "level": Level.LEADER,
        "text": Text("Noe er galt. Se på det.", "It is wrong."),
    }
    words = {
        "id": "1103-2020:x:1",
        "municipality": "1103",
        "name": "Tromsø",
        "data_year": 2020,
        "do": Text("Gjør.", "Do."),
    }
    return Notice(**words | usual | changes)


def test_the_mail_is_norwegian_first() -> None:
    """Subject with place, year and first sentence; then what, what to do and the link, and English below."""
    telling = telling_of(notice(), "https://prefect.example.invalid")
    assert telling.subject == "HASTER: KPR 1103 Tromsø 2020: Noe er galt"
    lines = telling.body.splitlines()
    assert lines[0] == "1103 Tromsø, rapporteringsår 2020"
    order = [lines.index(line) for line in ("Noe er galt. Se på det.", "Gjør dette nå: Gjør.", "English: It is wrong.")]
    assert order == sorted(order)
    assert "Mer: https://prefect.example.invalid" in lines
    assert telling.groups == ("officer", "leader")


def test_the_mail_is_plain_and_whole_in_ascii() -> None:
    """Norwegian letters survive, line ends are CRLF, and no absence reply is asked for."""
    raw = mail_entity(telling_of(notice(letter=Text("Til: ærede register", "To: register"))))
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == "HASTER: KPR 1103 Tromsø 2020: Noe er galt"
    assert mail["Auto-Submitted"] == "auto-generated"
    lines = mail.get_content().splitlines()
    draft = lines.index("Utkast til brev. Les det, rett det og send det selv:")
    assert lines[draft + 1 : draft + 3] == ["", "Til: ærede register"]


def test_a_line_break_in_a_name_makes_no_field() -> None:
    """A name out of a settings file can add nothing to a mail's head."""
    mail = message_from_bytes(mail_entity(telling_of(notice(name="A\r\nBcc: b@c.invalid"))), policy=default)
    assert mail["Bcc"] is None


def test_the_json_has_ids_sentences_and_link() -> None:
    """Nothing else; and it can be written as JSON."""
    data = telling_of(notice(), "https://x.invalid").data
    assert json.loads(json.dumps(data)) == {
        "id": "1103-2020:x:1",
        "municipality": "1103",
        "data_year": 2020,
        "severity": "URGENT",
        "level": "officer+leader",
        "text": {"nb": "Noe er galt. Se på det.", "en": "It is wrong."},
        "do": {"nb": "Gjør.", "en": "Do."},
        "link": "https://x.invalid",
    }


def test_a_national_id_goes_into_no_mail_and_no_json() -> None:
    """The last net: whatever looks like one is blotted out of every sentence."""
    canary = "01818012337"
    telling = telling_of(notice(text=Text(canary, canary), do=Text(canary, canary), letter=Text(canary, canary)))
    assert canary not in telling.subject + telling.body + json.dumps(telling.data)


def test_nobody_named_means_somebody_else_is_told() -> None:
    """A group without a mailbox is not a reason for silence; each mailbox is told once."""
    house = Tell(officer=("a@x.invalid", "b@x.invalid"), leader=("b@x.invalid",), operator=())
    assert recipients(("officer", "leader"), house) == ("a@x.invalid", "b@x.invalid")
    assert recipients(("operator",), house) == ("a@x.invalid", "b@x.invalid")
    assert recipients(("officer",), Tell(operator=("o@x.invalid",))) == ("o@x.invalid",)
    assert recipients(("officer",), Tell()) == ()


def test_the_settings_take_no_nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address must be one; paths count from the installation, and the password may stand in the environment."""
    with pytest.raises(ValidationError):
        Tell(officer=("nobody",))
    monkeypatch.setenv(PASSWORD_VARIABLE, "hemmelig")
    told = Tell.model_validate({"smtp": {"host": "localhost", "username": "u", "ca_file": "ca.pem"}}).resolved(tmp_path)
    assert told.smtp is not None
    assert told.smtp.ca_file == tmp_path / "ca.pem"
    assert told.smtp.secret("tell.smtp") == "hemmelig"
    assert "hemmelig" not in repr(told)


# -- the digest ---------------------------------------------------------------------------------------------------

DONE = fleet.Standing("0301", "Oslo", 2020, S.ACCEPTED, 1, IdentLeg.FEEDBACK_OK, R.POSITIVE, accepted=True)
REFUSED = fleet.Standing("1103", "Stavanger", 2020, S.AWAITING, 1, trouble=Trouble.REFUSED)
BLOCKED = fleet.Standing("5001", "Trondheim", 2020, S.BLOCKED, 1)


def section(now: datetime, *standings: fleet.Standing, changes: tuple[Change, ...] = ()) -> Section:
    """One year's part of the digest."""
    return Section(Season(YEAR, now), fleet.board(standings, YEAR, now), changes)


def test_the_digest_says_how_many_stand_where_and_who_needs_a_person() -> None:
    """Counts, the ones that need a person, what is new, and the next deadline with its last safe day."""
    change = Change("0301", "Oslo", Text("Innsendingen er godtatt.", "The submission is accepted."))
    part = section(on(7, 1), DONE, REFUSED, BLOCKED, changes=(change,))
    told = digest("drift", [part], date(2021, 1, 7), "https://x.invalid")
    assert told is not None
    assert told.id == "digest-2021-01-07-drift"
    assert told.groups == ("operator",)
    assert told.subject == "KPR 07.01.2021: 1 av 3 godtatt, 2 trenger en person"
    for line in (
        "Den ordinære fristen: 15.01.2021. Siste trygge dag å sende er 11.01.2021.",
        *(f"  {fleet.name_of(place).nb}: 1" for place in fleet.counts(part.rows)),
        *(f"  {row.standing.label}: {row.text.nb}" for row in part.rows if row.needs_person),
        "  0301 Oslo: Innsendingen er godtatt.",
        "The ordinary deadline: 2021-01-15. The last safe day to send is 2021-01-11.",
        "Mer: https://x.invalid",
    ):
        assert line in told.body.splitlines()
    [year] = told.data["years"]
    assert year == {
        "data_year": 2020,
        "counts": fleet.counts(part.rows),
        "need_a_person": [row.standing.number for row in part.rows if row.needs_person],
        "changed": ["0301"],
        "next": {"id": "ordinary", "date": "2021-01-15"},
    }
    assert sorted(year["need_a_person"]) == ["1103", "5001"]


def test_the_digest_names_those_for_whom_nobody_reports() -> None:
    """A municipality that is expected and that the installation does not have stands in it in both languages."""
    missing = Text("Ingen rapporterer for 5030 Klæbu.", "Nobody reports for 5030 Klæbu.")
    told = digest("drift", [replace(section(on(7, 1), DONE), missing=(missing,))], date(2021, 1, 7))
    assert told is not None
    assert {missing.nb, missing.en} <= set(told.body.splitlines())


def test_one_municipalitys_digest_goes_to_the_officer_too() -> None:
    """In a house of one the same people look at both."""
    told = digest("1103-2020", [section(on(7, 1), DONE)], date(2021, 1, 7))
    assert told is not None
    assert told.groups == ("operator", "officer")
    assert "Ingen trenger en person nå." in told.body
    assert "Ingenting nytt siden i går." in told.body


@pytest.mark.parametrize("now", [on(31, 12, year=2020), on(1, 1, year=2022)])
def test_outside_the_season_there_is_no_digest(now: datetime) -> None:
    """Before the opening and after the year there is nothing to say daily."""
    assert digest("drift", [section(now, DONE)], now.date()) is None
    assert digest("drift", [], now.date()) is None


def test_a_digest_of_hundreds_stays_readable() -> None:
    """No list is longer than what somebody reads; how many are left out is said."""
    many = [replace(BLOCKED, number=f"{4000 + n}") for n in range(300)]
    told = digest("drift", [section(on(7, 1), *many)], date(2021, 1, 7))
    assert told is not None
    assert "  … og 275 til." in told.body.splitlines()
    assert len(told.body.splitlines()) < 100
    assert len(told.data["years"][0]["need_a_person"]) == 300


# -- once ---------------------------------------------------------------------------------------------------------

AT = datetime(2021, 1, 11, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Server | None]:
    """A PostgreSQL server where one is installed."""
    binaries = find_binaries()
    if binaries is None:
        yield None
        return
    with running_postgresql(binaries) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kpr.sqlite'}"
    server: Server | None = request.getfixturevalue("server")
    if server is None:
        pytest.skip("PostgreSQL is not installed here; telling once was tested on SQLite only")
    return server.new_database()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The database with its tables."""
    opened = open_engine(url)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def book(engine: Engine) -> ToldBook:
    """One municipality's book."""
    return ToldBook(Store(engine, "1103", 2020))


def test_a_claim_is_given_once_for_each_channel(book: ToldBook) -> None:
    """The second one is refused, before and after it was sent; another channel has its own."""
    assert book.claim("a", "mail:1", AT)
    assert not book.claim("a", "mail:1", AT)
    assert book.told() == []
    book.sent("a", "mail:1", AT)
    assert not book.claim("a", "mail:1", AT + timedelta(days=300))
    assert book.claim("a", "mail:2", AT)
    assert [(each.alarm_id, each.channel, each.told_at) for each in book.told()] == [("a", "mail:1", AT)]


def test_a_claim_whose_sending_failed_is_given_back(book: ToldBook) -> None:
    """It may be taken at once; what has been told is never given back."""
    assert book.claim("a", "mail:1", AT)
    book.release("a", "mail:1", AT)
    assert book.claim("a", "mail:1", AT + SECOND)
    book.sent("a", "mail:1", AT + SECOND)
    book.release("a", "mail:1", AT + SECOND)
    assert not book.claim("a", "mail:1", AT + timedelta(days=1))


def test_a_claim_left_behind_is_taken_over_after_ten_minutes(book: ToldBook) -> None:
    """Not a second earlier; and who was slow cannot give back what another has taken over."""
    assert book.claim("a", "mail:1", AT)
    assert not book.claim("a", "mail:1", AT + TAKEOVER - SECOND)
    assert book.claim("a", "mail:1", AT + TAKEOVER)
    book.release("a", "mail:1", AT)
    assert not book.claim("a", "mail:1", AT + TAKEOVER + SECOND)


@pytest.mark.parametrize("left_behind", [False, True])
def test_of_two_at_the_same_moment_one_wins(url: str, engine: Engine, left_behind: bool) -> None:
    """Two processes, each with an engine of its own, ask at once for twenty alarms: each alarm is given once."""
    books = [ToldBook(Store(engine, "1103", 2020)), ToldBook(Store(open_engine(url), "1103", 2020))]
    names, at, gate = [f"alarm-{n}" for n in range(20)], AT, Barrier(2)
    if left_behind:
        assert all(books[0].claim(name, "mail:1", AT) for name in names)
        at = AT + TAKEOVER
    won: list[list[bool]] = [[], []]

    def run(number: int) -> None:
        for name in names:
            gate.wait()
            won[number].append(books[number].claim(name, "mail:1", at))

    threads = [Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books[1].store.engine.dispose()
    assert [first + second for first, second in zip(*won, strict=True)] == [1] * 20


def test_municipalities_in_one_database_are_kept_apart(engine: Engine) -> None:
    """Ids name their municipality, so nothing is told for another; each has its own list."""
    mine, other = ToldBook(Store(engine, "1103", 2020)), ToldBook(Store(engine, "0301", 2020))
    assert mine.claim("1103-2020:a", "mail:1", AT)
    mine.sent("1103-2020:a", "mail:1", AT)
    assert other.claim("0301-2020:a", "mail:1", AT)
    assert other.told() == []


def test_the_last_round_is_remembered_by_municipality(engine: Engine) -> None:
    """The newest one stands; who has never looked has none."""
    mine, other = ToldBook(Store(engine, "1103", 2020)), ToldBook(Store(engine, "0301", 2020))
    assert mine.last_collected() is None
    mine.collected(AT)
    mine.collected(AT + SECOND)
    assert mine.last_collected() == AT + SECOND
    assert other.last_collected() is None


def test_nothing_of_an_address_stands_in_the_book(book: ToldBook) -> None:
    """What is kept is an alarm's id, a mark for the channel, and two times."""
    assert set(Told.model_fields) == {"id", "cycle_id", "alarm_id", "channel", "claimed_at", "told_at"}
