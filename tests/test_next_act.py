"""The next act: every combination of states has a sentence, and the sentence fits the states and the guard."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import combinations, product

import pytest

from kpr.checks.finding import StoppedBy, Text
from kpr.cli.app import app
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState, consequence, step
from kpr.guard import Approval, Former, may_open_version
from kpr.next_act import NOTHING_SENT, NextAct, Trouble, View, _rows, blocked_act, former_act, next_act

VALUES = {"until": "15.01.2021 kl. 09.15", "codes": "T02"}
#: Every set of what a blocked submission may wait for.
STOPS = [frozenset(each) for number in range(4) for each in combinations(StoppedBy, number)]
EVERY = list(product(SubmissionState, IdentLeg, ReceiptLeg))
AWAITING = [legs for legs in EVERY if legs[0] is SubmissionState.AWAITING]
#: The legs in which nothing of the receipt decides the sentence before the ident leg does.
OPEN = [(i, r) for _, i, r in AWAITING if r in (ReceiptLeg.NONE, ReceiptLeg.OVERDUE, ReceiptLeg.POSITIVE)]


def _awaiting(ident: IdentLeg, receipt: ReceiptLeg) -> NextAct:
    return next_act(SubmissionState.AWAITING, ident, receipt, VALUES)


def _first_row(
    state: SubmissionState, ident: IdentLeg, receipt: ReceiptLeg, transport: str = "OK", **more: str | bool
) -> int:
    asked = {"state": state, "ident": ident, "receipt": receipt, "transport": transport, "right": False}
    asked |= {"stopped_by": "", "view": "NOT_GIVEN", **more}
    fits = (all(value in row.get(name, [value]) for name, value in asked.items()) for row in _rows())
    return next(number for number, fit in enumerate(fits) if fit)


# -- the table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(SubmissionState))
def test_every_combination_has_a_sentence(state: SubmissionState) -> None:
    """No combination of state, ident leg and receipt leg leaves the officer without words, in either language."""
    for ident, receipt in product(IdentLeg, ReceiptLeg):
        act = next_act(state, ident, receipt)
        assert act.do in {"nothing", "act", "ask"}
        for text in (act.text.nb, act.text.en):
            assert text.endswith(".")
            assert not re.search(r"[{}]", text)


def test_no_row_is_dead() -> None:
    """Each row is the first that fits for some combination."""
    used = {
        _first_row(*legs, transport, right=right) for legs in EVERY for transport in Trouble for right in (True, False)
    }
    used |= {_first_row(*legs, stopped_by="+".join(sorted(stops))) for legs in EVERY for stops in STOPS}
    used |= {_first_row(*legs, view=view) for legs in EVERY for view in View}
    assert used == set(range(len(_rows())))


def test_rows_name_only_states_that_exist() -> None:
    """A misspelt state or key would make a row silently wider or dead."""
    known = {"state": SubmissionState, "ident": IdentLeg, "receipt": ReceiptLeg}
    for row in _rows():
        assert set(row) - set(known) - {"transport", "right", "stopped_by", "view"} == {"nb", "en", "do"}
        assert row.get("right", [True]) == [True]
        assert len(row.get("transport", ["-"])) == 1
        assert set(row.get("transport", [])) <= set(Trouble)
        assert "state" in row
        assert set(row.get("stopped_by", [])) <= {"+".join(sorted(stops)) for stops in STOPS}
        assert set(row.get("view", [])) <= set(View)
        for name, states in known.items():
            assert set(row.get(name, [])) <= {state.value for state in states}


def test_both_languages_have_the_same_placeholders() -> None:
    """What the Norwegian sentence fills in, the English one fills in too, and nothing unknown is asked for."""
    for row in _rows():
        holes = [set(re.findall(r"{(\w*)}", row[language])) for language in ("nb", "en")]
        assert holes[0] == holes[1]
        assert holes[0] <= {"until", "codes"} | ({"refused", "kind"} if "transport" in row else set())


def test_a_refused_message_is_told_of_before_anything_that_is_only_awaited() -> None:
    """While no receipt has come, an error of the transport is what to act on; a receipt decides before it."""
    values = VALUES | {"kind": "IPLOS", "refused": "sertifikatet er utløpt."}
    asked = (SubmissionState.AWAITING, IdentLeg.SENT)
    told = next_act(*asked, ReceiptLeg.NONE, values, transport=Trouble.REFUSED)
    assert told.do == "act"
    assert "sertifikatet er utløpt. Send så samme melding på nytt med «kpr resend --message IPLOS»" in told.text.nb
    assert next_act(*asked, ReceiptLeg.NEGATIVE, values, transport=Trouble.REFUSED) == next_act(
        *asked, ReceiptLeg.NEGATIVE, values
    )


def test_placeholders_are_filled_and_otherwise_a_dash() -> None:
    """The moment and the codes stand in the sentence; what is not known is a dash."""
    asked = (SubmissionState.AWAITING, IdentLeg.FEEDBACK_OK, ReceiptLeg.NONE)
    assert "til 15.01.2021 kl. 09.15." in next_act(*asked, VALUES).text.nb
    assert "until 15.01.2021 kl. 09.15." in next_act(*asked, VALUES).text.en
    assert "til –." in next_act(*asked).text.nb
    assert "kode T02" in next_act(SubmissionState.REJECTED, IdentLeg.SENT, ReceiptLeg.NEGATIVE, VALUES).text.nb
    assert "kode –" in next_act(SubmissionState.REJECTED, IdentLeg.SENT, ReceiptLeg.NEGATIVE, {"until": "x"}).text.nb


def test_the_values_are_not_read_as_a_pattern() -> None:
    """A code from the other side is shown as it came, braces and all."""
    act = next_act(SubmissionState.REJECTED, IdentLeg.SENT, ReceiptLeg.NEGATIVE, {"codes": "{until}"})
    assert "{until}" in act.text.nb


# -- what the sentences say ---------------------------------------------------------------------------------------


def test_nothing_to_do_is_said_as_such() -> None:
    """A combination that asks for nothing says so, and one that asks for something never does."""
    for legs, right, view in product(EVERY, (True, False), View):
        act = next_act(*legs, right=right, view=view)
        assert ("jør ingenting" in act.text.nb) is (act.do == "nothing"), legs
        assert ("o nothing" in act.text.en) is (act.do == "nothing"), legs


def test_no_sentence_tempts_to_send_the_same_again() -> None:
    """Wherever sending again is spoken of, it is to say not to (L23)."""
    for legs in EVERY:
        act = next_act(*legs)
        assert act.text.nb.count("send på nytt") == len(re.findall(r"[Ii]kke send på nytt", act.text.nb))
        assert act.text.en.count("send again") == len(re.findall(r"[Dd]o not send again", act.text.en))


@pytest.mark.parametrize("state", list(SubmissionState))
def test_a_correction_is_advised_only_where_the_guard_opens(state: SubmissionState) -> None:
    """No sentence sends the officer to a door that the guard keeps locked, once the legs have moved the submission."""
    sent, now = datetime(2021, 1, 11, tzinfo=UTC), datetime(2021, 1, 12, tzinfo=UTC)
    for ident, receipt in product(IdentLeg, ReceiptLeg):
        event = consequence(state, ident, receipt, ReceiptLeg.NONE)
        settled = step(state, event) if event else state
        former = Former(settled, ident, receipt, sent)
        if "kpr correct" in next_act(settled, ident, receipt).text.nb:
            assert may_open_version(former, now, Approval()).allowed, (state, ident, receipt)


@pytest.mark.parametrize(("ident", "receipt"), OPEN)
def test_an_awaiting_sentence_tells_of_both_legs(ident: IdentLeg, receipt: ReceiptLeg) -> None:
    """What is awaited, missing or wrong on either leg stands in the sentence, with the moment where there is one."""
    text = _awaiting(ident, receipt).text.nb
    both_good = (ident, receipt) == (IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE)
    assert (VALUES["until"] in text) is (receipt is ReceiptLeg.NONE)
    assert ("er forsinket" in text) is (receipt is ReceiptLeg.OVERDUE)
    assert ("Positiv kvittering har kommet" in text) is (receipt is ReceiptLeg.POSITIVE and not both_good)
    assert ("ble ikke gjenkjent" in text) is (ident is IdentLeg.FEEDBACK_UNREAD)
    assert ("feil ved fødselsnumre" in text) is (ident is IdentLeg.FEEDBACK_FAULTS)
    assert ("identmeldingen mangler: ta kontakt med registeret" in text) is (ident is IdentLeg.OVERDUE)
    assert ("identmeldingen ventes på e-post" in text) is (ident in (IdentLeg.NOT_SENT, IdentLeg.SENT))
    assert ("identmeldingen har kommet" in text) is (ident is IdentLeg.FEEDBACK_OK and not both_good)


@pytest.mark.parametrize("ident", list(IdentLeg))
def test_an_overdue_receipt_is_no_rejection(ident: IdentLeg) -> None:
    """The sentence says that a late positive receipt still counts, and to check and ask before anything else."""
    act = _awaiting(ident, ReceiptLeg.OVERDUE)
    assert act.do == "ask"
    assert "Sjekk adressene" in act.text.nb
    assert "teller fortsatt" in act.text.nb
    assert "avvist" not in act.text.nb


def test_accepted_points_on_to_the_view() -> None:
    """Accepted is not right (L2, L3, R9): the sentence asks for the step that is left, and rests when it is done."""
    legs = (SubmissionState.ACCEPTED, IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE)
    act = next_act(*legs)
    assert act.do == "act"
    assert "hold registerets visning" in act.text.nb
    assert "«kpr view give»" in act.text.nb
    assert "«kpr view compare»" in next_act(*legs, view=View.UNSETTLED).text.nb
    assert next_act(*legs, view=View.SETTLED).text.nb.endswith("underskriv med «kpr view sign».")
    signed = next_act(*legs, right=True, view=View.SETTLED)
    assert signed.do == "nothing"
    assert "registerets visning stemmer" in signed.text.nb


def test_what_was_purged_is_not_asked_for() -> None:
    """When the content is gone nothing can be compared any more, and nothing is asked."""
    act = next_act(SubmissionState.ACCEPTED, IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE, view=View.GONE)
    assert act.do == "nothing"
    assert "kpr" not in act.text.nb


@pytest.mark.parametrize("stops", STOPS, ids=lambda stops: "+".join(sorted(stops)))
def test_what_stops_decides_what_to_do(stops: frozenset[StoppedBy]) -> None:
    """A swing wants a reason, a suspect a decision, and only a fault is mended in the care-record system first."""
    text = blocked_act(stops).text
    fault = StoppedBy.FAULT in stops or not stops
    assert ("fant feil" in text.nb) is fault
    assert ("found faults" in text.en) is fault
    for said in (text.nb, text.en):
        for command in ("kpr swings show", "kpr swings explain"):
            assert (command in said) is (StoppedBy.REASON in stops)
        for command in ("kpr persons show", "kpr persons decide"):
            assert (command in said) is (StoppedBy.PERSON in stops)
        assert "kpr report" in said
    assert text.nb.endswith("Ingenting er sendt.")


def test_faults_after_acceptance_are_for_a_person() -> None:
    """When the ident message is rejected afterwards, no sentence says that all is well."""
    act = next_act(SubmissionState.ACCEPTED, IdentLeg.FEEDBACK_FAULTS, ReceiptLeg.POSITIVE, VALUES)
    assert act.do == "ask"
    assert "Spør registeret" in act.text.nb


def test_only_commands_that_exist_are_named() -> None:
    """Every command in a sentence is one that the program has."""
    names = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    names |= {str(group.name) for group in app.registered_groups}
    texts = [next_act(*legs, right=right, view=view).text for legs in EVERY for right in (True, False) for view in View]
    texts += [NOTHING_SENT, *(blocked_act(stops).text for stops in STOPS)]
    named = {name for text in texts for name in re.findall(r"kpr (\w+)", f"{text.nb} {text.en}")}
    assert named == {"report", "correct", "check", "view", "proof", "swings", "persons"}
    assert named <= names


def test_before_the_first_submission_there_is_a_sentence_too() -> None:
    """An empty year says what to do first."""
    assert isinstance(NOTHING_SENT, Text)
    assert "Ingenting er sendt" in NOTHING_SENT.nb
    assert "Nothing has been sent" in NOTHING_SENT.en


@pytest.mark.parametrize("receipt", list(ReceiptLeg))
def test_an_earlier_version_points_to_the_newest(receipt: ReceiptLeg) -> None:
    """Whatever became of it, nothing is asked there, and the newest is named."""
    for accepted, replaced in product((True, False), repeat=2):
        act = former_act(receipt, 1, 3, accepted=accepted, replaced=replaced)
        assert act.do == "nothing"
        assert act.text.nb.startswith("Dette er versjon 1. ")
        assert act.text.nb.endswith("står på siden for versjon 3.")
        assert ("avvist" in act.text.nb) is (receipt is ReceiptLeg.NEGATIVE and not accepted)
        assert not re.search(r"[{}]", act.text.nb + act.text.en)
        assert "None" not in act.text.nb + act.text.en
        assert ("versjon 3" in act.text.nb.split(" Hva du")[0]) is ("version 3" in act.text.en.split(" What to do")[0])
        if accepted or receipt not in (ReceiptLeg.NEGATIVE, ReceiptLeg.WITHDRAWN):
            assert "versjon 3" in act.text.nb.split(" Hva du")[0]
