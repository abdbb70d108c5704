"""Approval apart from operation: who may do what, in which role it stands written, and what an operator's resend touches."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from typer.testing import CliRunner

from kpr.cli.app import app
from kpr.conversation import AttemptState
from kpr.errors import KprError, Locked, TransportError
from kpr.guard import Approval, Kind, same_kind
from kpr.log import blot
from kpr.people import ANYONE, OPERATIONS, PLAN, PROGRAMS, Deed, Role, claim, demand, may, role_of
from kpr.security.vault import Vault, VaultReader
from kpr.settings import People
from kpr.steps.approve import approve_extract, send_only_approved
from kpr.steps.extract import open_submission
from kpr.steps.last_year import give_last_year
from kpr.steps.mails import add_mail, seen
from kpr.steps.mirror import explain_row, give, sign
from kpr.steps.plausibility import explain
from kpr.steps.prepare import prepare_daily
from kpr.steps.purge import purge
from kpr.steps.report import prepare
from kpr.steps.send import resend
from kpr.steps.status import status
from kpr.steps.timeline import timeline
from kpr.steps.workplace import Workplace
from kpr.store import MessageKind, Submission
from kpr.transports.directory import DirectoryTransport

NOBODY = People()
NAMED = People(approvers=("rolle A", "rolle B"), operators=("rolle D", "rolle B"))
DECISIONS = sorted(set(Deed) - OPERATIONS)


# -- core ------------------------------------------------------------------------------------------------------------


def test_every_deed_belongs_to_one_of_the_two() -> None:
    """What concerns content is the approvers', what concerns transport and the machine is the operators'."""
    assert set(DECISIONS) == {
        Deed.APPROVE,
        Deed.REASON,
        Deed.SIGN_OFF,
        Deed.EXCLUDE_PERSON,
        Deed.LETTER_SEND,
        Deed.PURGE,
        Deed.UNLOCK,
        Deed.SEEN,
    }
    assert {Deed.RESEND_TRANSPORT, Deed.COLLECT, Deed.DEPLOY, Deed.REREAD} == OPERATIONS


@pytest.mark.parametrize("deed", Deed)
def test_an_empty_list_keeps_nobody_from_anything(deed: Deed) -> None:
    """A municipality that has named nobody goes on as before."""
    assert may(NOBODY, "hvem som helst", deed) is None


@pytest.mark.parametrize("deed", Deed)
def test_each_may_do_their_own_and_not_the_others(deed: Deed) -> None:
    """An approver decides, an operator operates, whoever is both does both, and whoever is neither does nothing."""
    decides = deed in DECISIONS
    assert (may(NAMED, "rolle A", deed) is None) is decides
    assert (may(NAMED, "rolle D", deed) is None) is not decides
    assert may(NAMED, "rolle B", deed) is None
    refused = may(NAMED, "rolle X", deed)
    assert refused is not None
    assert f"people.{'approvers' if decides else 'operators'}" in refused.nb
    assert "rolle X" in refused.nb
    assert "rolle X" in refused.en


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_the_program_operates_and_never_approves(program: str) -> None:
    """What runs by the clock may collect; no decision is the program's where people are named, but the planned purge."""
    assert all(may(NAMED, program, deed) is None for deed in OPERATIONS)
    allowed = {deed for deed in DECISIONS if may(NAMED, program, deed) is None}
    assert allowed == ({Deed.PURGE} if program == PLAN else set())


@pytest.mark.parametrize("people", [NAMED, NOBODY], ids=["named", "nobody"])
def test_the_plan_is_no_second_person(people: People) -> None:
    """It purges by the date alone: with a person beside it, it is no override."""
    demand(people, Deed.PURGE, {PLAN})
    with pytest.raises(Locked, match="ingen av to personer"):
        demand(people, Deed.PURGE, {PLAN, "rolle A"})


@given(st.sampled_from(["rolle A", "Rolle a", " ROLLE  A "]))
def test_capitals_and_spaces_do_not_make_another_person(written: str) -> None:
    """A name is the same however carelessly it is written."""
    assert may(NAMED, written, Deed.APPROVE) is None
    assert role_of(NAMED, written) is Role.APPROVER


@pytest.mark.parametrize(
    ("who", "role"),
    [
        ("rolle A", Role.APPROVER),
        ("rolle D", Role.OPERATOR),
        ("rolle B", Role.BOTH),
        ("kpr", Role.PROGRAM),
        ("clock", Role.PROGRAM),
        ("register", Role.PROGRAM),
        ("plan", Role.PROGRAM),
        ("rolle X", Role.UNNAMED),
        ("", Role.UNNAMED),
        ("rolle A, rolle A", Role.APPROVER),
        ("rolle A, rolle D", Role.UNNAMED),
    ],
)
def test_the_role_of_a_name(who: str, role: Role) -> None:
    """The role that stands in the event; two persons who act together have one only when they share it."""
    assert role_of(NAMED, who) is role


def test_where_nobody_is_named_that_is_said() -> None:
    """Unrestricted is a role of its own, so that nobody takes it for an approval by somebody who was named."""
    assert role_of(NOBODY, "rolle A") is Role.UNRESTRICTED
    assert role_of(NOBODY, "kpr") is Role.PROGRAM


def test_a_name_with_a_comma_in_it_is_one_name() -> None:
    """Only a name that nobody has is taken apart."""
    assert role_of(People(approvers=("leder, helse",)), "leder, helse") is Role.APPROVER


LOGINS = People(approvers=("rolle A",), logins={"usera": "rolle A", "worker": ANYONE})


@pytest.mark.parametrize(
    ("login", "name", "fits"),
    [
        ("usera", "rolle A", True),
        ("usera", "Rolle  a", True),
        ("usera", "rolle B", False),
        ("worker", "rolle A", True),
        ("userx", "rolle A", False),
        ("", "rolle A", False),
        ("userx", "kpr", True),
    ],
)
def test_a_claim_must_fit_the_login(login: str, name: str, fits: bool) -> None:
    """A user acts under their own name; one that acts for many may use any; one that is not named, none."""
    assert (claim(LOGINS, name, login) is None) is fits
    assert claim(NAMED, name, login) is None


def test_where_two_are_wanted_both_must_be_approvers() -> None:
    """An approver together with somebody who is not one is refused by that one's name."""
    demand(NAMED, Deed.UNLOCK, ["rolle A", "rolle B"])
    with pytest.raises(Locked, match="rolle D"):
        demand(NAMED, Deed.UNLOCK, ["rolle A", "rolle D"])


def test_of_two_one_sits_at_the_machine() -> None:
    """With logins, one of the two must be whoever runs the command."""
    people = LOGINS.model_copy(update={"approvers": ("rolle A", "rolle B")})
    demand(people, Deed.UNLOCK, ["rolle A", "rolle B"], "usera")
    with pytest.raises(Locked, match=r"people\.logins"):
        demand(people, Deed.UNLOCK, ["rolle B"], "usera")


@pytest.mark.parametrize("state", AttemptState)
def test_only_what_the_register_is_silent_about_is_a_decision(state: AttemptState) -> None:
    """What was not handed over, or was refused on the way, is transport; all else is asked as S4."""
    assert same_kind(state) is {
        AttemptState.PENDING: Kind.S1,
        AttemptState.FAILED: Kind.S1,
        AttemptState.REFUSED: Kind.S2,
    }.get(state, Kind.S4)


# -- in a municipality's place -----------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A small place where people are named."""
    return place_of(tmp_path)


def place_of(folder: Path, plays: tuple[dict[str, Any], ...] = (), **more: Any) -> Place:
    """A place with an approver (rolle A, rolle B) and an operator (rolle D)."""
    made = Place(folder, list(plays), persons=5)
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    settings["people"] = {"approvers": ["rolle A", "rolle B"], "operators": ["rolle D"], **more}
    made.settings.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    return made


def latest(place: Workplace) -> Submission:
    """The newest version."""
    found = place.store.latest()
    assert found is not None
    return found


@pytest.mark.parametrize(
    "work",
    [
        lambda place: approve_extract(place, latest(place).id, latest(place).extract_sha256, by="rolle D"),
        lambda place: open_submission(place, by="rolle A", second="rolle D", reason="haster"),
        lambda place: explain(place, "6", why="flyttet", by="rolle D"),
        lambda place: explain_row(place, "T1.6", why="flyttet", by="rolle D"),
        lambda place: sign(place, by="rolle D"),
        lambda place: give(place, b"T1.6=1", by="rolle D"),
        lambda place: give_last_year(place, b"6;220\n", by="rolle D"),
        lambda place: seen(place, "rolle D", faults=False, note=""),
        lambda place: add_mail(place, Path(__file__), "rolle D"),
        lambda place: purge(place, by="rolle D"),
        lambda place: purge(place, by="rolle A", approval=Approval(frozenset({"rolle A", "rolle D"}), "ferdig")),
    ],
    ids=[
        "approve",
        "unlock",
        "reason",
        "explain row",
        "sign off",
        "view",
        "last year",
        "seen",
        "mail",
        "purge",
        "purge by two",
    ],
)
def test_an_operator_decides_nothing(made: Place, work: Callable[[Workplace], Any]) -> None:
    """Each decision is refused by the operator's name, and leaves no event but the refusal's."""
    with made.open() as place:
        prepare(place, by="kpr")
        before = place.store.events()
        with pytest.raises(Locked, match=r"rolle D.*people\.approvers"):
            work(place)
        *rest, refused = place.store.events()
        assert rest == before
        assert (refused.what, refused.event) == ("people", "REFUSED")


def test_every_act_stands_with_person_and_role(made: Place) -> None:
    """Who approved stands as approver, and what the program and the register did as the program's."""
    made.report()
    made.exchange()
    with made.open() as place:
        events = place.store.events()
    assert {event.role for event in events if event.who == "rolle A"} == {"approver"}
    assert {event.who for event in events if event.role == "approver"} == {"rolle A"}
    assert {event.role for event in events} == {"approver", "program"}
    assert [event.who for event in events if event.event == "APPROVED"] == ["rolle A"]


class Away:
    """A transport that takes nothing of one kind, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, message_type: str) -> None:
        original, self.broken = DirectoryTransport.send, True

        def send(transport: DirectoryTransport, envelope: Any, body: Any, size: int) -> None:
            if self.broken and envelope.message_type == message_type:
                raise TransportError("away")
            original(transport, envelope, body, size)

        monkeypatch.setattr(DirectoryTransport, "send", send)


def test_the_operator_hands_over_the_same_bytes_with_the_content_gone(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1 needs neither rows, nor messages, nor our own keys: with all of them taken away the same bytes go out."""
    away = Away(monkeypatch, "KPR_IPL")
    with pytest.raises(TransportError):
        made.report()
    away.broken = False
    with made.open() as place:
        version = latest(place)
        messages = place.store.messages(version.id)
        place.vault.remove_all([version.rows_name, *(message.content_name for message in messages)])
        iplos = place.store.message(version.id, MessageKind.IPLOS)
        attempt = place.attempts.latest(iplos.id)
        assert attempt is not None
        packed = place.vault.get(attempt.protected_name, version.wrapped_key)
        keys = place.settings.keys
    for key in (keys.signing_key, keys.decryption_key):
        assert key is not None
        key.unlink()
    with made.open() as place:
        resend(place, version.id, MessageKind.IPLOS, Approval(frozenset({"rolle D"})), answered=False)
    (body,) = (path.read_bytes() for path in made.folder.rglob(f"{attempt.message_id}*") if path.suffix != ".json")
    assert body == packed


def test_what_a_second_attempt_touches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2 packs the built message anew under a new transport id: it reads that message, never the rows, and shows nothing."""
    made = place_of(tmp_path, ({"type": "iplos", "number": 1, "error": "transport:expired-certificate"},))
    made.report()
    made.exchange()
    with made.open() as place:
        version = latest(place)
        place.vault.remove_all([version.rows_name])
        message = place.store.message(version.id, MessageKind.IPLOS)
    touched: list[str] = []
    original = Vault.open

    def watched(vault: Vault, name: str, key: bytes) -> VaultReader:
        touched.append(name)
        return original(vault, name, key)

    monkeypatch.setattr(Vault, "open", watched)
    words = ["resend", "--by", "rolle D", "--message", "IPLOS", "--settings", str(made.settings), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    with made.open() as place:
        attempt = place.attempts.latest(message.id)
    assert attempt is not None
    assert attempt.kind == "S2"
    assert touched == [message.content_name, attempt.protected_name]
    assert blot(done.output) == done.output


def test_the_operator_alone_does_not_break_the_silence(made: Place) -> None:
    """What was delivered and is not answered is a decision (S4), whatever reason an operator gives."""
    made.report()
    made.later(hours=97)
    with made.open() as place:
        why = Approval(frozenset({"rolle D"}), "intet svar")
        with pytest.raises(Locked, match=r"rolle D.*people\.approvers"):
            resend(place, latest(place).id, MessageKind.IPLOS, why, answered=False)
        resend(
            place, latest(place).id, MessageKind.IPLOS, Approval(frozenset({"rolle A"}), "intet svar"), answered=False
        )


def test_an_approver_who_does_not_operate_does_not_resend(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where operators are named, transport is theirs."""
    Away(monkeypatch, "KPR_IPL")
    with pytest.raises(TransportError):
        made.report()
    with made.open() as place, pytest.raises(Locked, match=r"rolle A.*people\.operators"):
        resend(place, latest(place).id, MessageKind.IPLOS, Approval(frozenset({"rolle A"})), answered=False)


def test_two_who_send_late_must_both_approve(made: Place) -> None:
    """The second person of a late sending is held against the list as the first is."""
    with made.open() as place:
        submission, _ = prepare(place, by="kpr")
        approve_extract(place, submission, latest(place).extract_sha256, by="rolle A")
        with pytest.raises(Locked, match=r"rolle D.*people\.approvers"):
            send_only_approved(place, Approval(frozenset({"rolle A", "rolle D"}), "sent"))
        assert not place.store.messages(submission)


def test_the_login_of_the_machine_is_held_against_the_claim(tmp_path: Path) -> None:
    """With logins in the settings the user that runs this acts under its own name only; $USER does not change it."""
    login = pwd.getpwuid(os.getuid()).pw_name
    made = place_of(tmp_path, logins={login: "rolle B"})
    with made.open() as place:
        submission, _ = prepare(place, by="kpr")
        mark = latest(place).extract_sha256
        with pytest.raises(Locked, match=r"people\.logins"):
            approve_extract(place, submission, mark, by="rolle A")
        assert approve_extract(place, submission, mark, by="rolle B").approved_by == "rolle B"


def test_a_refusal_is_one_sentence_at_the_command_line(made: Place) -> None:
    """``kpr approve`` by somebody who may not says so, and where it is decided; nothing is approved."""
    done = CliRunner().invoke(app, ["approve", "--by", "rolle D", "--settings", str(made.settings), "--reason", "x"])
    assert isinstance(done.exception, KprError)
    assert "people.approvers" in str(done.exception)
    with made.open() as place:
        assert latest(place).approved_by is None


def test_a_refused_try_stands_in_the_log_and_nowhere_else(made: Place) -> None:
    """Who tried what is written down, in what role; the state, the timeline and what to do now are as they were."""
    made.report()
    with made.open() as place:
        before, now, lines = place.store.events(), status(place), timeline(place)
        with pytest.raises(Locked, match=r"rolle D.*people\.approvers"):
            seen(place, "rolle D", faults=False, note="")
        *rest, tried = place.store.events()
        assert rest == before
        assert (tried.who, tried.role, tried.what, tried.event, tried.to_state) == (
            "rolle D",
            "operator",
            "people",
            "REFUSED",
            "SEEN",
        )
        assert (status(place), timeline(place)) == (now, lines)
    shown = CliRunner().invoke(app, ["audit", "show", "--settings", str(made.settings), "--json"])
    assert '"event": "REFUSED"' in shown.output
    assert CliRunner().invoke(app, ["audit", "verify", "--settings", str(made.settings)]).exit_code == 0


def test_the_program_that_may_not_leaves_no_try_each_time(made: Place) -> None:
    """What is planned asks again every day: only a person's try is written down."""
    with made.open() as place:
        prepare_daily(place)
        before = place.store.events()
        for program in sorted(PROGRAMS):
            with pytest.raises(Locked):
                place.demand(Deed.APPROVE, program)
        assert place.store.events() == before


def test_an_approver_does_not_send_for_the_fleet(made: Place) -> None:
    """Where operators are named, the sending of what is approved is started by one of them."""
    with made.open() as place:
        prepare(place, by="rolle A")
        approve_extract(place, latest(place).id, latest(place).extract_sha256, by="rolle A")
    words = ["fleet", "send", "--installation", str(made.settings), "--by"]
    assert CliRunner().invoke(app, [*words, "rolle A"]).exit_code == Locked.exit_code
    with made.open() as place:
        assert place.store.messages(latest(place).id) == []
        assert "FLEET_SEND" not in {event.event for event in place.store.events()}
    assert CliRunner().invoke(app, [*words, "rolle D"]).exit_code == 0
    assert made.status().state == "AWAITING"
