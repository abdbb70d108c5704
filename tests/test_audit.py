"""``kpr audit``: the log is whole until somebody changes it, and then the first event that does not fit is named."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from place import Place
from typer.testing import CliRunner, Result

from kpr.cli.app import app
from kpr.errors import Altered, BadInput, BadMessage
from kpr.steps.audit import PROOF_FIELD, PROOF_PART, head, log, proved_heads, verify
from kpr.steps.purge import certificate_file
from kpr.store import KeptKind

CUT = (
    "DELETE FROM event WHERE id = (SELECT max(id) FROM event)",
    "UPDATE cycle SET head = (SELECT chain FROM event ORDER BY id DESC LIMIT 1)",
)


@pytest.fixture
def made(tmp_path: Path) -> Place:
    """A place with a whole submission behind it."""
    made = Place(tmp_path, persons=5)
    made.report()
    made.exchange()
    return made


def kpr_audit(made: Place, *words: str) -> Result:
    """Run ``kpr audit``."""
    return CliRunner().invoke(app, ["audit", *words, "--settings", str(made.settings)])


def tamper(made: Place, *statements: str) -> None:
    """Lift the triggers and change the database's file."""
    with closing(sqlite3.connect(made.folder / "kpr.sqlite")) as database, database:
        for trigger in ("event_no_update", "event_no_delete"):
            database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            database.execute(statement)


def prove(made: Place, content: bytes) -> None:
    """Keep a proof as the proof step does."""
    with made.open() as place:
        place.kept.keep(KeptKind.PROOF, content, place.act("rolle A"))


def proof(**said: object) -> bytes:
    """A bundle whose main part says this."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr(PROOF_PART, json.dumps(said))
    return out.getvalue()


def test_a_whole_season_is_whole(made: Place) -> None:
    """After a submission that was sent and answered every event fits, and the head is that of the last one."""
    with made.open() as place:
        seen = verify(place)
        events = log(place)
        assert seen.broken is None
        assert (seen.events, seen.head) == (len(events), events[-1].chain)
        assert head(place) == seen.head
        assert verify(place, events[3].chain.upper()).broken is None
    done = kpr_audit(made, "verify")
    assert done.exit_code == 0
    assert f"{len(events)} hendelser" in done.output


def test_before_the_first_event_nothing_is_broken(tmp_path: Path) -> None:
    """A new place has an empty log, and says so."""
    made = Place(tmp_path, persons=5)
    assert "Ingen hendelser" in kpr_audit(made, "head").output
    assert json.loads(kpr_audit(made, "verify", "--json").output)["whole"] is True


def test_an_edit_is_named_by_number_and_time(made: Place) -> None:
    """Another name in the third event: exit code 10, the third event, its time in Norway, and what to do."""
    with made.open() as place:
        third = log(place)[2]
    tamper(made, f"UPDATE event SET who = 'rolle X' WHERE id = {third.id}")
    done = kpr_audit(made, "verify")
    assert done.exit_code == Altered.exit_code
    assert re.search(r"Hendelse 3 av \d+, 07\.01\.2021 kl\. 10\.00", done.output)
    said = json.loads(kpr_audit(made, "verify", "--json").output)
    assert (said["whole"], said["broken"]["number"]) == (False, 3)
    assert said["broken"]["at"] == third.at.isoformat()


def test_an_end_cut_off_shows_against_a_known_head(made: Place) -> None:
    """With the cycle's head set back as well, only the head that was kept elsewhere tells."""
    known = json.loads(kpr_audit(made, "head", "--json").output)["head"]
    tamper(made, *CUT)
    assert kpr_audit(made, "verify").exit_code == 0
    assert "--head" in kpr_audit(made, "verify").output
    done = kpr_audit(made, "verify", "--head", known)
    assert done.exit_code == Altered.exit_code
    assert "finnes ikke i loggen" in done.output


def test_every_proof_is_such_a_head(made: Place) -> None:
    """The heads in all proofs that are kept here are held against the log without anybody asking, not the newest alone."""
    with made.open() as place:
        first = head(place)
    prove(made, proof(event_head=first))
    with made.open() as place:
        second = head(place)
    prove(made, proof(**{PROOF_FIELD: second}))
    assert json.loads(kpr_audit(made, "verify", "--json").output)["held_against"] == [first, second]
    assert kpr_audit(made, "verify").exit_code == 0
    tamper(made, *CUT)  # the second proof's own event
    assert kpr_audit(made, "verify").exit_code == 0
    tamper(made, *CUT)  # the first proof's, at which the second was made
    assert kpr_audit(made, "verify").exit_code == Altered.exit_code
    tamper(made, "DELETE FROM kept WHERE number = (SELECT max(number) FROM kept WHERE kind = 'PROOF')")
    assert kpr_audit(made, "verify").exit_code == 0
    tamper(made, *CUT)
    with made.open() as place:
        seen = verify(place)
    assert seen.broken is not None
    assert (seen.known, seen.broken.at) == ((first,), None)


def test_a_purge_certificate_is_such_a_head(made: Place) -> None:
    """The head in a purge certificate beside the vault is held against the log; one without it is passed over."""
    with made.open() as place:
        known, file = head(place), certificate_file(place)
        file.with_name(f"purged-{place.label}-2.0123456789abcdef.json").write_text('{"by": ["rolle A"]}')
        other = file.with_name("purged-4601-2020-1.json")
    file.write_text(json.dumps({"event_head": known}))
    other.write_text(json.dumps({"event_head": "0" * 64}))
    assert json.loads(kpr_audit(made, "verify", "--json").output)["held_against"] == [known]
    assert kpr_audit(made, "verify").exit_code == 0
    tamper(made, *CUT)
    assert kpr_audit(made, "verify").exit_code == Altered.exit_code
    file.write_text("[]")
    with made.open() as place, pytest.raises(BadMessage, match=file.name):
        verify(place)


@pytest.mark.parametrize("edit", ["at = 'garbage'", "who = x'ff'", "why = CAST(x'ff' AS TEXT)"])
def test_an_edit_that_cannot_be_read_is_named_too(made: Place, edit: str) -> None:
    """What is no time or no text where one belongs: exit code 10 and its number, from verify and from show."""
    tamper(made, f"UPDATE event SET {edit} WHERE id = (SELECT min(id) FROM event)")
    done = kpr_audit(made, "verify")
    assert (done.exit_code, "Hendelse 1 av" in done.output) == (Altered.exit_code, True)
    assert json.loads(kpr_audit(made, "verify", "--json").output)["broken"]["number"] == 1
    done = kpr_audit(made, "show")
    assert isinstance(done.exception, Altered)
    assert "Hendelse 1 " in str(done.exception)


@pytest.mark.parametrize("said", [{}, {"event_head": ""}, {"event_head": 7}, {"event_head": "x" * 64}])
def test_a_proof_without_a_head_says_nothing(made: Place, said: dict[str, object]) -> None:
    """One from before there were heads is no fault."""
    prove(made, proof(**said))
    with made.open() as place:
        assert proved_heads(place) == ()
        assert verify(place).known == ()


@pytest.mark.parametrize("content", [b"", b"no bundle", proof()[:-8], b"[]"])
def test_a_proof_that_cannot_be_read_is_said(made: Place, content: bytes) -> None:
    """A broken bundle is one clear sentence, not silence."""
    prove(made, content)
    with made.open() as place, pytest.raises(BadMessage, match="bevis"):
        verify(place)


@pytest.mark.parametrize("said", ["0" * 63, "0" * 65, "g" * 64, "siste"])
def test_what_is_no_head_is_refused(made: Place, said: str) -> None:
    """A head that was mistyped is not taken for one that is missing."""
    with made.open() as place, pytest.raises(BadInput, match="64") as refused:
        verify(place, said)
    assert refused.value.place == "--head"
    assert refused.value.remedy


def test_the_log_is_shown_with_person_and_role(made: Place) -> None:
    """Each event has its number, who, in which role, and its chain; nothing in it is a national id."""
    shown = json.loads(kpr_audit(made, "show", "--json").output)
    assert [event["number"] for event in shown] == list(range(1, len(shown) + 1))
    assert {(event["who"], event["role"]) for event in shown} >= {("rolle A", "unrestricted"), ("kpr", "program")}
    assert all(len(event["chain"]) == 64 for event in shown)
    table = kpr_audit(made, "show")
    assert table.exit_code == 0
    assert not re.search(r"(?<!\d)\d{11}(?!\d)", table.output)
    assert "APPROVED" in kpr_audit(made, "show", "--json").output
