"""The board: every municipality has a place on it, the most urgent stands first, and one that fails stops nobody."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import typer
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from place import START, Place
from sqlalchemy import create_engine, text
from typer.testing import CliRunner, Result

import kpr.fleet.board as board_module
from kpr.cli.fleet import register
from kpr.cli.output import out
from kpr.conversation import AttemptEvent, IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadInput, Blocked, TransportError
from kpr.fleet.board import Standing, board, counts, faults_only, phone, place_of, places, sentence
from kpr.fleet.board_page import board_page
from kpr.fleet.bulk import for_each, worst
from kpr.fleet.installation import Entry, load_installation
from kpr.fleet.look import awaiting, clock_of, look, look_at_all, needs_collecting, year_of
from kpr.next_act import Trouble, next_act
from kpr.settings import load_settings
from kpr.steps.approve import approve
from kpr.steps.report import prepare
from kpr.store import MessageKind
from kpr.years import load_year

YEAR = load_year(2020)
NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)

STATES = (None, *SubmissionState)
COMBINATIONS = list(product(STATES, IdentLeg, ReceiptLeg, Trouble, (False, True)))

standings = st.builds(
    Standing,
    number=st.from_regex(r"[0-9]{4}", fullmatch=True),
    name=st.sampled_from(["Oppdal", "Rana", "Røros"]),
    data_year=st.just(2020),
    state=st.sampled_from(STATES),
    version=st.integers(0, 3),
    ident_leg=st.sampled_from(IdentLeg),
    receipt_leg=st.sampled_from(ReceiptLeg),
    trouble=st.sampled_from(Trouble),
    accepted=st.booleans(),
    contradicted=st.booleans(),
    error=st.sampled_from(["", "Databasen kan ikke leses."]),
)
fleets = st.lists(standings, unique_by=lambda each: each.number)
moments = st.integers(0, 180 * 24).map(lambda hours: datetime(2020, 11, 1, tzinfo=UTC) + timedelta(hours=hours))


def one(state: SubmissionState | None = SubmissionState.AWAITING, **words: object) -> Standing:
    """One municipality's standing."""
    return Standing("1103", "Stavanger", 2020, state, **words)  # type: ignore[arg-type]


def board_data() -> dict[str, Any]:
    """What stands in board.yaml."""
    return dict(yaml.safe_load(Path(str(board_module.__file__)).with_suffix(".yaml").read_text(encoding="utf-8")))


# -- where each stands --------------------------------------------------------------------------------------------


def test_every_combination_has_a_place() -> None:
    """Whatever the store holds, the board has a row for it, with texts that have no holes."""
    for (state, ident, receipt, trouble, contradicted), right in product(COMBINATIONS, (True, False)):
        standing = one(
            state, ident_leg=ident, receipt_leg=receipt, trouble=trouble, contradicted=contradicted, right=right
        )
        (row,) = board([standing], YEAR, NOW)
        assert row.place in places()
        assert row.text.nb
        assert row.text.en
        assert "{" not in row.text.nb + row.text.en


def test_the_board_agrees_with_status() -> None:
    """The board asks for a person exactly where ``kpr status`` asks for anything but the officer's own signature."""
    for state, ident, receipt, trouble, _ in COMBINATIONS:
        if state is not None:
            (row,) = board([one(state, ident_leg=ident, receipt_leg=receipt, trouble=trouble)], YEAR, NOW)
            asks = next_act(state, ident, receipt, transport=trouble).do
            assert row.needs_person is needs_person(asks, state.value), (state, ident, receipt, trouble)


def needs_person(asks: str, state: str) -> bool:
    """Whether an installation's board tells of it: what is accepted waits for nobody but the officer's look."""
    return asks != "nothing" and (asks, state) != ("act", "ACCEPTED")


def test_every_row_of_the_data_is_used() -> None:
    """No row stands behind one that takes all its combinations; each place has a row."""
    data = board_data()
    standings = [
        one(state, ident_leg=ident, receipt_leg=receipt, trouble=trouble, contradicted=twice, right=right)
        for (state, ident, receipt, trouble, twice), right in product(COMBINATIONS, (True, False))
    ]
    used = {row.rank for row in board([*standings, one(error="x")], YEAR, NOW)}
    assert used == set(range(len(data["rows"])))
    assert {row["place"] for row in data["rows"]} == set(places())
    assert {row["person"] for row in data["rows"]} == set(data["persons"])


def test_the_rows_stand_in_the_order_of_the_places() -> None:
    """The worst place's rows come first, so that the rank of a row is the rank of its place."""
    data = board_data()
    order = [places().index(row["place"]) for row in data["rows"]]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("standing", "place", "person"),
    [
        (one(error="Databasen kan ikke leses."), "FAULT", "operator"),
        (one(None), "NOT_EXTRACTED", "officer"),
        (one(SubmissionState.BLOCKED), "RED_FINDINGS", "officer"),
        (one(SubmissionState.CHECKED), "NOT_APPROVED", "officer"),
        (one(SubmissionState.APPROVED), "NOT_SENT", "operator"),
        (one(SubmissionState.SENDING), "NOT_SENT", "operator"),
        (one(SubmissionState.SENDING, trouble=Trouble.REFUSED), "FAULT", "operator"),
        (one(ident_leg=IdentLeg.SENT), "AWAITING_BOTH", "nobody"),
        (one(ident_leg=IdentLeg.SENT, receipt_leg=ReceiptLeg.POSITIVE), "AWAITING_IDENT", "nobody"),
        (one(ident_leg=IdentLeg.FEEDBACK_OK), "AWAITING_RECEIPT", "nobody"),
        (one(ident_leg=IdentLeg.OVERDUE), "OVERDUE", "register"),
        (one(ident_leg=IdentLeg.FEEDBACK_UNREAD), "FAULT", "officer"),
        (one(ident_leg=IdentLeg.FEEDBACK_FAULTS, receipt_leg=ReceiptLeg.POSITIVE), "IDENT_FAULTS", "officer"),
        (one(receipt_leg=ReceiptLeg.UNREADABLE), "FAULT", "register"),
        (one(receipt_leg=ReceiptLeg.NEGATIVE), "REJECTED", "officer"),
        (one(trouble=Trouble.GIVEN_UP), "FAULT", "operator"),
        (one(SubmissionState.ACCEPTED), "DONE", "nobody"),
        (one(SubmissionState.ACCEPTED, right=True), "RIGHT", "nobody"),
        (one(SubmissionState.ACCEPTED, ident_leg=IdentLeg.FEEDBACK_FAULTS), "FAULT", "register"),
        (one(SubmissionState.ACCEPTED, contradicted=True), "FAULT", "register"),
    ],
)
def test_where_it_stands_and_who_is_asked(standing: Standing, place: str, person: str) -> None:
    """Each situation has the place and the person that a reader would give it."""
    (row,) = board([standing], YEAR, NOW)
    assert (row.place, row.person) == (place, person)
    assert place_of(standing) == place


def test_what_is_wrong_stands_in_the_row() -> None:
    """A place that cannot be asked says why, in both languages."""
    (row,) = board([one(error="Databasen kan ikke leses {her}.")], YEAR, NOW)
    assert "Databasen kan ikke leses {her}." in row.text.nb
    assert "Databasen kan ikke leses {her}." in row.text.en


# -- the order ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(fleets, moments, st.randoms(use_true_random=False))
def test_the_order_is_total(fleet: list[Standing], now: datetime, chance: random.Random) -> None:
    """In whichever order the municipalities are asked, the board is the same, and nobody is left out."""
    shuffled = list(fleet)
    chance.shuffle(shuffled)
    rows = board(fleet, YEAR, now)
    assert rows == board(shuffled, YEAR, now)
    assert sorted(row.standing.number for row in rows) == sorted(each.number for each in fleet)


@settings(deadline=None)
@given(fleets, moments)
def test_hours_go_first_and_then_how_bad_it_is(fleet: list[Standing], now: datetime) -> None:
    """K11: fewer hours before more, those without a deadline left last; among equals the worst first."""
    rows = board(fleet, YEAR, now)
    for upper, lower in pairwise(rows):
        above, below = (float("inf") if row.hours is None else row.hours for row in (upper, lower))
        assert above <= below
        if above == below:
            assert upper.rank <= lower.rank


@settings(deadline=None)
@given(fleets, moments)
def test_counts_and_calls_leave_nobody_out(fleet: list[Standing], now: datetime) -> None:
    """Counts add up; whoever needs a person is in exactly one call; the first call is about the first of them."""
    rows = board(fleet, YEAR, now)
    assert sum(counts(rows).values()) == len(rows)
    waiting = faults_only(rows)
    called = [row for call in phone(rows) for row in call.rows]
    assert sorted(row.standing.number for row in called) == sorted(row.standing.number for row in waiting)
    assert all(call.person == row.person for call in phone(rows) for row in call.rows)
    assert all(len(call.rows) == 1 for call in phone(rows) if call.person == "officer")
    if waiting:
        assert phone(rows)[0].rows[0] == waiting[0]
        assert phone(rows)[0].text.nb in sentence(rows)
    else:
        assert "Gjør ingenting nå" in sentence(rows)


@pytest.mark.parametrize(
    ("now", "hours", "left"),
    [
        ("2021-01-07T23:59:59+01:00", 96, "4 dager"),
        ("2021-01-10T20:00:00+01:00", 27.99972, "1 dag"),
        ("2021-01-11T20:00:00+01:00", 3.99972, "under ett døgn"),
        ("2021-01-12T23:59:59+01:00", -24, "passert"),
        ("2021-01-16T00:00:00+01:00", 21 * 24 + 23.99972, "21 dager"),
        ("2021-03-27T12:00:00+01:00", None, "–"),
    ],
)
def test_hours_to_the_last_safe_sending(now: str, hours: float | None, left: str) -> None:
    """96 hours before each deadline (K4); negative until it has ended, then the next one counts, then none."""
    (row,) = board([one(None)], YEAR, datetime.fromisoformat(now))
    assert row.hours == (None if hours is None else pytest.approx(hours, abs=0.001))
    assert row.left == left


def test_who_is_accepted_has_reached_every_deadline_to_come() -> None:
    """K9: a version that counts now counts at the next deadline too, so a correction under way is less urgent."""
    first = Standing("0301", "Oslo", 2020, SubmissionState.BLOCKED, accepted=True)
    second = Standing("5001", "Trondheim", 2020, SubmissionState.AWAITING)
    rows = board([first, second], YEAR, NOW)
    assert [row.standing.number for row in rows] == ["5001", "0301"]
    assert rows[1].hours is None
    assert rows[1].needs_person


def test_a_year_without_known_deadlines_is_sorted_by_how_bad_it_is() -> None:
    """Nothing is guessed: no hours for anybody, the worst first."""
    rows = board([one(SubmissionState.ACCEPTED), one(None), one(error="x")], load_year(2024), NOW)
    assert [row.place for row in rows] == ["FAULT", "NOT_EXTRACTED", "DONE"]
    assert {row.hours for row in rows} == {None}


def test_the_register_is_phoned_once_about_all() -> None:
    """Two that wait for the register are one call; each officer is one of her own."""
    late = [Standing(number, "X", 2020, SubmissionState.AWAITING, 1, IdentLeg.OVERDUE) for number in ("1101", "1102")]
    blocked = [Standing(number, "X", 2020, SubmissionState.BLOCKED) for number in ("1201", "1202")]
    calls = phone(board([*blocked, *late], YEAR, NOW))
    assert [(call.person, len(call.rows)) for call in calls] == [("register", 2), ("officer", 1), ("officer", 1)]
    assert calls[0].text.nb == "registeret, om 1101 X og 1 til"
    assert calls[0].text.en == "the register, about 1101 X and 1 more"


# -- the page -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(fleets, moments)
def test_the_page_has_everyone_and_needs_nothing_else(fleet: list[Standing], now: datetime) -> None:
    """Every municipality has a line; nothing is fetched, and without a tick only those show that need a person."""
    page = board_page(board(fleet, YEAR, now), YEAR, now)
    assert page.count('scope="row"') == len(fleet)
    assert page.count('<tr class="rest">') == sum(not row.needs_person for row in board(fleet, YEAR, now))
    assert not re.search(r"https?:|<script|<link|url\(|@import", page)
    assert '<html lang="nb">' in page
    assert '<label for="all">' in page


def test_names_cannot_write_into_the_page() -> None:
    """What stands in a settings file is text on the page and nothing more."""
    standing = Standing("1103", "<b>Å & Ø</b>", 2020, error="<i>")
    page = board_page(board([standing], YEAR, NOW), YEAR, NOW)
    assert "<b>Å" not in page
    assert "&lt;b&gt;Å &amp; Ø&lt;/b&gt;" in page
    assert "<i>" not in page


def test_the_page_lists_the_first_calls_and_says_how_many_more_there_are() -> None:
    """Nobody reads three hundred lines: ten calls, and the table has the rest."""
    blocked = [Standing(f"{number}", "X", 2020, SubmissionState.BLOCKED) for number in range(1000, 1014)]
    page = board_page(board(blocked, YEAR, NOW), YEAR, NOW)
    assert page.count("<li>") == 10
    assert "og 4 til" in page
    assert "<li>" not in board_page(board([one(SubmissionState.ACCEPTED)], YEAR, NOW), YEAR, NOW)


def test_the_page_says_the_next_deadline_or_that_none_is_known() -> None:
    """The date and the last safe sending before it; the register must be asked where there is none."""
    assert "Neste frist er 15.01.2021. Siste trygge sending er 11.01.2021 kl. 23.59." in board_page([], YEAR, NOW)
    assert "ikke kjent for dette året: spør registeret" in board_page([], load_year(2024), NOW)
    assert "Fristene er passert." in board_page([], YEAR, NOW + timedelta(days=400))


# -- a look at the store ------------------------------------------------------------------------------------------


def entry_of(place: Place) -> Entry:
    """The place as an installation of one."""
    return next(iter(load_installation(place.settings)))


def change(place: Place, statement: str) -> None:
    """Write into the store as another program would have."""
    engine = create_engine(load_settings(place.settings).store.url.get_secret_value())
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def same_as_status(place: Place) -> Standing:
    """The look, which must say what ``kpr status`` says."""
    seen, now = look(entry_of(place)), place.status()
    assert (seen.state.value if seen.state else "NOTHING_SENT", seen.version) == (now.state, now.version)
    assert board([seen], YEAR, place.now)[0].needs_person is needs_person(now.do, now.state)
    return seen


def test_a_place_that_was_never_opened_is_not_extracted(tmp_path: Path) -> None:
    """Looking makes no database, and one without tables is as none."""
    place = Place(tmp_path)
    for file in tmp_path.glob("kpr.sqlite*"):
        file.unlink()
    assert look(entry_of(place)) == Standing("1103", "Eksempel kommune", 2020)
    assert not (tmp_path / "kpr.sqlite").exists()
    assert not needs_collecting(entry_of(place))
    (tmp_path / "kpr.sqlite").touch()
    assert look(entry_of(place)).error == ""


def test_the_look_follows_the_conversation(tmp_path: Path) -> None:
    """Sent, accepted, and two weeks later nothing is left to collect."""
    place = Place(tmp_path)
    place.report()
    assert same_as_status(place).state is SubmissionState.AWAITING
    assert needs_collecting(entry_of(place))
    place.exchange()
    seen = same_as_status(place)
    assert (seen.state, seen.ident_leg, seen.receipt_leg) == (
        SubmissionState.ACCEPTED,
        IdentLeg.FEEDBACK_OK,
        ReceiptLeg.POSITIVE,
    )
    assert seen.accepted
    assert needs_collecting(entry_of(place))
    place.later(days=13, hours=23)
    assert needs_collecting(entry_of(place))
    place.later(hours=2)
    assert not needs_collecting(entry_of(place))


def test_a_correction_under_way_leaves_the_accepted_one_standing(tmp_path: Path) -> None:
    """The newest version is shown, and that an older one counts."""
    place = Place(tmp_path)
    place.report()
    place.exchange()
    place.extract(unknown_sex=1)
    with place.open() as opened:
        prepare(opened, by="rolle A", mended="tall")
    seen = same_as_status(place)
    assert (seen.version, seen.state, seen.accepted) == (2, SubmissionState.BLOCKED, True)


def test_a_rejected_one_is_collected_for_until_both_answers_have_come(tmp_path: Path) -> None:
    """A negative receipt rejects; while nothing more is awaited it is looked after for two weeks."""
    place = Place(tmp_path, plays=[{"negative": "T99"}])
    place.report()
    place.exchange()
    assert same_as_status(place).state is SubmissionState.REJECTED
    place.later(days=20)
    change(place, "UPDATE submission SET ident_leg = 'FEEDBACK_OK'")
    assert not needs_collecting(entry_of(place))
    change(place, "UPDATE submission SET ident_leg = 'OVERDUE'")
    assert needs_collecting(entry_of(place))


def test_a_message_that_was_handed_over_is_awaited_whatever_else_stands(tmp_path: Path) -> None:
    """What the transport has not acknowledged is still to be retried or given up."""
    place = Place(tmp_path)
    place.report()
    place.exchange()
    place.later(days=30)
    assert not needs_collecting(entry_of(place))
    change(place, "UPDATE attempt SET state = 'HANDED_OVER'")
    assert needs_collecting(entry_of(place))


@pytest.mark.parametrize("kind", list(MessageKind))
def test_a_transport_refusal_is_seen_until_an_answer_comes(tmp_path: Path, kind: MessageKind) -> None:
    """Refused by the transport is a fault, for either message."""
    place = Place(tmp_path)
    submission = place.report()
    with place.open() as opened:
        attempt = opened.attempts.latest(opened.store.message(submission, kind).id)
        assert attempt is not None
        opened.attempts.heard(attempt.message_id, AttemptEvent.REFUSED, opened.act("register", "abuse:invalid-content"))
    assert same_as_status(place).trouble is Trouble.REFUSED
    change(place, "UPDATE message SET receipt_leg = 'POSITIVE'")
    assert same_as_status(place).trouble is Trouble.OK


def test_given_up_and_unreachable_are_told_apart(tmp_path: Path) -> None:
    """Nobody acknowledged is a fault; a server that was away is tried again."""
    place = Place(tmp_path)
    place.report()
    change(place, "UPDATE attempt SET state = 'GIVEN_UP'")
    assert same_as_status(place).trouble is Trouble.GIVEN_UP
    change(place, "UPDATE submission SET state = 'SENDING'")
    change(place, "UPDATE attempt SET state = 'FAILED'")
    assert same_as_status(place).trouble is Trouble.OK


def test_an_approved_one_is_unfinished(tmp_path: Path) -> None:
    """What is approved and not sent is what the fleet's sending goes on with."""
    place = Place(tmp_path)
    approve_only(place)
    assert same_as_status(place).unfinished
    assert place.status().unfinished_sending is not None


def approve_only(place: Place) -> None:
    """Check and approve; send nothing."""
    with place.open() as opened:
        submission, _ = prepare(opened, by="rolle A")
        approve(opened, submission, by="rolle A")


def _no_database(place: Place) -> None:
    (place.folder / "kpr.sqlite").write_bytes(b"not a database at all, but long enough to be looked into" * 40)


def _unknown_code(place: Place) -> None:
    change(place, "UPDATE submission SET state = 'FROM_A_NEWER_VERSION'")


def _other_server(place: Place) -> None:
    said = place.settings.read_text("utf-8")
    place.settings.write_text(said.replace("sqlite:///kpr.sqlite", "nosuch://role:hemmelig@nowhere/kpr"), "utf-8")


def _broken_yaml(place: Place) -> None:
    place.settings.write_text("store: {url: [hemmelig", "utf-8")


def _gone(place: Place) -> None:
    place.settings.unlink()


@pytest.mark.parametrize("breaks", [_no_database, _unknown_code, _other_server, _broken_yaml, _gone])
def test_one_that_cannot_be_asked_says_so_and_shows_nothing(tmp_path: Path, breaks: Callable[[Place], None]) -> None:
    """A broken place is a row with a sentence, the others stand as they are, and what came before is not shown."""
    broken, good = Place(tmp_path / "one"), Place(tmp_path / "other")
    broken.report()
    entries = [entry_of(broken), entry_of(good)]
    breaks(broken)
    first, second = look_at_all(entries)
    assert first.error
    assert "hemmelig" not in first.error
    assert str(tmp_path) not in first.error
    assert place_of(first) == "FAULT"
    assert second == Standing("1103", "Eksempel kommune", 2020)
    assert awaiting(entries) == ([] if breaks is _unknown_code else entries[:1])


def test_the_environment_names_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KPR_STORE__URL wins over the file, as it does everywhere else."""
    place = Place(tmp_path)
    place.report()
    monkeypatch.setenv("KPR_STORE__URL", f"sqlite:///{tmp_path / 'another.sqlite'}")
    assert look(entry_of(place)).state is None


def test_the_place_has_its_own_clock_and_year(tmp_path: Path) -> None:
    """The clock file of practice, and the year_file with the deadlines of a year that the program does not know."""
    place = Place(tmp_path)
    assert clock_of(entry_of(place))() == START
    assert year_of(entry_of(place)).milestones == YEAR.milestones
    own = {"milestones": [{"id": "own", "date": "2021-02-01", "source": "the register", "mark": "confirmed"}]}
    (tmp_path / "year.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    place.settings.write_text(place.settings.read_text("utf-8") + "year_file: year.yaml\n", encoding="utf-8")
    assert [milestone.id for milestone in year_of(entry_of(place)).milestones] == ["own"]


# -- a step for all -----------------------------------------------------------------------------------------------

ENTRIES = [Entry(f"110{n}", "X", 2020, "simulator", "8000001", Path("none")) for n in range(6)]


def test_one_that_fails_stops_nobody() -> None:
    """Our own errors are told by their sentence and code; everything else by its kind, never by its text."""
    raised: dict[str, Exception] = {
        "1100": BadInput("Feil uttrekk.", remedy="Velg et annet."),
        "1101": Blocked("Stanset."),
        "1102": FileNotFoundError("/home/01010112345"),
        "1103": ValueError("01010112345"),
        "1104": TransportError("Borte, 01010112345."),
    }

    def step(entry: Entry) -> str:
        if entry.number in raised:
            raise raised[entry.number]
        return "gjort"

    told: list[str] = []
    results = for_each(ENTRIES, step, on_done=lambda result: told.append(result.entry.number))
    assert [result.exit_code for result in results] == [2, 3, 1, 1, 5, 0]
    assert [result.outcome for result in results] == ["feilet"] * 5 + ["gjort"]
    assert results[0].error == "Feil uttrekk. Velg et annet."
    assert "FileNotFoundError" in results[2].error
    assert "ValueError" in results[3].error
    assert "01010112345" not in "".join(result.error for result in results)
    assert told == [entry.number for entry in ENTRIES]
    assert worst(results) == 1
    assert worst([]) == 0


def test_a_person_can_interrupt_a_round() -> None:
    """Ctrl-C ends the round, whichever municipality it was at."""
    asked: list[str] = []

    def step(entry: Entry) -> str:
        asked.append(entry.number)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ""

    with pytest.raises(KeyboardInterrupt):
        for_each(ENTRIES, step)
    assert asked == ["1100", "1101"]


@pytest.mark.parametrize(("limit", "expected"), [(None, 6), (0, 0), (2, 2), (99, 6)])
def test_a_round_takes_at_most_so_many(limit: int | None, expected: int) -> None:
    """In the order that they were given."""
    results = for_each(ENTRIES, lambda _entry: "", limit=limit)
    assert [result.entry for result in results] == ENTRIES[:expected]


# -- the commands -------------------------------------------------------------------------------------------------

Run = Callable[..., Result]
NUMBERS = ("0301", "1103", "5001")


@pytest.fixture
def fleet(tmp_path: Path) -> dict[str, Place]:
    """Three municipalities in one installation, each with its own register to practise against."""
    made = {number: Place(tmp_path / number) for number in NUMBERS}
    for number, place in made.items():
        said = place.settings.read_text("utf-8").replace('number: "1103"', f'number: "{number}"')
        place.settings.write_text(said, encoding="utf-8")
        for kind in ("IPLOS", "IDENT"):
            extract = place.folder / "uttrekk" / f"{kind}.xml"
            extract.write_bytes(extract.read_bytes().replace(b"1103", number.encode()))
    (tmp_path / "kpr-fleet.yaml").write_text('name: tre\nplaces: ["*/kpr.yaml"]\n', encoding="utf-8")
    return made


@pytest.fixture
def kpr(fleet: dict[str, Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``kpr fleet`` with these words, in the installation of three, before a wide screen."""
    monkeypatch.setattr(out, "_width", 240)
    app = typer.Typer()
    register(app)

    @app.callback()
    def main() -> None:
        """As the whole program has it."""

    def run(*words: object) -> Result:
        file = str(tmp_path / "kpr-fleet.yaml")
        said = CliRunner().invoke(app, ["fleet", *(str(word) for word in words), "--installation", file])
        if said.exception and not isinstance(said.exception, SystemExit):
            raise said.exception
        return said

    return run


def test_several_at_once_give_the_same_in_the_same_order() -> None:
    """Each waits for the others to have begun, so one at a time would never end; what fails stops nobody."""
    together = Barrier(len(ENTRIES))

    def step(entry: Entry) -> str:
        together.wait(20)
        if entry is ENTRIES[0]:
            raise BadInput("Noe er galt.")
        return entry.number

    results = for_each(ENTRIES, step, at_once=len(ENTRIES))
    assert [result.entry for result in results] == list(ENTRIES)
    assert [bool(result.error) for result in results] == [True] + [False] * (len(ENTRIES) - 1)
    assert [result.outcome for result in results[1:]] == [entry.number for entry in ENTRIES[1:]]


def test_an_interrupt_stops_those_that_have_not_begun() -> None:
    """One at work, two behind it: when whoever listens is interrupted, no further one begins."""
    begun: list[str] = []

    def step(entry: Entry) -> str:
        begun.append(entry.number)
        return ""

    def interrupted(_result: object) -> None:
        raise KeyboardInterrupt

    many = ENTRIES * 200
    with pytest.raises(KeyboardInterrupt):
        for_each(many, step, at_once=2, on_done=interrupted)
    assert len(begun) < len(many)


def test_the_board_shows_who_needs_a_person(kpr: Run, fleet: dict[str, Place], tmp_path: Path) -> None:
    """Preset to those; all of them with --all, as a page with --html, and as JSON always all."""
    fleet["1103"].report()
    said = kpr("board")
    assert said.exit_code == 0
    assert "0301" in said.output
    assert "1103 Eksempel" not in said.output
    assert (
        "0 av 3 er godtatt, 0 av dem riktig; 2 trenger en person. Ring først: innsendingsansvarlig i 0301"
        in said.output
    )
    assert "1103 Eksempel" in kpr("board", "--all").output
    kpr("board", "--html", tmp_path / "tavle.html")
    assert (tmp_path / "tavle.html").read_text("utf-8").count('scope="row"') == 3
    data = json.loads(kpr("board", "--json").output)
    assert data["counts"] == {"NOT_EXTRACTED": 2, "AWAITING_BOTH": 1}
    assert [row["municipality"] for row in data["rows"]] == ["0301", "5001", "1103"]
    assert data["phone"][0]["about"] == ["0301"]


def test_the_board_names_those_for_whom_nobody_reports(kpr: Run, fleet: dict[str, Place]) -> None:
    """In 2019 Trondheim was not yet merged: Klæbu reports under its own number, and is missing, as is whoever has no place."""
    settings = fleet["1103"].settings
    settings.write_text(settings.read_text("utf-8").replace("data_year: 2020", "data_year: 2019"), encoding="utf-8")
    said = kpr("board", "--year", "2019").output
    assert "Ingen rapporterer for 5030 Klæbu (den hører til 5001)." in said
    assert "Ingen rapporterer for 0301 Oslo." in said
    data = json.loads(kpr("board", "--year", "2020", "--json").output)
    assert [unit["number"] for unit in data["missing"]] == ["1103"]


def test_check_is_a_dry_run_of_everyone(kpr: Run, fleet: dict[str, Place]) -> None:
    """One is blocked, one has no extract: each is told of, nothing is written, and the worst code is the answer."""
    shutil.rmtree(fleet["5001"].folder / "uttrekk")
    said = kpr("check", "--json")
    data = json.loads(said.output)
    assert [place["exit_code"] for place in data["places"]] == [0, 0, 2]
    assert data["places"][0]["outcome"].startswith("25 personer")
    assert said.exit_code == data["exit_code"] == 2
    fleet["1103"].extract(unknown_sex=2)
    said = kpr("check")
    assert said.exit_code == 2
    assert "R-peKjonn-K (2)" in said.output
    assert "Kontroll: 3 kommuner, 2 med feil." in said.output
    assert look(entry_of(fleet["0301"])).state is None


def test_only_what_is_approved_is_sent(kpr: Run, fleet: dict[str, Place]) -> None:
    """One approved, one only checked, one begun by nobody: one is sent, and who started it is written down."""
    approve_only(fleet["5001"])
    with fleet["0301"].open() as opened:
        prepare(opened, by="rolle A")
    said = kpr("send", "--by", "rolle B")
    assert said.exit_code == 0
    assert "Sending: 1 kommuner, 0 med feil." in said.output
    states = {number: look(entry_of(place)).state for number, place in fleet.items()}
    assert states == {"0301": SubmissionState.CHECKED, "1103": None, "5001": SubmissionState.AWAITING}
    with fleet["5001"].open() as opened:
        assert "rolle B" in {event.who for event in opened.store.events()}


def test_half_a_sending_is_finished_under_the_same_ids(kpr: Run, fleet: dict[str, Place]) -> None:
    """The exchange folder was away: told with code 5, and the next round goes on with the same two messages."""
    place = fleet["0301"]
    approve_only(place)
    blocker = place.folder / "exchange"
    shutil.rmtree(blocker, ignore_errors=True)
    blocker.write_text("in the way", encoding="utf-8")
    approve_only(fleet["1103"])
    said = kpr("send", "--by", "rolle B", "--json")
    assert said.exit_code == 5
    assert [result["exit_code"] for result in json.loads(said.output)["places"]] == [5, 0]
    with place.open() as opened:
        before = [message.msg_id for message in opened.store.messages(opened.store.submissions()[-1].id)]
    blocker.unlink()
    assert kpr("send", "--by", "rolle B").exit_code == 0
    with place.open() as opened:
        assert [m.msg_id for m in opened.store.messages(opened.store.submissions()[-1].id)] == before
    assert look(entry_of(place)).state is SubmissionState.AWAITING


def test_a_message_that_was_refused_is_not_called_sent(kpr: Run, fleet: dict[str, Place]) -> None:
    """What needs mending first ends with code 7."""
    place = fleet["0301"]
    place.report()
    change(place, "UPDATE submission SET state = 'SENDING'")
    change(place, "UPDATE attempt SET state = 'REFUSED'")
    assert kpr("send", "--by", "rolle B").exit_code == 7


def test_the_limit_takes_the_most_urgent(kpr: Run, fleet: dict[str, Place]) -> None:
    """A pilot of one: the first on the board."""
    for place in fleet.values():
        approve_only(place)
    kpr("send", "--by", "rolle B", "--limit", 1)
    states = [look(entry_of(place)).state for place in fleet.values()]
    assert states == [SubmissionState.AWAITING, SubmissionState.APPROVED, SubmissionState.APPROVED]


def test_answers_are_collected_for_those_who_wait(kpr: Run, fleet: dict[str, Place]) -> None:
    """Only they are opened; the clock is asked for everyone, and says what is late."""
    assert "Henting: 0 kommuner" in kpr("collect").output
    fleet["0301"].report()
    fleet["1103"].report()
    fleet["0301"].register()
    said = kpr("collect")
    assert said.exit_code == 0
    assert "Henting: 2 kommuner, 0 med feil." in said.output
    assert "receipt: POSITIVE" in said.output
    assert "1103 Eksempel kommune · 2020: ingenting nytt" in said.output
    fleet["1103"].later(days=5)
    said = kpr("watch")
    assert "Kvitteringen er forsinket" in said.output
    assert "Vakt: 3 kommuner, 0 med feil." in said.output


def test_a_year_that_nobody_reports_for_is_refused(kpr: Run) -> None:
    """The data year must stand in the installation."""
    with pytest.raises(BadInput, match="2019"):
        kpr("board", "--year", 2019)


def test_a_broken_place_stands_on_the_board_and_is_told_of_when_sending(kpr: Run, fleet: dict[str, Place]) -> None:
    """The others are sent; the broken one gives its own error and the round's code."""
    approve_only(fleet["1103"])
    (fleet["0301"].folder / "kpr.sqlite").write_bytes(b"x" * 5000)
    assert "kan ikke spørres" in kpr("board").output
    said = kpr("send", "--by", "rolle B", "--json")
    data = json.loads(said.output)
    assert said.exit_code != 0
    assert {place["municipality"]: bool(place["error"]) for place in data["places"]} == {"0301": True, "1103": False}
    assert look(entry_of(fleet["1103"])).state is SubmissionState.AWAITING
