"""The mirror of a whole played submission, and the third verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from place import Place
from typer.testing import CliRunner

from kpr.cli.app import app
from kpr.conversation import ReceiptEvent, ReceiptLeg, Verdict
from kpr.errors import BadInput, BadMessage, Locked
from kpr.fleet.installation import load_installation
from kpr.fleet.look import look
from kpr.mirror.compare import Agreement
from kpr.registry.register import Register
from kpr.registry.serve import answer
from kpr.registry.settings import load_register_settings
from kpr.registry.view import view_text
from kpr.steps.extract import kept_rows
from kpr.steps.mirror import explain_row, give, mirror, sign
from kpr.store import Message, MessageKind

RUNNER = CliRunner()


def view_text_of(place: Place) -> str:
    """What somebody copies from the stand-in register's page of the municipality."""
    register = Register(load_register_settings(place.folder / "register" / "register.yaml"))
    try:
        view = register.state.latest_view("1103", 2020)
        assert view is not None
        return f"Registerets visning: kommune 1103, 2020\n{view_text(view)}"
    finally:
        register.close()


def test_the_signature_says_which_tables_were_not_compared(accepted: Place) -> None:
    """T2 and T3 stand in nobody's way, and are named when none of their numbers was given; as plain data too."""
    pasted = view_text_of(accepted)
    first = pasted[: pasted.index("\nLangtidsopphold\n")]
    words = ["--by", "leder", "--settings", str(accepted.settings)]
    given = RUNNER.invoke(app, ["view", "give", "-", "--rest-zero", *words], input=first)
    assert "ikke sammenlignet: T2 (langtidsopphold), T3 (hjemmeboende)" in " ".join(given.output.split())
    signed = " ".join(RUNNER.invoke(app, ["view", "sign", *words]).output.split())
    assert "T2 (langtidsopphold) er ikke sammenlignet" in signed
    assert "T3 (hjemmeboende) er ikke sammenlignet" in signed
    shown = RUNNER.invoke(app, ["view", "compare", "--settings", str(accepted.settings), "--json"])
    assert json.loads(shown.output)["not_compared"] == ["T2", "T3"]


def reject_ids(place: Place) -> None:
    """A negative receipt comes for the ident message, late."""
    with place.open() as opened:
        latest = opened.store.latest()
        assert latest is not None
        message = opened.store.message(latest.id, MessageKind.IDENT)
        with opened.store.transaction() as session:  # as a register that sends no receipt for it at first
            session.get_one(Message, message.id).receipt_leg = ReceiptLeg.NONE
        opened.legs.receipt(message.id, ReceiptEvent.NEGATIVE, opened.act("register"), "T02")


@pytest.fixture
def accepted(tmp_path: Path) -> Place:
    """A municipality whose submission was accepted; some of its persons will be deleted by the register."""
    place = Place(tmp_path, persons=60)
    place.extract()
    place.report()
    place.later(hours=1)
    place.exchange()
    place.later(hours=30)
    place.exchange()
    assert place.status().state == "ACCEPTED"
    return place


def test_the_registers_page_agrees_with_the_mirror(accepted: Place) -> None:
    """What the register shows of the very bytes is the same as what we count of them, small counts and all."""
    with accepted.open() as place:
        given = give(place, view_text_of(accepted).encode(), by="fagansvarlig")
        seen = mirror(place)
    assert given.left_out == 1
    assert {line.agreement for line in seen.document.compared} <= {Agreement.EQUAL, Agreement.SMALL}
    assert {line.agreement for line in seen.document.compared if line.row.name == "T1.personer"} == {Agreement.EQUAL}
    assert len(given.numbers) == len(seen.document.rows)


def test_the_page_itself_shows_these_rows(accepted: Place) -> None:
    """Every text that the paste is understood by stands on the register's page."""
    register = Register(load_register_settings(accepted.folder / "register" / "register.yaml"))
    try:
        page = answer(register, "/view/1103/2020")[2].decode()
    finally:
        register.close()
    with accepted.open() as place:
        rows = mirror(place).document.rows
    assert [row.text for row in rows if row.text not in page] == []


def test_the_mirror_counts_what_the_register_keeps(tmp_path: Path) -> None:
    """Persons whom the register deletes without a word are in none of our rows, and in none of the view's."""
    place = Place(tmp_path, persons=30)
    with place.settings.open("a", encoding="utf-8") as settings:
        settings.write("rules: {R-peKjonn-K: warn}\n")
    place.extract(unknown_sex=3)
    place.report()
    place.later(hours=1)
    place.exchange()
    with place.open() as opened:
        give(opened, view_text_of(place).encode(), by="fagansvarlig")
        seen = mirror(opened).document
    assert (seen.persons_sent, seen.persons_kept) == (30, 27)
    assert {line.agreement for line in seen.compared} <= {Agreement.EQUAL, Agreement.SMALL}


def test_only_a_signature_makes_it_right(accepted: Place) -> None:
    """Accepted is not right; an agreeing view is not right either; the signature is, once, and nothing changes after."""
    with accepted.open() as place:
        with pytest.raises(Locked, match="ikke gitt ennå"):
            sign(place, by="leder")
        give(place, view_text_of(accepted).encode(), by="fagansvarlig")
    assert not accepted.status().verdict.right
    with accepted.open() as place:
        sign(place, by="leder", why="holdt opp mot visningen")
    assert accepted.status().verdict.right
    with accepted.open() as place:
        assert mirror(place).signed is not None
        with pytest.raises(Locked, match="alt meldt riktig"):
            sign(place, by="leder")
        with pytest.raises(Locked, match="endres ikke"):
            give(place, b"T1.6=1", by="fagansvarlig")


def test_a_difference_must_be_explained_before_the_signature(accepted: Place) -> None:
    """A row that differs stands in the way, by its name, until somebody says why."""
    pasted = view_text_of(accepted).splitlines()
    whole = next(line for line in pasted if "Brukere i alt" in line)
    spoilt = "\n".join(pasted).replace(whole, "\tBrukere i alt\t\t777\t–\t–")
    with accepted.open() as place:
        give(place, spoilt.encode(), by="fagansvarlig")
        with pytest.raises(Locked, match=r"T1\.personer"):
            sign(place, by="leder")
        with pytest.raises(BadInput, match="Ingen slik rad"):
            explain_row(place, "T1.99", why="x", by="leder")
        with pytest.raises(BadInput, match="fødselsnummer"):
            explain_row(place, "T1.personer", why="se 41815512345", by="leder")
        seen = explain_row(place, "t1.personer", why="visningen er fra i går", by="leder")
        assert not seen.document.unsettled
        sign(place, by="leder")
    assert accepted.status().verdict.right


def test_a_row_that_is_missing_is_told_by_its_name(accepted: Place) -> None:
    """One service left out of the paste waits for a number; «the rest is nought» is said, never assumed."""
    lines = view_text_of(accepted).splitlines()
    gone = next(line for line in lines if line.startswith("6\t"))
    with accepted.open() as place:
        give(place, "\n".join(line for line in lines if line != gone).encode(), by="fagansvarlig")
        assert [line.row.name for line in mirror(place).document.unsettled] == ["T1.6"]
        give(place, f"T1.6={gone.split(chr(9))[3]}".encode(), by="fagansvarlig")
        assert not mirror(place).document.unsettled


def test_the_rest_can_be_said_to_be_nought(accepted: Place) -> None:
    """With that word the rows that were not given count as nought in the view, and differ where we count more."""
    with accepted.open() as place:
        give(place, b"T1.6=1", by="fagansvarlig", rest_is_zero=True)
        seen = mirror(place)
    assert Agreement.NOT_GIVEN not in {line.agreement for line in seen.document.compared if line.row.table == "T1"}
    assert "T1.personer" in {line.row.name for line in seen.document.unsettled}


def test_a_changed_message_is_not_counted(accepted: Place) -> None:
    """When the kept bytes are not those that were built, there is no mirror of them."""
    with accepted.open() as place:
        latest = place.store.latest()
        assert latest is not None
        (message,) = (each for each in place.store.messages(latest.id) if each.kind == "IPLOS")
        whole = place.vault.get(message.content_name, latest.wrapped_key)
        place.vault.put(message.content_name, latest.wrapped_key, whole + b"\n<!-- -->")
        with pytest.raises(BadMessage, match="not the one that was built"):
            mirror(place)


def test_the_document_holds_no_person(accepted: Place) -> None:
    """What is kept of the comparison is counts and the acts of people, and no key or number of a person."""
    with accepted.open() as place:
        give(place, view_text_of(accepted).encode(), by="fagansvarlig")
        raw = place.kept.read(mirror(place).kept)
        latest = place.store.latest()
        assert latest is not None
        rows = kept_rows(place, latest)
        people = {value for (value,) in rows.select("ident", ("fid",)) if value}
    text = raw.decode()
    assert people
    assert not [value for value in people if value in text]
    assert json.loads(text)["data_year"] == 2020


def test_right_is_gone_when_the_national_ids_are_rejected_after_the_signature(accepted: Place) -> None:
    """A negative receipt on the ident message: no longer accepted, so not right; the board and the mirror say the same."""
    with accepted.open() as place:
        give(place, view_text_of(accepted).encode(), by="fagansvarlig")
        sign(place, by="leder")
    assert accepted.status().verdict == Verdict(delivered=True, accepted=True, right=True)
    assert look(next(iter(load_installation(accepted.settings)))).right
    reject_ids(accepted)
    assert accepted.status().verdict == Verdict(delivered=True, accepted=False, right=False)
    assert not look(next(iter(load_installation(accepted.settings)))).right
    with accepted.open() as place:
        assert mirror(place).signed is None


def test_what_has_its_national_ids_rejected_cannot_be_signed(accepted: Place) -> None:
    """Accepted once, and rejected on its ids since: Locked, with what to do, and nothing is written."""
    with accepted.open() as place:
        give(place, view_text_of(accepted).encode(), by="fagansvarlig")
    reject_ids(accepted)
    with accepted.open() as place:
        with pytest.raises(Locked, match="feil i fødselsnumrene"):
            sign(place, by="leder")
        latest = place.store.latest()
        assert latest is not None
        with pytest.raises(Locked, match="feil i fødselsnumrene"):
            place.judgements.sign_off(latest.id, mirror(place).kept.id, place.act("leder"))
        assert not [event for event in place.store.events() if event.event == "SIGNED_OFF"]
