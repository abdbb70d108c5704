"""Who somebody says they are: a name that nobody else has, that is no number, and that is one person however written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from place import Place
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from kpr.cli.app import app
from kpr.errors import BadInput, Locked
from kpr.guard import Approval
from kpr.people import Deed, demand, typed
from kpr.person_name import bare, tidy
from kpr.settings import People
from kpr.steps.answer import carry_out
from kpr.steps.mails import seen
from kpr.steps.proof import make_proof
from kpr.steps.purge import purge
from kpr.steps.report import prepare
from kpr.steps.send import resend
from kpr.steps.workplace import Workplace, approval
from kpr.store import MessageKind
from kpr.wishes import Answer, Wish
from tasks.forms import Asker, By, Second

CANARY = "01017012345"
NOT_A_PERSON = ["kpr", " KPR ", "Clock", "register", "plan", "fag, kpr", "kpr,register", "ｋｐｒ", "k\u200bpr"]
BLANK = ["", " ", "\t\n", "\u200b", "\u00a0"]
NUMBERS = [CANARY, "010170 12345", "010170-12345", "01.01.70 12345", "fag 01017012345", "010170\u200b12345"]


# -- a name ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NOT_A_PERSON, *BLANK, *NUMBERS])
def test_a_typed_name_is_a_persons(name: str) -> None:
    """Blanks, the program's own names and what looks like a national id are refused, with the place, never repeated."""
    with pytest.raises(BadInput) as told:
        typed(name, "--second")
    assert told.value.place == "--second"
    assert told.value.remedy
    assert "12345" not in str(told.value)


@pytest.mark.parametrize("name", ["fag", "  fag  ", "\tfag\n", "fag\u200b"])
def test_a_typed_name_is_kept_tidy(name: str) -> None:
    """What cannot be seen in a name is not kept of it; its capitals are."""
    assert typed(name, "--by") == "fag"
    assert typed("  Leder \n helse", "--by") == "Leder helse"


def test_two_writings_of_a_name_are_one_name() -> None:
    """Capitals, blanks, invisible signs and the two ways to write å make nobody another person."""
    assert len({bare(name) for name in ("Pål", "PÅL ", " pa\u030al", "P\u00adål", "pål\u200d")}) == 1
    assert tidy("Pa\u030al") == "Pål"


# -- wherever people type it -------------------------------------------------------------------------------------------


def options(*names: str) -> Iterator[Any]:
    """Every option of the command line that is called one of these."""
    todo: list[tuple[str, Any]] = [("kpr", typer.main.get_command(app))]
    while todo:
        path, command = todo.pop()
        todo += [(f"{path} {name}", each) for name, each in getattr(command, "commands", {}).items()]
        for option in command.params:
            if set(names) & set(option.opts):
                yield pytest.param(command, option, id=f"{path} {option.opts[0]}")


@pytest.mark.parametrize(("command", "option"), list(options("--by", "--second")))
def test_every_command_asks_for_a_person(command: Any, option: Any) -> None:
    """No command takes the program for a person, or a number for a name."""
    context = command.make_context("kpr", [], resilient_parsing=True)
    context.resilient_parsing = False
    for name in ("kpr", " Register", " ", CANARY):
        with pytest.raises(BadInput) as told:
            option.process_value(context, name)
        assert told.value.place == option.opts[0]
    assert option.process_value(context, " fag  ansvarlig ") == "fag ansvarlig"


@pytest.mark.parametrize(("command", "option"), list(options("--reason", "--mended")))
def test_no_command_takes_a_number_as_a_reason(command: Any, option: Any) -> None:
    """What is written about a sending is kept, so nothing like a national id may stand in it."""
    context = command.make_context("kpr", [], resilient_parsing=True)
    context.resilient_parsing = False
    with pytest.raises(BadInput) as told:
        option.process_value(context, "gjelder 010170-12345")
    assert told.value.place == option.opts[0]
    assert option.process_value(context, "avtalt 15.01.2021") == "avtalt 15.01.2021"


@pytest.mark.parametrize("field", [By, Second, Asker])
@pytest.mark.parametrize("name", [*NOT_A_PERSON, *NUMBERS])
def test_every_form_asks_for_a_person(field: object, name: str) -> None:
    """The forms of Prefect refuse the same names as the command line."""
    with pytest.raises(ValidationError):
        TypeAdapter(field).validate_python(name)


@pytest.mark.parametrize("name", BLANK)
def test_a_field_left_empty_is_nobody(name: str) -> None:
    """Where a flow goes on without a name, blanks are as good as none; where it wants one, they are refused."""
    assert TypeAdapter(By).validate_python(name) == TypeAdapter(Second).validate_python(name) == ""
    with pytest.raises(ValidationError):
        TypeAdapter(Asker).validate_python(name)


# -- one and two -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["FAG ", " ", "fag", "", None, "f\u200bag", "ＦＡＧ", "kpr", "Register", "plan"])
def test_one_person_is_not_two(second: str | None) -> None:
    """However the same name is written, and whatever program stands beside it, it is one person."""
    asked = approval("fag", second, "x")
    assert not asked.two_persons_and_reason
    assert not approval("fag", second, None).two_persons_or_reason
    assert asked.persons == {"fag"}


def test_an_approval_counts_bare_names() -> None:
    """However it is made."""
    assert not Approval(frozenset({"fag", "FAG", " Fag "}), "x").two_persons_and_reason
    assert not Approval(frozenset({"fag", " "}), "x").two_persons_and_reason
    assert Approval(frozenset({" ", ""})).persons == frozenset()
    assert approval("fag", "leder", "x").two_persons_and_reason


def test_nobody_may_do_nothing() -> None:
    """A deed without a name is refused, also where the settings name nobody."""
    for people in (People(), People(operators=("drift",))):
        for names in ((), ("",), (" ",)):
            with pytest.raises(Locked, match="hvem"):
                demand(people, Deed.RESEND_TRANSPORT, names)


# -- in a municipality's place -----------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A small place with an approver (rolle A) and an operator (rolle D)."""
    made = Place(tmp_path, persons=5)
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    settings["people"] = {"approvers": ["rolle A"], "operators": ["rolle D"]}
    made.settings.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    return made


def run(made: Place, *words: object) -> Any:
    """A command, with the settings of this place."""
    return CliRunner().invoke(app, [*map(str, words), "--settings", str(made.settings)])


def latest(place: Workplace) -> str:
    """The newest version's id."""
    found = place.store.latest()
    assert found is not None
    return found.id


def kept_anywhere(made: Place) -> str:
    """The database and every file's name and content, but the extract's own."""
    files = (path for path in made.folder.rglob("*") if path.is_file() and path.parent.name != "uttrekk")
    return "\n".join(path.name + path.read_bytes().decode("latin-1") for path in files)


def test_nobody_answers_for_the_register(made: Place) -> None:
    """A person who calls herself the register, on the command line or in a form, changes nothing."""
    made.report()
    with made.open() as place:
        before = place.store.events()
    done = run(made, "feedback", "seen", "--by", "register", "--faults")
    assert isinstance(done.exception, BadInput)
    with made.open() as place:
        for wish in (Wish.SEEN_FAULTS, Wish.SEND, Wish.RESEND_IPLOS):
            for name in ("register", " KPR", CANARY):
                with pytest.raises(BadInput) as told:
                    carry_out(place, Answer(wish, by=name, reason="x"))
                assert told.value.place == "hvem"
        with pytest.raises(BadInput):
            carry_out(place, Answer(Wish.RESEND_IPLOS, by="rolle A", second="clock", reason="x"))
        with pytest.raises(Locked):
            resend(place, latest(place), MessageKind.IPLOS, approval("kpr", " ", "x"), answered=True)
        assert place.store.events() == before


def test_a_number_as_a_name_is_kept_nowhere(made: Place) -> None:
    """Whichever step is asked, by command line or otherwise, refuses it before anything is written."""
    number = "17053112345"
    made.report()
    for words in (["purge"], ["proof", "make"], ["report"], ["correct", "--mended", "x"]):
        assert isinstance(run(made, *words, "--by", number).exception, BadInput)
    with made.open() as place:
        before = place.store.events()
        for step in (
            lambda: purge(place, by=number),
            lambda: make_proof(place, by=number),
            lambda: seen(place, number, faults=False, note=""),
            lambda: prepare(place, by=number),
            lambda: prepare(place, by="rolle A", mended=f"gjelder {number}"),
            lambda: place.demand(Deed.APPROVE, number),
            lambda: place.act("rolle A", f"gjelder {number}"),
        ):
            with pytest.raises(BadInput) as told:
                step()
            assert number not in str(told.value)
        assert place.store.events() == before
    assert number not in kept_anywhere(made)


def test_what_the_register_writes_does_not_stop_the_taking_in(made: Place) -> None:
    """A number in the other side's own text is blotted out of the event; a digest in it stands."""
    digest = "0123456789" * 6 + "abcd"
    with made.open() as place:
        assert place.act("register", f"feil for {CANARY}").why == "feil for [hidden]"
        assert place.act("register", digest).why == digest
        assert place.act("rolle A", digest).why == digest


def test_a_proof_that_nobody_asked_for_by_name_is_the_programs(made: Place) -> None:
    """``kpr proof make`` without a name needs none."""
    made.report()
    file = made.folder / "bevis.zip"
    assert run(made, "proof", "make", "--out", file).exit_code == 0
    assert file.exists()
    assert isinstance(run(made, "proof", "make", "--out", file, "--by", "kpr").exception, BadInput)
